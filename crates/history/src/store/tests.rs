use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};

use object_store::memory::InMemory;

use super::*;
use crate::kind::Kind;
use crate::testing::{Chance, Failing, Faulty, sweep};
use crate::{Limits, Value};

/// The beginning of a day, some time ago.
const START: i64 = 1_767_225_600;

fn place(store: &Arc<InMemory>) -> Place {
    Place::in_store(Arc::clone(store) as _)
}

fn options() -> Options {
    Options {
        raw_seconds: 6 * 3600,
        ..Options::default()
    }
}

fn rows(reader: &Reader, sql: &str) -> Vec<Vec<Value>> {
    reader.query(sql, Limits::default()).expect(sql).rows
}

/// Sweeps that are in a history, each of which must be whole, and nothing may be there of others.
fn whole_sweeps(reader: &Reader) -> Vec<i64> {
    let counted = |table: &str| {
        format!("SELECT at, 0 AS sweeps, 0 AS expected, 1 AS found, '{table}' AS what FROM {table}")
    };
    let told = |table: &str| {
        format!(
            "SELECT at, 1 AS sweeps, CAST({table} AS BIGINT) AS expected, 0 AS found, '{table}' AS what FROM sweeps"
        )
    };
    let tables = ["instances", "failures", "observations"];
    let all: Vec<String> = tables
        .map(counted)
        .into_iter()
        .chain(tables.map(told))
        .collect();
    let sql = format!(
        "SELECT at, what, sum(sweeps), sum(expected), sum(found) FROM ({}) GROUP BY at, what ORDER BY at, what",
        all.join(" UNION ALL ")
    );
    let mut sweeps = Vec::new();
    for row in rows(reader, &sql) {
        let [
            Value::Time(at),
            Value::Text(_),
            Value::Number(1),
            expected,
            found,
        ] = &row[..]
        else {
            panic!("not of one sweep: {row:?}");
        };
        assert_eq!(expected, found, "{row:?}");
        sweeps.push(at / 1000);
    }
    sweeps.dedup();
    sweeps
}

#[track_caller]
fn assert_same(memory: &Memory, expected: &Memory) {
    let Ok(sites) = expected.sites();
    assert_eq!(memory.sites(), Ok(sites.clone()));
    for site in sites {
        assert_eq!(memory.series(&site), expected.series(&site), "{site:?}");
        assert_eq!(memory.since(&site.service), expected.since(&site.service));
    }
}

#[test]
fn what_is_opened_again_goes_on_as_if_it_had_never_been_closed() {
    let inner = Arc::new(InMemory::new());
    // Some hours are skipped, so that instances are forgotten.
    let time = |number: i64| START + number * 1500 + if number >= 40 { 100_000 } else { 0 };
    let mut expected = Memory::default();
    let mut chance = Chance(1);
    let mut store = Store::of(
        place(&inner),
        Options {
            raw_seconds: 48 * 3600,
            ..options()
        },
    )
    .expect("opened");
    for number in 0..60 {
        let at = time(number);
        let record = sweep(at, &mut chance);
        let Ok(points) = expected.append(&record);
        if [3, 17, 39, 40, 41, 59].contains(&number) {
            drop(store);
            store = Store::of(
                place(&inner),
                Options {
                    raw_seconds: 48 * 3600,
                    ..options()
                },
            )
            .expect("opened");
            assert_same(store.memory(), &{
                let mut before = Memory::default();
                let mut chance = Chance(1);
                for earlier in 0..number {
                    let Ok(_) = before.append(&sweep(time(earlier), &mut chance));
                }
                before
            });
        }
        // Also the lives go on: points tell growth since the last sight.
        let mut stored = store.append(&record).expect("stored");
        let mut points = points;
        stored.sort_by(|(a, p), (b, q)| (a, &p.version).cmp(&(b, &q.version)));
        points.sort_by(|(a, p), (b, q)| (a, &p.version).cmp(&(b, &q.version)));
        assert_eq!(stored, points, "sweep {number}");
        assert_eq!(store.troubles(), Vec::<String>::new());
    }
    assert_same(store.memory(), &expected);
    // Files of hours and days have been put together meanwhile.
    let observations = store.manifest.of(Kind::Observations).count();
    let points = store.manifest.of(Kind::Points).count();
    assert!(observations < 45 && points < 12, "{observations} {points}");
}

