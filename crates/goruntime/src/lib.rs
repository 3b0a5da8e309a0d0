//! The goroutines of a Go process, read from its memory; pure.
//!
//! [`Image::parse`] reads the executable, [`Runtime::of`] finds the runtime's variables and struct layouts in it. While the
//! target is stopped, [`Runtime::copy`] copies what must be consistent; once it runs again, [`Runtime::snapshot`] makes a
//! [`gorphan_model::Snapshot`] of the copy. Memory is read through [`Memory`] alone: nothing here knows of processes or files.

#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as gorphan_goruntime;

mod error;
mod frozen;
mod goroutine;
#[expect(dead_code, reason = "its rooms are being filled")]
mod heap;
mod image;
mod labels;
mod layout;
mod memory;
mod near;
mod prove;
mod runtime;
mod snapshot;
mod stack;
mod variables;

pub use error::{Error, ImageError};
pub use frozen::{Bytes, Depth, Frozen, GENERAL_REGISTERS, Limits, Moment, Room, Thread};
pub use image::{GoVersion, Image, Processor};
pub use memory::{Address, Memory, Unreadable};
pub use prove::{Answer, Leaks, Question};
pub use runtime::{Bias, Detail, Details, Runtime};
