use std::collections::BTreeSet;

use gorphan_model::fleet::{Cost, FleetFacts, Instances, Status};
use gorphan_model::{Evidence, Finding, Frame, Operation, Place, Verdict};

use super::*;
use crate::alert::{Kind, TimeOfDay};
use crate::config::{Credential, HttpConfig, Secret};
use crate::sweep::Breaker;

struct Scene {
    folder: tempfile::TempDir,
    receivers: Vec<Receiver>,
}

impl Scene {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            receivers: vec![receiver("hook")],
        }
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.folder.path().join(FILE)).expect("opened")
    }

    fn telling(&self) -> Telling<'_> {
        Telling {
            receivers: &self.receivers,
            clean_sweeps: 3,
        }
    }

    /// Takes in a sweep in which each of `seen` is `SERVICE MAX VERSION`, opening the ledger anew as a timer would.
    fn sweep(&self, minute: i64, seen: &[&str]) -> Vec<String> {
        self.sweep_reaching(
            minute,
            seen,
            &reached(&[("shop", 3, &[]), ("cart", 3, &[])]),
        )
    }

    fn sweep_reaching(&self, minute: i64, seen: &[&str], reached: &Reached) -> Vec<String> {
        let pairs: Vec<(Finding, FleetFacts)> = seen.iter().map(|text| found(text)).collect();
        let seen: Vec<Seen<'_>> = pairs
            .iter()
            .map(|(finding, facts)| Seen {
                finding,
                facts,
                stack: &[],
            })
            .collect();
        let mut ledger = self.open();
        let changed = ledger
            .take_in(minute * 60, &seen, reached, self.telling())
            .expect("taken in");
        changed.iter().map(shown).collect()
    }

    /// What waits in the outbox of the receiver, and takes it out.
    fn outbox(&self, receiver: &str, now: i64) -> Vec<String> {
        let mut ledger = self.open();
        let courier = ledger
            .courier()
            .expect("asked")
            .expect("nobody else delivers");
        let mut all = Vec::new();
        while let Some(parcel) = ledger.claim(&courier, receiver, now).expect("claimed") {
            let notices: Vec<String> = parcel
                .notices
                .iter()
                .map(|it| {
                    format!("{} {} {}", it.event.as_str(), it.service, it.remark)
                        .trim()
                        .to_owned()
                })
                .collect();
            all.push(notices.join(", "));
            let sent = Settled::Sent { mark: None };
            ledger
                .settle(receiver, &parcel, &sent, now)
                .expect("settled");
        }
        all
    }
}

fn receiver(name: &str) -> Receiver {
    Receiver {
        name: name.to_owned(),
        owners: Vec::new(),
        services: Vec::new(),
        verdict: Verdict::Suspect,
        digest: None,
        http: HttpConfig::default(),
        timeout: std::time::Duration::from_secs(1),
        kind: Kind::Webhook {
            url: Credential::Inline(Secret::new("http://127.0.0.1:1/")),
            secret: None,
        },
    }
}

fn reached(services: &[(&str, u64, &[&str])]) -> Reached {
    let reach = services.iter().map(|(service, reached, missed)| {
        let missed: BTreeSet<String> = missed.iter().map(|it| (*it).to_owned()).collect();
        let reach = Reach {
            reached: *reached,
            missed,
        };
        ((*service).to_owned(), reach)
    });
    Reached(reach.collect())
}

pub(crate) fn found(text: &str) -> (Finding, FleetFacts) {
    let words: Vec<&str> = text.split(' ').collect();
    let [service, max, version] = words.as_slice() else {
        panic!("three words: {text}");
    };
    let max = max.parse().expect("a number");
    let finding = Finding {
        code: "GR1001",
        verdict: Verdict::Leak,
        operation: Operation::ChanSend,
        place: Place {
            function: "main.f".into(),
            file: "/src/main.go".into(),
            line: 41,
            column: None,
        },
        count: max,
        retained_bytes: None,
        message: format!("{service}: {max} goroutines wait"),
        help: "Receive.".to_owned(),
        evidence: vec![Evidence::RuntimeReported { count: max }],
        pattern: None,
        package: None,
        test: None,
        cause: None,
    };
    let fingerprint = match *service {
        "shop" => "aaaa000000000001",
        "cart" => "aaaa000000000002",
        _ => "bbbb000000000003",
    };
    let facts = FleetFacts {
        service: (*service).to_owned(),
        version: (*version).to_owned(),
        instances: Instances {
            count: 1,
            all: 3,
            max,
            total: max,
            rms: 1.0,
            worst: "i-1".to_owned(),
        },
        owner: Some("team-a".to_owned()),
        status: Status::New,
        first_seen: 0,
        first_version: None,
        fingerprint: fingerprint.to_owned(),
        rate: None,
        cost: Cost::default(),
    };
    (finding, facts)
}

