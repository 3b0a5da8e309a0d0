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

/// A sweep every ten minutes: in `a` it leaks, `b` is restarted each day as another version.
fn month(memory: &mut Memory, days: i64) {
    for step in 0..days * 144 {
        let (day, of_day) = (step / 144, step % 144);
        let (a, b) = (format!("a v1 {}", step * 3), format!("b v{day} {}", of_day));
        let sweep = sweep(step * 10, &[&a, &b]);
        memory.append(&sweep).expect("never fails");
    }
}

#[test]
fn a_month_is_hours_and_the_last_two_days() {
    let mut memory = Memory::default();
    month(&mut memory, 30);
    let points = memory.series(&key()).expect("never fails");
    let last = 30 * 144 * 600 - 600;
    let (raw, old): (Vec<Point>, Vec<Point>) = points
        .into_iter()
        .partition(|point| point.at >= last - 48 * 3600);
    // Two versions at each.
    assert_eq!(raw.len(), 2 * (48 * 6 + 1));
    // The hour that is not two days over yet is whole still.
    let hours = 26 * 24 * 2;
    assert!((hours..hours + 12).contains(&old.len()), "{}", old.len());
    // What has no goroutines takes no room.
    let rows = memory.rows();
    assert!(
        (raw.len() + hours - 12..=raw.len() + old.len()).contains(&rows),
        "{rows}"
    );
}

#[test]
fn what_adds_up_is_the_same_after_thinning() {
    let (mut thinned, mut whole) = (Memory::default(), Memory::new(i64::MAX));
    month(&mut thinned, 9);
    month(&mut whole, 9);
    let sums = |memory: &Memory| {
        let mut sums = std::collections::BTreeMap::new();
        for point in memory.series(&key()).expect("never fails") {
            let sum = sums
                .entry(point.version.to_string())
                .or_insert((0, 0.0, 0, 0));
            sum.0 += point.delta;
            sum.1 += point.seconds;
            sum.2 += point.starts;
            sum.3 = sum.3.max(point.max);
        }
        sums
    };
    assert_eq!(sums(&thinned), sums(&whole));
    let order = |memory: &Memory| {
        let mut versions: Vec<String> = Vec::new();
        for point in memory.series(&key()).expect("never fails") {
            if !versions.contains(&point.version.to_string()) {
                versions.push(point.version.to_string());
            }
        }
        versions
    };
    assert_eq!(order(&thinned), order(&whole));
    let ends = |memory: &Memory| memory.series(&key()).expect("never fails").pop();
    assert_eq!(ends(&thinned), ends(&whole));
}
