//! `gorphan sweep`: one pass over a fleet, into the history.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gorphan_fleet::pass::{Fleet, Manner, Pass, PassError};
use gorphan_fleet::rank::Judgement;
use gorphan_fleet::sweep::Effects;
use gorphan_fleet::{ConfigError, FleetConfig};
use gorphan_model::fleet::{FleetFacts, Status};
use gorphan_report::{Document, FleetReport, TargetInfo};

use super::Outcome;
use crate::args::Sweep;
use crate::config;
use crate::error::{Failure, Result};
use crate::output;
use crate::settings::{Settings, write_baseline};
use crate::source::SourceRoot;

/// Runs the command.
pub(crate) fn run(args: &Sweep) -> Result<Outcome> {
    let settings = Settings::load(&args.judge, args.report.source_root.as_deref())?;
    let (path, mut fleet) = configuration(args.judge.config.as_deref())?;
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
    // This program ends: nothing can wait in its memory.
    fleet.history.buffer_bytes = 0;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start network access: {error}")))?;
    let done = runtime.block_on(sweep(&fleet, &settings, folder, at, args.dry_run));
    // A name look-up that hangs must not hold up the exit.
    runtime.shutdown_background();
    let pass = done.map_err(|error| match error.advice() {
        Some(advice) => Failure::new(error.to_string()).advise(advice),
        None => Failure::new(error.to_string()),
    })?;
    for message in &pass.messages {
        anstream::eprintln!("{message}\n");
    }
    let (swept, judgement) = (&pass.swept, &pass.judgement);
    let outcome = outcome(args, judgement);
    write_baseline(&args.judge, &judgement.groups)?;
    let mut problems = settings.problems.clone();
    problems.extend(pass.problems());
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
    folder: &Path,
    at: i64,
    dry_run: bool,
) -> std::result::Result<Pass, PassError> {
    // Retries of several gorphans are to differ.
    let seed = u64::from(std::process::id()) ^ at.unsigned_abs();
    let root = settings.source.as_ref();
    let mut opened = Fleet::open(fleet, folder, Effects::real(seed))?;
    let manner = Manner {
        policy: &settings.policy,
        source: &|name| root.and_then(|root| root.text(name)),
        root: root.map(SourceRoot::root),
        place: &|name| root.and_then(|root| root.relative(name)),
        rehearsal: dry_run,
    };
    opened.pass(fleet, &manner, at, Duration::ZERO).await
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
