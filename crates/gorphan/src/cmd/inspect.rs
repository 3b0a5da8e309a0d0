//! `gorphan inspect`: one snapshot.

use std::borrow::Cow;
use std::collections::HashMap;

use gorphan_capture::Capture;
use gorphan_model::group::{self, group};
use gorphan_model::query::{GroupBy, Sort};
use gorphan_model::verdict::judge;
use gorphan_model::{
    Evidence, Finding, Format, GoroutineId, Group, Problem, Proof, Site, Snapshot, Verdict,
};
use gorphan_report::{Document, Report, WhyReport};

use super::Outcome;
use crate::args::Inspect;
use crate::args::options::{DumpArg, QueryArgs};
use crate::capture::{capture, filter, target_info, unanswerable, wanted};
use crate::error::{Failure, Result};
use crate::growth;
use crate::output;
use crate::settings::{Settings, write_baseline};

/// Runs the command.
pub(crate) fn run(args: &Inspect) -> Result<Outcome> {
    let settings = Settings::load(&args.judge, args.report.source_root.as_deref())?;
    let why = args.why.map(GoroutineId);
    let wanted_ones = filter(&args.query);
    let mut captured = capture(&args.source, wanted_ones, &args.http, &args.process, why)?;
    let mut problems = std::mem::take(&mut captured.problems);
    problems.extend(settings.problems.iter().cloned());
    let snapshot = &*choose(&captured, args.input.dump, &mut problems)?;
    problems.extend(snapshot.problems.iter().cloned());
    if let Some(goroutine) = why {
        return one(args, &settings, &captured, snapshot, goroutine, problems);
    }
    problems.extend(unanswerable(&args.query, snapshot));

    let mut judged = group(snapshot, GroupBy::Site);
    let mut findings = judge(snapshot, &mut judged, &settings.policy);
    if args.input.dump == DumpArg::Last && captured.snapshots.len() > 1 {
        growth::apply(
            &captured.snapshots,
            &mut judged,
            &mut findings,
            &settings.policy,
        );
    }
    write_baseline(&args.judge, &judged)?;
    let wanted = match args.input.dump {
        DumpArg::All => add_up(
            captured
                .snapshots
                .iter()
                .map_while(|one| wanted(&captured, one, &args.query)),
        ),
        DumpArg::Last | DumpArg::Number(_) => wanted(&captured, snapshot, &args.query),
    };
    let shown = wanted.as_ref().unwrap_or(snapshot);
    let mut groups = view(shown, &judged, &args.query);
    if wanted.is_some() {
        let sites = group(shown, GroupBy::Site);
        findings.retain(|finding| sites.iter().any(|one| is_of(finding, one)));
    }
    let groups_total = groups.len();
    groups.truncate(
        args.query
            .stack
            .top
            .unwrap_or_else(|| output::default_top(&args.report)),
    );
    let document = Document::Inspect(Report {
        target: target_info(&captured, snapshot),
        snapshot: shown,
        groups: &groups,
        groups_total,
        findings: &findings,
        problems,
        tests: &[],
    });
    output::write(&document, &args.report, settings.source.as_ref())?;
    Ok(Outcome::of(&findings, args.report.fail_on))
}

/// `--why`: one goroutine alone.
fn one(
    args: &Inspect,
    settings: &Settings,
    captured: &Capture,
    snapshot: &Snapshot,
    goroutine: GoroutineId,
    problems: Vec<Problem>,
) -> Result<Outcome> {
    let mut known = snapshot
        .samples
        .iter()
        .flat_map(|sample| &sample.identities.known);
    if !known.any(|identity| identity.id == goroutine) {
        let name = &captured.info.name;
        let hint = match snapshot.format {
            Format::CountText | Format::Protobuf => {
                "profiles have no goroutine numbers: give a debug=2 dump, a process or a core file"
            }
            Format::Dump | Format::Memory => {
                "--format json lists the numbers of each group; those of the runtime itself are left out"
            }
        };
        let missing = format!("there is no goroutine {goroutine} in {name}");
        return Err(Failure::new(missing).advise(hint));
    }
    let why = captured
        .why
        .as_ref()
        .filter(|why| why.goroutine == goroutine);
    let document = Document::Why(WhyReport {
        target: target_info(captured, snapshot),
        snapshot,
        goroutine,
        why,
        problems,
    });
    output::write(&document, &args.report, settings.source.as_ref())?;
    let proof = why.and_then(|why| why.proof.as_ref());
    let is_leaked = matches!(proof, Some(Proof::Unreachable(_)));
    Ok(if is_leaked && args.report.fail_on.fails(Verdict::Leak) {
        Outcome::Findings
    } else {
        Outcome::Clean
    })
}

