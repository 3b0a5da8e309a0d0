//! Which goroutines of a test binary that is about to exit were left behind, and which belong there.

use gorphan_model::{Sample, symbol};

/// Functions that only goroutines have which the testing package, the runtime or a service of the standard library started
/// once and never end. (Go 1.19 to 1.27; the same that goleak passes over.)
const OF_THE_PROCESS: [&str; 11] = [
    "os/signal.loop",
    "os/signal.signal_recv",
    "runtime.ensureSigM",
    "runtime/trace.Start.func1",
    "runtime/pprof.profileWriter",
    "runtime.ReadTrace",
    "testing.(*M).startAlarm.func1",
    "testing.runFuzzing",
    "internal/fuzz.(*workerServer).serve",
    "internal/synctest.Run",
    "runtime/coverage.initHook",
];

/// Functions of tests that have not ended: a test called `os.Exit` itself.
const OF_RUNNING_TESTS: [&str; 5] = [
    "testing.tRunner",
    "testing.(*B).runN",
    "testing.(*B).launch",
    "testing.fRunner",
    "testing.(*T).Run",
];

/// What a goroutine is at the end of a test binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It should have ended.
    Left,
    /// It belongs to the process.
    Service,
    /// It is a test that still runs.
    Test,
}

/// Judges the goroutines of a sample.
pub(super) fn kind(sample: &Sample) -> Kind {
    let mut kind = Kind::Left;
    let created = sample.stack.created_by.iter();
    for frame in sample.stack.frames.iter().chain(created) {
        let name = symbol::canonical(&frame.function);
        if OF_THE_PROCESS.contains(&&*name) {
            return Kind::Service;
        }
    }
    // The function that a goroutine was started with is the last one.
    let first = sample.stack.frames.iter().next_back();
    if first.is_some_and(|frame| OF_RUNNING_TESTS.contains(&&*symbol::canonical(&frame.function))) {
        kind = Kind::Test;
    }
    kind
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use gorphan_model::{Frame, Identities, Labels, Stack, State};

    use super::*;

    /// A goroutine that waits, with (function, file) of its frames.
    pub(in crate::test) fn waiting<'a>(
        frames: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Sample {
        let frames = frames.into_iter();
        Sample {
            stack: Arc::new(Stack {
                frames: frames
                    .map(|(function, file)| Frame::new(function, file, 1))
                    .collect(),
                ..Stack::default()
            }),
            state: Some(State::parse("chan receive")),
            count: 1,
            leaked: 0,
            durable: false,
            locked_to_thread: Some(0),
            labels: Labels::default(),
            waits: None,
            identities: Identities::default(),
            proof: None,
        }
    }

    fn check(functions: &[&str], expected: Kind) {
        let sample = waiting(functions.iter().map(|name| (*name, "/src/a.go")));
        assert_eq!(kind(&sample), expected, "{functions:?}");
    }

    #[test]
    fn services_and_running_tests_are_not_left_behind() {
        check(&["os/signal.signal_recv", "os/signal.loop"], Kind::Service);
        check(
            &["testing.(*T).Run", "shop.TestA", "testing.tRunner"],
            Kind::Test,
        );
        check(&["shop.serve", "shop.TestA.func1"], Kind::Left);
        // A goroutine that a test started and that calls what tests call is none.
        check(
            &["shop.wait", "testing.tRunner", "shop.TestA.func1"],
            Kind::Left,
        );
    }
}
