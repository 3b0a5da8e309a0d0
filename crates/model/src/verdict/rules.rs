//! The rules. Each looks at one group and gives evidence or stays silent; each constant says why it is what it is.
//!
//! One snapshot cannot prove a leak, so all but [`runtime_reported`] say no more than "suspect". What they look for is a
//! goroutine that nobody is left to wake. How they fared on real programs stands in `docs/judgement.md`.

use crate::verdict::facts::{Census, Starters, is_main, starting_function};
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

/// Goroutines waiting for locks at one site before their number alone means something; a busy lock has a few.
const CONVOY: u64 = 10;

/// The part of all goroutines that a convoy must be; a busy server has many more goroutines than lock waiters.
const CONVOY_SHARE: f64 = 0.5;

/// Senders whose starters have ended or gone elsewhere. A sender whose consumer lives is rare in a snapshot; three at
/// one site are a habit.
const ABANDONED_SENDERS: u64 = 3;

/// Senders whose starting function has returned while its caller works on. A generator looks like this, so there must
/// be more of them.
const RETURNED_SENDERS: u64 = 5;

/// The part of all goroutines that such senders must be, and that senders of profiles must be.
const SENDERS_SHARE: f64 = 0.3;

/// Goroutines blocked at one site in a program in which nobody is at work; see [`Census::is_quiet`]. Nobody is about to
/// wake them, so few are enough.
const QUIET: u64 = 5;

/// The part of all goroutines that they must be. Small, because a quiet program says enough by itself.
const QUIET_SHARE: f64 = 0.1;

/// Waiters for one lock whose starters have ended: fire-and-forget goroutines that pile up.
const ORPHANED_LOCKERS: u64 = 10;

/// Senders of a source without ids whose starting function is nowhere on any stack.
const PROFILE_SENDERS: u64 = 5;

/// Senders of a source without ids when nothing is known of the starter. Worker pools are as wide as the machine;
/// this is wider than most.
const CROWD: u64 = 50;

/// The part of all goroutines that a crowd must be.
const CROWD_SHARE: f64 = 0.5;

/// Senders at one site that have waited for [`STALE_SEND_MINUTES`], whoever started them.
const STALE_SENDERS: u64 = 3;

/// Minutes in a send. Backpressure moves; a channel that took nothing for this long has no consumer.
const STALE_SEND_MINUTES: u32 = 2;

/// Lone receivers and waiters at one site. Idle workers wait in receive too, but those of a pool have one creator
/// that lives, and those of a connection have a sibling that reads it.
const ORPHANS: u64 = 5;

/// Distinct ended creators that orphans must have; a pool started by a set-up goroutine has one.
const ORPHAN_CREATORS: u64 = 3;

/// The same for goroutines in a select, which a timer can wake: more of them, or [`ORPHANS`] that waited for
/// [`ORPHAN_SELECT_MINUTES`].
const ORPHAN_SELECTS: u64 = 20;

/// Minutes in a select after which no ordinary ticker can be among its cases.
const ORPHAN_SELECT_MINUTES: u32 = 5;

/// HTTP responses whose body nobody reads, more than there are readers. A program that holds a few bodies while it
/// works on them is common; ten at once are not.
const UNREAD_BODIES: u64 = 10;

/// Unread bodies that count when they are at least [`UNREAD_BODY_MINUTES`] old.
const OLD_UNREAD_BODIES: u64 = 3;

/// Minutes that a response is left alone.
const UNREAD_BODY_MINUTES: u32 = 1;

/// Goroutines that sleep at one site, started by others that ended. Sleeping ends by itself, so it takes many.
const SLEEPERS: u64 = 100;

/// The part of all goroutines that sleepers must be.
const SLEEPERS_SHARE: f64 = 0.5;

