//! Fleets: where the instances of services are, sweeping over their goroutine profiles politely, and telling leaks from
//! healthy sites over time.
//!
//! [`config`] reads the part of `gorphan.yaml` that a fleet needs, [`discover`] finds targets, [`sweep`] fetches and merges
//! them by blocked site, [`history`] keeps what sweeps saw, and [`rank`] judges. The [`ledger`] knows findings over sweeps,
//! [`owners`] who is to fix them, and [`alert`] tells them. [`push`] takes profiles that programs send.
//!
//! Clocks and randomness come from outside: a sweep's time is an argument, and so is what spreads retries.

#![forbid(unsafe_code)]

pub mod alert;
pub mod config;
pub mod discover;
pub mod history;
mod http;
mod labels;
pub mod ledger;
pub mod owners;
pub mod push;
pub mod rank;
pub mod sweep;
pub mod telling;

pub use config::{ConfigError, FleetConfig};
pub use http::FetchError;
pub use labels::LabelSet;
