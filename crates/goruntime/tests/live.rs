//! Programs that run, read from their memory, against what they say of themselves.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::fs;
use std::path::Path;

use gorphan_model::{Snapshot, State, Status};
use support::{Target, build, by_id, dump};

/// How often a program that is not quite at rest yet is read again.
const ATTEMPTS: usize = 200;

/// Goroutines that a program at rest may have lost since its dump: the one that notices the end of the connection that asked
/// for it, one of `dialects` that reads from a pipe whose other end the collector closes, and who closes it.
fn has_ended(seen: &[String]) -> bool {
    let ends = |line: &String| {
        line.starts_with("created by net/http.(*connReader).startBackgroundRead ")
            || line.starts_with("os.(*File).Read ")
            || line.starts_with("runtime.runFinalizers ")
    };
    seen.iter().any(ends)
}

/// What differs between a program's dump and its memory; empty if nothing does.
fn differences(dump: &Snapshot, memory: &Snapshot) -> Vec<String> {
    // Who wrote the dump has gone on since.
    let mut dump = dump.clone();
    dump.samples
        .retain(|sample| sample.state != Some(State::Status(Status::Running)));
    let (dumped, read) = (by_id(&dump), by_id(memory));
    let mut found = Vec::new();
    for (id, seen) in &dumped {
        match read.get(id) {
            None if has_ended(seen) => {}
            None => found.push(format!("{id} is only in the dump: {seen:#?}")),
            Some(own) if own != seen => {
                found.push(format!("{id}: dump {seen:#?}\nmemory {own:#?}"));
            }
            Some(_) => {}
        }
    }
    for (id, seen) in &read {
        let known = dumped.contains_key(id);
        // The main goroutine wrote the dump of `dialects` itself.
        if !known && *id != 1 {
            found.push(format!("{id} is only in memory: {seen:#?}"));
        }
    }
    let problems = memory.problems.iter();
    found.extend(problems.map(|problem| format!("{problem:?}")));
    found
}

/// Reads until both agree: connections close and threads park in their own time.
fn check(name: &str, mut both: impl FnMut() -> (Snapshot, Snapshot)) {
    let mut found = Vec::new();
    for _ in 0..ATTEMPTS {
        let (dump, memory) = both();
        assert!(dump.goroutines() > 20, "{name}: {}", dump.goroutines());
        found = differences(&dump, &memory);
        if found.is_empty() {
            return;
        }
    }
    panic!("{name}: {}", found.join("\n"));
}

fn service(mode: &str, arguments: &[&str]) {
    let target = Target::start(&build("mixed-service", mode, arguments), &["leak"]);
    let runtime = target.runtime();
    check(mode, || {
        let dump = dump(&target.get("/debug/pprof/goroutine?debug=2"));
        (dump, target.snapshot(&runtime))
    });
    let goroutines = target.snapshot(&runtime).goroutines();
    let memory = target.memory();
    let counted = runtime.count(target.bias(&runtime), &memory);
    assert_eq!(counted, Ok(goroutines), "{mode}");
}

fn dialects(mode: &str, arguments: &[&str]) {
    let path = build("dialects", mode, arguments);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{mode}-sites"));
    fs::create_dir_all(&folder).expect("a folder");
    let target = Target::start(&path, &["sites", folder.to_str().expect("UTF-8")]);
    let runtime = target.runtime();
    let text = fs::read(folder.join("sites.dump")).expect("the dump");
    let dump = dump(&text);
    check(mode, || (dump.clone(), target.snapshot(&runtime)));
}

#[test]
fn a_service_is_read_as_it_describes_itself() {
    service("plain", &[]);
}

#[test]
fn a_stripped_service_is_read_too() {
    service("stripped", &["-ldflags=-s -w"]);
}

#[test]
fn a_position_independent_service_is_read_too() {
    service("pie", &["-buildmode=pie"]);
}

#[test]
fn a_stripped_position_independent_service_is_read_too() {
    service("stripped-pie", &["-buildmode=pie", "-ldflags=-s -w"]);
}

#[test]
fn every_shape_of_goroutine_is_read() {
    dialects("plain", &[]);
}

#[test]
fn every_shape_of_goroutine_is_read_from_a_stripped_program() {
    dialects("stripped", &["-ldflags=-s -w"]);
}

/// Needs a C compiler.
#[test]
#[ignore = "needs gcc; run with --ignored"]
fn programs_with_c_in_them_are_read_too() {
    service("race", &["-race"]);
    dialects("race", &["-race"]);
    service("cgo", &[]);
    service("cgo-external", &["-ldflags=-linkmode=external"]);
    service("cgo-stripped", &["-ldflags=-linkmode=external -s -w"]);
    service(
        "cgo-pie",
        &["-buildmode=pie", "-ldflags=-linkmode=external -s -w"],
    );
}
