//! `cargo xtask bench`: decoding side by side with other projects' parsers, on profiles of a real Go program, and reading
//! Go source.
//!
//! Rounds alternate between gorphan and the peer, so that both see the same machine; medians over the rounds are
//! printed as a Markdown table for BENCHMARKS.md.

pub(crate) mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Outcome, SHIPPED, SHIPPED_FOLDER, WITHOUT_FLEET, output, run};

/// Rounds per pair; each process times this many runs itself as well.
const ROUNDS: usize = 5;

struct Bench {
    /// Built binaries and generated inputs.
    folder: PathBuf,
    /// `time_decode` of crates/decode.
    ours: PathBuf,
    /// The gorphan binary.
    gorphan: PathBuf,
}

/// What one program reported of one input: medians over the rounds.
struct Figures {
    seconds: f64,
    found: u64,
    peak_kib: u64,
}

pub(crate) fn run_all(root: &Path) -> Outcome {
    let bench = prepare(root)?;
    println!("| input | gorphan | peer | ratio | peak memory |\n|---|---|---|---|---|");
    bench.compare("dump.txt", "gostackparse", 3)?;
    bench.compare("counted.txt", "pprof", 1)?;
    bench.compare("profile.pb.gz", "pprof", 51)?;
    bench.compare("paths.pb.gz", "pprof", 9)?;
    bench.whole_process()?;
    source::run_all(root)
}

/// Builds everything and generates the inputs that are not there yet.
fn prepare(root: &Path) -> Result<Bench, String> {
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let cargo = |args: &[&str]| run(Command::new("cargo").args(args).current_dir(root));
    cargo(&[&SHIPPED[..], &["--package", "gorphan", WITHOUT_FLEET]].concat())?;
    let example = ["--package", "gorphan-decode", "--example", "time_decode"];
    cargo(&[&SHIPPED[..], &example].concat())?;
    let calls = root.join("xtask/bench/generate/calls.go");
    fs::write(&calls, calls_source()).map_err(|error| format!("{}: {error}", calls.display()))?;
    for name in ["generate", "peers"] {
        let source = root.join("xtask/bench").join(name);
        let binary = folder.join(name);
        let mut go = Command::new("go");
        go.args(["build", "-trimpath", "-o"]).arg(&binary).arg(".");
        run(go.current_dir(source))?;
    }
    let inputs = [
        ("dump", "dump.txt"),
        ("counted", "counted.txt"),
        ("profile", "profile.pb.gz"),
        ("paths", "paths.pb.gz"),
    ];
    for (kind, file) in inputs {
        if !folder.join(file).exists() {
            run(Command::new(folder.join("generate")).arg(&folder).arg(kind))?;
        }
    }
    let release = root.join(SHIPPED_FOLDER);
    Ok(Bench {
        ours: release.join("examples/time_decode"),
        gorphan: release.join("gorphan"),
        folder,
    })
}

/// Go functions that call each other at random, so that a profile has the variety of a large service.
fn calls_source() -> String {
    const FUNCTIONS: u64 = 400;
    let mut seed = 1_u64;
    let mut random = || {
        // The multiplier of Knuth's MMIX; the low bits of such a generator are poor.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % FUNCTIONS
    };
    let mut source = String::from("package main\n");
    for number in 0..FUNCTIONS {
        let (left, middle, right) = (random(), random(), random());
        source += &format!(
            "
//go:noinline
func call{number}(h *handler, path []byte) {{
	if len(path) == 0 {{
		<-h.done
		return
	}}
	switch path[0] % 3 {{
	case 0:
		call{left}(h, path[1:])
	case 1:
		call{middle}(h, path[1:])
	default:
		call{right}(h, path[1:])
	}}
}}
"
        );
    }
    source
}

impl Bench {
    /// Time from memory, as the peers are timed; peak memory of a run that streams the file.
    fn time_ours(&self, input: &str, runs: usize) -> Result<Figures, String> {
        let mut timed = one_core(&self.ours);
        let input = self.folder.join(input);
        let timed = figures(timed.arg(&input).arg(runs.to_string()).arg("memory"))?;
        let streamed = figures(one_core(&self.ours).arg(&input).arg("1"))?;
        Ok(Figures {
            peak_kib: streamed.peak_kib,
            ..timed
        })
    }

