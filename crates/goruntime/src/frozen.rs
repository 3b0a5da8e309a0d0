//! What is copied while the target is stopped.

/// A thread of the target while it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Its number in the target's own PID namespace: what `m.procid` holds.
    pub tid: u64,
    /// The instruction pointer.
    pub rip: u64,
    /// The stack pointer.
    pub rsp: u64,
    /// The frame pointer.
    pub rbp: u64,
}

/// How much is copied at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Goroutines, dead ones included.
    pub goroutines: u64,
    /// Bytes copied in all.
    pub copied_bytes: u64,
    /// Bytes of one goroutine's stack, from its stack pointer; what lies beyond is not unwound.
    pub stack_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Ten times what the largest services run.
            goroutines: 10_000_000,
            // A million goroutines with 8 KiB each.
            copied_bytes: 8 << 30,
            // Deep recursion is unwound for thousands of frames.
            stack_bytes: 1 << 20,
        }
    }
}

/// The moment of the copy, as who stopped the target knows it.
pub struct Moment<'a> {
    /// The threads with their registers: without them a running goroutine has no stack.
    pub threads: &'a [Thread],
    /// `CLOCK_MONOTONIC` as the target's time namespace sees it: what `runtime.nanotime` returns.
    pub now_nanos: u64,
    /// How much to copy.
    pub limits: Limits,
    /// Asked between reads; once it says no the copy ends with [`crate::Error::OutOfTime`], so that the target can be let go.
    pub may_go_on: &'a dyn Fn() -> bool,
}

/// What was copied, with the moment it was copied at.
#[derive(Debug, Clone)]
pub struct Frozen {}

impl Frozen {
    /// Bytes copied from the target.
    pub fn copied_bytes(&self) -> u64 {
        0
    }
}
