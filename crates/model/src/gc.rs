//! Collections as `GODEBUG=gctrace=1` tells them, and whether memory trends upwards.

use crate::Problem;

/// One collection. What its Go version does not print is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collection {
    /// Its number in the process, from 1.
    pub number: u64,
    /// Seconds since the program started; Go 1.5 and later.
    pub at_seconds: Option<f64>,
    /// Heap at its start, in MB as printed.
    pub heap_before_mb: f64,
    /// Live heap after marking, in MB as printed.
    pub heap_live_mb: f64,
    /// Live objects; Go 1.2 to 1.4.
    pub objects: Option<u64>,
    /// Stacks in MB; Go 1.18 and later.
    pub stacks_mb: Option<f64>,
    /// Globals in MB; Go 1.18 and later.
    pub globals_mb: Option<f64>,
    /// Heap goal in MB; Go 1.5 and later.
    pub goal_mb: Option<f64>,
    /// Asked for by the program (`runtime.GC`) or by the two-minute timer.
    pub forced: bool,
    /// The collection also looked for leaked goroutines; Go 1.26 and later.
    pub leak_check: bool,
    /// Line of the input, from 1.
    pub line: u64,
}

/// A whole log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GcTrace {
    /// In the order of the log; a restarted process starts again at number 1.
    pub collections: Vec<Collection>,
    /// Lines that looked like a collection and could not be read.
    pub problems: Vec<Problem>,
    /// Lines that were something else.
    pub other_lines: u64,
    /// Collections that were merged or left out to bound memory.
    pub elided: u64,
}
