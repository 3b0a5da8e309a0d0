//! What is copied while the target is stopped, and how: many small pieces that lie close together are read as one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::runtime::Bias;
use crate::{Address, Error, Memory, Unreadable};

/// Bytes between two wanted pieces that are copied along: reading them costs less than another system call.
const MAX_GAP_BYTES: u64 = 4096;
/// Bytes of one read. A failing one is repeated piece by piece, so it must not be too large.
const MAX_READ_BYTES: u64 = 4 << 20;

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
    /// All its general registers, in no order: what they point to is in use.
    pub registers: [u64; GENERAL_REGISTERS],
}

/// Registers of an amd64 thread that may hold a pointer: rax to r15.
pub const GENERAL_REGISTERS: usize = 16;

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

/// What was copied, with the moment it was copied at.
#[derive(Debug, Clone, Default)]
pub struct Frozen {
    /// Layers of pieces; within one they are sorted and do not overlap.
    layers: Vec<Vec<Piece>>,
    /// Small structures, by where they were read.
    small: BTreeMap<u64, Box<[u8]>>,
    copied_bytes: u64,
    pub(crate) bias: Bias,
    pub(crate) now_nanos: u64,
    pub(crate) stack_bytes: u64,
    pub(crate) threads: Vec<Thread>,
    /// The pointers of `allgs`.
    pub(crate) goroutines: Vec<Address>,
}

#[derive(Debug, Clone)]
struct Piece {
    start: u64,
    bytes: Vec<u8>,
}

impl Frozen {
    /// Bytes copied from the target.
    pub fn copied_bytes(&self) -> u64 {
        self.copied_bytes
    }

    /// The copied bytes of a range, if one piece has them all.
    pub(crate) fn slice(&self, address: Address, length: u64) -> Option<&[u8]> {
        if let Some(found) = in_layers(&self.layers, address, length) {
            return Some(found);
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

fn in_layers(layers: &[Vec<Piece>], address: Address, length: u64) -> Option<&[u8]> {
    layers.iter().find_map(|layer| {
        let after = layer.partition_point(|piece| piece.start <= address.0);
        let piece = layer.get(after.checked_sub(1)?)?;
        within(piece.start, &piece.bytes, address, length)
    })
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
    layers: Vec<Vec<Piece>>,
    copied_bytes: Cell<u64>,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(memory: &'a dyn Memory, moment: &'a Moment<'a>) -> Self {
        Self {
            memory,
            moment,
            small: RefCell::default(),
            layers: Vec::new(),
            copied_bytes: Cell::new(0),
        }
    }

    /// The target's threads.
    pub(crate) fn threads(&self) -> &'a [Thread] {
        self.moment.threads
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

    /// Copies (start, length) ranges as a layer, coalescing what lies close together. What is not readable is left out.
    pub(crate) fn layer(&mut self, mut ranges: Vec<(u64, u64)>) -> Result<(), Error> {
        ranges.retain(|(start, length)| *length > 0 && start.checked_add(*length).is_some());
        ranges.sort_unstable();
        ranges.dedup();
        let mut layer: Vec<Piece> = Vec::new();
        let mut rest = ranges.as_slice();
        while let Some((start, length)) = rest.first() {
            let (start, mut end, mut count) = (*start, start + length, 1);
            for (next, length) in rest.iter().skip(1) {
                let far = next.saturating_sub(end) > MAX_GAP_BYTES;
                if far || (next + length).saturating_sub(start) > MAX_READ_BYTES {
                    break;
                }
                end = end.max(next + length);
                count += 1;
            }
            let (group, others) = rest.split_at(count);
            rest = others;
            self.check()?;
            if !self.piece(start, end - start, &mut layer) {
                for (start, length) in group {
                    self.check()?;
                    self.piece(*start, *length, &mut layer);
                }
            }
        }
        self.layers.push(layer);
        Ok(())
    }

    fn piece(&self, start: u64, length: u64, layer: &mut Vec<Piece>) -> bool {
        let left = self.moment.limits.copied_bytes;
        let left = left.saturating_sub(self.copied_bytes.get());
        // A range larger than the largest read is one goroutine's own stack.
        let Ok(size) = usize::try_from(length.min(left)) else {
            return false;
        };
        let mut bytes = vec![0; size];
        if self.memory.read(Address(start), &mut bytes).is_err() {
            return false;
        }
        self.copied_bytes.set(self.copied_bytes.get() + size as u64);
        layer.push(Piece { start, bytes });
        true
    }

    /// What a layer has of a range.
    pub(crate) fn slice(&self, address: Address, length: u64) -> Option<&[u8]> {
        in_layers(&self.layers, address, length)
    }

    pub(crate) fn finish(self, bias: Bias, goroutines: Vec<Address>) -> Frozen {
        Frozen {
            layers: self.layers,
            small: self.small.into_inner(),
            copied_bytes: self.copied_bytes.get(),
            bias,
            now_nanos: self.moment.now_nanos,
            stack_bytes: self.moment.limits.stack_bytes,
            threads: self.moment.threads.to_vec(),
            goroutines,
        }
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

    fn check(ranges: &[(u64, u64)], expected: &[bool]) {
        let moment = Moment {
            threads: &[],
            now_nanos: 0,
            depth: Depth::Goroutines,
            limits: Limits::default(),
            may_go_on: &|| true,
        };
        let mut copier = Copier::new(&Mapped, &moment);
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
    fn the_copy_ends_when_told_to() {
        let moment = Moment {
            threads: &[],
            now_nanos: 0,
            depth: Depth::Goroutines,
            limits: Limits::default(),
            may_go_on: &|| false,
        };
        let mut copier = Copier::new(&Mapped, &moment);
        let ended = copier.layer(vec![(0x1000, 8)]);
        assert_eq!(ended, Err(Error::OutOfTime { copied_bytes: 0 }));
    }
}
