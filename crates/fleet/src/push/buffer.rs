//! The latest profiles of each instance, within bounds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gorphan_model::ProfileKind;

use crate::discover::Target;

/// Bytes of all profiles together, as they were sent.
const MAX_BYTES: usize = 256 << 20;
/// Profiles.
const MAX_PROFILES: usize = 100_000;

/// What arrived since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Goroutine profiles that were kept.
    pub kept: u64,
    /// Profiles of anything else.
    pub ignored: u64,
    /// Requests and profiles that were refused.
    pub refused: u64,
    /// Profiles that came before the one of their instance was looked at, and took its place.
    pub replaced: u64,
    /// Profiles that no sweep took in time.
    pub expired: u64,
}

/// One profile.
pub(super) struct Kept {
    pub(super) at: i64,
    pub(super) target: Arc<Target>,
    pub(super) bytes: Arc<[u8]>,
}

#[derive(Default)]
struct Inner {
    /// By job, instance, and whether it is the profile of leaks.
    profiles: BTreeMap<((String, String), bool), Kept>,
    bytes: usize,
    counts: Counts,
}

/// Clones are the same buffer.
#[derive(Clone, Default)]
pub(super) struct Buffer {
    inner: Arc<Mutex<Inner>>,
}

impl Buffer {
    pub(super) fn put(
        &self,
        at: i64,
        target: Arc<Target>,
        kind: ProfileKind,
        bytes: Arc<[u8]>,
    ) -> Result<(), String> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (
            crate::sweep::key(&target),
            kind == ProfileKind::GoroutineLeak,
        );
        let before = inner.profiles.get(&key).map(|kept| kept.bytes.len());
        let total = inner.bytes.saturating_sub(before.unwrap_or(0)) + bytes.len();
        if total > MAX_BYTES || before.is_none() && inner.profiles.len() >= MAX_PROFILES {
            return Err("there is no room for more profiles until the next sweep".to_owned());
        }
        inner.bytes = total;
        inner.counts.kept += 1;
        inner.counts.replaced += u64::from(before.is_some());
        inner.profiles.insert(key, Kept { at, target, bytes });
        Ok(())
    }

    /// Takes everything out that arrived at `from` or later; the rest is gone.
    pub(super) fn drain(&self, from: i64) -> Vec<Kept> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.bytes = 0;
        let all = std::mem::take(&mut inner.profiles);
        let count = all.len();
        let fresh: Vec<Kept> = all.into_values().filter(|kept| kept.at >= from).collect();
        inner.counts.expired += (count - fresh.len()) as u64;
        fresh
    }

    pub(super) fn counts(&self) -> Counts {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .counts
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut inner.counts);
    }
}
