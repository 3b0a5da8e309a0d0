//! Who would have had to act: the goroutines among the stuck ones that reach what another waits for.
//!
//! What a leak waits for is reached by stuck goroutines alone, or by nobody. Of those that reach it without waiting for it
//! themselves the nearest is to blame: it has the thing itself on its stack, or few pointers away. That it *holds* a lock
//! cannot be read from memory, as a lock does not know its owner, and so is not said.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;

use gorphan_model::GoroutineId;
use gorphan_model::proof::{Blame, Waiting, Why};

use super::mark::{Marks, awaited};
use super::{Heap, Located, Object, Which, work};

/// Objects that are looked at from one goroutine, nearest first: what it is responsible for is not far, and there may be a
/// million goroutines.
const MAX_LOOKED_AT: usize = 200;
/// Links of a chain that are told; of longer ones the last follows these, as it is where the trouble began.
const MAX_LINKS: usize = 16;
/// Links that are followed.
const MAX_FOLLOWED: usize = 100_000;
/// Bytes from the start of a lock, wait group or condition to the word of it that is waited for. Facts: `sync.RWMutex` of Go
/// 1.19 to 1.27 has the furthest.
const NEAR_BYTES: u64 = 24;
/// The thing itself is on the stack.
const ON_STACK: u32 = 0;
/// Nobody.
const NOBODY: u64 = u64::MAX;

/// The wait-for graph of stuck goroutines: from what is waited for to who is to blame.
pub(crate) struct Blames<'a, H> {
    heap: &'a H,
    /// What stuck goroutines wait for, sorted.
    addresses: Vec<u64>,
    /// For each of these how far it is from who is to blame, in the upper half, and who that is: the least counts.
    nearest: Vec<AtomicU64>,
}

/// Objects that were met from one goroutine, and in which order; kept for the next to spare allocations.
#[derive(Default)]
struct Seen {
    seen: HashSet<Object, RandomState>,
    order: Vec<(Object, u32)>,
}

/// One that is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Nearest {
    distance: u32,
    which: Which,
    /// What of.
    address: u64,
}

impl<'a, H: Heap> Blames<'a, H> {
    /// Finds out what each of some stuck goroutines could have done for others of them.
    pub(crate) fn new(heap: &'a H, marks: &Marks, stuck: &[Which], threads: usize) -> Self {
        let all = stuck.iter().flat_map(|which| awaited(heap, *which));
        let mut addresses: Vec<u64> = all.copied().collect();
        addresses.sort_unstable();
        addresses.dedup();
        let nearest = addresses.iter().map(|_| AtomicU64::new(NOBODY)).collect();
        let blames = Self {
            heap,
            addresses,
            nearest,
        };
        for address in &blames.addresses {
            if let Located::Stack(of) = heap.locate(*address) {
                blames.note(*address, of, ON_STACK);
            }
        }
        work::each(threads, stuck.len(), |seen: &mut Seen, number| {
            if let Some(which) = stuck.get(number) {
                blames.look_around(marks, *which, seen);
            }
        });
        blames
    }

    /// Goes from a goroutine to the objects near it.
    fn look_around(&self, marks: &Marks, which: Which, seen: &mut Seen) {
        let Seen { seen, order } = seen;
        seen.clear();
        order.clear();
        let mut meet = |to: u64, distance: u32, order: &mut Vec<(Object, u32)>| {
            let Some(object) = self.heap.object(to).filter(|object| !marks.has(*object)) else {
                return;
            };
            let extent = self.heap.extent(object);
            let from = self
                .addresses
                .partition_point(|address| *address < extent.start);
            let inside = self.addresses.iter().skip(from);
            for address in inside.take_while(|address| **address < extent.end) {
                let is_it = distance == ON_STACK
                    && address
                        .checked_sub(to)
                        .is_some_and(|more| more < NEAR_BYTES);
                self.note(*address, which, if is_it { ON_STACK } else { distance + 1 });
            }
            if seen.len() < MAX_LOOKED_AT && seen.insert(object) && !self.heap.is_plain(object) {
                order.push((object, distance + 1));
            }
        };
        // What cannot be read of leaks is told where it is added up.
        let _ = self
            .heap
            .scan_goroutine(which, &mut |pointer| meet(pointer.to, ON_STACK, order));
        let mut next = 0;
        while let Some((object, distance)) = order.get(next).copied() {
            next += 1;
            let _ = self
                .heap
                .scan(object, &mut |pointer| meet(pointer.to, distance, order));
        }
    }

