//! `gorphan diff`: what changed between two snapshots.

use gorphan_capture::Capture;
use gorphan_model::diff::{Change, SiteChange, judge};
use gorphan_model::query::Filter;
use gorphan_model::{Group, Problem, Snapshot};
use gorphan_report::{DiffReport, Document};

use super::Outcome;
use crate::args::Diff;
use crate::capture::{capture, stack_filter, target_info};
use crate::error::{Failure, Result};
use crate::output;
use crate::settings::{Settings, write_baseline};

/// Two snapshots to compare, each with where it came from.
struct Pair<'a> {
    before: (&'a Capture, &'a Snapshot),
    after: (&'a Capture, &'a Snapshot),
}

/// Runs the command.
pub(crate) fn run(args: &Diff) -> Result<Outcome> {
    let settings = Settings::load(&args.judge, args.report.source_root.as_deref())?;
    if args.before == "-" && args.after.as_deref() == Some("-") {
        return Err(Failure::new("cannot read both sources from standard input")
            .advise("give one of them as a file, or '-' alone for one input with several dumps"));
    }
    let first = capture(
        &args.before,
        Filter::default(),
        &args.http,
        &args.process,
        None,
    )?;
    let second = match &args.after {
        Some(source) => Some(capture(
            source,
            Filter::default(),
            &args.http,
            &args.process,
            None,
        )?),
        None => None,
    };
    let mut problems = settings.problems.clone();
    let pair = pair(&first, second.as_ref(), &mut problems)?;
    let (before, after) = (pair.before.1, pair.after.1);
    let (mut changes, mut findings) = judge(before, after, &settings.policy);
    let groups: Vec<Group> = changes.iter().map(|change| change.group.clone()).collect();
    write_baseline(&args.judge, &groups)?;

    let filter = stack_filter(&args.query);
    changes.retain(|change| wants(&filter, change, before, after));
    findings.retain(|finding| {
        changes.iter().any(|change| {
            let site = &change.group.site;
            finding.operation == site.operation
                && finding.place.function == site.function
                && finding.place.file == site.file
                && finding.place.line == site.line
        })
    });
    changes.truncate(args.query.top.unwrap_or(usize::MAX));
    let document = Document::Diff(DiffReport {
        before: target_info(pair.before.0, before),
        goroutines_before: before.goroutines(),
        after: target_info(pair.after.0, after),
        goroutines_after: after.goroutines(),
        changes: &changes,
        findings: &findings,
        problems,
    });
    output::write(&document, &args.report, settings.source.as_ref())?;
    Ok(Outcome::of(&findings, args.report.fail_on))
}

/// The last snapshots of two captures, or the first and last of one.
fn pair<'a>(
    first: &'a Capture,
    second: Option<&'a Capture>,
    problems: &mut Vec<Problem>,
) -> Result<Pair<'a>> {
    let none = || Failure::new(format!("there are no goroutines in {}", first.info.name));
    let pair = match second {
        Some(second) => Pair {
            before: (first, first.snapshots.last().ok_or_else(none)?),
            after: (second, second.snapshots.last().ok_or_else(none)?),
        },
        None => match first.snapshots.as_slice() {
            [before, .., after] => Pair {
                before: (first, before),
                after: (first, after),
            },
            _ => {
                let name = &first.info.name;
                return Err(
                    Failure::new(format!("there is only one dump in {name} to compare"))
                        .advise("give a second source: gorphan diff BEFORE AFTER"),
                );
            }
        },
    };
    for (name, capture) in [("before", Some(first)), ("after", second)] {
        let Some(capture) = capture else { continue };
        problems.extend(capture.problems.iter().cloned());
        let count = capture.snapshots.len();
        if second.is_some() && count > 1 {
            let message =
                format!("the {name} source holds {count} dumps; its last one is compared");
            problems.push(Problem::new(message));
        }
    }
    for (name, (_, snapshot)) in [("before", pair.before), ("after", pair.after)] {
        problems.extend(snapshot.problems.iter().map(|problem| Problem {
            message: format!("{name}: {}", problem.message),
            ..problem.clone()
        }));
    }
    Ok(pair)
}

/// Whether any goroutine of a site is wanted; a gone site is looked up in the snapshot it was in.
fn wants(filter: &Filter, change: &SiteChange, before: &Snapshot, after: &Snapshot) -> bool {
    let snapshot = match change.change {
        Change::Gone => before,
        Change::New | Change::Grown | Change::Same | Change::Shrunk => after,
    };
    let mut samples = change.group.samples.iter();
    samples.any(|sample| {
        let sample = snapshot.samples.get(*sample);
        sample.is_some_and(|sample| filter.admits_sample(sample))
    })
}
