//! A program whose memory was read: proven leaks of several kinds, what they hold, and what is still held. The stacks and
//! proofs are made by hand; verdicts and messages are the judge's, so that what users read is what is looked at here.

use std::sync::Arc;

use gorphan_model::group::group;
use gorphan_model::proof::{Awaited, Blame, Retained, Retention, Step, Unreachable, Waiting, Why};
use gorphan_model::query::{GroupBy, Sort};
use gorphan_model::verdict::{Policy, judge};
use gorphan_model::{
    Format, GoroutineId, Identities, Identity, Labels, ProfileKind, Proof, Sample, Snapshot, Stack,
    State, Waits,
};

use super::{Fixture, HOSTILE, frame, sample_quiet};
use crate::{Document, WhyReport};

/// Leaked senders with a channel each, a lock held by a leaked goroutine, a select of which some are reachable, a nil channel,
/// goroutines that a global holds, and one that was not decided.
pub(crate) fn sample_proof() -> Fixture {
    let mut snapshot = Snapshot::new(Format::Memory, ProfileKind::Goroutine);
    snapshot.go_version = Some("go1.27.3".to_owned());
    let send = [
        "runtime.gopark /usr/local/go/src/runtime/proc.go:435",
        "runtime.chansend1 /usr/local/go/src/runtime/chan.go:161",
        "example.com/shop.(*Server).quote.func1 /src/shop/server.go:42",
    ];
    let quote = "example.com/shop.(*Server).quote /src/shop/server.go:41";
    let serve = "example.com/shop.(*Server).serve /src/shop/server.go:12";
    let lock = [
        "sync.(*Mutex).lockSlow /usr/local/go/src/sync/mutex.go:149",
        "example.com/shop/stock.(*Store).Get /src/shop/stock/store.go:30",
    ];
    let flush = ["example.com/shop/stock.(*Store).flush /src/shop/stock/store.go:77"];
    let follow = ["example.com/shop/bus.(*Bus).follow /src/shop/bus/bus.go:19"];
    let hostile = format!("{HOSTILE} /src/x.go:3");
    snapshot.samples = vec![
        sample(
            1250,
            "chan send",
            &send,
            quote,
            unreachable(0, &["chan shop.Quote (cap 0)"]),
        ),
        sample(6, "sync.Mutex.Lock", &lock, serve, locked()),
        sample(
            1,
            "chan send",
            &flush,
            serve,
            unreachable(2, &["chan int (cap 4)"]),
        ),
        sample(
            12,
            "select",
            &follow,
            serve,
            unreachable(3, &["chan bus.Event (cap 8)", "chan struct {} (cap 0)"]),
        ),
        sample(28, "select", &follow, serve, held()),
        sample(
            3,
            "chan receive (nil chan)",
            &[&hostile],
            serve,
            unreachable(4, &[]),
        ),
        sample(
            20,
            "chan receive",
            &["example.com/shop.(*pool).work /src/shop/pool.go:8"],
            "example.com/shop.newPool /src/shop/pool.go:4",
            Proof::Reachable(vec![step("goroutine 1 in main.main")]),
        ),
        sample(
            2,
            "chan receive",
            &["example.com/shop.(*timer).wait /src/shop/timer.go:8"],
            serve,
            Proof::Inconclusive("its stack cannot be read at 0xc000800000".to_owned()),
        ),
    ];
    number(&mut snapshot);
    snapshot.retention = Some(Box::new(retention()));
    let mut groups = group(&snapshot, GroupBy::Site);
    let findings = judge(&snapshot, &mut groups, &Policy::default());
    Sort::Verdict.apply(&mut groups);
    Fixture {
        snapshot,
        groups,
        findings,
        ..sample_quiet()
    }
}

/// One goroutine asked about, in the program of [`sample_proof`].
pub(crate) struct WhyFixture {
    fixture: Fixture,
    goroutine: GoroutineId,
    why: Option<Why>,
}

impl WhyFixture {
    pub(crate) fn document(&self) -> Document<'_> {
        Document::Why(WhyReport {
            target: super::target("4711", 1_767_225_600),
            snapshot: &self.fixture.snapshot,
            goroutine: self.goroutine,
            why: self.why.as_ref(),
            problems: Vec::new(),
        })
    }
}

/// Number 1260 waits for a lock that a leaked sender holds.
pub(crate) fn sample_why() -> WhyFixture {
    let Proof::Unreachable(leak) = locked() else {
        panic!("it is leaked");
    };
    let waiting = |id: u64, objects: &[Awaited], blames: &[Blame]| Waiting {
        goroutine: GoroutineId(id),
        objects: objects.to_vec(),
        blames: blames.to_vec(),
    };
    let Proof::Unreachable(sends) = unreachable(2, &["chan int (cap 4)"]) else {
        panic!("it is leaked");
    };
    WhyFixture {
        fixture: sample_proof(),
        goroutine: GoroutineId(1260),
        why: Some(Why {
            goroutine: GoroutineId(1260),
            objects: leak.objects.clone(),
            others: (1261..1266).chain(7000..7030).map(GoroutineId).collect(),
            waits: vec![
                waiting(1260, &leak.objects, &leak.cause),
                waiting(1266, &sends.objects, &[]),
            ],
            proof: Some(Proof::Unreachable(leak)),
            retained: retention().sites.into_iter().next(),
        }),
    }
}

