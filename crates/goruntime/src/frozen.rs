//! What is copied while the target is stopped, and how: in few calls, into room that was made before.

mod ahead;
mod saved;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::runtime::Bias;
use crate::{Address, Error, Memory, Unreadable};
pub(crate) use ahead::{Ahead, Key, copy as ahead};

/// Bytes between two wanted ranges that are copied along: copying them costs less than looking up another range.
const MAX_GAP_BYTES: u64 = 512;
/// Bytes of several ranges that are read as one. If it fails each is read alone, so it must not be too large.
const MAX_GROUP_BYTES: u64 = 4 << 20;
/// Bytes and ranges that are read before it is asked again whether there is time: some 20 ms of a slow machine.
const MAX_BATCH_BYTES: u64 = 32 << 20;
const MAX_BATCH_RANGES: usize = 1 << 16;
/// How many pointers are followed one after the other by [`Copier::follow`]; the longest chain is that of a map's buckets.
const MAX_ROUNDS: u32 = 16;

/// A thread of the target while it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Its number in the target's own PID namespace: what `m.procid` holds.
    pub tid: u64,
    /// The instruction pointer.
    pub rip: u64,
    /// The stack pointer.
    pub rsp: u64,
    /// The frame pointer.
    pub rbp: u64,
    /// The link register; 0 where the processor has none.
    pub link: u64,
    /// All its general registers, in no order: what they point to is in use.
    pub registers: [u64; GENERAL_REGISTERS],
}

/// Registers of a thread that may hold a pointer: x0 to x30 of arm64; rax to r15 of amd64, and zeros.
pub const GENERAL_REGISTERS: usize = 31;

/// How much is asked of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// The goroutines with their stacks.
    #[default]
    Goroutines,
    /// And everything that says who could wake them: globals, the heap but for objects without pointers, the runtime's own lists.
    Proof,
}

/// How much is copied at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Goroutines, dead ones included.
    pub goroutines: u64,
    /// Bytes copied in all.
    pub copied_bytes: u64,
    /// Bytes of one goroutine's stack, from its stack pointer; what lies beyond is not unwound.
    pub stack_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Ten times what the largest services run.
            goroutines: 10_000_000,
            // A million goroutines with 8 KiB each.
            copied_bytes: 8 << 30,
            // Deep recursion is unwound for thousands of frames.
            stack_bytes: 1 << 20,
        }
    }
}

/// The moment of the copy, as who stopped the target knows it.
pub struct Moment<'a> {
    /// The threads with their registers: without them a running goroutine has no stack.
    pub threads: &'a [Thread],
    /// `CLOCK_MONOTONIC` as the target's time namespace sees it: what `runtime.nanotime` returns.
    pub now_nanos: u64,
    /// How much to copy.
    pub limits: Limits,
    /// What the copy is for.
    pub depth: Depth,
    /// Asked between reads; once it says no the copy ends with [`crate::Error::OutOfTime`], so that the target can be let go.
    pub may_go_on: &'a dyn Fn() -> bool,
}

/// Bytes that somebody owns.
pub trait Bytes: AsRef<[u8]> + AsMut<[u8]> + Send + Sync {}

impl<T: AsRef<[u8]> + AsMut<[u8]> + Send + Sync> Bytes for T {}

/// Room for a copy. Memory that is touched for the first time is slower to copy into than the copy itself, so who stops a
/// target makes room for [`crate::Runtime::measure`] bytes before. What does not fit is allocated.
pub struct Room {
    bytes: Box<dyn Bytes>,
    /// What [`crate::Runtime::copy_ahead`] has filled of it.
    ahead: Option<Ahead>,
}

