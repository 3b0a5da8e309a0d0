//! What people do about findings.

use super::*;

#[test]
fn what_is_acknowledged_is_told_no_more_until_it_is_gone() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 100 v1"]);
    let who = Who {
        name: "jane",
        at: 60,
    };
    let mut ledger = scene.open();
    let entry = ledger
        .acknowledge("aaaa000000000001", who, "on it", scene.telling())
        .expect("acknowledged");
    assert_eq!(entry.status, Status::Acknowledged);
    drop(ledger);
    assert_eq!(scene.sweep(10, &["shop 900 v2"]), ["- (acknowledged)"]);
    scene.sweep(20, &[]);
    scene.sweep(30, &[]);
    assert_eq!(scene.sweep(40, &[]).len(), 1);
    assert_eq!(
        scene.outbox("hook", 6000),
        [
            "new shop",
            "acknowledged shop by jane: on it",
            "resolved shop 3 sweeps in a row did not find it"
        ]
    );
    let mut ledger = scene.open();
    let refused = ledger.acknowledge("aaaa000000000001", who, "", scene.telling());
    assert!(
        refused
            .expect_err("resolved")
            .to_string()
            .contains("is resolved")
    );
    // Back again, somebody has to look anew.
    drop(ledger);
    assert_eq!(scene.sweep(50, &["shop 5 v1"]), ["reopened (new)"]);
    let kinds: Vec<String> = scene
        .open()
        .events("aaaa000000000001")
        .expect("read")
        .into_iter()
        .map(|it| it.kind)
        .collect();
    assert_eq!(kinds, ["new", "acknowledged", "resolved", "reopened"]);
}

#[test]
fn a_silence_holds_until_it_ends_and_loses_nothing() {
    for scope in [
        Scope::Fingerprint("aaaa000000000001".to_owned()),
        Scope::Service("shop".to_owned()),
        Scope::Function("main.*".to_owned()),
    ] {
        let scene = Scene::new();
        if matches!(scope, Scope::Fingerprint(_)) {
            scene.sweep(0, &["shop 1 v1"]);
            scene.outbox("hook", 0);
        }
        let who = Who {
            name: "jane",
            at: 60,
        };
        let mut ledger = scene.open();
        ledger
            .silence(scope.clone(), 30 * 60, "known", who)
            .expect("silenced");
        drop(ledger);
        for minute in [10, 20] {
            let changed = scene.sweep(minute, &["shop 100 v1"]);
            assert!(changed[0].ends_with("(silenced)"), "{scope:?} {changed:?}");
        }
        assert_eq!(scene.outbox("hook", 6000), [""; 0], "{scope:?}");
        scene.sweep(31, &["shop 100 v1"]);
        assert_eq!(scene.outbox("hook", 6000).len(), 1, "{scope:?}");
        // Others were not meant.
        assert_eq!(scene.open().silences(31 * 60).expect("listed"), []);
    }
    let scene = Scene::new();
    let who = Who {
        name: "jane",
        at: 60,
    };
    let mut ledger = scene.open();
    let scope = || Scope::Service("shop".to_owned());
    for (until, reason) in [(60, "x"), (60 + 400 * 86_400, "x"), (120, " ")] {
        assert!(ledger.silence(scope(), until, reason, who).is_err());
    }
    let id = ledger
        .silence(scope(), 7200, "known", who)
        .expect("silenced");
    drop(ledger);
    assert_eq!(scene.sweep(10, &["cart 5 v1"]), ["new (new)"]);
    let mut ledger = scene.open();
    ledger
        .unsilence(
            id,
            Who {
                name: "jim",
                at: 700,
            },
        )
        .expect("ended");
    assert!(
        ledger
            .unsilence(
                id,
                Who {
                    name: "jim",
                    at: 701
                }
            )
            .is_err()
    );
    drop(ledger);
    assert_eq!(scene.sweep(20, &["shop 5 v1"]), ["new (new)"]);
}
