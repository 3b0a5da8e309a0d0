//! Our trees against those of `go/parser`, node by node with kinds and offsets, over Go's own source.
//!
//! By itself this looks at every sixteenth file of the Go that is found. `GORPHAN_EVERY=1` looks at all of them, in some 20
//! seconds with `--release`; `GORPHAN_TREE` names another folder, and `PROJECT_GO` another go command.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test over files"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use gorphan_lint::syntax::{Bodies, Interner, Names, dump, parse};

/// Every how manyth file is compared unless `GORPHAN_EVERY` says otherwise: unoptimised code takes seconds for that many.
const EVERY: usize = 16;

/// The `go` command: `$PROJECT_GO`, else the one on the path. There is no test without.
fn go() -> Command {
    let go = std::env::var_os("PROJECT_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let mut go = Command::new(go);
    go.env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .env("GOWORK", "off");
    go
}

fn output(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("{command:?}: {error}; install Go (https://go.dev/dl) or set PROJECT_GO")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Builds the program that prints shapes as `go/parser` sees them.
fn build_oracle(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shape");
    let program = folder.join(format!("shape{}", std::env::consts::EXE_SUFFIX));
    output(
        go().args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(source),
    );
    program
}

/// Go files below a folder, sorted.
fn go_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_symlink() {
            continue;
        }
        if entry.is_dir() {
            go_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "go") {
            found.push(entry);
        }
    }
}

/// What the oracle says of each file: the hash of the shape, or "error".
fn ask_oracle(oracle: &Path, files: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let mut child = Command::new(oracle)
        .arg("-hash")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for file in files {
        writeln!(input, "{}", file.display()).unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let pairs = lines.lines().map(|line| line.split_once(' ').unwrap());
    pairs
        .map(|(hash, path)| (PathBuf::from(path), hash.to_owned()))
        .collect()
}

fn fnv(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A complaint about one file: an error that the other does not find, or another shape.
fn compare(
    path: &Path,
    oracle: &Path,
    expected: &str,
    interner: &mut Interner<'_>,
) -> Option<String> {
    let file = parse(fs::read(path).unwrap(), interner, Bodies::Parse);
    let shown = path.display();
    if expected == "error" {
        let is_accepted = file.errors.is_empty();
        return is_accepted.then(|| format!("{shown}: go/parser finds a fault, we do not"));
    }
    if let Some(error) = file.errors.first() {
        let position = file.position(error.span.start);
        return Some(format!(
            "{shown}:{}:{}: {error}",
            position.line, position.column
        ));
    }
    let ours = dump::dump(&file);
    if format!("{:016x}", fnv(&ours)) == expected {
        return None;
    }
    let theirs = output(Command::new(oracle).arg(path));
    let pairs = ours.lines().zip(theirs.lines());
    let different = pairs.clone().find(|(ours, theirs)| ours != theirs);
    Some(format!("{shown}: ours, theirs: {different:?}"))
}

#[test]
fn trees_agree_with_go_parser_over_the_go_tree() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = build_oracle(folder.path());
    let root = std::env::var_os("GORPHAN_TREE").map_or_else(
        || Path::new(output(go().args(["env", "GOROOT"])).trim()).join("src"),
        PathBuf::from,
    );
    let mut files = Vec::new();
    go_files(&root, &mut files);
    let every = std::env::var("GORPHAN_EVERY").map_or(EVERY, |every| every.parse().unwrap());
    let files: Vec<PathBuf> = files.into_iter().step_by(every).collect();
    assert!(!files.is_empty(), "{}: no files", root.display());
    let expected = ask_oracle(&oracle, &files);

    let names = Names::new();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut interner = Interner::new(&names);
        let mut complaints = Vec::new();
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            complaints.extend(compare(path, &oracle, &expected[path], &mut interner));
        }
        complaints
    };
    let complaints = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        let complaints = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        complaints.collect::<Vec<String>>()
    });
    let rejected = expected.values().filter(|hash| *hash == "error").count();
    println!(
        "{} files of {}, {rejected} rejected by both",
        files.len(),
        root.display()
    );
    let first: Vec<&str> = complaints.iter().take(20).map(String::as_str).collect();
    assert!(
        complaints.is_empty(),
        "{} files differ:\n{}",
        complaints.len(),
        first.join("\n")
    );
}
