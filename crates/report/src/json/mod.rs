//! The JSON report, version 1. `docs/json.md` describes it.

use std::fmt::Write as _;
use std::io::Write;

use gorphan_model as model;

use crate::clean::acts;
use crate::{
    DiffReport, Document, Error, GcTraceReport, LoadReport, Report, Style, TOOL, TargetInfo, words,
};

pub(crate) mod fleet;
mod lint;
mod proof;
mod why;
mod wire;

/// Goroutine numbers listed per group or change; the rest is counted. A list is for looking one up, and a group can have
/// a million.
const MAX_IDS: usize = 100;

/// The version of the document.
const VERSION: u32 = 1;

/// Writes one JSON document and a line feed.
pub(crate) fn render(
    document: &Document<'_>,
    _style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let text = match document {
        Document::Inspect(report) => serde_json::to_string_pretty(&inspect(report)),
        Document::Why(report) => serde_json::to_string_pretty(&why::document(report)),
        Document::Diff(report) => serde_json::to_string_pretty(&diff(report)),
        Document::GcTrace(report) => serde_json::to_string_pretty(&gctrace(report)),
        Document::Load(report) => serde_json::to_string_pretty(&load(report)),
        Document::Lint(report) => serde_json::to_string_pretty(&lint::document(report)),
        Document::Fleet(report) => serde_json::to_string_pretty(&fleet::document(report)),
    };
    let text = text.map_err(std::io::Error::from)?;
    writeln!(out, "{}", ascii_escapes(&text))?;
    Ok(())
}

/// JSON allows most active characters raw; escaped they mean the same and do nothing to a terminal. Outside of strings
/// JSON has no such character but the line feed.
pub(crate) fn ascii_escapes(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

fn inspect<'a>(report: &'a Report<'_>) -> wire::Document<'a> {
    let snapshot = report.snapshot;
    wire::Document {
        target: wire::Target {
            format: Some(snapshot.format.as_str()),
            profile: Some(words::profile(snapshot.profile)),
            ..target(&report.target)
        },
        summary: wire::Summary {
            goroutines: Some(snapshot.goroutines()),
            goroutines_before: None,
            groups: report.groups_total,
            findings: report.findings.len(),
            truncated: Some(snapshot.truncated),
            proof: proof::counts(snapshot),
            retention: snapshot.retention.as_deref().map(proof::retention),
            gctrace: None,
            source: None,
            fleet: None,
        },
        groups: report.groups.iter().map(group).collect(),
        findings: report.findings.iter().map(finding).collect(),
        ..document(&report.target, &report.problems)
    }
}

fn diff<'a>(report: &'a DiffReport<'_>) -> wire::Document<'a> {
    wire::Document {
        before: Some(target(&report.before)),
        summary: wire::Summary {
            goroutines: Some(report.goroutines_after),
            goroutines_before: Some(report.goroutines_before),
            groups: report.changes.len(),
            findings: report.findings.len(),
            truncated: None,
            proof: None,
            retention: None,
            gctrace: None,
            source: None,
            fleet: None,
        },
        findings: report.findings.iter().map(finding).collect(),
        changes: Some(report.changes.iter().map(change).collect()),
        ..document(&report.after, &report.problems)
    }
}

fn gctrace<'a>(report: &'a GcTraceReport<'_>) -> wire::Document<'a> {
    let trace = report.trace;
    wire::Document {
        summary: wire::Summary {
            gctrace: Some(wire::GcSummary {
                collections: trace.collections.len(),
                collections_elided: trace.elided,
                other_lines: trace.other_lines,
                growth: words::growth(report.trend.growth).0,
            }),
            ..no_summary()
        },
        trend: Some(trend(report.trend)),
        collections: Some(trace.collections.iter().map(collection).collect()),
        ..document(&report.target, &trace.problems)
    }
}

fn load<'a>(report: &'a LoadReport<'_>) -> wire::Document<'a> {
    let trend = report.trend;
    let rounds = trend.rounds.iter().map(|round| wire::Round {
        requests: round.requests,
        failed: round.failed,
        warm_up: round.warm_up,
        seconds: round.seconds,
        settled_seconds: round.settled_seconds,
        goroutines: round.goroutines,
        heap_bytes: round.heap_bytes,
    });
    let sites = trend.sites.iter().map(|one| wire::SiteLoad {
        site: site(&one.group.site),
        trend: load_trend(&one.trend),
        verdict: one.group.verdict.as_str(),
    });
    wire::Document {
        summary: wire::Summary {
            goroutines: Some(trend.goroutines.last()),
            goroutines_before: Some(trend.goroutines.first()),
            groups: trend.sites.len(),
            findings: trend.findings.len(),
            ..no_summary()
        },
        groups: trend.sites.iter().map(|site| group(&site.group)).collect(),
        findings: trend.findings.iter().map(finding).collect(),
        load: Some(wire::Load {
            requests: trend.requests(),
            rounds: rounds.collect(),
            goroutines: load_trend(&trend.goroutines),
            heap: trend.heap.as_ref().map(load_trend),
            sites: sites.collect(),
        }),
        ..document(&report.target, &report.problems)
    }
}

fn load_trend(trend: &model::load::Trend) -> wire::LoadTrend<'_> {
    wire::LoadTrend {
        values: &trend.values,
        per_request: trend.slope.as_ref().map(interval),
        course: match trend.course {
            model::load::Course::Grows => "grows",
            model::load::Course::LevelledOff => "levelled_off",
            model::load::Course::Steady => "steady",
        },
    }
}

