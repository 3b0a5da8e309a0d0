//! From a heap to what a report says: a result for every sample, with its reason, and what leaks hold.

use std::collections::HashMap;
use std::sync::Arc;

use gorphan_model::proof::{Awaited, Blame, Retained, Step, Unreachable, Why};
use gorphan_model::{GoroutineId, Problem, Proof, Snapshot, group};

use super::cause::Blames;
use super::mark::{self, Fate, Marks, awaited};
use super::{Heap, Subject, Wait, Which, path, retain};
use crate::Details;

/// Goroutines of one sample that are looked at for what they could have done for others: of very many that do the same, one as
/// good as another is among the first.
const MAX_BLAMED_OF_SAMPLE: usize = 2_000;
/// Things that are described of one wait; a `select` can have 65,536 cases.
const MAX_OBJECTS: usize = 32;

/// A result that goroutines of one sample have in common; a small number to be compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Outcome(u32);

impl Outcome {
    /// It does not wait for another goroutine, or it is not known of.
    const NONE: Self = Self(0);
    const UNREACHABLE: Self = Self(1);
    const REACHABLE: Self = Self(2);
    /// The first of those that are not decided, each for a reason of its own.
    const UNDECIDED: u32 = 3;
}

/// What was found out about all goroutines.
pub(crate) struct Proven<'a, H> {
    heap: &'a H,
    threads: usize,
    marks: Marks,
    /// In the order of the goroutines.
    outcomes: Vec<Outcome>,
    /// Why goroutines are not decided, by the number of their outcome.
    reasons: Vec<String>,
}

impl<'a, H: Heap> Proven<'a, H> {
    /// Marks, and decides on each goroutine.
    pub(crate) fn new(heap: &'a H, threads: usize) -> Self {
        let marks = mark::mark(heap, threads);
        let mut reasons: Vec<String> = Vec::new();
        let mut known: HashMap<String, Outcome> = HashMap::new();
        let numbers = 0..heap.goroutines().len() as u32;
        let outcomes = numbers.map(|number| match marks.fate(heap, Which(number)) {
            Fate::NotWaiting => Outcome::NONE,
            Fate::Unreachable => Outcome::UNREACHABLE,
            Fate::Reachable => Outcome::REACHABLE,
            Fate::Undecided(why) => *known.entry(why).or_insert_with_key(|why| {
                reasons.push(why.clone());
                Outcome(Outcome::UNDECIDED + reasons.len() as u32 - 1)
            }),
        });
        let outcomes = outcomes.collect();
        Self {
            heap,
            threads,
            marks,
            outcomes,
            reasons,
        }
    }

    /// The goroutines that are proven leaked.
    pub(crate) fn leaked(&self) -> impl Iterator<Item = &Subject> {
        let all = self.heap.goroutines().iter().zip(&self.outcomes);
        all.filter_map(|(one, outcome)| (*outcome == Outcome::UNREACHABLE).then_some(one))
    }

    /// Takes back the proof of leaks that are not confirmed.
    pub(crate) fn confirm(&mut self, is_confirmed: impl Fn(&Subject) -> bool, why: &str) {
        let doubted = Outcome(Outcome::UNDECIDED + self.reasons.len() as u32);
        self.reasons.push(why.to_owned());
        for (one, outcome) in self.heap.goroutines().iter().zip(&mut self.outcomes) {
            if *outcome == Outcome::UNREACHABLE && !is_confirmed(one) {
                *outcome = doubted;
            }
        }
    }

    /// The result of each `g` of a list, by their addresses, that has all goroutines in the order of [`Heap::goroutines`], and
    /// dead ones between them.
    pub(crate) fn outcomes(&self, list: impl Iterator<Item = u64>) -> Vec<Outcome> {
        let mut rest = self.heap.goroutines().iter().zip(&self.outcomes).peekable();
        list.map(|g| {
            let known = rest.next_if(|(one, _)| one.g == g);
            known.map_or(Outcome::NONE, |(_, outcome)| *outcome)
        })
        .collect()
    }

    fn outcome_of(&self, which: Which) -> Outcome {
        let outcome = self.outcomes.get(which.0 as usize);
        outcome.copied().unwrap_or_default()
    }

