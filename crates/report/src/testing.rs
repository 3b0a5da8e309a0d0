//! Documents that the renderers' tests share, made by hand so that no decoder or judge can hide a fault.

mod lint;
mod load;

use std::sync::Arc;

use gorphan_model::diff::{Change, IdentityChange, SiteChange};
use gorphan_model::gc::{Collection, GcTrace, Growth, Measure, MeasureTrend, Slope, Trend};
use gorphan_model::group::Site;
use gorphan_model::verdict::{Dismissal, DismissedBy};
use gorphan_model::{
    Evidence, Finding, Format, Frame, GoroutineId, Group, Identities, Identity, Labels, Operation,
    Pattern, Place, Problem, ProfileKind, Sample, Snapshot, Stack, State, Verdict, WaitReason,
    Waits,
};

pub(crate) use lint::sample_lint;
pub(crate) use load::{load, sample_load};

use crate::clean::acts;
use crate::{DiffReport, Document, GcTraceReport, Report, Style, TargetInfo};

mod proof;

pub(crate) use proof::{sample_proof, sample_why, sample_why_reachable, sample_why_unknown};

/// A function name that attacks terminals, HTML, Markdown tables, workflow commands and eyes at once.
pub(crate) const HOSTILE: &str =
    "evil.\x1b[31m<script>alert(\"x\")</script>|`tick`\n::error::%0A\u{202e}gnp.exe";

/// A source file in which the snippets' lines stand.
pub(crate) fn source(file: &str) -> Option<String> {
    (file == "/src/shop/server.go").then(|| {
        let mut text = "\n".repeat(39);
        text.push_str("\tresult := make(chan Quote)\n\tgo func() {\n\t\tresult <- s.fetch(ctx, item)\n\t}()\n");
        text
    })
}

pub(crate) fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame::new(function, file, line)
}

/// All that a renderer's test needs, owned.
pub(crate) struct Fixture {
    pub(crate) snapshot: Snapshot,
    pub(crate) groups: Vec<Group>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) hidden: usize,
    pub(crate) changes: Vec<SiteChange>,
    pub(crate) trace: GcTrace,
    pub(crate) trend: Trend,
}

impl Fixture {
    /// The result of an `inspect`.
    pub(crate) fn inspect(&self) -> Document<'_> {
        Document::Inspect(Report {
            target: target("shop.dump", 1_767_225_600),
            snapshot: &self.snapshot,
            groups: &self.groups,
            groups_total: self.groups.len() + self.hidden,
            findings: &self.findings,
            problems: self.problems.clone(),
            tests: &[],
        })
    }

    /// The result of a `diff`.
    pub(crate) fn diff(&self) -> Document<'_> {
        Document::Diff(DiffReport {
            before: target("before.dump", 1_767_222_000),
            goroutines_before: 71,
            after: target("after.dump", 1_767_225_600),
            goroutines_after: 1338,
            changes: &self.changes,
            findings: self.findings.get(..1).unwrap_or_default(),
            problems: self.problems.clone(),
        })
    }

    /// The result of a `gctrace`.
    pub(crate) fn gctrace(&self) -> Document<'_> {
        Document::GcTrace(GcTraceReport {
            target: TargetInfo {
                go_version: None,
                taken_at_unix_nanos: None,
                ..target("gc.log", 0)
            },
            trace: &self.trace,
            trend: &self.trend,
        })
    }
}

/// Nothing found: a program with its main goroutine alone.
pub(crate) fn sample_quiet() -> Fixture {
    let main = Draft {
        operation: Operation::Running,
        state: State::parse("running"),
        frames: vec![frame("main.main", "/src/shop/main.go", 9)],
        created_by: None,
        count: 1,
        minutes: &[(0, 1)],
        first_id: 1,
        labels: &[],
    };
    let (sample, group) = main.build(0);
    let mut snapshot = Snapshot::new(Format::Dump, ProfileKind::Goroutine);
    snapshot.samples.push(sample);
    Fixture {
        snapshot,
        groups: vec![group],
        findings: Vec::new(),
        problems: Vec::new(),
        hidden: 0,
        changes: Vec::new(),
        trace: GcTrace::default(),
        trend: trend(),
    }
}

