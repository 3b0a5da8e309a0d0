//! `cargo xtask bench fleet`: how fast a fleet is swept, and how large its history may be.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Outcome, run};

/// Instances of a sweep.
const INSTANCES: &str = "50000";
/// Sweeps; the first also asks each instance for a profile that it does not have.
const ROUNDS: &str = "3";
/// Sweeps of the large history, five million rows each.
const SWEEPS: &str = "20";

/// Runs both parts; `sweeps` is how many the large history has.
pub(crate) fn run_all(root: &Path, sweeps: Option<&str>) -> Outcome {
    let build = [
        "build",
        "--release",
        "--quiet",
        "--package",
        "gorphan-fleet",
        "--example",
        "scale",
    ];
    run(Command::new("cargo").args(build).current_dir(root))?;
    let scale = root.join("target/release/examples/scale");
    let profile = root.join("fixtures/captured/go1.27.3/healthy-service-fixed.pb.gz");
    let mut server = Command::new(&scale)
        .arg("serve")
        .arg(&profile)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", scale.display()))?;
    let output = server.stdout.take().ok_or("the server has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut line = || match lines.next() {
        Some(Ok(line)) => Ok(line),
        other => Err(format!("the server ended: {other:?}")),
    };
    let swept =
        line().and_then(|port| run(Command::new(&scale).args(["sweep", &port, INSTANCES, ROUNDS])));
    // It ends when its input does.
    drop(server.stdin.take());
    let cost = line();
    let _ = server.wait();
    swept?;
    println!("the server took {} s of processors", cost?);
    let folder = root.join("target/bench/history");
    let _ = std::fs::remove_dir_all(&folder);
    let rows = run(Command::new(&scale)
        .args(["rows", sweeps.unwrap_or(SWEEPS)])
        .arg(&folder));
    run(Command::new("du").arg("-sh").arg(&folder))?;
    rows
}
