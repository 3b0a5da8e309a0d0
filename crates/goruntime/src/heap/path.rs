//! Why a goroutine that waits is not called leaked: the shortest way from a root to what it waits for.
//!
//! All ways are found in one pass that goes level by level, so that each is a shortest one, and notes for each object only
//! what it was reached from. Where there are several shortest ways, that from a global variable is taken, then that from a
//! goroutine, and of these the first: the result is the same on any number of threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use gorphan_model::proof::Step;

use super::bits::Bits;
use super::mark::{Watch, awaited};
use super::{Heap, Holder, Located, Object, Pointer, Spot, Which, work};

/// Steps of a way that are told; of longer ones, such as along a list, the middle is left out.
const MAX_STEPS: usize = 40;
/// Nodes of a level that a thread takes at once.
const NODES_PER_CHUNK: usize = 2048;

/// What an object was reached from, or a goroutine was woken by, as a number: the lower, the rather it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Node(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Global,
    Goroutine(Which),
    /// A root that is neither.
    Other,
    Object(Object),
}

/// How nodes are numbered: a global variable, the goroutines, other roots, the objects.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    goroutines: u32,
}

impl Numbers {
    fn node(self, kind: Kind) -> Node {
        Node(match kind {
            Kind::Global => 0,
            Kind::Goroutine(which) => 1 + which.0,
            Kind::Other => 1 + self.goroutines,
            Kind::Object(object) => 2 + self.goroutines + object.0,
        })
    }

    fn kind(self, node: Node) -> Kind {
        match node.0.checked_sub(2 + self.goroutines) {
            Some(object) => Kind::Object(Object(object)),
            None if node.0 == 0 => Kind::Global,
            None if node.0 > self.goroutines => Kind::Other,
            None => Kind::Goroutine(Which(node.0 - 1)),
        }
    }
}

/// The ways back.
struct Parents {
    numbers: Numbers,
    /// For each object and goroutine the complement of its parent's number, so that 0 is none and the lowest number wins.
    objects: Vec<AtomicU32>,
    goroutines: Vec<AtomicU32>,
}

impl Parents {
    fn cell(&self, of: Kind) -> Option<&AtomicU32> {
        match of {
            Kind::Object(object) => self.objects.get(object.0 as usize),
            Kind::Goroutine(which) => self.goroutines.get(which.0 as usize),
            Kind::Global | Kind::Other => None,
        }
    }

    /// Notes a parent; whether it is the first.
    fn note(&self, of: Kind, parent: Node) -> bool {
        let cell = self.cell(of);
        cell.is_some_and(|cell| cell.fetch_max(!parent.0, Ordering::Relaxed) == 0)
    }

    fn get(&self, of: Kind) -> Option<Kind> {
        let complement = self.cell(of)?.load(Ordering::Relaxed);
        (complement != 0).then(|| self.numbers.kind(Node(!complement)))
    }
}

/// What is found out while going through the levels.
struct Search<'a, H> {
    heap: &'a H,
    watch: Watch,
    parents: Parents,
    /// Nodes of levels that are done: their parents stay.
    done: Bits,
    done_goroutines: Bits,
    /// What the ways are to lead to, and whether the level that is gone through has met any of it.
    wanted: Bits,
    met: AtomicBool,
}

/// For each target, a goroutine that waits, the way to what it waits for. It is empty where there is none: then nothing
/// reaches that, or the target is not known to wait.
pub(crate) fn paths(heap: &impl Heap, targets: &[Which], threads: usize) -> Vec<Vec<Step>> {
    let none = vec![Vec::new(); targets.len()];
    if targets.is_empty() {
        return none;
    }
    let goroutines = u32::try_from(heap.goroutines().len()).unwrap_or(u32::MAX);
    let all = goroutines.checked_add(heap.objects());
    // The complement of a number must not be 0.
    if all.and_then(|all| all.checked_add(3)).is_none() {
        return none;
    }
    let (watch, live) = Watch::new(heap);
    let cells = |count: u32| (0..count).map(|_| AtomicU32::new(0)).collect();
    let mut search = Search {
        heap,
        watch,
        parents: Parents {
            numbers: Numbers { goroutines },
            objects: cells(heap.objects()),
            goroutines: cells(goroutines),
        },
        done: Bits::new(heap.objects()),
        done_goroutines: Bits::new(goroutines),
        wanted: Bits::new(heap.objects()),
        met: AtomicBool::new(false),
    };
    search.want(targets);
    search.run(&live, targets, threads);
    let ways = targets.iter().map(|target| search.way(*target));
    search.tell(&ways.collect::<Vec<_>>())
}

