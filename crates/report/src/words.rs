//! The words that more than one renderer uses.

use gorphan_model::diff::Change;
use gorphan_model::gc::{GcTrace, Growth, Measure, Slope, Trend};
use gorphan_model::load::{Course, LoadTrend};
use gorphan_model::source::Ledger;
use gorphan_model::verdict::DismissedBy;
use gorphan_model::{
    Evidence, Finding, Group, Pattern, Problem, ProfileKind, Proof, Sample, Verdict, Waits,
};

/// A pattern in a few words, beside its name ([`Pattern::name`]).
pub(crate) fn pattern(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::PrematureReturn => "premature return of the other side",
        Pattern::TimeoutAbandonedSender => "sender abandoned after a timeout",
        Pattern::NCast => "many senders, one receive",
        Pattern::RangeNeverClosed => "range over a channel that is never closed",
        Pattern::NilChannel => "nil channel",
        Pattern::NoReceiver => "send without a receiver",
        Pattern::NoSender => "receive without a sender",
        Pattern::LockNotReleased => "lock that is not released",
        Pattern::WaitGroupMismatch => "WaitGroup with more Add than Done",
        Pattern::HttpBodyNotClosed => "HTTP response body not closed",
        Pattern::TickerOrSleepLoop => "ticker or sleep loop without an end",
        Pattern::SelectNoCases => "select without cases",
        Pattern::CondNeverSignalled => "Cond that is never signalled",
        Pattern::DeadSelect => "select whose channels are all dead",
        Pattern::EndlessLoop => "endless loop",
    }
}

/// Who dismissed a group: the word in JSON, which has no spaces.
pub(crate) fn dismissed_by(by: DismissedBy) -> &'static str {
    match by {
        DismissedBy::Benign => "benign",
        DismissedBy::Ignored => "ignored",
        DismissedBy::Baseline => "baseline",
        DismissedBy::NotOwn => "not_own",
        DismissedBy::Transient => "transient",
    }
}

/// The word of a change.
pub(crate) fn change(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Grown => "grown",
        Change::Same => "same",
        Change::Shrunk => "shrunk",
        Change::Gone => "gone",
    }
}

/// The name of the runtime's profile.
pub(crate) fn profile(kind: ProfileKind) -> &'static str {
    match kind {
        ProfileKind::Goroutine => "goroutine",
        ProfileKind::GoroutineLeak => "goroutineleak",
    }
}

/// A verdict on memory: the word in JSON and for people.
pub(crate) fn growth(growth: Growth) -> (&'static str, &'static str) {
    match growth {
        Growth::TooShort => ("too_short", "too short to say"),
        Growth::Steady => ("steady", "steady"),
        Growth::LeakLike => ("leak_like", "grows like a leak"),
    }
}

/// What is measured: the word in JSON, the name and the unit for people.
pub(crate) fn measure(measure: Measure) -> (&'static str, &'static str, &'static str) {
    match measure {
        Measure::LiveHeap => ("live_heap_mb", "live heap", "MB"),
        Measure::Objects => ("objects", "live objects", "objects"),
        Measure::Goroutines => ("goroutines", "goroutines", "goroutines"),
        Measure::Stacks => ("stacks_mb", "stacks", "MB"),
    }
}

/// One sentence, without a full stop, on what a verdict rests on.
pub(crate) fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Threshold { rule, reason, .. } => format!("{reason} (rule: {rule})"),
        Evidence::Growth {
            before: 0, after, ..
        } => format!(
            "new since the first snapshot: {}",
            count_of(*after, "goroutine")
        ),
        Evidence::Growth {
            before,
            after,
            stayed,
        } => {
            let kept = match stayed {
                _ if *before == 0 => String::new(),
                Some(stayed) if stayed == before => "; all of the first are still there".to_owned(),
                Some(stayed) => format!("; {stayed} of the first are still there"),
                None => String::new(),
            };
            format!("grew from {before} to {after}{kept}")
        }
        Evidence::PerRequest {
            before,
            after,
            requests,
            per_request,
        } => format!(
            "{before} before {}, {after} after: {} for each request",
            count_of(*requests, "request"),
            slope(per_request)
        ),
        Evidence::Leftover {
            count,
            grace_millis,
        } => format!(
            "{} left behind, {grace_millis} ms after the tests of the package were over",
            count_of(*count, "goroutine")
        ),
        Evidence::RuntimeReported { count } => {
            format!(
                "the Go runtime's leak detector reports {}",
                count_of(*count, "goroutine")
            )
        }
        Evidence::Source { rule } => format!("rule {rule}, by reading the source"),
        Evidence::Proof { count, proof } => crate::proof::sentence(*count, proof),
    }
}