    /// Blames a goroutine, unless it waits for the same.
    fn note(&self, address: u64, which: Which, distance: u32) {
        if awaited(self.heap, which).contains(&address) {
            return;
        }
        if let Some(cell) = self.cell(address) {
            let value = u64::from(distance) << 32 | u64::from(which.0);
            cell.fetch_min(value, Ordering::Relaxed);
        }
    }

    fn cell(&self, address: u64) -> Option<&AtomicU64> {
        let at = self.addresses.binary_search(&address).ok()?;
        self.nearest.get(at)
    }

    /// Who is to blame for the wait for one thing.
    fn nearest(&self, address: u64) -> Option<Nearest> {
        let value = self.cell(address)?.load(Ordering::Relaxed);
        (value != NOBODY).then_some(Nearest {
            distance: (value >> 32) as u32,
            which: Which(value as u32),
            address,
        })
    }

    /// Those who are to blame for a goroutine's wait, nearest first.
    fn all(&self, which: Which) -> Vec<Nearest> {
        let addresses = awaited(self.heap, which).iter();
        let mut all: Vec<Nearest> = addresses
            .filter_map(|address| self.nearest(*address))
            .collect();
        all.sort_by_key(|one| (one.distance, one.which));
        all
    }

    fn id(&self, which: Which) -> GoroutineId {
        let one = self.heap.goroutines().get(which.0 as usize);
        GoroutineId(one.map_or(0, |one| one.id))
    }

    fn blame(&self, waits: Which, nearest: Nearest) -> Blame {
        let what = noun(&self.heap.awaited(waits, nearest.address).description);
        let why = match nearest.distance {
            ON_STACK => format!("has the {what} on its stack"),
            _ => format!("reaches the {what}"),
        };
        Blame {
            goroutine: self.id(nearest.which),
            why,
        }
    }

    /// From a goroutine to the root of its wait, or to where the chain closes on itself.
    pub(crate) fn chain(&self, from: Which) -> Vec<Blame> {
        let mut links: Vec<(Which, Nearest)> = Vec::new();
        let (mut seen, mut waits) = (HashSet::from([from]), from);
        let mut is_circular = false;
        while let Some(nearest) = self.all(waits).first().copied() {
            if links.len() >= MAX_FOLLOWED {
                break;
            }
            links.push((waits, nearest));
            is_circular = !seen.insert(nearest.which);
            if is_circular {
                break;
            }
            waits = nearest.which;
        }
        let left_out = links.len().saturating_sub(MAX_LINKS);
        if left_out > 1 {
            links.drain(MAX_LINKS - 1..MAX_LINKS - 1 + left_out);
        }
        let blame = |(waits, nearest): &(Which, Nearest)| self.blame(*waits, *nearest);
        let mut chain: Vec<Blame> = links.iter().map(blame).collect();
        if let Some(last) = chain.last_mut() {
            if left_out > 1 {
                last.why = format!("{}, {left_out} links further on", last.why);
            }
            if is_circular {
                last.why.push_str(", which makes the wait circular");
            }
        }
        chain
    }

    /// The graph from a goroutine on, itself first.
    pub(crate) fn graph(&self, from: Which) -> Vec<Waiting> {
        let mut order = vec![from];
        let mut graph = Vec::new();
        while let Some(which) = order.get(graph.len()).copied() {
            let all = self.all(which);
            for one in &all {
                if order.len() < Why::MAX_WAITS && !order.contains(&one.which) {
                    order.push(one.which);
                }
            }
            let objects = awaited(self.heap, which).iter();
            graph.push(Waiting {
                goroutine: self.id(which),
                objects: objects
                    .map(|address| self.heap.awaited(which, *address))
                    .collect(),
                blames: all.into_iter().map(|one| self.blame(which, one)).collect(),
            });
        }
        graph
    }
}

