//! Stored sweeps of a fleet: Parquet in an object store, asked in SQL.
//!
//! Judgement asks two things of a [`History`]: to take in a sweep and give back what it means for each site, and to tell what
//! there was before. [`Memory`] rolls sweeps up as they come and ends with the program; [`Store`] keeps them. A [`Reader`] answers
//! questions about what is kept.

#![forbid(unsafe_code)]

mod answer;
mod captures;
mod cluster;
mod driver;
mod encode;
mod engine;
mod error;
mod kind;
mod manifest;
mod names;
mod options;
mod place;
mod reader;
mod record;
mod restore;
mod rollup;
mod store;

use std::sync::Arc;

use gorphan_model::Operation;
use sha2::{Digest, Sha256};

pub use answer::{Table, Value};
pub use captures::{Capture, CaptureInfo, MAX_CAPTURE_BYTES};
pub use cluster::Engine;
#[cfg(feature = "cluster")]
pub use cluster::Scheduler;
pub use error::StoreError;
pub use options::{DEFAULT_BUFFER_BYTES, DEFAULT_RAW_SECONDS, DEFAULT_ROLLED_UP_SECONDS, Options};
pub use place::Location;
pub use reader::{InstanceSeries, KnownSite, Limits, Reader};
pub use record::{FailureRecord, InstanceRecord, SiteCount, SiteRecord, StackRecord, SweepRecord};
pub use rollup::Memory;
pub use store::{Backlog, Moment, Store};

/// What is followed over time: lines of a function move with versions, its name does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteKey {
    /// The service.
    pub service: Arc<str>,
    /// What the goroutines are blocked in.
    pub operation: Operation,
    /// The canonical function.
    pub function: Arc<str>,
}

/// Bytes of a fingerprint: 64 bits are plenty for the findings of one company.
const FINGERPRINT_BYTES: usize = 8;

impl SiteKey {
    /// What findings at the site are known by: 16 hexadecimal digits that stay the same when lines move.
    pub fn fingerprint(&self) -> String {
        let text = format!(
            "{}\0{}\0{}",
            self.service,
            self.operation.as_str(),
            self.function
        );
        let sum = Sha256::digest(text.as_bytes());
        let shown = sum.iter().take(FINGERPRINT_BYTES);
        shown.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// One site in one version of a service at one sweep, over all instances. Where sweeps were thinned it is the last one of an hour:
/// `instances` and `sum` are as they were then, `max` is the most of the hour, `delta`, `seconds` and `starts` are those of the
/// hour together, and `continuing` is its average.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Seconds of Unix time.
    pub at: i64,
    /// The version; empty where unknown.
    pub version: Arc<str>,
    /// Instances of the version that were reached, with the site or without.
    pub instances: u32,
    /// Goroutines in all of them.
    pub sum: u64,
    /// Goroutines in the one with the most.
    pub max: u64,
    /// Instances that are past their warm-up and were seen before, in the same life.
    pub continuing: u32,
    /// Goroutines that those have more than when they were seen before.
    pub delta: i64,
    /// Seconds between, of all those together.
    pub seconds: f64,
    /// Instances that were first seen at this sweep, or are another process than before.
    pub starts: u32,
}

/// Seconds after its first sight in which growth of an instance is not counted: pools and caches fill.
pub const WARM_UP_SECONDS: i64 = 3 * 3600;

/// Stored sweeps.
pub trait History {
    /// Why it cannot be read or written.
    type Error: std::error::Error;

    /// Takes in a sweep, and gives its points by site. A sweep that is not after the last one gives none.
    ///
    /// # Errors
    /// When it cannot be stored; then it is as if it had not been.
    fn append(&mut self, sweep: &SweepRecord) -> Result<Vec<(Arc<SiteKey>, Point)>, Self::Error>;

    /// The points of a site, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn series(&self, key: &SiteKey) -> Result<Vec<Point>, Self::Error>;

    /// Every site that is known.
    ///
    /// # Errors
    /// When they cannot be read.
    fn sites(&self) -> Result<Vec<Arc<SiteKey>>, Self::Error>;

    /// The first sweep in which a service was seen.
    ///
    /// # Errors
    /// When it cannot be read.
    fn since(&self, service: &str) -> Result<Option<i64>, Self::Error>;
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