/// Several operations, labels, every verdict, a dismissed group, problems and a hostile name.
pub(crate) fn sample_report() -> Fixture {
    let mut snapshot = Snapshot::new(Format::Dump, ProfileKind::Goroutine);
    snapshot.truncated = true;
    let mut groups = Vec::new();
    for (index, draft) in drafts().into_iter().enumerate() {
        let (sample, group) = draft.build(index);
        snapshot.samples.push(sample);
        groups.push(group);
    }
    let mut findings = Vec::new();
    judge(&mut groups, &mut findings);
    Fixture {
        changes: changes(&groups),
        snapshot,
        groups,
        findings,
        problems: vec![
            Problem::at_line(
                17,
                "the frame \"main.f(\" has no end; kept the goroutine without it",
            ),
            Problem {
                message: format!("cannot read {HOSTILE}"),
                line: None,
                address: Some(0xc000_0010),
            },
        ],
        hidden: 2,
        trace: trace(),
        trend: trend(),
    }
}

fn target(name: &str, unix_seconds: i64) -> TargetInfo {
    TargetInfo {
        kind: "file",
        name: name.to_owned(),
        go_version: Some("go1.27.3".to_owned()),
        taken_at_unix_nanos: Some(unix_seconds * 1_000_000_000),
        pause_seconds: None,
        method: None,
        bytes_read: Some(1_048_576),
    }
}

/// The few things in which the sample's groups differ.
struct Draft {
    operation: Operation,
    state: State,
    frames: Vec<Frame>,
    created_by: Option<Frame>,
    count: u64,
    minutes: &'static [(u32, u64)],
    first_id: u64,
    labels: &'static [(&'static str, &'static str, u64)],
}

impl Draft {
    fn build(self, index: usize) -> (Sample, Group) {
        let mut waits = Waits::default();
        for (minutes, count) in self.minutes {
            waits.add(*minutes, *count);
        }
        let mut labels = Labels::default();
        for (key, value, count) in self.labels {
            labels.add(key, value, *count);
        }
        let known = (0..self.count.min(150)).map(|offset| Identity {
            id: GoroutineId(self.first_id + offset),
            parent: Some(GoroutineId(1)),
        });
        let identities = Identities {
            known: known.collect(),
            elided: self.count.saturating_sub(150),
        };
        let outer = |frame: &&Frame| {
            ["runtime.", "sync.", "internal/poll."]
                .iter()
                .all(|package| !frame.function.starts_with(package))
        };
        let top = self.frames.iter().find(outer).cloned().expect("a frame");
        let stack = Arc::new(Stack {
            frames: self.frames.into(),
            created_by: self.created_by.clone(),
            ..Stack::default()
        });
        let sample = Sample {
            stack: Arc::clone(&stack),
            state: Some(self.state.clone()),
            count: self.count,
            leaked: 0,
            durable: false,
            locked_to_thread: Some(0),
            proof: None,
            labels: labels.clone(),
            waits: Some(waits.clone()),
            identities: identities.clone(),
        };
        let group = Group {
            site: Site {
                operation: self.operation,
                function: top.function.clone(),
                file: top.file.clone(),
                line: top.line,
            },
            state: Some(self.state),
            count: self.count,
            leaked: 0,
            waits: Some(waits),
            identities,
            orphans: Some(0),
            creators: Some(1),
            stack,
            created_by: self.created_by,
            labels,
            samples: vec![index],
            verdict: Verdict::Normal,
            evidence: Vec::new(),
            dismissed: None,
            pattern: None,
            proven: Vec::new(),
            retained: None,
            retained_bytes: None,
        };
        (sample, group)
    }
}

