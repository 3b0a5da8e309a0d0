//! The gates that a leak must not pass: `go test` with every goroutine accounted for.
//!
//! [`test::run`] runs `go test` unchanged, with this program as the one that executes test binaries (`go test -exec`). Each
//! test binary is watched by [`test::exec`]: when it is about to exit, what is left of its goroutines is read from outside.

#![forbid(unsafe_code)]

pub mod test;
