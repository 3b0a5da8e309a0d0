//! Times decoding a file: `time_decode FILE RUNS [memory]` prints "median seconds, goroutines, peak resident KiB".
//!
//! With `memory` the file is read before, as other parsers' harness does; without, reading is part of it and memory
//! stays small. `cargo xtask bench` sets this beside other projects' parsers.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it reads files and a clock"
)]

use std::error::Error;
use std::fs::{self, File};
use std::time::Instant;

use gorphan_decode::{Options, read, read_bytes};

const USAGE: &str = "usage: time_decode FILE RUNS [memory]";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, runs, rest @ ..] = args.as_slice() else {
        return Err(USAGE.into());
    };
    let runs: usize = runs.parse()?;
    let bytes = match rest {
        [] => None,
        _ => Some(fs::read(file)?),
    };
    let mut seconds = Vec::with_capacity(runs);
    let mut goroutines = 0;
    for _ in 0..runs {
        let start = Instant::now();
        let snapshots = match &bytes {
            Some(bytes) => read_bytes(bytes, &Options::default())?,
            None => read(File::open(file)?, &Options::default())?,
        };
        seconds.push(start.elapsed().as_secs_f64());
        goroutines = snapshots.iter().map(|snapshot| snapshot.goroutines()).sum();
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(runs / 2).ok_or("RUNS must be at least 1")?;
    println!("{median} {goroutines} {}", peak_kib());
    Ok(())
}

/// Linux only; 0 elsewhere.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
