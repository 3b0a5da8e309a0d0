//! Goroutines grouped by what holds them: the blocked site.

use std::sync::Arc;

use crate::query::GroupBy;
use crate::verdict::Dismissal;
use crate::{
    Evidence, Frame, Identities, Labels, Operation, Pattern, Snapshot, Stack, State, Verdict, Waits,
};

/// Where goroutines are blocked: the operation and the first frame outside the runtime and sync packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// What they do there.
    pub operation: Operation,
    /// Canonical name of the function.
    pub function: Arc<str>,
    /// File as the source names it; empty where unknown.
    pub file: Arc<str>,
    /// Line from 1; 0 where unknown.
    pub line: u32,
}

/// A site with all that is known of its goroutines.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The site; when grouped by something else, that of the most numerous stack.
    pub site: Site,
    /// The most frequent state; `None` where the source does not know states.
    pub state: Option<State>,
    /// Goroutines.
    pub count: u64,
    /// How many of them the runtime itself says are leaked.
    pub leaked: u64,
    /// Their waits; `None` where the source does not know them.
    pub waits: Option<Waits>,
    /// Which goroutines.
    pub identities: Identities,
    /// Goroutines whose creator is known by number and no longer exists in the snapshot; `None` where the source
    /// does not tell.
    pub orphans: Option<u64>,
    /// Distinct creators by number, gone or not; `None` where the source does not tell.
    pub creators: Option<u64>,
    /// The most numerous stack.
    pub stack: Arc<Stack>,
    /// The most frequent `go` statement.
    pub created_by: Option<Frame>,
    /// Labels of all goroutines, summarised.
    pub labels: Labels,
    /// Indexes into [`Snapshot::samples`], most numerous first.
    pub samples: Vec<usize>,
    /// Set by [`crate::verdict::judge`].
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// Why a group that would have been a finding is not one.
    pub dismissed: Option<Dismissal>,
    /// Which known leak pattern it looks like.
    pub pattern: Option<Pattern>,
    /// Bytes that only these goroutines hold, where memory was read.
    pub retained_bytes: Option<u64>,
}

/// Groups the samples of a snapshot, most numerous group first, then by site.
pub fn group(_snapshot: &Snapshot, _by: GroupBy) -> Vec<Group> {
    Vec::new()
}