/// What the rules say of a group: the highest verdict, with all evidence.
pub(super) fn evidence(
    census: &Census<'_>,
    group: &Group,
    policy: &Policy,
) -> (Verdict, Vec<Evidence>) {
    if let Some(reported) = runtime_reported(census, group) {
        return (Verdict::Leak, vec![reported]);
    }
    let mut evidence = Vec::new();
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
    let verdict = if evidence.is_empty() {
        Verdict::Normal
    } else {
        Verdict::Suspect
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

/// `runtime-reported`: the runtime's own detector found these goroutines unreachable. The only rule that says leak.
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
    let reason = format!("{limit} or more goroutines are blocked at one place");
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

/// `lock-held`: a lock that somebody waits for since a minute or more. `lock-convoy`: many wait for it, and they are most
/// of the program, or nobody is at work who could hold it, or those who started them have ended.
fn lock_held(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let waited = group
        .waits
        .as_ref()
        .map_or(0, |waits| waits.at_least(LOCK_WAIT_MINUTES));
    if waited > 0 {
        let reason = format!(
            "a lock is held for moments, and {} waited for a minute or more",
            goroutines_have(waited)
        );
        return threshold(census, "lock-held", waited, 1, reason);
    }
    let share = census.share(group.count);
    if is_stuck_in_quiet(census, group) {
        let reason = "no other goroutine of the program is at work and could hold the lock";
        let reason = reason.to_owned();
        return threshold(census, "lock-convoy", group.count, QUIET, reason);
    }
    if group.count < CONVOY {
        return None;
    }
    if share >= CONVOY_SHARE {
        let reason = format!("{} of all goroutines wait for one lock", percent(share));
        return threshold(census, "lock-convoy", group.count, CONVOY, reason);
    }
    let alone = census.starters(group).alone;
    if alone < ORPHANED_LOCKERS {
        return None;
    }
    let reason = "the goroutines that started them have ended or do other work".to_owned();
    threshold(census, "lock-convoy", alone, ORPHANED_LOCKERS, reason)
}

fn is_stuck_in_quiet(census: &Census<'_>, group: &Group) -> bool {
    group.count >= QUIET && census.share(group.count) >= QUIET_SHARE && census.is_quiet()
}

fn senders(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    stale_senders(census, group)
        .or_else(|| abandoned_senders(census, group))
        .or_else(|| crowd_of_senders(census, group))
}

/// `stale-senders`: several sends that nobody took for minutes.
fn stale_senders(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let stale = group.waits.as_ref()?.at_least(STALE_SEND_MINUTES);
    if stale < STALE_SENDERS {
        return None;
    }
    let reason = format!(
        "{} offered a value for {STALE_SEND_MINUTES} minutes or more and nobody took it",
        goroutines_have(stale)
    );
    threshold(census, "stale-senders", stale, STALE_SENDERS, reason)
}

/// `abandoned-senders`: those who started the senders, and so were to receive, have ended or returned.
fn abandoned_senders(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    if group.count < ABANDONED_SENDERS {
        return None;
    }
    let starters = census.starters(group);
    if starters.alone >= ABANDONED_SENDERS {
        let reason = "the goroutines that started the senders have ended or do other work";
        return threshold(
            census,
            "abandoned-senders",
            starters.alone,
            ABANDONED_SENDERS,
            reason.to_owned(),
        );
    }
    let gone = starters.gone();
    if gone < RETURNED_SENDERS || census.share(gone) < SENDERS_SHARE {
        return None;
    }
    let reason = "the function that started the senders has returned";
    threshold(
        census,
        "abandoned-senders",
        gone,
        RETURNED_SENDERS,
        reason.to_owned(),
    )
}

/// `crowd-of-senders`: for sources that know neither ids nor waits, or for starters of which nothing is known.
fn crowd_of_senders(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let share = census.share(group.count);
    if is_stuck_in_quiet(census, group) {
        let reason = "no other goroutine of the program is at work and could come to receive";
        let reason = reason.to_owned();
        return threshold(census, "crowd-of-senders", group.count, QUIET, reason);
    }
    let ids_unknown = census.starters(group).unknown >= group.count;
    let starter_absent = ids_unknown
        && starting_function(group).is_some_and(|function| !census.runs_anywhere(&function));
    if starter_absent && group.count >= PROFILE_SENDERS && share >= SENDERS_SHARE {
        let reason = format!(
            "{} of all goroutines, and the function that started them is not running",
            percent(share)
        );
        return threshold(
            census,
            "crowd-of-senders",
            group.count,
            PROFILE_SENDERS,
            reason,
        );
    }
    if group.count < CROWD || share < CROWD_SHARE {
        return None;
    }
    let reason = format!(
        "{} of all goroutines offer a value at one place",
        percent(share)
    );
    threshold(census, "crowd-of-senders", group.count, CROWD, reason)
}

/// `orphaned-waiters`: waiting for goroutines whose starters, several different ones, have ended, with no sibling at work.
fn orphaned_waiters(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    if group.count < ORPHANS {
        return None;
    }
    let Starters {
        alone,
        alone_creators,
        ..
    } = census.starters(group);
    let limit = if group.site.operation == Operation::Select {
        let old = group
            .waits
            .as_ref()
            .map_or(0, |waits| waits.at_least(ORPHAN_SELECT_MINUTES));
        if old >= ORPHANS {
            ORPHANS
        } else {
            ORPHAN_SELECTS
        }
    } else {
        ORPHANS
    };
    if alone < limit || alone_creators < ORPHAN_CREATORS {
        return None;
    }
    let reason = format!(
        "{alone_creators} different goroutines started them, and have ended or do other work"
    );
    threshold(census, "orphaned-waiters", alone, limit, reason)
}

/// `unread-bodies`: the HTTP client holds responses that nobody reads or closes.
///
/// After a response with a body `(*persistConn).readLoop` waits in a select until the body is read to its end or
/// closed; an idle connection is in IO wait instead (`net/http/transport.go`, Go 1.7 to 1.27). Who reads a body right
/// now has `(*bodyEOFSignal).Read` on its stack and is not counted.
fn unread_bodies(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let readers = pattern::body_readers(census.snapshot);
    let unread = group.count.saturating_sub(readers);
    let old = group
        .waits
        .as_ref()
        .map_or(0, |waits| waits.at_least(UNREAD_BODY_MINUTES))
        .saturating_sub(readers);
    let limit = if census.is_quiet() {
        QUIET
    } else {
        UNREAD_BODIES
    };
    if unread >= limit {
        let reason = "HTTP responses wait for their body to be read or closed, and nobody reads";
        let reason = reason.to_owned();
        return threshold(census, "unread-bodies", unread, limit, reason);
    }
    if old < OLD_UNREAD_BODIES {
        return None;
    }
    let reason = "HTTP responses wait for a minute or more for their body to be read or closed";
    threshold(
        census,
        "unread-bodies",
        old,
        OLD_UNREAD_BODIES,
        reason.to_owned(),
    )
}

/// `orphaned-sleepers`: most of the program sleeps at one site, started by goroutines that have ended.
fn orphaned_sleepers(census: &Census<'_>, group: &Group) -> Option<Evidence> {
    let share = census.share(group.count);
    if group.count < SLEEPERS || share < SLEEPERS_SHARE {
        return None;
    }
    let starters = census.starters(group);
    let gone = starters.ended.saturating_add(starters.elsewhere);
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

fn goroutines_have(count: u64) -> String {
    if count == 1 {
        "one goroutine has".to_owned()
    } else {
        format!("{count} goroutines have")
    }
}
