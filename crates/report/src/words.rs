//! The words that more than one renderer uses.

use gorphan_model::diff::Change;
use gorphan_model::gc::{Growth, Measure};
use gorphan_model::verdict::DismissedBy;
use gorphan_model::{Evidence, Pattern, ProfileKind, Verdict, Waits};

/// A pattern's word in JSON and its name for people.
pub(crate) fn pattern(pattern: Pattern) -> (&'static str, &'static str) {
    match pattern {
        Pattern::PrematureReturn => ("premature_return", "premature return of the other side"),
        Pattern::TimeoutAbandonedSender => (
            "timeout_abandoned_sender",
            "sender abandoned after a timeout",
        ),
        Pattern::NCast => ("n_cast", "many senders, one receive"),
        Pattern::RangeNeverClosed => (
            "range_never_closed",
            "range over a channel that is never closed",
        ),
        Pattern::NilChannel => ("nil_channel", "nil channel"),
        Pattern::NoReceiver => ("no_receiver", "send without a receiver"),
        Pattern::NoSender => ("no_sender", "receive without a sender"),
        Pattern::LockNotReleased => ("lock_not_released", "lock that is not released"),
        Pattern::WaitGroupMismatch => ("wait_group_mismatch", "WaitGroup with more Add than Done"),
        Pattern::HttpBodyNotClosed => ("http_body_not_closed", "HTTP response body not closed"),
        Pattern::TickerOrSleepLoop => (
            "ticker_or_sleep_loop",
            "ticker or sleep loop without an end",
        ),
        Pattern::SelectNoCases => ("select_no_cases", "select without cases"),
        Pattern::CondNeverSignalled => ("cond_never_signalled", "Cond that is never signalled"),
        Pattern::DeadSelect => ("dead_select", "select whose channels are all dead"),
        Pattern::EndlessLoop => ("endless_loop", "endless loop"),
    }
}

/// Who dismissed a group: the word in JSON and the note for people.
pub(crate) fn dismissed_by(by: DismissedBy) -> (&'static str, &'static str) {
    match by {
        DismissedBy::Benign => ("benign", "benign"),
        DismissedBy::Ignored => ("ignored", "ignored"),
        DismissedBy::Baseline => ("baseline", "in the baseline"),
        DismissedBy::NotOwn => ("not_own", "not own code"),
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
        Measure::Stacks => ("stacks_mb", "stacks", "MB"),
    }
}

/// One sentence, without a full stop, on what a verdict rests on.
pub(crate) fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Threshold { rule, reason, .. } => format!("{reason} (rule: {rule})"),
        Evidence::Growth {
            before,
            after,
            stayed,
        } => {
            let kept = match stayed {
                Some(stayed) if stayed == before => "; all of the first are still there".to_owned(),
                Some(stayed) => format!("; {stayed} of the first are still there"),
                None => String::new(),
            };
            format!("grew from {before} to {after}{kept}")
        }
        Evidence::RuntimeReported { count } => {
            format!(
                "the Go runtime's leak detector reports {}",
                count_of(*count, "goroutine")
            )
        }
    }
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

/// The verdict's word with what it promises.
pub(crate) fn verdict_meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Normal => "nothing to see",
        Verdict::Suspect => "looks like a leak in this one snapshot",
        Verdict::Growing => "grew between snapshots and kept what it had",
        Verdict::Leak => "proven: these goroutines can never go on",
    }
}
