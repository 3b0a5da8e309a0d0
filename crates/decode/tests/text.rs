//! Text of every dialect, as snapshots of what is read from it.

#![expect(clippy::disallowed_methods, reason = "tests read captured dumps")]

use std::fmt::Write as _;

use gorphan_decode::{Options, text};
use gorphan_model::{Frame, Snapshot, Stack};

/// One line a sample: count, state, marks, waits, labels, numbers; then its stack, long ones shortened.
fn show(snapshots: &[Snapshot]) -> String {
    let mut out = String::new();
    for one in snapshots {
        let _ = writeln!(
            out,
            "== {} {:?} line {}: {} goroutines, {} bytes{}",
            one.format.as_str(),
            one.profile,
            one.first_line,
            one.goroutines(),
            one.bytes_read,
            if one.truncated { ", truncated" } else { "" },
        );
        for problem in &one.problems {
            let _ = writeln!(out, "! {:?}: {}", problem.line, problem.message);
        }
        for sample in &one.samples {
            let state = sample.state.as_ref().map_or("-", |state| state.as_str());
            let _ = write!(out, "{} [{state}]", sample.count);
            if sample.leaked > 0 {
                let _ = write!(out, " leaked {}", sample.leaked);
            }
            if sample.durable {
                let _ = write!(out, " durable");
            }
            if sample.locked_to_thread.is_some_and(|count| count > 0) {
                let _ = write!(out, " locked {:?}", sample.locked_to_thread);
            }
            if let Some((least, most)) = sample.waits.as_ref().and_then(|waits| waits.range()) {
                let _ = write!(out, " {least}..{most} min");
            }
            for (key, values) in sample.labels.iter() {
                let _ = write!(out, " {key}={:?}+{}", values.counts, values.others);
            }
            let ids = sample.identities.known.iter();
            let ids = ids.map(|one| match one.parent {
                Some(parent) => format!("{}<{parent}", one.id),
                None => one.id.to_string(),
            });
            let _ = writeln!(
                out,
                " ids {} +{}",
                ids.collect::<Vec<_>>().join(" "),
                sample.identities.elided
            );
            show_stack(&mut out, &sample.stack);
        }
    }
    out
}

fn show_stack(out: &mut String, stack: &Stack) {
    const SHOWN: usize = 12;
    for frame in stack.frames.iter().take(SHOWN) {
        show_frame(out, "   ", frame);
    }
    if stack.frames.len() > SHOWN {
        let _ = writeln!(out, "    and {} more frames", stack.frames.len() - SHOWN);
    }
    if let Some(elided) = &stack.elided {
        let _ = writeln!(out, "    elided at {}: {:?}", elided.at, elided.count);
    }
    if let Some(creator) = &stack.created_by {
        show_frame(out, "    by", creator);
    }
    for ancestor in &stack.ancestors {
        let _ = writeln!(out, "    ancestor");
        for frame in &ancestor.frames {
            show_frame(out, "       ", frame);
        }
        if let Some(creator) = &ancestor.created_by {
            show_frame(out, "        by", creator);
        }
    }
}

fn show_frame(out: &mut String, lead: &str, frame: &Frame) {
    let _ = writeln!(
        out,
        "{lead} {} {}:{}",
        frame.function, frame.file, frame.line
    );
}

fn read(text: &[u8]) -> Vec<Snapshot> {
    text::read(text, &Options::default()).expect("goroutines")
}

