use std::sync::Arc;

use super::*;
use crate::{Format, Frame, Identity, ProfileKind, Sample, Stack, State};

const DIR: &str = "/src/shop/";

/// One sample a row: `STATE FUNCTION FILE:LINE COUNT [FIRST_ID]`, with `_` for spaces in a state and `-` for none.
/// Goroutines are numbered from FIRST_ID on; without it no numbers are known.
fn snapshot(rows: &[&str]) -> Snapshot {
    let mut snapshot = Snapshot::new(Format::Dump, ProfileKind::Goroutine);
    for row in rows {
        let fields: Vec<&str> = row.split(' ').collect();
        let [state, function, place, count, ids @ ..] = &fields[..] else {
            panic!("{row}");
        };
        let (file, line) = place.split_once(':').unwrap();
        let count: u64 = count.parse().unwrap();
        let mut identities = Identities {
            known: Vec::new(),
            elided: count,
        };
        if let [first] = ids {
            let first: u64 = first.parse().unwrap();
            let ids = first..first + count;
            identities.known = ids
                .map(|id| Identity {
                    id: GoroutineId(id),
                    parent: None,
                })
                .collect();
            identities.elided = 0;
        }
        let frame = Frame::new(*function, format!("{DIR}{file}"), line.parse().unwrap());
        let root = Frame::new("main.main", format!("{DIR}main.go"), 20);
        snapshot.samples.push(Sample {
            stack: Arc::new(Stack {
                frames: vec![frame].into(),
                created_by: Some(root),
                ..Stack::default()
            }),
            state: (*state != "-").then(|| State::parse(&state.replace('_', " "))),
            count,
            leaked: 0,
            durable: false,
            locked_to_thread: None,
            proof: None,
            labels: Default::default(),
            waits: None,
            identities,
        });
    }
    snapshot
}

fn show(change: &SiteChange) -> String {
    let identity = match &change.identity {
        Some(it) => format!(
            " stayed {} +{:?} -{:?}{}",
            it.stayed,
            it.appeared,
            it.vanished,
            if it.elided > 0 {
                format!(" elided {}", it.elided)
            } else {
                String::new()
            }
        ),
        None => String::new(),
    };
    let moved = change
        .moved_from
        .as_ref()
        .map_or(String::new(), |site| format!(" from line {}", site.line));
    let (site, verdict) = (&change.group.site, change.verdict.as_str());
    format!(
        "{:?} {}:{} {}->{} {verdict}{identity}{moved}",
        change.change, site.function, site.line, change.before, change.after
    )
}

