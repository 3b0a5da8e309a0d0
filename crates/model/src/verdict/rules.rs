//! The rules. Each looks at one group and gives evidence or stays silent; each constant says why it is what it is.
//!
//! Counts and shares cannot prove a leak, so all but [`runtime_reported`] and [`proven`] say no more than "suspect". What they
//! look for is a goroutine that nobody is left to wake. How they fared on real programs stands in `docs/judgement.md`.

use crate::group::Outcome;
use crate::verdict::facts::{Census, is_main, starting_function};
use crate::verdict::message::grouped;
use crate::verdict::{Policy, pattern};
use crate::{Evidence, Format, Group, Operation, ProfileKind, Verdict};

/// Goroutines at one site. The figure that Uber settled on for LeakProf: it finds leaks in large services and is
/// quiet otherwise.
pub const DEFAULT_THRESHOLD: u64 = 10_000;

/// Goroutines that receive from a nil channel at one site. One or two are often meant: `<-ctx.Done()` of a context
/// that is never cancelled waits on a nil channel.
const NIL_RECEIVERS: u64 = 3;

/// Minutes that a lock was waited for. Locks are held for microseconds; one held for a whole minute is stuck, or is
/// held across something that can take for ever.
const LOCK_WAIT_MINUTES: u32 = 1;

/// Goroutines blocked at one site in a program that is otherwise deserted; see [`Census::is_deserted`]. Nobody is left to
/// wake them, so few are enough.
const DESERTED: u64 = 5;

/// The part of all goroutines that they must be. Small, because a deserted program says enough by itself.
const DESERTED_SHARE: f64 = 0.1;

/// Waiters for one lock whose starters have ended: fire-and-forget goroutines that pile up.
const ORPHANED_LOCKERS: u64 = 10;

/// Senders whose starters have ended or gone elsewhere. A sender whose consumer lives is rare in a snapshot; three at
/// one site are a habit.
const ABANDONED_SENDERS: u64 = 3;

/// Senders whose starting function is known to have returned while others of the program go on. Pools and pipelines look
/// like this when their consumer is slow; they are hardly ever this wide.
const RETURNED_SENDERS: u64 = 100;

/// The part of all goroutines that such senders must be.
const SENDERS_SHARE: f64 = 0.2;

/// Senders at one site that have waited for [`STALE_SEND_MINUTES`], whoever started them.
const STALE_SENDERS: u64 = 3;

/// Minutes in a send. Backpressure moves; a channel that took nothing for this long has no consumer.
const STALE_SEND_MINUTES: u32 = 2;

/// Lone receivers and waiters at one site. Idle workers wait in receive too, but those of a pool have one creator
/// that lives, and those of a connection have a sibling that reads it. Sessions that outlive the request that started
/// them look the same, so there must be some number of them.
const ORPHANS: u64 = 20;

/// The part of all goroutines that orphans must be.
const ORPHANS_SHARE: f64 = 0.1;

/// Orphans that count whatever their share when they have waited for [`OLD_ORPHAN_MINUTES`].
const OLD_ORPHANS: u64 = 10;

/// Minutes in a receive or select after which no ordinary ticker or timeout can be meant to end it.
const OLD_ORPHAN_MINUTES: u32 = 5;

/// Distinct creators that orphans must have; a pool started by a set-up goroutine has one.
const ORPHAN_CREATORS: u64 = 3;

/// HTTP responses that are not read to their end, when they are more than all goroutines of the program: then some have
/// nobody who could read them.
const UNREAD_BODIES: u64 = 5;

/// Responses that nobody reads right now, and that are at least [`UNREAD_BODY_MINUTES`] old.
const OLD_UNREAD_BODIES: u64 = 5;

/// Minutes that a response is left alone.
const UNREAD_BODY_MINUTES: u32 = 1;

/// Goroutines that sleep at one site, started by others that ended. Sleeping ends by itself, so it takes very many.
const SLEEPERS: u64 = 1000;

/// The part of all goroutines that sleepers must be.
const SLEEPERS_SHARE: f64 = 0.5;

/// What the rules say of a group: the highest verdict, with all evidence.
pub(super) fn evidence(
    census: &Census<'_>,
    group: &Group,
    policy: &Policy,
) -> (Verdict, Vec<Evidence>) {
    let mut evidence: Vec<Evidence> = runtime_reported(census, group).into_iter().collect();
    evidence.extend(proven(group));
    if evidence.iter().any(|one| one.leaked() > 0) {
        return (Verdict::Leak, evidence);
    }
    evidence.extend(leakprof_threshold(census, group, policy));
    evidence.extend(match group.site.operation {
        Operation::NilChanSend | Operation::NilChanReceive | Operation::SelectNoCases => {
            never_wakes(census, group)
        }
        Operation::MutexLock | Operation::RwMutexLock | Operation::RwMutexRLock => {
            lock_held(census, group)
        }
        Operation::ChanSend => senders(census, group),
        Operation::Select if pattern::is_http_read_loop(group) => unread_bodies(census, group),
        Operation::ChanReceive
        | Operation::Select
        | Operation::WaitGroup
        | Operation::CondWait
        | Operation::Semaphore => orphaned_waiters(census, group),
        Operation::Sleep => orphaned_sleepers(census, group),
        Operation::IoWait
        | Operation::Syscall
        | Operation::Running
        | Operation::Runnable
        | Operation::Other => None,
    });
    let verdict = if evidence.iter().any(Evidence::accuses) {
        Verdict::Suspect
    } else {
        Verdict::Normal
    };
    (verdict, evidence)
}

