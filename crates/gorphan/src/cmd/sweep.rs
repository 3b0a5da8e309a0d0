//! `gorphan sweep`: one pass over a fleet, into the history.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gorphan_fleet::alert::deliver;
use gorphan_fleet::discover::{Discovery, Found, Surroundings};
use gorphan_fleet::history::{self, Store, StoreError, record};
use gorphan_fleet::ledger::Ledger;
use gorphan_fleet::owners::Owners;
use gorphan_fleet::rank::{Judge, Judgement, cost};
use gorphan_fleet::sweep::{Context, Effects, Sweeper, Swept};
use gorphan_fleet::{ConfigError, FleetConfig, telling};
use gorphan_model::Problem;
use gorphan_model::fleet::{FleetFacts, Status};
use gorphan_report::{Document, FleetReport, TargetInfo};

use super::Outcome;
use super::findings::{failure, ledger_path};
use crate::args::Sweep;
use crate::config;
use crate::error::{Failure, Result};
use crate::output;
use crate::settings::{Settings, write_baseline};
use crate::source::SourceRoot;

/// Time to tell receivers; what is not told then is told by the next sweep.
const DELIVERY: Duration = Duration::from_secs(60);

/// Runs the command.
pub(crate) fn run(args: &Sweep) -> Result<Outcome> {
    let settings = Settings::load(&args.judge, args.report.source_root.as_deref())?;
    let (path, fleet) = configuration(args.judge.config.as_deref())?;
    if args.check_config {
        let jobs: Vec<&str> = fleet.jobs.iter().map(|job| job.name.as_str()).collect();
        let jobs = jobs.join(", ");
        let shown = path.display();
        output::print(&format!(
            "{shown}: nothing to complain about; jobs: {jobs}
"
        ))?;
        return Ok(Outcome::Clean);
    }
    let at = args.at.unwrap_or_else(jiff::Timestamp::now).as_second();
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut kept = fleet.history.clone();
    // This program ends: nothing can wait in its memory.
    kept.buffer_bytes = 0;
    let mut store = history::open(&kept, folder).map_err(failed)?;
    if store.last().is_some_and(|last| at <= last) {
        return Err(Failure::new(format!(
            "cannot sweep at {}: the history has a sweep of that time or later",
            shown(at)
        ))
        .advise("give a later time with --at, or another history.path"));
    }
    let notes = history_folder(&path, &fleet);
    let ledger = Ledger::open(&ledger_path(&fleet, &notes)).map_err(failure)?;
    let ledger = Mutex::new(ledger);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start network access: {error}")))?;
    let kept = (&mut store, &ledger);
    let done = runtime.block_on(sweep(&fleet, &settings, kept, at, args.dry_run));
    // A name look-up that hangs must not hold up the exit.
    runtime.shutdown_background();
    let (found, swept, judgement, told) = done?;
    let outcome = outcome(args, &judgement);
    write_baseline(&args.judge, &judgement.groups)?;
    let mut problems = settings.problems.clone();
    problems.extend(troubles(&found, &swept));
    problems.extend(told.into_iter().map(Problem::new));
    problems.extend(store.troubles().into_iter().map(Problem::new));
    let document = Document::Fleet(FleetReport {
        target: TargetInfo {
            kind: "fleet",
            name: path.display().to_string(),
            go_version: None,
            taken_at_unix_nanos: at.checked_mul(1_000_000_000),
            pause_seconds: None,
            method: None,
            bytes_read: Some(swept.bytes),
        },
        findings: &judgement.findings,
        facts: &judgement.facts,
        groups: &judgement.groups,
        targets: swept.looks.len() + swept.failures.len(),
        targets_failed: swept.failures.len(),
        goroutines: swept
            .looks
            .iter()
            .fold(0, |sum, look| look.goroutines.saturating_add(sum)),
        problems,
    });
    output::write(&document, &args.report, settings.source.as_ref())?;
    Ok(outcome)
}

/// The folder of what a history has on this machine.
pub(crate) fn history_folder(path: &Path, fleet: &FleetConfig) -> PathBuf {
    fleet.history.local(path.parent().unwrap_or(Path::new("")))
}

