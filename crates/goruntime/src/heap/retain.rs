//! What leaks hold: the bytes that would be free if the goroutines of one site were not there.
//!
//! What is not marked is coloured from each site's goroutines: an object that one site reaches has its colour, one that
//! several reach is shared. A colour only ever changes from none to a site's to shared, so that each object is scanned twice
//! at most, and the outcome is the same in whatever order it is done.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use gorphan_model::proof::{Retained, Retention};

use super::bits::Bits;
use super::mark::{Failures, Marks, awaited};
use super::work::{self, Queue, Tasks};
use super::{Heap, Object, Which};

/// No site reaches it.
const NONE: u16 = 0;
/// Several do.
const SHARED: u16 = u16::MAX;
/// Sites that are told apart: a colour has two bytes, as there is one for each object. What further sites hold counts as shared.
const MAX_SITES: usize = (SHARED - 1) as usize;
/// Types that are listed for a site; more are summed up.
const MAX_TYPES: usize = 200;
/// Objects whose types are asked for what they point to: this is for people, and may not take long.
const MAX_LEARNT_FROM: usize = 4 << 20;
/// Objects that are added up at once.
const OBJECTS_PER_SUM: u32 = 1 << 16;

/// What is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Object(Object),
    Goroutine(Which),
}

/// What was found: the sums, and what to say where they are too small.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) retention: Retention,
    pub(crate) problems: Vec<String>,
}

/// Adds up what leaked goroutines hold. `site_of` has the site of each that is proven leaked, in the order of
/// [`Heap::goroutines`], and there are `sites` of them.
pub(crate) fn retain(
    heap: &impl Heap,
    marks: &Marks,
    site_of: &[Option<usize>],
    sites: usize,
    threads: usize,
) -> Found {
    let failures = Failures::default();
    let kept = keep(heap, marks, site_of, threads, &failures);
    let is_free = |object: Object| {
        !marks.has(object) && !kept.as_ref().is_some_and(|kept| kept.has(object.0))
    };
    let colours = colour(heap, is_free, site_of, threads, &failures);
    let mut retention = Retention {
        sites: vec![Retained::default(); sites],
        ..Retention::default()
    };
    let runs = runs(heap);
    for (range, bytes) in &runs {
        let live =
            marks.count(range.clone()) + kept.as_ref().map_or(0, |kept| kept.count(range.clone()));
        retention.live_bytes = retention
            .live_bytes
            .saturating_add(bytes.saturating_mul(live));
    }
    if sites > 0 {
        let numbers = (0..heap.objects()).zip(colours.iter());
        let held = numbers.filter(|(_, colour)| colour.load(Ordering::Relaxed) != NONE);
        let held = held.map(|(number, _)| Object(number)).take(MAX_LEARNT_FROM);
        heap.learn(&held.collect::<Vec<_>>());
        sum(heap, &colours, &runs, threads, &mut retention);
    }
    for (one, site) in heap.goroutines().iter().zip(site_of) {
        let Some(site) = site.and_then(|site| retention.sites.get_mut(site)) else {
            continue;
        };
        site.goroutines += 1;
        let stack = one.stack.end.saturating_sub(one.stack.start);
        site.stack_bytes = site.stack_bytes.saturating_add(stack);
    }
    let mut problems = Vec::new();
    if let Some(told) = failures.told() {
        problems.push(format!("leaks hold more than is counted: {told}"));
    }
    if let Some(more) = sites.checked_sub(MAX_SITES).filter(|more| *more > 0) {
        problems.push(format!(
            "what {more} of {sites} sites hold is counted as shared"
        ));
    }
    Found {
        retention,
        problems,
    }
}

