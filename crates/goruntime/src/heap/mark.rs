//! Who can be woken: everything that can be reached is marked, and a goroutine that waits for what is marked can run on.
//!
//! It is the fixpoint of GOLF (Saioc and others, ASPLOS 2025), which Go's own detector of leaks computes in rounds
//! (`findMaybeRunnableGoroutines` of `runtime/mgc.go`, Go 1.27). Here each object says whom its marking wakes, so that a
//! chain of any length is followed once.

use std::sync::{Mutex, PoisonError};

use super::bits::Bits;
use super::work::{self, Queue, Tasks};
use super::{Heap, Located, Object, Wait, Which};
use crate::Unreadable;

/// The first goroutine of a program. `select {}` there is how a program waits for its others.
const MAIN: u64 = 1;

/// Pointers that are found before any of them is followed: enough for the reads of each stage to overlap, and few enough to stay
/// in the processor's nearest cache.
const FOUND_AT_ONCE: usize = 256;

/// Pointers of one thread that were found and not followed yet, and room to follow them.
#[derive(Default)]
struct Found {
    to: Vec<u64>,
    places: Vec<u32>,
    reached: Vec<(Object, bool)>,
}

/// What is reachable.
#[derive(Debug)]
pub(crate) struct Marks {
    objects: Bits,
    goroutines: Bits,
    /// Why nothing may be called unreachable; none if everything was read.
    pub(super) doubt: Option<String>,
}

/// What was found out about a goroutine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    /// It does not wait for another goroutine, or is the first one in `select {}`.
    NotWaiting,
    /// Something reaches what it waits for.
    Reachable,
    /// Nothing does.
    Unreachable,
    /// Not decided, and why.
    Undecided(String),
}

impl Marks {
    /// Whether an object is reached by what can run.
    pub(super) fn has(&self, object: Object) -> bool {
        self.objects.has(object.0)
    }

    /// How many of a range of objects are.
    pub(super) fn count(&self, range: std::ops::Range<u32>) -> u64 {
        self.objects.count(range)
    }

    /// Whether a goroutine runs or can come to run, for all that is known.
    pub(super) fn is_live(&self, which: Which) -> bool {
        self.goroutines.has(which.0)
    }

    /// What was found out about a goroutine.
    pub(crate) fn fate(&self, heap: &impl Heap, which: Which) -> Fate {
        let Some(one) = heap.goroutines().get(which.0 as usize) else {
            return Fate::NotWaiting;
        };
        match &one.wait {
            Wait::No => Fate::NotWaiting,
            Wait::ForNothing if one.id == MAIN => Fate::NotWaiting,
            Wait::Unknown(why) => Fate::Undecided(why.clone()),
            Wait::For(addresses) if addresses.is_empty() => {
                Fate::Undecided("what it waits for was not found".to_owned())
            }
            Wait::For(_) | Wait::ForNothing if !self.is_live(which) => match &self.doubt {
                Some(doubt) => Fate::Undecided(doubt.clone()),
                None => Fate::Unreachable,
            },
            Wait::For(_) | Wait::ForNothing => Fate::Reachable,
        }
    }
}

/// Whom a mark wakes.
#[derive(Default)]
pub(super) struct Watch {
    /// Objects that are waited for.
    objects: Bits,
    /// How many of them come before each 64 objects.
    before: Vec<u32>,
    /// For each of them where its waiters begin.
    starts: Vec<u32>,
    /// Goroutines, by what they wait for.
    waiters: Vec<u32>,
    /// (goroutine on whose stack it is, goroutine that waits for it), sorted.
    by_stack: Vec<(u32, u32)>,
}

impl Watch {
    /// Notes who waits for what. Also gives those that are live from the start.
    pub(super) fn new(heap: &impl Heap) -> (Self, Vec<Which>) {
        let mut watch = Self {
            objects: Bits::new(heap.objects()),
            ..Self::default()
        };
        let mut live = Vec::new();
        let mut by_object = Vec::new();
        for (number, one) in (0..).zip(heap.goroutines()) {
            let is_live = match &one.wait {
                Wait::No | Wait::Unknown(_) => true,
                Wait::ForNothing => false,
                Wait::For(addresses) => watch.add(heap, number, addresses, &mut by_object),
            };
            if is_live {
                live.push(Which(number));
            }
        }
        watch.by_stack.sort_unstable();
        watch.arrange(&by_object);
        (watch, live)
    }

