//! The samples of a profile, merged by stack.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use gorphan_model::query::Candidate;
use gorphan_model::{
    Elision, FrameTable, Identities, Labels, ProfileKind, Sample, Snapshot, Stack,
};
use hashbrown::HashTable;

use super::tables::{Tables, Unusable};
use super::wire::{Damage, Fields, Value, numbers};
use super::{Problems, field, signed};
use crate::Options;

/// Labels kept of one sample; [`Labels`] keeps fewer keys, and real programs use a handful.
const MAX_LABELS: usize = 256;

/// Label values kept in one profile, over all its stacks; each takes some 300 bytes of memory.
const MAX_KEPT_VALUES: usize = 2 << 20;

/// Sets of labels that samples may share; further ones are each made anew.
const MAX_LABEL_SETS: usize = 65_536;

/// Reads every sample into `snapshot.samples`.
pub(super) fn read<'a>(
    profile: &'a [u8],
    tables: Tables<'a>,
    value_index: usize,
    options: &Options,
    snapshot: &mut Snapshot,
    problems: &mut Problems,
) {
    // Reserved at once, because growing copies; a hostile count of samples reserves no more than the limit.
    let expected = tables.sample_count.min(options.limits.stacks);
    let mut reader = Reader {
        tables,
        value_index,
        options,
        kind: snapshot.profile,
        samples: Vec::with_capacity(expected),
        keys: Vec::new(),
        key_ends: Vec::with_capacity(expected),
        by_stack: HashTable::with_capacity(expected),
        hasher: foldhash::fast::RandomState::default(),
        scratch: Scratch::default(),
        label_sets: HashMap::default(),
        label_values_left: MAX_KEPT_VALUES,
        cut_stacks: 0,
        full: Overflow::default(),
    };
    let mut fields = Fields::new(profile);
    let mut number = 0_u64;
    loop {
        let left = fields.left();
        // The end, or damage that the tables have already told of.
        let Ok(Some((tag, value))) = fields.next() else {
            break;
        };
        let (field::SAMPLE, Value::Bytes(message)) = (tag, value) else {
            continue;
        };
        number += 1;
        if let Err(why) = reader.sample(message) {
            let offset = profile.len() - left;
            problems.add(|| format!("sample {number} at byte {offset}: {why}; it is left out"));
        }
    }
    reader.report(problems);
    snapshot.samples = reader.finish();
}

/// Why a sample is left out.
#[derive(Debug, thiserror::Error)]
enum Skip {
    #[error("{0}")]
    Damaged(&'static str),
    #[error("its location {id} is damaged: {what}")]
    Location { id: u64, what: &'static str },
    #[error("it names location {0}, which the profile does not have")]
    NoLocation(u64),
    #[error("its count is {0}")]
    Count(i64),
    #[error("it has no count")]
    NoCount,
    #[error("its label names a string that the profile does not have")]
    LabelString,
}

impl From<Damage> for Skip {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage.0)
    }
}

/// What one sample says, reused from sample to sample.
#[derive(Default)]
struct Scratch {
    frames: Vec<u32>,
    labels: Vec<RawLabel>,
    /// Frames past the limit.
    more_frames: u32,
    /// Why the sample cannot be kept.
    skip: Option<Skip>,
}

impl Scratch {
    fn clear(&mut self) {
        self.frames.clear();
        self.labels.clear();
        self.more_frames = 0;
        self.skip = None;
    }

    /// Adds the frames of a location that is new, has several, is damaged, or passes the limit.
    #[cold]
    #[inline(never)]
    fn add_location(&mut self, tables: &mut Tables<'_>, id: u64, limit: usize) {
        match tables.location(id) {
            Ok(ids) => {
                let kept = ids.len().min(limit.saturating_sub(self.frames.len()));
                self.frames
                    .extend_from_slice(ids.get(..kept).unwrap_or_default());
                let more = u32::try_from(ids.len() - kept).unwrap_or(u32::MAX);
                self.more_frames = self.more_frames.saturating_add(more);
            }
            Err(why) => {
                self.skip.get_or_insert_with(|| unusable(id, why));
            }
        }
    }
}

/// A label as its message has it: strings by index. Equal ones have equal texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct RawLabel {
    key: u64,
    /// The value, if it is text.
    text: u64,
    number: i64,
    unit: u64,
}

/// What a sample will say, but for its stack.
struct Part {
    count: u64,
    labels: Labels,
    /// Frames past the limit.
    more_frames: u32,
}

/// Goroutines left out because a limit was reached.
#[derive(Default)]
struct Overflow {
    goroutines: u64,
    labels: u64,
}

