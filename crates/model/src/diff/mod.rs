//! Two snapshots of one program: what grew, what is new, what is gone.

use crate::{Group, Verdict};

/// How a site changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words say it
pub enum Change {
    New,
    Grown,
    Same,
    Shrunk,
    Gone,
}

/// One site in both snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteChange {
    /// How it changed.
    pub change: Change,
    /// Goroutines before.
    pub before: u64,
    /// Goroutines after.
    pub after: u64,
    /// Goroutines by number that are in both, only after, only before; `None` where a source has no ids.
    pub identity: Option<IdentityChange>,
    /// The group after, or before when it is gone.
    pub group: Group,
    /// Growing where it grew and kept what it had.
    pub verdict: Verdict,
}

/// Which goroutines of a site stayed, came and went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityChange {
    /// In both snapshots at this site.
    pub stayed: u64,
    /// Numbers only in the second.
    pub appeared: Vec<u64>,
    /// Numbers only in the first.
    pub vanished: Vec<u64>,
    /// Identities that were not kept, so that the numbers above are a lower bound.
    pub elided: u64,
}
