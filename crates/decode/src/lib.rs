//! Bytes to [`Snapshot`]s, pure: goroutine dumps and profiles of every Go version and dialect, and gctrace logs.
//!
//! [`read`] detects what the input is and streams it; memory grows with distinct stacks, not with goroutines.

#![forbid(unsafe_code)]

mod error;
pub mod gctrace;
mod input;
pub mod pprof;
pub mod text;

use std::io::Read;

use gorphan_model::Snapshot;
use gorphan_model::query::Filter;

pub use error::Error;

/// Bounds on what a decoder keeps and reads. Hitting one is reported as a problem of the snapshot, or an error.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Decompressed bytes read from one input.
    pub input_bytes: u64,
    /// Distinct stacks kept; further ones are counted as problems.
    pub stacks: usize,
    /// Decompressed bytes of one profile, which is decoded as a whole.
    pub profile_bytes: u64,
    /// Frames kept of one stack.
    pub frames: usize,
    /// Frames kept of all distinct stacks together; stacks past it are counted as problems.
    pub total_frames: usize,
    /// Goroutine identities kept per snapshot.
    pub identities: usize,
    /// Problems kept per snapshot.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_bytes: 16 << 30,
            profile_bytes: 256 << 20,
            stacks: 200_000,
            frames: 4096,
            total_frames: 8 << 20,
            identities: 262_144,
            problems: 100,
        }
    }
}

/// How to decode.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which goroutines to keep; the others are not even counted.
    pub filter: Filter,
    /// Bounds.
    pub limits: Limits,
}

/// Reads every snapshot of an input of any kind, in the order of the input; never an empty list.
///
/// # Errors
/// When the input is not goroutines at all (empty, a web page, a heap profile, a binary), or cannot be read.
pub fn read(input: impl Read, options: &Options) -> Result<Vec<Snapshot>, Error> {
    input::read(input, options)
}

/// As [`read`], of an input that is in memory, which is not copied.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(input: &[u8], options: &Options) -> Result<Vec<Snapshot>, Error> {
    input::read_bytes(input, options)
}
