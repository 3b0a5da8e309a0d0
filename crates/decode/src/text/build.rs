//! One snapshot as its goroutines come in.

use std::hash::BuildHasher;
use std::sync::Arc;

use gorphan_model::{
    Format, GoroutineId, Identities, Identity, Labels, Problem, ProfileKind, Sample, Snapshot,
    Waits,
};
use hashbrown::HashTable;

use super::header::LabelList;
use super::stacks::{StackId, Stacks};
use super::states::States;
use crate::Limits;

/// Entries of 64 neighbouring goroutine numbers each, 16 bytes an entry, that are remembered to see a number come again.
const MAX_NUMBER_RANGES: usize = 450_000;
/// Goroutines whose stack was unavailable that are remembered, to be replaced if another thread prints them.
const MAX_UNAVAILABLE: usize = 1024;

/// One goroutine, or the goroutines of one record of `debug=1`, without the stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goroutine {
    pub(super) id: u64,
    pub(super) parent: Option<GoroutineId>,
    pub(super) state: Option<u16>,
    pub(super) minutes: u32,
    pub(super) count: u64,
    pub(super) leaked: bool,
    pub(super) durable: bool,
    pub(super) locked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    stack: StackId,
    state: Option<u16>,
    durable: bool,
}

struct Slot {
    key: Key,
    sample: Sample,
    /// Waits below a minute, which most are; added to the sample at the end.
    no_minutes: u64,
}

/// A snapshot being read.
pub(super) struct Builder {
    snapshot: Snapshot,
    slots: Vec<Slot>,
    table: HashTable<u32>,
    /// By stack, the slot of the last goroutine with it: most stacks have one.
    latest: Vec<u32>,
    last: usize,
    hasher: foldhash::fast::RandomState,
    numbers: Numbers,
    unavailable: Vec<(u64, u32)>,
    identities_left: usize,
    problems_left: usize,
    problems_elided: u64,
    /// Goroutines not kept because a limit of stacks was reached.
    dropped: u64,
    first_dropped_line: u64,
    /// Goroutines kept.
    pub(super) goroutines: u64,
    /// What the first line of a `debug=1` profile promises.
    pub(super) total: Option<u64>,
    /// A goroutine at work with its stack, which every dump has at most once, was met.
    pub(super) runner: bool,
}

impl Builder {
    /// A snapshot that starts at `line`.
    pub(super) fn new(format: Format, profile: ProfileKind, line: u64, limits: &Limits) -> Self {
        let mut snapshot = Snapshot::new(format, profile);
        snapshot.first_line = line;
        Self {
            snapshot,
            slots: Vec::new(),
            table: HashTable::new(),
            latest: Vec::new(),
            last: 0,
            hasher: foldhash::fast::RandomState::default(),
            numbers: Numbers::default(),
            unavailable: Vec::new(),
            identities_left: limits.identities,
            problems_left: limits.problems,
            problems_elided: 0,
            dropped: 0,
            first_dropped_line: 0,
            goroutines: 0,
            total: None,
            runner: false,
        }
    }

    /// The format.
    pub(super) fn format(&self) -> Format {
        self.snapshot.format
    }

    /// Whether every goroutine is one that the runtime says is leaked.
    pub(super) fn leak_profile(&self) -> bool {
        self.snapshot.profile == ProfileKind::GoroutineLeak
    }

    /// Goroutines that were left out at a limit.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether the goroutine was met in this snapshot.
    pub(super) fn has(&self, id: u64) -> bool {
        self.numbers.has(id)
    }

    /// Remembers that the goroutine was met, also where a filter does not want it.
    pub(super) fn met(&mut self, id: u64) {
        self.numbers.add(id);
    }

