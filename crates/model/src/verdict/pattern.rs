//! Which known leak pattern a group looks like. Hints from shapes and names: never a verdict, and worded so.

use crate::{Group, Operation, Pattern, Snapshot, Stack, operation, symbol};

/// The pattern that the group resembles, if any.
///
/// What each looks for:
///
/// | pattern | operation | and |
/// |---|---|---|
/// | nil channel, select without cases, mutex and condition patterns | the operation says it | |
/// | HTTP body not closed | select, IO wait | the HTTP client's connection loops |
/// | timeout-abandoned sender | send | a name on the stack or of the creator speaks of time, deadline or context |
/// | no receiver | send | the goroutine's outermost function is not the one that sends: it called something that does |
/// | N-cast | send | the numbers of the goroutines come in several runs, or the function has a name |
/// | premature return | send | a closure of its starter sends |
/// | range over a channel that is never closed | receive | the goroutine's outermost function receives and has a name |
/// | no sender | receive | any other |
/// | dead select | select | the goroutine's outermost function selects |
/// | ticker or sleep loop | sleep; select or receive with `time` on the stack | |
/// | endless loop | running, runnable | not in the runtime, and not main |
pub fn pattern(group: &Group, _snapshot: &Snapshot) -> Option<Pattern> {
    if is_http_client_loop(group) {
        return Some(Pattern::HttpBodyNotClosed);
    }
    match group.site.operation {
        Operation::NilChanSend | Operation::NilChanReceive => Some(Pattern::NilChannel),
        Operation::SelectNoCases => Some(Pattern::SelectNoCases),
        Operation::MutexLock | Operation::RwMutexLock | Operation::RwMutexRLock => {
            Some(Pattern::LockNotReleased)
        }
        Operation::WaitGroup => Some(Pattern::WaitGroupMismatch),
        Operation::CondWait => Some(Pattern::CondNeverSignalled),
        Operation::ChanSend => Some(send_pattern(group)),
        Operation::ChanReceive => Some(receive_pattern(group)),
        Operation::Select => select_pattern(group),
        Operation::Sleep => Some(Pattern::TickerOrSleepLoop),
        Operation::Running | Operation::Runnable => loop_pattern(group),
        Operation::Semaphore | Operation::IoWait | Operation::Syscall | Operation::Other => None,
    }
}

fn send_pattern(group: &Group) -> Pattern {
    if speaks_of_time(group) {
        Pattern::TimeoutAbandonedSender
    } else if !blocks_at_bottom(&group.stack) {
        Pattern::NoReceiver
    } else if comes_in_runs(group) || !is_closure(&group.site.function) {
        Pattern::NCast
    } else {
        Pattern::PrematureReturn
    }
}

/// Goroutines that one call starts in a row have successive numbers. Several such runs with gaps, where the ones that
/// were answered are missing, are several calls that each left more than one behind.
fn comes_in_runs(group: &Group) -> bool {
    let mut ids: Vec<u64> = group.identities.known.iter().map(|one| one.id.0).collect();
    ids.sort_unstable();
    let runs: Vec<&[u64]> = ids.chunk_by(|a, b| b.checked_sub(*a) == Some(1)).collect();
    let in_runs: usize = runs
        .iter()
        .map(|run| run.len())
        .filter(|len| *len > 1)
        .sum();
    runs.len() > 1 && in_runs * 2 > ids.len()
}

fn is_closure(function: &str) -> bool {
    symbol::closure(function).is_some()
}

fn receive_pattern(group: &Group) -> Pattern {
    if on_stack(&group.stack, |name| name.starts_with("time.")) {
        return Pattern::TickerOrSleepLoop;
    }
    if blocks_at_bottom(&group.stack) && !is_closure(&group.site.function) {
        Pattern::RangeNeverClosed
    } else {
        Pattern::NoSender
    }
}

fn select_pattern(group: &Group) -> Option<Pattern> {
    blocks_at_bottom(&group.stack).then_some(Pattern::DeadSelect)
}

fn loop_pattern(group: &Group) -> Option<Pattern> {
    let own = on_stack(&group.stack, |name| {
        matches!(symbol::package(name), "runtime" | "runtime/pprof")
    });
    (!own && group.created_by.is_some()).then_some(Pattern::EndlessLoop)
}

/// The goroutine's outermost function is the one that blocks: it was started for that.
fn blocks_at_bottom(stack: &Stack) -> bool {
    let mut outside = stack
        .frames
        .iter()
        .filter(|frame| !frame.is_made_by_toolchain())
        .filter(|frame| !operation::is_plumbing(&symbol::canonical(&frame.function)));
    outside.next().is_some() && outside.next().is_none()
}

/// Names by which people call functions that give up waiting.
fn speaks_of_time(group: &Group) -> bool {
    const WORDS: [&str; 4] = ["timeout", "deadline", "withcontext", "timelimit"];
    let frames = group.stack.frames.iter().chain(&group.created_by);
    frames.map(|frame| &frame.function).any(|function| {
        let name = symbol::canonical(function).to_ascii_lowercase();
        let name = name.rsplit('/').next().unwrap_or_default();
        WORDS.iter().any(|word| name.contains(word))
    })
}

fn on_stack(stack: &Stack, test: impl Fn(&str) -> bool) -> bool {
    stack.frames.iter().any(|frame| test(&frame.function))
}

/// The function of the HTTP client in which a connection waits while its response is in the caller's hands.
const READ_LOOP: &str = "net/http.(*persistConn).readLoop";
/// Its partner, which waits for the next request meanwhile.
const WRITE_LOOP: &str = "net/http.(*persistConn).writeLoop";
/// On the stack of whoever reads a response's body.
const BODY_READ: &str = "net/http.(*bodyEOFSignal).Read";

fn is_http_client_loop(group: &Group) -> bool {
    let site = &*group.site.function;
    (site == READ_LOOP || site == WRITE_LOOP)
        || on_stack(&group.stack, |name| name == READ_LOOP || name == WRITE_LOOP)
}

/// The HTTP client's connections in the select that waits for a body to be read or closed.
pub(super) fn is_http_read_loop(group: &Group) -> bool {
    &*group.site.function == READ_LOOP
}

/// Goroutines that are reading an HTTP response's body right now.
pub(super) fn body_readers(snapshot: &Snapshot) -> u64 {
    let samples = snapshot.samples.iter();
    samples
        .filter(|sample| on_stack(&sample.stack, |name| name == BODY_READ))
        .fold(0, |sum, sample| sum.saturating_add(sample.count))
}
