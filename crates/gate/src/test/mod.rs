//! `go test` with the user's tests unchanged, and what they leave behind.
//!
//! The runner ([`run`]) and the wrappers that `go test` starts for each test binary ([`exec()`]) are processes of their
//! own; they share a folder into which each wrapper writes its [`Record`].

mod command;
mod exec;
mod left;
mod names;
mod record;
mod run;

pub use command::Refused;
pub use exec::{ExecOptions, exec};
pub use record::{Frame, Left, ProofRecord, Record, Unwatched};
pub use run::{Error, Options, Outcome, run};
