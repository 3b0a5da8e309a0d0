//! Healthy programs have no findings, whatever they do at the moment.

#![expect(clippy::disallowed_methods, reason = "tests read captured dumps")]

use std::fs::{self, File};
use std::path::Path;

use gorphan_decode::{Options, read};
use gorphan_model::group::group;
use gorphan_model::query::GroupBy;
use gorphan_model::verdict::{Policy, judge};

/// Judges every dump of a folder of healthy programs; `programs` says how many there are, so that an empty folder is no
/// green test.
fn check(folder: &str, programs: usize) {
    let captured = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captured");
    let mut seen = 0;
    for entry in fs::read_dir(captured.join(folder)).expect("the folder of dumps") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "dump") {
            continue;
        }
        let file = File::open(&path).expect("a dump");
        let snapshots = read(file, &Options::default()).expect("goroutines");
        let [snapshot] = snapshots.as_slice() else {
            panic!("{} holds {} dumps", path.display(), snapshots.len());
        };
        assert!(snapshot.goroutines() > 10, "{} is short", path.display());
        assert_eq!(snapshot.problems, [], "{}", path.display());
        let mut groups = group(snapshot, GroupBy::Site);
        let findings = judge(snapshot, &mut groups, &Policy::default());
        let told: Vec<_> = findings.iter().map(|finding| &finding.message).collect();
        assert_eq!(told, [""; 0], "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, programs, "dumps in {folder}");
}

#[test]
fn healthy_daemons_have_no_findings() {
    check("daemons", 21);
}

#[test]
fn healthy_programs_under_full_load_have_no_findings() {
    check("healthy", 19);
}
