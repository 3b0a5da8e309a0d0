//! `gorphan load`: rounds of requests, and what each request leaves behind.

use std::fs;
use std::io::{IsTerminal, stderr};

use gorphan_gate::load::{self, CommandLoad, Driver, Heap, HttpLoad, Method, Plan, Probe};
use gorphan_model::load::judge;
use gorphan_model::query::Filter;
use gorphan_model::{Problem, Snapshot};
use gorphan_report::{Document, LoadReport, TargetInfo};

use super::Outcome;
use crate::args::Load;
use crate::capture::{Looks, target_info};
use crate::error::{Failure, Result};
use crate::output;
use crate::settings::{Settings, write_baseline};

/// Requests of a warm-up, unless it is given: one in so many.
const WARM_UP: u64 = 10;

/// Runs the command.
pub(crate) fn run(args: &Load) -> Result<Outcome> {
    let settings = Settings::load(&args.judge, args.report.source_root.as_deref())?;
    let plan = Plan {
        requests: args.requests,
        rounds: args.rounds.into(),
        warm_up: args.warm_up.unwrap_or(args.requests / WARM_UP),
        settle: args.settle,
    };
    let driver = driver(args)?;
    let looks = Looks::new(&args.target, &args.target_http, &args.process)?;
    let mut info: Option<TargetInfo> = None;
    let mut problems: Vec<Problem> = Vec::new();
    let heap = Heap::of(looks.url());
    let mut goroutines = || -> std::result::Result<Snapshot, String> {
        let captured = looks
            .take(Filter::default())
            .map_err(|failure| failure.to_string())?;
        let snapshot = captured.snapshots.last().cloned();
        let snapshot = snapshot.ok_or_else(|| "there are none".to_owned())?;
        info = Some(target_info(&captured, &snapshot));
        for problem in captured.problems.iter().chain(&snapshot.problems) {
            if !problems.contains(problem) {
                problems.push(problem.clone());
            }
        }
        Ok(snapshot)
    };
    let measured = load::run(
        &plan,
        &driver,
        &mut Probe {
            goroutines: &mut goroutines,
            heap: &mut || heap.bytes().or_else(|| looks.live_heap()),
            starting: &mut say,
        },
    );
    let measured = measured.map_err(|error| Failure::new(error.to_string()))?;
    let mut trend = judge(measured.rounds, &measured.snapshots, &settings.policy);
    problems.extend(settings.problems.iter().cloned());
    if trend
        .rounds
        .iter()
        .any(|round| round.settled_seconds.is_none())
    {
        problems.push(Problem::new(format!(
            "the service did not come to rest within {} s of a round; --settle gives it longer",
            args.settle.as_secs_f64()
        )));
    }
    let groups: Vec<_> = trend.sites.iter().map(|site| site.group.clone()).collect();
    write_baseline(&args.judge, &groups)?;
    let findings = std::mem::take(&mut trend.findings);
    let outcome = Outcome::of(&findings, args.report.fail_on);
    trend.findings = findings;
    let document = Document::Load(LoadReport {
        target: info.ok_or_else(|| Failure::new("the target was never read"))?,
        trend: &trend,
        problems,
    });
    output::write(&document, &args.report, settings.source.as_ref())?;
    Ok(outcome)
}

/// Says on a terminal what is going on.
fn say(round: &str, requests: u64) {
    if stderr().is_terminal() {
        anstream::eprintln!("{round}: {requests} requests");
    }
}

fn driver(args: &Load) -> Result<Driver> {
    if let Some(command) = &args.exec {
        let command = command.clone();
        return Ok(Driver::Command(CommandLoad { command }));
    }
    if let Some(url) = args
        .http
        .iter()
        .find(|url| !matches!(url.scheme(), "http" | "https"))
    {
        return Err(Failure::new(format!(
            "cannot make requests to {url}: it is no http or https URL"
        )));
    }
    let method: Method = args.method.to_ascii_uppercase().parse().map_err(|_| {
        Failure::new(format!("{:?} is no HTTP method", args.method))
            .advise("give GET, POST, PUT, …")
    })?;
    let headers = args.request_header.iter().map(|header| {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Failure::new(format!("cannot use the header {header:?}: it has no colon"))
                .advise("give \"NAME: VALUE\"")
        })?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    });
    let load = HttpLoad {
        urls: args.http.clone(),
        method,
        headers: headers.collect::<Result<_>>()?,
        body: body(args.body.as_deref())?,
        concurrency: args.concurrency.into(),
        rate: args.rate,
        timeout: args.request_timeout,
    };
    match load.invalid() {
        Some(why) => Err(Failure::new(format!("cannot make the requests: {why}"))),
        None => Ok(Driver::Http(load)),
    }
}

fn body(text: Option<&str>) -> Result<Vec<u8>> {
    match text {
        None => Ok(Vec::new()),
        Some(text) => match text.strip_prefix('@') {
            None => Ok(text.as_bytes().to_vec()),
            Some(path) => fs::read(path).map_err(|error| {
                Failure::new(format!("cannot read the body from {path}: {error}"))
            }),
        },
    }
}
