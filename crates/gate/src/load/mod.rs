//! Rounds of requests at a service, with its goroutines read at rest before and after each.
//!
//! [`run`] makes the rounds; what they show is judged by [`gorphan_model::load::judge`].

mod command;
mod generate;
mod heap;
mod plan;
mod run;

pub use command::CommandLoad;
pub use generate::{HttpLoad, Method};
pub use heap::Heap;
pub use plan::Plan;
pub use run::{Driver, Error, Measured, Probe, run};
