//! Programs that run, read from their memory, against what they say of themselves.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read programs and their memory"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gorphan_goruntime::{
    Address, Depth, Error, Image, Leaks, Limits, Memory, Moment, Question, Runtime, Unreadable,
};
use gorphan_model::{Proof, Sample, Snapshot, State, Status};
use support::{Target, build, build_in, by_id, dump};

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
            None if has_ended(&seen.lines) => {}
            None => found.push(format!("{id} is only in the dump: {seen:#?}")),
            Some(own) if !seen.agrees(own) => {
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
    // These are told of all goroutines of a sample together.
    let marks = |snapshot: &Snapshot| {
        let locked = |sample: &Sample| sample.locked_to_thread.unwrap_or_default();
        let samples = snapshot.samples.iter();
        samples.fold((0, 0), |(leaked, all), sample| {
            (leaked + sample.leaked, all + locked(sample))
        })
    };
    let (told, own) = (marks(&dump), marks(memory));
    if told != own {
        found.push(format!("leaked and locked: dump {told:?}, memory {own:?}"));
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

/// A program that answers at `/debug/pprof`.
fn served(mode: &str, target: &Target) -> Runtime {
    let runtime = target.runtime();
    let agree = || {
        check(mode, || {
            let dump = dump(&target.get("/debug/pprof/goroutine?debug=2"));
            (dump, target.snapshot(&runtime))
        });
    };
    agree();
    // From Go 1.27 this marks the leaked ones, for good; before, there is no such profile.
    target.get("/debug/pprof/goroutineleak?debug=1");
    agree();
    for tid in target.threads_of_goroutines(&runtime) {
        assert!(target.has_thread(tid), "{mode}: there is no thread {tid}");
    }
    runtime
}

fn service(mode: &str, arguments: &[&str]) {
    let target = Target::start(&build("mixed-service", mode, arguments), &["leak"]);
    let runtime = served(mode, &target);
    check_labels(mode, &target, &runtime);
    let goroutines = target.snapshot(&runtime).goroutines();
    let memory = target.memory();
    let counted = runtime.count(target.bias(&runtime), &memory);
    assert_eq!(counted, Ok(goroutines), "{mode}");
}

/// The labels are those of `debug=1`, which knows no numbers but counts.
fn check_labels(mode: &str, target: &Target, runtime: &Runtime) {
    let counted = |snapshot: &Snapshot| {
        let mut counts = BTreeMap::new();
        for (key, values) in snapshot.samples.iter().flat_map(|s| s.labels.iter()) {
            for (value, count) in values.counts.iter() {
                *counts.entry(format!("{key}={value}")).or_insert(0) += count;
            }
        }
        counts
    };
    let told = counted(&dump(&target.get("/debug/pprof/goroutine?debug=1")));
    assert!(told.len() > 2, "{mode}: {told:?}");
    assert_eq!(counted(&target.snapshot(runtime)), told, "{mode}");
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

/// Memory with a hole.
struct Holed<'a>(&'a dyn Memory, std::ops::Range<u64>);

impl Memory for Holed<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let length = buffer.len() as u64;
        if address.0 < self.1.end && address.0 + length > self.1.start {
            return Err(Unreadable { address, length });
        }
        self.0.read(address, buffer)
    }
}

#[test]
fn one_unreadable_goroutine_or_stack_loses_no_other() {
    let target = Target::start(&build("mixed-service", "holed", &[]), &["leak"]);
    let runtime = target.runtime();
    let memory = target.memory();
    let bias = target.bias(&runtime);
    let read = |memory: &dyn Memory| {
        let moment = Moment {
            threads: &[],
            now_nanos: 0,
            depth: Depth::Goroutines,
            limits: Limits::default(),
            may_go_on: &|| true,
        };
        let frozen = runtime.copy(bias, memory, &moment).expect("a copy");
        runtime.snapshot(&frozen).expect("a snapshot")
    };
    let (whole, details) = read(&memory);
    assert!(whole.problems.is_empty(), "{:?}", whole.problems);
    let g = details.goroutines.last().expect("many").g;

    let (without, _) = read(&Holed(&memory, g.0..g.0 + 8));
    assert_eq!(without.goroutines() + 1, whole.goroutines());
    assert_eq!(without.problems.len(), 1, "{:?}", without.problems);
    assert_eq!(without.problems[0].address, Some(g.0));

    // The first words of a goroutine are the bounds of its stack; the last frame is at the upper one.
    let mut bounds = [0; 16];
    memory.read(g, &mut bounds).expect("readable");
    let high = u64::from_le_bytes(bounds[8..].try_into().expect("8 bytes"));
    let (without, _) = read(&Holed(&memory, high - 8..high));
    assert_eq!(without.goroutines(), whole.goroutines());
    assert_eq!(without.problems.len(), 1, "{:?}", without.problems);
}

