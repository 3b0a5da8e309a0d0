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
