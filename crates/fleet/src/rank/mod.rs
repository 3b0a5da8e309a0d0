//! Judgement over instances and time. Each detector is a module with its evidence: `docs/fleet-judgement.md` says how each
//! judges and what it promises.

pub mod growth;
mod judge;
pub mod leakprof;
mod path;
mod source;
mod version;

pub use gorphan_model::verdict::DEFAULT_THRESHOLD as THRESHOLD;
pub use judge::{Judge, Judgement, cost, fingerprint};
pub use path::Step;
pub use source::transient;
pub use version::first_bad;

#[cfg(test)]
mod tests;
