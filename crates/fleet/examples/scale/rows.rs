//! A large history: made-up sweeps of 500 services with 100 instances of 100 blocked sites each, and questions to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gorphan_fleet::history::{
    InstanceRecord, Limits, Location, Options, Reader, SiteCount, SiteKey, SiteRecord, Store,
    SweepRecord,
};
use gorphan_model::Operation;

use super::{Outcome, peak_mib};

const SERVICES: u32 = 500;
const INSTANCES: u32 = 100;
const SITES: u32 = 100;
/// A Wednesday.
const START: i64 = 1_767_225_600;
/// Times that each question is asked; the median counts.
const ROUNDS: usize = 5;

pub(super) fn run(sweeps: u32, folder: &str) -> Outcome {
    let location = Location::Folder(folder.into());
    let failed = |error: gorphan_fleet::history::StoreError| error.to_string();
    {
        let mut store = Store::open(&location, Options::default()).map_err(failed)?;
        let mut chance = 1;
        println!("sweep  made_s  stored_s  peak_MiB");
        for number in 0..sweeps {
            let start = Instant::now();
            let record = sweep(START + i64::from(number) * 600, &mut chance);
            let made = start.elapsed().as_secs_f64();
            let start = Instant::now();
            store.append(&record).map_err(failed)?;
            println!(
                "{number}  {made:.1}  {:.1}  {}",
                start.elapsed().as_secs_f64(),
                peak_mib()
            );
            if let Some(trouble) = store.troubles().into_iter().next() {
                return Err(trouble);
            }
        }
    }
    let start = Instant::now();
    drop(Store::open(&location, Options::default()).map_err(failed)?);
    println!("opened again in {:.2} s", start.elapsed().as_secs_f64());
    questions(&Reader::open(&location).map_err(failed)?, sweeps)
}

fn sweep(at: i64, chance: &mut u64) -> SweepRecord {
    let mut record = SweepRecord::new(at);
    for service in 0..SERVICES {
        for site in 0..SITES {
            record.sites.push(SiteRecord {
                operation: ["chan send", "chan receive", "select", "IO wait"][site as usize % 4]
                    .to_owned(),
                function: format!(
                    "example.com/service{service}/internal/worker.(*Pool{site}).run.func1"
                )
                .into(),
                file: format!("/src/service{service}/internal/worker/pool{site}.go").into(),
                line: 10 + site,
            });
        }
    }
    for service in 0..SERVICES {
        let name: Arc<str> = format!("service-{service}").into();
        for instance in 0..INSTANCES {
            let sites: Vec<SiteCount> = (0..SITES)
                .map(|site| {
                    *chance = chance
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    SiteCount(service * SITES + site, 1 + (*chance >> 33) % 64, 0)
                })
                .collect();
            record.instances.push(InstanceRecord {
                job: "scale".to_owned(),
                service: Arc::clone(&name),
                instance: format!("service-{service}-7d9f8c6b5-{instance:05}:6060").into(),
                version: "v1.2.3".into(),
                start: "".into(),
                goroutines: sites.iter().map(|count| count.1).sum(),
                sites,
            });
        }
    }
    record
}

fn questions(reader: &Reader, sweeps: u32) -> Outcome {
    let limits = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    let sql = [
        ("rows", "SELECT count(*), sum(goroutines) FROM observations"),
        (
            "ranking over all",
            "SELECT service, operation, function, max(goroutines) AS most, \
             sqrt(sum(CAST(goroutines AS DOUBLE) * goroutines) / count(*)) AS rms \
             FROM observations GROUP BY 1, 2, 3 ORDER BY rms DESC, 1, 2, 3 LIMIT 20",
        ),
        (
            "ranking of the last sweep",
            "SELECT service, operation, function, max(goroutines) AS most, \
             sqrt(sum(CAST(goroutines AS DOUBLE) * goroutines) / count(*)) AS rms \
             FROM observations WHERE at = (SELECT max(at) FROM sweeps) GROUP BY 1, 2, 3 ORDER BY rms DESC, 1, 2, 3 LIMIT 20",
        ),
        (
            "ranking of the roll-ups",
            "SELECT service, operation, function, max(most) AS worst, max(goroutines) FROM points \
             GROUP BY 1, 2, 3 ORDER BY worst DESC, 1, 2, 3 LIMIT 20",
        ),
        (
            "page: sweeps",
            "SELECT * FROM sweeps ORDER BY at DESC LIMIT 50",
        ),
    ];
    for (name, sql) in sql {
        let mut rows = 0;
        median(name, || {
            let answer = reader
                .query(sql, limits)
                .map_err(|error| error.to_string())?;
            rows = answer.rows.len();
            Ok(())
        })?;
    }
    let key = SiteKey {
        service: "service-250".into(),
        operation: Operation::Select,
        function: "example.com/service250/internal/worker.(*Pool50).run.func1".into(),
    };
    let until = START + i64::from(sweeps) * 600;
    let failed = |error: gorphan_fleet::history::StoreError| error.to_string();
    median("page: a site's points", || {
        reader.series(&key, START, until).map(drop).map_err(failed)
    })?;
    median("page: a site's instances", || {
        let series = reader
            .instance_series(&key, START, until, 10)
            .map_err(failed)?;
        if series.len() == 10 {
            Ok(())
        } else {
            Err(format!("{} instances", series.len()))
        }
    })?;
    median("page: a site's stack", || {
        reader.stack(&key).map(drop).map_err(failed)
    })?;
    median("page: a service's sites", || {
        reader
            .known_sites(Some("service-250"), "")
            .map(drop)
            .map_err(failed)
    })?;
    println!("peak {} MiB", peak_mib());
    Ok(())
}

fn median(name: &str, mut ask: impl FnMut() -> Outcome) -> Outcome {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        ask()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{name}: {:.3} s ({:.3} to {:.3})",
        times[ROUNDS / 2],
        times[0],
        times[ROUNDS - 1]
    );
    Ok(())
}
