//! Collections as `GODEBUG=gctrace=1` tells them, and whether memory trends upwards.

mod statistics;
pub mod trend;

pub use trend::trend;

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
    /// Goroutines; Go 1.4 only.
    pub goroutines: Option<u64>,
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
    /// Which process of the log, from 0: a restart counts collections and time from the start.
    pub process: u32,
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

/// Which number of a collection a trend is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Live heap after marking, in MB.
    LiveHeap,
    /// Live objects; Go 1.2 to 1.4.
    Objects,
    /// Goroutines; Go 1.4 only.
    Goroutines,
    /// Stacks, in MB; Go 1.18 and later. Stacks grow when goroutines accumulate.
    Stacks,
}

/// A slope with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// The estimate (Theil-Sen: the median of the slopes of all pairs).
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// What a trend amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Growth {
    /// Too few collections, or too short a time, to say anything.
    TooShort,
    /// No growth that a leak would explain.
    Steady,
    /// Grows steadily, significantly and materially up to the end of the log.
    LeakLike,
}

/// The trend of one measure over the judged part of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureTrend {
    /// What was measured.
    pub measure: Measure,
    /// The verdict on this measure.
    pub growth: Growth,
    /// Growth per collection, in the measure's unit.
    pub per_collection: Slope,
    /// Growth per hour; `None` where the log has no times.
    pub per_hour: Option<Slope>,
    /// Median over the judged part.
    pub median: f64,
    /// What the estimated slope adds up to from the first to the last judged collection.
    pub total: f64,
    /// Two-sided p-value of the Mann-Kendall test: how likely such an order would be without a trend.
    pub p_value: f64,
    /// Points that were judged.
    pub points: usize,
}

/// What a log says about memory, as [`trend()`] judges it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// The verdict: the worst of the measures.
    pub growth: Growth,
    /// One or two sentences for people, with the slope.
    pub message: String,
    /// The measures that the log has, in the order of [`Measure`].
    pub measures: Vec<MeasureTrend>,
    /// Indices into [`GcTrace::collections`] at which a process starts (the first is 0).
    pub starts: Vec<usize>,
    /// The judged part, as indices into [`GcTrace::collections`]: the longest run of one process, without its warm-up.
    pub judged: std::ops::Range<usize>,
}