    /// Counts a goroutine.
    pub(super) fn add(
        &mut self,
        stack: StackId,
        one: &Goroutine,
        labels: &LabelList,
        stacks: &Stacks,
        states: &States,
    ) {
        let key = Key {
            stack,
            state: one.state,
            durable: one.durable,
        };
        let Some(at) = self.slot(key, stacks, states) else {
            return;
        };
        let dump = self.snapshot.format == Format::Dump;
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        let sample = &mut slot.sample;
        sample.count = sample.count.saturating_add(one.count);
        self.goroutines = self.goroutines.saturating_add(one.count);
        if one.leaked {
            sample.leaked = sample.leaked.saturating_add(one.count);
        }
        if dump && one.locked {
            let locked = sample.locked_to_thread.get_or_insert(0);
            *locked = locked.saturating_add(1);
        }
        for (key, value) in labels.iter() {
            sample.labels.add(key, value, one.count);
        }
        if !dump {
            sample.identities.elided = sample.identities.elided.saturating_add(one.count);
            return;
        }
        if one.minutes == 0 {
            slot.no_minutes += 1;
        } else if let Some(waits) = &mut sample.waits {
            waits.add(one.minutes, 1);
        }
        if self.identities_left > 0 {
            self.identities_left -= 1;
            if sample.identities.known.is_empty() {
                // Many samples have one goroutine only.
                sample.identities.known.reserve_exact(1);
            }
            sample.identities.known.push(Identity {
                id: GoroutineId(one.id),
                parent: one.parent,
            });
        } else {
            sample.identities.elided += 1;
        }
    }

    fn slot(&mut self, key: Key, stacks: &Stacks, states: &States) -> Option<usize> {
        let has_key = |at: u32| {
            let slot: Option<&Slot> = self.slots.get(at as usize);
            slot.is_some_and(|slot| slot.key == key)
        };
        if let Some(at) = self
            .latest
            .get(key.stack as usize)
            .filter(|at| has_key(**at))
        {
            self.last = *at as usize;
            return Some(self.last);
        }
        let hash = self.hasher.hash_one(key);
        let known = self.table.find(hash, |at| has_key(*at));
        let at = match known {
            Some(at) => *at,
            None => {
                let at = u32::try_from(self.slots.len()).ok()?;
                self.slots
                    .push(new_slot(key, self.snapshot.format, stacks, states)?);
                let (slots, hasher) = (&self.slots, &self.hasher);
                self.table.insert_unique(hash, at, |at| {
                    slots
                        .get(*at as usize)
                        .map_or(0, |slot| hasher.hash_one(slot.key))
                });
                at
            }
        };
        let stack = key.stack as usize;
        if stack >= self.latest.len() {
            self.latest.resize(stack + 1, at);
        }
        if let Some(latest) = self.latest.get_mut(stack) {
            *latest = at;
        }
        self.last = at as usize;
        Some(self.last)
    }

    /// Remembers a goroutine that was just counted, whose thread may still print its stack.
    pub(super) fn unavailable(&mut self, id: u64) {
        if let (Ok(at), true) = (
            u32::try_from(self.last),
            self.unavailable.len() < MAX_UNAVAILABLE,
        ) {
            self.unavailable.push((id, at));
        }
    }

    /// Takes back a goroutine whose stack was unavailable; false where there is none.
    pub(super) fn take_unavailable(&mut self, id: u64) -> bool {
        let Some(at) = self.unavailable.iter().position(|(known, _)| *known == id) else {
            return false;
        };
        let (_, slot) = self.unavailable.swap_remove(at);
        let Some(slot) = self.slots.get_mut(slot as usize) else {
            return false;
        };
        slot.sample.count = slot.sample.count.saturating_sub(1);
        slot.no_minutes = slot.no_minutes.saturating_sub(1);
        slot.sample
            .identities
            .known
            .retain(|identity| identity.id.0 != id);
        self.goroutines = self.goroutines.saturating_sub(1);
        true
    }

    /// Notes a problem; past the limit they are only counted.
    pub(super) fn problem(&mut self, line: u64, message: impl Into<String>) {
        if self.problems_left == 0 {
            self.problems_elided += 1;
            return;
        }
        self.problems_left -= 1;
        self.snapshot.problems.push(Problem::at_line(line, message));
    }

