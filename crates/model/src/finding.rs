//! What is worth telling: findings, with verdict, evidence and help.

use std::borrow::Cow;
use std::sync::Arc;

use crate::gc::Slope;
use crate::source::Cause;
use crate::{Operation, Proof};

/// How sure gorphan is, ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Verdict {
    /// Nothing to see.
    #[default]
    Normal,
    /// Looks like a leak in one snapshot.
    Suspect,
    /// Grew between snapshots and kept what it had.
    Growing,
    /// Proven: unreachable, reported by the runtime's own detector, or left behind at a test's end.
    Leak,
}

impl Verdict {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Suspect => "suspect",
            Self::Growing => "growing",
            Self::Leak => "leak",
        }
    }
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// Too many goroutines at one site in one snapshot. `rule` names which of the documented rules spoke.
    Threshold {
        /// The rule's name, as in the documentation of the judgement.
        rule: &'static str,
        /// Goroutines at the site.
        count: u64,
        /// The count from which the rule speaks.
        threshold: u64,
        /// The part of all goroutines that is at this site, 0 to 1.
        share: f64,
        /// One sentence for people.
        reason: String,
    },
    /// More goroutines than before.
    Growth {
        /// Goroutines in the first snapshot.
        before: u64,
        /// Goroutines in the last.
        after: u64,
        /// Of those in the first, how many are still there; `None` where the sources have no ids.
        stayed: Option<u64>,
    },
    /// More with every round of requests.
    PerRequest {
        /// Goroutines before the first request.
        before: u64,
        /// Goroutines after the last, at rest.
        after: u64,
        /// Requests in between.
        requests: u64,
        /// Goroutines for each request, with the 95 % interval.
        per_request: Slope,
    },
    /// Still there when the tests of a package were over, and had had time to end.
    Leftover {
        /// How many.
        count: u64,
        /// Milliseconds that they had.
        grace_millis: u64,
    },
    /// The runtime's own leak detector says so (`goroutineleak` profile, or `(leaked)` in a dump).
    RuntimeReported {
        /// How many goroutines it reported.
        count: u64,
    },
    /// A rule that reads the program's source says so.
    Source {
        /// The rule's name, as in its documentation.
        rule: Cow<'static, str>,
    },
    /// What reading the program's memory proved. A group has one entry for each result that its goroutines have.
    Proof {
        /// How many goroutines have this result.
        count: u64,
        /// That of one of them.
        proof: Arc<Proof>,
    },
}

impl Evidence {
    /// The word in reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Threshold { .. } => "threshold",
            Self::Growth { .. } | Self::PerRequest { .. } => "growth",
            Self::Leftover { .. } => "leftover",
            Self::RuntimeReported { .. } => "runtime_reported",
            Self::Source { .. } => "source",
            Self::Proof { .. } => "proof",
        }
    }

    /// Goroutines that it says are leaked for certain.
    pub fn leaked(&self) -> u64 {
        match self {
            Self::RuntimeReported { count } | Self::Leftover { count, .. } => *count,
            Self::Proof { count, proof } if matches!(**proof, Proof::Unreachable(_)) => *count,
            Self::PerRequest { before, after, .. } => after.saturating_sub(*before),
            Self::Proof { .. }
            | Self::Threshold { .. }
            | Self::Growth { .. }
            | Self::Source { .. } => 0,
        }
    }

    /// Whether it speaks for a leak. That something is still reachable, or was not decided, does not.
    pub fn accuses(&self) -> bool {
        !matches!(self, Self::Proof { .. }) || self.leaked() > 0
    }
}

/// The known leak patterns that a group can resemble; a hint, never a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // named as in the literature
pub enum Pattern {
    PrematureReturn,
    TimeoutAbandonedSender,
    NCast,
    RangeNeverClosed,
    NilChannel,
    NoReceiver,
    NoSender,
    LockNotReleased,
    WaitGroupMismatch,
    HttpBodyNotClosed,
    TickerOrSleepLoop,
    SelectNoCases,
    CondNeverSignalled,
    DeadSelect,
    EndlessLoop,
}

impl Pattern {
    /// Every pattern, in the order of the documentation.
    pub const ALL: [Self; 15] = [
        Self::PrematureReturn,
        Self::TimeoutAbandonedSender,
        Self::NCast,
        Self::RangeNeverClosed,
        Self::NilChannel,
        Self::NoReceiver,
        Self::NoSender,
        Self::LockNotReleased,
        Self::WaitGroupMismatch,
        Self::HttpBodyNotClosed,
        Self::TickerOrSleepLoop,
        Self::SelectNoCases,
        Self::CondNeverSignalled,
        Self::DeadSelect,
        Self::EndlessLoop,
    ];