/// What a writer is told of its sweeps: those stored, and those refused.
fn write(place: Place, sweeps: &[SweepRecord]) -> (Vec<i64>, Vec<String>) {
    let (mut stored, mut errors) = (Vec::new(), Vec::new());
    let mut store = match Store::of(place, options()) {
        Ok(store) => store,
        Err(error) => return (stored, vec![error.to_string()]),
    };
    for record in sweeps {
        match store.append(record) {
            Ok(_) => stored.push(record.at),
            Err(error) => {
                errors.push(error.to_string());
                return (stored, errors);
            }
        }
    }
    errors.extend(store.troubles());
    (stored, errors)
}

/// A store fails at each of its operations in turn, or at every few, to save time; then the history is opened again by a store that works.
#[track_caller]
fn check_faults(failing: Failing, every: usize) {
    let mut chance = Chance(7);
    // Hours end between them, so that files are put together and let go.
    let times = [0, 1200, 3700, 30_000, 100_000];
    let sweeps: Vec<SweepRecord> = times
        .iter()
        .map(|at| sweep(START + at, &mut chance))
        .collect();
    let untroubled = Arc::new(InMemory::new());
    let counter = Faulty::new(&untroubled, failing, u64::MAX);
    let (stored, errors) = write(Place::in_store(Arc::new(counter.clone())), &sweeps);
    assert_eq!((stored.len(), errors), (times.len(), Vec::new()));
    for number in (1..=counter.done()).step_by(every) {
        let inner = Arc::new(InMemory::new());
        let faulty = Faulty::new(&inner, failing, number);
        let (stored, errors) = write(Place::in_store(Arc::new(faulty)), &sweeps);
        let place = place(&inner);
        let mut store = Store::of(place, options()).expect("opened again");
        let kept = whole_sweeps(&store.reader().expect("a reader"));
        let extra = kept.len() - stored.len();
        assert_eq!(
            kept[..stored.len()],
            stored,
            "{failing:?} at {number}: {errors:?}"
        );
        // Where the answer is lost, a sweep may be there though it was said not to be: whole all the same.
        assert!(
            extra == 0 || (failing == Failing::AnswerLost && extra == 1),
            "{failing:?} at {number}"
        );
        let next = sweep(START + 110_000, &mut chance);
        store
            .append(&next)
            .unwrap_or_else(|error| panic!("{failing:?} at {number}: {error}"));
        let kept = whole_sweeps(&store.reader().expect("a reader"));
        assert_eq!(kept.last(), Some(&next.at));
    }
}

#[test]
fn a_full_disk_at_any_moment_breaks_no_sweep() {
    check_faults(Failing::Once, 3);
}

#[test]
fn a_writer_that_dies_at_any_moment_breaks_no_sweep() {
    check_faults(Failing::From, 5);
}

#[test]
fn an_answer_that_is_lost_at_any_moment_breaks_no_sweep() {
    check_faults(Failing::AnswerLost, 5);
}

