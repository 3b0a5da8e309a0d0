//! Times reading Go files: `time_parse RUNS [skip]` takes paths from standard input and prints "median seconds,
//! declarations, peak resident KiB". The files are read from disk before; each is parsed and dropped, on one thread. The
//! seconds are those of the processor, so that what else the machine does counts little.
//!
//! With `skip` the bodies of functions are skipped. `cargo xtask bench` sets this beside Go's own parser.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it reads files and a clock"
)]

use std::error::Error;
use std::io::Read;

use gorphan_lint::syntax::{Bodies, Interner, Names, parse};

const USAGE: &str = "usage: time_parse RUNS [skip] < paths";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (runs, bodies) = match args.as_slice() {
        [runs] => (*runs, Bodies::Parse),
        [runs, "skip"] => (*runs, Bodies::Skip),
        _ => return Err(USAGE.into()),
    };
    let runs: usize = runs.parse()?;
    let mut paths = String::new();
    std::io::stdin().read_to_string(&mut paths)?;
    let mut sources = paths
        .lines()
        .map(std::fs::read)
        .collect::<Result<Vec<_>, _>>()?;
    let mut seconds = Vec::with_capacity(runs);
    let mut declarations = 0;
    for _ in 0..runs {
        let start = processor_seconds()?;
        let names = Names::new();
        let mut interner = Interner::new(&names);
        declarations = 0;
        for source in &mut sources {
            let file = parse(std::mem::take(source), &mut interner, bodies);
            declarations += file.decls.len();
            *source = file.into_source();
        }
        seconds.push(processor_seconds()? - start);
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(runs / 2).ok_or("RUNS must be at least 1")?;
    println!("{median} {declarations} {}", peak_kib());
    Ok(())
}

/// What this thread has run, in seconds; Linux only.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let nanoseconds = text.split(' ').next().unwrap_or_default();
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

/// Linux only; 0 elsewhere.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
