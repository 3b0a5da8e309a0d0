//! Which known leak pattern a group looks like. Hints from shapes and names: never a verdict, and worded so.

use crate::verdict::facts::starting_function;
use crate::{Group, Operation, Pattern, Snapshot, Stack, symbol};

/// Senders of one starter that make an N-cast likelier than a single abandoned sender.
const CAST: u64 = 2;

/// The pattern that the group resembles, if any.
///
/// What each looks for:
///
/// | pattern | operation | and |
/// |---|---|---|
/// | nil channel, select without cases, mutex and condition patterns | the operation says it | |
/// | HTTP body not closed | select, IO wait | the HTTP client's connection loops |
/// | timeout-abandoned sender | send | a name on the stack or of the creator speaks of time, deadline or context |
/// | N-cast | send | one creator goroutine started several senders |
/// | premature return | send | started as a closure, or by a function that is not running any more |
/// | no receiver | send | any other |
/// | range over a channel that is never closed | receive | a goroutine's own outermost function receives |
/// | no sender | receive | any other |
/// | dead select | select | a goroutine's own outermost function selects |
/// | ticker or sleep loop | sleep; select or receive with `time` on the stack | |
/// | endless loop | running, runnable | not in the runtime and not the goroutine that took the dump |
pub fn pattern(group: &Group, snapshot: &Snapshot) -> Option<Pattern> {
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
        Operation::ChanSend => Some(send_pattern(group, snapshot)),
        Operation::ChanReceive => Some(receive_pattern(group)),
        Operation::Select => select_pattern(group),
        Operation::Sleep => Some(Pattern::TickerOrSleepLoop),
        Operation::Running | Operation::Runnable => loop_pattern(group),
        Operation::Semaphore | Operation::IoWait | Operation::Syscall | Operation::Other => None,
    }
}

fn send_pattern(group: &Group, snapshot: &Snapshot) -> Pattern {
    if speaks_of_time(group) {
        return Pattern::TimeoutAbandonedSender;
    }
    // More senders than creators: one call started several and took fewer answers.
    if group
        .creators
        .is_some_and(|creators| creators > 0 && group.count >= creators.saturating_mul(CAST))
    {
        return Pattern::NCast;
    }
    let Some(starter) = starting_function(group) else {
        return Pattern::NoReceiver;
    };
    let running = snapshot
        .samples
        .iter()
        .flat_map(|sample| &sample.stack.frames)
        .any(|frame| symbol::canonical(&frame.function) == starter);
    if running {
        Pattern::NoReceiver
    } else {
        Pattern::PrematureReturn
    }
}

fn receive_pattern(group: &Group) -> Pattern {
    if on_stack(&group.stack, |name| name.starts_with("time.")) {
        return Pattern::TickerOrSleepLoop;
    }
    if blocks_at_bottom(&group.stack) {
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

/// The goroutine's outermost function is the one that blocks: it does nothing but serve the channel.
fn blocks_at_bottom(stack: &Stack) -> bool {
    let mut outside = stack.frames.iter().filter(|frame| {
        let package = symbol::package(&frame.function);
        package != "runtime" && !package.starts_with("internal/") && package != "sync"
    });
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
