//! What the runtime says of one goroutine: its id, its status, and why it waits.

use std::fmt;

/// A goroutine's number, unique within one process (`g.goid`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoroutineId(pub u64);

impl fmt::Display for GoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The scheduler's status of a goroutine.
///
/// Source: `gStatusStrings` in `runtime/traceback.go` (Go 1.27); the last two exist from Go 1.26.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words are the runtime's own
pub enum Status {
    Idle,
    Runnable,
    Running,
    Syscall,
    Waiting,
    Dead,
    CopyStack,
    Preempted,
    Leaked,
    CgoCallback,
    Unknown,
}

const STATUSES: [(Status, &str); 12] = [
    (Status::Idle, "idle"),
    (Status::Runnable, "runnable"),
    (Status::Running, "running"),
    (Status::Syscall, "syscall"),
    (Status::Waiting, "waiting"),
    (Status::Dead, "dead"),
    (Status::CopyStack, "copystack"),
    (Status::Preempted, "preempted"),
    (Status::Leaked, "leaked"),
    (Status::CgoCallback, "waiting for cgo callback"),
    (Status::Unknown, "???"),
    (Status::Unknown, "unknown"),
];

impl Status {
    /// The word that a dump prints.
    pub fn as_str(self) -> &'static str {
        STATUSES
            .iter()
            .find(|(status, _)| *status == self)
            .map_or("???", |(_, text)| text)
    }
}

/// Why a waiting goroutine waits, in the runtime's words. A reason this table does not know is kept as text.
///
/// Source: `waitReasonStrings` in `runtime/runtime2.go`, Go 1.22 to 1.27, and the literal reasons of Go 1.2 to 1.10.
/// The "(durable)" and "(synctest)" variants are the plain reason with [`crate::Sample::durable`] set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words are the runtime's own
pub enum WaitReason {
    ChanReceive,
    ChanReceiveNil,
    ChanSend,
    ChanSendNil,
    Select,
    SelectNoCases,
    MutexLock,
    RwMutexLock,
    RwMutexRLock,
    WaitGroupWait,
    CondWait,
    Semacquire,
    Sleep,
    IoWait,
    Coroutine,
    SynctestRun,
    SynctestWait,
    /// Housekeeping of the runtime itself: collector, finalizers, scavenger, tracing.
    Runtime(&'static str),
    /// A reason that no table names.
    Other(Box<str>),
}

/// Reasons that mean that the runtime's own goroutines are idle or at work; none is ever a leak.
const RUNTIME_REASONS: [&str; 37] = [
    "GC assist marking",
    "GC assist wait",
    "GC sweep wait",
    "GC scavenge wait",
    "GC worker (idle)",
    "GC worker (active)",
    "GC mark termination",
    "GC worker init",
    "GC background sweeper wait",
    "GC weak to strong wait",
    "GOMAXPROCS updater (idle)",
    "cleanup wait",
    "concurrent sweep wait",
    "debug call",
    "dumping heap",
    "finalizer wait",
    "flushing proc caches",
    "force gc (idle)",
    "garbage collection",
    "garbage collection scan",
    "mark wait (idle)",
    "page trace flush",
    "panicwait",
    "preempted",
    "sleeping",
    "stack growth",
    "stack split",
    "stopping the world",
    "timer goroutine (idle)",
    "trace goroutine status",
    "trace proc status",
    "trace reader (blocked)",
    "update GOMAXPROCS",
    "wait for GC cycle",
    "wait for debug call",
    "scavenger idle",
    "runfinq wait",
];

const WAIT_REASONS: [(WaitReason, &str); 18] = [
    (WaitReason::ChanReceive, "chan receive"),
    (WaitReason::ChanReceiveNil, "chan receive (nil chan)"),
    (WaitReason::ChanSend, "chan send"),
    (WaitReason::ChanSendNil, "chan send (nil chan)"),
    (WaitReason::Select, "select"),
    (WaitReason::SelectNoCases, "select (no cases)"),
    (WaitReason::MutexLock, "sync.Mutex.Lock"),
    (WaitReason::RwMutexLock, "sync.RWMutex.Lock"),
    (WaitReason::RwMutexRLock, "sync.RWMutex.RLock"),
    (WaitReason::WaitGroupWait, "sync.WaitGroup.Wait"),
    (WaitReason::CondWait, "sync.Cond.Wait"),
    (WaitReason::Semacquire, "semacquire"),
    (WaitReason::Sleep, "sleep"),
    (WaitReason::IoWait, "IO wait"),
    (WaitReason::Coroutine, "coroutine"),
    (WaitReason::SynctestRun, "synctest.Run"),
    (WaitReason::SynctestWait, "synctest.Wait"),
    // Go 1.2 to 1.8 waited for a lock's semaphore under this name.
    (WaitReason::Semacquire, "semarelease"),
];

impl WaitReason {
    /// Reads the runtime's words; never fails.
    pub fn parse(text: &str) -> Self {
        if let Some((reason, _)) = WAIT_REASONS.iter().find(|(_, words)| *words == text) {
            return reason.clone();
        }
        match RUNTIME_REASONS.iter().find(|words| **words == text) {
            Some(words) => Self::Runtime(words),
            None => Self::Other(text.into()),
        }
    }

    /// The runtime's words.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Runtime(words) => words,
            Self::Other(text) => text,
            known => WAIT_REASONS
                .iter()
                .find(|(reason, _)| reason == known)
                .map_or("", |(_, words)| words),
        }
    }
}

/// What stands between the brackets of a dump's header: a status, or the reason of a wait.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The goroutine does not wait, or the runtime gave no reason.
    Status(Status),
    /// The goroutine waits.
    Waiting(WaitReason),
}

impl State {
    /// Reads the bracket's first words, without `(leaked)`, `(scan)`, `(durable)`, minutes and locks. Never fails.
    ///
    /// ```
    /// use gorphan_model::{State, Status, WaitReason};
    /// assert_eq!(State::parse("running"), State::Status(Status::Running));
    /// assert_eq!(State::parse("chan send"), State::Waiting(WaitReason::ChanSend));
    /// ```
    pub fn parse(text: &str) -> Self {
        match STATUSES.iter().find(|(_, words)| *words == text) {
            Some((status, _)) => Self::Status(*status),
            None => Self::Waiting(WaitReason::parse(text)),
        }
    }

    /// Every word that [`State::parse`] knows.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let statuses = STATUSES.iter().map(|(_, words)| *words);
        let reasons = WAIT_REASONS.iter().map(|(_, words)| *words);
        statuses.chain(reasons).chain(RUNTIME_REASONS)
    }

    /// The runtime's words.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Waiting(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_word_survives_a_round_trip() {
        let statuses = STATUSES.iter().map(|(_, text)| *text);
        let reasons = WAIT_REASONS.iter().map(|(_, text)| *text);
        for text in statuses.chain(reasons).chain(RUNTIME_REASONS) {
            let shown = State::parse(text).to_string();
            let alias = ["unknown", "semarelease"].contains(&text);
            assert!(shown == text || alias, "{text:?} became {shown:?}");
        }
    }

    #[test]
    fn an_unknown_reason_is_kept_as_text() {
        let state = State::parse("waiting for the moon");
        assert_eq!(
            state,
            State::Waiting(WaitReason::Other("waiting for the moon".into()))
        );
        assert_eq!(state.as_str(), "waiting for the moon");
    }
}
