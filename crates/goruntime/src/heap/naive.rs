//! The same by definition, for comparison: slow, in rounds, and without anything clever.

use proptest::prelude::*;

use super::mark::{self, Fate};
use super::path;
use super::retain::{self, Found};
use super::toy::Toy;
use super::{Heap, Located, Object, Wait, Which};

/// The objects that can be reached from the roots and from some goroutines.
fn reached(toy: &Toy, from: &[u32]) -> Vec<bool> {
    let mut found = vec![false; toy.objects() as usize];
    let mut todo = Vec::new();
    toy.roots(&mut |pointer| todo.push(pointer.to))
        .expect("readable");
    for number in from {
        toy.scan_goroutine(Which(*number), &mut |pointer| todo.push(pointer.to))
            .expect("readable");
        if let Wait::For(all) = &toy.goroutines()[*number as usize].wait {
            todo.extend(all);
        }
    }
    while let Some(address) = todo.pop() {
        let Located::Object(object) = toy.locate(address) else {
            continue;
        };
        if !std::mem::replace(&mut found[object.0 as usize], true) {
            toy.scan(object, &mut |pointer| todo.push(pointer.to))
                .expect("readable");
        }
    }
    found
}

/// Which goroutines are live: rounds until nothing changes.
fn live(toy: &Toy) -> Vec<u32> {
    let all = || (0..).zip(toy.goroutines());
    let mut live: Vec<u32> = Vec::new();
    loop {
        let marked = reached(toy, &live);
        let can_run = all().filter(|(_, one)| match &one.wait {
            Wait::No | Wait::Unknown(_) => true,
            Wait::ForNothing => false,
            Wait::For(addresses) => addresses.iter().any(|address| match toy.locate(*address) {
                Located::Object(object) => marked[object.0 as usize],
                Located::Stack(of) => live.contains(&of.0),
                Located::Outside => true,
            }),
        });
        let now: Vec<u32> = can_run.map(|(number, _)| number).collect();
        if now == live {
            return live;
        }
        live = now;
    }
}

fn bytes(toy: &Toy, objects: &[bool]) -> u64 {
    let size = |number| {
        let extent = toy.extent(Object(number));
        extent.end - extent.start
    };
    (0..)
        .zip(objects)
        .filter(|(_, is)| **is)
        .map(|(number, _)| size(number))
        .sum()
}

fn check(drawing: &str, sites: usize) {
    let toy = Toy::parse(drawing);
    let expected = live(&toy);
    let goroutines = 0..toy.goroutines().len() as u32;
    for threads in [1, 3] {
        let marks = mark::mark(&toy, threads);
        let found: Vec<u32> = goroutines
            .clone()
            .filter(|number| marks.is_live(Which(*number)))
            .collect();
        assert_eq!(found, expected, "{drawing}");
        for number in goroutines.clone() {
            let reachable = marks.fate(&toy, Which(number)) == Fate::Reachable;
            let ways = path::paths(&toy, &[Which(number)], threads);
            assert_eq!(
                ways.iter().any(|way| !way.is_empty()),
                reachable,
                "{drawing}"
            );
        }
        let site_of = goroutines.clone().map(|number| {
            let leaked = marks.fate(&toy, Which(number)) == Fate::Unreachable;
            leaked.then_some(number as usize % sites)
        });
        let site_of: Vec<Option<usize>> = site_of.collect();
        let Found {
            retention,
            problems,
        } = retain::retain(&toy, &marks, &site_of, sites, threads);
        assert!(problems.is_empty());
        let without = |site: Option<usize>| {
            let others = goroutines
                .clone()
                .filter(|number| site.is_none() || site_of[*number as usize] != site);
            let others: Vec<u32> = others.collect();
            bytes(&toy, &reached(&toy, &others))
        };
        let all = without(None);
        let mut rest = all;
        for (site, found) in retention.sites.iter().enumerate() {
            assert_eq!(
                found.heap_bytes,
                all - without(Some(site)),
                "site {site} of {drawing}"
            );
            rest -= found.heap_bytes;
        }
        assert_eq!(
            retention.shared_bytes + retention.live_bytes,
            rest,
            "{drawing}"
        );
        let kept = goroutines
            .clone()
            .filter(|number| site_of[*number as usize].is_none());
        let kept: Vec<u32> = kept.collect();
        assert_eq!(
            retention.live_bytes,
            bytes(&toy, &reached(&toy, &kept)),
            "{drawing}"
        );
    }
}

/// Random drawings: some objects, and lines that connect them.
fn drawings() -> impl Strategy<Value = String> {
    const OBJECTS: u32 = 12;
    const GOROUTINES: u32 = 9;
    let object = || (0..OBJECTS).prop_map(|number| format!("o{number}"));
    let some =
        |at_most| prop::collection::vec(object(), 0..at_most).prop_map(|names| names.join(" "));
    let target = prop_oneof![
        12 => object(),
        1 => (1..=GOROUTINES).prop_map(|number| format!("@g{number}")),
        1 => Just("outside".to_owned()),
    ];
    let targets = prop::collection::vec(target, 1..3).prop_map(|names| names.join(" "));
    let does = prop_oneof![
        1 => Just("runs".to_owned()),
        1 => Just("waits nothing".to_owned()),
        6 => targets.prop_map(|targets| format!("waits {targets}")),
    ];
    let goroutines = prop::collection::vec((does, some(4)), GOROUTINES as usize);
    let fields = prop::collection::vec((some(4), 1..5_u64), OBJECTS as usize);
    (goroutines, fields, some(3)).prop_map(|(goroutines, fields, roots)| {
        let mut lines = vec![format!("global -> {roots}")];
        for (number, (to, words)) in fields.iter().enumerate() {
            lines.push(format!("o{number} -> {to}\no{number} : ? {}", words * 16));
        }
        for (number, (does, held)) in (1..).zip(goroutines) {
            lines.push(format!("g{number} {does} holds {held}"));
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn as_by_definition(drawing in drawings(), sites in 1..4_usize) {
        check(&drawing, sites);
    }
}
