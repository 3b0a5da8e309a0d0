//! Up to Go 1.21 the arenas, regions of 64 MiB, say which words of the heap are pointers.
//!
//! Facts: `heapArena.bitmap` in `runtime/mheap.go`, `scanobject` in `runtime/mgcmark.go`, Go 1.19 and 1.21.

use super::pages::REGION_BYTES;
use super::pointers::Words;
use super::spans::Span;
use crate::image::Processor;
use crate::layout::heap::{Bitmap, Heap as Layout};
use crate::memory::{word, word_at};
use crate::{Address, Frozen, Memory};

/// What is added to an address for the number of its arena: minus `arenaBaseOffset` in `runtime/malloc.go`.
fn base(processor: Processor) -> u64 {
    match processor {
        Processor::Amd64 => 1 << 47,
        Processor::Arm64 => 0,
    }
}

/// Where the arenas are described.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    /// The address of the pointers to all possible arenas.
    address: u64,
    bits: u64,
    is_flat: bool,
    base: u64,
}

/// A part of a span that lies in one arena.
pub(super) struct Part {
    /// Where it is in the target.
    start: u64,
    bytes: u64,
    /// The address of its bits.
    bits: u64,
}

impl Table {
    /// `None` if the version has no such bits, or the table cannot be read.
    pub(super) fn read(
        layout: &Layout,
        processor: Processor,
        heap: u64,
        memory: &dyn Memory,
    ) -> Option<Self> {
        let Bitmap { bits, is_flat } = *layout.bitmap.as_ref()?;
        let at = heap.wrapping_add(layout.arenas.into());
        Some(Self {
            address: word(memory, Address(at)).ok()?,
            bits: bits.into(),
            is_flat,
            base: base(processor),
        })
    }

    /// Bytes that one byte of bits is for.
    fn bytes_per_byte(self) -> u64 {
        if self.is_flat { 64 } else { 32 }
    }

    /// The parts of a range, as far as their arenas are known.
    pub(super) fn parts(
        self,
        memory: &dyn Memory,
        range: std::ops::Range<u64>,
    ) -> impl Iterator<Item = Part> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let start = at;
            at = ((start / REGION_BYTES + 1) * REGION_BYTES).min(range.end);
            (start < at).then_some((start, at - start))
        })
        .filter_map(move |(start, bytes)| {
            let number = start.wrapping_add(self.base) / REGION_BYTES;
            let entry = self.address.checked_add(number * 8)?;
            let arena = word(memory, Address(entry)).ok().filter(|at| *at != 0)?;
            let skip = start % REGION_BYTES / self.bytes_per_byte();
            Some(Part {
                start,
                bytes,
                bits: arena.checked_add(self.bits)?.checked_add(skip)?,
            })
        })
    }

    /// Where the bits of a part lie, and how many bytes they are.
    pub(super) fn bits_of(self, part: &Part) -> (u64, u64) {
        (part.bits, part.bytes / self.bytes_per_byte())
    }
}

/// The bits of spans that have pointers; those of a span that lies in one arena, as nearly all do, are with the span.
#[derive(Debug)]
pub(super) struct Arenas<'a> {
    is_flat: bool,
    /// By the first address they are for, with how many bytes they are for.
    parts: Vec<(u64, u64, &'a [u8])>,
}

impl<'a> Arenas<'a> {
    /// `None` from Go 1.22 on. What was not copied is missing: its objects are given as a whole then.
    pub(super) fn of(
        layout: &Layout,
        processor: Processor,
        heap: u64,
        frozen: &'a Frozen,
        spans: &mut [Span<'a>],
    ) -> Option<Self> {
        let bitmap = layout.bitmap.as_ref()?;
        let mut arenas = Self {
            is_flat: bitmap.is_flat,
            parts: Vec::new(),
        };
        let Some(table) = Table::read(layout, processor, heap, frozen) else {
            return Some(arenas);
        };
        for span in spans.iter_mut().filter(|span| !span.is_plain) {
            for part in table.parts(frozen, span.pages.clone()) {
                let (at, length) = table.bits_of(&part);
                match frozen.slice(Address(at), length) {
                    Some(bits) if part.bytes == span.pages.end - span.pages.start => {
                        span.bits = Some(bits);
                    }
                    Some(bits) => arenas.parts.push((part.start, part.bytes, bits)),
                    None => {}
                }
            }
        }
        Some(arenas)
    }

    /// The number of the bit of an address, the bits it is of, and for how many bytes there are more.
    fn at(&self, span: &Span<'a>, address: u64) -> Option<(u64, &'a [u8], u64)> {
        if let Some(bits) = span.bits {
            let skip = address.checked_sub(span.pages.start)?;
            return Some((skip / 8, bits, span.pages.end.checked_sub(address)?));
        }
        let after = self.parts.partition_point(|part| part.0 <= address);
        let (start, bytes, bits) = self.parts.get(after.checked_sub(1)?)?;
        let skip = address - start;
        (skip < *bytes).then(|| (skip / 8, *bits, bytes - skip))
    }

    /// Gives the pointers of an object.
    pub(super) fn scan(
        &self,
        span: &Span<'a>,
        slot: u32,
        words: &Words<'_>,
        visit: &mut impl FnMut(u64, u64),
    ) {
        let start = span.pages.start + u64::from(slot) * span.slot_bytes;
        let mut index = 0;
        while index < words.count() {
            let Some((first, bits, bytes)) = self.at(span, start + index * 8) else {
                // Never an omission.
                return words.all(index, visit);
            };
            let count = (bytes / 8).min(words.count() - index);
            let goes_on = if self.is_flat {
                flat(words, index, count, first, bits, visit)
            } else {
                nibbles(words, index, count, first, bits, visit)
            };
            if !goes_on {
                return;
            }
            index += count;
        }
    }
}

/// One bit for each word. Always to be gone on with, in the next arena.
fn flat(
    words: &Words<'_>,
    index: u64,
    count: u64,
    first: u64,
    bits: &[u8],
    visit: &mut impl FnMut(u64, u64),
) -> bool {
    let mut done = 0;
    while done < count {
        let at = first + done;
        let (shift, number) = (at % 64, (64 - at % 64).min(count - done));
        match word_at(bits, at / 64 * 8) {
            Some(word) => {
                let own = (word >> shift) & (u64::MAX >> (64 - number));
                words.with_bits(index + done, own, visit);
            }
            None => words.with_bits(index + done, u64::MAX >> (64 - number), visit),
        }
        done += number;
    }
    true
}

/// Bytes of four words: pointer bits low, scan bits high. A word without its scan bit ends the object's pointers.
fn nibbles(
    words: &Words<'_>,
    index: u64,
    count: u64,
    first: u64,
    bits: &[u8],
    visit: &mut impl FnMut(u64, u64),
) -> bool {
    for done in 0..count {
        let at = first + done;
        let byte = usize::try_from(at / 4).ok().and_then(|at| bits.get(at));
        let Some(byte) = byte else {
            words.all(index + done, visit);
            return false;
        };
        let byte = byte >> (at % 4);
        if byte & 0x10 == 0 {
            return false;
        }
        words.with_bits(index + done, u64::from(byte & 1), visit);
    }
    true
}