/// The configuration of the fleet, given or found, with its file.
pub(crate) fn configuration(given: Option<&Path>) -> Result<(PathBuf, FleetConfig)> {
    let working = std::env::current_dir()
        .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
    let found = config::text(given, &working)?;
    let (path, text) = found.ok_or_else(|| {
        Failure::new("there is no configuration that says where the fleet is")
            .advise("write scrape_configs into gorphan.yaml, or give another file with -c")
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let fleet = FleetConfig::parse(&text, &path.display().to_string(), folder);
    Ok((path.clone(), fleet.map_err(mistake)?))
}

fn failed(error: StoreError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error.advice() {
        Some(advice) => failure.advise(advice),
        None => failure,
    }
}

pub(super) fn mistake(error: ConfigError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error.advice {
        Some(advice) => failure.advise(advice),
        None => failure,
    }
}

async fn sweep(
    fleet: &FleetConfig,
    settings: &Settings,
    (store, ledger): (&mut Store, &Mutex<Ledger>),
    at: i64,
    dry_run: bool,
) -> Result<(Found, Swept, Judgement, Vec<String>)> {
    let found = Discovery::new(Surroundings::of_process())
        .find(fleet, Duration::ZERO)
        .await;
    if found.targets.is_empty() && found.dropped == 0 {
        let why = found
            .troubles
            .first()
            .map(|trouble| format!(": {}", trouble.message));
        let why = why.unwrap_or_default();
        return Err(Failure::new(format!(
            "there is nothing to sweep over: no target was found{why}"
        ))
        .advise("gorphan sweep --check-config checks the configuration"));
    }
    let seed = u64::from(std::process::id()) ^ at.unsigned_abs();
    let breakers = opened(ledger).breakers().map_err(failure)?;
    let mut sweeper = Sweeper::new(Effects::real(seed)).with_breakers(breakers);
    let swept = sweeper.sweep(fleet, found.targets.clone()).await;
    let record = record(&swept, at);
    store.append(&record).map_err(failed)?;
    let source = |name: &str| settings.source.as_ref().and_then(|root| root.text(name));
    let judge = Judge {
        policy: &settings.policy,
        source: &source,
    };
    let judged = judge.judge(&record, &swept.exemplars, store);
    let mut judgement = judged.map_err(failed)?;
    let mut dumps = opened(ledger).dumps().map_err(failure)?;
    let contexts = sweeper
        .look_closer(fleet, &judgement.suspects, at, &mut dumps)
        .await;
    complete(&mut judgement, &contexts);
    let kept = opened(ledger).keep(sweeper.breakers(), &dumps);
    kept.map_err(failure)?;
    let told = tell(
        fleet,
        settings,
        ledger,
        at,
        (&mut judgement, &swept),
        dry_run,
    )
    .await?;
    Ok((found, swept, judgement, told))
}

/// Names owners, takes the sweep into the ledger, and brings what is to be told to its receivers. Gives what went wrong.
async fn tell(
    fleet: &FleetConfig,
    settings: &Settings,
    ledger: &Mutex<Ledger>,
    at: i64,
    (judgement, swept): (&mut Judgement, &Swept),
    dry_run: bool,
) -> Result<Vec<String>> {
    let root = settings.source.as_ref();
    let (owners, mut problems) = Owners::load(&fleet.owners, root.map(SourceRoot::root));
    let path = |name: &str| root.and_then(|root| root.relative(name));
    telling::name_owners(judgement, &owners, &path);
    let taken = telling::take_in(ledger, &fleet.alerting, at, judgement, swept, dry_run);
    let taken = taken.map_err(failure)?;
    if dry_run {
        for message in &taken.messages {
            anstream::eprintln!("{message}\n");
        }
        return Ok(problems);
    }
    if !fleet.alerting.receivers.is_empty() {
        let delivered = deliver(ledger, &fleet.alerting, at, DELIVERY).await;
        problems.extend(delivered.map_err(failure)?.problems);
    }
    Ok(problems)
}

fn opened(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the closer look knows of the findings.
fn complete(judgement: &mut Judgement, contexts: &HashMap<String, Context>) {
    let all = judgement
        .facts
        .iter_mut()
        .zip(&judgement.suspects)
        .zip(&mut judgement.groups);
    for ((facts, suspect), group) in all {
        let Some(context) = contexts.get(&facts.service) else {
            continue;
        };
        let limit = bytes(suspect.target.labels.get("memory_limit"));
        facts.cost = cost(facts, suspect.goroutines, context, limit);
        // Of the dump what a profile does not know: waits, and who started them.
        let dumped = context.dump.as_ref().and_then(|dump| {
            let groups = gorphan_model::group::group(dump, gorphan_model::query::GroupBy::Site);
            let mut groups = groups.into_iter();
            groups.find(|one| {
                one.site.operation == group.site.operation
                    && one.site.function == group.site.function
            })
        });
        if let Some(dumped) = dumped {
            group.waits = dumped.waits;
            group.created_by = dumped.created_by;
        }
    }
}

/// `512Mi`, `1G` or a number of bytes, as Kubernetes writes memory.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..)? {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn outcome(args: &Sweep, judgement: &Judgement) -> Outcome {
    let fails = |facts: &FleetFacts| facts.status == Status::New;
    let mut all = judgement.findings.iter().zip(&judgement.facts);
    if all.any(|(finding, facts)| fails(facts) && args.report.fail_on.fails(finding.verdict)) {
        Outcome::Findings
    } else {
        Outcome::Clean
    }
}

/// Everything that was not reached, each with its address and reason.
fn troubles(found: &Found, swept: &Swept) -> Vec<Problem> {
    let sources = found
        .troubles
        .iter()
        .map(|trouble| Problem::new(format!("job {}: {}", trouble.job, trouble.message)));
    let targets = swept.failures.iter().map(|failure| {
        let of = failure.target.service();
        Problem::new(format!("{of} at {}: {}", failure.address, failure.reason))
    });
    sources.chain(targets).collect()
}

fn shown(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or("?".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_as_kubernetes_writes_it() {
        for (text, expected) in [
            ("1024", Some(1024)),
            ("512Mi", Some(512 << 20)),
            ("2G", Some(2_000_000_000)),
            ("1Gi", Some(1 << 30)),
            ("1Xi", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
