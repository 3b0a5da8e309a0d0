//! Copying a process that is stopped, in rounds: each round's ranges in few large reads.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Ahead, Bytes, Filled, Frozen, Layer, MAX_BATCH_BYTES, MAX_BATCH_RANGES, Moment, Piece, Room,
    Thread,
};
use crate::runtime::Bias;
use crate::{Address, Error, Memory, Unreadable};

/// Bytes between two wanted ranges that are copied along: copying them costs less than looking up another range.
const MAX_GAP_BYTES: u64 = 512;
/// Bytes of several ranges that are read as one. If it fails each is read alone, so it must not be too large.
const MAX_GROUP_BYTES: u64 = 4 << 20;
/// How many pointers are followed one after the other by [`Copier::follow`]; the longest chain is that of a map's buckets.
const MAX_ROUNDS: u32 = 16;

/// Copies into a [`Frozen`], within limits.
pub(crate) struct Copier<'a> {
    memory: &'a dyn Memory,
    moment: &'a Moment<'a>,
    small: RefCell<BTreeMap<u64, Box<[u8]>>>,
    layers: Vec<Layer>,
    rooms: Vec<Box<dyn Bytes>>,
    /// Bytes of the last room that are in use.
    used: usize,
    /// What is in the first room already.
    ahead: Option<Ahead>,
    copied_bytes: Cell<u64>,
    /// Only [`Copier::copied_bytes`] is wanted: what the copy is not steered by is not read.
    measuring: bool,
    gave_up: Option<Error>,
    leaves_out_words: bool,
    /// The piece of the latest layer that was looked into last.
    last: Cell<usize>,
}

/// Ranges that lie close together.
struct Group {
    start: u64,
    end: u64,
    /// Which of the ranges.
    first: usize,
    count: usize,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(memory: &'a dyn Memory, moment: &'a Moment<'a>, room: Room) -> Self {
        Self {
            memory,
            moment,
            small: RefCell::default(),
            layers: Vec::new(),
            rooms: vec![room.bytes],
            used: room.ahead.as_ref().map_or(0, |ahead| ahead.used),
            ahead: room.ahead,
            copied_bytes: Cell::new(0),
            measuring: false,
            gave_up: None,
            leaves_out_words: false,
            last: Cell::new(0),
        }
    }

    /// What was copied ahead, to be given back to [`Copier::keep`].
    pub(crate) fn take_ahead(&mut self) -> Ahead {
        self.ahead.take().unwrap_or_default()
    }

    /// Makes a layer of what was copied ahead and is still right.
    pub(crate) fn keep(&mut self, ahead: Ahead) {
        let pieces = ahead.kept();
        self.count(pieces.iter().map(|piece| piece.length).sum());
        if !pieces.is_empty() {
            self.layers.push(Layer { room: 0, pieces });
        }
    }

