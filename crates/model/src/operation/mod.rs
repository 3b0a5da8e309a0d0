//! What a goroutine is blocked in.

use std::fmt;

use crate::symbol;
use crate::{Frame, Stack, State, Status, WaitReason};

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

    /// The operations that goroutines in `state` can be in, whatever their stacks.
    pub(crate) fn possible_in(state: &State) -> &'static [Self] {
        match state {
            State::Waiting(WaitReason::Semacquire) => &LOCKS,
            State::Waiting(WaitReason::MutexLock) => {
                &[Self::MutexLock, Self::RwMutexLock, Self::RwMutexRLock]
            }
            State::Waiting(WaitReason::Other(_))
            | State::Status(Status::Waiting | Status::Leaked) => &Self::ALL,
            specific => {
                let known = classify(Some(specific), &Stack::default());
                let at = Self::ALL.iter().position(|operation| *operation == known);
                at.and_then(|at| Self::ALL.get(at..=at)).unwrap_or(&[])
            }
        }
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
/// The state decides where it is specific. A `semacquire` of old versions, `waiting` without a reason, a reason that no
/// table knows, and profiles, which have no state, are read off the leaf frames of the runtime and of sync. One refinement
/// goes beyond the state: a `sync.RWMutex` first takes its inner mutex, which dumps call `sync.Mutex.Lock`; what the
/// program asked for is a write lock, so the stack makes it [`Operation::RwMutexLock`] in every format.
///
/// What a source hides stays [`Operation::Other`]: `debug=1` leaves out the leading `runtime.` frames
/// (`printStackRecord` in runtime/pprof/pprof.go), so there a channel operation, a select and a busy loop look alike. Only
/// locks, wait groups, conds, `time.Sleep`, system calls and the poller remain visible.
pub fn classify(state: Option<&State>, stack: &Stack) -> Operation {
    match state {
        Some(State::Status(status)) => match status {
            Status::Running => Operation::Running,
            Status::Runnable | Status::Preempted | Status::CopyStack | Status::Idle => {
                Operation::Runnable
            }
            Status::Syscall | Status::CgoCallback => Operation::Syscall,
            Status::Waiting | Status::Leaked => from_stack(stack),
            Status::Dead | Status::Unknown => Operation::Other,
        },
        Some(State::Waiting(reason)) => from_reason(reason, stack),
        None => from_stack(stack),
    }
}

/// What `semacquire` can be: every version's sync package waits by semaphores.
const LOCKS: [Operation; 6] = [
    Operation::Semaphore,
    Operation::MutexLock,
    Operation::RwMutexLock,
    Operation::RwMutexRLock,
    Operation::WaitGroup,
    Operation::CondWait,
];

fn from_reason(reason: &WaitReason, stack: &Stack) -> Operation {
    match reason {
        WaitReason::ChanReceive => Operation::ChanReceive,
        WaitReason::ChanReceiveNil => Operation::NilChanReceive,
        WaitReason::ChanSend => Operation::ChanSend,
        WaitReason::ChanSendNil => Operation::NilChanSend,
        WaitReason::Select => Operation::Select,
        WaitReason::SelectNoCases => Operation::SelectNoCases,
        WaitReason::MutexLock => match from_stack(stack) {
            lock @ (Operation::RwMutexLock | Operation::RwMutexRLock) => lock,
            _ => Operation::MutexLock,
        },
        WaitReason::RwMutexLock => Operation::RwMutexLock,
        WaitReason::RwMutexRLock => Operation::RwMutexRLock,
        WaitReason::WaitGroupWait => Operation::WaitGroup,
        WaitReason::CondWait => Operation::CondWait,
        WaitReason::Semacquire => match from_stack(stack) {
            known if LOCKS.contains(&known) => known,
            _ => Operation::Semaphore,
        },
        WaitReason::Sleep => Operation::Sleep,
        WaitReason::IoWait => Operation::IoWait,
        WaitReason::Coroutine
        | WaitReason::SynctestRun
        | WaitReason::SynctestWait
        | WaitReason::Runtime(_) => Operation::Other,
        WaitReason::Other(_) => from_stack(stack),
    }
}

/// What one function of the runtime or of sync tells when it is met on the way from the leaf.
enum Sign {
    Is(Operation),
    /// A semaphore of sync; the methods of sync that called it tell whose.
    Semaphore,
}