/// The snapshot to report.
fn choose<'a>(
    captured: &'a Capture,
    dump: DumpArg,
    problems: &mut Vec<Problem>,
) -> Result<Cow<'a, Snapshot>> {
    let snapshots = &captured.snapshots;
    let (name, count) = (&captured.info.name, snapshots.len());
    let none = || Failure::new(format!("there are no goroutines in {name}"));
    match dump {
        DumpArg::Number(number) => {
            let chosen = snapshots.get(number.saturating_sub(1));
            let missing = || {
                Failure::new(format!(
                    "there is no dump {number} in {name}: it holds {count}"
                ))
            };
            chosen.map(Cow::Borrowed).ok_or_else(missing)
        }
        DumpArg::All if count > 1 => {
            problems.push(Problem::new(format!(
                "the input holds {count} dumps, which are added up; goroutine numbers are left out, as they may be of \
                 several processes"
            )));
            add_up(snapshots.iter().cloned())
                .map(Cow::Owned)
                .ok_or_else(none)
        }
        DumpArg::Last | DumpArg::All => {
            if count > 1 {
                problems.push(Problem::new(format!(
                    "the input holds {count} dumps; this is the last, with what grew over all of them (--dump 1 to \
                     {count} shows one alone, `gorphan diff` compares the first with the last)"
                )));
            }
            snapshots.last().map(Cow::Borrowed).ok_or_else(none)
        }
    }
}

/// One snapshot with the goroutines of several, without their numbers: dumps of several processes have the same ones.
fn add_up(snapshots: impl Iterator<Item = Snapshot>) -> Option<Snapshot> {
    snapshots
        .map(|mut snapshot| {
            for sample in &mut snapshot.samples {
                let known = sample.identities.known.len() as u64;
                sample.identities.known.clear();
                sample.identities.elided = sample.identities.elided.saturating_add(known);
            }
            snapshot
        })
        .reduce(|mut sum, next| {
            sum.samples.extend(next.samples);
            sum.problems.extend(next.problems);
            sum.truncated |= next.truncated;
            sum.bytes_read = sum.bytes_read.saturating_add(next.bytes_read);
            sum
        })
}

/// Groups what is shown, with the verdicts of the sites that were judged among all goroutines: a filter must not turn
/// what is ordinary into all that there is.
fn view(shown: &Snapshot, judged: &[Group], query: &QueryArgs) -> Vec<Group> {
    let sites: HashMap<&Site, &Group> = judged.iter().map(|group| (&group.site, group)).collect();
    let shown_sites = group(shown, GroupBy::Site);
    let mut site_of_sample = vec![None; shown.samples.len()];
    for one in &shown_sites {
        for sample in &one.samples {
            if let Some(slot) = site_of_sample.get_mut(*sample) {
                *slot = sites.get(&one.site).copied();
            }
        }
    }
    let mut groups = group(shown, query.group_by.into());
    for group in &mut groups {
        let of_samples = group.samples.iter();
        let worst = of_samples
            .filter_map(|sample| *site_of_sample.get(*sample)?)
            .max_by_key(|site| (site.verdict, site.dismissed.is_some()));
        if let Some(site) = worst {
            adopt(group, site);
        }
    }
    Sort::from(query.sort).apply(&mut groups);
    groups
}

