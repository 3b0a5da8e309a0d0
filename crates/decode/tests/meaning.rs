//! The same program, captured from Go 1.19 to 1.27 in every format, has the same blocked sites.

#![expect(clippy::disallowed_methods, reason = "tests read captured dumps")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use gorphan_decode::{Options, read};
use gorphan_model::diff::{Change, diff};
use gorphan_model::group::group;
use gorphan_model::query::GroupBy;
use gorphan_model::{Operation, Snapshot};

const VERSIONS: [&str; 8] = [
    "go1.19.8",
    "go1.21.13",
    "go1.22.10",
    "go1.23.9",
    "go1.24.11",
    "go1.25.5",
    "go1.26.8",
    "go1.27.3",
];

fn snapshot(version: &str, file: &str) -> Snapshot {
    let captured = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captured");
    let file = File::open(captured.join(version).join(file)).expect("a captured file");
    let mut snapshots = read(file, &Options::default()).expect("goroutines");
    snapshots.remove(0)
}

/// Sites that two snapshots do not share, or whose counts differ: `CHANGE OPERATION FUNCTION`. Left out is what comes
/// and goes while the program captures itself: its reader of a pipe, and the standard library's lines that moved.
fn differences(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let changes = diff(before, after);
    let told = changes.iter().filter(|change| {
        let function = &change.group.site.function;
        change.change != Change::Same && !function.starts_with("os.")
    });
    let mut lines: Vec<String> = told
        .map(|change| {
            let site = &change.group.site;
            format!("{:?} {} {}", change.change, site.operation, site.function)
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_profile_has_the_sites_of_the_dump() {
    for version in VERSIONS {
        let dump = snapshot(version, "sites.dump");
        let profile = snapshot(version, "sites.pb.gz");
        assert_eq!(differences(&profile, &dump), [""; 0], "{version}");
    }
}

#[test]
fn a_count_text_has_the_sites_of_the_dump_but_not_all_operations() {
    // Closures that Go 1.20 and earlier inlined into one caller twice have two names and one place.
    for version in VERSIONS
        .into_iter()
        .filter(|version| *version != "go1.19.8")
    {
        let dump = snapshot(version, "sites.dump");
        let text = snapshot(version, "sites.debug1");
        assert_eq!(differences(&text, &dump), [""; 0], "{version}");
    }
}

#[test]
fn versions_of_go_name_the_same_sites() {
    for pair in VERSIONS.windows(2) {
        let [old, new] = pair else { continue };
        let found = differences(&snapshot(old, "sites.dump"), &snapshot(new, "sites.dump"));
        let expected: &[&str] = match *old {
            // Until 1.20 a closure that was inlined elsewhere lost its name.
            "go1.19.8" => &[
                "Gone chan receive main.callsMaker.func1",
                "Gone chan receive main.callsMakerOfMaker.func1",
                "Gone chan receive main.callsMakerTwice.func1",
                "Gone chan receive main.callsOtherMakers.func1.1",
                "New chan receive main.callsMaker.maker.func1",
            ],
            // 1.23 adds range over functions and iter.Pull to the program.
            "go1.22.10" => &[
                "New chan receive main.pull",
                "New chan receive main.rangeBody",
                "New chan receive main.rangeBodyClosure.func1",
                "New chan receive main.rangeBodyInClosure.func1",
                "New chan receive main.rangeBodyNested",
                "New chan receive main.stuck",
                "New other main.once",
                "New other main.pullStuck",
            ],
            _ => &[],
        };
        assert_eq!(found, expected, "{old} and {new}");
    }
}

#[test]
fn every_operation_is_told_from_every_format_that_can() {
    let by_operation = |snapshot: &Snapshot| {
        let mut counts: BTreeMap<Operation, u64> = BTreeMap::new();
        for group in group(snapshot, GroupBy::Site) {
            *counts.entry(group.site.operation).or_default() += group.count;
        }
        counts
    };
    let once = [
        Operation::ChanSend,
        Operation::NilChanSend,
        Operation::NilChanReceive,
        Operation::Select,
        Operation::SelectNoCases,
        Operation::MutexLock,
        Operation::RwMutexLock,
        Operation::RwMutexRLock,
        Operation::WaitGroup,
        Operation::CondWait,
        Operation::Sleep,
        Operation::Running,
    ];
    for version in VERSIONS {
        for file in ["sites.dump", "sites.pb.gz"] {
            let counts = by_operation(&snapshot(version, file));
            for operation in once {
                assert_eq!(
                    counts.get(&operation),
                    Some(&1),
                    "{operation} in {version}/{file}"
                );
            }
        }
        let text = by_operation(&snapshot(version, "sites.debug1"));
        for (operation, expected) in [
            (Operation::MutexLock, 1),
            (Operation::RwMutexLock, 1),
            (Operation::RwMutexRLock, 1),
            (Operation::WaitGroup, 1),
            (Operation::CondWait, 1),
            (Operation::Sleep, 1),
            (Operation::ChanReceive, 0),
        ] {
            let found = text.get(&operation).copied().unwrap_or(0);
            assert_eq!(found, expected, "{operation} in {version}/sites.debug1");
        }
    }
}