/// Functions that tell the operation. Names of Go 1.2 to 1.27: runtime/{chan,select,sema,time,netpoll,proc}.go, and before
/// Go 1.5 their C counterparts; the linknamed ones belong to the package that uses them.
const SIGNS: &[(&str, Sign)] = &[
    ("runtime.chanrecv", Sign::Is(Operation::ChanReceive)),
    ("runtime.chanrecv1", Sign::Is(Operation::ChanReceive)),
    ("runtime.chanrecv2", Sign::Is(Operation::ChanReceive)),
    ("reflect.chanrecv", Sign::Is(Operation::ChanReceive)),
    ("runtime.chansend", Sign::Is(Operation::ChanSend)),
    ("runtime.chansend1", Sign::Is(Operation::ChanSend)),
    ("reflect.chansend", Sign::Is(Operation::ChanSend)),
    ("reflect.chansend0", Sign::Is(Operation::ChanSend)),
    ("runtime.selectgo", Sign::Is(Operation::Select)),
    ("runtime.selectgoImpl", Sign::Is(Operation::Select)),
    ("reflect.rselect", Sign::Is(Operation::Select)),
    ("runtime.block", Sign::Is(Operation::SelectNoCases)),
    ("sync.runtime_notifyListWait", Sign::Is(Operation::CondWait)),
    ("sync.runtime_Syncsemacquire", Sign::Is(Operation::CondWait)),
    (
        "sync.runtime_SemacquireWaitGroup",
        Sign::Is(Operation::WaitGroup),
    ),
    (
        "sync.runtime_SemacquireRWMutex",
        Sign::Is(Operation::RwMutexLock),
    ),
    (
        "sync.runtime_SemacquireRWMutexR",
        Sign::Is(Operation::RwMutexRLock),
    ),
    ("sync.runtime_Semacquire", Sign::Semaphore),
    ("sync.runtime_SemacquireMutex", Sign::Semaphore),
    ("internal/sync.runtime_SemacquireMutex", Sign::Semaphore),
    // The lock around a file descriptor, held by another reader or writer of it.
    (
        "internal/poll.runtime_Semacquire",
        Sign::Is(Operation::Semaphore),
    ),
    ("net.runtime_Semacquire", Sign::Is(Operation::Semaphore)),
    ("time.Sleep", Sign::Is(Operation::Sleep)),
    ("runtime.timeSleep", Sign::Is(Operation::Sleep)),
    ("runtime.netpollblock", Sign::Is(Operation::IoWait)),
    (
        "internal/poll.runtime_pollWait",
        Sign::Is(Operation::IoWait),
    ),
    ("net.runtime_pollWait", Sign::Is(Operation::IoWait)),
    ("runtime.cgocall", Sign::Is(Operation::Syscall)),
    ("runtime.notetsleepg", Sign::Is(Operation::Syscall)),
    ("runtime.entersyscall", Sign::Is(Operation::Syscall)),
    ("runtime.entersyscallblock", Sign::Is(Operation::Syscall)),
    ("os/signal.signal_recv", Sign::Is(Operation::Syscall)),
    // Whoever takes the profile; debug=1 hides the first.
    (
        "runtime.goroutineProfileWithLabels",
        Sign::Is(Operation::Running),
    ),
    ("runtime.GoroutineProfile", Sign::Is(Operation::Running)),
    (
        "runtime/pprof.runtime_goroutineProfileWithLabels",
        Sign::Is(Operation::Running),
    ),
    (
        "runtime/pprof.writeRuntimeProfile",
        Sign::Is(Operation::Running),
    ),
    (
        "runtime/pprof.writeGoroutineStacks",
        Sign::Is(Operation::Running),
    ),
    ("runtime.asyncPreempt", Sign::Is(Operation::Runnable)),
    ("runtime.Gosched", Sign::Is(Operation::Runnable)),
    ("runtime.goschedguarded", Sign::Is(Operation::Runnable)),
];

/// Packages whose every function is a system call being made.
const SYSCALL_PACKAGES: [&str; 3] = [
    "syscall",
    "internal/runtime/syscall",
    "runtime/internal/syscall",
];

/// Reads the operation off the frames that [`is_plumbing`] covers, leaf first.
fn from_stack(stack: &Stack) -> Operation {
    let mut semaphore = false;
    let mut lock = None;
    let mut above_park = false;
    for frame in &stack.frames {
        // The functions looked for have one name in every version; working out canonical ones would cost for nothing.
        let name = &*frame.function;
        if semaphore {
            // The outermost method of sync is what the program called: `(*RWMutex).Lock` above `(*Mutex).Lock`.
            match sync_method(name) {
                Some(found) => lock = found.or(lock),
                None => break,
            }
            continue;
        }
        match SIGNS.iter().find(|(function, _)| *function == name) {
            Some((_, Sign::Is(operation))) => {
                return nil_channel(*operation, frame, above_park);
            }
            Some((_, Sign::Semaphore)) => semaphore = true,
            None => {}
        }
        if semaphore {
            continue;
        }
        let package = symbol::package(name);
        if SYSCALL_PACKAGES.contains(&package) {
            return Operation::Syscall;
        }
        above_park = name == "runtime.gopark";
        if !is_plumbing(name) {
            return Operation::Other;
        }
    }
    match (semaphore, lock) {
        (true, Some(operation)) => operation,
        (true, None) => Operation::Semaphore,
        (false, _) => Operation::Other,
    }
}

