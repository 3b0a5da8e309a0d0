//! Go source to findings: goroutine leaks and blocking bugs found without running the program.
//!
//! [`syntax`] is the front end: bytes to a tree. [`types`] tells what names and expressions are. [`ir`] is what functions
//! do to channels, locks and their like, [`summary`] what that means for their callers. [`finding`] is what rules report.
//! [`load`] finds the packages, [`check`] checks one, and [`session`] all that need it.

#![forbid(unsafe_code)]

pub mod check;
pub mod finding;
pub mod ir;
pub mod load;
pub mod lower;
mod repair;
pub mod rules;
pub mod session;
pub mod summary;
pub mod suppress;
pub mod syntax;
pub mod types;
