//! Times the parts of a run over packages: `cargo run --release --example time_lint -- [--tests] PACKAGES...`. GOROOT says which Go
//! tree. Nothing is remembered; the command adds its cache.
#![expect(
    clippy::disallowed_methods,
    reason = "an example reads files and the clock"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use gorphan_lint::load::{Environment, Request, Settings, Wishes, load};
use gorphan_lint::session::{Forgetful, Run, run};
use gorphan_lint::syntax::Names;
use support::Disk;

fn main() {
    let mut patterns: Vec<String> = std::env::args().skip(1).collect();
    let tests = patterns.iter().any(|pattern| pattern == "--tests");
    patterns.retain(|pattern| pattern != "--tests");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let environment = Environment {
        variable: &|name| std::env::var_os(name)?.into_string().ok(),
        home: std::env::home_dir(),
        configuration: None,
        working: std::env::current_dir().unwrap_or_default(),
    };
    let start = Instant::now();
    let settings = Settings::detect(&Disk, &environment, &Wishes::default());
    let request = Request {
        patterns: &patterns,
        tests,
        threads,
    };
    let loaded = match load(&Disk, &settings, &request) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return;
        }
    };
    let found = start.elapsed();
    let names = Names::new();
    let wanted = |index: usize| {
        loaded
            .packages
            .get(index)
            .is_some_and(|package| package.root)
    };
    loaded.parse(&names, threads, &wanted);
    let parsed = start.elapsed();
    let outcome = run(
        &loaded,
        Run {
            names: &names,
            store: &Forgetful,
            threads,
            salt: "",
        },
    );
    let checked = start.elapsed();
    let lines: u64 = outcome
        .reports
        .iter()
        .map(|(_, report)| report.ledger.lines)
        .sum();
    let findings: usize = outcome
        .reports
        .iter()
        .map(|(_, report)| report.findings.len())
        .sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap_or_default();
    println!(
        "{} packages, {lines} lines, {findings} findings; found {:.2} s, parsed {:.2} s, checked {:.2} s; {peak}",
        outcome.reports.len(),
        found.as_secs_f64(),
        (parsed - found).as_secs_f64(),
        (checked - parsed).as_secs_f64(),
    );
}
