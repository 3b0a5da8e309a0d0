use std::sync::Arc;

use super::*;
use crate::{Format, ProfileKind, Stack, Waits};

fn frame(function: &str) -> Frame {
    Frame::new(function, "/src/a.go", 7)
}

fn sample(state: Option<&str>, functions: &[&str], created_by: Option<&str>) -> Sample {
    Sample {
        stack: Arc::new(Stack {
            frames: functions.iter().map(|name| frame(name)).collect(),
            created_by: created_by.map(frame),
            ..Stack::default()
        }),
        state: state.map(State::parse),
        count: 3,
        leaked: 0,
        durable: false,
        locked_to_thread: None,
        proof: None,
        labels: Default::default(),
        waits: None,
        identities: Default::default(),
    }
}

fn states(words: &[&str]) -> Filter {
    Filter {
        states: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Filter::default()
    }
}

#[track_caller]
fn check_state(word: &str, state: Option<&str>, functions: &[&str], expected: bool) {
    let filter = states(&[word]);
    let sample = sample(state, functions, None);
    let candidate = Candidate {
        state: sample.state.as_ref(),
        wait_minutes: None,
        labels: &[],
    };
    let admitted = filter.admits(&candidate) && filter.admits_sample(&sample);
    assert_eq!(admitted, expected, "{word:?} of {state:?} {functions:?}");
    // A decoder may never drop what the stack would admit.
    assert!(filter.admits(&candidate) || !filter.admits_sample(&sample));
}

#[test]
fn states_are_asked_in_the_words_of_the_dump_or_of_the_report() {
    let wait_group = &[
        "sync.runtime_Semacquire",
        "sync.(*WaitGroup).Wait",
        "main.f",
    ][..];
    check_state("chan send", Some("chan send"), &["main.f"], true);
    check_state("Chan Send", Some("chan send"), &["main.f"], true);
    check_state("chan send", Some("chan receive"), &["main.f"], false);
    check_state(
        "sync.Mutex.Lock",
        Some("sync.Mutex.Lock"),
        &["main.f"],
        true,
    );
    check_state("mutex lock", Some("sync.Mutex.Lock"), &["main.f"], true);
    check_state(
        "nil chan send",
        Some("chan send (nil chan)"),
        &["main.f"],
        true,
    );
    check_state(
        "chan send",
        Some("chan send (nil chan)"),
        &["main.f"],
        false,
    );
    check_state("semacquire", Some("semacquire"), wait_group, true);
    check_state("wait group", Some("semacquire"), wait_group, true);
    check_state("mutex lock", Some("semacquire"), wait_group, false);
    check_state("wait group", None, wait_group, true);
    check_state("semacquire", None, wait_group, false);
    check_state("running", Some("running"), &["main.f"], true);
    check_state("io wait", Some("IO wait"), &["main.f"], true);
}

#[test]
fn a_group_is_kept_if_its_operation_can_be_meant() {
    assert!(states(&[]).admits_operation(Operation::Other));
    assert!(states(&["semacquire"]).admits_operation(Operation::WaitGroup));
    assert!(states(&["sync.Mutex.Lock"]).admits_operation(Operation::MutexLock));
    assert!(states(&["select"]).admits_operation(Operation::Select));
    assert!(!states(&["select"]).admits_operation(Operation::SelectNoCases));
}

#[test]
fn waits_and_labels_decide_for_each_goroutine() {
    let mut filter = Filter {
        min_wait_minutes: Some(5),
        max_wait_minutes: Some(10),
        ..Filter::default()
    };
    let waited = |filter: &Filter, wait_minutes| {
        filter.admits(&Candidate {
            state: None,
            wait_minutes,
            labels: &[("svc", "checkout"), ("zone", "")],
        })
    };
    for (minutes, expected) in [
        (Some(4), false),
        (Some(5), true),
        (Some(10), true),
        (Some(11), false),
        (None, false),
    ] {
        assert_eq!(waited(&filter, minutes), expected, "{minutes:?}");
    }
    for (label, expected) in [
        ("svc", true),
        ("svc=checkout", true),
        ("svc=cart", false),
        ("zone=", true),
        ("zon", false),
    ] {
        filter.labels = vec![parse_label(label).unwrap()];
        assert_eq!(waited(&filter, Some(7)), expected, "{label}");
    }
}