/// What of the source was looked at, without a full stop.
pub(crate) fn looked_at(ledger: &Ledger) -> String {
    format!(
        "{}, {}, {}",
        count_of(ledger.packages, "package"),
        count_of(ledger.files, "file"),
        count_of(ledger.lines, "line")
    )
}

/// Reasons for undecided scopes that are told; the JSON report has all.
const MAX_REASONS: usize = 3;

/// What was decided of the source, in sentences.
pub(crate) fn decided(ledger: &Ledger, suppressed: u64) -> String {
    let mut text = format!(
        "Channels, locks and their like: {} proved, {} leaking, {} unknown",
        ledger.scopes_proved,
        ledger.scopes_leaking,
        ledger.scopes_unknown()
    );
    let mut reasons: Vec<_> = ledger.unknown.iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), (*reason).clone()));
    if !reasons.is_empty() {
        let told = reasons
            .iter()
            .take(MAX_REASONS)
            .map(|(reason, count)| format!("{count} as {reason}"));
        let others = if reasons.len() > MAX_REASONS {
            ", ..."
        } else {
            ""
        };
        text.push_str(&format!(
            " ({}{others})",
            told.collect::<Vec<_>>().join(", ")
        ));
    }
    text.push('.');
    if suppressed > 0 {
        text.push_str(&format!(" {} suppressed.", count_of(suppressed, "finding")));
    }
    if ledger.files_unparsed > 0 {
        text.push_str(&format!(
            " {} could not be read whole.",
            count_of(ledger.files_unparsed, "file")
        ));
    }
    text
}

/// What rounds of requests did to the goroutines, in one line.
pub(crate) fn load(trend: &LoadTrend) -> String {
    format!(
        "{}: {} before, {} after",
        count_of(trend.requests(), "request"),
        count_of(trend.goroutines.first(), "goroutine"),
        trend.goroutines.last()
    )
}

/// The word for how a number went over rounds of requests.
pub(crate) fn course(course: Course) -> &'static str {
    match course {
        Course::Grows => "grows",
        Course::LevelledOff => "levelled off",
        Course::Steady => "steady",
    }
}

/// `1.00 (95 %: 0.98 to 1.02)`.
pub(crate) fn slope(slope: &Slope) -> String {
    format!(
        "{:.2} (95 %: {:.2} to {:.2})",
        slope.estimate, slope.low, slope.high
    )
}

/// Which test started the goroutines, and of which package; `None` for what no test gate found.
pub(crate) fn test(finding: &Finding) -> Option<String> {
    let package = finding.package.as_ref()?;
    Some(match &finding.test {
        Some(test) => format!("{test} of {package}"),
        None => format!("none: started outside of the tests of {package}"),
    })
}

/// `1 goroutine`, `2 goroutines`.
pub(crate) fn count_of(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// `3-7 min`, `12 min`, `<1 min`; `None` where the source does not know waits.
pub(crate) fn waits(waits: Option<&Waits>) -> Option<String> {
    Some(match waits?.range()? {
        (_, 0) => "<1 min".to_owned(),
        (min, max) if min == max => format!("{max} min"),
        (min, max) => format!("{min}-{max} min"),
    })
}

/// What at least half of the goroutines have waited, where that says more than the range does.
pub(crate) fn median_wait(waits: &Waits) -> Option<u32> {
    let (min, max) = waits.range()?;
    let half = waits.at_least(0).div_ceil(2);
    let mut minutes: Vec<u32> = waits.iter().map(|(minutes, _)| minutes).collect();
    minutes.retain(|minutes| waits.at_least(*minutes) >= half);
    let median = minutes.last().copied()?;
    (min < median && max > 0).then_some(median)
}

/// Bytes for people: `4.9 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in UNITS.iter().skip(1) {
        if scaled < 1024.0 {
            break;
        }
        scaled /= 1024.0;
        unit = larger;
    }
    format!("{scaled:.1} {unit}")
}

