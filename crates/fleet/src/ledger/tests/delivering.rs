//! What waits in the outbox, and for whom.

use super::*;

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
