//! Sweeps over many instances, as `gorphan watch` makes them.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use gorphan_fleet::FleetConfig;
use gorphan_fleet::discover::{Discovery, Surroundings};
use gorphan_fleet::history::{open, record};
use gorphan_fleet::rank::Judge;
use gorphan_fleet::sweep::{Effects, Sweeper};
use gorphan_model::verdict::Policy;

use super::{Outcome, peak_mib, processor_seconds};

/// Instances of one service.
const OF_SERVICE: u32 = 100;

pub(super) fn run(port: u32, instances: u32, rounds: u32) -> Outcome {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let config = FleetConfig::parse(&yaml(port, instances), "gorphan.yaml", Path::new("."));
    let config = config.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let mut store = open(&config.history, folder.path()).map_err(|error| error.to_string())?;
    let mut sweeper = Sweeper::new(Effects::real(1));
    println!(
        "round  profiles  failed  fetch_s  profiles_per_s  processor_s  store_s  judge_s  peak_MiB"
    );
    for round in 1..=rounds {
        let (start, processor) = (Instant::now(), processor_seconds());
        let swept = runtime.block_on(async {
            let found = Discovery::new(Surroundings::of_process())
                .find(&config, Duration::ZERO)
                .await;
            sweeper.sweep(&config, found.targets).await
        });
        let (fetch, processor) = (
            start.elapsed().as_secs_f64(),
            processor_seconds() - processor,
        );
        let start = Instant::now();
        let record = record(&swept, i64::from(round) * 600);
        store.append(&record).map_err(|error| error.to_string())?;
        let stored = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let judge = Judge {
            policy: &Policy::default(),
            source: &|_| None,
        };
        let judged = judge.judge(&record, &swept.exemplars, &store);
        judged.map_err(|error| error.to_string())?;
        println!(
            "{round}  {}  {}  {fetch:.2}  {:.0}  {processor:.2}  {stored:.2}  {:.2}  {}",
            swept.looks.len(),
            swept.failures.len(),
            swept.looks.len() as f64 / fetch,
            start.elapsed().as_secs_f64(),
            peak_mib()
        );
    }
    Ok(())
}

fn yaml(port: u32, instances: u32) -> String {
    let mut text = String::from("scrape_configs:\n- job_name: scale\n  static_configs:\n");
    for service in 0..instances.div_ceil(OF_SERVICE) {
        let _ = write!(
            text,
            "  - labels: {{service: service-{service}, version: v1}}\n    targets: ["
        );
        for number in service * OF_SERVICE..((service + 1) * OF_SERVICE).min(instances) {
            let _ = write!(
                text,
                "'127.{}.{}.{}:{port}', ",
                1 + number / 62_500,
                number / 250 % 250,
                1 + number % 250
            );
        }
        text.push_str("]\n");
    }
    text
}