/// The group that a finding is about.
pub(crate) fn group_of<'g>(
    finding: &Finding,
    groups: impl Iterator<Item = &'g Group>,
) -> Option<&'g Group> {
    let (at, operation) = (&finding.place, finding.operation);
    let here = |group: &&Group| {
        let site = &group.site;
        site.operation == operation
            && site.line == at.line
            && site.function == at.function
            && site.file == at.file
    };
    let mut groups = groups.filter(here);
    let first = groups.next()?;
    if first.found() == finding.count {
        return Some(first);
    }
    // Grouped by something finer than the site, several groups share it.
    Some(
        groups
            .find(|group| group.found() == finding.count)
            .unwrap_or(first),
    )
}

/// A problem with its place in the input.
pub(crate) fn problem(problem: &Problem) -> String {
    let message = &problem.message;
    match (problem.line, problem.address) {
        (Some(line), _) => format!("line {line}: {message}"),
        (None, Some(address)) => format!("{address:#x}: {message}"),
        (None, None) => message.clone(),
    }
}

/// Whether a group is told as a finding.
pub(crate) fn is_finding(group: &Group, findings: &[Finding]) -> bool {
    let about = |finding: &Finding| {
        finding.count == group.found() && group_of(finding, std::iter::once(group)).is_some()
    };
    group.dismissed.is_none() && findings.iter().any(about)
}

/// The verdict on the goroutines of one sample of a group: where it is known of each which are leaked, the others are not.
pub(crate) fn verdict_of(sample: &Sample, group: &Group) -> Verdict {
    let is_leaked = matches!(sample.proof.as_deref(), Some(Proof::Unreachable(_)));
    if group.verdict == Verdict::Leak && group.unreachable() > 0 && !is_leaked && sample.leaked == 0
    {
        Verdict::Normal
    } else {
        group.verdict
    }
}

/// Why a group is no finding, or its verdict; empty where there is nothing to say.
pub(crate) fn note(group: &Group) -> String {
    match &group.dismissed {
        Some(dismissal) => format!("{}: {}", dismissal.by.as_str(), dismissal.reason),
        None if group.verdict > Verdict::Normal => group.verdict.as_str().to_owned(),
        None => String::new(),
    }
}

/// `svc=checkout, zone=a`: the labels that all goroutines of a group carry.
pub(crate) fn common_labels(group: &Group) -> String {
    let labels = group.labels.common(group.count);
    let labels = labels.map(|(key, value)| format!("{key}={value}"));
    labels.collect::<Vec<_>>().join(", ")
}

/// `1 leak`, `2 suspects`: each verdict that findings have, worst first.
pub(crate) fn verdict_counts(findings: &[Finding]) -> Vec<(Verdict, String)> {
    let verdicts = [
        Verdict::Leak,
        Verdict::Growing,
        Verdict::Suspect,
        Verdict::Normal,
    ];
    let counts = verdicts.map(|verdict| {
        let count = findings.iter().filter(|one| one.verdict == verdict).count();
        let text = match verdict {
            Verdict::Leak | Verdict::Suspect => count_usize(count, verdict.as_str()),
            Verdict::Growing | Verdict::Normal => format!("{count} {}", verdict.as_str()),
        };
        (verdict, count, text)
    });
    let met = counts.into_iter().filter(|(_, count, _)| *count > 0);
    met.map(|(verdict, _, text)| (verdict, text)).collect()
}

/// The verdicts in one line, or that there is none.
pub(crate) fn tally(findings: &[Finding]) -> String {
    let counts = verdict_counts(findings);
    if counts.is_empty() {
        return "no leak found".to_owned();
    }
    let counts = counts.into_iter().map(|(_, text)| text);
    counts.collect::<Vec<_>>().join(", ")
}

/// [`count_of`] for what a collection counts.
pub(crate) fn count_usize(count: usize, noun: &str) -> String {
    count_of(u64::try_from(count).unwrap_or(u64::MAX), noun)
}

/// How likely such an order of points is without a trend.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.0001 {
        "p < 0.0001".to_owned()
    } else {
        format!("p = {p:.4}")
    }
}

/// A slope per hour is told of ten minutes and more, in seconds: of less it would be an absurd multiple.
const MIN_HOURLY_SECONDS: f64 = 600.0;

/// Whether the judged part of a log is long enough for a slope per hour.
pub(crate) fn tells_hourly(trace: &GcTrace, trend: &Trend) -> bool {
    let judged = trace
        .collections
        .get(trend.judged.clone())
        .unwrap_or_default();
    let start = judged.first().and_then(|first| first.at_seconds);
    let end = judged.last().and_then(|last| last.at_seconds);
    start
        .zip(end)
        .is_some_and(|(start, end)| end - start >= MIN_HOURLY_SECONDS)
}
