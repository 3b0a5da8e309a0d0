//! Chores of the project: `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

mod accept;
mod accept_cluster;
mod accept_s3;
mod bench;
mod bench_fleet;
mod bench_gate;
mod bench_lint;
mod bench_proof;
mod editor;
mod layouts;
mod precision;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo          build everything once, then gorphan demo: a simulated fleet, swept through some days; pages until Ctrl-C
  demo --once   the same, without the pages
  test          all tests (the same build as demo); needs Go, or pip to fetch it, and Chromium, or apt-get to fetch it
  ci            fmt, clippy, tests, documentation, tidy: what a change must pass
  tidy          the house rules that no compiler checks
  bench         decoding side by side with its peers; needs Go and the module proxy
  bench proof GO  proofs beside Go's own detector, dumps and debuggers, with a go command from 1.27 on
  bench fleet [SWEEPS]  a sweep over 50,000 instances, and a history of 5 million rows a sweep
  bench gate [GORPHAN]  go test alone, under gorphan test, and with goleak; GORPHAN is built already
  bench lint GO [STATICCHECK]  the source of a Go release, beside go vet and staticcheck
  editor [NVIM] Neovim as the client of gorphan lsp: what is found, and its fix
  precision LEDGER  what lint finds in the real code that a ledger names, against what was judged
  bench source  of that only reading Go source, beside Go's own parser; needs Go
  accept ...    long tests of proofs over several Go versions; without arguments it lists them
  accept s3     the history in a store that speaks S3; needs Python
  accept cluster  the history asked by way of a Ballista cluster, which it builds: a second build of the engine; needs Python
  layouts GO    the runtime's struct offsets in the version of that go command
  simulate [SERVICES [WEEKS [SEED]]]  judge a simulated fleet: what is found, how soon, and what falsely
  fuzz SECONDS  every fuzz target for that long; needs a nightly toolchain and cargo-fuzz
  dist TARGET   pack a program for a release, with its sum, into target/dist
  cross         compile for macOS and Windows; needs the targets and cargo-zigbuild
";

/// How cargo builds what is measured: as releases are.
pub(crate) const SHIPPED: [&str; 4] = ["build", "--quiet", "--profile", "release-lto"];
/// Where that is then.
pub(crate) const SHIPPED_FOLDER: &str = "target/release-lto";
/// Without the engine of the history, which takes minutes to build and no part in what is measured.
pub(crate) const WITHOUT_FLEET: &str = "--no-default-features";

/// What a chore ends with: the reason it failed, for people.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["demo", rest @ ..] => demo(rest),
        ["test", rest @ ..] => test(rest),
        ["ci"] => ci(),
        ["tidy"] => tidy::run(&root()),
        ["bench"] => bench::run_all(&root()),
        ["bench", "proof", go] => bench_proof::run_all(&root(), go),
        ["bench", "fleet"] => bench_fleet::run_all(&root(), None),
        ["bench", "fleet", sweeps] => bench_fleet::run_all(&root(), Some(sweeps)),
        ["bench", "gate"] => bench_gate::run_all(&root(), None),
        ["bench", "gate", gorphan] => bench_gate::run_all(&root(), Some(gorphan)),
        ["bench", "lint", go] => bench_lint::run_all(&root(), go, None),
        ["bench", "lint", go, staticcheck] => bench_lint::run_all(&root(), go, Some(staticcheck)),
        ["editor"] => editor::check(&root(), "nvim"),
        ["editor", editor] => editor::check(&root(), editor),
        ["precision", ledger] => precision::run_all(&root(), ledger),
        ["bench", "source"] => bench::source::run_all(&root()),
        ["accept", "s3"] => accept_s3::run_suite(&root()),
        ["accept", "cluster"] => accept_cluster::run_suite(&root()),
        ["accept", rest @ ..] => accept::run_suite(&root(), rest),
        ["layouts", go] => layouts::run(&root(), go),
        ["simulate", rest @ ..] => simulate(rest),
        ["fuzz", seconds] => fuzz(seconds),
        ["dist", target] => dist(target),
        ["cross"] => cross(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

fn cargo(args: &[&str]) -> Outcome {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(cargo).args(args).current_dir(root()))
}

/// Runs a command, showing what it prints.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let shown = format!("{command:?}");
    eprintln!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("cannot run {shown}: {error}")),
    }
}