    /// Puts the waiters, given with what they wait for, in the order of what they wait for.
    fn arrange(&mut self, by_object: &[(u32, u32)]) {
        let mut count = 0;
        for word in 0..self.objects.words() as u32 {
            self.before.push(count);
            let (start, end) = (word * 64, word.saturating_mul(64).saturating_add(64));
            count += self.objects.count(start..end) as u32;
        }
        self.starts = vec![0; count as usize + 1];
        for (object, _) in by_object {
            let after = self.place(*object) + 1;
            if let Some(start) = self.starts.get_mut(after) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        self.waiters = vec![0; by_object.len()];
        let mut next = self.starts.clone();
        for (object, waiter) in by_object {
            let Some(next) = next.get_mut(self.place(*object)) else {
                continue;
            };
            if let Some(slot) = self.waiters.get_mut(*next as usize) {
                *slot = *waiter;
            }
            *next += 1;
        }
    }

    /// Which of the objects that are waited for it is.
    fn place(&self, object: u32) -> usize {
        let before = self.before.get(object as usize / 64).copied();
        let near = self.objects.count(object / 64 * 64..object);
        before.unwrap_or_default() as usize + near as usize
    }

    /// Whether the goroutine that waits for these is live in any case.
    fn add(
        &mut self,
        heap: &impl Heap,
        number: u32,
        addresses: &[u64],
        by_object: &mut Vec<(u32, u32)>,
    ) -> bool {
        let mut is_live = addresses.is_empty();
        for address in addresses {
            match heap.locate(*address) {
                Located::Object(object) => {
                    self.objects.add(object.0);
                    by_object.push((object.0, number));
                }
                Located::Stack(of) => self.by_stack.push((of.0, number)),
                Located::Outside => is_live = true,
            }
        }
        is_live
    }

    /// Who waits for an object.
    pub(super) fn of_object(&self, object: Object) -> impl Iterator<Item = Which> {
        let mut range = 0..0;
        if self.objects.has(object.0) {
            let place = self.place(object.0);
            let start = |place: usize| self.starts.get(place).map_or(0, |at| *at as usize);
            range = start(place)..start(place + 1);
        }
        let all = self.waiters.get(range).unwrap_or_default();
        all.iter().map(|waiter| Which(*waiter))
    }

    /// Who waits for something on a goroutine's stack.
    pub(super) fn of_stack(&self, which: Which) -> impl Iterator<Item = Which> {
        watchers(&self.by_stack, which.0)
    }
}

fn watchers(all: &[(u32, u32)], key: u32) -> impl Iterator<Item = Which> {
    let from = all.partition_point(|(known, _)| *known < key);
    let rest = all.get(from..).unwrap_or_default();
    let same = rest.iter().take_while(move |(known, _)| *known == key);
    same.map(|(_, waiter)| Which(*waiter))
}

/// Reads that failed, from any number of threads.
#[derive(Default)]
pub(super) struct Failures(Mutex<(u64, Option<Unreadable>)>);

impl Failures {
    /// Counts a read that failed.
    pub(super) fn note(&self, result: Result<(), Unreadable>) {
        let Err(error) = result else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.0 += 1;
        // The one at the lowest address, so that it is the same however many threads there were.
        let is_first = known.1.is_none_or(|first| error.address < first.address);
        if is_first {
            known.1 = Some(error);
        }
    }