impl Room {
    /// Room in bytes that are in memory already.
    pub fn new(bytes: impl Bytes + 'static) -> Self {
        Self {
            bytes: Box::new(bytes),
            ahead: None,
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// Room that is filled.
#[derive(Clone)]
struct Filled(Arc<Box<dyn Bytes>>);

impl Filled {
    fn bytes(&self) -> &[u8] {
        self.0.as_ref().as_ref().as_ref()
    }
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes().len())
    }
}

/// What was copied, with the moment it was copied at.
#[derive(Debug, Clone, Default)]
pub struct Frozen {
    layers: Vec<Layer>,
    rooms: Vec<Filled>,
    /// Small structures, by where they were read.
    small: BTreeMap<u64, Box<[u8]>>,
    copied_bytes: u64,
    gave_up: Option<Error>,
    /// Running threads hold more words that may lead to something than were followed: nothing can be proven.
    pub(crate) leaves_out_words: bool,
    pub(crate) bias: Bias,
    pub(crate) now_nanos: u64,
    pub(crate) stack_bytes: u64,
    pub(crate) threads: Vec<Thread>,
    /// The pointers of `allgs`.
    pub(crate) goroutines: Vec<Address>,
}

/// Pieces that were copied together. They are sorted and do not overlap.
#[derive(Debug, Clone)]
struct Layer {
    room: usize,
    pieces: Vec<Piece>,
}

/// A range of the target and where its bytes are in the layer's room.
#[derive(Debug, Clone, Copy)]
struct Piece {
    start: u64,
    length: u64,
    at: usize,
}

impl Piece {
    /// Where the bytes of a range are in the room, if this piece has them all.
    fn part(&self, address: Address, length: u64) -> Option<(usize, usize)> {
        let skip = address.0.checked_sub(self.start)?;
        if skip.checked_add(length)? > self.length {
            return None;
        }
        let at = self.at.checked_add(usize::try_from(skip).ok()?)?;
        Some((at, at.checked_add(usize::try_from(length).ok()?)?))
    }
}

impl Layer {
    /// Where the bytes of a range are in the room, if one piece has them all.
    fn find(&self, address: Address, length: u64) -> Option<(usize, usize)> {
        // Most of what is asked lies in another layer.
        let (first, last) = (self.pieces.first()?, self.pieces.last()?);
        if address.0 < first.start || address.0 >= last.start.saturating_add(last.length) {
            return None;
        }
        let after = self
            .pieces
            .partition_point(|piece| piece.start <= address.0);
        self.pieces
            .get(after.checked_sub(1)?)?
            .part(address, length)
    }

    /// As [`Layer::find`], quicker for one that lies in the piece of the last that was looked for or in the next.
    fn find_near(
        &self,
        last: &Cell<usize>,
        address: Address,
        length: u64,
    ) -> Option<(usize, usize)> {
        let near = last.get();
        for index in near..near.saturating_add(2) {
            let Some(piece) = self.pieces.get(index) else {
                break;
            };
            if (piece.start..piece.start.saturating_add(piece.length)).contains(&address.0) {
                last.set(index);
                return piece.part(address, length);
            }
        }
        let after = self
            .pieces
            .partition_point(|piece| piece.start <= address.0);
        let index = after.checked_sub(1)?;
        last.set(index);
        self.pieces.get(index)?.part(address, length)
    }

    /// Adds a piece behind all others; one that continues the last lengthens it.
    fn push(&mut self, piece: Piece) {
        if let Some(last) = self.pieces.last_mut() {
            let ends_at = last.at.checked_add(last.length as usize);
            if last.start.checked_add(last.length) == Some(piece.start) && ends_at == Some(piece.at)
            {
                last.length += piece.length;
                return;
            }
        }
        self.pieces.push(piece);
    }
}

impl Frozen {
    /// Bytes copied from the target.
    pub fn copied_bytes(&self) -> u64 {
        self.copied_bytes
    }

    /// Why nothing but the goroutines was copied, although more was asked for.
    pub fn gave_up(&self) -> Option<&Error> {
        self.gave_up.as_ref()
    }

    /// The copied bytes of a range, if one piece has them all.
    pub(crate) fn slice(&self, address: Address, length: u64) -> Option<&[u8]> {
        let found = self.layers.iter().find_map(|layer| {
            let (from, to) = layer.find(address, length)?;
            self.rooms.get(layer.room)?.bytes().get(from..to)
        });
        if found.is_some() {
            return found;
        }
        let (start, bytes) = self.small.range(..=address.0).next_back()?;
        within(*start, bytes, address, length)
    }
}

/// The part of `bytes`, which lie at `start`, that lies at `address`.
fn within(start: u64, bytes: &[u8], address: Address, length: u64) -> Option<&[u8]> {
    let skip = address.0.checked_sub(start)?;
    let end = skip.checked_add(length)?;
    bytes.get(usize::try_from(skip).ok()?..usize::try_from(end).ok()?)
}

impl Memory for Frozen {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let length = buffer.len() as u64;
        let bytes = self
            .slice(address, length)
            .ok_or(Unreadable { address, length })?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two mapped ranges of bytes that say where they are.
    struct Mapped;

    impl Memory for Mapped {
        fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
            let length = buffer.len() as u64;
            let end = address.plus(length).map_or(0, |end| end.0);
            let mapped = [(0x1000, 0x3000), (0x3800, 0x5000)];
            if !mapped
                .iter()
                .any(|(low, high)| address.0 >= *low && end <= *high)
            {
                return Err(Unreadable { address, length });
            }
            for (slot, at) in buffer.iter_mut().zip(address.0..) {
                *slot = at as u8;
            }
            Ok(())
        }
    }