fn shown(changed: &Changed) -> String {
    let change = match &changed.change {
        Change::New => "new".to_owned(),
        Change::Reopened => "reopened".to_owned(),
        Change::Grown { from } => format!("grown from {from}"),
        Change::NewVersion => "new version".to_owned(),
        Change::Resolved { why } => format!("resolved: {why}"),
        Change::Ongoing => "-".to_owned(),
    };
    format!("{change} ({})", changed.status.as_str())
}

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

#[test]
fn receivers_get_what_is_theirs() {
    let mut scene = Scene::new();
    let mut team = receiver("team-b");
    team.owners = vec!["team-b".to_owned()];
    let mut cart = receiver("cart");
    cart.services = vec!["ca*".to_owned()];
    scene.receivers.extend([team, cart]);
    scene.sweep(0, &["shop 10 v1", "cart 10 v1"]);
    assert_eq!(scene.outbox("hook", 60), ["new shop", "new cart"]);
    assert_eq!(scene.outbox("team-b", 60), [""; 0]);
    assert_eq!(scene.outbox("cart", 60), ["new cart"]);
}

#[test]
fn a_digest_waits_for_its_time_and_comes_as_one() {
    let mut scene = Scene::new();
    scene.receivers[0].digest = TimeOfDay::parse("09:00");
    scene.sweep(0, &["shop 10 v1"]);
    scene.sweep(10, &["shop 10 v1", "cart 10 v1"]);
    assert_eq!(scene.outbox("hook", 9 * 3600 - 1), [""; 0]);
    assert_eq!(scene.outbox("hook", 9 * 3600), ["new shop, new cart"]);
    scene.sweep(9 * 60, &["shop 100 v1", "cart 10 v1"]);
    assert_eq!(scene.outbox("hook", 30 * 3600), [""; 0]);
    assert_eq!(scene.outbox("hook", 33 * 3600).len(), 1);
}

#[test]
fn nothing_overtakes_and_what_fails_for_days_is_given_up() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 10 v1"]);
    scene.sweep(10, &["shop 100 v1", "cart 5 v1"]);
    let mut ledger = scene.open();
    let courier = ledger.courier().expect("asked").expect("free");
    let later = Settled::Later {
        why: "no".to_owned(),
        after_seconds: None,
    };
    let mut next = |now: i64, how: &Settled, at: i64| {
        let parcel = ledger.claim(&courier, "hook", now).expect("asked")?;
        ledger.settle("hook", &parcel, how, at).expect("settled");
        let notice = parcel.notices.into_iter().next()?;
        Some(format!("{} {}", notice.event.as_str(), notice.service))
    };
    let sent = Settled::Sent { mark: None };
    assert_eq!(next(600, &later, 600).as_deref(), Some("new shop"));
    // The other service does not wait for it, its own growth does.
    assert_eq!(next(600, &sent, 600).as_deref(), Some("new cart"));
    assert_eq!(next(629, &sent, 629), None);
    assert_eq!(next(630, &later, 4 * 86_400).as_deref(), Some("new shop"));
    assert_eq!(next(630, &sent, 630).as_deref(), Some("grown shop"));
    assert_eq!(next(1 << 40, &sent, 0), None);
    let all = ledger.deliveries("aaaa000000000001").expect("listed");
    let states: Vec<&str> = all.iter().map(|it| it.state.as_str()).collect();
    assert_eq!(states, ["sent", "failed"]);
    assert_eq!(all[1].remark, "given up after 3 days: no");
    assert_eq!(ledger.troubled().expect("listed").len(), 1);
    let waits: Vec<i64> = (0..9)
        .map(|attempt| outbox::back_off(attempt, None))
        .collect();
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert_eq!(outbox::back_off(0, Some(500)), 500);
    assert_eq!(outbox::back_off(40, Some(u64::MAX)), 3600);
}

#[test]
fn there_is_one_courier_and_what_it_left_is_known_to_the_next() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 10 v1"]);
    let mut first = scene.open();
    let courier = first.courier().expect("asked").expect("free");
    let second = scene.open();
    assert!(second.courier().expect("asked").is_none());
    let parcel = first
        .claim(&courier, "hook", 60)
        .expect("asked")
        .expect("due");
    assert!(!parcel.interrupted);
    // As killed.
    drop((first, courier));
    let mut second = second;
    let courier = second.courier().expect("asked").expect("free");
    let again = second
        .claim(&courier, "hook", 60)
        .expect("asked")
        .expect("due");
    assert!(again.interrupted);
    assert_eq!(again.key, parcel.key);
}

