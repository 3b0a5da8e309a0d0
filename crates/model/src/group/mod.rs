//! Goroutines grouped by what holds them: the blocked site.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::operation::{classify, site_frame};
use crate::proof::Retained;
use crate::query::GroupBy;
use crate::symbol;
use crate::verdict::Dismissal;
use crate::{
    Evidence, Frame, GoroutineId, Identities, Labels, Operation, Pattern, Snapshot, Stack, State,
    Verdict, WaitReason, Waits,
};

mod proven;

use proven::{Holdings, Outcomes};

pub use proven::{Outcome, outcomes};

/// Where goroutines are blocked: the operation and the first frame outside the runtime and sync packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// What they do there.
    pub operation: Operation,
    /// Canonical name of the function.
    pub function: Arc<str>,
    /// File as the source names it; empty where unknown.
    pub file: Arc<str>,
    /// Line from 1; 0 where unknown.
    pub line: u32,
}

/// A site with all that is known of its goroutines.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The site; when grouped by something else, that of the most numerous stack.
    pub site: Site,
    /// The most frequent state; `None` where the source does not know states.
    pub state: Option<State>,
    /// Goroutines.
    pub count: u64,
    /// How many of them the runtime itself says are leaked.
    pub leaked: u64,
    /// Their waits; `None` where the source does not know them.
    pub waits: Option<Waits>,
    /// Which goroutines.
    pub identities: Identities,
    /// Goroutines whose creator is known by number and no longer exists in the snapshot; `None` where the source
    /// does not tell.
    pub orphans: Option<u64>,
    /// Distinct creators by number, gone or not; `None` where the source does not tell.
    pub creators: Option<u64>,
    /// The most numerous stack.
    pub stack: Arc<Stack>,
    /// The most frequent `go` statement.
    pub created_by: Option<Frame>,
    /// Labels of all goroutines, summarised.
    pub labels: Labels,
    /// Indexes into [`Snapshot::samples`], most numerous first.
    pub samples: Vec<usize>,
    /// Set by [`crate::verdict::judge`].
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// Why a group that would have been a finding is not one.
    pub dismissed: Option<Dismissal>,
    /// Which known leak pattern it looks like.
    pub pattern: Option<Pattern>,
    /// What was proven of them: at most one each of unreachable, reachable and inconclusive, in this order. Goroutines
    /// without a proof are in none, nor is a main goroutine that parks for ever.
    pub proven: Vec<Outcome>,
    /// What those proven leaked hold; `None` where nothing is, or where the group has only a part of a site's goroutines.
    pub retained: Option<Retained>,
    /// Bytes that only these goroutines hold, where memory was read: the sum of `retained`.
    pub retained_bytes: Option<u64>,
}

impl Group {
    /// Goroutines that are proven to wait for ever.
    pub fn unreachable(&self) -> u64 {
        let leaked = |one: &&Outcome| matches!(*one.proof, crate::Proof::Unreachable(_));
        let leaked = self.proven.iter().find(leaked);
        leaked.map_or(0, |one| one.count)
    }

    /// Suspended by `iter.Pull`, which is no operation of its own.
    pub fn is_iterator(&self) -> bool {
        self.site.operation == Operation::Other
            && self.state == Some(State::Waiting(WaitReason::Coroutine))
    }

    /// Goroutines that a finding about it counts: where some are leaked for certain those, else all.
    pub fn found(&self) -> u64 {
        let leaked = self.evidence.iter().map(Evidence::leaked).max();
        leaked.filter(|count| *count > 0).unwrap_or(self.count)
    }
}

/// Groups the samples of a snapshot, most numerous group first, then by site.
///
/// By site, a function's closure or loop body is one site however often it was inlined elsewhere (see
/// [`symbol::closure`]), provided that file and line are known and equal; two closures of one function, level and line are
/// not told apart.
/// Stacks are equal when all their frames, elisions, creators and ancestors are; their states do not count.
pub fn group(snapshot: &Snapshot, by: GroupBy) -> Vec<Group> {
    let mut names = Names::default();
    let mut members: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
    let mut sites = Vec::with_capacity(snapshot.samples.len());
    for (index, sample) in snapshot.samples.iter().enumerate() {
        let operation = classify(sample.state.as_ref(), &sample.stack);
        let frame = site_frame(&sample.stack);
        let key = match by {
            GroupBy::Site => Key::Site(operation, frame.map(|frame| names.place(frame))),
            GroupBy::Stack => Key::Stack(&sample.stack),
            GroupBy::Creator => {
                let creator = sample.stack.created_by.as_ref();
                Key::Creator(creator.map(|frame| names.place(frame)))
            }
            GroupBy::State => match &sample.state {
                Some(state) => Key::State(state),
                None => Key::Operation(operation),
            },
        };
        members.entry(key).or_default().push(index);
        sites.push((operation, frame));
    }
    let alive = alive(snapshot);
    let mut groups: Vec<Group> = members
        .into_values()
        .map(|indexes| build(snapshot, indexes, &sites, &mut names, alive.as_ref()))
        .collect();
    groups.sort_by(|a, b| {
        b.count
            .cmp(&a.count)
            .then_with(|| a.site.cmp(&b.site))
            .then_with(|| a.samples.cmp(&b.samples))
    });
    groups
}

