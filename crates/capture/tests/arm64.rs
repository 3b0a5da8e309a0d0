//! Core files of arm64 programs. They were written of `arm64/main.go` under qemu's user emulation (`GOTRACEBACK=crash`,
//! `SIGQUIT`), after the runtime printed the dump that is beside each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use gorphan_capture::{Capture, HttpOptions, ProcessOptions, Target, capture};
use gorphan_decode::Options;
use gorphan_model::{Proof, Sample, Snapshot};

const VERSIONS: [&str; 2] = ["1.22.10", "1.27.3"];

fn kept(version: &str, what: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arm64");
    folder.join(format!("go{version}.{what}"))
}

fn unpack(version: &str, what: &str, into: &Path) -> std::path::PathBuf {
    let path = into.join(what);
    let packed = File::open(kept(version, &format!("{what}.zst"))).unwrap();
    zstd::stream::copy_decode(packed, File::create(&path).unwrap()).unwrap();
    path
}

fn inspect(version: &str, folder: &Path) -> Capture {
    let target = Target::Core {
        core: unpack(version, "core", folder),
        executable: unpack(version, "program", folder),
        options: ProcessOptions {
            proof: true,
            ..ProcessOptions::default()
        },
    };
    capture(&target, &HttpOptions::default(), &Options::default()).unwrap()
}

/// The user's functions with their lines, innermost first, by the goroutine's number. What spins goes on after the dump.
fn stacks(snapshot: &Snapshot) -> BTreeMap<u64, Vec<(String, u32)>> {
    let of = |sample: &Sample| {
        let created = sample.stack.created_by.iter();
        let frames = sample.stack.frames.iter().chain(created);
        let users = frames.filter(|frame| {
            !frame.function.starts_with("runtime.") && !frame.function.contains(".gowrap")
        });
        let users = users.map(|frame| {
            let line = if &*frame.function == "main.spin" {
                0
            } else {
                frame.line
            };
            (frame.function.to_string(), line)
        });
        users.collect::<Vec<_>>()
    };
    let all = snapshot.samples.iter().flat_map(|sample| {
        let known = sample.identities.known.iter();
        known.map(move |one| (one.id.0, of(sample)))
    });
    all.filter(|(_, frames)| !frames.is_empty()).collect()
}

/// The goroutines that are in `function`, with what was proven of them.
fn proven(snapshot: &Snapshot, function: &str) -> (u64, Option<&'static str>) {
    let of_function = snapshot.samples.iter().filter(|sample| {
        let mut frames = sample.stack.frames.iter();
        frames.any(|frame| &*frame.function == function)
    });
    let found: Vec<(u64, Option<&'static str>)> = of_function
        .map(|sample| (sample.count, sample.proof.as_deref().map(Proof::result)))
        .collect();
    assert_eq!(found.len(), 1, "{function}: {found:?}");
    found[0]
}

#[test]
fn goroutines_of_a_core_are_those_of_the_dump() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let found = inspect(version, folder.path());
        assert!(found.problems.is_empty(), "{:?}", found.problems);
        let dump = fs::read(kept(version, "dump")).unwrap();
        let printed = gorphan_decode::read_bytes(&dump, &Options::default()).unwrap();
        let (found, printed) = (stacks(&found.snapshots[0]), stacks(&printed[0]));
        assert_eq!(found, printed, "go{version}");
        assert_eq!(found.len(), 12, "go{version}");
    }
}

#[test]
fn leaks_of_a_core_are_proven_and_what_is_held_is_not() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let found = inspect(version, folder.path());
        let snapshot = &found.snapshots[0];
        assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
        for (function, count, result) in [
            ("main.send", 3, Some("unreachable")),
            ("main.lockTwice", 1, Some("unreachable")),
            ("main.choose", 1, Some("unreachable")),
            ("main.main.func2", 1, Some("unreachable")),
            ("main.main.func3", 1, Some("unreachable")),
            // A global has its channel; main waits for a signal.
            ("main.main.func1", 1, Some("reachable")),
            ("main.main", 1, Some("reachable")),
            ("main.spin", 1, None),
        ] {
            let expected = (count, result);
            assert_eq!(
                proven(snapshot, function),
                expected,
                "go{version} {function}"
            );
        }
    }
}
