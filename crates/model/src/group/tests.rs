use super::*;
use crate::proof::{Awaited, Retention, Unreachable};
use crate::{Format, Identity, ProfileKind, Proof, Sample};

/// A sample of `count` goroutines; frames leaf first, each `FUNCTION FILE:LINE`.
fn sample(state: Option<&str>, frames: &[&str], count: u64) -> Sample {
    let frames = frames.iter().map(|text| frame(text)).collect();
    Sample {
        stack: Arc::new(Stack {
            frames,
            ..Stack::default()
        }),
        state: state.map(State::parse),
        count,
        leaked: 0,
        durable: false,
        locked_to_thread: None,
        proof: None,
        labels: Labels::default(),
        waits: None,
        identities: Identities {
            known: Vec::new(),
            elided: count,
        },
    }
}

fn frame(text: &str) -> Frame {
    let (function, place) = text.split_once(' ').unwrap();
    let (file, line) = place.split_once(':').unwrap();
    Frame::new(function, file, line.parse().unwrap())
}

/// Goroutines `ids`, each `ID` or `ID<PARENT`.
fn with_ids(mut sample: Sample, ids: &[&str]) -> Sample {
    let number = |text: &str| GoroutineId(text.parse().unwrap());
    let identity = |text: &&str| match text.split_once('<') {
        Some((id, parent)) => Identity {
            id: number(id),
            parent: Some(number(parent)),
        },
        None => Identity {
            id: number(text),
            parent: None,
        },
    };
    sample.identities = Identities {
        known: ids.iter().map(identity).collect(),
        elided: 0,
    };
    sample.count = ids.len() as u64;
    sample
}

fn created_by(mut sample: Sample, creator: &str) -> Sample {
    let mut stack = (*sample.stack).clone();
    stack.created_by = Some(frame(creator));
    sample.stack = Arc::new(stack);
    sample
}

fn snapshot(samples: Vec<Sample>) -> Snapshot {
    let mut snapshot = Snapshot::new(Format::Dump, ProfileKind::Goroutine);
    snapshot.samples = samples;
    snapshot
}

#[track_caller]
fn check(samples: Vec<Sample>, by: GroupBy, expected: &[&str]) {
    let snapshot = snapshot(samples);
    let groups = group(&snapshot, by);
    if by == GroupBy::Site {
        let numbers = site_numbers(&snapshot);
        for group in &groups {
            let of_group = |(at, number): (usize, &usize)| {
                (*number == numbers[group.samples[0]]).then_some(at)
            };
            let mut same: Vec<usize> = numbers.iter().enumerate().filter_map(of_group).collect();
            same.sort_by_key(|at| group.samples.iter().position(|one| one == at));
            assert_eq!(
                same, group.samples,
                "sites are numbered as they are grouped"
            );
        }
    }
    let shown: Vec<String> = groups
        .iter()
        .map(|group| {
            let site = &group.site;
            format!(
                "{} {} {}:{} {:?}",
                group.count, site.operation, site.function, site.line, group.samples
            )
        })
        .collect();
    assert_eq!(shown, expected);
}

fn mixed() -> Vec<Sample> {
    vec![
        created_by(
            sample(Some("chan send"), &["main.f a.go:12", "main.g a.go:30"], 2),
            "main.main.gowrap1 m.go:5",
        ),
        created_by(
            sample(Some("chan send"), &["main.f a.go:12", "main.h a.go:40"], 7),
            "main.main m.go:5",
        ),
        sample(Some("chan send"), &["main.f a.go:13"], 3),
        sample(Some("select"), &["main.f a.go:12"], 3),
        sample(Some("select"), &["main.f a.go:12", "main.g a.go:30"], 1),
    ]
}

#[test]
fn sites_stacks_creators_and_states_each_group_their_way() {
    check(
        mixed(),
        GroupBy::Site,
        &[
            "9 chan send main.f:12 [1, 0]",
            "4 select main.f:12 [3, 4]",
            "3 chan send main.f:13 [2]",
        ],
    );
    check(
        mixed(),
        GroupBy::Stack,
        &[
            "7 chan send main.f:12 [1]",
            "3 chan send main.f:13 [2]",
            "3 select main.f:12 [3]",
            "2 chan send main.f:12 [0]",
            "1 select main.f:12 [4]",
        ],
    );
    check(
        mixed(),
        GroupBy::Creator,
        &[
            "9 chan send main.f:12 [1, 0]",
            "7 chan send main.f:13 [2, 3, 4]",
        ],
    );
    check(
        mixed(),
        GroupBy::State,
        &[
            "12 chan send main.f:12 [1, 2, 0]",
            "4 select main.f:12 [3, 4]",
        ],
    );
    check(Vec::new(), GroupBy::Site, &[]);
    check(
        vec![sample(None, &[], 1)],
        GroupBy::Site,
        &["1 other :0 [0]"],
    );
}

