//! Go source to findings: goroutine leaks and blocking bugs found without running the program.
//!
//! [`syntax`] is the front end: bytes to a tree.

#![forbid(unsafe_code)]

pub mod syntax;