    /// Gives every sample its proof, and says what leaks hold. All goroutines of a sample must have the same result.
    pub(crate) fn fill(&self, snapshot: &mut Snapshot, details: &Details) {
        let samples = self.samples(snapshot, details);
        let first = |outcome| {
            let of = samples.iter().filter_map(|all| all.first().copied());
            of.filter(move |which| self.outcome_of(*which) == outcome)
        };
        let reachable: Vec<Which> = first(Outcome::REACHABLE).collect();
        let ways = path::paths(self.heap, &reachable, self.threads);
        let mut ways: HashMap<Which, _> = reachable.into_iter().zip(ways).collect();
        let blames = first(Outcome::UNREACHABLE)
            .next()
            .map(|_| self.blames(&samples, None));
        let (site_of_sample, sites) = self.sites(snapshot, &samples);
        for ((sample, all), site) in snapshot
            .samples
            .iter_mut()
            .zip(&samples)
            .zip(&site_of_sample)
        {
            let Some(which) = all.first() else { continue };
            let way = ways.remove(which).unwrap_or_default();
            let chain = || {
                blames
                    .as_ref()
                    .map(|blames| blames.chain(*which))
                    .unwrap_or_default()
            };
            sample.proof = self.proof(*which, *site, way, chain).map(Arc::new);
        }
        drop(blames);
        let mut site_of = vec![None; self.heap.goroutines().len()];
        for (all, site) in samples.iter().zip(&site_of_sample) {
            for which in all {
                if let Some(slot) = site_of.get_mut(which.0 as usize) {
                    *slot = *site;
                }
            }
        }
        let found = retain::retain(self.heap, &self.marks, &site_of, sites, self.threads);
        snapshot
            .problems
            .extend(found.problems.into_iter().map(Problem::new));
        snapshot.retention = Some(Box::new(found.retention));
    }

    /// The goroutines of each sample.
    fn samples(&self, snapshot: &Snapshot, details: &Details) -> Vec<Vec<Which>> {
        let mut samples = vec![Vec::new(); snapshot.samples.len()];
        let known = in_order(self.heap, details.goroutines.iter().map(|one| one.g.0));
        for (one, which) in details.goroutines.iter().zip(known) {
            let all: Option<&mut Vec<Which>> = samples.get_mut(one.sample);
            if let Some((all, which)) = all.zip(which) {
                all.push(which);
            }
        }
        samples
    }

    /// The site of each sample of leaks, counted from 0, and how many there are.
    fn sites(&self, snapshot: &Snapshot, samples: &[Vec<Which>]) -> (Vec<Option<usize>>, usize) {
        let mut known: HashMap<usize, usize> = HashMap::new();
        let numbers = group::site_numbers(snapshot);
        let sites = numbers.iter().zip(samples).map(|(number, all)| {
            let is_leaked = all
                .first()
                .is_some_and(|which| self.outcome_of(*which) == Outcome::UNREACHABLE);
            is_leaked.then(|| {
                let next = known.len();
                *known.entry(*number).or_insert(next)
            })
        });
        let sites = sites.collect();
        (sites, known.len())
    }

    /// Looks for who is to blame among the goroutines that are stuck.
    fn blames(&self, samples: &[Vec<Which>], asked: Option<Which>) -> Blames<'a, H> {
        let of_samples = samples
            .iter()
            .flat_map(|all| all.iter().take(MAX_BLAMED_OF_SAMPLE));
        let all = of_samples.copied().chain(asked);
        let mut stuck: Vec<Which> = all.filter(|which| !self.marks.is_live(*which)).collect();
        stuck.sort_unstable();
        stuck.dedup();
        Blames::new(self.heap, &self.marks, &stuck, self.threads)
    }

    fn proof(
        &self,
        which: Which,
        site: Option<usize>,
        way: Vec<Step>,
        chain: impl FnOnce() -> Vec<Blame>,
    ) -> Option<Proof> {
        match self.outcome_of(which) {
            Outcome::NONE => None,
            Outcome::UNREACHABLE => Some(Proof::Unreachable(Unreachable {
                site: site.unwrap_or_default(),
                objects: self.objects(which),
                cause: chain(),
            })),
            Outcome::REACHABLE => Some(Proof::Reachable(way)),
            Outcome(number) => {
                let reason = self.reasons.get((number - Outcome::UNDECIDED) as usize);
                Some(Proof::Inconclusive(reason.cloned().unwrap_or_default()))
            }
        }
    }

    /// What a goroutine waits for.
    fn objects(&self, which: Which) -> Vec<Awaited> {
        let addresses = awaited(self.heap, which).iter().take(MAX_OBJECTS);
        addresses
            .map(|address| self.heap.awaited(which, *address))
            .collect()
    }

    /// All that is known of one goroutine; `None` if there is none of this number. `snapshot` has been filled.
    pub(crate) fn why(
        &self,
        id: GoroutineId,
        snapshot: &Snapshot,
        details: &Details,
    ) -> Option<Why> {
        let all = self.heap.goroutines();
        let index = all.iter().position(|one| one.id == id.0)?;
        let which = Which(u32::try_from(index).ok()?);
        let mine = awaited(self.heap, which);
        let waits_too = |wait: &Wait| matches!(wait, Wait::For(all) if all.iter().any(|one| mine.contains(one)));
        let others = all
            .iter()
            .filter(|one| one.id != id.0 && waits_too(&one.wait));
        let detail = details.goroutines.iter().find(|one| one.id == id);
        let of_sample = detail.and_then(|one| snapshot.samples.get(one.sample)?.proof.as_deref());
        let site = match of_sample {
            Some(Proof::Unreachable(leak)) => Some(leak.site),
            _ => None,
        };
        let outcome = self.outcome_of(which);
        let is_stuck = outcome == Outcome::UNREACHABLE;
        let blames = is_stuck.then(|| self.blames(&self.samples(snapshot, details), Some(which)));
        let ways = if outcome == Outcome::REACHABLE {
            &[which][..]
        } else {
            &[]
        };
        let way = path::paths(self.heap, ways, self.threads).pop();
        let chain = || {
            blames
                .as_ref()
                .map(|blames| blames.chain(which))
                .unwrap_or_default()
        };
        let proof = self.proof(which, site, way.unwrap_or_default(), chain);
        Some(Why {
            goroutine: id,
            objects: self.objects(which),
            others: others
                .take(Why::MAX_OTHERS)
                .map(|one| GoroutineId(one.id))
                .collect(),
            proof,
            waits: blames.map(|blames| blames.graph(which)).unwrap_or_default(),
            retained: self.retained(which),
        })
    }

    /// What one goroutine alone holds; `None` where not all could be read.
    fn retained(&self, which: Which) -> Option<Retained> {
        let without = mark::mark_without(self.heap, Some(which), self.threads);
        let mut site_of = vec![None; self.heap.goroutines().len()];
        *site_of.get_mut(which.0 as usize)? = Some(0);
        let found = retain::retain(self.heap, &without, &site_of, 1, self.threads);
        let is_whole = without.doubt.is_none() && found.problems.is_empty();
        found
            .retention
            .sites
            .into_iter()
            .next()
            .filter(|_| is_whole)
    }
}