    fn time_peer(&self, peer: &str, input: &str, runs: usize) -> Result<Figures, String> {
        let mut command = one_core(&self.folder.join("peers"));
        let input = self.folder.join(input);
        figures(command.arg(peer).arg(input).arg(runs.to_string()))
    }

    fn compare(&self, input: &str, peer: &str, runs: usize) -> Outcome {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..ROUNDS {
            ours.push(self.time_ours(input, runs)?);
            theirs.push(self.time_peer(peer, input, runs)?);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "| {input} ({}, {} found) | {} | {peer}: {} ({} found) | {:.1} x | {} against {} |",
            self.size(input),
            ours.found,
            self.speed(&ours, input),
            self.speed(&theirs, input),
            theirs.found,
            theirs.seconds / ours.seconds,
            mib(ours.peak_kib),
            mib(theirs.peak_kib),
        );
        Ok(())
    }

    /// `gorphan inspect` against `go tool pprof -top`, from start to exit.
    fn whole_process(&self) -> Outcome {
        let profile = self.folder.join("profile.pb.gz");
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..ROUNDS {
            let mut inspect = Command::new(&self.gorphan);
            inspect
                .args(["inspect", "--fail-on", "never"])
                .arg(&profile);
            ours.push(elapsed(&mut inspect)?);
            let mut pprof = Command::new("go");
            theirs.push(elapsed(
                pprof.args(["tool", "pprof", "-top"]).arg(&profile),
            )?);
        }
        ours.sort_by(f64::total_cmp);
        theirs.sort_by(f64::total_cmp);
        let (ours, theirs) = (ours[ROUNDS / 2], theirs[ROUNDS / 2]);
        println!(
            "| profile.pb.gz, whole process | gorphan inspect: {:.3} s | go tool pprof -top: {:.3} s | {:.1} x | |",
            ours,
            theirs,
            theirs / ours
        );
        Ok(())
    }

    fn bytes(&self, input: &str) -> f64 {
        fs::metadata(self.folder.join(input)).map_or(0.0, |file| file.len() as f64)
    }

    fn size(&self, input: &str) -> String {
        format!("{:.1} MB", self.bytes(input) / 1e6)
    }

    fn speed(&self, figures: &Figures, input: &str) -> String {
        let megabytes = self.bytes(input) / 1e6;
        format!(
            "{:.4} s, {:.0} MB/s",
            figures.seconds,
            megabytes / figures.seconds
        )
    }
}

/// A command that runs on one core: a parser whose collector works beside it on another one would be measured short.
fn one_core(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "1"]).arg(program);
    command
}

fn mib(kib: u64) -> String {
    format!("{} MiB", kib.div_ceil(1024))
}

/// Reads "seconds found peak_kib".
fn figures(command: &mut Command) -> Result<Figures, String> {
    let printed = output(command)?;
    let mut words = printed.split_whitespace();
    let mut next = || {
        words
            .next()
            .ok_or_else(|| format!("{command:?} printed {printed:?}"))
    };
    Ok(Figures {
        seconds: next()?
            .parse()
            .map_err(|error| format!("{printed:?}: {error}"))?,
        found: next()?
            .parse()
            .map_err(|error| format!("{printed:?}: {error}"))?,
        peak_kib: next()?
            .parse()
            .map_err(|error| format!("{printed:?}: {error}"))?,
    })
}

fn median(mut rounds: Vec<Figures>) -> Figures {
    rounds.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    rounds.swap_remove(rounds.len() / 2)
}

fn elapsed(command: &mut Command) -> Result<f64, String> {
    let start = Instant::now();
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    match silent.status() {
        Ok(status) if status.success() => Ok(start.elapsed().as_secs_f64()),
        other => Err(format!("{command:?}: {other:?}")),
    }
}
