//! `cargo xtask accept cluster`: the history asked by way of a Ballista cluster.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, accept_s3};

/// Builds a scheduler and executors from Ballista's own crates, beside a gorphan that can ask them, and runs the tests: over
/// folders, and over a store that speaks S3.
pub(crate) fn run_suite(root: &Path) -> Outcome {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // One test after the other: each has a cluster, and counts the cores that it has.
    let mut command = Command::new(cargo);
    command
        .args(["test", "--package", "gorphan", "--features", "cluster-test"])
        .args(["--test", "cluster", "--", "--test-threads=1"])
        .arg("--include-ignored")
        // Of what is built once and not again.
        .env("CARGO_INCREMENTAL", "0")
        .current_dir(root);
    accept_s3::with_store(root, &mut command)
}
