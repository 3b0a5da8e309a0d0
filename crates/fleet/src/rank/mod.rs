//! Judgement over instances and time.

pub mod growth;
pub mod leakprof;
mod path;

pub use gorphan_model::verdict::DEFAULT_THRESHOLD as THRESHOLD;
pub use path::Step;
