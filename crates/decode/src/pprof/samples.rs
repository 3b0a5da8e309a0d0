//! The samples of a profile, merged by stack.

use std::hash::BuildHasher;
use std::sync::Arc;

use gorphan_model::query::Candidate;
use gorphan_model::{Elision, Identities, Labels, ProfileKind, Sample, Snapshot, Stack};
use hashbrown::HashTable;

use super::tables::{Tables, Unusable};
use super::wire::{Damage, Fields, Value, numbers};
use super::{Problems, field, signed};
use crate::Options;

/// Labels kept of one sample; [`Labels`] keeps fewer keys, and real programs use a handful.
const MAX_LABELS: usize = 256;

/// Label values kept in one profile, over all its stacks; each takes some 300 bytes of memory.
const MAX_KEPT_VALUES: usize = 2 << 20;

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
    snapshot.samples = reader.samples;
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
    labels: Vec<(Arc<str>, Arc<str>)>,
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
    samples: Vec<Sample>,
    /// Frame ids of the kept stacks, one after the other; `key_ends` has the end of each.
    keys: Vec<u32>,
    key_ends: Vec<usize>,
    /// Index of the sample with a stack, by the hash of its frame ids.
    by_stack: HashTable<usize>,
    hasher: foldhash::fast::RandomState,
    scratch: Scratch,
    label_values_left: usize,
    cut_stacks: u64,
    full: Overflow,
}

impl<'a> Reader<'a, '_> {
    fn sample(&mut self, message: &'a [u8]) -> Result<(), Skip> {
        self.scratch.frames.clear();
        self.scratch.labels.clear();
        let limit = self.options.limits.frames;
        let mut more_frames = 0_u32;
        let mut values = 0_usize;
        let mut count = None;
        let mut skip = None;
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => {
                    let (tables, frames) = (&mut self.tables, &mut self.scratch.frames);
                    numbers(value, |id| match tables.location(id) {
                        Ok(ids) => {
                            let kept = ids.len().min(limit.saturating_sub(frames.len()));
                            frames.extend_from_slice(ids.get(..kept).unwrap_or_default());
                            let more = u32::try_from(ids.len() - kept).unwrap_or(u32::MAX);
                            more_frames = more_frames.saturating_add(more);
                        }
                        Err(why) if skip.is_none() => skip = Some(unusable(id, why)),
                        Err(_) => {}
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
                    let label = read_label(&mut self.tables, label)?;
                    if self.scratch.labels.len() < MAX_LABELS {
                        self.scratch.labels.push(label);
                    } else {
                        self.full.labels = self.full.labels.saturating_add(1);
                    }
                }
                _ => {}
            }
        }
        if let Some(skip) = skip {
            return Err(skip);
        }
        let count = count.ok_or(Skip::NoCount)?;
        let goroutines = u64::try_from(count).ok().filter(|count| *count > 0);
        let goroutines = goroutines.ok_or(Skip::Count(count))?;
        if self.wanted() {
            self.keep(goroutines, more_frames);
        }
        Ok(())
    }

    /// Whether the filter wants goroutines with these labels.
    fn wanted(&self) -> bool {
        let filter = &self.options.filter;
        if filter.admits_all() {
            return true;
        }
        let labels = self.scratch.labels.iter();
        let labels: Vec<(&str, &str)> = labels.map(|(key, value)| (&**key, &**value)).collect();
        filter.admits(&Candidate {
            state: None,
            wait_minutes: None,
            labels: &labels,
        })
    }

    /// Adds the goroutines of the scratch sample to the sample with its stack.
    fn keep(&mut self, goroutines: u64, more_frames: u32) {
        let hash = self.hasher.hash_one(self.scratch.frames.as_slice());
        let (keys, ends, frames) = (&self.keys, &self.key_ends, &self.scratch.frames);
        let same = |index: &usize| key(keys, ends, *index) == frames.as_slice();
        let index = match self.by_stack.find(hash, same) {
            Some(index) => *index,
            None if !self.has_room() => {
                self.full.goroutines = self.full.goroutines.saturating_add(goroutines);
                return;
            }
            None => self.insert(hash, more_frames),
        };
        let Some(sample) = self.samples.get_mut(index) else {
            return;
        };
        sample.count = sample.count.saturating_add(goroutines);
        sample.identities.elided = sample.count;
        if self.kind == ProfileKind::GoroutineLeak {
            sample.leaked = sample.count;
        }
        if sample.labels.is_empty() {
            sample.labels.reserve(self.scratch.labels.len());
        }
        for (name, value) in &self.scratch.labels {
            if self.label_values_left == 0 {
                self.full.labels = self.full.labels.saturating_add(1);
            } else if sample.labels.add_shared(name, value, goroutines) {
                self.label_values_left -= 1;
            }
        }
    }

    fn has_room(&self) -> bool {
        let limits = &self.options.limits;
        self.samples.len() < limits.stacks
            && self.keys.len().saturating_add(self.scratch.frames.len()) <= limits.total_frames
    }

    /// A new sample, without goroutines yet, for the scratch stack.
    fn insert(&mut self, hash: u64, more_frames: u32) -> usize {
        let index = self.samples.len();
        self.keys.extend_from_slice(&self.scratch.frames);
        self.key_ends.push(self.keys.len());
        let (keys, ends, hasher) = (&self.keys, &self.key_ends, &self.hasher);
        self.by_stack.insert_unique(hash, index, |index| {
            hasher.hash_one(key(keys, ends, *index))
        });
        let made = &self.tables.frames;
        let mut frames = Vec::with_capacity(self.scratch.frames.len());
        let ids = self.scratch.frames.iter();
        frames.extend(ids.filter_map(|id| made.get(*id as usize).cloned()));
        let elided = (more_frames > 0).then_some(Elision {
            at: frames.len(),
            count: Some(more_frames),
        });
        self.cut_stacks += u64::from(elided.is_some());
        self.samples.push(Sample {
            stack: Arc::new(Stack {
                frames,
                elided,
                ..Stack::default()
            }),
            state: None,
            count: 0,
            leaked: 0,
            durable: false,
            locked_to_thread: None,
            labels: Labels::default(),
            waits: None,
            identities: Identities::default(),
        });
        index
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

/// Key and value of a label; a number becomes text, with its unit.
fn read_label<'a>(
    tables: &mut Tables<'a>,
    message: &'a [u8],
) -> Result<(Arc<str>, Arc<str>), Skip> {
    let (mut name, mut text, mut number, mut unit) = (0, 0, 0, 0);
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        let (Value::Varint(varint), 1..=4) = (value, field) else {
            continue;
        };
        match field {
            1 => name = varint,
            2 => text = varint,
            3 => number = signed(value).unwrap_or_default(),
            _ => unit = varint,
        }
    }
    let mut string = |index| tables.label(index).ok_or(Skip::LabelString);
    let value = match (text, unit) {
        (0, 0) if number == 0 => string(0)?,
        (0, 0) => number.to_string().into(),
        (0, unit) => format!("{number} {}", string(unit)?).into(),
        (text, _) => string(text)?,
    };
    Ok((string(name)?, value))
}