/// Lines of runtime/chan.go at which a nil channel parks, by Go version; no version parks a usable channel there.
///
/// A profile has no wait reason, but the line of `runtime.chanrecv` or `runtime.chansend` tells which of their calls of
/// `gopark` it is. An unlisted version's nil channel is reported as a plain send or receive, which it also is.
const NIL_RECEIVE_LINES: [u32; 4] = [
    469, // 1.19 to 1.22
    516, // 1.23
    533, // 1.24
    536, // 1.25 to 1.27
];
const NIL_SEND_LINES: [u32; 3] = [
    165, // 1.19 to 1.22
    176, // 1.23
    181, // 1.24 to 1.27
];

/// Narrows a channel operation to one on a nil channel where the frame right above the park tells.
fn nil_channel(operation: Operation, frame: &Frame, above_park: bool) -> Operation {
    let in_chan_go = above_park && frame.file.ends_with("runtime/chan.go");
    match operation {
        Operation::ChanReceive if in_chan_go && NIL_RECEIVE_LINES.contains(&frame.line) => {
            Operation::NilChanReceive
        }
        Operation::ChanSend if in_chan_go && NIL_SEND_LINES.contains(&frame.line) => {
            Operation::NilChanSend
        }
        known => known,
    }
}

/// For a function of sync: the operation that a wait in it is, or `Some(None)` where it does not say. `None` for others.
fn sync_method(name: &str) -> Option<Option<Operation>> {
    let method = name
        .strip_prefix("sync.")
        .or_else(|| name.strip_prefix("internal/sync."))?;
    Some(match method {
        "(*Mutex).Lock" | "(*Mutex).lockSlow" => Some(Operation::MutexLock),
        "(*RWMutex).Lock" => Some(Operation::RwMutexLock),
        "(*RWMutex).RLock" | "(*rlocker).Lock" => Some(Operation::RwMutexRLock),
        "(*WaitGroup).Wait" => Some(Operation::WaitGroup),
        "(*Cond).Wait" => Some(Operation::CondWait),
        _ => None,
    })
}

/// Whether a function is machinery below the place where the program waits: never the blocked site.
///
/// The runtime and sync packages, as the site's definition says, `golang.org/x/sync` among them: the line in
/// `errgroup.(*Group).Wait` is the same for every program. Also the packages `internal/...` and `syscall` of the standard
/// library, `iter`, `time.Sleep`, and reflect's channel operations, for the same reason. `name` may be canonical or as the
/// source spells it.
pub fn is_plumbing(name: &str) -> bool {
    let package = symbol::package(symbol::unvendored(name));
    let below = |root: &str| {
        package
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below("runtime")
        || below("sync")
        || below("internal")
        || below("golang.org/x/sync")
        || matches!(package, "syscall" | "iter")
        || matches!(
            name,
            "panic"
                | "time.Sleep"
                | "os/signal.signal_recv"
                | "net.runtime_pollWait"
                | "net.runtime_Semacquire"
                | "reflect.chanrecv"
                | "reflect.chansend"
                | "reflect.chansend0"
                | "reflect.rselect"
                | "reflect.Select"
                | "reflect.Value.Recv"
                | "reflect.Value.recv"
                | "reflect.Value.Send"
                | "reflect.Value.send"
        )
}

/// The frame of the blocked site: the first that is not [plumbing](is_plumbing).
///
/// Where every frame is (as in `go mu.Lock()`), the `go` statement; where that is unknown or the runtime's own, the
/// outermost frame, which is what the goroutine was started for. `None` for a stack without any frame.
pub fn site_frame(stack: &Stack) -> Option<&Frame> {
    let ours = |frame: &&Frame| !is_plumbing(&frame.function);
    let started_for = || {
        let not_goexit = |frame: &&Frame| &*frame.function != "runtime.goexit";
        stack.frames.iter().rev().find(not_goexit)
    };
    stack
        .frames
        .iter()
        .find(ours)
        .or_else(|| stack.created_by.as_ref().filter(ours))
        .or_else(started_for)
        .or(stack.created_by.as_ref())
        .or(stack.frames.first())
}

#[cfg(test)]
mod tests;