fn threshold(
    census: &Census<'_>,
    rule: &'static str,
    count: u64,
    threshold: u64,
    reason: String,
) -> Option<Evidence> {
    Some(Evidence::Threshold {
        rule,
        count,
        threshold,
        share: census.share(count),
        reason,
    })
}

/// `proven`: reading the program's memory showed that nothing which runs can reach what these goroutines wait for. That others
/// can be reached, or were not decided, is told as well and accuses nobody; neither does it acquit: what a registry holds that
/// nobody looks at any more is a leak that no proof can see, so the other rules speak as ever.
fn proven(group: &Group) -> impl Iterator<Item = Evidence> + '_ {
    group.proven.iter().map(Outcome::evidence)
}

/// `runtime-reported`: the runtime's own detector found these goroutines unreachable.
///
/// A `goroutineleak` profile holds nothing else, except as `debug=2`, where all goroutines are printed and the leaked
/// ones are marked.
fn runtime_reported(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let snapshot = census.snapshot;
    let whole = snapshot.profile == ProfileKind::GoroutineLeak && snapshot.format != Format::Dump;
    let count = if whole { group.count } else { group.leaked };
    (count > 0).then_some(Evidence::RuntimeReported { count })
}

/// `leakprof-threshold`: very many goroutines in a channel or sync operation at one site.
///
/// `debug=1` hides the runtime's frames and with them what the goroutines do; there an unknown operation counts too.
fn leakprof_threshold(census: &Census<'_>, group: &Group, policy: &Policy) -> Option<Evidence> {
    let limit = policy.threshold.unwrap_or(DEFAULT_THRESHOLD).max(1);
    let operation = group.site.operation;
    let hidden = operation == Operation::Other && census.snapshot.format == Format::CountText;
    if group.count < limit || !(hidden || operation.waits_for_goroutine()) {
        return None;
    }
    let reason = format!("{} or more are blocked at one place", grouped(limit));
    threshold(census, "leakprof-threshold", group.count, limit, reason)
}

/// `never-wakes`: an operation that no goroutine can ever end. Main may do it to stay alive.
fn never_wakes(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let count = census.without_main(group);
    let (limit, reason) = match group.site.operation {
        Operation::NilChanReceive => (NIL_RECEIVERS, "a nil channel never delivers"),
        Operation::NilChanSend => (1, "a nil channel never accepts"),
        _ => (1, "a select without cases never ends"),
    };
    if count < limit {
        return None;
    }
    threshold(census, "never-wakes", count, limit, reason.to_owned())
}

/// `lock-held`: somebody has waited for a lock for a minute or more.
fn lock_held(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let waited = waited(group, LOCK_WAIT_MINUTES);
    if waited == 0 {
        return lock_convoy(census, group);
    }
    let reason = format!(
        "locks are held for moments, but {} waited for a minute or more",
        have(waited, group.count)
    );
    threshold(census, "lock-held", waited, 1, reason)
}

/// `lock-convoy`: several wait for a lock, and nobody is left who could hold it, or those who started them have ended.
/// Mere contention is no leak, however heavy.
fn lock_convoy(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    if is_deserted(census, group) {
        let reason = "no other goroutine of the program could hold the lock and give it back";
        let reason = reason.to_owned();
        return threshold(census, "lock-convoy", group.count, DESERTED, reason);
    }
    if group.count < ORPHANED_LOCKERS {
        return None;
    }
    let alone = census.starters(group).alone;
    if alone < ORPHANED_LOCKERS {
        return None;
    }
    let reason = "the goroutines that started them have ended or do other work".to_owned();
    threshold(census, "lock-convoy", alone, ORPHANED_LOCKERS, reason)
}

fn waited(group: &Group, minutes: u32) -> u64 {
    let waits = group.waits.as_ref();
    waits.map_or(0, |waits| waits.at_least(minutes))
}

fn is_deserted(census: &Census<'_>, group: &Group) -> bool {
    group.count >= DESERTED && census.share(group.count) >= DESERTED_SHARE && census.is_deserted()
}

