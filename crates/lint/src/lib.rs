//! Go source to findings: goroutine leaks and blocking bugs found without running the program.
//!
//! [`syntax`] is the front end: bytes to a tree. [`types`] tells what names and expressions are. [`finding`] is what rules
//! report.

#![forbid(unsafe_code)]

pub mod finding;
pub mod syntax;
pub mod types;