/// What kind of thing is waited for, from its description.
fn noun(description: &str) -> &'static str {
    const NOUNS: [(&str, &str); 7] = [
        ("chan ", "channel"),
        ("chan", "channel"),
        ("sync.Mutex", "lock"),
        ("sync.RWMutex", "lock"),
        ("sync.WaitGroup", "wait group"),
        ("sync.Cond", "condition"),
        ("coroutine", "coroutine"),
    ];
    let found = NOUNS
        .iter()
        .find(|(start, _)| description.starts_with(start));
    found.map_or("object that is waited for", |(_, noun)| noun)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::mark;
    use super::super::toy::Toy;
    use super::*;

    /// The chain from goroutine 2, as `3 has the lock on its stack`.
    fn check(drawing: &str, expected: &[&str]) {
        let toy = Toy::parse(drawing);
        for threads in [1, 3] {
            let marks = mark::mark(&toy, threads);
            let stuck = (0..toy.goroutines().len() as u32)
                .map(Which)
                .filter(|which| !marks.is_live(*which));
            let blames = Blames::new(&toy, &marks, &stuck.collect::<Vec<_>>(), threads);
            let chain = blames.chain(toy.which("g2"));
            let told: Vec<String> = chain
                .iter()
                .map(|link| format!("{} {}", link.goroutine, link.why))
                .collect();
            assert_eq!(told, expected, "{drawing}");
            let graph = blames.graph(toy.which("g2"));
            assert_eq!(graph[0].goroutine, GoroutineId(2));
            let blamed = graph[0].blames.first().map(|blame| blame.goroutine);
            assert_eq!(blamed, chain.first().map(|blame| blame.goroutine));
        }
    }

    #[test]
    fn whoever_has_it_is_to_blame() {
        check(
            "g2 waits a holds a\n g3 waits b holds a b",
            &["3 has the channel on its stack"],
        );
        check(
            "g2 waits a holds a\n a : sync.Mutex 8\n g3 waits b holds a b",
            &["3 has the lock on its stack"],
        );
        check(
            "g2 waits a holds a\n g3 waits b holds x\n x -> a",
            &["3 reaches the channel"],
        );
        // The nearest.
        check(
            "g2 waits a\n g3 waits b holds x\n x -> a\n g4 waits c holds a",
            &["4 has the channel on its stack"],
        );
        check(
            "g2 waits a\n g1 waits nothing holds a",
            &["1 has the channel on its stack"],
        );
        check(
            "g2 waits @g3\n g3 waits b",
            &["3 has the channel on its stack"],
        );
    }

    #[test]
    fn who_waits_for_the_same_is_not() {
        check("g2 waits a holds a\n g3 waits a holds a", &[]);
        check("g2 waits a holds a", &[]);
        check("g2 waits nothing", &[]);
        // Nor who only has something else.
        check("g2 waits a holds a\n g3 waits b holds b", &[]);
    }

    #[test]
    fn a_chain_leads_to_its_root() {
        check(
            "g2 waits a\n g3 waits b holds a\n g4 waits c holds b",
            &[
                "3 has the channel on its stack",
                "4 has the channel on its stack",
            ],
        );
        let mut drawing = "g2 waits a3".to_owned();
        for number in 3..1003 {
            write!(drawing, "\ng{number} waits a{} holds a{number}", number + 1).expect("text");
        }
        let mut expected: Vec<String> = (3..18)
            .map(|number| format!("{number} has the channel on its stack"))
            .collect();
        expected.push("1002 has the channel on its stack, 984 links further on".to_owned());
        check(
            &drawing,
            &expected.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }

    #[test]
    fn deadlocks_are_circular() {
        check(
            "g2 waits a holds a b\n g3 waits b holds a b\n a : sync.Mutex 8\n b : sync.Mutex 8",
            &[
                "3 has the lock on its stack",
                "2 has the lock on its stack, which makes the wait circular",
            ],
        );
        check(
            "g2 waits a\n g3 waits b holds a\n g4 waits c holds b\n g5 waits b holds c",
            &[
                "3 has the channel on its stack",
                "4 has the channel on its stack",
                "5 has the channel on its stack",
                "4 has the channel on its stack, which makes the wait circular",
            ],
        );
    }
}
