//! How long it takes to read the goroutines of a running program: `time_read PID`, and with `time_read PID THREADS` to prove
//! what of them is leaked. The program is not stopped, so it should be at rest.

#![expect(
    clippy::disallowed_methods,
    reason = "it is the caller that reads, and measures"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use memmap2::{Advice, MmapOptions};

use gorphan_goruntime::{
    Address, Bias, Depth, Frozen, Image, Limits, Memory, Moment, Question, Room, Runtime,
    Unreadable,
};

struct Process(File);

impl Memory for Process {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let length = buffer.len() as u64;
        let read = self.0.read_exact_at(buffer, address.0);
        read.map_err(|_| Unreadable { address, length })
    }
}

/// Proves what can be proven, and says how long that took.
fn prove(
    runtime: &Runtime,
    frozen: &Frozen,
    threads: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let (start, before) = (Instant::now(), processor_seconds()?);
    let question = Question { threads, why: None };
    let answer = runtime.prove(frozen, &question)?;
    println!(
        "proven in {:.3} s, {:.2} s of processors, on {threads} threads; peak memory {}",
        start.elapsed().as_secs_f64(),
        processor_seconds()? - before,
        peak()?
    );
    let mut results = BTreeMap::<&str, u64>::new();
    for sample in &answer.snapshot.samples {
        let result = sample
            .proof
            .as_ref()
            .map_or("not waiting", |proof| proof.result());
        *results.entry(result).or_default() += sample.count;
    }
    println!("{results:?}");
    for sample in answer
        .snapshot
        .samples
        .iter()
        .filter(|one| one.proof.is_some())
        .take(3)
    {
        println!("{} {:?}", sample.count, sample.proof);
    }
    for site in answer.snapshot.retention.iter().flat_map(|all| &all.sites) {
        println!(
            "{} goroutines, {} of stack, {} of heap",
            site.goroutines, site.stack_bytes, site.heap_bytes
        );
    }
    Ok(())
}

/// What all threads have computed, in hundredths of a second as Linux counts.
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<u64>, _> = fields.map(str::parse).collect();
    Ok(ticks?.iter().sum::<u64>() as f64 / 100.0)
}

fn peak() -> Result<String, Box<dyn std::error::Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.unwrap_or_default().trim().to_owned())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args()
        .nth(1)
        .ok_or("usage: time_read PID [THREADS]")?;
    let threads = std::env::args().nth(2).map(|threads| threads.parse());
    let threads: Option<usize> = threads.transpose()?;
    let bytes = fs::read(format!("/proc/{pid}/exe"))?;
    let size = bytes.len();
    let start = Instant::now();
    let image = Image::parse(bytes)?;
    let parsed = start.elapsed();
    let runtime = Runtime::of(image)?;
    let found = start.elapsed() - parsed;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let path = fs::read_link(format!("/proc/{pid}/exe"))?;
    let path = path.to_string_lossy().into_owned();
    let line = maps.lines().find(|line| line.ends_with(&path));
    let low = line
        .and_then(|line| line.split_once('-'))
        .ok_or("not mapped")?
        .0;
    let page = runtime.image().lowest_address().0 & !0xfff;
    let bias = Bias(u64::from_str_radix(low, 16)?.saturating_sub(page));
    let memory = Process(File::open(format!("/proc/{pid}/mem"))?);
    let moment = Moment {
        threads: &[],
        now_nanos: 0,
        depth: if threads.is_some() {
            Depth::Proof
        } else {
            Depth::Goroutines
        },
        limits: Limits::default(),
        may_go_on: &|| true,
    };
    let measured = usize::try_from(runtime.measure(bias, &memory, &moment)?)?;
    // As `gorphan inspect` does it.
    let room = MmapOptions::new().len(measured + measured / 8).map_anon()?;
    let _ = room.advise(Advice::HugePage);
    let _ = room.advise_range(Advice::PopulateWrite, 0, measured);
    let start = Instant::now();
    let frozen = runtime.copy_into(bias, &memory, &moment, Room::new(room))?;
    let copied = start.elapsed();
    let (snapshot, details) = runtime.snapshot(&frozen)?;
    let built = start.elapsed() - copied;
    if let Some(threads) = threads {
        prove(&runtime, &frozen, threads)?;
    }
    let start = Instant::now();
    let count = runtime.count(bias, &memory)?;
    let counted = start.elapsed();
    println!(
        "{}, {} MB: headers {parsed:?}, layouts and variables {found:?}",
        runtime.image().go_version(),
        size >> 20
    );
    println!(
        "{count} goroutines (counted in {counted:?}), {} of the runtime, {} samples, {} problems",
        details.system,
        snapshot.samples.len(),
        snapshot.problems.len()
    );
    println!(
        "copied {} MB in {copied:?}, snapshot in {built:?}",
        frozen.copied_bytes() >> 20
    );
    for problem in snapshot.problems.iter().take(10) {
        println!("{problem:?}");
    }
    Ok(())
}