/// Marks what goroutines hold that are neither live nor reported: what they share with a leak is not the leak's.
fn keep(
    heap: &impl Heap,
    marks: &Marks,
    site_of: &[Option<usize>],
    threads: usize,
    failures: &Failures,
) -> Option<Bits> {
    let numbers = (0..heap.goroutines().len() as u32).zip(site_of);
    let others = numbers.filter(|(number, site)| site.is_none() && !marks.is_live(Which(*number)));
    let others: Vec<Which> = others.map(|(number, _)| Which(number)).collect();
    if others.is_empty() {
        return None;
    }
    let kept = Bits::new(heap.objects());
    reach(heap, &others, threads, failures, |_, object| {
        !marks.has(object) && kept.add(object.0)
    });
    Some(kept)
}

/// Goes through all that goroutines reach and wait for, as long as `is_new` says so of an object reached by a task.
fn reach(
    heap: &impl Heap,
    goroutines: &[Which],
    threads: usize,
    failures: &Failures,
    is_new: impl Fn(Task, Object) -> bool + Sync,
) {
    let step = |task: Task, queue: &mut Queue<'_>| {
        let mut visit = |to: u64| {
            let Some((object, has_pointers)) = heap.reached(to) else {
                return;
            };
            if is_new(task, object) && has_pointers {
                queue.push(object);
            }
        };
        match task {
            Task::Object(object) => {
                failures.note(heap.scan(object, &mut |pointer| visit(pointer.to)))
            }
            Task::Goroutine(which) => {
                awaited(heap, which)
                    .iter()
                    .for_each(|address| visit(*address));
                failures.note(heap.scan_goroutine(which, &mut |pointer| visit(pointer.to)));
            }
        }
    };
    let steps = |(): &mut (), tasks: Tasks<'_>, queue: &mut Queue<'_>| match tasks {
        Tasks::Objects(all) => {
            heap.touch(all);
            for object in all {
                step(Task::Object(*object), queue);
            }
        }
        Tasks::Goroutines(all) => {
            heap.touch_goroutines(all);
            for which in all {
                step(Task::Goroutine(*which), queue);
            }
        }
    };
    work::run(threads, heap.objects(), goroutines, |(), _| {}, steps);
}

/// The colour of a site.
fn colour_of(site: usize) -> u16 {
    if site < MAX_SITES {
        site as u16 + 1
    } else {
        SHARED
    }
}

fn colour(
    heap: &impl Heap,
    is_free: impl Fn(Object) -> bool + Sync,
    site_of: &[Option<usize>],
    threads: usize,
    failures: &Failures,
) -> Vec<AtomicU16> {
    let leaked = (0..).zip(site_of).filter(|(_, site)| site.is_some());
    let leaked: Vec<Which> = leaked.map(|(number, _)| Which(number)).collect();
    let objects = if leaked.is_empty() { 0 } else { heap.objects() };
    let colours: Vec<AtomicU16> = (0..objects).map(|_| AtomicU16::new(NONE)).collect();
    let now = |object: Object| {
        colours
            .get(object.0 as usize)
            .map(|it| it.load(Ordering::Relaxed))
    };
    reach(heap, &leaked, threads, failures, |task, object| {
        let colour = match task {
            Task::Object(from) => now(from),
            Task::Goroutine(which) => site_of
                .get(which.0 as usize)
                .copied()
                .flatten()
                .map(colour_of),
        };
        let Some((colour, cell)) = colour.zip(colours.get(object.0 as usize)) else {
            return false;
        };
        is_free(object) && raise(cell, colour)
    });
    colours
}

/// Adds a colour to an object; whether that changed it.
fn raise(cell: &AtomicU16, colour: u16) -> bool {
    let joined = |known: u16| match known {
        NONE => Some(colour),
        same if same == colour => None,
        SHARED => None,
        _ => Some(SHARED),
    };
    cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, joined)
        .is_ok()
}

/// The runs of objects, long ones cut into pieces, so that threads can share them.
fn runs(heap: &impl Heap) -> Vec<(Range<u32>, u64)> {
    let mut runs = Vec::new();
    heap.runs(&mut |range, bytes| {
        let mut from = range.start;
        while from < range.end {
            let past = from.saturating_add(OBJECTS_PER_SUM).min(range.end);
            runs.push((from..past, bytes));
            from = past;
        }
    });
    runs
}