struct Reader<'a, 'o> {
    tables: Tables<'a>,
    value_index: usize,
    options: &'o Options,
    kind: ProfileKind,
    samples: Vec<Part>,
    /// Frame ids of the kept stacks, one after the other; `key_ends` has the end of each.
    keys: Vec<u32>,
    key_ends: Vec<usize>,
    /// Index of the sample with a stack, by the hash of its frame ids.
    by_stack: HashTable<usize>,
    hasher: foldhash::fast::RandomState,
    scratch: Scratch,
    /// Labels of samples by what their messages say and their goroutines, at most [`MAX_LABEL_SETS`].
    label_sets: HashMap<(Vec<RawLabel>, u64), Labels, foldhash::fast::RandomState>,
    label_values_left: usize,
    cut_stacks: u64,
    full: Overflow,
}

impl<'a> Reader<'a, '_> {
    fn sample(&mut self, message: &'a [u8]) -> Result<(), Skip> {
        self.scratch.clear();
        let limit = self.options.limits.frames;
        let mut values = 0_usize;
        let mut count = None;
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => {
                    let (tables, scratch) = (&mut self.tables, &mut self.scratch);
                    numbers(value, |id| match tables.only_frame(id) {
                        // Most locations have one frame, and most time goes into this line.
                        Some(frame) if scratch.frames.len() < limit => scratch.frames.push(frame),
                        _ => scratch.add_location(tables, id, limit),
                    })?;
                }
                2 => numbers(value, |number| {
                    if values == self.value_index {
                        count = Some(number.cast_signed());
                    }
                    values = values.saturating_add(1);
                })?,
                3 => {
                    let Value::Bytes(label) = value else {
                        return Err(Skip::Damaged("a label is not a message"));
                    };
                    let label = read_label(&self.tables, label)?;
                    if self.scratch.labels.len() < MAX_LABELS {
                        self.scratch.labels.push(label);
                    } else {
                        self.full.labels = self.full.labels.saturating_add(1);
                    }
                }
                _ => {}
            }
        }
        if let Some(skip) = self.scratch.skip.take() {
            return Err(skip);
        }
        let count = count.ok_or(Skip::NoCount)?;
        let goroutines = u64::try_from(count).ok().filter(|count| *count > 0);
        let goroutines = goroutines.ok_or(Skip::Count(count))?;
        if self.wanted() {
            self.keep(goroutines);
        }
        Ok(())
    }

    /// Whether the filter wants goroutines with these labels.
    fn wanted(&mut self) -> bool {
        let filter = &self.options.filter;
        if filter.admits_all() {
            return true;
        }
        let labels = self.scratch.labels.iter();
        let labels: Vec<_> = labels
            .filter_map(|label| label.texts(&mut self.tables))
            .collect();
        let labels = labels.iter().map(|(key, value)| (&**key, &**value));
        let labels: Vec<(&str, &str)> = labels.collect();
        filter.admits(&Candidate {
            state: None,
            wait_minutes: None,
            labels: &labels,
        })
    }

    /// Adds the goroutines of the scratch sample to the sample with its stack.
    fn keep(&mut self, goroutines: u64) {
        let hash = self.hasher.hash_one(self.scratch.frames.as_slice());
        let (keys, ends, frames) = (&self.keys, &self.key_ends, &self.scratch.frames);
        let same = |index: &usize| key(keys, ends, *index) == frames.as_slice();
        let index = match self.by_stack.find(hash, same) {
            Some(index) => *index,
            None if !self.has_room() => {
                self.full.goroutines = self.full.goroutines.saturating_add(goroutines);
                return;
            }
            None => self.insert(hash),
        };
        if let Some(sample) = self.samples.get_mut(index) {
            sample.count = sample.count.saturating_add(goroutines);
        }
        if !self.scratch.labels.is_empty() {
            self.keep_labels(index, goroutines);
        }
    }

    /// Adds the labels of the scratch sample to a kept sample.
    fn keep_labels(&mut self, index: usize, goroutines: u64) {
        let Some(sample) = self.samples.get_mut(index) else {
            return;
        };
        let first = sample.labels.is_empty();
        // Taken and put back, so that a look-up needs no copy.
        let set = (std::mem::take(&mut self.scratch.labels), goroutines);
        match self.label_sets.get(&set) {
            Some(known) if first => sample.labels = known.clone(),
            _ => {
                for label in &set.0 {
                    let Some((key, value)) = label.texts(&mut self.tables) else {
                        continue;
                    };
                    if self.label_values_left == 0 {
                        self.full.labels = self.full.labels.saturating_add(1);
                    } else if sample.labels.add_shared(&key, &value, goroutines) {
                        self.label_values_left -= 1;
                    }
                }
                if first && self.label_sets.len() < MAX_LABEL_SETS {
                    self.label_sets.insert(set.clone(), sample.labels.clone());
                }
            }
        }
        self.scratch.labels = set.0;
    }

    fn has_room(&self) -> bool {
        let limits = &self.options.limits;
        self.samples.len() < limits.stacks
            && self.keys.len().saturating_add(self.scratch.frames.len()) <= limits.total_frames
    }

    /// A new sample, without goroutines yet, for the scratch stack.
    fn insert(&mut self, hash: u64) -> usize {
        let more_frames = self.scratch.more_frames;
        let index = self.samples.len();
        self.keys.extend_from_slice(&self.scratch.frames);
        self.key_ends.push(self.keys.len());
        let (keys, ends, hasher) = (&self.keys, &self.key_ends, &self.hasher);
        self.by_stack.insert_unique(hash, index, |index| {
            hasher.hash_one(key(keys, ends, *index))
        });
        self.cut_stacks += u64::from(more_frames > 0);
        self.samples.push(Part {
            count: 0,
            labels: Labels::default(),
            more_frames,
        });
        index
    }

    /// The samples, with stacks that share one table of frames.
    fn finish(self) -> Vec<Sample> {
        let table = FrameTable::new(self.tables.frames, self.keys);
        let mut start = 0;
        let whole = self.samples.into_iter().zip(self.key_ends);
        let samples = whole.map(|(part, end)| {
            let frames = table.stack(start..end);
            start = end;
            let elided = (part.more_frames > 0).then_some(Elision {
                at: frames.len(),
                count: Some(part.more_frames),
            });
            let leak = self.kind == ProfileKind::GoroutineLeak;
            Sample {
                stack: Arc::new(Stack {
                    frames,
                    elided,
                    ..Stack::default()
                }),
                state: None,
                count: part.count,
                leaked: if leak { part.count } else { 0 },
                durable: false,
                locked_to_thread: None,
                proof: None,
                labels: part.labels,
                waits: None,
                identities: Identities {
                    known: Vec::new(),
                    elided: part.count,
                },
            }
        });
        samples.collect()
    }

    /// Says what was left out because of a limit.
    fn report(&self, problems: &mut Problems) {
        let limits = &self.options.limits;
        if self.full.goroutines > 0 {
            problems.add(|| {
                format!(
                    "{} goroutines are left out: their stacks come after the first {} distinct ones (limits: {} stacks, \
                     {} frames)",
                    self.full.goroutines,
                    self.samples.len(),
                    limits.stacks,
                    limits.total_frames
                )
            });
        }
        if self.cut_stacks > 0 {
            problems.add(|| {
                format!(
                    "{} stacks have more than {} frames; their outermost frames are left out",
                    self.cut_stacks, limits.frames
                )
            });
        }
        if self.full.labels > 0 {
            problems.add(|| {
                format!(
                    "{} labels are left out: at most {MAX_LABELS} of a sample and {MAX_KEPT_VALUES} of all are kept",
                    self.full.labels
                )
            });
        }
    }
}

