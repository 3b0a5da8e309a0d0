//! Fleets: where the instances of services are, sweeping over their goroutine profiles politely, and telling leaks from
//! healthy sites over time.
//!
//! [`config`] reads the part of `gorphan.yaml` that a fleet needs, [`discover`] finds targets, [`sweep`] fetches and merges
//! them by blocked site, [`history`] keeps what sweeps saw, and [`rank`] judges. The [`ledger`] knows findings over sweeps,
//! [`owners`] who is to fix them, and [`alert`] tells them. [`push`] takes profiles that programs send. [`pass`] does
//! all of it once, [`watch`] again and again, [`demo`] through simulated days; [`web`] shows it.
//!
//! Clocks and randomness come from outside: a sweep's time is an argument, and so is what spreads retries.

#![forbid(unsafe_code)]

pub mod alert;
mod clients;
pub mod config;
pub mod demo;
pub mod discover;
pub mod history;
mod http;
mod labels;
pub mod ledger;
pub mod owners;
pub mod pass;
pub mod push;
pub mod rank;
pub mod sweep;
pub mod telling;
pub mod watch;
pub mod web;

pub use config::{ConfigError, FleetConfig};
pub use http::FetchError;
pub use labels::LabelSet;