/// A dump of each dialect in full.
fn check_data(name: &str) {
    let path = format!("{}/tests/data/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).expect(&path);
    insta::assert_snapshot!(name, show(&read(&text)));
}

#[test]
fn ancestors_of_go_1_22_are_read() {
    check_data("ancestors-go1.22.10");
}

#[test]
fn ancestors_of_go_1_27_are_read() {
    check_data("ancestors-go1.27.3");
}

#[test]
fn labels_in_headers_are_read_and_a_cut_is_said() {
    check_data("labels-go1.27.3");
}

#[test]
fn dumps_with_the_runtimes_own_frames_are_read() {
    check_data("system-go1.24.11");
    check_data("system-go1.26.6");
}

#[test]
fn old_dialects_are_read() {
    check_data("old");
}

#[test]
fn threads_of_a_crash_are_one_dump() {
    check_data("crash-threads");
}

/// One line a sample: what a captured file holds, short enough to read for all of them.
fn show_short(snapshots: &[Snapshot]) -> String {
    let mut out = String::new();
    for one in snapshots {
        let truncated = if one.truncated { ", truncated" } else { "" };
        let _ = writeln!(
            out,
            "  {} {:?} line {}{truncated}",
            one.format.as_str(),
            one.profile,
            one.first_line
        );
        for problem in &one.problems {
            let _ = writeln!(out, "  ! {:?}: {}", problem.line, problem.message);
        }
        for sample in &one.samples {
            let state = sample.state.as_ref().map_or("-", |state| state.as_str());
            let frames = &sample.stack.frames;
            let leaf = frames
                .iter()
                .find(|frame| !frame.function.starts_with("runtime."))
                .or(frames.first());
            let leaf = leaf.map_or("no frames", |frame| &frame.function);
            let creator = sample
                .stack
                .created_by
                .as_ref()
                .map_or("-", |frame| &frame.function);
            let durable = if sample.durable { " durable" } else { "" };
            let labels: Vec<&str> = sample.labels.iter().map(|(key, _)| key).collect();
            let _ = writeln!(
                out,
                "  {} [{state}] leaked {}{durable} locked {:?} {leaf} of {} by {creator}, {} ancestors {labels:?}",
                sample.count,
                sample.leaked,
                sample.locked_to_thread,
                frames.len(),
                sample.stack.ancestors.len(),
            );
        }
    }
    out
}

/// Counts goroutines by another way than the decoder: the total that `debug=1` gives, or headers but for threads' own.
fn count(text: &str) -> u64 {
    let total = text
        .lines()
        .find_map(|line| line.split_once(" profile: total "));
    if let Some((_, total)) = total {
        return total.parse().expect("a number");
    }
    let headers = text.lines().filter(|line| {
        line.starts_with("goroutine ") && line.ends_with("]:") | line.ends_with("}:")
    });
    headers
        .filter(|line| !line.starts_with("goroutine 0 "))
        .count() as u64
}

/// Captures that are shown; of the others only the number of goroutines is checked.
const DIALECTS: [&str; 9] = [
    "ancestors",
    "bubble",
    "deadlock",
    "leaked",
    "mapwrite",
    "nilpointer",
    "panic",
    "sites",
    "vendored",
];

#[test]
fn what_real_programs_print_is_read() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/captured");
    let mut versions: Vec<_> = std::fs::read_dir(root).expect(root).flatten().collect();
    versions.sort_by_key(std::fs::DirEntry::path);
    assert!(
        versions.len() >= 8,
        "captures of {} versions",
        versions.len()
    );
    for version in versions.iter().filter(|entry| entry.path().is_dir()) {
        let mut out = String::new();
        let mut files: Vec<_> = std::fs::read_dir(version.path())
            .expect("files")
            .flatten()
            .collect();
        files.sort_by_key(std::fs::DirEntry::path);
        for file in files {
            let name = file.file_name().to_string_lossy().into_owned();
            if [".gz", ".gctrace", ".md", ".toml"]
                .iter()
                .any(|end| name.ends_with(end))
            {
                continue;
            }
            let text = std::fs::read(file.path()).expect("a file");
            let snapshots = read(&text);
            let found: u64 = snapshots.iter().map(Snapshot::goroutines).sum();
            assert_eq!(found, count(&String::from_utf8_lossy(&text)), "{name}");
            if DIALECTS.iter().any(|dialect| name.starts_with(dialect)) {
                let _ = writeln!(out, "{name}\n{}", show_short(&snapshots));
            }
        }
        // The oldest and the newest show what the versions between them do.
        let name = version.file_name().to_string_lossy().into_owned();
        if ["go1.19.8", "go1.27.3"].contains(&&*name) {
            insta::assert_snapshot!(name, out);
        }
    }
}
