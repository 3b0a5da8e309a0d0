//! Call stacks as a source shows them.

use std::sync::Arc;

use crate::GoroutineId;

/// One function call of a stack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// The function as the source names it; [`crate::symbol::canonical`] gives the form that identifies it.
    pub function: Arc<str>,
    /// The source file as the source names it; empty where it is unknown.
    pub file: Arc<str>,
    /// The line, from 1; 0 where it is unknown.
    pub line: u32,
}

/// Where the runtime left frames out of a deep stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Elision {
    /// The frames before this index were printed, then the mark.
    pub at: usize,
    /// How many frames are missing; older versions do not say.
    pub count: Option<u32>,
}

/// The stack of the goroutine that created a goroutine (`GODEBUG=tracebackancestors=N`), at that moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ancestor {
    /// Frames, innermost first.
    pub frames: Vec<Frame>,
    /// Who created the ancestor, where printed.
    pub created_by: Option<Frame>,
}

/// A goroutine's stack with where it was created. Equal stacks of many goroutines are shared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stack {
    /// Frames, innermost (leaf) first, inlined calls as frames of their own. Empty where it was unavailable.
    pub frames: Vec<Frame>,
    /// Frames that the runtime left out.
    pub elided: Option<Elision>,
    /// The `go` statement; sources that do not know it have none.
    pub created_by: Option<Frame>,
    /// Stacks of the creators, nearest first. Their goroutine numbers differ from goroutine to goroutine and are not kept here.
    pub ancestors: Vec<Ancestor>,
}

/// The creator's goroutine number as printed in `created by F in goroutine N` (from Go 1.21).
pub type Parent = GoroutineId;
