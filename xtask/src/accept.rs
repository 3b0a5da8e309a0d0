//! `cargo xtask accept`: the long tests of proofs, over several Go versions.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, run};

/// Suite, and the test that is it.
const SUITES: [(&str, &str); 5] = [
    ("corpus", "corpus::full_corpus"),
    ("adversarial", "innocent::full_adversarial"),
    ("twins", "twins::full_twins"),
    ("cores", "cores::full_cores"),
    ("builds", "builds::full_builds"),
];

const USAGE: &str = "\
usage: cargo xtask accept SUITE [--snapshots N] [--profile PROFILE] [GO...]

  corpus       the Go tree's own programs that leak, beside the runtime's own profile
  adversarial  busy programs that leak nothing, in N snapshots (2,000) over all versions
  twins        leaks beside what is held by something odd, and exact retained bytes
  cores        the same verdicts from core files, and none from those cut short; needs gdb
  builds       the same verdicts from stripped, PIE, race, external and unoptimised programs; needs a C compiler
  all          all of these

GO are go commands, by default the one on the path; the corpus is that of the newest.
";

/// Runs one suite or all with the given versions.
pub(crate) fn run_suite(root: &Path, arguments: &[&str]) -> Outcome {
    let (suite, mut rest) = arguments.split_first().ok_or(USAGE)?;
    let suites = SUITES
        .iter()
        .filter(|(name, _)| *suite == "all" || name == suite);
    let tests: Vec<&str> = suites.map(|(_, test)| *test).collect();
    if tests.is_empty() {
        return Err(USAGE.to_owned());
    }
    let (mut snapshots, mut profile) = ("", "release");
    while let [option, value, more @ ..] = rest {
        match *option {
            "--snapshots" => snapshots = value,
            "--profile" => profile = value,
            _ => break,
        }
        rest = more;
    }
    if rest.iter().any(|go| go.starts_with('-')) {
        return Err(USAGE.to_owned());
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(cargo)
        .args([
            "test",
            "--package",
            "gorphan",
            "--no-default-features",
            "--test",
            "accept",
        ])
        .args(["--profile", profile, "--"])
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1"])
        .args(tests)
        .env("GORPHAN_ACCEPT_GO", rest.join(":"))
        .env("GORPHAN_ACCEPT_SNAPSHOTS", snapshots)
        .current_dir(root))
}