/// The goroutines at some addresses of a `g`, which come in the order of [`Heap::goroutines`], so that none has to be searched
/// for: of a million that takes as long as scanning them.
fn in_order(
    heap: &impl Heap,
    some: impl Iterator<Item = u64>,
) -> impl Iterator<Item = Option<Which>> {
    let mut rest = (0..).zip(heap.goroutines());
    some.map(move |g| {
        let mut ahead = rest.clone();
        let (number, _) = ahead.find(|(_, one)| one.g == g)?;
        rest = ahead;
        Some(Which(number))
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use gorphan_model::{
        Format, Frame, Identities, Labels, ProfileKind, Sample, Stack, State, Waits,
    };

    use super::super::toy::Toy;
    use super::*;
    use crate::{Address, Detail};

    /// A snapshot of a drawing: goroutines 10 to 19 are blocked in `main.f1`, 20 to 29 in `main.f2` and so on, and those with
    /// the same result share a sample.
    fn snapshot(toy: &Toy, proven: &Proven<'_, Toy>) -> (Snapshot, Details) {
        let mut snapshot = Snapshot::new(Format::Memory, ProfileKind::Goroutine);
        let mut details = Details::default();
        let mut known: HashMap<(u64, Outcome), usize> = HashMap::new();
        // A dead one, which is in the list as well.
        let list = std::iter::once(1).chain(toy.goroutines().iter().map(|one| one.g));
        let outcomes = proven.outcomes(list);
        assert_eq!(outcomes.first(), Some(&Outcome::NONE));
        for (one, outcome) in toy.goroutines().iter().zip(outcomes.iter().skip(1)) {
            let (place, next) = (one.id / 10, snapshot.samples.len());
            let at = *known.entry((place, *outcome)).or_insert(next);
            if at == next {
                let frame = Frame::new(format!("main.f{place}"), "main.go", 1);
                let stack = Stack {
                    frames: vec![frame].into(),
                    created_by: None,
                    elided: None,
                    ancestors: Vec::new(),
                };
                snapshot.samples.push(Sample {
                    stack: Arc::new(stack),
                    state: Some(State::parse("chan receive")),
                    count: 0,
                    leaked: 0,
                    durable: false,
                    locked_to_thread: None,
                    labels: Labels::default(),
                    waits: Some(Waits::default()),
                    identities: Identities::default(),
                    proof: None,
                });
            }
            snapshot.samples[at].count += 1;
            details.goroutines.push(Detail {
                id: GoroutineId(one.id),
                g: Address(one.g),
                sample: at,
                tid: None,
                parent: None,
                labels: 0,
                stack_bytes: 2048,
            });
        }
        (snapshot, details)
    }

    fn told(proof: Option<&Proof>) -> String {
        match proof {
            None => "-".to_owned(),
            Some(Proof::Inconclusive(why)) => format!("? {why}"),
            Some(Proof::Reachable(way)) => {
                let way = way.iter().map(|step| step.description.as_str());
                format!("live by {}", way.collect::<Vec<_>>().join(", "))
            }
            Some(Proof::Unreachable(leak)) => {
                let cause = leak
                    .cause
                    .iter()
                    .map(|one| format!(", {} {}", one.goroutine, one.why));
                let objects = leak.objects.len();
                format!(
                    "LEAK at site {} of {objects}{}",
                    leak.site,
                    cause.collect::<String>()
                )
            }
        }
    }

    /// Each sample as its count and proof, then heap bytes of the sites, shared and live ones.
    fn check(drawing: &str, expected: &str) {
        let toy = Toy::parse(drawing);
        for threads in [1, 2] {
            let proven = Proven::new(&toy, threads);
            let (mut snapshot, details) = snapshot(&toy, &proven);
            proven.fill(&mut snapshot, &details);
            let mut found = String::new();
            for sample in &snapshot.samples {
                let first = sample.stack.frames.iter().next().expect("a frame");
                let function = &first.function;
                let proof = told(sample.proof.as_deref());
                writeln!(found, "{} {function} {proof}", sample.count).expect("text");
            }
            let retention = snapshot.retention.expect("filled");
            let sites = retention
                .sites
                .iter()
                .map(|site| format!("{} ", site.heap_bytes));
            let sites: String = sites.collect();
            write!(
                found,
                "{sites}shared {} live {}",
                retention.shared_bytes, retention.live_bytes
            )
            .expect("text");
            let lines = expected
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty());
            assert_eq!(
                found.lines().collect::<Vec<_>>(),
                lines.collect::<Vec<_>>(),
                "{drawing}"
            );
        }
    }

    #[test]
    fn samples_have_one_result_each() {
        check(
            "g1 runs holds x
            g10 waits a holds a s\n g11 waits b\n g12 waits c holds c s
            g20 waits mystery\n g21 waits b\n g30 waits d holds d s a
            global main.b -> b",
            "1 main.f0 -
            2 main.f1 LEAK at site 0 of 1, 30 has the channel on its stack
            1 main.f1 live by global main.b
            1 main.f2 ? what it waits for is a mystery
            1 main.f2 live by global main.b
            1 main.f3 LEAK at site 1 of 1
            16 16 shared 32 live 32",
        );
    }

    #[test]
    fn in_doubt_nothing_is_called_a_leak() {
        check(
            "g10 waits a holds a\n g11 waits b\n global -> b\n doubt a sweep was under way",
            "1 main.f1 ? a sweep was under way
            1 main.f1 live by global main.unnamed
            shared 0 live 32",
        );
    }

    /// `others`, `waits` as the goroutines of the graph, heap bytes retained, and the proof.
    fn check_why(drawing: &str, id: u64, expected: &str) {
        let toy = Toy::parse(drawing);
        let proven = Proven::new(&toy, 2);
        let (mut snapshot, details) = snapshot(&toy, &proven);
        proven.fill(&mut snapshot, &details);
        let why = proven
            .why(GoroutineId(id), &snapshot, &details)
            .expect("it is there");
        let list =
            |all: Vec<GoroutineId>| all.iter().map(|id| format!("{id} ")).collect::<String>();
        let graph = list(why.waits.iter().map(|one| one.goroutine).collect());
        let heap = why.retained.map(|all| all.heap_bytes);
        let found = format!(
            "others {}| graph {graph}| {heap:?} | {}",
            list(why.others),
            told(why.proof.as_ref())
        );
        assert_eq!(found, expected, "{drawing}");
        assert_eq!(proven.why(GoroutineId(99_999), &snapshot, &details), None);
    }

    #[test]
    fn one_goroutine_is_told_in_full() {
        let drawing = "g10 waits a holds a x\n g11 waits a holds a\n g20 waits c holds a y\n g30 runs holds z w\n z -> v
            g40 waits v holds u\n u -> t\n t : ? 64";
        let cause = ", 20 has the channel on its stack";
        check_why(
            drawing,
            10,
            &format!("others 11 | graph 10 20 | Some(16) | LEAK at site 0 of 1{cause}"),
        );
        check_why(
            drawing,
            20,
            "others | graph 20 | Some(32) | LEAK at site 1 of 1",
        );
        check_why(drawing, 30, "others | graph | Some(32) | -");
        check_why(
            drawing,
            40,
            "others | graph | Some(80) | live by goroutine 30 in main.f, field 0 of z",
        );
    }
}
