mod policy;
mod proof;

use std::sync::Arc;

use super::*;
use crate::group::group;
use crate::query::GroupBy;
use crate::{
    Evidence, Format, Frame, GoroutineId, Identities, Identity, ProfileKind, Sample, Snapshot,
    Stack, State, Waits,
};

/// Builds a snapshot of goroutines drawn one kind a line:
///
/// `COUNT STATE [Nm] | FRAME FRAME... | CREATOR [@PARENT] | PROOF`
///
/// Frames are innermost first. `@7` was created by goroutine 7, `@ended` each by another one that has ended,
/// `@ended7` all by goroutine 7000007. `#7` before a line gives the first of its goroutines number 7. Without any
/// `@` the source knows no creators' numbers. A format without states gets the runtime's frames instead. For what a proof may
/// be see [`proof::drawn`].
fn draw(format: Format, drawing: &str) -> Snapshot {
    let mut snapshot = Snapshot::new(format, ProfileKind::Goroutine);
    let mut next = 100;
    let lines = drawing.lines().map(str::trim).filter(|l| !l.is_empty());
    for (row, line) in lines.enumerate() {
        let mut columns = line.split('|').map(str::trim);
        let mut head: Vec<&str> = columns.next().unwrap().split(' ').collect();
        if let Some(id) = head[0].strip_prefix('#') {
            next = id.parse().unwrap();
            head.remove(0);
        }
        let count: u64 = head.remove(0).parse().expect(line);
        let minutes = head
            .last()
            .and_then(|word| word.strip_suffix('m')?.parse().ok());
        if minutes.is_some() {
            head.pop();
        }
        let state = head.join(" ");
        let mut frames: Vec<Frame> = Vec::new();
        if format == Format::Protobuf {
            frames.extend(runtime_frames(&state).iter().map(|name| frame(name)));
        }
        frames.extend(
            columns
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .map(frame),
        );
        let mut creator = columns.next().unwrap_or_default().split_whitespace();
        let created_by = creator.next().filter(|_| format == Format::Dump).map(frame);
        let parent = creator.next();
        let proof = columns.next().map(|text| Arc::new(proof::drawn(text)));
        let known = (0..count).map(|index| Identity {
            id: GoroutineId(next + index),
            parent: parent.map(|text| parent_id(text, row as u64, index)),
        });
        let known: Vec<Identity> = known.filter(|_| format == Format::Dump).collect();
        next += count;
        let mut waits = Waits::default();
        waits.add(minutes.unwrap_or(0), count);
        snapshot.samples.push(Sample {
            stack: Arc::new(Stack {
                frames: frames.into(),
                created_by,
                ..Stack::default()
            }),
            state: (format == Format::Dump).then(|| State::parse(&state)),
            count,
            leaked: 0,
            durable: false,
            locked_to_thread: None,
            proof,
            labels: crate::Labels::default(),
            waits: (format == Format::Dump).then_some(waits),
            identities: Identities {
                elided: count - known.len() as u64,
                known,
            },
        });
    }
    snapshot
}

fn frame(name: &str) -> Frame {
    Frame::new(name, "/src/main.go", 41)
}

fn parent_id(text: &str, row: u64, index: u64) -> GoroutineId {
    let text = text.strip_prefix('@').unwrap();
    GoroutineId(match text.strip_prefix("ended") {
        Some("") => 1_000_000 * (row + 1) + index,
        Some(shared) => 7_000_000_000 + shared.parse::<u64>().unwrap(),
        None => text.parse().unwrap(),
    })
}

