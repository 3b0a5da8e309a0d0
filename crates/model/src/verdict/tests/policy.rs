//! What a policy and the list of background goroutines dismiss.

use super::*;

#[test]
fn background_goroutines_are_dismissed_up_to_their_usual_number() {
    let janitors = |count: u64| {
        format!(
            "{count} select 9m | github.com/patrickmn/go-cache.(*janitor).Run | github.com/patrickmn/go-cache.runJanitor @ended"
        )
    };
    let site = "orphaned-waiters N: github.com/patrickmn/go-cache.(*janitor).Run";
    check(
        &janitors(100),
        &format!("normal: {} (benign)", site.replace('N', "100")),
    );
    check(
        &janitors(101),
        &format!("suspect: {}", site.replace('N', "101")),
    );
    // The writing half of HTTP connections has no usual number.
    check(
        "500 select 9m | net/http.(*persistConn).writeLoop | net/http.(*Transport).dialConn @ended",
        "normal: orphaned-waiters 500: net/http.(*persistConn).writeLoop (benign)",
    );
}

#[test]
fn the_runtime_s_report_is_never_benign() {
    let mut profile = draw(
        Format::Protobuf,
        "1 select | net/http.(*persistConn).writeLoop",
    );
    profile.profile = ProfileKind::GoroutineLeak;
    assert_eq!(
        told(&profile, &Policy::default()),
        "leak: runtime-reported 1: net/http.(*persistConn).writeLoop"
    );
}

/// Three abandoned senders in `a.com/m.f.func1`, judged under `policy`.
fn told_under(policy: &Policy) -> String {
    let senders = "3 chan send | a.com/m.f.func1 b.com/lib.Run | a.com/m.f @ended";
    told(
        &draw(Format::Dump, &format!("{BACKDROP}\n{senders}\n{BUSY}")),
        policy,
    )
}

const FOUND: &str = "suspect: abandoned-senders 3: a.com/m.f.func1";

#[test]
fn own_code_is_on_the_stack_or_creates() {
    let own = |modules: &[&str]| {
        told_under(&Policy {
            own: modules.iter().map(|&module| module.to_owned()).collect(),
            ..Policy::default()
        })
    };
    let dismissed = "normal: abandoned-senders 3: a.com/m.f.func1 (not own code)";
    assert_eq!(own(&["a.com/m"]), FOUND);
    assert_eq!(own(&["c.com/x", "b.com/lib"]), FOUND);
    assert_eq!(own(&["a.com/mm"]), dismissed);
}

#[test]
fn an_ignore_rule_applies_until_it_expires() {
    let rule = IgnoreRule {
        function: Some("a.com/m.f*".to_owned()),
        reason: Some("known".to_owned()),
        expires: Date::parse("2027-06-30"),
        ..IgnoreRule::default()
    };
    let on = |day: &str, strict: bool, rule: &IgnoreRule| Policy {
        ignore: vec![rule.clone()],
        today: Date::parse(day),
        strict,
        ..Policy::default()
    };
    let dismissed = "normal: abandoned-senders 3: a.com/m.f.func1 (ignored)";
    let last_day = on("2027-06-30", true, &rule);
    assert_eq!(told_under(&last_day), dismissed);
    assert_eq!(last_day.problems(), []);
    let day_after = on("2027-07-01", false, &rule);
    assert_eq!(told_under(&day_after), FOUND);
    assert_eq!(
        day_after.problems()[0].message,
        "the ignore rule for function \"a.com/m.f*\" expired on 2027-06-30 and no longer applies: fix the leak, or set a new date"
    );
    let bare = IgnoreRule {
        reason: None,
        expires: None,
        ..rule
    };
    assert_eq!(told_under(&on("2027-07-01", false, &bare)), dismissed);
    let strict = on("2027-07-01", true, &bare);
    assert_eq!(told_under(&strict), FOUND);
    assert_eq!(
        strict.problems()[0].message,
        "the ignore rule for function \"a.com/m.f*\" has no reason and expires, which --strict demands; it does not apply"
    );
    let empty = on("2027-07-01", false, &IgnoreRule::default());
    assert_eq!(
        (told_under(&empty), empty.problems().len()),
        (FOUND.to_owned(), 1)
    );
}

#[test]
fn a_baseline_dismisses_up_to_its_count_and_a_tenth() {
    let senders = |count: u64| {
        let senders = format!("{count} chan send | a.com/m.f.func1 | a.com/m.f @ended");
        draw(Format::Dump, &format!("{BACKDROP}\n{senders}\n{BUSY}"))
    };
    let snapshot = senders(20);
    let mut groups = group(&snapshot, GroupBy::Site);
    judge(&snapshot, &mut groups, &Policy::default());
    let baseline = Baseline::of(&groups);
    assert_eq!(baseline.sites.len(), 1);
    let policy = Policy {
        baseline: Some(baseline.clone()),
        ..Policy::default()
    };
    let site = "a.com/m.f.func1";
    let dismissed = format!("normal: abandoned-senders 22: {site} (baseline)");
    assert_eq!(told(&senders(22), &policy), dismissed);
    let grown = format!("suspect: abandoned-senders 23: {site}");
    assert_eq!(told(&senders(23), &policy), grown);
    // A baseline that is written again keeps what it dismissed.
    judge(&snapshot, &mut groups, &policy);
    assert_eq!(Baseline::of(&groups), baseline);
}