/// For each sample the number of its blocked site: samples of one site, and of no others, are one group of
/// [`GroupBy::Site`]. Numbers count from 0 in the order in which sites are first met.
pub fn site_numbers(snapshot: &Snapshot) -> Vec<usize> {
    let mut names = Names::default();
    let mut known: HashMap<Key<'_>, usize> = HashMap::new();
    let samples = snapshot.samples.iter();
    samples
        .map(|sample| {
            let operation = classify(sample.state.as_ref(), &sample.stack);
            let place = site_frame(&sample.stack).map(|frame| names.place(frame));
            let next = known.len();
            *known.entry(Key::Site(operation, place)).or_insert(next)
        })
        .collect()
}

/// What makes goroutines one group; equal keys, one group.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Site(Operation, Option<PlaceKey>),
    Stack(&'a Stack),
    Creator(Option<PlaceKey>),
    State(&'a State),
    Operation(Operation),
}

/// A function, file and line such that one place in the source has one key within a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PlaceKey {
    function: Arc<str>,
    /// For a closure or a loop body with a known line: how deep in `function`, which then has no package, it is.
    closure_depth: Option<usize>,
    file: Arc<str>,
    line: u32,
}

/// Canonical names by name, worked out once each: stacks share few functions.
#[derive(Default)]
struct Names {
    known: HashMap<Arc<str>, Name>,
}

#[derive(Clone)]
struct Name {
    canonical: Arc<str>,
    closure: Option<(Arc<str>, usize)>,
}

impl Names {
    fn get(&mut self, function: &Arc<str>) -> Name {
        if let Some(name) = self.known.get(function) {
            return name.clone();
        }
        let canonical = symbol::canonical(function);
        // The body of a range-over-func loop is named after what it was inlined into, as a closure is (Go 1.24 to 1.26).
        let is_body = function.contains("-range");
        let closure = symbol::lexical(&canonical)
            .filter(|it| it.depth > 0 || is_body)
            .map(|it| (it.within.into(), it.depth));
        let canonical = match canonical {
            Cow::Borrowed(same) if same.len() == function.len() => Arc::clone(function),
            other => other.into(),
        };
        let name = Name { canonical, closure };
        self.known.insert(Arc::clone(function), name.clone());
        name
    }

    fn place(&mut self, frame: &Frame) -> PlaceKey {
        let name = self.get(&frame.function);
        let is_placed = frame.line > 0 && !frame.file.is_empty();
        let (function, closure_depth) = match name.closure {
            Some((within, depth)) if is_placed => (within, Some(depth)),
            _ => (name.canonical, None),
        };
        PlaceKey {
            function,
            closure_depth,
            file: Arc::clone(&frame.file),
            line: frame.line,
        }
    }
}

/// Every goroutine of the snapshot by number, if it is sure that none is missing.
///
/// Sure means: no number was left out, the source did not end early, nothing was unreadable, and goroutine 1, which
/// lives as long as its program, is there. A panic that prints only some goroutines fails the last.
fn alive(snapshot: &Snapshot) -> Option<HashSet<GoroutineId>> {
    let is_whole = !snapshot.truncated
        && snapshot.problems.is_empty()
        && snapshot
            .samples
            .iter()
            .all(|sample| sample.identities.elided == 0);
    if !is_whole {
        return None;
    }
    let known = snapshot
        .samples
        .iter()
        .flat_map(|sample| &sample.identities.known);
    let ids: HashSet<GoroutineId> = known.map(|identity| identity.id).collect();
    ids.contains(&GoroutineId(1)).then_some(ids)
}