#[test]
fn sweeps_wait_for_a_store_that_is_away() {
    let inner = Arc::new(InMemory::new());
    let faulty = Faulty::new(&inner, Failing::Away, 9);
    let waits = Options {
        buffer_bytes: 10 << 20,
        ..options()
    };
    let mut store = Store::of(Place::in_store(Arc::new(faulty.clone())), waits).expect("opened");
    let mut chance = Chance(3);
    let mut expected = Vec::new();
    for number in 0..6 {
        let record = sweep(START + number * 600, &mut chance);
        store.append(&record).expect("taken in");
        expected.push(record.at);
    }
    let troubles = store.troubles();
    assert!(store.waiting() >= 4, "{troubles:?}");
    assert!(
        troubles
            .last()
            .is_some_and(|last| last.contains("cannot write") && last.contains("wait in memory")),
        "{troubles:?}"
    );
    assert_eq!(store.last(), expected.last().copied());
    faulty.heal();
    store
        .append(&sweep(START + 6 * 600, &mut chance))
        .expect("stored");
    expected.push(START + 6 * 600);
    assert_eq!((store.waiting(), store.troubles()), (0, Vec::new()));
    assert_eq!(whole_sweeps(&store.reader().expect("a reader")), expected);
}

#[test]
fn sweeps_that_are_too_many_to_wait_are_given_up_and_said() {
    let inner = Arc::new(InMemory::new());
    let faulty = Faulty::new(&inner, Failing::Away, 1);
    let waits = Options {
        buffer_bytes: 60_000,
        ..options()
    };
    let mut store = Store::of(Place::in_store(Arc::new(faulty.clone())), waits).expect("opened");
    let mut chance = Chance(3);
    for number in 0..12 {
        store
            .append(&sweep(START + number * 600, &mut chance))
            .expect("taken in");
    }
    let troubles = store.troubles();
    assert!(
        troubles
            .iter()
            .any(|one| one.contains("1 sweeps are lost to the history")),
        "{troubles:?}"
    );
    let waiting = store.waiting();
    assert!(waiting > 0 && waiting < 12, "{waiting}");
    faulty.heal();
    store
        .append(&sweep(START + 12 * 600, &mut chance))
        .expect("stored");
    // What could wait is there, whole; and so is every site, though it was first seen in a sweep that is lost.
    let reader = store.reader().expect("a reader");
    assert_eq!(whole_sweeps(&reader).len(), waiting + 1);
    assert_eq!(reader.known_sites(None, "").expect("read").len(), 12);
    drop(store);
    Store::of(place(&inner), options()).expect("opened again");
}

#[test]
fn two_writers_do_not_write_into_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Folder(folder.path().join("history"));
    let store = Store::open(&location, options()).expect("opened");
    let error = Store::open(&location, options()).expect_err("locked");
    assert!(matches!(error, StoreError::Locked(_)), "{error}");
    drop(store);
    Store::open(&location, options()).expect("opened");
    // In an object store nobody can hold a lock; the second to commit is refused.
    let inner = Arc::new(InMemory::new());
    let mut chance = Chance(5);
    let (first, second) = (sweep(START, &mut chance), sweep(START + 1, &mut chance));
    let mut a = Store::of(place(&inner), options()).expect("opened");
    let mut b = Store::of(place(&inner), options()).expect("opened");
    a.append(&first).expect("stored");
    let error = b.append(&second).expect_err("refused");
    assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    a.append(&second).expect("stored");
    assert_eq!(
        whole_sweeps(&a.reader().expect("a reader")),
        [START, START + 1]
    );
}

#[test]
fn clocks_that_jump_are_survived() {
    let inner = Arc::new(InMemory::new());
    let mut store = Store::of(
        place(&inner),
        Options {
            raw_seconds: 86_400,
            ..options()
        },
    )
    .expect("opened");
    let mut chance = Chance(9);
    let mut record = |at| sweep(at, &mut chance);
    for hour in 0..8 {
        let moment = store.moment(START + hour * 3600);
        assert_eq!(
            moment,
            Moment {
                at: START + hour * 3600,
                clock_behind: false
            }
        );
        store.append(&record(moment.at)).expect("stored");
    }
    let error = store.append(&record(START)).expect_err("refused");
    assert!(
        matches!(error, StoreError::NotAfter { at: START, .. }),
        "{error}"
    );
    // Ten years ahead, once: nothing is let go for it.
    let ahead = START + 3650 * 86_400;
    store.append(&record(ahead)).expect("stored");
    assert_eq!(whole_sweeps(&store.reader().expect("a reader")).len(), 9);
    // And back: sweeps go on in the seconds after, and no growth is measured in them.
    for minute in 0..3 {
        let moment = store.moment(START + 9 * 3600 + minute * 60);
        assert_eq!(
            moment,
            Moment {
                at: ahead + 1 + minute,
                clock_behind: true
            }
        );
        let mut record = record(moment.at);
        record.clock_behind = moment.clock_behind;
        let points = store.append(&record).expect("stored");
        assert!(
            points
                .iter()
                .all(|(_, point)| point.continuing == 0 && point.delta == 0)
        );
    }
    assert_eq!(whole_sweeps(&store.reader().expect("a reader")).len(), 12);
}