/// What all documents have, still without their own parts.
fn document<'a>(info: &'a TargetInfo, problems: &'a [model::Problem]) -> wire::Document<'a> {
    wire::Document {
        version: VERSION,
        tool: wire::Tool {
            name: TOOL,
            version: env!("CARGO_PKG_VERSION"),
        },
        target: target(info),
        before: None,
        summary: no_summary(),
        groups: Vec::new(),
        findings: Vec::new(),
        problems: problems.iter().map(problem).collect(),
        load: None,
        changes: None,
        trend: None,
        collections: None,
    }
}

fn no_summary() -> wire::Summary<'static> {
    wire::Summary {
        goroutines: None,
        goroutines_before: None,
        groups: 0,
        findings: 0,
        truncated: None,
        proof: None,
        retention: None,
        gctrace: None,
        source: None,
        fleet: None,
    }
}

fn target(info: &TargetInfo) -> wire::Target<'_> {
    wire::Target {
        kind: info.kind,
        name: &info.name,
        go_version: info.go_version.as_deref(),
        taken_at: info
            .taken_at_unix_nanos
            .and_then(|nanos| jiff::Timestamp::from_nanosecond(nanos.into()).ok()),
        pause_seconds: info.pause_seconds,
        method: info.method,
        bytes_read: info.bytes_read,
        format: None,
        profile: None,
    }
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn frame(frame: &model::Frame) -> wire::Frame<'_> {
    wire::Frame {
        function: &frame.function,
        file: known(&frame.file),
        line: (frame.line > 0).then_some(frame.line),
    }
}

fn group(group: &model::Group) -> wire::Group<'_> {
    let ids = &group.identities;
    let listed = ids.known.len().min(MAX_IDS);
    let has_ids = !ids.known.is_empty();
    let unlisted = u64::try_from(ids.known.len() - listed).unwrap_or(u64::MAX);
    wire::Group {
        site: site(&group.site),
        state: group.state.as_ref().map(model::State::as_str),
        count: group.count,
        wait_minutes: group
            .waits
            .as_ref()
            .and_then(model::Waits::range)
            .map(|(min, max)| wire::WaitMinutes { min, max }),
        goroutines: has_ids.then(|| ids.known.iter().take(MAX_IDS).map(|one| one.id.0).collect()),
        goroutines_elided: has_ids.then(|| ids.elided.saturating_add(unlisted)),
        stack: group.stack.frames.iter().map(frame).collect(),
        stack_elided: group.stack.elided.map(|elided| wire::StackElided {
            at: elided.at,
            count: elided.count,
        }),
        created_by: group.created_by.as_ref().map(frame),
        ancestors: group.stack.ancestors.iter().map(ancestor).collect(),
        labels: group.labels.common(group.count).collect(),
        verdict: group.verdict.as_str(),
        retained_bytes: group.retained_bytes,
        retained: group.retained.as_ref().map(proof::retained),
        evidence: group.evidence.iter().map(evidence).collect(),
        pattern: group.pattern.map(gorphan_model::Pattern::name),
        dismissed: group.dismissed.as_ref().map(|dismissal| wire::Dismissed {
            by: words::dismissed_by(dismissal.by),
            reason: &dismissal.reason,
        }),
    }
}

fn site(site: &model::Site) -> wire::Site<'_> {
    wire::Site {
        operation: site.operation.as_str(),
        function: &site.function,
        file: known(&site.file),
        line: (site.line > 0).then_some(site.line),
    }
}

fn ancestor(ancestor: &model::Ancestor) -> wire::Ancestor<'_> {
    wire::Ancestor {
        stack: ancestor.frames.iter().map(frame).collect(),
        created_by: ancestor.created_by.as_ref().map(frame),
    }
}

