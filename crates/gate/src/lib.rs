//! The gates that a leak must not pass: `go test` with every goroutine accounted for, and load with goroutines per request.
//!
//! [`test::run`] runs `go test` unchanged, with this program as the one that executes test binaries (`go test -exec`). Each
//! test binary is watched by [`test::exec`]: when it is about to exit, what is left of its goroutines is read from outside.

//!
//! [`load::run`] makes rounds of requests at a service and reads its goroutines at rest in between.

#![forbid(unsafe_code)]

pub mod load;
pub mod test;
