//! The samples of a profile, merged by stack.

use std::hash::BuildHasher;
use std::sync::Arc;

use gorphan_model::query::Candidate;
use gorphan_model::{
    Elision, FrameTable, Identities, Labels, ProfileKind, Sample, Snapshot, Stack,
};
use hashbrown::HashTable;

use super::labels::{self, LabelReader};
use super::tables::{Tables, Unusable};
use super::wire::{Damage, Fields, Value, numbers};
use super::{Problems, field};
use crate::Options;

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
    // A frame takes a byte of its sample or more.
    let expected_frames = tables.sample_bytes.min(options.limits.total_frames);
    let mut reader = Reader {
        tables,
        value_index,
        options,
        kind: snapshot.profile,
        samples: Vec::with_capacity(expected),
        keys: Vec::with_capacity(expected_frames),
        by_stack: HashTable::with_capacity(expected),
        hasher: foldhash::fast::RandomState::default(),
        scratch: Scratch::default(),
        labels: LabelReader::default(),
        cut_stacks: 0,
        left_out: 0,
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
pub(super) enum Skip {
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

/// What is met in one sample besides frames, count and labels.
#[derive(Default)]
struct Scratch {
    /// Frames past the limit.
    more_frames: u32,
    /// Why the sample cannot be kept.
    skip: Option<Skip>,
}

impl Scratch {
    /// Adds the frames of a location that is new, has several, is damaged, or passes the limit; `room` more are kept.
    #[cold]
    #[inline(never)]
    fn add_location(
        &mut self,
        frames: &mut Vec<u32>,
        tables: &mut Tables<'_>,
        id: u64,
        room: usize,
    ) {
        match tables.location(id) {
            Ok(ids) => {
                let kept = ids.len().min(room);
                frames.extend_from_slice(ids.get(..kept).unwrap_or_default());
                let more = u32::try_from(ids.len() - kept).unwrap_or(u32::MAX);
                self.more_frames = self.more_frames.saturating_add(more);
            }
            Err(why) => {
                self.skip.get_or_insert_with(|| unusable(id, why));
            }
        }
    }
}

/// What a sample will say, but for its stack.
struct Part {
    count: u64,
    labels: Labels,
    /// The end of its stack in [`Reader::keys`]; the one before ends where it starts.
    end: u32,
    /// Frames past the limit.
    more_frames: u32,
}

struct Reader<'a, 'o> {
    tables: Tables<'a>,
    value_index: usize,
    options: &'o Options,
    kind: ProfileKind,
    samples: Vec<Part>,
    /// Frame ids of the kept stacks, one after the other, and of the sample being read.
    keys: Vec<u32>,
    /// Index of the sample with a stack, by the hash of its frame ids.
    by_stack: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    scratch: Scratch,
    labels: LabelReader<'a>,
    cut_stacks: u64,
    /// Goroutines left out because a limit was reached.
    left_out: u64,
}

impl<'a> Reader<'a, '_> {
    fn sample(&mut self, message: &'a [u8]) -> Result<(), Skip> {
        let start = self.keys.len();
        let goroutines = self.parse(message, start);
        if let Ok(goroutines) = goroutines
            && self.wanted()
        {
            self.keep(start, goroutines);
        } else {
            self.keys.truncate(start);
        }
        goroutines.map(|_| ())
    }

    /// Reads a sample, its frames to the end of `keys`; gives its goroutines.
    fn parse(&mut self, message: &'a [u8], start: usize) -> Result<u64, Skip> {
        self.scratch = Scratch::default();
        self.labels.clear();
        let most = start.saturating_add(self.options.limits.frames);
        let mut values = 0_usize;
        let mut count = None;
        let mut fields = Fields::new(message);
        // From the first label on. Writers put nothing else there, so that equal bytes are equal labels.
        let mut label_bytes: Option<&[u8]> = None;
        let mut mixed = false;
        loop {
            let rest = fields.rest();
            let Some((number, value)) = fields.next()? else {
                break;
            };
            mixed |= label_bytes.is_some() && number != 3;
            match number {
                1 => {
                    let (keys, tables) = (&mut self.keys, &mut self.tables);
                    numbers(value, |id| match tables.only_frame(id) {
                        // Most locations have one frame, and most time goes into this line.
                        Some(frame) if keys.len() < most => keys.push(frame),
                        _ => {
                            let room = most.saturating_sub(keys.len());
                            self.scratch.add_location(keys, tables, id, room);
                        }
                    })?;
                }
                2 => numbers(value, |number| {
                    if values == self.value_index {
                        count = Some(number.cast_signed());
                    }
                    values = values.saturating_add(1);
                })?,
                3 => {
                    if label_bytes.is_none() && self.labels.take_known(rest) {
                        break;
                    }
                    label_bytes.get_or_insert(rest);
                    self.labels.add(&self.tables, value)?;
                }
                _ => {}
            }
        }
        if let Some(skip) = self.scratch.skip.take() {
            return Err(skip);
        }
        if let (Some(bytes), false) = (label_bytes, mixed) {
            self.labels.remember(bytes);
        }
        let count = count.ok_or(Skip::NoCount)?;
        let goroutines = u64::try_from(count).ok().filter(|count| *count > 0);
        goroutines.ok_or(Skip::Count(count))
    }

    /// Whether the filter wants goroutines with these labels.
    fn wanted(&mut self) -> bool {
        let filter = &self.options.filter;
        if filter.admits_all() {
            return true;
        }
        let labels = self.labels.texts(&mut self.tables);
        let labels = labels.iter().map(|(key, value)| (&**key, &**value));
        let labels: Vec<(&str, &str)> = labels.collect();
        filter.admits(&Candidate {
            state: None,
            wait_minutes: None,
            labels: &labels,
        })
    }

    /// Adds goroutines to the sample with their stack, which is the end of `keys` from `start` on.
    fn keep(&mut self, start: usize, goroutines: u64) {
        let frames = self.keys.get(start..).unwrap_or_default();
        let hash = self.hasher.hash_one(frames);
        let (keys, samples) = (&self.keys, &self.samples);
        let same = |index: &u32| key(keys, samples, *index) == frames;
        let index = match self.by_stack.find(hash, same).copied() {
            Some(index) => {
                self.keys.truncate(start);
                index
            }
            None => match self.insert(hash) {
                Some(index) => index,
                None => {
                    self.keys.truncate(start);
                    self.left_out = self.left_out.saturating_add(goroutines);
                    return;
                }
            },
        };
        let Some(sample) = self.samples.get_mut(index as usize) else {
            return;
        };
        sample.count = sample.count.saturating_add(goroutines);
        self.labels
            .keep(&mut sample.labels, &mut self.tables, goroutines);
    }

    /// A new sample, without goroutines yet, for the stack at the end of `keys`; `None` at a limit.
    fn insert(&mut self, hash: u64) -> Option<u32> {
        let limits = &self.options.limits;
        if self.samples.len() >= limits.stacks || self.keys.len() > limits.total_frames {
            return None;
        }
        let index = u32::try_from(self.samples.len()).ok()?;
        let end = u32::try_from(self.keys.len()).ok()?;
        let more_frames = self.scratch.more_frames;
        self.cut_stacks += u64::from(more_frames > 0);
        self.samples.push(Part {
            count: 0,
            labels: Labels::default(),
            end,
            more_frames,
        });
        let (keys, samples, hasher) = (&self.keys, &self.samples, &self.hasher);
        self.by_stack.insert_unique(hash, index, |index| {
            hasher.hash_one(key(keys, samples, *index))
        });
        Some(index)
    }

    /// The samples, with stacks that share one table of frames.
    fn finish(self) -> Vec<Sample> {
        let table = FrameTable::new(self.tables.frames, self.keys);
        let mut start = 0;
        let samples = self.samples.into_iter().map(|part| {
            let end = part.end as usize;
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
        if self.left_out > 0 {
            problems.add(|| {
                format!(
                    "{} goroutines are left out: their stacks come after the first {} distinct ones (limits: {} stacks, \
                     {} frames)",
                    self.left_out,
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
        if self.labels.left_out > 0 {
            problems.add(|| {
                format!(
                    "{} labels are left out: at most {} of a sample and {} of all are kept",
                    self.labels.left_out,
                    labels::MAX_LABELS,
                    labels::MAX_KEPT_VALUES
                )
            });
        }
    }
}

/// The frame ids of a kept stack.
fn key<'k>(keys: &'k [u32], samples: &[Part], index: u32) -> &'k [u32] {
    let end_of = |index: usize| samples.get(index).map_or(0, |part| part.end as usize);
    let index = index as usize;
    let start = index.checked_sub(1).map_or(0, end_of);
    keys.get(start..end_of(index)).unwrap_or_default()
}

fn unusable(id: u64, why: Unusable) -> Skip {
    match why {
        Unusable::Missing => Skip::NoLocation(id),
        Unusable::Damaged(what) => Skip::Location { id, what },
    }
}
