use super::record::SiteRecord;
use super::*;

/// A sweep of service `s`: instances as `NAME VERSION COUNT`, all at one site.
fn sweep(minute: i64, instances: &[&str]) -> SweepRecord {
    let mut record = SweepRecord::new(minute * 60);
    record.sites.push(SiteRecord {
        operation: "chan send".to_owned(),
        function: "main.f".into(),
        file: "main.go".into(),
        line: 3,
    });
    for text in instances {
        let mut words = text.split(' ');
        let mut word = || words.next().expect("three words");
        let (instance, version) = (word().into(), word().into());
        let count = word().parse().expect("a number");
        record.instances.push(InstanceRecord {
            job: "j".to_owned(),
            service: "s".into(),
            instance,
            version,
            start: "".into(),
            goroutines: count,
            sites: vec![SiteCount(0, count, 0)],
        });
    }
    record
}

fn key() -> SiteKey {
    SiteKey {
        service: "s".into(),
        operation: Operation::ChanSend,
        function: "main.f".into(),
    }
}

fn shown(point: &Point) -> String {
    format!(
        "{} {}: {} of {} max {}, {} grew {}, {} new",
        point.at / 60,
        point.version,
        point.sum,
        point.instances,
        point.max,
        point.continuing,
        point.delta,
        point.starts
    )
}

fn sweeps() -> Vec<SweepRecord> {
    vec![
        sweep(0, &["a v1 5", "b v1 7"]),
        sweep(180, &["a v1 6", "b v1 8"]),
        sweep(190, &["a v1 9", "b v2 1"]),
        sweep(200, &["a v1 8", "b v2 3", "c v2 4"]),
        // A sweep from before is not taken in twice.
        sweep(200, &["a v1 100"]),
        sweep(380, &["b v2 13"]),
        sweep(390, &["b v2 20"]),
    ]
}

const ROLLED_UP: [&str; 8] = [
    "0 v1: 12 of 2 max 7, 0 grew 0, 2 new",
    "180 v1: 14 of 2 max 8, 0 grew 0, 0 new",
    "190 v1: 9 of 1 max 9, 1 grew 3, 0 new",
    "190 v2: 1 of 1 max 1, 0 grew 0, 1 new",
    "200 v1: 8 of 1 max 8, 1 grew -1, 0 new",
    "200 v2: 7 of 2 max 4, 0 grew 0, 1 new",
    "380 v2: 13 of 1 max 13, 0 grew 0, 0 new",
    "390 v2: 20 of 1 max 20, 1 grew 7, 0 new",
];

#[test]
fn growth_is_counted_within_lives_past_their_warm_up() {
    let mut memory = Memory::default();
    for sweep in sweeps() {
        memory.append(&sweep).expect("never fails");
    }
    let points = memory.series(&key()).expect("never fails");
    assert_eq!(points.iter().map(shown).collect::<Vec<_>>(), ROLLED_UP);
    assert_eq!(memory.since("s"), Ok(Some(0)));
}

#[test]
fn a_journal_tells_the_same_after_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    for sweep in sweeps() {
        // Opened anew each time, as by a command run from a timer.
        let mut journal = Journal::open(folder.path()).expect("opened");
        journal.append(&sweep).expect("written");
    }
    let file = folder.path().join("sweeps.jsonl");
    let mut torn = std::fs::read(&file).expect("read");
    torn.extend_from_slice(b"{\"version\":1,\"at\":99");
    std::fs::write(&file, &torn).expect("written");
    let mut journal = Journal::open(folder.path()).expect("opened");
    let points = journal.series(&key()).expect("read");
    assert_eq!(points.iter().map(shown).collect::<Vec<_>>(), ROLLED_UP);
    assert!(matches!(
        Journal::open(folder.path()),
        Err(JournalError::Locked(_))
    ));
    journal.append(&sweep(400, &["b v2 21"])).expect("written");
    drop(journal);
    let journal = Journal::open(folder.path()).expect("opened");
    assert_eq!(
        journal.series(&key()).expect("read").len(),
        ROLLED_UP.len() + 1
    );
}

#[test]
fn a_damaged_journal_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("sweeps.jsonl"), "{\"version\":1}\n").expect("written");
    let error = Journal::open(folder.path())
        .expect_err("damaged")
        .to_string();
    assert!(
        error.contains("line 1") && error.contains("missing field"),
        "{error}"
    );
    let later = "{\"version\":2,\"at\":0,\"sites\":[],\"instances\":[],\"failures\":[]}\n";
    std::fs::write(folder.path().join("sweeps.jsonl"), later).expect("written");
    let error = Journal::open(folder.path()).expect_err("later").to_string();
    assert!(error.contains("it has version 2"), "{error}");
}