/// Runs a command and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let output = command
        .output()
        .map_err(|error| format!("cannot run {shown}: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{shown}: {}\n{errors}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Building with the tests' own features makes `demo` and `test` share one build.
fn build() -> Outcome {
    cargo(&["build", "--quiet", "--workspace", "--all-targets"])
}

fn demo(rest: &[&str]) -> Outcome {
    build()?;
    let binary = root()
        .join("target/debug")
        .join(format!("gorphan{}", std::env::consts::EXE_SUFFIX));
    run(Command::new(binary)
        .current_dir(root())
        .arg("demo")
        .args(rest))
}

/// The browser in which the pages are tested, and what drives it. Where it is missing and may be installed it is; else the
/// test of the pages fails and says what to do.
fn browser() -> Outcome {
    let is_there = |program: &str| {
        let asked = Command::new(program).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    if is_there("chromedriver") && is_there("chromium") {
        return Ok(());
    }
    let user = output(Command::new("id").arg("-u")).unwrap_or_default();
    if user.trim() != "0" || !is_there("apt-get") {
        eprintln!("there is no chromium with chromedriver: the test of the pages will fail");
        return Ok(());
    }
    run(Command::new("apt-get").args(["update", "-q"]))?;
    let packages = ["install", "-q", "-y", "chromium", "chromium-driver"];
    run(Command::new("apt-get")
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

fn test(rest: &[&str]) -> Outcome {
    browser()?;
    let mut args = vec!["test", "--workspace"];
    args.extend(rest);
    cargo(&args)
}

fn ci() -> Outcome {
    cargo(&["fmt", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])?;
    test(&[])?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(cargo)
        .args(["doc", "--quiet", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .current_dir(root()))?;
    tidy::run(&root())
}

/// A judge is only as good as its false alarms are rare.
fn simulate(rest: &[&str]) -> Outcome {
    let mut args = vec![
        "run",
        "--quiet",
        "--profile=simulate",
        "--package",
        "gorphan-fleet",
        "--example",
        "simulate",
        "--",
    ];
    args.extend(rest);
    cargo(&args)
}

fn fuzz(seconds: &str) -> Outcome {
    let listed = output(
        Command::new("cargo")
            .args(["+nightly", "fuzz", "list"])
            .current_dir(root()),
    )?;
    for target in listed.split_whitespace() {
        let corpus = format!("fuzz/corpus/{target}");
        std::fs::create_dir_all(root().join(&corpus)).map_err(|e| format!("{corpus}: {e}"))?;
        let seeds = format!("fuzz/seeds/{target}");
        let limit = format!("-max_total_time={seconds}");
        let mut command = Command::new("cargo");
        command.args(["+nightly", "fuzz", "run", target, &corpus, &seeds]);
        command.args(["--", &limit, "-rss_limit_mb=512", "-max_len=65536"]);
        run(command.current_dir(root()))?;
    }
    Ok(())
}

/// Packs what `integrations/install.sh` fetches.
fn dist(target: &str) -> Outcome {
    cargo(&[
        "build",
        "--profile",
        "release-lto",
        "--package",
        "gorphan",
        "--target",
        target,
    ])?;
    let name = format!("gorphan-{}-{target}", env!("CARGO_PKG_VERSION"));
    let folder = root().join("target/dist").join(&name);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let built = format!("target/{target}/release-lto/gorphan");
    for file in [&built, "README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        let from = root().join(file);
        let to = folder.join(from.file_name().unwrap_or_default());
        std::fs::copy(&from, to).map_err(failed)?;
    }
    let pack = "tar -czf \"$0.tar.gz\" \"$0\" && sha256sum \"$0.tar.gz\" > \"$0.tar.gz.sha256\"";
    let mut shell = Command::new("sh");
    run(shell
        .args(["-c", pack, &name])
        .current_dir(root().join("target/dist")))
}

/// `cargo-zigbuild` brings a C compiler for every target, which two of the libraries need. Programs for macOS can be compiled
/// everywhere, but linked only where Apple's frameworks are.
fn cross() -> Outcome {
    for (step, target) in [
        ("zigbuild", "x86_64-pc-windows-gnu"),
        ("check", "aarch64-apple-darwin"),
    ] {
        let mut command = Command::new("cargo-zigbuild");
        command.args([step, "--quiet", "--package", "gorphan", "--bins"]);
        run(command.args(["--target", target]).current_dir(root()))?;
    }
    Ok(())
}