    /// Counts goroutines whose stack could not be kept.
    pub(super) fn drop_goroutines(&mut self, count: u64, line: u64) {
        if self.dropped == 0 {
            self.first_dropped_line = line;
        }
        self.dropped = self.dropped.saturating_add(count);
    }

    /// The input ends in the middle.
    pub(super) fn truncated(&mut self, line: u64, message: impl Into<String>) {
        self.snapshot.truncated = true;
        self.problem(line, message);
    }

    /// The whole snapshot.
    pub(super) fn finish(mut self, bytes: u64, limits: &Limits) -> Snapshot {
        self.snapshot.bytes_read = bytes;
        if self.dropped > 0 {
            let message = format!(
                "goroutines left out: {}; the input has more distinct stacks than are kept ({} stacks, or their \
                 total size); what is shown is a part",
                self.dropped, limits.stacks
            );
            self.snapshot
                .problems
                .push(Problem::at_line(self.first_dropped_line, message));
        }
        if self.problems_elided > 0 {
            let message = format!("{} further problems are not shown", self.problems_elided);
            self.snapshot.problems.push(Problem::new(message));
        }
        let slots = self.slots.into_iter().filter(|slot| slot.sample.count > 0);
        self.snapshot.samples = slots
            .map(|slot| {
                let mut sample = slot.sample;
                // The runtime prints no minutes for a leaked goroutine however long it has waited.
                let short = slot.no_minutes.saturating_sub(sample.leaked);
                if let (Some(waits), true) = (&mut sample.waits, short > 0) {
                    waits.add(0, short);
                }
                sample
            })
            .collect();
        self.snapshot
    }
}

fn new_slot(key: Key, format: Format, stacks: &Stacks, states: &States) -> Option<Slot> {
    let dump = format == Format::Dump;
    let state = match key.state {
        Some(state) => Some(states.state(state)?.clone()),
        None => None,
    };
    let sample = Sample {
        stack: Arc::clone(stacks.stack(key.stack)?),
        state,
        count: 0,
        leaked: 0,
        durable: key.durable,
        locked_to_thread: dump.then_some(0),
        proof: None,
        labels: Labels::default(),
        waits: dump.then(Waits::default),
        identities: Identities::default(),
    };
    Some(Slot {
        key,
        sample,
        no_minutes: 0,
    })
}

/// A set of goroutine numbers. These mostly come in runs, so 64 neighbours share an entry.
#[derive(Default)]
struct Numbers {
    table: HashTable<(u64, u64)>,
    hasher: foldhash::fast::RandomState,
    /// The entry in use, not in the table yet.
    current: (u64, u64),
}

impl Numbers {
    fn has(&self, number: u64) -> bool {
        let (range, bit) = (number >> 6, 1 << (number & 63));
        if range == self.current.0 && self.current.1 & bit != 0 {
            return true;
        }
        let found = self
            .table
            .find(self.hasher.hash_one(range), |entry| entry.0 == range);
        found.is_some_and(|entry| entry.1 & bit != 0)
    }

    fn add(&mut self, number: u64) {
        let (range, bit) = (number >> 6, 1 << (number & 63));
        if range != self.current.0 {
            self.store();
            self.current = (range, 0);
        }
        self.current.1 |= bit;
    }

    fn store(&mut self) {
        let (range, bits) = self.current;
        if bits == 0 {
            return;
        }
        let hash = self.hasher.hash_one(range);
        if let Some(entry) = self.table.find_mut(hash, |entry| entry.0 == range) {
            entry.1 |= bits;
        } else if self.table.len() < MAX_NUMBER_RANGES {
            let hasher = &self.hasher;
            self.table
                .insert_unique(hash, (range, bits), |entry| hasher.hash_one(entry.0));
        }
    }
}