#[test]
fn what_is_too_old_is_let_go_and_removed_after_a_grace_time() {
    let inner = Arc::new(InMemory::new());
    let ahead = Arc::new(AtomicI64::new(0));
    let now = Arc::clone(&ahead);
    let real = Options::default().now;
    let options = Options {
        raw_seconds: 3 * 3600,
        rolled_up_seconds: 20 * 3600,
        now: Arc::new(move || real() + now.load(Ordering::SeqCst)),
        ..options()
    };
    let mut store = Store::of(place(&inner), options).expect("opened");
    let mut chance = Chance(11);
    let count = |folder: &str| {
        let (place, folder) = (place(&inner), folder.to_owned());
        Driver::new()
            .expect("threads")
            .run("list", async move { Ok(place.list(&folder).await?.len()) })
            .expect("listed")
    };
    for hour in 0..60 {
        store
            .append(&sweep(START + hour * 3600, &mut chance))
            .expect("stored");
        assert_eq!(store.troubles(), Vec::<String>::new());
    }
    // Nothing is removed while readers may still be at it.
    assert_eq!(count("obs"), 60);
    assert_eq!(
        count("manifest"),
        usize::try_from(store.manifest.number).expect("small")
    );
    ahead.store(7200, Ordering::SeqCst);
    store
        .append(&sweep(START + 60 * 3600, &mut chance))
        .expect("stored");
    assert_eq!(store.troubles(), Vec::<String>::new());
    assert_eq!(count("obs"), store.manifest.of(Kind::Observations).count());
    assert!(count("obs") <= 9, "{}", count("obs"));
    assert!(count("manifest") <= 4, "{}", count("manifest"));
    let reader = store.reader().expect("a reader");
    // Retention counts from the sixth newest sweep; files are of hours and days.
    let first = rows(&reader, "SELECT min(at) FROM points");
    assert_eq!(first, [[Value::Time((START + 24 * 3600) * 1000)]]);
    let first = rows(&reader, "SELECT min(at) FROM observations");
    assert_eq!(first, [[Value::Time((START + 53 * 3600) * 1000)]]);
    assert_eq!(
        rows(&reader, "SELECT count(*) FROM stacks"),
        [[Value::Number(12)]]
    );
}

#[test]
fn a_power_cut_in_a_manifest_costs_the_sweep_that_did_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Folder(folder.path().to_owned());
    let mut chance = Chance(13);
    let mut store = Store::open(&location, options()).expect("opened");
    store.append(&sweep(START, &mut chance)).expect("stored");
    let torn = folder
        .path()
        .join(manifest::name_of(store.manifest.number + 1));
    drop(store);
    fs::write(&torn, b"{\"version\":1,\"numb\0\0\0").expect("written");
    let unfinished = folder
        .path()
        .join("obs/date=2026-01-01/hour=00/x.parquet#1");
    fs::write(&unfinished, b"PAR1").expect("written");
    let reader = Reader::open(&location).expect("opened");
    assert_eq!(whole_sweeps(&reader), [START]);
    let mut store = Store::open(&location, options()).expect("opened");
    assert!(!torn.exists() && !unfinished.exists());
    store
        .append(&sweep(START + 600, &mut chance))
        .expect("stored");
    assert_eq!(whole_sweeps(&reader), [START, START + 600]);
    // A manifest that is whole and wrong is not overwritten.
    let next = folder
        .path()
        .join(manifest::name_of(store.manifest.number + 1));
    drop(store);
    fs::write(&next, b"{\"version\":1}").expect("written");
    let error = Store::open(&location, options()).expect_err("damaged");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

