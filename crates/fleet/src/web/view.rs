//! What is shown, as plain values: the pages and the JSON API show the same ones. Times are RFC 3339 in UTC.

use serde::{Deserialize, Serialize};

use super::kept::word;

/// A word of gorphan's own.
pub type Word = &'static str;

/// A leak, or what looks like one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What stays the same over lines and versions.
    pub fingerprint: String,
    /// As `GR1001`.
    #[serde(deserialize_with = "word")]
    pub code: Word,
    /// `leak`, `growing`, `suspect`.
    #[serde(deserialize_with = "word")]
    pub verdict: Word,
    /// `new`, `ongoing`, `acknowledged`, `silenced`, `resolved`.
    pub status: String,
    /// The service.
    pub service: String,
    /// The version of the worst instance; `null` where unknown.
    pub version: Option<String>,
    /// The earliest version that is known to have it.
    pub first_version: Option<String>,
    /// When it was first found.
    pub first_seen: String,
    /// What the goroutines are blocked in.
    #[serde(deserialize_with = "word")]
    pub operation: Word,
    /// The canonical function.
    pub function: String,
    /// As stacks name it; `null` where unknown.
    pub file: Option<String>,
    /// From 1; `null` where unknown.
    pub line: Option<u32>,
    /// Goroutines in all instances.
    pub goroutines: u64,
    /// Where it was seen.
    pub instances: Instances,
    /// How fast it grows, where that is sure.
    pub rate: Option<Rate>,
    /// What it costs.
    pub cost: Cost,
    /// Who owns the service.
    pub owner: Option<String>,
    /// The pattern that it looks like.
    pub pattern: Option<Pattern>,
    /// One sentence.
    pub message: String,
    /// The usual fix.
    pub help: String,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// How long the goroutines have waited; `null` unless a dump told.
    pub waits: Option<String>,
    /// The stack, innermost first.
    pub stack: Vec<Frame>,
    /// Where the goroutines were started; `null` unless a dump told.
    pub created_by: Option<Frame>,
}

/// The instances that have a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instances {
    /// Those with goroutines at the site.
    pub count: u64,
    /// All of the service that were reached.
    pub all: u64,
    /// Goroutines in the one with the most.
    pub max: u64,
    /// The root mean square over all instances.
    pub rms: f64,
    /// The one with the most.
    pub worst: String,
}

/// How fast a site grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Goroutines an instance and hour.
    pub per_hour: f64,
    /// From when on.
    pub since: String,
    /// A healthy site looks like this once in so many days.
    pub days_to_false_alarm: f64,
}

/// What a finding costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes in all instances: measured stacks where there was a closer look, else the least that a stack can take.
    pub bytes: u64,
    /// Whether `bytes` rests on a measurement.
    pub measured: bool,
    /// Bytes of the stacks in the worst instance, where measured.
    pub stack_bytes: Option<u64>,
    /// Bytes of the live heap of the worst instance, where measured.
    pub heap_bytes: Option<u64>,
    /// Who allocated most of that heap.
    pub heap_top: Vec<Allocation>,
    /// Hours until the memory limit of the worst instance.
    pub hours_to_limit: Option<f64>,
}

/// A function with bytes that it allocated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// The function.
    pub function: String,
    /// Bytes in use.
    pub bytes: u64,
}

/// A pattern of leaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// As `n-cast`.
    #[serde(deserialize_with = "word")]
    pub name: Word,
    /// What it is, to follow "looks like".
    #[serde(deserialize_with = "word")]
    pub sentence: Word,
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// `threshold`, `growth`, `runtime_reported`.
    #[serde(deserialize_with = "word")]
    pub kind: Word,
    /// A sentence without a full stop.
    pub text: String,
}

/// A function call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The canonical function.
    pub function: String,
    /// `null` where unknown.
    pub file: Option<String>,
    /// From 1; `null` where unknown.
    pub line: Option<u32>,
}

/// A finding that source or policy dismissed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dismissed {
    /// What the goroutines are blocked in.
    #[serde(deserialize_with = "word")]
    pub operation: Word,
    /// The canonical function.
    pub function: String,
    /// Goroutines in the worst instance.
    pub goroutines: u64,
    /// Why.
    pub reason: String,
}

