//! Edits of a saved copy of a program, and of its executable: what can be made of it is made.
//!
//! The file to start from is written by `gorphan inspect PID --save FILE`; `GORPHAN_FUZZ_SNAPSHOT` says where it is.
#![no_main]

use std::sync::OnceLock;

use gorphan_fuzz::saved::{self, Saved};
use gorphan_goruntime::{Frozen, Image, Question, Runtime};

/// Inputs of which the first byte is below this edit the executable too, which takes longer to read.
const EDITS_EXECUTABLE: u8 = 16;
/// Limits of what is made of a file, in bytes: ten times what it is.
const MAX_RATIO: usize = 10;

struct Base {
    saved: Saved,
    runtime: Runtime,
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let path = std::env::var("GORPHAN_FUZZ_SNAPSHOT").expect("a file written by --save");
        let saved = saved::read(&std::fs::read(path).expect("readable"));
        let image = Image::parse(saved.executable.clone()).expect("a Go program");
        let runtime = Runtime::of(image).expect("a supported one");
        Base { saved, runtime }
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let base = base();
    let Some((first, edits)) = data.split_first() else {
        return;
    };
    let other = (*first < EDITS_EXECUTABLE).then(|| {
        let mut executable = base.saved.executable.clone();
        saved::edit(&mut executable, edits);
        Runtime::of(Image::parse(executable).ok()?).ok()
    });
    let runtime = match &other {
        None => &base.runtime,
        Some(Some(runtime)) => runtime,
        Some(None) => return,
    };
    let mut copy = base.saved.copy.clone();
    if other.is_none() {
        saved::edit(&mut copy, edits);
    }
    let size = copy.len();
    let Ok(frozen) = Frozen::load(copy) else {
        return;
    };
    let question = Question {
        threads: 1,
        why: None,
    };
    if let Ok(answer) = runtime.prove(&frozen, &question) {
        let snapshot = answer.snapshot;
        let frames = snapshot.samples.iter().map(|sample| sample.stack.frames.len());
        assert!(frames.sum::<usize>() < size * MAX_RATIO);
        assert!(snapshot.goroutines() < size as u64);
    }
});