fn drafts() -> Vec<Draft> {
    let serve = || {
        frame(
            "net/http.(*conn).serve",
            "/usr/local/go/src/net/http/server.go",
            2102,
        )
    };
    vec![
        Draft {
            operation: Operation::ChanSend,
            state: State::Waiting(WaitReason::ChanSend),
            frames: vec![
                frame("runtime.gopark", "/usr/local/go/src/runtime/proc.go", 435),
                frame(
                    "runtime.chansend1",
                    "/usr/local/go/src/runtime/chan.go",
                    161,
                ),
                frame(
                    "example.com/shop.(*Server).quote.func1",
                    "/src/shop/server.go",
                    42,
                ),
            ],
            created_by: Some(frame(
                "example.com/shop.(*Server).quote",
                "/src/shop/server.go",
                41,
            )),
            count: 1250,
            minutes: &[(0, 50), (3, 700), (7, 500)],
            first_id: 100,
            labels: &[("svc", "checkout", 1250), ("req", "1", 1), ("req", "2", 1)],
        },
        Draft {
            operation: Operation::ChanReceive,
            state: State::Waiting(WaitReason::ChanReceive),
            frames: vec![
                frame(
                    "example.com/shop/orders.collect[...]",
                    "/src/shop/orders/collect.go",
                    88,
                ),
                frame(
                    "example.com/shop/orders.(*Worker).Run",
                    "/src/shop/orders/worker.go",
                    31,
                ),
            ],
            created_by: Some(frame(
                "example.com/shop/orders.Start",
                "/src/shop/orders/worker.go",
                19,
            )),
            count: 40,
            minutes: &[(12, 40)],
            first_id: 2000,
            labels: &[],
        },
        Draft {
            operation: Operation::Select,
            state: State::Waiting(WaitReason::Select),
            frames: vec![frame(HOSTILE, "/src/we ird%41/\u{1b}[2Jx.go", 0)],
            created_by: Some(frame(HOSTILE, "", 0)),
            count: 12,
            minutes: &[(1, 12)],
            first_id: 3000,
            labels: &[("k|<b>", "v\x1b]0;title\x07", 12)],
        },
        Draft {
            operation: Operation::ChanReceive,
            state: State::Waiting(WaitReason::ChanReceive),
            frames: vec![frame(
                "net/http.(*persistConn).readLoop",
                "/usr/local/go/src/net/http/transport.go",
                2325,
            )],
            created_by: Some(frame(
                "net/http.(*Transport).dialConn",
                "/usr/local/go/src/net/http/transport.go",
                1944,
            )),
            count: 25,
            minutes: &[(0, 25)],
            first_id: 4000,
            labels: &[],
        },
        Draft {
            operation: Operation::IoWait,
            state: State::Waiting(WaitReason::IoWait),
            frames: vec![
                frame(
                    "internal/poll.runtime_pollWait",
                    "/usr/local/go/src/runtime/netpoll.go",
                    351,
                ),
                serve(),
            ],
            created_by: Some(frame(
                "net/http.(*Server).Serve",
                "/usr/local/go/src/net/http/server.go",
                3493,
            )),
            count: 10,
            minutes: &[(0, 8), (2, 2)],
            first_id: 5000,
            labels: &[],
        },
        Draft {
            operation: Operation::Running,
            state: State::parse("running"),
            frames: vec![frame("main.main", "/src/shop/main.go", 9)],
            created_by: None,
            count: 1,
            minutes: &[(0, 1)],
            first_id: 1,
            labels: &[],
        },
    ]
}

fn judge(groups: &mut [Group], findings: &mut Vec<Finding>) {
    let [quote, collect, hostile, read_loop, ..] = groups else {
        panic!("the sample has at least four groups");
    };
    quote.verdict = Verdict::Leak;
    quote.pattern = Some(Pattern::TimeoutAbandonedSender);
    quote.leaked = 1250;
    quote.retained_bytes = Some(5_120_000);
    quote.evidence = vec![Evidence::RuntimeReported { count: 1250 }];
    collect.verdict = Verdict::Suspect;
    collect.pattern = Some(Pattern::RangeNeverClosed);
    collect.evidence = vec![Evidence::Threshold {
        rule: "crowd",
        count: 40,
        threshold: 20,
        share: 0.029_9,
        reason: "40 goroutines wait here, 3% of all, each for 12 minutes".to_owned(),
    }];
    hostile.verdict = Verdict::Growing;
    hostile.evidence = vec![Evidence::Growth {
        before: 2,
        after: 12,
        stayed: Some(2),
    }];
    read_loop.dismissed = Some(Dismissal {
        by: DismissedBy::Benign,
        reason: "reads the answers of an idle keep-alive connection".to_owned(),
    });
    findings.push(finding(
        quote,
        "GR1001",
        "1250 goroutines wait to send on a channel that nobody receives from any more",
        "give the channel a capacity of 1, so that the send ends even when nobody waits for it",
    ));
    findings.push(finding(
        hostile,
        "GR1003",
        &format!("12 goroutines wait in {HOSTILE}"),
        "add a case for the context's Done channel",
    ));
    findings.push(finding(
        collect,
        "GR1002",
        "40 goroutines wait to receive from a channel that is neither sent to nor closed",
        "close the channel when the last value is sent",
    ));
}

fn finding(group: &Group, code: &'static str, message: &str, help: &str) -> Finding {
    Finding {
        code,
        verdict: group.verdict,
        operation: group.site.operation,
        place: Place {
            function: Arc::clone(&group.site.function),
            file: Arc::clone(&group.site.file),
            line: group.site.line,
            column: None,
        },
        count: group.count,
        retained_bytes: group.retained_bytes,
        message: message.to_owned(),
        help: help.to_owned(),
        evidence: group.evidence.clone(),
        pattern: group.pattern,
        package: None,
        test: None,
        cause: None,
    }
}