/// A node of a way with the address that it is entered at, target last.
type Way = Vec<(Kind, u64)>;

impl<H: Heap> Search<'_, H> {
    fn want(&mut self, targets: &[Which]) {
        let mut todo: Vec<Which> = targets.to_vec();
        let seen = Bits::new(self.parents.numbers.goroutines);
        while let Some(target) = todo.pop() {
            for address in awaited(self.heap, target) {
                match self.heap.locate(*address) {
                    Located::Object(object) => {
                        self.wanted.add(object.0);
                    }
                    Located::Stack(of) if seen.add(of.0) => todo.push(of),
                    Located::Stack(_) | Located::Outside => {}
                }
            }
        }
    }

    fn run(&self, live: &[Which], targets: &[Which], threads: usize) {
        let numbers = self.parents.numbers;
        let mut level: Vec<Node> = Vec::new();
        for which in live {
            self.done_goroutines.add(which.0);
        }
        let is_missing = |target: &Which| self.way(*target).is_empty();
        let mut left: Vec<Which> = targets.iter().copied().filter(is_missing).collect();
        if left.is_empty() {
            return;
        }
        // What cannot be read has been told when it was marked.
        let _ = self.heap.roots(&mut |pointer| {
            let kind = root_kind(pointer.at);
            self.visit(pointer.to, numbers.node(kind), &mut level);
        });
        let mut others = self.scan_goroutines(live, threads);
        level.append(&mut others);
        while !level.is_empty() {
            for node in &level {
                match numbers.kind(*node) {
                    Kind::Object(object) => self.done.add(object.0),
                    Kind::Goroutine(which) => self.done_goroutines.add(which.0),
                    Kind::Global | Kind::Other => false,
                };
            }
            if self.met.swap(false, Ordering::Relaxed) {
                left.retain(is_missing);
                if left.is_empty() {
                    return;
                }
            }
            level = self.next(&level, threads);
        }
    }

    fn scan_goroutines(&self, live: &[Which], threads: usize) -> Vec<Node> {
        let numbers = self.parents.numbers;
        let nodes: Vec<Node> = live
            .iter()
            .map(|which| numbers.node(Kind::Goroutine(*which)))
            .collect();
        self.next(&nodes, threads)
    }

    /// What is reached from a level and was not before.
    fn next(&self, level: &[Node], threads: usize) -> Vec<Node> {
        let chunks: Vec<&[Node]> = level.chunks(NODES_PER_CHUNK).collect();
        let threads = threads.min(chunks.len());
        let parts = work::each(threads, chunks.len(), |next: &mut Vec<Node>, number| {
            let chunk = chunks.get(number).copied().unwrap_or_default();
            chunk.iter().for_each(|node| self.scan(*node, next));
        });
        parts.concat()
    }

    fn scan(&self, node: Node, next: &mut Vec<Node>) {
        // What cannot be read has been told when it was marked.
        match self.parents.numbers.kind(node) {
            Kind::Object(object) => {
                for which in self.watch.of_object(object) {
                    self.wake(which, node, next);
                }
                if !self.heap.is_plain(object) {
                    let _ = self
                        .heap
                        .scan(object, &mut |pointer| self.visit(pointer.to, node, next));
                }
            }
            Kind::Goroutine(which) => {
                let each = &mut |pointer: Pointer| self.visit(pointer.to, node, next);
                let _ = self.heap.scan_goroutine(which, each);
                for address in awaited(self.heap, which) {
                    self.visit(*address, node, next);
                }
                for other in self.watch.of_stack(which) {
                    self.wake(other, node, next);
                }
            }
            Kind::Global | Kind::Other => {}
        }
    }

    fn visit(&self, to: u64, from: Node, next: &mut Vec<Node>) {
        let Some(object) = self.heap.object(to) else {
            return;
        };
        if self.done.has(object.0) {
            return;
        }
        let kind = Kind::Object(object);
        if self.parents.note(kind, from) {
            next.push(self.parents.numbers.node(kind));
            if self.wanted.has(object.0) {
                self.met.store(true, Ordering::Relaxed);
            }
        }
    }

    fn wake(&self, which: Which, from: Node, next: &mut Vec<Node>) {
        let kind = Kind::Goroutine(which);
        if !self.done_goroutines.has(which.0) && self.parents.note(kind, from) {
            next.push(self.parents.numbers.node(kind));
        }
    }

    /// The shortest way to something that a goroutine waits for; empty while none is known.
    fn way(&self, target: Which) -> Way {
        let ways = awaited(self.heap, target)
            .iter()
            .map(|address| self.way_to(*address));
        let known = ways.filter(|way| !way.is_empty());
        known.min_by_key(Vec::len).unwrap_or_default()
    }

    fn way_to(&self, address: u64) -> Way {
        let mut way = Way::new();
        let mut at = match self.heap.locate(address) {
            Located::Object(object) => Kind::Object(object),
            // A goroutine that was live from the start has no parent: it is the root.
            Located::Stack(of) if self.done_goroutines.has(of.0) => {
                way.push((Kind::Other, address));
                Kind::Goroutine(of)
            }
            Located::Stack(_) => return way,
            Located::Outside => return vec![(Kind::Global, address), (Kind::Other, address)],
        };
        let start = |kind: Kind| match kind {
            Kind::Object(object) => self.heap.extent(object).start,
            Kind::Goroutine(_) | Kind::Global | Kind::Other => 0,
        };
        way.push((at, start(at)));
        while let Some(parent) = self.parents.get(at) {
            way.push((parent, start(parent)));
            at = parent;
        }
        way.reverse();
        // A lone object was not reached.
        if way.len() > 1 { way } else { Way::new() }
    }

    /// Finds the pointers along the ways and puts them into words.
    fn tell(&self, ways: &[Way]) -> Vec<Vec<Step>> {
        let mut roots: HashMap<(bool, Object), Option<Pointer>> = HashMap::new();
        for way in ways {
            if let [
                (root @ (Kind::Global | Kind::Other), _),
                (Kind::Object(object), _),
                ..,
            ] = way[..]
            {
                roots.insert((root == Kind::Global, object), None);
            }
        }
        let _ = self.heap.roots(&mut |pointer| {
            let Some(object) = self.heap.object(pointer.to) else {
                return;
            };
            let key = (root_kind(pointer.at) == Kind::Global, object);
            if let Some(found) = roots.get_mut(&key) {
                found.get_or_insert(pointer);
            }
        });
        ways.iter()
            .map(|way| shorten(self.steps(way, &roots)))
            .collect()
    }

    fn steps(&self, way: &Way, roots: &HashMap<(bool, Object), Option<Pointer>>) -> Vec<Step> {
        let pairs = way.iter().zip(way.iter().skip(1));
        let steps = pairs.filter_map(|((from, _), (to, address))| {
            let (holder, pointer) = match (*from, *to) {
                // Whoever is woken by an object is told by what it has itself.
                (_, Kind::Goroutine(_)) => return None,
                (Kind::Global | Kind::Other, Kind::Object(object)) => {
                    let pointer = roots.get(&(*from == Kind::Global, object)).copied();
                    (Holder::Root, pointer.flatten())
                }
                (Kind::Global, _) => {
                    let at = Spot::Global(*address);
                    (Holder::Root, Some(Pointer { at, to: *address }))
                }
                (Kind::Goroutine(which), Kind::Object(object)) => {
                    (Holder::Goroutine(which), self.held(which, object))
                }
                (Kind::Goroutine(which), _) => {
                    let at = Spot::Word(*address);
                    (Holder::Goroutine(which), Some(Pointer { at, to: *address }))
                }
                (Kind::Object(holder), Kind::Object(object)) => {
                    (Holder::Object(holder), self.field(holder, object))
                }
                (Kind::Object(_) | Kind::Other, _) => return None,
            };
            let description = pointer.map(|pointer| self.heap.describe(holder, pointer));
            Some(Step {
                description: description
                    .unwrap_or_else(|| "something that is no longer found".to_owned()),
                address: *address,
            })
        });
        steps.collect()
    }

    fn field(&self, holder: Object, object: Object) -> Option<Pointer> {
        let mut found = None;
        let _ = self.heap.scan(holder, &mut |pointer| {
            if found.is_none() && self.heap.object(pointer.to) == Some(object) {
                found = Some(pointer);
            }
        });
        found
    }

    fn held(&self, which: Which, object: Object) -> Option<Pointer> {
        let mut found = None;
        let _ = self.heap.scan_goroutine(which, &mut |pointer| {
            if found.is_none() && self.heap.object(pointer.to) == Some(object) {
                found = Some(pointer);
            }
        });
        let waits = || {
            awaited(self.heap, which)
                .iter()
                .find(|to| self.heap.object(**to) == Some(object))
        };
        found.or_else(|| {
            waits().map(|to| Pointer {
                at: Spot::Word(*to),
                to: *to,
            })
        })
    }
}

