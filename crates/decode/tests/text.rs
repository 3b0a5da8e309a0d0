//! Text of every dialect, as snapshots of what is read from it.

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

macro_rules! dumps {
    ($($name:ident: $file:literal),* $(,)?) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(show(&read(include_bytes!(concat!("data/", $file)))));
        }
    )*};
}

dumps! {
    ancestors_go1_22: "ancestors-go1.22.10.txt",
    ancestors_go1_27: "ancestors-go1.27.3.txt",
    labels_go1_27: "labels-go1.27.3.txt",
    system_go1_24: "system-go1.24.11.txt",
    system_go1_26: "system-go1.26.6.txt",
}
