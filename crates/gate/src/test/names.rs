//! Which test a goroutine belongs to: the functions of package `testing` that run tests, and where a test's name is.

use std::collections::HashMap;

use gorphan_capture::process::watch::Point;
use gorphan_model::{Sample, symbol};

/// Where the program stops: where it is about to exit, and where a test, a fuzz target, a benchmark and an example starts.
pub(super) const POINTS: [Point<'static>; 5] = [
    Point::Call {
        within: "os.Exit",
        to: "os.runtime_beforeExit",
    },
    Point::Entry("testing.tRunner"),
    Point::Entry("testing.fRunner"),
    Point::Entry("testing.(*B).runN"),
    Point::Entry("testing.runExample"),
];
/// Index of the exit in [`POINTS`].
pub(super) const EXIT: usize = 0;
/// Index of examples in [`POINTS`]. An example is given by its name, the others get a pointer to a `testing.T`, `F` or `B`.
pub(super) const EXAMPLE: usize = 4;

/// Bytes of a test's name: names of subtests can be long, but not so long.
pub(super) const MAX_NAME_BYTES: usize = 64 << 10;

/// Bytes from the start of a `testing.T`, `B` or `F` to its full name (`testing.common.name`), read with package reflect in
/// programs built by Go 1.19 to 1.27 on linux/amd64. `None` for other versions: what a test left is then told without it.
pub(super) fn name_offset(minor: u32) -> Option<u64> {
    Some(match minor {
        19 => 240,
        21 => 256,
        22..=24 => 248,
        25 => 256,
        26 | 27 => 288,
        _ => return None,
    })
}

/// Whether what was read can be the name of a test: if the layout were another, it could not.
pub(super) fn is_name(text: &str) -> bool {
    ["Test", "Benchmark", "Fuzz", "Example"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
}

/// The test in whose code a goroutine is or was started, of those that ran: for goroutines that nobody started but a timer.
pub(super) fn test_in(sample: &Sample, tests: &HashMap<String, usize>) -> Option<usize> {
    let stack = &sample.stack;
    let mut frames = stack.frames.iter().chain(&stack.created_by);
    frames.find_map(|frame| {
        // `TestA` in `example.com/shop.TestA.func1`; a method `(*T).TestA` is none.
        let name = symbol::canonical(&frame.function);
        let within = name.rsplit('/').next()?.split('.').nth(1)?;
        let is_test = frame.file.ends_with("_test.go");
        tests.get(within).filter(|_| is_test).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::super::left::tests::waiting;
    use super::*;

    #[test]
    fn a_goroutine_that_runs_a_closure_of_a_test_is_the_tests() {
        let tests = HashMap::from([("TestA".to_owned(), 7)]);
        for (function, file, expected) in [
            ("example.com/shop.TestA.func1", "/src/a_test.go", Some(7)),
            ("example.com/shop_test.TestA", "/src/a_test.go", Some(7)),
            ("example.com/shop.TestA.func1", "/src/a.go", None),
            ("example.com/shop.(*T).TestA", "/src/a_test.go", None),
            ("example.com/shop.TestB.func1", "/src/a_test.go", None),
        ] {
            let sample = waiting([("time.Sleep", "/go/src/runtime/time.go"), (function, file)]);
            assert_eq!(test_in(&sample, &tests), expected, "{function} {file}");
        }
    }

    #[test]
    fn only_what_go_runs_as_a_test_is_a_name() {
        for name in ["TestA", "TestA/b_c#01", "BenchmarkX-8", "FuzzY/seed#0"] {
            assert!(is_name(name), "{name}");
        }
        for other in ["", "main", "tEST", "\0\0\0\0"] {
            assert!(!is_name(other), "{other}");
        }
    }
}