/// Gives a group what was judged of its site. What was proven is known of each goroutine, so there the group's own counts:
/// part of a leaking site may be well.
fn adopt(group: &mut Group, site: &Group) {
    group.dismissed = site.dismissed.clone();
    group.pattern = site.pattern;
    let of_site = site.evidence.iter();
    let others = of_site.filter(|one| !matches!(one, Evidence::Proof { .. }));
    let proven = group.proven.iter().map(group::Outcome::evidence);
    group.evidence = others.cloned().chain(proven).collect();
    let is_leaked = group.evidence.iter().any(|one| one.leaked() > 0);
    let is_accused = group.evidence.iter().any(Evidence::accuses);
    group.verdict = match site.verdict {
        Verdict::Leak if is_leaked => Verdict::Leak,
        Verdict::Leak if is_accused => Verdict::Suspect,
        Verdict::Leak => Verdict::Normal,
        verdict => verdict,
    };
    if group.verdict == Verdict::Normal && !is_accused {
        group.dismissed = None;
        group.pattern = None;
    }
}

/// Whether a finding is about the site of a group.
fn is_of(finding: &Finding, group: &Group) -> bool {
    finding.operation == group.site.operation
        && finding.place.function == group.site.function
        && finding.place.file == group.site.file
        && finding.place.line == group.site.line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;
    use gorphan_model::proof::{Retained, Retention, Unreachable};
    use gorphan_model::{Frame, Identities, Labels, ProfileKind, Sample, Stack, State, WaitReason};

    use super::*;
    use crate::args::{Cli, Command};

    /// `count` goroutines in a select of `main.run`, called by `caller`.
    fn sample(caller: &str, count: u64, proof: Proof) -> Sample {
        let frames = ["main.run", caller].map(|name| Frame::new(name, "main.go", 7));
        Sample {
            stack: Arc::new(Stack {
                frames: frames.into_iter().collect(),
                ..Stack::default()
            }),
            state: Some(State::Waiting(WaitReason::Select)),
            count,
            leaked: 0,
            durable: false,
            locked_to_thread: None,
            labels: Labels::default(),
            waits: None,
            identities: Identities::default(),
            proof: Some(Arc::new(proof)),
        }
    }

    /// One site of which the goroutines that `main.f` called are leaked, those that `main.g` called are not.
    fn snapshot() -> Snapshot {
        let mut snapshot = Snapshot::new(Format::Memory, ProfileKind::Goroutine);
        snapshot.samples = vec![
            sample("main.f", 2, Proof::Unreachable(Unreachable::default())),
            sample("main.g", 5, Proof::Reachable(Vec::new())),
        ];
        snapshot.retention = Some(Box::new(Retention {
            sites: vec![Retained {
                goroutines: 2,
                stack_bytes: 4096,
                ..Retained::default()
            }],
            ..Retention::default()
        }));
        snapshot
    }

    /// One line a group: count, verdict, evidence, retained bytes.
    fn check(shown: &Snapshot, arguments: &[&str], expected: &[&str]) {
        let all = snapshot();
        let mut judged = group(&all, GroupBy::Site);
        judge(
            &all,
            &mut judged,
            &gorphan_model::verdict::Policy::default(),
        );
        let cli = ["gorphan", "inspect", "x"].iter().chain(arguments);
        let Command::Inspect(args) = Cli::parse_from(cli).command else {
            panic!("it is inspect");
        };
        let groups = view(shown, &judged, &args.query);
        let lines = groups.iter().map(|group| {
            let evidence = group.evidence.iter().map(|one| match one {
                Evidence::Proof { count, proof } => format!("{count} {}", proof.result()),
                other => other.kind().to_owned(),
            });
            format!(
                "{} {}: {} ({:?})",
                group.count,
                group.verdict.as_str(),
                evidence.collect::<Vec<_>>().join(", "),
                group.retained_bytes
            )
        });
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_view_calls_only_those_leaked_that_are() {
        check(
            &snapshot(),
            &[],
            &["7 leak: 2 unreachable, 5 reachable (Some(4096))"],
        );
        check(
            &snapshot(),
            &["--group-by", "stack"],
            &[
                "2 leak: 2 unreachable (Some(4096))",
                "5 normal: 5 reachable (None)",
            ],
        );
        // A query for some of them: what one of two holds is not known.
        let mut one = snapshot();
        one.samples.pop();
        one.samples[0].count = 1;
        check(&one, &[], &["1 leak: 1 unreachable (None)"]);
        let mut well = snapshot();
        well.samples.remove(0);
        check(&well, &[], &["5 normal: 5 reachable (None)"]);
    }
}
