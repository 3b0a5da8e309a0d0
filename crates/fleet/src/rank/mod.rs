//! x
pub mod growth;
pub mod leakprof;
mod path;
pub use path::Step;
