//! Whether proofs hold: programs whose leaks are known, read by the real binary.
//!
//! The short tests use the Go on the path. `cargo xtask accept` runs the long ones, which are ignored here, with all the
//! versions that it is given.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod builds;
mod cores;
mod corpus;
mod expectations;
mod go;
mod innocent;
mod jobs;
mod play;
mod seen;
#[path = "../support/toolchain.rs"]
mod support;
mod twins;

/// What a suite ends with.
#[track_caller]
fn conclude(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
