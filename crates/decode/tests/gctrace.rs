//! gctrace logs of every Go version, and what the trend makes of real ones.
//!
//! The logs in `gctrace/` are every nth line of what real programs wrote in 100 s (Go 1.26, GOGC=50): `leak` and
//! `slowleak` leave goroutines behind, the others are healthy in different ways.

#![expect(clippy::disallowed_methods, reason = "tests read captured dumps")]

use std::fs;
use std::path::Path;

use gorphan_decode::{Error, gctrace};
use gorphan_model::gc::{Collection, GcTrace, Growth, trend};
use proptest::prelude::*;

fn read(text: &str) -> GcTrace {
    gctrace::read(text.as_bytes()).expect("a gctrace log")
}

#[track_caller]
fn check(line: &str, expected: Collection) {
    let dressed = [
        String::from(line),
        format!("{line}\r"),
        format!("web-1  | 2026-01-02T03:04:05.678Z stderr F {line}"),
        format!(
            "{{\"log\":\"{}\\n\",\"stream\":\"stderr\"}}",
            line.replace('>', "\\u003e")
        ),
    ];
    for line in dressed {
        let trace = read(&format!(
            "starting\n{line}\nscvg3: inuse: 4, idle: 1 (MB)\n"
        ));
        assert_eq!(
            trace.collections,
            [Collection {
                line: 2,
                ..expected.clone()
            }],
            "{line}"
        );
        assert_eq!((trace.other_lines, trace.problems.len()), (2, 0), "{line}");
    }
}

#[test]
fn collections_of_every_version_are_read() {
    let sizes = |number, before, live| Collection {
        number,
        heap_before_mb: before,
        heap_live_mb: live,
        ..Collection::default()
    };
    // Go 1.1: three times, objects before and after.
    check(
        "gc7(2): 1+2+0 us, 4 -> 2 MB 5000 -> 3000 (9000-6000) objects",
        Collection {
            objects: Some(3000),
            ..sizes(7, 4.0, 2.0)
        },
    );
    check(
        "gc781(1): 1+2385+17891+0 us, 60 -> 60 MB, 21971 (3503906-3481935) objects, 13818/14/7369 sweeps, 0(0) handoff, \
         0(0) steal, 0/0/0 yields",
        Collection {
            objects: Some(21971),
            ..sizes(781, 60.0, 60.0)
        },
    );
    // Go 1.4.
    check(
        "gc9(4): 1+2+3+4 us, 60 -> 30 MB, 21 (35-14) objects, 1207 goroutines, 1/2/3 sweeps, 0(0) handoff, 0(0) steal, \
         0/0/0 yields",
        Collection {
            objects: Some(21),
            goroutines: Some(1207),
            ..sizes(9, 60.0, 30.0)
        },
    );
    check(
        "gc 2 @0.012s 3%: 0.01+0.4+0.02 ms clock, 0.04+0.1/0.3/0.8+0.1 ms cpu, 4->5->1 MB, 5 MB goal, 4 P (forced)",
        Collection {
            at_seconds: Some(0.012),
            goal_mb: Some(5.0),
            forced: true,
            ..sizes(2, 4.0, 1.0)
        },
    );
    // Go 1.5 prints five phases.
    check(
        "gc 1 @2.104s 0%: 0.018+1.5+0.076+0.54+0.27 ms clock, 0.073+1.5+0+0.1/0/0+1.0 ms cpu, 4->4->2 MB, 4 MB goal, 4 P",
        Collection {
            at_seconds: Some(2.104),
            goal_mb: Some(4.0),
            ..sizes(1, 4.0, 2.0)
        },
    );
    check(
        "gc 12 @2503.1s 3% (checking for goroutine leaks): 0.01+0.4+0.02 ms clock, 0.04+0.1/0.3/0.8+0.1 ms cpu, 40->50->10 \
         MB, 52 MB goal, 3 MB stacks, 1 MB globals, 4 P",
        Collection {
            at_seconds: Some(2503.1),
            goal_mb: Some(52.0),
            stacks_mb: Some(3.0),
            globals_mb: Some(1.0),
            leak_check: true,
            ..sizes(12, 40.0, 10.0)
        },
    );
}

const LINE: &str = "gc 5 @1.5s 3%: 0+0+0 ms clock, 0+0/0/0+0 ms cpu, 4->5->1 MB, 5 MB goal, 4 P";

