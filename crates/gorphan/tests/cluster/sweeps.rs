//! A history as sweeps leave it, made up by a rule.

use std::path::Path;
use std::sync::Arc;

use gorphan_fleet::history::{
    Capture, FailureRecord, InstanceRecord, Location, Options, SiteCount, SiteRecord, StackRecord,
    Store, SweepRecord,
};
use gorphan_model::{Frame, Frames, Stack};

/// The beginning of a day.
const START: i64 = 1_767_225_600;

/// Appends so many sweeps to a history. The first has neither failures nor captures.
pub(crate) fn write(place: &str, sweeps: u32) {
    let location = Location::parse(place, Path::new("")).expect("a place");
    let mut store = Store::open(&location, Options::default()).expect("opened");
    for number in 0..sweeps {
        let sweep = sweep(number);
        store.append(&sweep).expect("stored");
        if number % 10 == 9 {
            let capture = Capture {
                service: "cart".to_owned(),
                instance: "cart-0".to_owned(),
                at: sweep.at,
                what: "goroutine".to_owned(),
                content: vec![0x1f, 0x8b, 0, 255].into(),
            };
            store.put_captures(&[capture]).expect("stored");
        }
    }
}

fn sweep(number: u32) -> SweepRecord {
    let mut sweep = SweepRecord::new(START + i64::from(number) * 1200);
    for line in 0..6 {
        let operation = if line % 2 == 0 { "chan send" } else { "select" };
        sweep.sites.push(SiteRecord {
            operation: operation.to_owned(),
            function: format!("example.com/shop.f{line}").into(),
            file: "/src/shop.go".into(),
            line,
        });
    }
    for (service, instance) in ["cart", "it's"]
        .into_iter()
        .flat_map(|service| (0..4).map(move |it| (service, it)))
    {
        let name = format!("{service}-{instance}");
        if (number + instance) % 7 == 6 {
            sweep.failures.push(FailureRecord {
                job: "fleet".to_owned(),
                instance: name,
                reason: "connection refused".to_owned(),
                attempts: 3,
            });
            continue;
        }
        let count = |site| {
            SiteCount(
                site,
                u64::from((number * (site + 1) + instance) % 40 + 1),
                u64::from(site % 2),
            )
        };
        let sites: Vec<SiteCount> = (0..6)
            .filter(|site| (number + instance + site) % 3 > 0)
            .map(count)
            .collect();
        sweep.instances.push(InstanceRecord {
            job: "fleet".to_owned(),
            service: service.into(),
            instance: name.into(),
            version: format!("v{}", number / 12 + instance / 2).into(),
            start: format!("{}", number / 9).into(),
            goroutines: 10 + sites.iter().map(|count| count.1).sum::<u64>(),
            sites,
        });
    }
    let frames = [
        ("runtime.gopark", "/go/proc.go", 1),
        ("example.com/shop.f0", "/src/shop.go", 7),
    ];
    let frames = frames.map(|(function, file, line)| Frame::new(function, file, line));
    sweep.stacks.push(StackRecord {
        service: "cart".into(),
        instance: "cart-0".into(),
        site: 0,
        stack: Arc::new(Stack {
            frames: Frames::from(frames.to_vec()),
            ..Stack::default()
        }),
    });
    sweep
}
