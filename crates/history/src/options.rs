//! How a history is kept.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Raw sweeps are kept for two days, for a close look at what was found.
pub const DEFAULT_RAW_SECONDS: i64 = 48 * 3600;
/// Roll-ups are kept for thirteen months, so that a year can be compared with the one before.
pub const DEFAULT_ROLLED_UP_SECONDS: i64 = 395 * 86_400;
/// Readers may be at files for so long that the manifest does not name any more.
const GRACE_SECONDS: i64 = 3600;
/// Bytes of sweeps that wait in memory for a store that is away: an hour of a large fleet, days of a small one.
pub const DEFAULT_BUFFER_BYTES: usize = 256 << 20;

/// How a history is kept.
#[derive(Clone)]
pub struct Options {
    /// Seconds for which sweeps are kept whole: observations, instances, failures and captures.
    pub raw_seconds: i64,
    /// Seconds for which roll-ups are kept.
    pub rolled_up_seconds: i64,
    /// Seconds after which files that the manifest does not name are removed.
    pub grace_seconds: i64,
    /// Bytes of sweeps that may wait in memory for a store that is away. With 0 a sweep that cannot be stored is an error.
    pub buffer_bytes: usize,
    /// Seconds of Unix time now. Only ages of files are reckoned with it; the time of a sweep is its own.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            raw_seconds: DEFAULT_RAW_SECONDS,
            rolled_up_seconds: DEFAULT_ROLLED_UP_SECONDS,
            grace_seconds: GRACE_SECONDS,
            buffer_bytes: 0,
            now: Arc::new(|| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.map_or(0, |since| {
                    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
                })
            }),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("raw_seconds", &self.raw_seconds)
            .field("rolled_up_seconds", &self.rolled_up_seconds)
            .field("grace_seconds", &self.grace_seconds)
            .field("buffer_bytes", &self.buffer_bytes)
            .finish_non_exhaustive()
    }
}
