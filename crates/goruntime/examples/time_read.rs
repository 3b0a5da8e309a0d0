//! How long it takes to read the goroutines of a running program: `time_read PID`. The program is not stopped, so it
//! should be at rest.

#![expect(
    clippy::disallowed_methods,
    reason = "it is the caller that reads, and measures"
)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use gorphan_goruntime::{Address, Bias, Depth, Image, Limits, Memory, Moment, Runtime, Unreadable};

struct Process(File);

impl Memory for Process {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let length = buffer.len() as u64;
        let read = self.0.read_exact_at(buffer, address.0);
        read.map_err(|_| Unreadable { address, length })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: time_read PID")?;
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
        depth: Depth::Goroutines,
        limits: Limits::default(),
        may_go_on: &|| true,
    };
    let start = Instant::now();
    let frozen = runtime.copy(bias, &memory, &moment)?;
    let copied = start.elapsed();
    let (snapshot, details) = runtime.snapshot(&frozen)?;
    let built = start.elapsed() - copied;
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