#[test]
fn functions_and_creators_are_matched_by_canonical_name_and_keep_counts() {
    let mut snapshot = Snapshot::new(Format::Dump, ProfileKind::Goroutine);
    snapshot.samples = vec![
        sample(
            None,
            &["runtime.gopark", "a/b%2ev2.F[go.shape.int]"],
            Some("main.start.gowrap1"),
        ),
        sample(None, &["runtime.gopark", "a/c.G"], None),
    ];
    let count = |functions: &[&str], created_by: &[&str]| {
        let patterns = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| parse_pattern(text).unwrap())
                .collect()
        };
        let filter = Filter {
            functions: patterns(functions),
            created_by: patterns(created_by),
            ..Filter::default()
        };
        let mut left = snapshot.clone();
        filter.apply(&mut left);
        left.goroutines()
    };
    assert_eq!(count(&[], &[]), 6);
    assert_eq!(count(&[r"^a/b\.v2\.F\[\.\.\.\]$"], &[]), 3);
    assert_eq!(count(&["gopark"], &[]), 6);
    assert_eq!(count(&["nowhere", "G$"], &[]), 3);
    assert_eq!(count(&[], &[r"^main\.start$"]), 3);
    assert_eq!(count(&["G$"], &["main"]), 0);
}

#[test]
fn waits_are_read_in_whole_minutes() {
    for (text, expected) in [
        ("10m", Some(10)),
        ("2h", Some(120)),
        ("1d", Some(1440)),
        ("1h30m", Some(90)),
        ("15", Some(15)),
        ("0", Some(0)),
        ("", None),
        ("m", None),
        ("90s", None),
        ("1h30", None),
        ("-5m", None),
        ("99999999999m", None),
        ("4294967295h", None),
    ] {
        assert_eq!(parse_wait_minutes(text).ok(), expected, "{text:?}");
    }
    let error = parse_wait_minutes("90s").unwrap_err().to_string();
    assert!(
        error.contains("90s") && error.contains("seconds") && error.contains("10m"),
        "{error}"
    );
}

#[test]
fn words_that_mean_no_state_are_refused_with_a_hint() {
    assert_eq!(parse_state("Mutex Lock").as_deref(), Ok("mutex lock"));
    assert_eq!(parse_state("SEMACQUIRE").as_deref(), Ok("semacquire"));
    assert_eq!(
        parse_state("finalizer wait").as_deref(),
        Ok("finalizer wait")
    );
    let error = parse_state("mutex").unwrap_err().to_string();
    assert!(error.contains("did you mean \"mutex lock\""), "{error}");
    assert!(parse_state("").is_err());
    assert!(parse_label("=x").is_err());
    assert!(parse_pattern("(").is_err());
}

#[test]
fn every_order_is_total() {
    let mut snapshot = Snapshot::new(Format::Dump, ProfileKind::Goroutine);
    for (function, count, minutes) in [
        ("main.b", 5, None),
        ("main.a", 5, Some(3)),
        ("main.c", 9, Some(1)),
    ] {
        let mut one = sample(Some("chan send"), &[function], None);
        one.count = count;
        one.waits = minutes.map(|minutes| {
            let mut waits = Waits::default();
            waits.add(minutes, count);
            waits
        });
        snapshot.samples.push(one);
    }
    let order = |sort: Sort| {
        let mut groups = crate::group::group(&snapshot, GroupBy::Site);
        for group in &mut groups {
            if &*group.site.function == "main.b" {
                group.verdict = crate::Verdict::Leak;
            }
        }
        groups.reverse();
        sort.apply(&mut groups);
        let names: Vec<_> = groups
            .iter()
            .map(|group| group.site.function.replace("main.", ""))
            .collect();
        names.concat()
    };
    assert_eq!(order(Sort::Verdict), "bca");
    assert_eq!(order(Sort::Count), "cab");
    assert_eq!(order(Sort::Wait), "acb");
    assert_eq!(order(Sort::Function), "abc");
}