/// Time that runs out after so many questions: before the goroutines are copied there is nothing, then there are they alone.
#[test]
fn when_time_runs_out_the_goroutines_that_were_copied_are_kept() {
    let target = Target::start(&build("mixed-service", "in-time", &[]), &["leak"]);
    let runtime = target.runtime();
    let (memory, bias) = (target.memory(), target.bias(&runtime));
    let whole = target.snapshot(&runtime).goroutines();
    let mut results = Vec::new();
    for questions in 0.. {
        let left = std::cell::Cell::new(questions);
        let may_go_on = || {
            left.set(left.get() - 1);
            left.get() >= 0
        };
        let moment = Moment {
            threads: &[],
            now_nanos: 0,
            depth: Depth::Proof,
            limits: Limits::default(),
            may_go_on: &may_go_on,
        };
        let result = match runtime.copy(bias, &memory, &moment) {
            Err(error) => {
                assert!(matches!(error, Error::OutOfTime { .. }), "{error}");
                "nothing"
            }
            Ok(frozen) => {
                let (snapshot, _) = runtime.snapshot(&frozen).expect("a snapshot");
                assert_eq!(snapshot.goroutines(), whole, "after {questions} questions");
                let question = Question {
                    threads: 1,
                    why: None,
                };
                let answer = runtime.prove(&frozen, &question).expect("an answer");
                let leaks =
                    answer.snapshot.samples.iter().any(|sample| {
                        matches!(sample.proof.as_deref(), Some(Proof::Unreachable(_)))
                    });
                assert_eq!(leaks, frozen.gave_up().is_none());
                if leaks { "proven" } else { "goroutines" }
            }
        };
        results.push(result);
        if result == "proven" {
            break;
        }
    }
    let mut kinds = results.clone();
    kinds.dedup();
    assert_eq!(kinds, ["nothing", "goroutines", "proven"], "{results:?}");
}

#[test]
fn a_leak_that_was_none_before_is_not_decided() {
    let target = Target::start(&build("mixed-service", "twice", &[]), &["leak"]);
    let runtime = target.runtime();
    let moment = Moment {
        threads: &[],
        now_nanos: 0,
        depth: Depth::Proof,
        limits: Limits::default(),
        may_go_on: &|| true,
    };
    let copied = runtime.copy(target.bias(&runtime), &target.memory(), &moment);
    let copied = copied.expect("a copy");
    let question = Question {
        threads: 1,
        why: None,
    };
    let counts = |before: Option<&Leaks>| {
        let answer = runtime.confirm(&copied, &question, before);
        let answer = answer.expect("an answer");
        let mut counts = std::collections::BTreeMap::new();
        for sample in &answer.snapshot.samples {
            let result = sample.proof.as_deref().map(Proof::result);
            *counts.entry(result).or_insert(0) += sample.count;
        }
        (counts, answer.leaks)
    };
    let (once, leaks) = counts(None);
    assert!(!leaks.is_empty());
    assert_eq!(once[&Some("unreachable")], leaks.len() as u64);
    assert_eq!(counts(Some(&leaks)), (once.clone(), leaks.clone()));
    let (none, left) = counts(Some(&Leaks::default()));
    assert!(left.is_empty() && !none.contains_key(&Some("unreachable")));
    let undecided = |counts: &std::collections::BTreeMap<_, u64>| {
        counts
            .get(&Some("inconclusive"))
            .copied()
            .unwrap_or_default()
    };
    assert_eq!(undecided(&none), undecided(&once) + leaks.len() as u64);
}

#[test]
fn a_layout_can_come_from_another_executable() {
    let plain = std::fs::read(build("mixed-service", "other", &[])).expect("the executable");
    let other = Image::parse(plain).expect("a Go program");
    let arguments = ["-ldflags=-s -w"];
    let target = Target::start(&build("mixed-service", "alone", &arguments), &["leak"]);
    let bytes = std::fs::read(target.path()).expect("the executable");
    let image = Image::parse(bytes).expect("a Go program");
    let runtime = Runtime::with_layout_of(image, &other).expect("the same version");
    let own = target.snapshot(&target.runtime());
    assert_eq!(target.snapshot(&runtime), own);
    let bytes = std::fs::read(target.path()).expect("the executable");
    let image = Image::parse(bytes).expect("a Go program");
    let stripped = Runtime::with_layout_of(image, target.runtime().image());
    assert!(matches!(stripped, Err(Error::Layout(_))), "{stripped:?}");
}

#[test]
fn an_unsupported_version_is_refused_with_what_is_supported() {
    let path = build("mixed-service", "unsupported", &["-ldflags=-s -w"]);
    let mut bytes = std::fs::read(path).expect("the executable");
    let magic = b"\xff Go buildinf:";
    let mut at = 0;
    // The magic alone is a constant of programs that read build information; the version follows 33 bytes behind a real one.
    while let Some(next) = bytes[at..].windows(14).position(|bytes| bytes == magic) {
        at += next + 14;
        if bytes[at + 19..].starts_with(b"go1.") {
            bytes[at + 23..at + 25].copy_from_slice(b"20");
        }
    }
    let image = Image::parse(bytes).expect("a Go program");
    assert!(image.go_version().starts_with("go1.20"));
    assert_eq!(image.module(), Some("example.com/fixtures"));
    let error = Runtime::of(image).expect_err("not supported").to_string();
    assert!(error.contains("Go 1.19 and 1.21 to 1.27"), "{error}");
    assert!(error.contains("--layout-from"), "{error}");
}

/// Needs a C compiler.
#[test]
#[ignore = "needs gcc; run with --ignored"]
fn programs_with_c_in_them_are_read_too() {
    for (mode, arguments) in [
        ("cgo", vec![]),
        ("cgo-race", vec!["-race"]),
        ("cgo-stripped-pie", vec!["-buildmode=pie", "-ldflags=-s -w"]),
    ] {
        let path = build_in("tests/go", "callback", mode, &arguments);
        served(&format!("callback {mode}"), &Target::start(&path, &[]));
    }
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
