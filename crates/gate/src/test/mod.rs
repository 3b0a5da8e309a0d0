//! `go test` with the user's tests unchanged, and what they leave behind.
//!
//! The runner ([`run`]) and the wrappers that `go test` starts for each test binary ([`exec`]) are processes of their
//! own; they share a folder into which each wrapper writes its [`Record`].

mod command;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod exec;
mod generated;
mod judge;
mod left;
mod programs;
mod record;
mod run;
mod wrapper;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod names;

pub use command::Refused;
pub use judge::{Judged, judge};
pub use record::{Frame, Left, Object, ProofRecord, Record, Unwatched};
pub use run::{Error, Options, Outcome, run};
pub use wrapper::{Ending, ExecOptions, become_test, can_watch, end_by, exec};
