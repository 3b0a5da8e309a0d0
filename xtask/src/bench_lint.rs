//! `cargo xtask bench lint GO [STATICCHECK]`: the source of a Go release checked by gorphan, with nothing remembered and with all,
//! beside `go vet` and staticcheck with caches of their own that are empty. By hand: the peers take minutes, and nothing
//! else should run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Outcome, SHIPPED, SHIPPED_FOLDER, WITHOUT_FLEET, output, run};

/// Runs of gorphan, of which the fastest is told.
const ROUNDS: usize = 3;
/// How often the memory of a run is read.
const INTERVAL: Duration = Duration::from_millis(5);
/// Parts of a second in which the kernel counts processor time (`USER_HZ`, 100 on Linux).
const TICKS: f64 = 100.0;

/// What a run took.
struct Cost {
    seconds: f64,
    cpu_seconds: f64,
    /// Of the process alone, not of those that it starts.
    peak_mib: u64,
}

pub(crate) fn run_all(root: &Path, go: &str, staticcheck: Option<&str>) -> Outcome {
    let mut cargo = Command::new("cargo");
    cargo.args(SHIPPED);
    cargo.args(["--package", "gorphan", WITHOUT_FLEET]);
    run(cargo.current_dir(root))?;
    let gorphan = root.join(SHIPPED_FOLDER).join("gorphan");
    let goroot = PathBuf::from(
        output(
            Command::new(go)
                .args(["env", "GOROOT"])
                .env("GOTOOLCHAIN", "local"),
        )?
        .trim(),
    );
    let folder = root.join("target/bench/lint");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{} (load {})\n", goroot.display(), load.trim());
    println!("| run | wall | processor | peak memory |\n|---|---|---|---|");
    let ours = |arguments: &[&str], cache: &str| {
        let mut command = Command::new(&gorphan);
        command
            .args(["lint", "--format", "json", "--fail-on", "never"])
            .args(arguments);
        command
            .env("GOROOT", &goroot)
            .env("GORPHAN_CACHE", cache)
            .current_dir(&folder);
        command
    };
    for (name, arguments) in [
        ("std and cmd", &["std", "cmd"][..]),
        ("std and cmd, with tests", &["--tests", "std", "cmd"]),
    ] {
        best(&format!("gorphan lint, {name}, nothing remembered"), || {
            Ok(ours(arguments, "off"))
        })?;
        let cache = folder.join("cache");
        let cache = cache.to_str().ok_or("the path is no UTF-8")?;
        cost(ours(arguments, cache))?;
        best(&format!("gorphan lint, {name}, all remembered"), || {
            Ok(ours(arguments, cache))
        })?;
    }
    let peer = |program: &str, arguments: &[&str]| {
        let caches = folder.join("peer");
        let _ = fs::remove_dir_all(&caches);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&folder)
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "");
        command
            .env("GOCACHE", caches.join("go"))
            .env("STATICCHECK_CACHE", caches.join("staticcheck"));
        command
    };
    tell(
        "go vet, std and cmd, empty cache",
        &cost(peer(go, &["vet", "std", "cmd"]))?,
    );
    if let Some(staticcheck) = staticcheck {
        tell(
            "staticcheck, std and cmd, empty cache",
            &cost(peer(staticcheck, &["-tests=false", "std", "cmd"]))?,
        );
    }
    Ok(())
}

/// The fastest of some runs.
fn best(name: &str, command: impl Fn() -> Result<Command, String>) -> Outcome {
    let mut best: Option<Cost> = None;
    for _ in 0..ROUNDS {
        let cost = cost(command()?)?;
        if best.as_ref().is_none_or(|best| cost.seconds < best.seconds) {
            best = Some(cost);
        }
    }
    if let Some(best) = best {
        tell(name, &best);
    }
    Ok(())
}

fn tell(name: &str, cost: &Cost) {
    println!(
        "| {name} | {:.2} s | {:.2} s | {} MiB |",
        cost.seconds, cost.cpu_seconds, cost.peak_mib
    );
}

/// Runs a command to its end. That it finds something is no failure; that it cannot run is.
fn cost(mut command: Command) -> Result<Cost, String> {
    let before = children_seconds();
    let start = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| format!("{command:?}: {error}"))?;
    let mut peak_mib = 0;
    let status = loop {
        peak_mib = peak_mib.max(peak(&child));
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None => thread::sleep(INTERVAL),
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    match status.code() {
        Some(0..=2) => Ok(Cost {
            seconds,
            cpu_seconds: children_seconds() - before,
            peak_mib,
        }),
        _ => Err(format!("{command:?} ended with {status}")),
    }
}

/// The most memory that a process has had; 0 where that cannot be read.
fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| {
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) / 1024
}

/// Processor time of all processes that were waited for, and of those that they waited for.
fn children_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields = fields.split(' ').skip(13).take(2);
    fields
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS
}