#[track_caller]
fn check(before: &[&str], after: &[&str], expected: &[&str]) {
    let changes = diff(&snapshot(before), &snapshot(after));
    let shown: Vec<String> = changes.iter().map(show).collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_site_that_grew_and_kept_all_is_growing() {
    check(
        &["chan_send main.f.func1 a.go:12 3 10"],
        &["chan_send main.f.func1 a.go:12 5 10"],
        &["Grown main.f.func1:12 3->5 growing stayed 3 +[13, 14] -[]"],
    );
}

#[test]
fn near_misses_stay_normal() {
    // A pool whose workers all changed has grown, and kept nothing.
    check(
        &["chan_receive main.work a.go:5 3 10"],
        &["chan_receive main.work a.go:5 5 20"],
        &["Grown main.work:5 3->5 normal stayed 0 +[20, 21, 22, 23, 24] -[10, 11, 12]"],
    );
    // The same number.
    check(
        &["chan_receive main.work a.go:5 2 10"],
        &["chan_receive main.work a.go:5 2 10"],
        &["Same main.work:5 2->2 normal stayed 2 +[] -[]"],
    );
    // Fewer, gone.
    check(
        &["select main.a a.go:5 2 10", "select main.b b.go:5 1 30"],
        &["select main.a a.go:5 1 10"],
        &[
            "Shrunk main.a:5 2->1 normal stayed 1 +[] -[11]",
            "Gone main.b:5 1->0 normal stayed 0 +[] -[30]",
        ],
    );
    // Connections that wait for I/O, a few more.
    check(
        &["IO_wait net.(*netFD).Read fd.go:55 3 10"],
        &["IO_wait net.(*netFD).Read fd.go:55 5 10"],
        &["Grown net.(*netFD).Read:55 3->5 normal stayed 3 +[13, 14] -[]"],
    );
}

#[test]
fn without_numbers_growth_must_be_material() {
    check(
        &["chan_send main.f a.go:12 10"],
        &["chan_send main.f a.go:12 20"],
        &["Grown main.f:12 10->20 growing"],
    );
    check(
        &["chan_send main.f a.go:12 10"],
        &["chan_send main.f a.go:12 19"],
        &["Grown main.f:12 10->19 normal"],
    );
    // A third more of everything is load.
    check(
        &["chan_send main.f a.go:12 300"],
        &["chan_send main.f a.go:12 400"],
        &["Grown main.f:12 300->400 normal"],
    );
    // debug=1 does not show what they wait for.
    check(
        &["- main.f a.go:12 10"],
        &["- main.f a.go:12 500"],
        &["Grown main.f:12 10->500 suspect"],
    );
}

#[test]
fn a_new_site_is_suspect_from_a_material_number_on() {
    check(
        &["running main.main main.go:20 1 1"],
        &[
            "running main.main main.go:20 1 1",
            "chan_receive_(nil_chan) main.f a.go:3 10 5",
        ],
        &[
            "New main.f:3 0->10 suspect stayed 0 +[5, 6, 7, 8, 9, 10, 11, 12, 13, 14] -[]",
            "Same main.main:20 1->1 normal stayed 1 +[] -[]",
        ],
    );
    check(
        &[],
        &["chan_send main.f a.go:3 9"],
        &["New main.f:3 0->9 normal"],
    );
}

#[test]
fn numbers_that_were_left_out_are_not_guessed_at() {
    let before = snapshot(&["select main.a a.go:5 3 10"]);
    let mut after = snapshot(&["select main.a a.go:5 2 11"]);
    after.truncated = true;
    let shown: Vec<String> = diff(&before, &after).iter().map(show).collect();
    assert_eq!(shown, ["Shrunk main.a:5 3->2 normal stayed 2 +[] -[]"]);
    let mut before = before;
    before.samples[0].identities.elided = 4;
    before.samples[0].count = 7;
    let shown: Vec<String> = diff(&before, &after).iter().map(show).collect();
    assert_eq!(
        shown,
        ["Shrunk main.a:5 7->2 normal stayed 2 +[] -[] elided 4"]
    );
}

#[test]
fn a_site_is_found_again_across_versions_of_go() {
    // An inlined closure: Go 1.26, then 1.27.
    check(
        &["chan_receive main.main.func2.Inl.1 in.ner/a.go:27 2 10"],
        &["chan_receive example.com/exp/in%252ener.Inl.1 in.ner/a.go:27 2 10"],
        &["Same example.com/exp/in.ner.Inl.func1:27 2->2 normal stayed 2 +[] -[]"],
    );
    // A loop body: 1.23, then 1.27; a wrapper.
    check(
        &[
            "chan_receive main.extra.func1-range2 extra.go:13 1 10",
            "select main.f.gowrap1 a.go:1 1 11",
        ],
        &[
            "chan_receive main.extra.func1-range1-range1 extra.go:13 1 10",
            "select main.f a.go:1 1 11",
        ],
        &[
            "Same main.extra.func1:13 1->1 normal stayed 1 +[] -[]",
            "Same main.f:1 1->1 normal stayed 1 +[] -[]",
        ],
    );
}

#[test]
fn a_site_is_found_again_when_only_its_line_moved() {
    check(
        &["chan_send main.f a.go:12 3 10"],
        &["chan_send main.f a.go:15 3 10"],
        &["Same main.f:15 3->3 normal stayed 3 +[] -[] from line 12"],
    );
    // Two such sites in the function: which is which cannot be known.
    check(
        &["chan_send main.f a.go:12 3 10"],
        &[
            "chan_send main.f a.go:15 2 20",
            "chan_send main.f a.go:19 1 30",
        ],
        &[
            "New main.f:15 0->2 normal stayed 0 +[20, 21] -[]",
            "New main.f:19 0->1 normal stayed 0 +[30] -[]",
            "Gone main.f:12 3->0 normal stayed 0 +[] -[10, 11, 12]",
        ],
    );
    // The creator at line 20 of the same file did not move, so what is above it did not either.
    check(
        &["chan_send main.f main.go:12 3 10"],
        &["chan_send main.f main.go:15 3 20"],
        &[
            "New main.f:15 0->3 normal stayed 0 +[20, 21, 22] -[]",
            "Gone main.f:12 3->0 normal stayed 0 +[] -[10, 11, 12]",
        ],
    );
}

#[test]
fn a_format_that_hides_the_operation_matches_one_that_tells() {
    check(
        &["- main.f a.go:12 3"],
        &["chan_send main.f a.go:12 3 10"],
        &["Same main.f:12 3->3 normal"],
    );
    // But two operations on that line are two sites.
    check(
        &["- main.f a.go:12 3"],
        &[
            "chan_send main.f a.go:12 3 10",
            "select main.f a.go:12 1 20",
        ],
        &[
            "New main.f:12 0->3 normal",
            "New main.f:12 0->1 normal",
            "Gone main.f:12 3->0 normal",
        ],
    );
}

#[test]
fn what_the_runtime_reports_is_a_leak_whether_it_grew_or_not() {
    let before = snapshot(&["chan_send main.f a.go:12 3 10"]);
    let mut after = before.clone();
    after.samples[0].leaked = 3;
    let changes = diff(&before, &after);
    assert_eq!(changes[0].verdict, Verdict::Leak);
    assert_eq!(
        changes[0].group.evidence,
        [Evidence::RuntimeReported { count: 3 }]
    );
    let (_, findings) = judge(&before, &after, &Policy::default());
    assert_eq!(findings.len(), 1);
}

#[test]
fn findings_are_what_is_new_or_grown_and_not_dismissed() {
    let before = snapshot(&[
        "chan_send example.com/shop.f a.go:12 3 10",
        "select main.s s.go:4 400 100",
    ]);
    let after = snapshot(&[
        "chan_send example.com/shop.f a.go:12 6 10",
        "select main.s s.go:4 400 100",
    ]);
    let (changes, findings) = judge(&before, &after, &Policy::default());
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = &findings[0];
    assert_eq!(
        (finding.verdict, &*finding.place.function),
        (Verdict::Growing, "example.com/shop.f")
    );
    let growth = Evidence::Growth {
        before: 3,
        after: 6,
        stayed: Some(3),
    };
    assert!(finding.evidence.contains(&growth));
    assert!(
        finding
            .message
            .contains("3 more than the 3 before, which are all still there"),
        "{}",
        finding.message
    );
    assert_eq!(changes[0].verdict, Verdict::Growing);

    let foreign = Policy {
        own: vec!["example.com/other".to_owned()],
        ..Policy::default()
    };
    let (changes, findings) = judge(&before, &after, &foreign);
    assert_eq!(
        findings.len(),
        1,
        "main, which created it, belongs to every module"
    );
    assert_eq!(changes.len(), 2);
}

#[track_caller]
fn check_series(counts: &[u64], keeps_growing: bool, verdict: Verdict) {
    let rows: Vec<String> = counts
        .iter()
        .map(|count| format!("chan_send main.f a.go:12 {count} 10"))
        .collect();
    let snapshots: Vec<Snapshot> = rows
        .iter()
        .map(|row| {
            if row.contains(" 0 ") {
                snapshot(&[])
            } else {
                snapshot(&[row])
            }
        })
        .collect();
    let sites = series(&snapshots);
    assert_eq!(sites.len(), 1);
    assert_eq!(
        (&*sites[0].counts, sites[0].keeps_growing, sites[0].verdict),
        (counts, keeps_growing, verdict)
    );
}

#[test]
fn a_series_is_growing_if_it_rose_twice_and_keeps_growing() {
    check_series(&[3, 5, 7, 9], true, Verdict::Growing);
    check_series(&[0, 1, 1, 2, 3], true, Verdict::Growing);
    check_series(&[3, 5, 5], false, Verdict::Normal);
    check_series(&[3, 5, 4, 9], false, Verdict::Normal);
    check_series(&[5, 5, 5], false, Verdict::Normal);
    check_series(&[3, 5, 7, 0], false, Verdict::Normal);
    check_series(&[7], false, Verdict::Normal);
}

#[test]
fn a_series_of_nothing_has_no_sites() {
    assert!(series(&[]).is_empty());
    assert!(series(&[snapshot(&[])]).is_empty());
    assert!(diff(&snapshot(&[]), &snapshot(&[])).is_empty());
}