#[test]
fn one_place_in_the_source_is_one_site_whatever_the_compiler_called_it() {
    let receive = |function: &str| sample(Some("chan receive"), &[function], 1);
    // One closure inlined into two callers, and not inlined (Go 1.26).
    check(
        vec![
            receive("main.main.Inl.func20 in.ner/a.go:27"),
            receive("main.main.func2.Inl.1 in.ner/a.go:27"),
            receive("a/in%2ener.Inl.func1 in.ner/a.go:27"),
        ],
        GroupBy::Site,
        &["3 chan receive main.main.Inl.func20:27 [0, 1, 2]"],
    );
    // A loop body likewise; instances of a generic function.
    check(
        vec![
            receive("main.a.body-range1 a.go:5"),
            receive("main.body-range1 a.go:5"),
            receive("main.G[go.shape.int] a.go:9"),
            receive("main.G[go.shape.string] a.go:9"),
        ],
        GroupBy::Site,
        &[
            "2 chan receive main.G[...]:9 [2, 3]",
            "2 chan receive main.a.body:5 [0, 1]",
        ],
    );
    // Near misses: another level, another file, another line, no line at all, a function of another package.
    check(
        vec![
            receive("main.f.func1 a.go:5"),
            receive("main.f.func1.1 a.go:5"),
            receive("main.f.func1 b.go:5"),
            receive("main.f.func1 a.go:6"),
            receive("main.f.func1 a.go:0"),
            receive("main.f.func2 a.go:0"),
            receive("a/b.F x.go:1"),
            receive("a/c.F x.go:1"),
        ],
        GroupBy::Site,
        &[
            "1 chan receive a/b.F:1 [6]",
            "1 chan receive a/c.F:1 [7]",
            "1 chan receive main.f.func1:0 [4]",
            "1 chan receive main.f.func1:5 [0]",
            "1 chan receive main.f.func1:6 [3]",
            "1 chan receive main.f.func1:5 [2]",
            "1 chan receive main.f.func1.1:5 [1]",
            "1 chan receive main.f.func2:0 [5]",
        ],
    );
}

#[test]
fn a_group_sums_up_what_its_samples_know() {
    let mut first = created_by(
        sample(
            Some("semacquire"),
            &["sync.(*Mutex).Lock m.go:1", "main.f a.go:12"],
            2,
        ),
        "main.b m.go:6",
    );
    let mut second = created_by(
        sample(
            Some("sync.Mutex.Lock"),
            &["sync.(*Mutex).Lock m.go:1", "main.f a.go:12"],
            5,
        ),
        "main.a m.go:5",
    );
    for (sample, minutes) in [(&mut first, 9), (&mut second, 1)] {
        let mut waits = Waits::default();
        waits.add(minutes, sample.count);
        sample.waits = Some(waits);
        sample.labels.add("svc", "checkout", sample.count);
        sample.leaked = 1;
    }
    first.stack = Arc::new(Stack {
        frames: vec![
            frame("sync.runtime_SemacquireMutex m.go:9"),
            frame("sync.(*Mutex).Lock m.go:1"),
            frame("main.f a.go:12"),
        ]
        .into(),
        ..(*first.stack).clone()
    });
    let groups = group(&snapshot(vec![first, second.clone()]), GroupBy::Site);
    let [group] = &groups[..] else {
        panic!("{groups:?}");
    };
    assert_eq!((group.count, group.leaked), (7, 2));
    assert_eq!(group.state, Some(State::parse("sync.Mutex.Lock")));
    assert_eq!(group.waits.as_ref().and_then(Waits::range), Some((1, 9)));
    assert_eq!(
        group.labels.common(7).collect::<Vec<_>>(),
        [("svc", "checkout")]
    );
    assert_eq!(group.created_by, Some(frame("main.a m.go:5")));
    assert_eq!(group.stack, second.stack);
    assert_eq!(group.identities.elided, 7);
    assert_eq!((group.orphans, group.creators), (None, None));
}

#[track_caller]
fn check_orphans(snapshot: &Snapshot, orphans: Option<u64>, creators: Option<u64>) {
    let groups = group(snapshot, GroupBy::Site);
    let site = groups
        .iter()
        .find(|group| &*group.site.function == "main.f")
        .unwrap();
    assert_eq!((site.orphans, site.creators), (orphans, creators));
}

#[test]
fn orphans_are_told_only_where_no_goroutine_can_be_missing() {
    let main = || with_ids(sample(Some("running"), &["main.main m.go:1"], 1), &["1"]);
    let leaked = |ids: &[&str]| with_ids(sample(Some("chan send"), &["main.f a.go:12"], 1), ids);
    let whole = snapshot(vec![main(), leaked(&["7<1", "8<5", "9<5"])]);
    check_orphans(&whole, Some(2), Some(2));

    let mut cut = whole.clone();
    cut.truncated = true;
    check_orphans(&cut, None, Some(2));
    let mut damaged = whole.clone();
    damaged
        .problems
        .push(crate::Problem::new("a goroutine was lost"));
    check_orphans(&damaged, None, Some(2));
    let mut elided = whole.clone();
    elided.samples[0].identities.elided = 1;
    check_orphans(&elided, None, Some(2));
    // A panic that prints one goroutine only.
    check_orphans(&snapshot(vec![leaked(&["7<1"])]), None, Some(1));
    // Go 1.20 and earlier print no creators.
    check_orphans(&snapshot(vec![main(), leaked(&["7", "8"])]), None, None);
    // Nobody is missing.
    check_orphans(
        &snapshot(vec![main(), leaked(&["7<1", "8<7"])]),
        Some(0),
        Some(2),
    );
}