#[test]
fn the_state_of_everything_replaces_what_was_not_sent() {
    let mut scene = Scene::new();
    scene.receivers[0].kind = Kind::Alertmanager {
        urls: Vec::new(),
        lasts_seconds: 60,
    };
    scene.sweep(0, &["shop 10 v1", "cart 10 v1"]);
    for minute in [10, 20, 30, 40] {
        scene.sweep(minute, &["cart 10 v1"]);
    }
    // One message, in which what was resolved two sweeps ago is still told.
    let gone = "resolved shop 3 sweeps in a row did not find it";
    assert_eq!(scene.outbox("hook", 6000), [format!("new cart, {gone}")]);
    assert_eq!(scene.open().deliveries("").expect("listed").len(), 1);
    scene.sweep(50, &["shop 10 v1", "cart 10 v1"]);
    let now = scene.outbox("hook", 6000);
    assert!(!now[0].contains("resolved shop"), "{now:?}");
}

#[test]
fn a_rehearsal_leaves_no_trace() {
    let scene = Scene::new();
    let (finding, facts) = found("shop 10 v1");
    let seen = [Seen {
        finding: &finding,
        facts: &facts,
        stack: &[Frame::new("main.f", "/src/main.go", 41)],
    }];
    let mut ledger = scene.open();
    let (changed, parcels) = ledger
        .rehearse(60, &seen, &Reached::default(), scene.telling())
        .expect("rehearsed");
    assert_eq!(changed.iter().map(shown).collect::<Vec<_>>(), ["new (new)"]);
    assert_eq!(parcels.len(), 1);
    assert_eq!(parcels[0].1.notices[0].stack[0].function, "main.f");
    assert_eq!(ledger.last_sweep().expect("read"), None);
    drop(ledger);
    assert_eq!(scene.outbox("hook", 60), [""; 0]);
}

#[test]
fn fingerprints_may_be_cut_short() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 10 v1", "cart 10 v1", "other 10 v1"]);
    let ledger = scene.open();
    assert_eq!(
        ledger.finding("BBBB", 0).expect("one").notice.service,
        "other"
    );
    let several = ledger.finding("aaaa", 0).expect_err("two").to_string();
    assert!(several.contains("start of 2 fingerprints"), "{several}");
    for unknown in ["cccc", "bbb", "bbbb*", "", "bbbb0000000000031"] {
        assert!(ledger.finding(unknown, 0).is_err(), "{unknown:?}");
    }
    let filter = Filter {
        service: Some("cart".to_owned()),
        ..Filter::default()
    };
    assert_eq!(ledger.findings(&filter, 0).expect("listed").len(), 1);
}

#[test]
fn what_targets_did_is_kept() {
    let scene = Scene::new();
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        breaker.failed("no route");
    }
    assert!(breaker.holds().is_some());
    let key = ("job".to_owned(), "i-1".to_owned());
    let well = ("job".to_owned(), "i-2".to_owned());
    let breakers = [(key, breaker), (well, Breaker::default())]
        .into_iter()
        .collect();
    let dumps = [("shop".to_owned(), 60)].into_iter().collect();
    scene.open().keep(&breakers, &dumps).expect("kept");
    let ledger = scene.open();
    assert_eq!(ledger.dumps().expect("read"), dumps);
    let mut kept = breakers;
    kept.retain(|_, breaker| *breaker != Breaker::default());
    assert_eq!(ledger.breakers().expect("read"), kept);
}

#[test]
fn what_is_no_ledger_is_refused_and_left_alone() {
    let refused = |make: &dyn Fn(&Path), word: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        make(&path);
        let before = fs::read(&path).expect("read");
        let error = Ledger::open(&path).expect_err(word).to_string();
        assert!(error.contains(word), "{error}");
        assert!(error.contains(FILE), "{error}");
        if !word.contains("tables") {
            assert_eq!(fs::read(&path).expect("read"), before, "{word}");
        }
    };
    let sql = |path: &Path, text: &str| {
        let connection = Connection::open(path).expect("opened");
        connection.execute_batch(text).expect("done");
    };
    let ledger = |path: &Path| drop(Ledger::open(path).expect("opened"));
    refused(
        &|path| fs::write(path, "not a database at all".repeat(90)).expect("written"),
        "no SQLite database",
    );
    refused(&|path| sql(path, "CREATE TABLE a (b)"), "another program");
    refused(
        &|path| sql(path, "PRAGMA application_id = 5"),
        "another program",
    );
    refused(
        &|path| {
            ledger(path);
            sql(path, "PRAGMA user_version = 99");
        },
        "it has version 99",
    );
    refused(
        &|path| {
            ledger(path);
            sql(
                path,
                "CREATE TRIGGER t AFTER INSERT ON sweeps BEGIN DELETE FROM findings; END",
            );
        },
        "its tables are not those of a ledger",
    );
    refused(
        &|path| {
            ledger(path);
            let mut bytes = fs::read(path).expect("read");
            let length = bytes.len();
            bytes[4096..length].fill(0xa5);
            fs::write(path, bytes).expect("written");
        },
        "damaged",
    );
}
