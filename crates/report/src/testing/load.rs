//! Rounds of requests for tests.

use gorphan_model::load::{LoadTrend, Round, judge};
use gorphan_model::verdict::Policy;
use gorphan_model::{Format, Operation, Problem, ProfileKind, Snapshot, State};

use super::{Draft, frame, target};
use crate::{Document, LoadReport};

/// Rounds of requests at a service with a leak, a pool and a site that comes and goes.
pub(crate) fn sample_load() -> LoadTrend {
    let site = |function: &str, line, count| {
        let draft = Draft {
            operation: Operation::ChanSend,
            state: State::parse("chan send"),
            frames: vec![frame(function, "/src/shop/handlers.go", line)],
            created_by: None,
            count,
            minutes: &[(0, 1)],
            first_id: 10,
            labels: &[],
        };
        draft.build(0).0
    };
    let counts = [
        (0, 0, 0),
        (5, 8, 2),
        (8, 8, 0),
        (14, 8, 3),
        (23, 8, 1),
        (35, 8, 0),
        (50, 8, 2),
    ];
    let made = [0, 5, 3, 6, 9, 12, 15];
    let mut snapshots = Vec::new();
    let mut rounds = Vec::new();
    for (index, ((leak, pool, other), requests)) in counts.into_iter().zip(made).enumerate() {
        let mut snapshot = Snapshot::new(Format::Protobuf, ProfileKind::Goroutine);
        let sites = [
            ("main.leak.func1", 24, leak),
            ("main.work", 30, pool),
            ("main.tick", 41, other),
        ];
        let sites = sites.into_iter().filter(|(.., count)| *count > 0);
        snapshot.samples = sites
            .map(|(name, line, count)| site(name, line, count))
            .collect();
        rounds.push(Round {
            requests,
            failed: u64::from(index == 3),
            warm_up: index == 1,
            seconds: requests as f64 / 100.0,
            settled_seconds: (index != 5).then_some(0.7),
            goroutines: 4 + leak + pool + other,
            heap_bytes: Some(200_000 + leak * 700),
        });
        snapshots.push(snapshot);
    }
    judge(rounds, &snapshots, &Policy::default())
}

/// The result of a `load`.
pub(crate) fn load(trend: &LoadTrend) -> Document<'_> {
    Document::Load(LoadReport {
        target: target("shop:6060", 1_767_225_600),
        trend,
        problems: vec![Problem::new(
            "the service did not come to rest within 10 s of a round",
        )],
    })
}