/// The address of a bucket, `s3://NAME/PREFIX`, which is empty; the rest of what reaches it is in the environment.
const BUCKET: &str = "GORPHAN_ACCEPT_S3";

/// Run by `cargo xtask accept s3`.
#[test]
#[ignore = "needs a server that speaks S3"]
fn in_an_object_store() {
    let bucket = std::env::var(BUCKET).expect(BUCKET);
    let location = Location::parse(&bucket, Path::new("")).expect("an address");
    let (mut expected, mut chance) = (Memory::default(), Chance(19));
    let mut times = Vec::new();
    for number in 0..12 {
        // Opened anew each time, as by a command run from a timer.
        let mut store = Store::open(&location, options()).expect("opened");
        assert_same(store.memory(), &expected);
        let record = sweep(START + number * 1300, &mut chance);
        let Ok(_) = expected.append(&record);
        store.append(&record).expect("stored");
        assert_eq!(store.troubles(), Vec::<String>::new());
        times.push(record.at);
    }
    let reader = Reader::open(&location).expect("opened");
    assert_eq!(whole_sweeps(&reader), times);
    let mut a = Store::open(&location, options()).expect("opened");
    let mut b = Store::open(&location, options()).expect("opened");
    let (first, second) = (
        sweep(START + 20_000, &mut chance),
        sweep(START + 20_001, &mut chance),
    );
    a.append(&first).expect("stored");
    let error = b.append(&second).expect_err("refused");
    assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    assert_eq!(whole_sweeps(&reader).last(), Some(&first.at));
}

/// The folder in which [`child`] writes.
const FOLDER: &str = "GORPHAN_TEST_HISTORY";

/// Writes sweeps until it is killed, telling each that counts.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let location = Location::Folder(folder.into());
    let mut store = Store::open(&location, options()).expect("opened");
    let first = store.last().map_or(START, |last| last + 700);
    let mut chance = Chance(17);
    for number in 0.. {
        let record = sweep(first + number * 700, &mut chance);
        println!("writing {}", record.at);
        store.append(&record).expect("stored");
        println!("stored {}", record.at);
    }
}

#[test]
fn a_writer_that_is_killed_breaks_no_sweep() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Folder(folder.path().to_owned());
    let mut stored = Vec::new();
    // Killed after so many lines of its own: between sweeps, and in the middle of one, of which hours end now and then.
    for lines in [1, 2, 3, 8, 9, 13, 14, 15] {
        let mut command = Command::new(std::env::current_exe().expect("the tests"));
        command.args(["--exact", "store::tests::child", "--ignored", "--nocapture"]);
        let mut child = command
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut told = 0;
        while told < lines {
            let line = output.next().expect("a line").expect("a text");
            let mut words = line.split(' ');
            let (word, at) = (words.next(), words.next());
            told += usize::from(matches!(word, Some("writing" | "stored")));
            if word == Some("stored") {
                stored.push(at.expect("a time").parse::<i64>().expect("a number"));
            }
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        for line in output.map_while(std::result::Result::ok) {
            if let Some(at) = line.strip_prefix("stored ") {
                stored.push(at.parse().expect("a number"));
            }
        }
        let store = Store::open(&location, options()).expect("opened again");
        let mut kept = whole_sweeps(&store.reader().expect("a reader"));
        // What was being told when it was killed may count.
        if kept.len() > stored.len() {
            stored.push(*kept.last().expect("one"));
        }
        let old = stored.len() - kept.len().min(stored.len());
        kept.sort_unstable();
        assert_eq!(kept, stored[old..]);
    }
}
