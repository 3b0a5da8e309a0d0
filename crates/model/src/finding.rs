//! What is worth telling: findings, with verdict, evidence and help.

use std::sync::Arc;

use crate::Operation;

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
    /// The runtime's own leak detector says so (`goroutineleak` profile, or `(leaked)` in a dump).
    RuntimeReported {
        /// How many goroutines it reported.
        count: u64,
    },
}

impl Evidence {
    /// The word in reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Threshold { .. } => "threshold",
            Self::Growth { .. } => "growth",
            Self::RuntimeReported { .. } => "runtime_reported",
        }
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
    /// Goroutines.
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
}