    /// For people, if there were any.
    pub(super) fn told(self) -> Option<String> {
        let (count, first) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let first = first?;
        Some(match count {
            1 => first.to_string(),
            _ => format!("{first}, and {} more reads failed", count - 1),
        })
    }
}

/// What a goroutine waits for: the runtime holds it for it.
pub(super) fn awaited(heap: &impl Heap, which: Which) -> &[u64] {
    match heap.goroutines().get(which.0 as usize).map(|one| &one.wait) {
        Some(Wait::For(addresses)) => addresses,
        _ => &[],
    }
}

/// Marks all that can be reached, on so many threads. The result is the same for any number of them.
pub(crate) fn mark(heap: &impl Heap, threads: usize) -> Marks {
    mark_without(heap, None, threads)
}

/// As [`mark`], as if one goroutine were not there.
pub(crate) fn mark_without(heap: &impl Heap, without: Option<Which>, threads: usize) -> Marks {
    let (watch, live) = Watch::new(heap);
    mark_from(heap, &watch, live, without, threads)
}

/// As [`mark_without`], with what [`Watch::new`] gave.
pub(super) fn mark_from(
    heap: &impl Heap,
    watch: &Watch,
    mut live: Vec<Which>,
    without: Option<Which>,
    threads: usize,
) -> Marks {
    live.retain(|which| Some(*which) != without);
    let objects = Bits::new(heap.objects());
    let goroutines = Bits::new(heap.goroutines().len().try_into().unwrap_or(u32::MAX));
    live.iter().for_each(|which| {
        goroutines.add(which.0);
    });
    let wake = |which: Which, queue: &mut Queue<'_>| {
        if Some(which) != without && goroutines.add(which.0) {
            queue.push_goroutine(which);
        }
    };
    let reach = |object: Object, has_pointers: bool, queue: &mut Queue<'_>| {
        if !objects.add(object.0) {
            return;
        }
        watch.of_object(object).for_each(|which| wake(which, queue));
        if has_pointers {
            queue.push(object);
        }
    };
    // In stages, each over all addresses, so that the memory that a stage needs is waited for once.
    let flush = |found: &mut Found, queue: &mut Queue<'_>| {
        let Found {
            to,
            reached,
            places,
        } = found;
        heap.reached_all(to, places, reached);
        to.clear();
        let known = |(object, _): &(Object, bool)| {
            u32::from(objects.has(object.0)) + u32::from(watch.objects.has(object.0))
        };
        std::hint::black_box(reached.iter().map(known).sum::<u32>());
        for (object, has_pointers) in reached.drain(..) {
            reach(object, has_pointers, queue);
        }
    };
    let visit = |to: u64, found: &mut Found, queue: &mut Queue<'_>| {
        found.to.push(to);
        if found.to.len() >= FOUND_AT_ONCE {
            flush(found, queue);
        }
    };
    let failures = Failures::default();
    let roots = |found: &mut Found, queue: &mut Queue<'_>| {
        failures.note(heap.roots(&mut |pointer| visit(pointer.to, found, queue)));
        flush(found, queue);
    };
    let step = |found: &mut Found, tasks: Tasks<'_>, queue: &mut Queue<'_>| {
        match tasks {
            Tasks::Objects(all) => {
                heap.touch(all);
                for object in all {
                    let each = &mut |pointer: super::Pointer| visit(pointer.to, found, queue);
                    failures.note(heap.scan(*object, each));
                }
            }
            Tasks::Goroutines(all) => {
                heap.touch_goroutines(all);
                for which in all {
                    for address in awaited(heap, *which) {
                        visit(*address, found, queue);
                    }
                    let each = &mut |pointer: super::Pointer| visit(pointer.to, found, queue);
                    failures.note(heap.scan_goroutine(*which, each));
                    watch.of_stack(*which).for_each(|other| wake(other, queue));
                }
            }
        }
        flush(found, queue);
    };
    work::run(threads, heap.objects(), &live, roots, step);
    let mut doubts = heap.doubts();
    doubts.extend(
        failures
            .told()
            .map(|told| format!("of what is in use not all could be read: {told}")),
    );
    Marks {
        objects,
        goroutines,
        doubt: (!doubts.is_empty()).then(|| doubts.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::toy::Toy;
    use super::*;

    /// Marks a drawing and says what was found, goroutine by goroutine.
    fn check(drawing: &str, expected: &str) {
        let toy = Toy::parse(drawing);
        for threads in [1, 2, 4] {
            let marks = mark(&toy, threads);
            let mut found = String::new();
            for (number, one) in (0..).zip(toy.goroutines()) {
                let fate = match marks.fate(&toy, Which(number)) {
                    Fate::NotWaiting => continue,
                    Fate::Reachable => "live".to_owned(),
                    Fate::Unreachable => "LEAK".to_owned(),
                    Fate::Undecided(why) => format!("? {why}"),
                };
                writeln!(found, "g{} {fate}", one.id).expect("text");
            }
            let trimmed = expected
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty());
            let expected: Vec<&str> = trimmed.collect();
            assert_eq!(
                found.lines().collect::<Vec<_>>(),
                expected,
                "{threads} threads: {drawing}"
            );
        }
    }

    #[test]
    fn a_wait_for_what_nobody_has_is_a_leak() {
        check("g2 waits a holds a", "g2 LEAK");
        check("g2 waits a holds a\n global -> x\n x -> a", "g2 live");
        check("g2 waits a holds a\n g3 runs holds x\n x -> a", "g2 live");
        check("g2 waits a b holds a b\n g3 runs holds b", "g2 live");
        check("g2 waits a\n runtime -> a", "g2 live");
    }

    #[test]
    fn who_is_woken_can_wake() {
        check(
            "global -> a\n g2 waits a holds b\n g3 waits b holds c\n g4 waits c\n g5 waits d holds c",
            "g2 live\n g3 live\n g4 live\n g5 LEAK",
        );
        // Two that wait for one another wake nobody.
        check(
            "g2 waits a holds a b\n g3 waits b holds a b\n global -> c",
            "g2 LEAK\n g3 LEAK",
        );
    }

    #[test]
    fn a_variable_on_a_stack_is_as_live_as_its_goroutine() {
        check("g2 waits @g3\n g3 runs", "g2 live");
        check("g2 waits @g3\n g3 waits a holds a", "g2 LEAK\n g3 LEAK");
        check("g2 waits @g2", "g2 LEAK");
        check(
            "g2 waits @g3\n g3 waits a\n global -> a",
            "g2 live\n g3 live",
        );
        check("g2 waits outside holds a\n g3 waits a", "g2 live\n g3 live");
    }

    #[test]
    fn what_nothing_can_wake_is_a_leak_but_in_main() {
        check("g2 waits nothing holds a\n global -> a", "g2 LEAK");
        check("g1 waits nothing holds a\n g2 waits a", "g2 LEAK");
        check("g1 waits a\n g2 waits a", "g1 LEAK\n g2 LEAK");
    }

    #[test]
    fn what_is_not_known_is_not_called_a_leak() {
        check(
            "g2 waits mystery holds a\n g3 waits a",
            "g2 ? what it waits for is a mystery\n g3 live",
        );
        check("g2 waits", "g2 ? what it waits for was not found");
        check(
            "g2 waits a\n g3 waits b\n global -> b\n doubt the collector was at work",
            "g2 ? the collector was at work\n g3 live",
        );
        let told = "of what is in use not all could be read: cannot read 16 bytes of the target's memory at";
        check(
            "g2 waits a\n g3 waits b\n global -> b x\n x is broken",
            &format!("g2 ? {told} 0x100020\n g3 live"),
        );
        check(
            "g2 waits a\n g3 runs holds b\n g3 is broken\n global -> x\n x is broken",
            &format!("g2 ? {told} 0x100020, and 1 more reads failed"),
        );
        // What only leaks reach need not be readable.
        check("g2 waits a holds a\n a is broken", "g2 LEAK");
    }

    /// Goroutine n waits for object n and has object n + 1; the first has been woken.
    #[test]
    fn a_chain_is_followed_once_in_either_direction() {
        const LINKS: u64 = 10_000;
        for reversed in [false, true] {
            let mut drawing = "global -> a10\n".to_owned();
            let mut numbers: Vec<u64> = (10..10 + LINKS).collect();
            if reversed {
                numbers.reverse();
            }
            for number in numbers {
                writeln!(drawing, "g{number} waits a{number} holds a{}", number + 1).expect("text");
            }
            let toy = Toy::parse(&drawing);
            let marks = mark(&toy, 2);
            let live = (0..LINKS as u32).filter(|number| marks.is_live(Which(*number)));
            assert_eq!(live.count() as u64, LINKS);
            // Each goroutine and each object once.
            assert_eq!(toy.scans.into_inner(), 2 * LINKS + 1);
        }
    }
}
