//! Times typing Go packages: `time_types RUNS` takes from standard input the lines `P`, `F` and `I` that the program in
//! `tests/typed` prints, and prints "median seconds, packages, expressions with a type, expressions, peak resident KiB". All packages that
//! are listed are parsed before; each is typed with all its bodies and dropped, on one thread. The seconds are those of the
//! processor, so that what else the machine does counts little.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it reads files and a clock"
)]

use std::collections::HashMap;
use std::error::Error;
use std::io::Read;
use std::sync::Arc;

use gorphan_lint::syntax::{Bodies, Interner, Names, parse};
use gorphan_lint::types::{Checker, Package, PackageId, Program};

const USAGE: &str = "usage: time_types RUNS < what tests/typed prints";

fn main() -> Result<(), Box<dyn Error>> {
    let runs: usize = std::env::args().nth(1).ok_or(USAGE)?.parse()?;
    let mut listing = String::new();
    std::io::stdin().read_to_string(&mut listing)?;
    let names = Names::new();
    let program = read_program(&listing, &mut Interner::new(&names))?;
    let mut seconds = Vec::with_capacity(runs);
    let (mut packages, mut typed, mut all) = (0, 0, 0);
    for _ in 0..runs {
        let start = processor_seconds()?;
        (packages, typed, all) = (0, 0, 0);
        for (id, _) in program.packages() {
            let (known, there) = check(&program, &names, id);
            (packages, typed, all) = (packages + 1, typed + known, all + there);
        }
        seconds.push(processor_seconds()? - start);
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(runs / 2).ok_or("RUNS must be at least 1")?;
    println!("{median} {packages} {typed} {all} {}", peak_kib());
    Ok(())
}

/// Types a package: its expressions that have a known type, and all.
fn check(program: &Program, names: &Names, id: PackageId) -> (usize, usize) {
    let mut checker = Checker::new(program, names, id);
    checker.check_all();
    let (mut known, mut all) = (0, 0);
    for file in program.package(id).file_ids(id) {
        for (expr, _) in program.file(file).ast.exprs() {
            known += usize::from(!checker.type_of(file, expr).is_unknown());
            all += 1;
        }
    }
    (known, all)
}

fn read_program(listing: &str, interner: &mut Interner<'_>) -> Result<Program, Box<dyn Error>> {
    let mut packages: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut links = Vec::new();
    for line in listing.lines() {
        let mut fields = line.split('\t');
        let (kind, first, second) = (fields.next(), fields.next(), fields.next());
        match (kind, first, second) {
            (Some("P"), Some(path), _) => packages.push((path, Vec::new())),
            (Some("F"), Some(file), _) => packages.last_mut().ok_or(USAGE)?.1.push(file),
            (Some("I"), Some(written), Some(path)) => {
                links.push((packages.len() - 1, written, path));
            }
            _ => {}
        }
    }
    let mut program = Program::new();
    let mut ids = HashMap::new();
    for (path, files) in &packages {
        let mut parsed = Vec::new();
        for file in files {
            parsed.push(Arc::new(parse(
                std::fs::read(file)?,
                interner,
                Bodies::Parse,
            )));
        }
        ids.insert(*path, program.add(Package::new(path, parsed)));
    }
    for (package, written, path) in links {
        if let (Some(package), Some(imported)) = (packages.get(package), ids.get(path)) {
            program.link(ids[package.0], written, *imported);
        }
    }
    program.link_by_path();
    Ok(program)
}

/// What this thread has run, in seconds; Linux only.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let nanoseconds = text.split(' ').next().unwrap_or_default();
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

/// Linux only; 0 elsewhere.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