fn senders(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    stale_senders(census, group)
        .or_else(|| deserted_senders(census, group))
        .or_else(|| abandoned_senders(census, group))
}

/// `stale-senders`: several sends that nobody took for minutes.
fn stale_senders(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let stale = waited(group, STALE_SEND_MINUTES);
    if stale < STALE_SENDERS {
        return None;
    }
    let reason = format!(
        "{} offered a value for {STALE_SEND_MINUTES} minutes or more, and nobody took it",
        have(stale, group.count)
    );
    threshold(census, "stale-senders", stale, STALE_SENDERS, reason)
}

/// `deserted-senders`: nobody is left in the program who could come to receive.
fn deserted_senders(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    if !is_deserted(census, group) {
        return None;
    }
    let reason = "no other goroutine of the program could come to receive".to_owned();
    threshold(census, "deserted-senders", group.count, DESERTED, reason)
}

/// `abandoned-senders`: those who started the senders, and so were to receive, have ended, went on to other work, or, where
/// there are very many, have at least returned from the function.
fn abandoned_senders(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    if group.count < ABANDONED_SENDERS {
        return None;
    }
    let rule = "abandoned-senders";
    let starters = census.starters(group);
    if starters.alone >= ABANDONED_SENDERS {
        let reason = "the goroutines that started the senders have ended or do other work";
        let reason = reason.to_owned();
        return threshold(census, rule, starters.alone, ABANDONED_SENDERS, reason);
    }
    // Without the creators' numbers the function may still be known, and not be on any stack.
    let function = || starting_function(group).filter(|_| starters.unknown >= group.count);
    let gone = match function() {
        _ if group.count < RETURNED_SENDERS => 0,
        Some(function) if !census.runs_anywhere(&function) => group.count,
        _ => starters.gone(),
    };
    if gone < RETURNED_SENDERS || census.share(gone) < SENDERS_SHARE {
        return None;
    }
    let reason = "the function that started the senders has returned".to_owned();
    threshold(census, rule, gone, RETURNED_SENDERS, reason)
}

/// `orphaned-waiters`: waiting for goroutines whose starters, several different ones, have ended, with no sibling at work.
fn orphaned_waiters(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let old = waited(group, OLD_ORPHAN_MINUTES) >= OLD_ORPHANS;
    let limit = if old { OLD_ORPHANS } else { ORPHANS };
    if group.count < limit {
        return None;
    }
    let starters = census.starters(group);
    let (alone, creators) = (starters.alone, starters.alone_creators);
    let few = !old && census.share(alone) < ORPHANS_SHARE;
    if alone < limit || creators < ORPHAN_CREATORS || few {
        return None;
    }
    let reason =
        format!("{creators} different goroutines started them, and have ended or do other work");
    threshold(census, "orphaned-waiters", alone, limit, reason)
}

/// `unread-bodies`: the HTTP client holds responses that nobody reads or closes.
///
/// After a response with a body `(*persistConn).readLoop` waits in a select until the body is read to its end or
/// closed; an idle connection is in IO wait instead (`net/http/transport.go`, Go 1.7 to 1.27). Who reads a body right
/// now has `(*bodyEOFSignal).Read` on its stack and is not counted.
fn unread_bodies(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let rule = "unread-bodies";
    let holders = census.holders();
    if group.count >= UNREAD_BODIES && group.count > holders {
        let reason = format!(
            "so many HTTP responses wait to be read or closed, and only {holders} goroutines could do it"
        );
        return threshold(census, rule, group.count, UNREAD_BODIES, reason);
    }
    let readers = pattern::body_readers(census.snapshot);
    let old = waited(group, UNREAD_BODY_MINUTES).saturating_sub(readers);
    if old < OLD_UNREAD_BODIES {
        return None;
    }
    let reason = "HTTP responses wait for a minute or more to be read or closed".to_owned();
    threshold(census, rule, old, OLD_UNREAD_BODIES, reason)
}

/// `orphaned-sleepers`: most of the program sleeps at one site, started by goroutines that have ended.
fn orphaned_sleepers(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let share = census.share(group.count);
    if group.count < SLEEPERS || share < SLEEPERS_SHARE {
        return None;
    }
    let starters = census.starters(group);
    let gone = starters.ended;
    if gone < SLEEPERS || census.samples(group).any(|sample| is_main(&sample.stack)) {
        return None;
    }
    let reason = format!(
        "{} of all goroutines sleep at one place, and those who started them have ended",
        percent(share)
    );
    threshold(census, "orphaned-sleepers", gone, SLEEPERS, reason)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// "it has", "they all have", "3 of them have".
fn have(some: u64, all: u64) -> String {
    match (some, all) {
        (1, 1) => "it has".to_owned(),
        (1, _) => "1 of them has".to_owned(),
        (some, all) if some == all => "they all have".to_owned(),
        (some, _) => format!("{} of them have", grouped(some)),
    }
}