fn evidence(evidence: &model::Evidence) -> wire::Evidence<'_> {
    match evidence {
        model::Evidence::Threshold {
            rule,
            count,
            threshold,
            share,
            reason,
        } => wire::Evidence::Threshold {
            rule,
            count: *count,
            threshold: *threshold,
            share: *share,
            reason,
        },
        model::Evidence::Growth {
            before,
            after,
            stayed,
        } => wire::Evidence::Growth {
            before: *before,
            after: *after,
            stayed: *stayed,
            requests: None,
            per_request: None,
        },
        model::Evidence::PerRequest {
            before,
            after,
            requests,
            per_request,
        } => wire::Evidence::Growth {
            before: *before,
            after: *after,
            stayed: None,
            requests: Some(*requests),
            per_request: Some(interval(per_request)),
        },
        model::Evidence::Leftover {
            count,
            grace_millis,
        } => wire::Evidence::Leftover {
            count: *count,
            grace_millis: *grace_millis,
        },
        model::Evidence::Source { rule } => wire::Evidence::Source { rule },
        model::Evidence::RuntimeReported { count } => {
            wire::Evidence::RuntimeReported { count: *count }
        }
        model::Evidence::Proof { count, proof } => {
            wire::Evidence::Proof(proof::evidence(*count, proof))
        }
    }
}

fn interval(slope: &model::gc::Slope) -> wire::Interval {
    wire::Interval {
        estimate: slope.estimate,
        low: slope.low,
        high: slope.high,
    }
}

fn finding(finding: &model::Finding) -> wire::Finding<'_> {
    let place = &finding.place;
    let cause = finding.cause.as_deref();
    wire::Finding {
        code: finding.code,
        verdict: finding.verdict.as_str(),
        operation: finding.operation.as_str(),
        function: &place.function,
        file: known(&place.file),
        line: (place.line > 0).then_some(place.line),
        column: place.column,
        count: finding.cause.is_none().then_some(finding.count),
        retained_bytes: finding.retained_bytes,
        message: &finding.message,
        help: &finding.help,
        evidence: finding.evidence.iter().map(evidence).collect(),
        witness: cause.map(lint::witness).unwrap_or_default(),
        fix: cause.and_then(|cause| cause.fix.as_ref()).map(lint::fix),
        source: cause.map(lint::source),
        fleet: None,
        pattern: finding.pattern.map(gorphan_model::Pattern::name),
        package: finding.package.as_deref(),
        test: finding.package.is_some().then_some(finding.test.as_deref()),
    }
}

fn problem(problem: &model::Problem) -> wire::Problem<'_> {
    wire::Problem {
        message: &problem.message,
        line: problem.line,
        address: problem.address,
    }
}

fn change(change: &model::diff::SiteChange) -> wire::Change<'_> {
    wire::Change {
        change: words::change(change.change),
        before: change.before,
        after: change.after,
        verdict: change.verdict.as_str(),
        identity: change.identity.as_ref().map(identity),
        moved_from: change.moved_from.as_ref().map(site),
        group: group(&change.group),
    }
}

fn identity(identity: &model::diff::IdentityChange) -> wire::Identity<'_> {
    let split = |ids: &'_ [u64]| ids.len().min(MAX_IDS);
    let (appeared, more_appeared) = identity.appeared.split_at(split(&identity.appeared));
    let (vanished, more_vanished) = identity.vanished.split_at(split(&identity.vanished));
    let count = |ids: &[u64]| u64::try_from(ids.len()).unwrap_or(u64::MAX);
    wire::Identity {
        stayed: identity.stayed,
        appeared,
        appeared_elided: count(more_appeared),
        vanished,
        vanished_elided: count(more_vanished),
        unknown: identity.elided,
    }
}

fn trend(trend: &model::gc::Trend) -> wire::Trend<'_> {
    wire::Trend {
        growth: words::growth(trend.growth).0,
        message: &trend.message,
        measures: trend.measures.iter().map(measure).collect(),
        process_starts: &trend.starts,
        judged: wire::Judged {
            start: trend.judged.start,
            end: trend.judged.end,
        },
    }
}

fn measure(trend: &model::gc::MeasureTrend) -> wire::Measure {
    wire::Measure {
        measure: words::measure(trend.measure).0,
        growth: words::growth(trend.growth).0,
        per_collection: slope(trend.per_collection),
        per_hour: trend.per_hour.map(slope),
        median: trend.median,
        total: trend.total,
        p_value: trend.p_value,
        points: trend.points,
    }
}

fn slope(slope: model::gc::Slope) -> wire::Slope {
    wire::Slope {
        estimate: slope.estimate,
        low: slope.low,
        high: slope.high,
    }
}