/// What has one colour and one type: one of the objects, how many, and their bytes.
type Sum = (Object, u64, u64);

fn sum(
    heap: &impl Heap,
    colours: &[AtomicU16],
    runs: &[(Range<u32>, u64)],
    threads: usize,
    into: &mut Retention,
) {
    type Sums = HashMap<(u16, Option<u64>), Sum>;
    let parts = work::each(threads, runs.len(), |sums: &mut Sums, number| {
        let Some((range, bytes)) = runs.get(number) else {
            return;
        };
        let colours = colours.get(range.start as usize..range.end as usize);
        for (number, colour) in range.clone().zip(colours.unwrap_or_default()) {
            let colour = colour.load(Ordering::Relaxed);
            if colour != NONE {
                let object = Object(number);
                let type_id = if colour == SHARED {
                    None
                } else {
                    heap.type_id(object)
                };
                let sum = sums.entry((colour, type_id)).or_insert((object, 0, 0));
                *sum = (sum.0.min(object), sum.1 + 1, sum.2.saturating_add(*bytes));
            }
        }
    });
    let mut sums = Sums::new();
    for (key, (object, count, bytes)) in parts.into_iter().flatten() {
        let sum = sums.entry(key).or_insert((object, 0, 0));
        *sum = (
            sum.0.min(object),
            sum.1 + count,
            sum.2.saturating_add(bytes),
        );
    }
    for ((colour, type_id), (object, count, bytes)) in sums {
        let site = usize::from(colour - 1);
        match into.sites.get_mut(site).filter(|_| colour != SHARED) {
            None => into.shared_bytes = into.shared_bytes.saturating_add(bytes),
            Some(site) => {
                let name = type_id.and_then(|_| heap.type_name(object));
                let name = name.unwrap_or_else(|| "(unknown)".to_owned());
                site.heap_bytes = site.heap_bytes.saturating_add(bytes);
                site.types.push((name, count, bytes));
            }
        }
    }
    into.sites.iter_mut().for_each(|site| tidy(&mut site.types));
}