fn runtime_frames(state: &str) -> &'static [&'static str] {
    match state {
        "chan send" => &["runtime.gopark", "runtime.chansend", "runtime.chansend1"],
        "chan receive" => &["runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1"],
        "select" => &["runtime.gopark", "runtime.selectgo"],
        "IO wait" => &[
            "runtime.gopark",
            "runtime.netpollblock",
            "internal/poll.runtime_pollWait",
        ],
        "sync.Mutex.Lock" => &[
            "runtime.gopark",
            "runtime.semacquire1",
            "sync.runtime_SemacquireMutex",
            "sync.(*Mutex).lockSlow",
        ],
        "running" => &[],
        other => panic!("no frames for {other:?}"),
    }
}

/// Goroutine 1 idles in main, and a server accepts connections: what each drawing stands in.
const BACKDROP: &str = "
    #1 1 select | main.main
    1 IO wait | internal/poll.runtime_pollWait net.(*netFD).accept net/http.(*Server).Serve | main.main @1
";

/// The only group of a drawing.
pub(super) fn one_group(drawing: &str) -> Group {
    let mut groups = group(&draw(Format::Dump, drawing), GroupBy::Site);
    assert_eq!(groups.len(), 1);
    groups.remove(0)
}

/// Judges a drawing; one line for each group with evidence: verdict, rule and its count, site, who dismissed it.
fn told(snapshot: &Snapshot, policy: &Policy) -> String {
    let mut groups = group(snapshot, GroupBy::Site);
    judge(snapshot, &mut groups, policy);
    let with_evidence = groups.iter().filter(|group| !group.evidence.is_empty());
    let lines = with_evidence.map(|group| {
        let rules = group.evidence.iter().map(|evidence| match evidence {
            Evidence::Threshold { rule, count, .. } => format!("{rule} {count}"),
            Evidence::RuntimeReported { count } => format!("runtime-reported {count}"),
            Evidence::Growth { .. } => "growth".to_owned(),
            Evidence::PerRequest { .. } => "per request".to_owned(),
            Evidence::Leftover { count, .. } => format!("leftover {count}"),
            Evidence::Source { rule } => format!("source {rule}"),
            Evidence::Proof { count, proof } => format!("{} {count}", proof.result()),
        });
        let rules = rules.collect::<Vec<_>>().join(", ");
        let dismissed = group
            .dismissed
            .as_ref()
            .map_or(String::new(), |it| format!(" ({})", it.by.as_str()));
        let verdict = group.verdict.as_str();
        format!("{verdict}: {rules}: {}{dismissed}", group.site.function)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn check_as(format: Format, drawing: &str, expected: &str) {
    let drawing = format!("{BACKDROP}\n{drawing}");
    let told = told(&draw(format, &drawing), &Policy::default());
    assert_eq!(told, expected, "\nfor {drawing}");
}

fn check(drawing: &str, expected: &str) {
    check_as(Format::Dump, drawing, expected);
}

#[test]
fn the_runtime_s_own_report_is_a_leak() {
    let mut snapshot = draw(
        Format::Dump,
        "1 chan send | main.f | main.g @1\n#1 1 running | main.main",
    );
    assert_eq!(told(&snapshot, &Policy::default()), "");
    snapshot.samples[0].leaked = 2;
    assert_eq!(
        told(&snapshot, &Policy::default()),
        "leak: runtime-reported 2: main.f"
    );
    // As debug=2 such a profile prints every goroutine, leaked or not.
    snapshot.profile = ProfileKind::GoroutineLeak;
    snapshot.samples[0].leaked = 0;
    assert_eq!(told(&snapshot, &Policy::default()), "");
    let mut profile = draw(Format::Protobuf, "1 chan send | main.f");
    profile.profile = ProfileKind::GoroutineLeak;
    assert_eq!(
        told(&profile, &Policy::default()),
        "leak: runtime-reported 1: main.f"
    );
}

#[test]
fn very_many_goroutines_at_one_blocking_site() {
    let at = |count: u64, state: &str| {
        format!("{count} {state} | a.com/m.work\n30000 select | a.com/m.other a.com/m.more")
    };
    check_as(
        Format::Protobuf,
        "10000 chan receive | a.com/m.work",
        "suspect: leakprof-threshold 10000: a.com/m.work",
    );
    check_as(Format::Protobuf, "9999 chan receive | a.com/m.work", "");
    check_as(Format::Protobuf, "20000 IO wait | a.com/m.work", "");
    let low = Policy {
        threshold: Some(50),
        ..Policy::default()
    };
    let profile = draw(Format::Protobuf, &at(50, "chan receive"));
    assert_eq!(
        told(&profile, &low),
        "suspect: leakprof-threshold 30000: a.com/m.other\n\
         suspect: leakprof-threshold 50: a.com/m.work"
    );
}

#[test]
fn operations_that_never_end() {
    check(
        "1 chan send (nil chan) | main.f | main.g @1",
        "suspect: never-wakes 1: main.f",
    );
    check(
        "3 chan receive (nil chan) | main.f | main.g @1",
        "suspect: never-wakes 3: main.f",
    );
    check("2 chan receive (nil chan) | main.f | main.g @1", "");
    check(
        "1 select (no cases) | main.f | main.g @1",
        "suspect: never-wakes 1: main.f",
    );
    let main = draw(Format::Dump, "#1 1 select (no cases) | main.main");
    assert_eq!(told(&main, &Policy::default()), "");
}

/// A goroutine at work in the program, and a crowd of idle connections.
const BUSY: &str = "
    1 IO wait | a.com/m.query | a.com/m.open @1
    60 IO wait | net/http.(*conn).serve | net/http.(*Server).Serve @1
";

#[test]
fn a_lock_that_is_held_for_a_minute() {
    check(
        &format!("1 sync.Mutex.Lock 1m | a.com/m.get | a.com/m.serve @1\n{BUSY}"),
        "suspect: lock-held 1: a.com/m.get",
    );
    check(
        &format!("1 sync.Mutex.Lock | a.com/m.get | a.com/m.serve @1\n{BUSY}"),
        "",
    );
}

#[test]
fn a_convoy_at_a_lock() {
    let readers = |count: u64, parent: &str| {
        format!("{count} sync.RWMutex.RLock | a.com/m.get | a.com/m.serve @{parent}\n{BUSY}")
    };
    check(
        &readers(10, "ended"),
        "suspect: lock-convoy 10: a.com/m.get",
    );
    check(&readers(9, "ended"), "");
    // Contention, however heavy.
    check(&readers(500, "1"), "");
}

#[test]
fn a_few_at_a_lock_or_a_send_in_a_deserted_program() {
    for (state, rule) in [
        ("sync.Mutex.Lock", "lock-convoy"),
        ("chan send", "deserted-senders"),
    ] {
        let blocked = |count: u64| format!("{count} {state} | a.com/m.put a.com/m.run.func1");
        let found = format!("suspect: {rule} 5: a.com/m.put");
        let deserted = |count: u64| {
            let idle = "40 IO wait | net/http.(*conn).serve";
            format!("{}\n{idle}", blocked(count))
        };
        check_as(Format::Protobuf, &deserted(6), &found.replace('5', "6"));
        check_as(Format::Protobuf, &deserted(4), "");
        // A tenth of the program, at least.
        check_as(
            Format::Protobuf,
            &format!("{}\n{}", deserted(5), "9 IO wait | net.x"),
            "",
        );
        // Someone may be about to unlock, or to receive: from I/O, or when a timer fires.
        for other in ["IO wait", "select", "chan receive", "running"] {
            let other = format!("1 {other} | a.com/m.consume");
            check_as(Format::Protobuf, &format!("{}\n{other}", deserted(6)), "");
        }
        // A profile being taken is no work.
        let profile = "1 running | runtime/pprof.writeRuntimeProfile a.com/m.debug";
        check_as(
            Format::Protobuf,
            &format!("{}\n{profile}", deserted(6)),
            &found.replace('5', "6"),
        );
    }
}

#[test]
fn senders_whose_starters_have_gone() {
    let busy = "60 IO wait | net/http.(*conn).serve | net/http.(*Server).Serve @1";
    // Started by requests that are over.
    check(
        &format!("3 chan send | a.com/m.f.func1 | a.com/m.f @ended\n{busy}"),
        "suspect: abandoned-senders 3: a.com/m.f.func1",
    );
    check(
        &format!("2 chan send | a.com/m.f.func1 | a.com/m.f @ended\n{busy}"),
        "",
    );
    // Started by a connection that now waits for its next request.
    check(
        "#50 1 IO wait | net/http.(*conn).serve | net/http.(*Server).Serve @1
         #60 3 chan send | a.com/m.f.func1 | a.com/m.f @50",
        "suspect: abandoned-senders 3: a.com/m.f.func1",
    );
    // The same, and the request is still being served.
    check(
        "#50 1 select | a.com/m.f net/http.(*conn).serve | net/http.(*Server).Serve @1
         #60 3 chan send | a.com/m.f.func1 | a.com/m.f @50
         1 IO wait | a.com/m.db | a.com/m.open @1",
        "",
    );
}

#[test]
fn senders_that_nobody_heeds_for_minutes() {
    let busy = "90 IO wait | a.com/m.db | a.com/m.open @1";
    check(
        &format!("3 chan send 2m | a.com/m.f | a.com/m.main @1\n{busy}"),
        "suspect: stale-senders 3: a.com/m.f",
    );
    check(
        &format!("3 chan send 1m | a.com/m.f | a.com/m.main @1\n{busy}"),
        "",
    );
    check(
        &format!("2 chan send 90m | a.com/m.f | a.com/m.main @1\n{busy}"),
        "",
    );
}

#[test]
fn very_many_senders_whose_starting_function_has_returned() {
    let sends = |count: u64| format!("{count} chan send | a.com/m.f.func1 | a.com/m.f @1\n{BUSY}");
    let found = "suspect: abandoned-senders 100: a.com/m.f.func1";
    for format in [Format::Protobuf, Format::Dump] {
        check_as(format, &sends(100), found);
        check_as(format, &sends(99), "");
        // Too small a part of the program.
        let idle = "400 chan receive | a.com/m.worker | a.com/m.start @1";
        check_as(format, &format!("{}\n{idle}", sends(100)), "");
    }
    // The function around the closure is running: it may come to receive.
    let running = "1 IO wait | a.com/m.get a.com/m.f";
    check_as(Format::Protobuf, &format!("{}\n{running}", sends(100)), "");
    // Who starts a function with a name is not known.
    check_as(
        Format::Protobuf,
        &format!("100 chan send | a.com/m.send\n{BUSY}"),
        "",
    );
}

#[test]
fn waiters_whose_starters_have_gone() {
    let receivers = |count: u64, parent: &str| {
        format!("{count} chan receive | a.com/m.f.func1 | a.com/m.f @{parent}")
    };
    check(
        &receivers(20, "ended"),
        "suspect: orphaned-waiters 20: a.com/m.f.func1",
    );
    check(&receivers(19, "ended"), "");
    // Too small a part of the program.
    let idle = "200 chan receive | a.com/m.worker | a.com/m.start @1";
    check(&format!("{}\n{idle}", receivers(20, "ended")), "");
    // A pool has one creator, whether that has ended or lives.
    check(&receivers(64, "ended7"), "");
    check(&receivers(64, "1"), "");
    // Connections, each started by a goroutine that ended, with a reader beside the writer.
    let pairs = (10..40).map(|conn| {
        format!(
            "1 chan receive | a.com/ws.(*conn).write | a.com/ws.serve @ended{conn}
             1 IO wait | a.com/ws.(*conn).read | a.com/ws.serve @ended{conn}"
        )
    });
    check(&pairs.collect::<Vec<_>>().join("\n"), "");
}

#[test]
fn fewer_orphans_are_enough_when_they_are_old() {
    let idle = "200 chan receive | a.com/m.worker | a.com/m.start @1";
    let selects = |count: u64, wait: &str| {
        format!("{count} select {wait} | a.com/m.f.func1 | a.com/m.f @ended\n{idle}")
    };
    check(
        &selects(10, "5m"),
        "suspect: orphaned-waiters 10: a.com/m.f.func1",
    );
    check(&selects(10, "4m"), "");
    check(&selects(9, "5m"), "");
}

/// `count` connections of the HTTP client that wait for their response to be read.
fn unread(count: u64, wait: &str) -> String {
    format!(
        "{count} select {wait} | net/http.(*persistConn).readLoop | net/http.(*Transport).dialConn @ended
         {count} select {wait} | net/http.(*persistConn).writeLoop | net/http.(*Transport).dialConn @ended"
    )
}

#[test]
fn more_response_bodies_than_goroutines_to_read_them() {
    let holders = |count: u64| format!("{count} IO wait | a.com/m.work | main.main @1");
    let found = "suspect: unread-bodies 10: net/http.(*persistConn).readLoop";
    // Main is the ninth.
    check(&format!("{}\n{}", unread(10, "0m"), holders(8)), found);
    check(&format!("{}\n{}", unread(10, "0m"), holders(9)), "");
    check(&unread(5, "0m"), &found.replace("10", "5"));
    check(&unread(4, "0m"), "");
    // A proxy made of the standard library alone.
    let proxy = "10 IO wait | net.Write net/http/httputil.Copy net/http.serverHandler.ServeHTTP | net/http.(*Server).Serve @1";
    check(&format!("{}\n{proxy}", unread(10, "0m")), "");
    let idle =
        "40 IO wait | net/http.(*persistConn).readLoop | net/http.(*Transport).dialConn @ended";
    check(idle, "");
}

#[test]
fn response_bodies_that_nobody_reads_for_a_minute() {
    let readers = |count: u64| {
        let read = "net/http.(*persistConn).Read net/http.(*bodyEOFSignal).Read a.com/m.f";
        let idle = "20 chan receive | a.com/m.worker | a.com/m.start @1";
        format!("{count} IO wait | {read} | main.main @1\n{idle}")
    };
    let found = "suspect: unread-bodies 5: net/http.(*persistConn).readLoop";
    check(&format!("{}\n{}", unread(7, "1m"), readers(2)), found);
    check(&format!("{}\n{}", unread(7, "1m"), readers(3)), "");
    check(&format!("{}\n{}", unread(7, "0m"), readers(2)), "");
}

#[test]
fn sleepers_take_strong_evidence() {
    let sleepers =
        |count: u64, parent: &str| format!("{count} sleep | a.com/m.f.func1 | a.com/m.f @{parent}");
    check(
        &sleepers(1000, "ended"),
        "suspect: orphaned-sleepers 1000: a.com/m.f.func1",
    );
    check(&sleepers(999, "ended"), "");
    check(&sleepers(5000, "1"), "");
}

#[test]
fn messages() {
    let text = |drawing: &str| {
        let snapshot = draw(Format::Dump, &format!("{BACKDROP}\n{drawing}\n{BUSY}"));
        let mut groups = group(&snapshot, GroupBy::Site);
        let findings = judge(&snapshot, &mut groups, &Policy::default());
        let shown = findings
            .iter()
            .map(|it| format!("{} {}\n{}", it.code, it.message, it.help));
        shown.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(
        [
            text("1248 chan send 7m | main.firstAnswer.func1 | main.firstAnswer @ended"),
            text("1 sync.Mutex.Lock 1m | main.(*store).get | main.serve @1"),
            text("3 chan receive (nil chan) | main.watch | main.start @1"),
            text("10 select 6m | main.(*hub).run | main.newHub @ended"),
        ]
        .join("\n\n")
    );
}