/// A service in the last sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// Its versions with their instances, most instances first.
    pub versions: Vec<Version>,
    /// Instances that were reached.
    pub instances: usize,
    /// Instances that were not.
    pub failed: usize,
    /// Goroutines in all of them.
    pub goroutines: u64,
    /// Findings.
    pub findings: usize,
    /// The worst verdict; `normal` without findings.
    #[serde(deserialize_with = "word")]
    pub verdict: Word,
    /// What the findings cost, bytes.
    pub cost_bytes: u64,
}

/// A version with its instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// `null` where unknown.
    pub version: Option<String>,
    /// Instances that run it.
    pub instances: usize,
}

/// A blocked site of a service in the last sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// What the goroutines are blocked in.
    #[serde(deserialize_with = "word")]
    pub operation: Word,
    /// The canonical function.
    pub function: String,
    /// `null` where unknown.
    pub file: Option<String>,
    /// From 1; `null` where unknown.
    pub line: Option<u32>,
    /// Goroutines in all instances.
    pub goroutines: u64,
    /// Goroutines in the one with the most.
    pub max: u64,
    /// Instances that have it.
    pub instances: u64,
    /// The finding, if it is one.
    pub fingerprint: Option<String>,
}

/// A target in the last sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The job.
    pub job: String,
    /// The service.
    pub service: String,
    /// The instance.
    pub instance: String,
    /// `null` where unknown.
    pub version: Option<String>,
    /// Without credentials and parameters.
    pub address: String,
    /// `up`, `down`, or `paused` where it failed so often that this sweep left it out.
    #[serde(deserialize_with = "word")]
    pub state: Word,
    /// When it was last asked; `null` if never.
    pub asked: Option<String>,
    /// When it last answered; `null` if never.
    pub answered: Option<String>,
    /// Why it is not up.
    pub error: Option<String>,
    /// Its goroutines; `null` unless it is up.
    pub goroutines: Option<u64>,
    /// Whether it has the runtime's own leak profile; `null` unless it is up.
    pub leak_profile: Option<bool>,
    /// The labels.
    pub labels: Vec<(String, String)>,
}

/// A sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// When it began.
    pub at: String,
    /// The same in seconds of Unix time.
    pub at_seconds: i64,
    /// How long it took; `null` for those of an earlier run of the program.
    pub seconds: Option<f64>,
    /// Targets that were reached.
    pub up: usize,
    /// Targets that were not.
    pub down: usize,
    /// Goroutines of all that were reached.
    pub goroutines: u64,
    /// Requests that were made.
    pub requests: u64,
    /// Bytes that were received.
    pub bytes: u64,
    /// Findings.
    pub findings: usize,
    /// Those that no sweep before had.
    pub new: usize,
}

/// Goroutines at a site over time, of one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The version; `null` where unknown.
    pub version: Option<String>,
    /// The points.
    pub points: Vec<Point>,
}

/// A site at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds of Unix time.
    pub at: i64,
    /// Goroutines in the instance with the most.
    pub max: u64,
    /// Goroutines an instance.
    pub mean: f64,
    /// Instances of the version that were reached.
    pub instances: u32,
}

/// A site over time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// By version, in the order of their first sight.
    pub lines: Vec<Line>,
    /// When versions were first seen: deploys.
    pub deploys: Vec<Deploy>,
}

/// A version's first sight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    /// Seconds of Unix time.
    pub at: i64,
    /// The version.
    pub version: String,
}

/// A capture that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    /// What it is asked for by.
    pub id: String,
    /// The service.
    pub service: String,
    /// The instance.
    pub instance: String,
    /// When it was taken.
    pub at: String,
    /// The same in seconds of Unix time.
    pub at_seconds: i64,
    /// Bytes, packed.
    pub bytes: u64,
}

/// Sweeps that wait for a history that cannot be written.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Backlog {
    /// Sweeps that wait in memory.
    pub waiting: usize,
    /// Bytes that wait.
    pub bytes: u64,
    /// The time of the oldest that waits; `null` if none does.
    pub since: Option<String>,
    /// Sweeps that were given up since the program started, as no more bytes may wait.
    pub lost: u64,
}

impl Backlog {
    pub(crate) fn of(backlog: crate::history::Backlog) -> Self {
        Self {
            waiting: backlog.sweeps,
            bytes: backlog.bytes as u64,
            since: backlog.since.map(super::words::rfc3339),
            lost: backlog.lost,
        }
    }
}