/// Most bytes first, what has one name together, and not too many.
fn tidy(types: &mut Vec<(String, u64, u64)>) {
    types.sort_unstable();
    types.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            *kept = (
                std::mem::take(&mut kept.0),
                kept.1 + next.1,
                kept.2.saturating_add(next.2),
            );
        }
        same
    });
    types.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    if types.len() > MAX_TYPES {
        let rest = types.split_off(MAX_TYPES);
        let (objects, bytes) = rest.iter().fold((0, 0_u64), |sum, one| {
            (sum.0 + one.1, sum.1.saturating_add(one.2))
        });
        types.push((format!("({} other types)", rest.len()), objects, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::super::mark::{self, Fate};
    use super::super::toy::Toy;
    use super::*;

    /// The sites of a drawing: goroutines 10 to 19 are at the first, 20 to 29 at the second and so on.
    fn found(drawing: &str, threads: usize) -> Found {
        let toy = Toy::parse(drawing);
        let marks = mark::mark(&toy, threads);
        let sites = (0..).zip(toy.goroutines()).map(|(number, one)| {
            let fate = marks.fate(&toy, Which(number));
            (fate == Fate::Unreachable).then(|| (one.id / 10) as usize - 1)
        });
        let sites: Vec<Option<usize>> = sites.collect();
        let before = toy.scans.load(Ordering::Relaxed);
        let count = sites.iter().flatten().max().map_or(0, |last| last + 1);
        let found = retain(&toy, &marks, &sites, count, threads);
        let scans = toy.scans.load(Ordering::Relaxed) - before;
        let limit = 2 * u64::from(toy.objects()) + toy.goroutines().len() as u64;
        assert!(scans <= limit, "{scans} scans");
        found
    }

    /// `expected` is: heap bytes of each site, shared bytes, live bytes.
    fn check(drawing: &str, expected: (&[u64], u64, u64)) {
        for threads in [1, 2, 4] {
            let Found {
                retention,
                problems,
            } = found(drawing, threads);
            let sites: Vec<u64> = retention.sites.iter().map(|site| site.heap_bytes).collect();
            let all = (
                sites.as_slice(),
                retention.shared_bytes,
                retention.live_bytes,
            );
            assert_eq!(all, expected, "{drawing}");
            assert_eq!(problems, Vec::<String>::new());
        }
    }

    #[test]
    fn what_only_one_site_reaches_is_its_own() {
        check(
            "g10 waits a holds b\n b -> c\n c : ? 1024\n c is plain",
            (&[16 + 16 + 1024], 0, 0),
        );
        // What is live as well is not.
        check(
            "g10 waits a holds b\n b -> c\n c : ? 1024\n global -> c",
            (&[32], 0, 1024),
        );
        // Two goroutines of one site, and a cycle.
        check(
            "g10 waits a holds b\n g11 waits a holds b c\n b -> c\n c -> b",
            (&[48], 0, 0),
        );
    }

    #[test]
    fn what_several_sites_reach_is_apart() {
        check(
            "g10 waits a holds x\n g20 waits b holds y\n x -> s\n y -> s\n s -> t\n t : ? 64",
            (&[32, 32], 16 + 64, 0),
        );
        // Three sites, one of which reaches only what is behind.
        check(
            "g10 waits a holds s\n g20 waits b holds s\n g30 waits c holds t\n s -> t\n t -> u\n u -> s",
            (&[16, 16, 16], 48, 0),
        );
    }

    #[test]
    fn what_main_holds_is_not_a_leaks_own() {
        check(
            "g1 waits nothing holds x\n x -> y\n g10 waits a holds y z",
            (&[32], 0, 32),
        );
    }

    #[test]
    fn stacks_and_types_are_added_up() {
        let drawing = "g10 waits a holds b c d\n g11 waits a holds e\n b : main.T 64\n c : main.T 64\n d : main.U 256
            global -> x";
        let retention = found(drawing, 2).retention;
        let site = &retention.sites[0];
        assert_eq!(
            (site.goroutines, site.stack_bytes, site.bytes()),
            (2, 4096, 4096 + 416)
        );
        let types: Vec<(&str, u64, u64)> = site
            .types
            .iter()
            .map(|(name, count, bytes)| (name.as_str(), *count, *bytes))
            .collect();
        assert_eq!(
            types,
            [("main.U", 1, 256), ("main.T", 2, 128), ("(unknown)", 2, 32)]
        );
    }

    #[test]
    fn very_many_types_are_summed_up() {
        let mut types: Vec<(String, u64, u64)> = (0..1000)
            .map(|number| (format!("t{number:04}"), 1, number))
            .collect();
        types.push(("t0999".to_owned(), 2, 5));
        tidy(&mut types);
        assert_eq!(types.len(), MAX_TYPES + 1);
        assert_eq!(types.first(), Some(&("t0999".to_owned(), 3, 1004)));
        assert_eq!(
            types.last(),
            Some(&("(800 other types)".to_owned(), 800, 800 * 799 / 2))
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let Found {
            retention,
            problems,
        } = found("g10 waits a holds b\n b is broken", 2);
        assert_eq!(retention.sites[0].heap_bytes, 32);
        let told = "leaks hold more than is counted: cannot read 16 bytes of the target's memory at 0x100010";
        assert_eq!(problems, [told]);
    }

    #[test]
    fn sites_without_a_colour_of_their_own_count_as_shared() {
        assert_eq!(
            [colour_of(0), colour_of(MAX_SITES - 1), colour_of(MAX_SITES)],
            [1, SHARED - 1, SHARED]
        );
    }
}