fn root_kind(spot: Spot) -> Kind {
    match spot {
        Spot::Global(_) => Kind::Global,
        _ => Kind::Other,
    }
}

/// Leaves out the middle of a long way.
fn shorten(mut steps: Vec<Step>) -> Vec<Step> {
    let Some(more) = steps.len().checked_sub(MAX_STEPS).filter(|more| *more > 0) else {
        return steps;
    };
    let half = MAX_STEPS / 2;
    let address = steps.get(half + more).map_or(0, |step| step.address);
    let description = format!("{} more steps", more + 1);
    steps.splice(
        half..=half + more,
        [Step {
            description,
            address,
        }],
    );
    steps
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::toy::Toy;
    use super::*;

    /// The way to what goroutine 9 waits for.
    fn check(drawing: &str, expected: &[&str]) {
        let toy = Toy::parse(drawing);
        for threads in [1, 3] {
            let target = toy.which("g9");
            let found = paths(&toy, &[target], threads);
            let told: Vec<&str> = found[0]
                .iter()
                .map(|step| step.description.as_str())
                .collect();
            assert_eq!(told, expected, "{drawing}");
            let last = found[0].last().map(|step| toy.locate(step.address));
            let objects = awaited(&toy, target)
                .iter()
                .map(|address| toy.locate(*address));
            assert!(last.is_none_or(|last| objects.into_iter().any(|object| object == last)));
        }
    }

    #[test]
    fn a_way_leads_through_fields_from_its_root() {
        check(
            "g9 waits a\n global main.far -> x\n x -> y a\n x : main.T 32\n",
            &["global main.far", "field 1 of main.T"],
        );
        check(
            "g9 waits a\n g3 runs holds b\n b -> c\n c -> a",
            &["goroutine 3 in main.f", "field 0 of b", "field 0 of c"],
        );
        check(
            "g9 waits a\n runtime -> a",
            &[r#"Runtime("list of finalizers")"#],
        );
        check("g9 waits a\n global -> b", &[]);
    }

    #[test]
    fn the_shortest_is_told_and_globals_before_others() {
        check(
            "g9 waits a\n global main.a -> x\n x -> a\n g3 runs holds a",
            &["goroutine 3 in main.f"],
        );
        check(
            "g9 waits a\n runtime -> a\n g3 runs holds a\n global main.a -> a\n",
            &["global main.a"],
        );
        check(
            "g9 waits a b\n global main.a -> x b\n x -> a",
            &["global main.a"],
        );
        check(
            "g9 waits a\n global main.a -> y x\n x -> a\n y -> a\n",
            &["global main.a", "field 0 of y"],
        );
    }

    #[test]
    fn goroutines_that_were_woken_are_links() {
        check(
            "global main.a -> x\n x -> y\n g2 waits y holds z\n z -> a\n g9 waits a",
            &[
                "global main.a",
                "field 0 of x",
                "goroutine 2 in main.f",
                "field 0 of z",
            ],
        );
        // By itself nobody is woken.
        check(
            "g9 waits a holds a\n g3 waits b holds a\n g4 runs holds b",
            &["goroutine 4 in main.f", "goroutine 3 in main.f"],
        );
    }

    #[test]
    fn stacks_and_what_lies_outside_are_told() {
        check("g9 waits outside", &["global at 0x100"]);
        check("g9 waits @g3\n g3 runs", &["goroutine 3 in main.f"]);
        check(
            "g9 waits @g3\n g3 waits b\n global main.b -> b",
            &["global main.b", "goroutine 3 in main.f"],
        );
        check("g9 waits @g3\n g3 waits b", &[]);
    }

    #[test]
    fn of_long_ways_the_middle_is_left_out() {
        let mut drawing = "g9 waits a0\n global main.list -> a1000\n".to_owned();
        for number in 1..=1000 {
            writeln!(drawing, "a{number} -> a{}", number - 1).expect("text");
        }
        let toy = Toy::parse(&drawing);
        let steps = paths(&toy, &[toy.which("g9")], 2).remove(0);
        assert_eq!(steps.len(), MAX_STEPS);
        assert_eq!(steps[MAX_STEPS / 2].description, "962 more steps");
        assert_eq!(steps[MAX_STEPS / 2 - 1].description, "field 0 of a982");
        assert_eq!(steps[MAX_STEPS / 2 + 1].description, "field 0 of a19");
    }

    #[test]
    fn all_ways_are_found_in_one_pass() {
        let mut drawing = "global main.all ->".to_owned();
        (10..500).for_each(|number| write!(drawing, " a{number}").expect("text"));
        (10..500).for_each(|number| write!(drawing, "\n g{number} waits a{number}").expect("text"));
        let toy = Toy::parse(&drawing);
        let targets: Vec<Which> = (0..490).map(Which).collect();
        let found = paths(&toy, &targets, 2);
        assert!(found.iter().all(|way| way.len() == 1));
        // All was found among what the roots have: nothing else was looked at.
        assert_eq!(toy.scans.into_inner(), 0);
    }
}
