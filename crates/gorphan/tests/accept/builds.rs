//! The same verdicts however a program was built.

use crate::conclude;
use crate::corpus::{Way, check_deterministic};
use crate::go::Go;

const WAYS: [Way<'_>; 6] = [
    Way {
        name: " stripped",
        flags: &["-ldflags=-s -w"],
        environment: &[],
    },
    Way {
        name: " PIE",
        flags: &["-buildmode=pie"],
        environment: &[],
    },
    Way {
        name: " stripped PIE",
        flags: &["-buildmode=pie", "-ldflags=-s -w"],
        environment: &[],
    },
    Way {
        name: " race",
        flags: &["-race"],
        environment: &[("CGO_ENABLED", "1")],
    },
    Way {
        name: " external",
        flags: &["-ldflags=-linkmode=external"],
        environment: &[("CGO_ENABLED", "1")],
    },
    Way {
        name: " unoptimised",
        flags: &["-gcflags=all=-N -l"],
        environment: &[],
    },
];

#[test]
fn a_stripped_program_gives_the_same_verdicts() {
    let go = Go::on_path();
    conclude(&check_deterministic(
        &go,
        std::slice::from_ref(&go),
        &WAYS[2],
    ));
}

#[test]
#[ignore = "minutes, needs a C compiler: cargo xtask accept builds"]
fn full_builds() {
    let versions = Go::chosen();
    let mut complaints = Vec::new();
    // The corpus is not for older ones.
    for go in versions.iter().filter(|go| go.minor >= 22) {
        for way in &WAYS {
            complaints.extend(check_deterministic(go, &versions, way));
        }
    }
    conclude(&complaints);
}
