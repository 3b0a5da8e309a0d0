//! Go source to findings: goroutine leaks and blocking bugs found without running the program.
//!
//! [`syntax`] is the front end: bytes to a tree. [`finding`] is what rules report.

#![forbid(unsafe_code)]

pub mod finding;
pub mod syntax;
