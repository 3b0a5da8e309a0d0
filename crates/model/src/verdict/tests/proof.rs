//! What a proof does to verdicts, and what is told of it.

use super::*;
use crate::Proof;
use crate::proof::{Awaited, Blame, Step, Unreachable};

/// What a drawing says of a proof:
///
/// - `unreachable OBJECT, OBJECT... | 7 WHY; 8 WHY`: objects as `TYPE*WAITERS`, and after a `!` who is to blame;
/// - `reachable STEP, STEP...`, root first;
/// - `inconclusive WHY`.
pub(super) fn drawn(text: &str) -> Proof {
    let (result, rest) = text.split_once(' ').unwrap_or((text, ""));
    let words = |text: &str, separator: char| -> Vec<String> {
        let parts = text.split(separator).map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match result {
        "unreachable" => {
            let (objects, cause) = rest.split_once('!').unwrap_or((rest, ""));
            let object = |(index, text): (u64, String)| {
                let (name, waiters) = text.split_once('*').unwrap_or((&text, "1"));
                Awaited {
                    description: name.to_owned(),
                    address: 0xc000_0000_1000 + index * 0x60,
                    buffer: None,
                    waiters: waiters.parse().unwrap(),
                }
            };
            let blame = |text: String| {
                let (id, why) = text.split_once(' ').unwrap();
                Blame {
                    goroutine: GoroutineId(id.parse().unwrap()),
                    why: why.to_owned(),
                }
            };
            Proof::Unreachable(Unreachable {
                site: 0,
                objects: (0..).zip(words(objects, ',')).map(object).collect(),
                cause: words(cause, ';').into_iter().map(blame).collect(),
            })
        }
        "reachable" => {
            let step = |description: String| Step {
                description,
                address: 0xc000_0000_2000,
            };
            Proof::Reachable(words(rest, ',').into_iter().map(step).collect())
        }
        "inconclusive" => Proof::Inconclusive(rest.to_owned()),
        other => panic!("no proof is {other:?}"),
    }
}

#[test]
fn a_proof_that_nobody_can_wake_them_is_a_leak() {
    let waits = |proof: &str| format!("2 chan receive | main.f | main.g @1 | {proof}");
    check(
        &waits("unreachable chan int"),
        "leak: unreachable 2: main.f",
    );
    // Neither the reach of something nor a doubt accuses, however idle they look.
    check(
        &waits("reachable global main.bus"),
        "normal: reachable 2: main.f",
    );
    check(
        &waits("inconclusive a span is unreadable"),
        "normal: inconclusive 2: main.f",
    );
    // Some of a site.
    check(
        &format!(
            "{}\n{}\n{}",
            waits("unreachable chan int"),
            waits("reachable global main.bus"),
            waits("inconclusive a span is unreadable")
        ),
        "leak: unreachable 2, reachable 2, inconclusive 2: main.f",
    );
}

#[test]
fn what_is_reachable_is_judged_by_the_other_rules_as_ever() {
    check(
        "3 chan send 2m | main.f | main.g @1 | reachable global main.bus, field ch of *main.Bus",
        "suspect: reachable 3, stale-senders 3: main.f",
    );
    check(
        "2 chan send 2m | main.f | main.g @1 | reachable global main.bus",
        "normal: reachable 2: main.f",
    );
}

#[test]
fn main_may_park_for_ever() {
    let main = |state: &str, proof: &str| {
        let snapshot = draw(
            Format::Dump,
            &format!("#1 1 {state} | main.main | | {proof}"),
        );
        told(&snapshot, &Policy::default())
    };
    assert_eq!(main("select (no cases)", "unreachable"), "");
    assert_eq!(main("chan receive (nil chan)", "unreachable"), "");
    assert_eq!(main("chan receive", "unreachable chan int"), "");
    assert_eq!(
        main("chan receive", "unreachable chan int*2"),
        "leak: unreachable 1: main.main"
    );
}

#[test]
fn a_proof_goes_before_our_list_and_after_the_user_s_rules() {
    let idle = "1 select | net/http.(*persistConn).writeLoop | net/http.(*Transport).dialConn @1 | unreachable chan int";
    check(
        idle,
        "leak: unreachable 1: net/http.(*persistConn).writeLoop",
    );
    let snapshot = draw(Format::Dump, &format!("{BACKDROP}\n{idle}"));
    let under = |policy: &Policy| told(&snapshot, policy);
    let own = Policy {
        own: vec!["a.com/m".to_owned()],
        ..Policy::default()
    };
    let site = "unreachable 1: net/http.(*persistConn).writeLoop";
    assert_eq!(under(&own), format!("normal: {site} (not own code)"));
    let ignore = Policy {
        ignore: vec![IgnoreRule {
            function: Some("net/http.*".to_owned()),
            ..IgnoreRule::default()
        }],
        ..Policy::default()
    };
    assert_eq!(under(&ignore), format!("normal: {site} (ignored)"));
    let mut groups = group(&snapshot, GroupBy::Site);
    judge(&snapshot, &mut groups, &Policy::default());
    let known = Policy {
        baseline: Some(Baseline::of(&groups)),
        ..Policy::default()
    };
    assert_eq!(under(&known), format!("normal: {site} (baseline)"));
}

#[test]
fn a_baseline_does_not_learn_what_is_reachable() {
    let snapshot = draw(
        Format::Dump,
        "2 select | main.f | main.g @1 | reachable global main.bus",
    );
    let mut groups = group(&snapshot, GroupBy::Site);
    judge(&snapshot, &mut groups, &Policy::default());
    assert_eq!(Baseline::of(&groups).sites, []);
}

#[test]
fn what_both_the_runtime_and_the_proof_say_is_counted_once() {
    let mut snapshot = draw(
        Format::Dump,
        "3 select | main.f | main.g @1 | unreachable chan int\n2 select | main.f | main.g @1 | reachable global main.x",
    );
    snapshot.samples[0].leaked = 2;
    let mut groups = group(&snapshot, GroupBy::Site);
    let findings = judge(&snapshot, &mut groups, &Policy::default());
    assert_eq!((findings[0].count, groups[0].found()), (3, 3));
    assert_eq!(
        told(&snapshot, &Policy::default()),
        "leak: runtime-reported 2, unreachable 3, reachable 2: main.f"
    );
}

#[test]
fn a_suspended_iterator_has_a_code_of_its_own() {
    let snapshot = draw(
        Format::Dump,
        "1 coroutine | iter.Pull[...].func1.1 main.lines.func1 iter.Pull[...].func1 | iter.Pull[...] @1 | unreachable coroutine",
    );
    let mut groups = group(&snapshot, GroupBy::Site);
    let findings = judge(&snapshot, &mut groups, &Policy::default());
    assert_eq!(findings[0].code, "GR1019");
    assert_eq!(&*findings[0].place.function, "main.lines.func1");
    assert!(findings[0].help.contains("defer stop()"));
}

#[test]
fn messages() {
    let text = |drawing: &str| {
        let snapshot = draw(Format::Dump, &format!("{BACKDROP}\n{drawing}"));
        let mut groups = group(&snapshot, GroupBy::Site);
        let findings = judge(&snapshot, &mut groups, &Policy::default());
        let shown: Vec<String> = findings.iter().map(|it| it.message.clone()).collect();
        assert!(!shown.is_empty(), "{drawing}");
        shown.join("\n")
    };
    let send = "chan send 7m | main.first.func1 | main.first @ended";
    let lock = "sync.Mutex.Lock | main.(*store).get | main.serve @1";
    let holder = "#12 1 chan send | main.(*store).flush | main.serve @1 | unreachable chan int";
    insta::assert_snapshot!(
        [
            text(&format!("1248 {send} | unreachable chan main.Quote (cap 0)")),
            text(&format!("1 {send} | unreachable chan main.Quote (cap 0)")),
            text(&format!(
                "12 {send} | unreachable chan int (cap 0)*12\n28 {send} | reachable global main.bus"
            )),
            text("3 select | main.(*hub).run | main.newHub @1 | unreachable chan int*3, chan bool*3, chan struct {}*3, chan error*3, chan any*3"),
            text("3 chan receive (nil chan) | main.watch | main.start @1 | unreachable"),
            text("2 select (no cases) | main.park | main.start @1 | unreachable"),
            text("1 semacquire | main.park | main.start @1 | unreachable"),
            text(&format!("6 {lock} | unreachable sync.Mutex*6 ! 12 holds the lock\n{holder}")),
            text(&format!(
                "6 {lock} | unreachable sync.Mutex*6 ! 40 holds the lock; 41 has the channel on its stack; 12 holds the lock\n{holder}"
            )),
            text(&format!(
                "6 {lock} | unreachable sync.Mutex*6 ! 12 has the lock on its stack; 3 reaches the channel, which makes the wait circular\n{holder}"
            )),
            text(&format!("6 {lock} | unreachable sync.Mutex*6 ! 77 holds the lock")),
            text(&format!("3 {send} | reachable global main.bus, field ch of *main.Bus")),
            text(&format!(
                "2 {send} | reachable 1, 2, 3, 4, 5, 6, 7, 8\n1 {send} | inconclusive a span is unreadable"
            )),
            text("1 coroutine | main.lines.func1 iter.Pull[...].func1 | iter.Pull[...] @1 | unreachable coroutine"),
        ]
        .join("\n\n")
    );
}