/// One group of the samples at `indexes`.
fn build(
    snapshot: &Snapshot,
    mut indexes: Vec<usize>,
    sites: &[(Operation, Option<&Frame>)],
    names: &mut Names,
    alive: Option<&HashSet<GoroutineId>>,
) -> Group {
    let sample_of = |index: usize| snapshot.samples.get(index);
    let count_of = |index: usize| sample_of(index).map_or(0, |sample| sample.count);
    indexes.sort_by_key(|&index| (std::cmp::Reverse(count_of(index)), index));
    let mut states = Tally::default();
    let mut creators = Tally::default();
    // Stacks are long to hash: quickly, and once each.
    let mut stacks: HashMap<&Stack, (u64, usize), RandomState> = HashMap::default();
    let mut group = empty_group();
    let mut outcomes = Outcomes::default();
    let mut holdings = Holdings::default();
    for (index, sample) in indexes
        .iter()
        .filter_map(|&index| Some((index, sample_of(index)?)))
    {
        group.count = group.count.saturating_add(sample.count);
        group.leaked = group.leaked.saturating_add(sample.leaked);
        if let Some(waits) = &sample.waits {
            group.waits.get_or_insert_default().merge(waits);
        }
        group.labels.merge(&sample.labels);
        outcomes.add(sample);
        holdings.add(sample);
        group
            .identities
            .known
            .extend_from_slice(&sample.identities.known);
        let elided = &mut group.identities.elided;
        *elided = elided.saturating_add(sample.identities.elided);
        if let Some(state) = &sample.state {
            states.add(state, sample.count);
        }
        if let Some(creator) = &sample.stack.created_by {
            creators.add(creator, sample.count);
        }
        let (total, first) = stacks.entry(&sample.stack).or_insert((0, index));
        *total = total.saturating_add(sample.count);
        *first = index.min(*first);
    }
    // The stack whose samples sum to the most; of equals the first in the snapshot.
    let top = stacks
        .values()
        .min_by_key(|(total, first)| (std::cmp::Reverse(*total), *first));
    let top = top.map(|&(_, first)| first);
    if let Some(sample) = top.and_then(sample_of) {
        group.stack = Arc::clone(&sample.stack);
    }
    if let Some((operation, frame)) = top.and_then(|index| sites.get(index)) {
        group.site = site(*operation, *frame, names);
    }
    group.state = states.most().cloned();
    group.created_by = creators.most().cloned();
    let parents = group
        .identities
        .known
        .iter()
        .filter_map(|identity| identity.parent);
    let distinct: HashSet<GoroutineId> = parents.clone().collect();
    if !distinct.is_empty() {
        group.creators = Some(distinct.len() as u64);
        group.orphans = alive.map(|alive| parents.filter(|id| !alive.contains(id)).count() as u64);
    }
    group.proven = outcomes.list();
    group.retained = holdings.sum(snapshot.retention.as_deref());
    group.retained_bytes = group.retained.as_ref().map(Retained::bytes);
    group.samples = indexes;
    group
}

fn site(operation: Operation, frame: Option<&Frame>, names: &mut Names) -> Site {
    match frame {
        Some(frame) => Site {
            operation,
            function: names.get(&frame.function).canonical,
            file: Arc::clone(&frame.file),
            line: frame.line,
        },
        None => Site {
            operation,
            function: "".into(),
            file: "".into(),
            line: 0,
        },
    }
}

fn empty_group() -> Group {
    Group {
        site: site(Operation::Other, None, &mut Names::default()),
        state: None,
        count: 0,
        leaked: 0,
        waits: None,
        identities: Identities::default(),
        orphans: None,
        creators: None,
        stack: Arc::default(),
        created_by: None,
        labels: Labels::default(),
        samples: Vec::new(),
        verdict: Verdict::Normal,
        evidence: Vec::new(),
        dismissed: None,
        pattern: None,
        proven: Vec::new(),
        retained: None,
        retained_bytes: None,
    }
}

/// Counts by value; the most frequent, and of equals the smallest, is the same on every run.
struct Tally<'a, T> {
    counts: HashMap<&'a T, u64>,
}

impl<T> Default for Tally<'_, T> {
    fn default() -> Self {
        Self {
            counts: HashMap::new(),
        }
    }
}

impl<'a, T: Ord + std::hash::Hash> Tally<'a, T> {
    fn add(&mut self, value: &'a T, count: u64) {
        let sum = self.counts.entry(value).or_default();
        *sum = sum.saturating_add(count);
    }

    fn most(&self) -> Option<&'a T> {
        let ranked = self.counts.iter();
        let best = ranked.max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
        best.map(|(value, _)| *value)
    }
}

#[cfg(test)]
mod tests;