fn changes(groups: &[Group]) -> Vec<SiteChange> {
    let rows = [
        (Change::Grown, 10, Verdict::Growing),
        (Change::New, 0, Verdict::Suspect),
        (Change::Shrunk, 15, Verdict::Normal),
        (Change::Same, 25, Verdict::Normal),
        (Change::Gone, 21, Verdict::Normal),
    ];
    let mut changes = Vec::new();
    for ((change, before, verdict), group) in rows.into_iter().zip(groups) {
        let after = if change == Change::Gone {
            0
        } else {
            group.count
        };
        let stayed = before.min(after);
        let ids = |count: u64, first: u64| (0..count).map(|offset| first + offset).collect();
        changes.push(SiteChange {
            change,
            before,
            after,
            identity: Some(IdentityChange {
                stayed,
                appeared: ids((after - stayed).min(150), 9000),
                vanished: ids(before - stayed, 8000),
                elided: (after - stayed).saturating_sub(150),
            }),
            moved_from: (change == Change::Grown).then(|| Site {
                line: 40,
                ..group.site.clone()
            }),
            group: group.clone(),
            verdict,
        });
    }
    changes
}

/// Forty collections over twenty minutes: the live heap climbs, the stacks with it.
fn trace() -> GcTrace {
    let collections = (0..40_u32).map(|index| {
        let step = f64::from(index);
        let wave = f64::from(index % 4);
        Collection {
            number: u64::from(index) + 1,
            at_seconds: Some(step * 30.0),
            heap_before_mb: 60.0 + step * 4.0,
            heap_live_mb: 40.0 + step * 3.0 + wave,
            stacks_mb: Some(1.0 + step / 4.0),
            globals_mb: Some(0.0),
            goal_mb: Some(80.0 + step * 6.0),
            forced: index % 10 == 9,
            line: u64::from(index) + 3,
            ..Collection::default()
        }
    });
    GcTrace {
        collections: collections.collect(),
        problems: vec![Problem::at_line(
            44,
            "\"gc 41 @\x1b[31m\" ends in the middle; left out",
        )],
        other_lines: 7,
        elided: 0,
    }
}

fn trend() -> Trend {
    let slope = |estimate: f64| Slope {
        estimate,
        low: estimate * 0.9,
        high: estimate * 1.1,
    };
    let measure = |measure, growth, per_collection: f64| MeasureTrend {
        measure,
        growth,
        per_collection: slope(per_collection),
        per_hour: Some(slope(per_collection * 240.0)),
        median: 100.0,
        total: per_collection * 37.0,
        p_value: 0.000_01,
        points: 38,
    };
    Trend {
        growth: Growth::LeakLike,
        message: "The live heap grows by 720 MB an hour to the end of the log.".to_owned(),
        measures: vec![
            measure(Measure::LiveHeap, Growth::LeakLike, 3.0),
            measure(Measure::Stacks, Growth::Steady, 0.25),
        ],
        starts: vec![0],
        judged: 2..40,
    }
}

/// The same site as a profile shows it: no numbers, states, waits or creators.
pub(crate) fn sample_profile() -> Fixture {
    let mut fixture = sample_report();
    fixture.snapshot.format = Format::Protobuf;
    fixture.snapshot.profile = ProfileKind::GoroutineLeak;
    fixture.snapshot.truncated = false;
    for sample in &mut fixture.snapshot.samples {
        sample.state = None;
        sample.waits = None;
        sample.locked_to_thread = None;
        sample.identities = Identities {
            known: Vec::new(),
            elided: sample.count,
        };
        Arc::make_mut(&mut sample.stack).created_by = None;
    }
    for group in &mut fixture.groups {
        group.state = None;
        group.waits = None;
        group.identities = Identities {
            known: Vec::new(),
            elided: group.count,
        };
        group.orphans = None;
        group.creators = None;
        group.created_by = None;
        Arc::make_mut(&mut group.stack).created_by = None;
    }
    fixture.problems.clear();
    fixture
}

/// Renders text and holds what is true of every text format: valid UTF-8 in which nothing acts but line feeds, and in
/// colour the escapes of colours.
pub(crate) fn check(document: &Document<'_>, format: crate::Format, style: &Style<'_>) -> String {
    let mut bytes = Vec::new();
    crate::render(document, format, style, &mut bytes).expect("it renders");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c| c != '\n' && acts(c)) {
        let tail = &rest[at..];
        let sgr = tail.strip_prefix("\x1b[").filter(|_| style.colour);
        let end = sgr.and_then(|sgr| {
            let end = sgr.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            sgr[end..].strip_prefix('m')
        });
        rest = end.unwrap_or_else(|| panic!("an active character stands before {tail:?}"));
    }
    text
}