fn collection(collection: &model::gc::Collection) -> wire::Collection {
    wire::Collection {
        number: collection.number,
        at_seconds: collection.at_seconds,
        heap_before_mb: collection.heap_before_mb,
        heap_live_mb: collection.heap_live_mb,
        objects: collection.objects,
        stacks_mb: collection.stacks_mb,
        globals_mb: collection.globals_mb,
        goal_mb: collection.goal_mb,
        forced: collection.forced,
        leak_check: collection.leak_check,
        line: collection.line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::testing::{
        Fixture, HOSTILE, check, sample_profile, sample_proof, sample_quiet, sample_report,
        sample_why, sample_why_unknown,
    };
    use crate::{Document, Format, Style};

    fn json(document: &Document<'_>) -> (String, Value) {
        let text = check(document, Format::Json, &Style::default());
        let value = serde_json::from_str(&text).expect("JSON");
        (text, value)
    }

    #[test]
    fn an_inspect_report_has_the_documented_fields_in_order() {
        let sample = sample_report();
        let (_, value) = json(&sample.inspect());
        assert_eq!(
            value["groups"][0]["goroutines"].as_array().unwrap().len(),
            100
        );
        assert_eq!(value["groups"][0]["goroutines_elided"], 1150);
        insta::assert_snapshot!("inspect", shorter(&sample));
    }

    /// A hundred numbers, each on its line, would hide the rest of the snapshot.
    fn shorter(sample: &Fixture) -> String {
        let (text, _) = json(&sample.inspect());
        let lines = text
            .lines()
            .filter(|line| line.trim_end_matches(',').trim().parse::<u64>().is_err());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_was_proven_stands_in_evidence_and_summary() {
        insta::assert_snapshot!("proof", shorter(&sample_proof()));
    }

    #[test]
    fn why_has_the_documented_fields_in_order() {
        let (_, value) = json(&sample_why().document());
        insta::assert_json_snapshot!("why", value);
        let (_, value) = json(&sample_why_unknown().document());
        assert_eq!(value["goroutine"]["proof"], Value::Null);
        assert_eq!(value["goroutine"]["site"]["operation"], "mutex lock");
    }

    #[test]
    fn what_a_profile_cannot_know_is_null() {
        let sample = sample_profile();
        let (_, value) = json(&sample.inspect());
        let group = &value["groups"][0];
        for field in [
            "state",
            "wait_minutes",
            "goroutines",
            "goroutines_elided",
            "created_by",
        ] {
            assert!(
                group.get(field).is_some_and(Value::is_null),
                "{field}: {group}"
            );
        }
    }

    #[test]
    fn hostile_names_come_back_as_they_were() {
        let sample = sample_report();
        let (_, value) = json(&sample.inspect());
        assert_eq!(value["groups"][2]["site"]["function"], HOSTILE);
    }

    #[test]
    fn a_diff_tells_both_targets_and_each_change() {
        let sample = sample_report();
        let (_, value) = json(&sample.diff());
        assert_eq!(value["before"]["name"], "before.dump");
        assert_eq!(value["target"]["name"], "after.dump");
        let grown = &value["changes"][0];
        assert_eq!(grown["identity"]["appeared"].as_array().unwrap().len(), 100);
        assert_eq!(grown["identity"]["appeared_elided"], 50);
        assert_eq!(grown["identity"]["unknown"], 1090);
        let mut shown = value.clone();
        shown["changes"].as_array_mut().unwrap().truncate(1);
        for list in ["appeared", "vanished"] {
            shown["changes"][0]["identity"][list] = Value::Null;
        }
        shown["changes"][0]["group"] = Value::Null;
        insta::assert_json_snapshot!("diff", shown);
    }

    #[test]
    fn a_gctrace_has_its_trend_and_collections() {
        let sample = sample_report();
        let (_, mut value) = json(&sample.gctrace());
        let collections = value["collections"].as_array_mut().unwrap();
        assert_eq!(collections.len(), 40);
        collections.truncate(2);
        insta::assert_json_snapshot!("gctrace", value);
    }

    #[test]
    fn a_load_has_its_rounds_and_the_slope_of_each_site() {
        let trend = crate::testing::sample_load();
        let (_, mut value) = json(&crate::testing::load(&trend));
        value["groups"] = Value::Null;
        insta::assert_json_snapshot!("load", value);
    }

    #[test]
    fn nothing_found_is_empty_lists() {
        let sample = sample_quiet();
        let (_, value) = json(&sample.inspect());
        assert_eq!(value["findings"], Value::Array(Vec::new()));
        assert_eq!(value["summary"]["findings"], 0);
        assert_eq!(value["problems"], Value::Array(Vec::new()));
    }
}