    /// The target's threads.
    pub(crate) fn threads(&self) -> &'a [Thread] {
        self.moment.threads
    }

    /// One that finds out how much there is to copy.
    pub(crate) fn measuring(memory: &'a dyn Memory, moment: &'a Moment<'a>) -> Self {
        let mut copier = Self::new(memory, moment, Room::default());
        copier.measuring = true;
        copier
    }

    /// How many layers there are.
    pub(crate) fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Keeps the first layers alone.
    pub(crate) fn give_up(&mut self, layers: usize, why: Error) {
        self.layers.truncate(layers);
        self.gave_up = Some(why);
    }

    /// Notes that not every word of running threads is followed that could be.
    pub(crate) fn leave_out_words(&mut self) {
        self.leaves_out_words = true;
    }

    /// The target's own memory, for what is not to be kept.
    pub(crate) fn uncopied(&self) -> &'a dyn Memory {
        self.memory
    }

    /// Bytes copied, or measured, until now.
    pub(crate) fn copied_bytes(&self) -> u64 {
        self.copied_bytes.get()
    }

    /// Fails once the time is up or the limit of bytes is reached.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let copied_bytes = self.copied_bytes.get();
        if !(self.moment.may_go_on)() {
            return Err(Error::OutOfTime { copied_bytes });
        }
        let limit = self.moment.limits.copied_bytes;
        if copied_bytes >= limit {
            return Err(Error::TooMuch { limit });
        }
        Ok(())
    }

    /// Copies (start, length) ranges as a layer, coalescing what lies close together. What is not readable is left out; says
    /// whether all is there.
    pub(crate) fn layer(&mut self, ranges: Vec<(u64, u64)>) -> Result<bool, Error> {
        self.copy(ranges, false)
    }

    /// As [`Copier::layer`], for what is not looked at before the copy is complete: goes unread when only measuring.
    pub(crate) fn bulk(&mut self, ranges: Vec<(u64, u64)>) -> Result<bool, Error> {
        self.copy(ranges, self.measuring)
    }

    fn copy(&mut self, mut ranges: Vec<(u64, u64)>, unread: bool) -> Result<bool, Error> {
        ranges.retain(|(start, length)| *length > 0 && start.checked_add(*length).is_some());
        // Lists of the runtime are mostly in order, which this sort makes use of.
        ranges.sort();
        ranges.dedup();
        let groups = groups(&ranges);
        let sizes = groups.iter().map(|group| group.end - group.start);
        let total = sizes.fold(0, u64::saturating_add);
        self.check()?;
        let limit = self.moment.limits.copied_bytes;
        let left = limit.saturating_sub(self.copied_bytes.get());
        let too_much = Error::TooMuch { limit };
        let Some(size) = usize::try_from(total).ok().filter(|_| total <= left) else {
            return Err(too_much);
        };
        if unread {
            self.count(total);
            return Ok(true);
        }
        let before = self.copied_bytes.get();
        let mut at = self.reserve(size);
        let mut layer = Layer {
            room: self.rooms.len().saturating_sub(1),
            pieces: Vec::with_capacity(groups.len()),
        };
        let mut rest = groups.as_slice();
        while !rest.is_empty() {
            self.check()?;
            let (batch, others) = rest.split_at(batch(rest));
            rest = others;
            at = self.read_batch(batch, &ranges, at, &mut layer);
        }
        self.layers.push(layer);
        Ok(self.copied_bytes.get() - before == total)
    }

    /// Makes room at the end of the last room, or in a new one.
    fn reserve(&mut self, size: usize) -> usize {
        let room = self
            .rooms
            .last_mut()
            .map_or(0, |room| (**room).as_mut().len());
        if size > room.saturating_sub(self.used) {
            self.rooms.push(Box::new(vec![0_u8; size]));
            self.used = 0;
        }
        let at = self.used;
        self.used += size;
        at
    }

    /// Copies groups of ranges to a place in the last room, and says where the next can go.
    fn read_batch(
        &mut self,
        batch: &[Group],
        ranges: &[(u64, u64)],
        at: usize,
        layer: &mut Layer,
    ) -> usize {
        let wanted: Vec<(Address, u64)> = batch
            .iter()
            .map(|group| (Address(group.start), group.end - group.start))
            .collect();
        let size: u64 = wanted.iter().map(|(_, length)| length).sum();
        let end = at + size as usize;
        let room = self.rooms.last_mut().map(|room| (**room).as_mut());
        let Some(buffer) = room.and_then(|room| room.get_mut(at..end)) else {
            return at;
        };
        let mut failed = self
            .memory
            .read_batch(&wanted, buffer)
            .into_iter()
            .peekable();
        let mut within = 0_usize;
        let mut copied = 0;
        for (index, group) in batch.iter().enumerate() {
            let length = group.end - group.start;
            if failed.next_if_eq(&index).is_none() {
                copied += length;
                layer.push(Piece {
                    start: group.start,
                    length,
                    at: at + within,
                });
            } else if group.count > 1 {
                let alone = ranges.iter().skip(group.first).take(group.count);
                for (start, length) in alone {
                    let from = within + (start - group.start) as usize;
                    let part = buffer.get_mut(from..from + *length as usize);
                    let read = part.map(|part| self.memory.read(Address(*start), part));
                    if matches!(read, Some(Ok(()))) {
                        copied += length;
                        layer.push(Piece {
                            start: *start,
                            length: *length,
                            at: at + from,
                        });
                    }
                }
            }
            within += length as usize;
        }
        self.count(copied);
        end
    }

    /// When only measuring, takes so many bytes more for what cannot be measured.
    pub(crate) fn expect(&self, bytes: u64) {
        if self.measuring {
            self.count(bytes);
        }
    }

    fn count(&self, bytes: u64) {
        self.copied_bytes
            .set(self.copied_bytes.get().saturating_add(bytes));
    }

    /// Lets `read` read small structures that point to one another, from each of `starts`, and copies what it reads: of all of
    /// them together, and so in few calls however many there are.
    pub(crate) fn follow(
        &mut self,
        starts: &[u64],
        read: impl Fn(&dyn Memory, u64),
    ) -> Result<(), Error> {
        let mut pending: Vec<(u64, Option<(u64, u64)>)> =
            starts.iter().map(|start| (*start, None)).collect();
        for _ in 0..MAX_ROUNDS {
            pending.retain_mut(|(start, missed)| {
                let known = Known {
                    copier: self,
                    missed: Cell::new(None),
                };
                read(&known, *start);
                let now = known.missed.get();
                // What is still missing after it was asked for cannot be read.
                let goes_on = now.is_some() && now != *missed;
                *missed = now;
                goes_on
            });
            if pending.is_empty() {
                break;
            }
            self.layer(pending.iter().filter_map(|(_, missed)| *missed).collect())?;
        }
        Ok(())
    }

    /// What a layer has of a range.
    pub(crate) fn slice(&self, address: Address, length: u64) -> Option<&[u8]> {
        // Mostly the latest is asked, and the one of stacks is slow to search.
        self.layers.iter().rev().find_map(|layer| {
            let (from, to) = layer.find(address, length)?;
            (**self.rooms.get(layer.room)?).as_ref().get(from..to)
        })
    }

    /// Whether the first layer, that of the goroutines, has a range.
    pub(crate) fn has_first(&self, (start, length): (u64, u64)) -> bool {
        let first = self.layers.first();
        first.is_some_and(|first| first.find(Address(start), length).is_some())
    }

    /// What the latest layer has of a range; quick for ranges in order.
    pub(crate) fn latest(&self, address: Address, length: u64) -> Option<&[u8]> {
        let layer = self.layers.last()?;
        let (from, to) = layer.find_near(&self.last, address, length)?;
        (**self.rooms.get(layer.room)?).as_ref().get(from..to)
    }

    pub(crate) fn finish(self, bias: Bias, goroutines: Vec<Address>) -> Frozen {
        let rooms = self.rooms.into_iter();
        Frozen {
            layers: self.layers,
            rooms: rooms.map(|room| Filled(Arc::new(room))).collect(),
            small: self.small.into_inner(),
            copied_bytes: self.copied_bytes.get(),
            gave_up: self.gave_up,
            leaves_out_words: self.leaves_out_words,
            bias,
            now_nanos: self.moment.now_nanos,
            stack_bytes: self.moment.limits.stack_bytes,
            threads: self.moment.threads.to_vec(),
            goroutines,
        }
    }
}

