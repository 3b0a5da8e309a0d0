//! Which test a goroutine belongs to: the functions of package `testing` that run tests, and where a test's name is.

use gorphan_capture::process::watch::Point;

/// Where the program stops: where it is about to exit, and where a test, a benchmark or a fuzz target starts. The latter
/// three get a pointer to a `testing.T`, `B` or `F`.
pub(super) const POINTS: [Point<'_>; 4] = [
    Point::Call {
        within: "os.Exit",
        to: "os.runtime_beforeExit",
    },
    Point::Entry("testing.tRunner"),
    Point::Entry("testing.(*B).runN"),
    Point::Entry("testing.fRunner"),
];
/// Index of the exit in [`POINTS`].
pub(super) const EXIT: usize = 0;

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

#[cfg(test)]
mod tests {
    use super::*;

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
