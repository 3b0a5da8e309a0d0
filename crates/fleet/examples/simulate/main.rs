//! `cargo xtask simulate [SERVICES [WEEKS [SEED]]]`: a simulated fleet, judged as a real one is.
//!
//! Every service is drawn from a seed: how many instances it has, how often it is deployed and restarted, its daily and
//! weekly load, and its sites, healthy and leaking. What the judge is told is what sweeps would have stored, and nothing else.
//! The figures are those of `docs/fleet-judgement.md`. Ends with status 1 when a target of the project is missed.

#![forbid(unsafe_code)]

mod chance;
mod service;
mod tally;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gorphan_fleet::history::{History, Memory, Point, SiteKey};
use gorphan_fleet::rank::growth::Detector;
use gorphan_fleet::rank::{Step, THRESHOLD};

use service::{Service, Truth};
use tally::Tally;

/// Seconds from one sweep to the next.
const INTERVAL: i64 = 600;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut number = |default| numbers.next().and_then(Result::ok).unwrap_or(default);
    let (services, weeks, seed) = (number(400), number(4), number(1));
    let next = AtomicU64::new(0);
    let total = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= services {
                        return;
                    }
                    let one = judge(seed.wrapping_mul(1_000_003) + index, weeks);
                    if let Ok(mut total) = total.lock() {
                        total.add(one);
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_default();
    print!("{}", total.report(services, weeks, seed));
    if total.holds(services * weeks) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Simulates and judges one service.
fn judge(seed: u64, weeks: u64) -> Tally {
    let mut service = Service::new(seed);
    let mut history = Memory::default();
    let mut detectors: HashMap<SiteKey, Detector> = HashMap::new();
    let mut tally = Tally::default();
    let sweeps = i64::try_from(weeks).unwrap_or(4) * 7 * 86_400 / INTERVAL;
    for sweep in 0..sweeps {
        let at = sweep * INTERVAL;
        let record = service.sweep(at);
        let Ok(points) = history.append(&record);
        let mut by_site: HashMap<&SiteKey, Vec<&Point>> = HashMap::new();
        for (key, point) in &points {
            by_site.entry(key).or_default().push(point);
        }
        for (key, points) in by_site {
            if !key.operation.waits_for_goroutine() {
                continue;
            }
            let most = points.iter().map(|point| point.max).max().unwrap_or(0);
            let truth = service.truth(&key.function);
            if most >= THRESHOLD {
                tally.alarm("threshold", &key.function, truth, at);
            }
            let Some(step) = Step::of(points) else {
                continue;
            };
            let detector = detectors.entry(key.clone()).or_default();
            detector.push(&step);
            if detector.growth().is_some() {
                tally.alarm("growth", &key.function, truth, at);
            }
        }
    }
    let end = sweeps * INTERVAL;
    for (name, truth) in service.truths() {
        if let Truth::Leak(leak) = truth {
            tally.leak(name, *leak, end);
        }
    }
    tally
}