/// The frame ids of a kept stack.
fn key<'k>(keys: &'k [u32], ends: &[usize], index: usize) -> &'k [u32] {
    let start = index
        .checked_sub(1)
        .and_then(|before| ends.get(before).copied());
    let end = ends.get(index).copied().unwrap_or_default();
    keys.get(start.unwrap_or_default()..end).unwrap_or_default()
}

fn unusable(id: u64, why: Unusable) -> Skip {
    match why {
        Unusable::Missing => Skip::NoLocation(id),
        Unusable::Damaged(what) => Skip::Location { id, what },
    }
}

/// Reads a label's message; its strings exist.
fn read_label(tables: &Tables<'_>, message: &[u8]) -> Result<RawLabel, Skip> {
    let mut label = RawLabel {
        key: 0,
        text: 0,
        number: 0,
        unit: 0,
    };
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        let (Value::Varint(varint), 1..=4) = (value, field) else {
            continue;
        };
        match field {
            1 => label.key = varint,
            2 => label.text = varint,
            3 => label.number = signed(value).unwrap_or_default(),
            _ => label.unit = varint,
        }
    }
    let strings = [label.key, label.text, label.unit];
    if strings.iter().any(|index| tables.string(*index).is_none()) {
        return Err(Skip::LabelString);
    }
    Ok(label)
}

impl RawLabel {
    /// Key and value; a number becomes text, with its unit.
    fn texts(&self, tables: &mut Tables<'_>) -> Option<(Arc<str>, Arc<str>)> {
        let value = match (self.text, self.unit) {
            (0, 0) if self.number == 0 => tables.label(0)?,
            (0, 0) => self.number.to_string().into(),
            (0, unit) => format!("{} {}", self.number, tables.label(unit)?).into(),
            (text, _) => tables.label(text)?,
        };
        Some((tables.label(self.key)?, value))
    }
}