    /// The name in reports, as `premature-return`.
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    /// What it is, to follow "looks like".
    pub fn sentence(self) -> &'static str {
        self.texts().1
    }

    /// The usual fix, in whole sentences.
    pub fn help(self) -> &'static str {
        self.texts().2
    }

    /// Name, sentence, fix.
    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::PrematureReturn => (
                "premature-return",
                "a function that started a sender and returned before it received, early or at a deadline",
                "Give the channel room for every value that may be sent (make(chan T, n)), or let the sender select on ctx.Done().",
            ),
            Self::TimeoutAbandonedSender => (
                "timeout-abandoned-sender",
                "a receiver that gave up at its deadline and left the sender behind",
                "Give the channel room for one value (make(chan T, 1)), so that a late answer is dropped, not stuck.",
            ),
            Self::NCast => (
                "n-cast",
                "several senders of which only some answers were taken",
                "Give the channel room for all senders (make(chan T, len(items))), or receive once for each of them.",
            ),
            Self::RangeNeverClosed => (
                "range-never-closed",
                "a loop over a channel that nobody closes",
                "Close the channel when the last value is sent, in the sender (defer close(ch)), or end the loop on ctx.Done().",
            ),
            Self::NilChannel => (
                "nil-channel",
                "a channel variable that was never made",
                "Make the channel before use. If it is ctx.Done(), the context can never be cancelled: pass one that can.",
            ),
            Self::NoReceiver => (
                "no-receiver",
                "a send that nobody receives",
                "Make sure that a receiver outlives every sender, or let the sender select on ctx.Done().",
            ),
            Self::NoSender => (
                "no-sender",
                "a receive for which nobody sends or closes",
                "Send or close on every path, error paths included, or let the receiver select on ctx.Done().",
            ),
            Self::LockNotReleased => (
                "lock-not-released",
                "a lock that was taken and not given back",
                "Unlock on every path (defer mu.Unlock()), and never wait for another goroutine while holding the lock.",
            ),
            Self::WaitGroupMismatch => (
                "waitgroup-mismatch",
                "a WaitGroup with more Add than Done",
                "Call Add right before each go statement and defer Done first in the goroutine, or use wg.Go.",
            ),
            Self::HttpBodyNotClosed => (
                "http-body-not-closed",
                "HTTP responses whose body is neither read to its end nor closed",
                "Call defer resp.Body.Close() as soon as err is nil, also where the body does not matter.",
            ),
            Self::TickerOrSleepLoop => (
                "ticker-or-sleep-loop",
                "a loop that sleeps and has no way to end",
                "Replace the sleep by a select on a timer and ctx.Done(), and end the context when the work is over.",
            ),
            Self::SelectNoCases => (
                "select-no-cases",
                "a goroutine parked on purpose, for ever",
                "Only main may need select {}; let other goroutines return, or wait for <-ctx.Done().",
            ),
            Self::CondNeverSignalled => (
                "cond-never-signalled",
                "a condition that nobody signals",
                "Signal or Broadcast after every change of the condition, shutdown included.",
            ),
            Self::DeadSelect => (
                "dead-select",
                "a select loop whose channels are all dead",
                "Add a case for <-ctx.Done() or a done channel that is closed when the owner goes.",
            ),
            Self::EndlessLoop => (
                "endless-loop",
                "a loop that never blocks and never ends",
                "Check ctx.Err() or a done channel in the loop.",
            ),
        }
    }
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Canonical function.
    pub function: Arc<str>,
    /// File as the source names it; empty where unknown.
    pub file: Arc<str>,
    /// Line from 1; 0 where unknown.
    pub line: u32,
    /// Column from 1, where known.
    pub column: Option<u32>,
}

/// Something worth telling.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Stable code, as `GR1001`; see [`crate::code`].
    pub code: &'static str,
    /// How sure.
    pub verdict: Verdict,
    /// What the goroutines are blocked in.
    pub operation: Operation,
    /// Where.
    pub place: Place,
    /// Goroutines; 0 where source was read, which tells none.
    pub count: u64,
    /// Bytes that only these goroutines hold, where memory was read.
    pub retained_bytes: Option<u64>,
    /// One sentence: who waits where for what, and why it looks like a leak.
    pub message: String,
    /// The usual fix.
    pub help: String,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// Which known leak pattern it looks like.
    pub pattern: Option<Pattern>,
    /// The package whose tests left the goroutines; `None` for what no test gate found.
    pub package: Option<Arc<str>>,
    /// The test that started them, with the names of its parents, as `TestX/sub`.
    pub test: Option<Arc<str>>,
    /// What only source tells; `None` for what was found in a running program.
    pub cause: Option<Arc<Cause>>,
}
