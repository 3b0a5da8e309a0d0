//! Findings from sweep to sweep.

use super::*;

#[test]
fn a_finding_is_told_again_only_when_it_grew_or_has_a_new_version() {
    let scene = Scene::new();
    assert_eq!(scene.sweep(0, &["shop 100 v1"]), ["new (new)"]);
    for (minute, seen, expected) in [
        (10, "shop 100 v1", "- (ongoing)"),
        (20, "shop 199 v1", "- (ongoing)"),
        (30, "shop 200 v1", "grown from 100 (ongoing)"),
        (40, "shop 210 v1", "- (ongoing)"),
        (50, "shop 150 v2", "new version (ongoing)"),
        // Back and forth in a deploy is no news, nor is a version that nobody knows.
        (60, "shop 150 v1", "- (ongoing)"),
        (70, "shop 150 v2", "- (ongoing)"),
        (80, "shop 299 v2", "- (ongoing)"),
        (90, "shop 300 v2", "grown from 150 (ongoing)"),
    ] {
        assert_eq!(scene.sweep(minute, &[seen]), [expected], "{seen}");
    }
    assert_eq!(
        scene.outbox("hook", 6000),
        [
            "new shop",
            "grown shop 200 goroutines in one instance, 100 when it was last told",
            "new_version shop version v2 has it as well",
            "grown shop 300 goroutines in one instance, 150 when it was last told",
        ]
    );
    assert_eq!(scene.outbox("hook", 6000), [""; 0]);
}

#[test]
fn few_more_are_no_growth() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 1 v1"]);
    assert_eq!(scene.sweep(10, &["shop 10 v1"]), ["- (ongoing)"]);
    assert_eq!(scene.sweep(20, &["shop 11 v1"]), ["grown from 1 (ongoing)"]);
}

#[test]
fn it_is_resolved_after_clean_sweeps_and_is_back_with_its_age() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 100 v1"]);
    assert_eq!(scene.sweep(10, &[]), [""; 0]);
    assert_eq!(scene.sweep(20, &[]), [""; 0]);
    // Seen once, it counts anew.
    assert_eq!(scene.sweep(30, &["shop 100 v1"]), ["- (ongoing)"]);
    assert_eq!(scene.sweep(40, &[]), [""; 0]);
    assert_eq!(scene.sweep(50, &[]), [""; 0]);
    let gone = "resolved: 3 sweeps in a row did not find it (resolved)";
    assert_eq!(scene.sweep(60, &[]), [gone]);
    assert_eq!(scene.sweep(70, &[]), [""; 0]);
    assert_eq!(scene.sweep(80, &["shop 5 v1"]), ["reopened (new)"]);
    let entry = scene
        .open()
        .finding("aaaa000000000001", 4800)
        .expect("there");
    assert_eq!((entry.first_seen, entry.opened), (0, 4800));
    assert_eq!(scene.outbox("hook", 6000).len(), 3);
}

#[test]
fn a_sweep_that_did_not_reach_the_service_is_not_clean() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 100 v1"]);
    let out_of_reach = [
        reached(&[]),
        reached(&[("cart", 3, &[])]),
        reached(&[("shop", 0, &["i-2", "i-3"])]),
        // The worst instance does not answer: it may well be why.
        reached(&[("shop", 9, &["i-1"])]),
        reached(&[("shop", 1, &["i-2", "i-3"])]),
    ];
    for (minute, reached) in (10..).zip(&out_of_reach) {
        assert_eq!(scene.sweep_reaching(minute, &[], reached), [""; 0]);
    }
    let entry = scene.open().finding("aaaa000000000001", 0).expect("there");
    assert_eq!(entry.clean_sweeps, 0);
    // Some that were missed are no reason for ever.
    let mostly = reached(&[("shop", 2, &["i-2"])]);
    for minute in 20..22 {
        assert_eq!(scene.sweep_reaching(minute, &[], &mostly), [""; 0]);
    }
    assert_eq!(scene.sweep_reaching(22, &[], &mostly).len(), 1);
}

#[test]
fn a_service_that_is_gone_takes_its_findings_along() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 100 v1"]);
    let week = 7 * 24 * 60;
    let nothing = reached(&[]);
    assert_eq!(scene.sweep_reaching(week - 1, &[], &nothing), [""; 0]);
    let gone = "resolved: the service has not been there for 7 days (resolved)";
    assert_eq!(scene.sweep_reaching(week, &[], &nothing), [gone]);
}

#[test]
fn a_sweep_from_before_changes_nothing() {
    let scene = Scene::new();
    scene.sweep(10, &["shop 100 v1"]);
    assert_eq!(scene.sweep(10, &["shop 900 v9"]), ["- (ongoing)"]);
    assert_eq!(scene.sweep(9, &["cart 900 v9"]), ["- (new)"]);
    assert_eq!(scene.outbox("hook", 6000), ["new shop"]);
    assert_eq!(
        scene
            .open()
            .findings(&Filter::default(), 0)
            .expect("listed")
            .len(),
        1
    );
}