    fn moment<'a>(may_go_on: &'a dyn Fn() -> bool) -> Moment<'a> {
        Moment {
            threads: &[],
            now_nanos: 0,
            depth: Depth::Goroutines,
            limits: Limits::default(),
            may_go_on,
        }
    }

    fn check(ranges: &[(u64, u64)], expected: &[bool]) {
        let moment = moment(&|| true);
        let mut copier = Copier::new(&Mapped, &moment, Room::default());
        copier.layer(ranges.to_vec()).expect("within limits");
        let frozen = copier.finish(Bias(0), Vec::new());
        let found: Vec<bool> = ranges
            .iter()
            .map(|(at, length)| {
                let bytes = frozen.slice(Address(*at), *length);
                bytes.is_some_and(|bytes| bytes.first() == Some(&(*at as u8)))
            })
            .collect();
        assert_eq!(found, expected, "{ranges:x?}");
    }

    #[test]
    fn a_hole_loses_only_what_lies_in_it() {
        check(&[(0x1001, 16), (0x1101, 16)], &[true, true]);
        check(
            &[(0x2ff0, 16), (0x3100, 16), (0x3801, 16)],
            &[true, false, true],
        );
        check(&[(u64::MAX - 3, 16), (0x1001, 0x10)], &[false, true]);
    }

    #[test]
    fn what_does_not_fit_into_the_room_goes_into_another() {
        let moment = moment(&|| true);
        for room in [0, 40, 64, 100] {
            let mut copier = Copier::new(&Mapped, &moment, Room::new(vec![0; room]));
            copier.layer(vec![(0x1000, 32)]).expect("within limits");
            copier.layer(vec![(0x2000, 32)]).expect("within limits");
            let frozen = copier.finish(Bias(0), Vec::new());
            for at in [0x1000, 0x101f, 0x2000, 0x201f] {
                assert_eq!(frozen.slice(Address(at), 1), Some(&[at as u8][..]));
            }
            assert_eq!(frozen.slice(Address(0x1020), 1), None, "never copied");
            assert_eq!(frozen.copied_bytes(), 64);
        }
    }

    #[test]
    fn measuring_counts_what_the_copy_will_have() {
        let moment = moment(&|| true);
        let fill = |mut copier: Copier<'_>| {
            copier
                .layer(vec![(0x1000, 32), (0x2000, 8)])
                .expect("within limits");
            copier
                .bulk(vec![(0x3000, 8), (0x3800, 64)])
                .expect("within limits");
            let read = copier.slice(Address(0x1000), 32).is_some();
            (copier.copied_bytes(), read)
        };
        assert_eq!(fill(Copier::measuring(&Mapped, &moment)), (112, true));
        // What turns out to be a hole was measured all the same.
        let copier = Copier::new(&Mapped, &moment, Room::default());
        assert_eq!(fill(copier), (104, true));
    }

    /// From each start three words are read: one there, one further on, one where nothing is mapped.
    #[test]
    fn pointers_are_followed_abreast_and_a_dangling_one_ends() {
        let moment = moment(&|| true);
        let mut copier = Copier::new(&Mapped, &moment, Room::default());
        let read = |memory: &dyn Memory, start: u64| {
            for at in [start, start + 0x800, start + 0x2000] {
                if memory.read(Address(at), &mut [0; 8]).is_err() {
                    return;
                }
            }
        };
        copier
            .follow(&[0x1000, 0x1100, 0x9000], read)
            .expect("within limits");
        let found = |at: u64| copier.slice(Address(at), 8).is_some();
        let seen = [0x1000, 0x1100, 0x1800, 0x1900, 0x3000, 0x3100, 0x9000].map(found);
        assert_eq!(seen, [true, true, true, true, false, false, false]);
        // The two of a round are one layer; the last, which failed, is an empty one.
        assert_eq!(copier.layers.len(), 3);
    }

    #[test]
    fn the_copy_ends_when_told_to() {
        let moment = moment(&|| false);
        let mut copier = Copier::new(&Mapped, &moment, Room::default());
        let ended = copier.layer(vec![(0x1000, 8)]);
        assert_eq!(ended, Err(Error::OutOfTime { copied_bytes: 0 }));
    }

    #[test]
    fn the_limit_of_bytes_is_held_before_they_are_copied() {
        let mut moment = moment(&|| true);
        moment.limits.copied_bytes = 100;
        let mut copier = Copier::new(&Mapped, &moment, Room::default());
        assert_eq!(copier.layer(vec![(0x1000, 60)]), Ok(true));
        let ended = copier.layer(vec![(0x2000, 60)]);
        assert_eq!(ended, Err(Error::TooMuch { limit: 100 }));
        assert_eq!(copier.copied_bytes(), 60);
    }
}