/// How many of the groups are read together.
fn batch(groups: &[Group]) -> usize {
    let mut bytes = 0_u64;
    let fits = |group: &&Group| {
        bytes = bytes.saturating_add(group.end - group.start);
        bytes <= MAX_BATCH_BYTES
    };
    let count = groups.iter().take_while(fits).count();
    count.clamp(1, MAX_BATCH_RANGES.min(groups.len()))
}

/// Ranges in order, as groups that are read as one each.
fn groups(ranges: &[(u64, u64)]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(ranges.len());
    for (index, (start, length)) in ranges.iter().enumerate() {
        let end = start.saturating_add(*length);
        if let Some(group) = groups.last_mut() {
            let close = start.saturating_sub(group.end) <= MAX_GAP_BYTES;
            let small = end.saturating_sub(group.start) <= MAX_GROUP_BYTES;
            if end <= group.end || close && small {
                group.end = group.end.max(end);
                group.count += 1;
                continue;
            }
        }
        groups.push(Group {
            start: *start,
            end,
            first: index,
            count: 1,
        });
    }
    groups
}

/// What was copied already, noting the first read of anything else.
struct Known<'a, 'b> {
    copier: &'a Copier<'b>,
    missed: Cell<Option<(u64, u64)>>,
}

impl Memory for Known<'_, '_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let length = buffer.len() as u64;
        if let Some(bytes) = self.copier.slice(address, length) {
            buffer.copy_from_slice(bytes);
            return Ok(());
        }
        if self.missed.get().is_none() {
            self.missed.set(Some((address.0, length)));
        }
        Err(Unreadable { address, length })
    }
}

/// Reads small structures and keeps them: the code that reads a copy reads through here while the target is stopped, and
/// so copies what it will need.
impl Memory for Copier<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let known = self.small.borrow();
        if let Some(bytes) = known.get(&address.0).and_then(|b| b.get(..buffer.len())) {
            buffer.copy_from_slice(bytes);
            return Ok(());
        }
        drop(known);
        self.memory.read(address, buffer)?;
        let copied = self.copied_bytes.get().saturating_add(buffer.len() as u64);
        self.copied_bytes.set(copied);
        self.small.borrow_mut().insert(address.0, (&*buffer).into());
        Ok(())
    }
}
