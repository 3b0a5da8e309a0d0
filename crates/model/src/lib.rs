//! The domain of gorphan, pure: goroutines, stacks, snapshots, blocked sites, findings and verdicts.
//!
//! Nothing here reads a clock, a file or a socket. Decoders build [`Snapshot`]s, [`group::group`] turns one into
//! [`Group`]s by blocked site, [`verdict::judge`] gives each a [`Verdict`] with its [`Evidence`], and reports show them.

#![forbid(unsafe_code)]

pub mod code;
pub mod diff;
pub mod finding;
pub mod fleet;
pub mod gc;
pub mod goroutine;
pub mod group;
pub mod load;
pub mod operation;
pub mod proof;
pub mod query;
pub mod snapshot;
pub mod source;
pub mod stack;
pub mod symbol;
pub mod verdict;

pub use finding::{Evidence, Finding, Pattern, Place, Verdict};
pub use goroutine::{GoroutineId, State, Status, WaitReason};
pub use group::{Group, Site};
pub use operation::Operation;
pub use proof::Proof;
pub use snapshot::{
    Format, Identities, Identity, Labels, Problem, ProfileKind, Sample, Snapshot, Waits,
};
pub use stack::{Ancestor, Call, Elision, Frame, FrameTable, Frames, Stack};
