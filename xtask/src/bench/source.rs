//! `cargo xtask bench source`: reading Go source beside Go's own parser, over the source of Go itself. Both time themselves
//! by what the processor did for them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Figures, ROUNDS, figures, median, mib, one_core};
use crate::{Outcome, SHIPPED, SHIPPED_FOLDER, output, run};

/// Runs that each process times; the median of them is taken, and of the rounds again.
const RUNS: &str = "3";

/// Prints rows of the table.
pub(crate) fn run_all(root: &Path) -> Outcome {
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut cargo = Command::new("cargo");
    cargo.args(SHIPPED);
    cargo.args(["--package", "gorphan-lint", "--example", "time_parse"]);
    run(cargo.current_dir(root))?;
    let peer = folder.join("shape");
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-o"]).arg(&peer).arg(".");
    run(go.current_dir(root.join("crates/lint/tests/shape")))?;

    let (list, bytes) = list_sources(&folder)?;
    let ours = root.join(SHIPPED_FOLDER).join("examples/time_parse");
    let time = |program: &Path, args: &[&str]| -> Result<Figures, String> {
        let paths = File::open(&list).map_err(|error| format!("{}: {error}", list.display()))?;
        figures(one_core(program).args(args).stdin(paths))
    };
    let (mut whole, mut skipping, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        whole.push(time(&ours, &[RUNS])?);
        skipping.push(time(&ours, &[RUNS, "skip"])?);
        theirs.push(time(&peer, &["-time", RUNS])?);
    }
    let theirs = median(theirs);
    println!("| source | gorphan | peer | ratio | peak memory |\n|---|---|---|---|---|");
    let what = [("whole", whole), ("without bodies", skipping)];
    for (name, rounds) in what {
        let ours = median(rounds);
        println!(
            "| Go's own, {:.1} MB, {name} ({} declarations) | {} | go/parser, whole: {} ({}) | {:.1} x | {} against {} |",
            bytes / 1e6,
            ours.found,
            speed(&ours, bytes),
            speed(&theirs, bytes),
            theirs.found,
            theirs.seconds / ours.seconds,
            mib(ours.peak_kib),
            mib(theirs.peak_kib),
        );
    }
    Ok(())
}

fn speed(figures: &Figures, bytes: f64) -> String {
    let rate = bytes / 1e6 / figures.seconds;
    format!("{:.3} s, {rate:.0} MB/s", figures.seconds)
}

/// Writes the paths of all files of the Go tree to a file; returns that and their size in bytes.
fn list_sources(folder: &Path) -> Result<(PathBuf, f64), String> {
    let root = output(Command::new("go").args(["env", "GOROOT"]))?;
    let mut paths = String::new();
    let mut bytes = 0.0;
    let mut folders = vec![Path::new(root.trim()).join("src")];
    while let Some(folder) = folders.pop() {
        let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "go") {
                bytes += fs::metadata(&path).map_err(fail)?.len() as f64;
                paths += &format!("{}\n", path.display());
            }
        }
    }
    let list = folder.join("sources.txt");
    fs::write(&list, paths).map_err(|error| format!("{}: {error}", list.display()))?;
    Ok((list, bytes))
}
