//! What is copied while the target is stopped, and how: in few calls, into room that was made before.

mod ahead;
mod copier;
mod saved;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::memory::word_at;
use crate::runtime::Bias;
use crate::{Address, Error, Memory, Unreadable};
pub(crate) use ahead::{Ahead, Key, copy as ahead};
pub(crate) use copier::Copier;

/// Bytes and ranges that are read before it is asked again whether there is time: some 20 ms of a slow machine.
const MAX_BATCH_BYTES: u64 = 32 << 20;
const MAX_BATCH_RANGES: usize = 1 << 16;

/// A thread of the target while it is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// What its vector registers hold that can be addresses, in no order: while the runtime moves memory, a pointer may be
    /// nowhere else. See [`Thread::addresses_in`].
    pub vectors: Vec<u64>,
}

impl Thread {
    /// The words of some saved registers, at multiples of 8 bytes, that can be addresses of a program, each once.
    pub fn addresses_in(saved: &[u8]) -> Vec<u64> {
        let words = saved.chunks_exact(8).filter_map(|word| word_at(word, 0));
        let mut found: Vec<u64> = words.filter(|word| ADDRESSES.contains(word)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Where memory of a program can be: below nothing is mapped, beyond is the kernel's.
pub(crate) const ADDRESSES: Range<u64> = 1 << 16..1 << 48;

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

    /// As [`Frozen::slice`], quicker for what lies beside what was asked for last with the same `near`. Layers that have the same
    /// address have the same bytes, as they are of one moment.
    pub(crate) fn slice_near(&self, near: &Near, address: Address, length: u64) -> Option<&[u8]> {
        let bytes = |layer: &Layer, piece: usize| {
            let (from, to) = layer.pieces.get(piece)?.part(address, length)?;
            self.rooms.get(layer.room)?.bytes().get(from..to)
        };
        let (last_layer, last_piece) = near.0.get();
        if let Some(layer) = self.layers.get(last_layer) {
            for piece in [last_piece, last_piece + 1, last_piece.wrapping_sub(1)] {
                if let Some(found) = bytes(layer, piece) {
                    near.0.set((last_layer, piece));
                    return Some(found);
                }
            }
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let after = layer
                .pieces
                .partition_point(|piece| piece.start <= address.0);
            if let Some(piece) = after.checked_sub(1)
                && let Some(found) = bytes(layer, piece)
            {
                near.0.set((index, piece));
                return Some(found);
            }
        }
        self.slice(address, length)
    }
}

/// Where something was found in a copy, for the next that is looked for: with a list's elements, mostly beside it.
#[derive(Debug, Default)]
pub(crate) struct Near(Cell<(usize, usize)>);

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
            // Whatever was asked for before.
            let near = Near::default();
            for at in [0x2000, 0x1000, 0x2010, 0x1020, 0x201f, 0x101f] {
                let found = frozen.slice_near(&near, Address(at), 1);
                assert_eq!(found, frozen.slice(Address(at), 1), "{at:x}");
            }
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
        assert_eq!(copier.layers(), 3);
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