#[test]
fn restarts_begin_another_process() {
    let again = LINE.replace("gc 5 @1.5", "gc 1 @0.1");
    let later = LINE.replace("gc 5 @1.5", "gc 6 @1.6");
    let trace = read(&format!("{LINE}\n{later}\n{again}\n{LINE}\n{LINE}\n"));
    let processes: Vec<u32> = trace.collections.iter().map(|one| one.process).collect();
    assert_eq!(processes, [0, 0, 1, 1, 2]);
}

#[test]
fn damaged_lines_are_problems_and_words_are_not() {
    let trace = read(&format!(
        "{}\n{LINE}\ngc 6 @1.7s 3%: 0+0+0 ms clock\ngc3(2): oops\nthe gc 7 ran\ngc 8 @ noon\nmagic 9 @1s 3%: \n",
        &LINE[..LINE.len() - 3]
    ));
    assert_eq!((trace.collections.len(), trace.other_lines), (1, 3));
    let problems = trace.problems.iter();
    let problems: Vec<String> = problems
        .map(|one| format!("{}: {}", one.line.unwrap_or_default(), one.message))
        .collect();
    insta::assert_snapshot!(problems.join("\n"));
}

#[test]
fn a_long_log_is_thinned_evenly() {
    let count = gctrace::MAX_COLLECTIONS as u64 * 9 / 8;
    let lines = (0..count)
        .map(|number| LINE.replace("gc 5 @1.5", &format!("gc {} @{number}.0", number + 1)) + "\n");
    let trace = read(&lines.collect::<String>());
    let kept = trace.collections.len() as u64;
    assert!(kept <= gctrace::MAX_COLLECTIONS as u64 && kept > gctrace::MAX_COLLECTIONS as u64 / 4);
    assert_eq!(kept + trace.elided, count);
    let steps = trace
        .collections
        .windows(2)
        .map(|pair| pair[1].number - pair[0].number);
    assert!(steps.into_iter().all(|step| step == 2));
}

#[test]
fn what_is_no_log_is_named() {
    let inputs: [&[u8]; 4] = [
        b"",
        b"hello\nworld\n",
        b"<html><title>404</title>",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0",
    ];
    let errors = inputs.map(|input| gctrace::read(input).expect_err("no log").to_string());
    insta::assert_snapshot!(errors.join("\n"));
    let packed = zstd::encode_all(LINE.as_bytes(), 1).expect("memory does not fail");
    assert_eq!(
        gctrace::read(&*packed)
            .expect("a packed log")
            .collections
            .len(),
        1
    );
    let error = gctrace::read(&packed[..6]).expect_err("nothing came");
    assert!(matches!(error, Error::Unpack { .. }), "{error}");
}

/// The verdicts on the logs below a folder, and that all their collections were read.
#[track_caller]
fn judge(folder: &Path, names: &[(&str, Growth)]) {
    for (name, expected) in names {
        let text = fs::read_to_string(folder.join(name)).expect("a log of the repository");
        let trace = read(&text);
        let lines = text.lines().filter(|line| line.starts_with("gc ")).count();
        assert_eq!(
            (trace.collections.len(), trace.problems.len()),
            (lines, 0),
            "{name}"
        );
        let trend = trend(&trace);
        assert_eq!(
            trend.growth,
            *expected,
            "{}/{name}: {trend:#?}",
            folder.display()
        );
    }
}

#[test]
fn real_leaks_are_found_and_healthy_programs_are_not() {
    use Growth::{LeakLike, Steady};
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    judge(
        &root.join("tests/gctrace"),
        &[
            ("leak.log", LeakLike),
            ("slowleak.log", LeakLike),
            ("healthy.log", Steady),
            ("warm.log", Steady),
            ("saw.log", Steady),
            ("cycle.log", Steady),
            ("step.log", Steady),
        ],
    );
    for version in ["go1.19.8", "go1.22.10", "go1.27.3"] {
        judge(
            &root.join("../../fixtures/captured").join(version),
            &[("leak.gctrace", LeakLike), ("healthy.gctrace", Steady)],
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "(gc ?[0-9(@s%:>+ ,MBP-]{0,40}\n?){0,6}") {
        if let Ok(trace) = gctrace::read(text.as_bytes()) {
            trend(&trace);
        }
    }
}