/// Number 1280 waits for what a global holds.
pub(crate) fn sample_why_reachable() -> WhyFixture {
    WhyFixture {
        goroutine: GoroutineId(1280),
        why: Some(Why {
            goroutine: GoroutineId(1280),
            proof: Some(held()),
            ..Why::default()
        }),
        ..sample_why()
    }
}

/// The same in a dump, which tells nothing of what it waits for.
pub(crate) fn sample_why_unknown() -> WhyFixture {
    let mut sample = sample_why();
    sample.why = None;
    sample.fixture.snapshot.format = Format::Dump;
    for one in &mut sample.fixture.snapshot.samples {
        one.proof = None;
    }
    sample
}

fn sample(count: u64, state: &str, frames: &[&str], created_by: &str, proof: Proof) -> Sample {
    let placed = |text: &str| {
        let (function, place) = text.rsplit_once(' ').expect("a place");
        let (file, line) = place.rsplit_once(':').expect("a line");
        frame(function, file, line.parse().expect("a number"))
    };
    let mut waits = Waits::default();
    waits.add(7, count);
    Sample {
        stack: Arc::new(Stack {
            frames: frames.iter().map(|text| placed(text)).collect(),
            created_by: Some(placed(created_by)),
            ..Stack::default()
        }),
        state: Some(State::parse(state)),
        count,
        leaked: 0,
        durable: false,
        locked_to_thread: Some(0),
        labels: Labels::default(),
        waits: Some(waits),
        identities: Identities::default(),
        proof: Some(Arc::new(proof)),
    }
}

/// Numbers all goroutines from 10.
fn number(snapshot: &mut Snapshot) {
    let mut next = 10;
    for sample in &mut snapshot.samples {
        let ids = next..next + sample.count;
        next += sample.count;
        let identity = |id| Identity {
            id: GoroutineId(id),
            parent: Some(GoroutineId(1)),
        };
        sample.identities.known = ids.map(identity).collect();
    }
}

fn unreachable(site: usize, objects: &[&str]) -> Proof {
    let object = |(index, description): (u64, &&str)| Awaited {
        description: (*description).to_owned(),
        address: 0xc000_1000 + index * 0x60,
        buffer: description.contains("cap 4").then_some((4, 4)),
        waiters: 1,
    };
    Proof::Unreachable(Unreachable {
        site,
        objects: (0..).zip(objects).map(object).collect(),
        cause: Vec::new(),
    })
}

/// Waiting for a lock that the goroutine in `flush` holds, which is number 1266.
fn locked() -> Proof {
    Proof::Unreachable(Unreachable {
        site: 1,
        objects: vec![Awaited {
            description: "sync.Mutex".to_owned(),
            address: 0xc000_2000,
            buffer: None,
            waiters: 6,
        }],
        cause: vec![Blame {
            goroutine: GoroutineId(1266),
            why: "holds the lock".to_owned(),
        }],
    })
}

fn step(description: &str) -> Step {
    Step {
        description: description.to_owned(),
        address: 0xc000_3000,
    }
}

fn held() -> Proof {
    Proof::Reachable(vec![
        step("global example.com/shop/bus.all"),
        step("field buses of *bus.Registry"),
        step(&format!("field {HOSTILE}")),
    ])
}

fn retention() -> Retention {
    let of = |goroutines: u64, types: &[(&str, u64, u64)]| Retained {
        goroutines,
        stack_bytes: goroutines * 2048,
        heap_bytes: types.iter().map(|one| one.2).sum(),
        types: types
            .iter()
            .map(|(name, objects, bytes)| ((*name).to_owned(), *objects, *bytes))
            .collect(),
    };
    Retention {
        sites: vec![
            of(
                1250,
                &[
                    ("[]uint8", 1250, 5_120_000),
                    ("shop.Quote", 1250, 160_000),
                    ("hchan", 1250, 120_000),
                    ("func literal", 1250, 60_000),
                    ("string", 1000, 16_000),
                    ("(unknown)", 2, 96),
                    ("*shop.Item", 1, 8),
                ],
            ),
            of(6, &[("stock.Store", 1, 128)]),
            of(1, &[]),
            of(12, &[(HOSTILE, 12, 1152)]),
            of(3, &[]),
        ],
        shared_bytes: 1 << 20,
        live_bytes: 118 << 20,
    }
}