fn proven(mut sample: Sample, proof: Proof) -> Sample {
    sample.proof = Some(Arc::new(proof));
    sample
}

/// Leaked, of the snapshot's site `site`, waiting together with `waiters` in all.
fn leaked(site: usize, waiters: u64) -> Proof {
    Proof::Unreachable(Unreachable {
        site,
        objects: vec![Awaited {
            description: "chan int (cap 0)".to_owned(),
            address: 0xc000_0010,
            buffer: Some((0, 0)),
            waiters,
        }],
        cause: Vec::new(),
    })
}

/// One line a group: count, then each result with its goroutines and what is retained.
#[track_caller]
fn check_proven(snapshot: &Snapshot, by: GroupBy, expected: &[&str]) {
    let groups = group(snapshot, by);
    let shown = groups.iter().map(|group| {
        let results = group.proven.iter();
        let results: Vec<String> = results
            .map(|one| format!("{} {}", one.count, one.proof.result()))
            .collect();
        let retained = group.retained.as_ref().map(|one| {
            assert_eq!(group.retained_bytes, Some(one.bytes()));
            format!("; {} bytes, {:?}", one.bytes(), one.types)
        });
        format!(
            "{}: {}{}",
            group.count,
            results.join(", "),
            retained.unwrap_or_default()
        )
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_proven_is_counted_by_result() {
    let at = |frames: &[&str], count| sample(Some("chan send"), frames, count);
    let (f, g) = (["main.f a.go:12"], ["main.g a.go:30"]);
    let mut snapshot = snapshot(vec![
        proven(at(&f, 2), leaked(0, 1)),
        proven(at(&f, 9), Proof::Reachable(Vec::new())),
        proven(at(&["main.f a.go:12", "main.h a.go:4"], 3), leaked(0, 1)),
        proven(at(&f, 1), Proof::Inconclusive("unreadable".to_owned())),
        proven(at(&g, 5), leaked(1, 1)),
        at(&g, 4),
    ]);
    let of = |goroutines, stack_bytes, types: &[(&str, u64, u64)]| Retained {
        goroutines,
        stack_bytes,
        heap_bytes: types.iter().map(|one| one.2).sum(),
        types: types
            .iter()
            .map(|(name, objects, bytes)| ((*name).to_owned(), *objects, *bytes))
            .collect(),
    };
    snapshot.retention = Some(Box::new(Retention {
        sites: vec![
            of(5, 100, &[("A", 5, 40), ("B", 1, 30)]),
            of(5, 10, &[("B", 2, 60)]),
        ],
        shared_bytes: 7,
        live_bytes: 900,
    }));
    check_proven(
        &snapshot,
        GroupBy::Site,
        &[
            r#"15: 5 unreachable, 9 reachable, 1 inconclusive; 170 bytes, [("A", 5, 40), ("B", 1, 30)]"#,
            r#"9: 5 unreachable; 70 bytes, [("B", 2, 60)]"#,
        ],
    );
    check_proven(
        &snapshot,
        GroupBy::State,
        &[
            r#"24: 10 unreachable, 9 reachable, 1 inconclusive; 240 bytes, [("B", 3, 90), ("A", 5, 40)]"#,
        ],
    );
    // What a part of a site's goroutines holds is not known.
    check_proven(
        &snapshot,
        GroupBy::Stack,
        &[
            "12: 2 unreachable, 9 reachable, 1 inconclusive",
            r#"9: 5 unreachable; 70 bytes, [("B", 2, 60)]"#,
            "3: 3 unreachable",
        ],
    );
}

#[test]
fn a_main_goroutine_that_keeps_the_program_alive_is_not_counted() {
    let main = |state: &str, proof: Proof| {
        let frames = ["main.main m.go:9"];
        let snapshot = snapshot(vec![proven(sample(Some(state), &frames, 1), proof)]);
        group(&snapshot, GroupBy::Site)[0].unreachable()
    };
    let nothing = || Proof::Unreachable(Unreachable::default());
    assert_eq!(main("select (no cases)", nothing()), 0);
    assert_eq!(main("chan receive (nil chan)", nothing()), 0);
    assert_eq!(main("chan receive", leaked(0, 1)), 0);
    // It waits with others for the same, for a lock, or somebody is to blame: then it is stuck.
    assert_eq!(main("chan receive", leaked(0, 2)), 1);
    assert_eq!(main("sync.Mutex.Lock", leaked(0, 1)), 1);
    let mut blamed = Unreachable::default();
    blamed.cause.push(crate::proof::Blame {
        goroutine: GoroutineId(7),
        why: "has the channel on its stack".to_owned(),
    });
    assert_eq!(main("chan receive", Proof::Unreachable(blamed)), 1);
}
