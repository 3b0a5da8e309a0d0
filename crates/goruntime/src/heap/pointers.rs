//! Objects and what they point to.
//!
//! Facts: `runtime/mbitmap.go` in Go 1.19 (two bits for each word of an arena), 1.21 (one bit), and from 1.22 on
//! (`mbitmap_allocheaders.go` there): one bit for each word at the end of a span of objects of up to 512 bytes, the type in front
//! of larger ones, and in the span for those that are alone in it.

use std::ops::RangeInclusive;

use super::Object;
use super::arenas::Arenas;
use super::masks::{Mask, Masks};
use super::modules::Modules;
use super::spans::{MAX_INLINE_BYTES, Span, Spans};
use super::types::Types;
use super::view::View;
use super::what::{Learned, What};
use crate::image::GoVersion;
use crate::layout::heap::Channel;
use crate::memory::{touch, word_at};
use crate::{Address, Error, Frozen, Runtime, Unreadable};

/// Bytes of the smallest objects with mark bits there as well: `gcUsesSpanInlineMarkBits` in `runtime/mgcmark_greenteagc.go`.
const MIN_MARKED_BYTES: u64 = 16;
/// Bytes of those mark bits: `spanInlineMarkBits` in the same file.
const MARK_BYTES: u64 = 128;
/// Bytes of the type in front of an object.
const HEADER_BYTES: u64 = 8;

/// The runtime's own objects that marking passes by: what they point to is found in other ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Special {
    /// A `runtime.g`.
    Goroutine,
    /// A `runtime.sudog`: a goroutine in a queue.
    Sudog,
}

/// The type of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Typed {
    /// The address of its type; more than one value of it may follow each other.
    pub(crate) of: u64,
    /// Bytes of the object before the first value.
    pub(crate) skip: u64,
}

/// The heap of a copy. Everything is read-only, and may be used by several threads at once.
#[derive(Debug)]
pub(crate) struct Objects<'a> {
    pub(crate) view: View<'a>,
    pub(crate) modules: Modules,
    pub(crate) spans: Spans<'a>,
    pub(crate) types: Types<'a>,
    masks: Masks,
    pub(super) learned: Learned,
    pub(super) channel: &'a Channel,
    /// Up to Go 1.21.
    arenas: Option<Arenas<'a>>,
    minor: u32,
    /// Whether spans of small objects end with mark bits.
    has_marks: bool,
    /// Bytes of the slots that sudogs lie in.
    sudog_slot_bytes: u64,
    /// Bytes of the smallest and the largest slot that a goroutine lies in.
    goroutine_slot_bytes: RangeInclusive<u64>,
    /// One bit for each object, set for those that are a `runtime.g`.
    goroutines: Vec<u64>,
}

impl<'a> Objects<'a> {
    /// # Errors
    /// When the layout of the heap, the modules or the list of spans are not known: nothing can be proven then.
    pub(crate) fn read(runtime: &'a Runtime, frozen: &'a Frozen) -> Result<Self, Error> {
        let missing = || Error::Variable("heap (mheap_)");
        let heap = runtime.layout.heap.as_ref().ok_or_else(missing)?;
        let first = runtime.variables.module.wrapping_add(frozen.bias.0);
        let modules = Modules::read(frozen, &heap.module, first).map_err(|error| {
            let what = "the list of modules (firstmoduledata)";
            Error::Unreadable { what, error }
        })?;
        let view = View::new(runtime, frozen, &modules);
        let types = Types::new(view.clone(), modules.clone(), &heap.types);
        let mut spans = Spans::read(runtime, frozen)?;
        let version = runtime.image().go_version();
        // Only Go 1.22 can be built so: the bits are then where they were in 1.21.
        if has_experiment(version, "noallocheaders") {
            spans.doubt(format!(
                "{version} describes the heap in a way that is not read"
            ));
        }
        let mut goroutines = vec![0; (spans.objects() as usize).div_ceil(64)];
        let (mut low, mut high) = (u64::MAX, 0);
        for address in &frozen.goroutines {
            let Some(object) = spans.object(address.0) else {
                continue;
            };
            if let Some(word) = goroutines.get_mut(object.0 as usize / 64) {
                *word |= 1 << (object.0 % 64);
            }
            let slot_bytes = spans.place(object).map_or(0, |(place, _)| place.slot_bytes);
            (low, high) = (low.min(slot_bytes), high.max(slot_bytes));
        }
        let variable = runtime.variables.heap.ok_or_else(missing)?;
        let variable = variable.wrapping_add(frozen.bias.0);
        Ok(Self {
            view,
            modules,
            types,
            masks: Masks::new(),
            learned: Learned::new(spans.objects()),
            channel: &heap.channel,
            arenas: Arenas::of(
                heap,
                runtime.image().processor(),
                variable,
                frozen,
                spans.all_mut(),
            ),
            minor: runtime.minor,
            has_marks: has_marks(version, runtime.minor),
            sudog_slot_bytes: u64::from(heap.waiting.sudog_bytes).next_multiple_of(16),
            goroutine_slot_bytes: low..=high,
            goroutines,
            spans,
        })
    }

    /// The word at an address: as [`View::word`], which is slower for the many that lie in objects.
    #[inline]
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        self.spans.word(address).or_else(|| self.view.word(address))
    }

    /// Gives the offset and the value of every word of an object that may be a pointer, null ones left out. Nothing for plain
    /// objects and for [`Special`] ones.
    ///
    /// # Errors
    /// When its contents were not copied.
    #[inline]
    pub(crate) fn scan(
        &self,
        object: Object,
        visit: &mut impl FnMut(u64, u64),
    ) -> Result<(), Unreadable> {
        if let Some((place, slot)) = self.spans.place(object)
            && place.is_small
            && self.arenas.is_none()
            && place.slot_bytes != self.sudog_slot_bytes
            && !self.goroutine_slot_bytes.contains(&place.slot_bytes)
            && let Some(words) = Words::of(place.contents, place.slot_bytes, slot)
        {
            self.scan_inline(place.contents, place.slot_bytes, slot, &words, visit);
            return Ok(());
        }
        let Some((span, slot)) = self.spans.slot(object).filter(|(span, _)| !span.is_plain) else {
            return Ok(());
        };
        let words = self.words(object, span, slot)?;
        if self.is_goroutine(object) || self.is_sudog(span, &words) {
            return Ok(());
        }
        self.scan_words(span, slot, &words, visit);
        Ok(())
    }

    /// As [`Objects::scan`], [`Special`] objects as well: for a goroutine's own `g`.
    ///
    /// # Errors
    /// As [`Objects::scan`].
    #[inline]
    pub(crate) fn scan_any(
        &self,
        object: Object,
        visit: &mut impl FnMut(u64, u64),
    ) -> Result<(), Unreadable> {
        let Some((span, slot)) = self.spans.slot(object).filter(|(span, _)| !span.is_plain) else {
            return Ok(());
        };
        let words = self.words(object, span, slot)?;
        self.scan_words(span, slot, &words, visit);
        Ok(())
    }

    /// Reads a little of what [`Objects::scan`] reads, wherever that is near; what was read means nothing.
    #[inline]
    pub(crate) fn touch(&self, object: Object) -> u64 {
        let Some((place, slot)) = self.spans.place(object) else {
            return 0;
        };
        let start = (u64::from(slot) * place.slot_bytes) as usize;
        let bytes = place.contents.get(start..).unwrap_or_default();
        let length = place.slot_bytes.min(MAX_INLINE_BYTES) as usize;
        let bits = self.inline_bits(place.contents, place.slot_bytes);
        let bits = bits.and_then(|at| {
            word_at(
                place.contents,
                at + u64::from(slot) * place.slot_bytes / 64 / 8 * 8,
            )
        });
        let bits = bits.unwrap_or_default();
        touch(bytes, length).wrapping_add(bits)
    }

    #[inline]
    fn words(&self, object: Object, span: &Span<'a>, slot: u32) -> Result<Words<'a>, Unreadable> {
        Words::of_span(span, slot).ok_or_else(|| {
            let extent = self.spans.extent(object);
            Unreadable {
                address: Address(extent.start),
                length: extent.end - extent.start,
            }
        })
    }

    #[inline]
    fn scan_words(
        &self,
        span: &Span<'a>,
        slot: u32,
        words: &Words<'a>,
        visit: &mut impl FnMut(u64, u64),
    ) {
        if let Some(arenas) = &self.arenas {
            arenas.scan(span, slot, words, visit);
        } else if span.slot_bytes <= MAX_INLINE_BYTES && !span.is_user_arena {
            let contents = span.contents.unwrap_or_default();
            self.scan_inline(contents, span.slot_bytes, slot, words, visit);
        } else {
            let (of, skip) = header(span, words);
            let room = span.slot_bytes - skip;
            match self.masks.get(&self.types, self.minor, of, room) {
                Some(mask) => words.repeated(mask, skip / 8, visit),
                None => words.all(skip / 8, visit),
            }
        }
    }

    /// Where in a span of small objects the bits for their words begin.
    #[inline]
    fn inline_bits(&self, contents: &[u8], slot_bytes: u64) -> Option<u64> {
        let bytes = contents.len() as u64;
        let has_marks = self.has_marks && slot_bytes >= MIN_MARKED_BYTES;
        let end = bytes.saturating_sub(if has_marks { MARK_BYTES } else { 0 });
        end.checked_sub(bytes / 64)
    }

    #[inline]
    fn scan_inline(
        &self,
        contents: &[u8],
        slot_bytes: u64,
        slot: u32,
        words: &Words<'_>,
        visit: &mut impl FnMut(u64, u64),
    ) {
        let bits = self.inline_bits(contents, slot_bytes).and_then(|start| {
            let first = start + u64::from(slot) * slot_bytes / 64 / 8 * 8;
            let shift = u64::from(slot) * slot_bytes / 8 % 64;
            let low = word_at(contents, first)? >> shift;
            let count = slot_bytes / 8;
            let over = shift + count > 64;
            let high = if over {
                word_at(contents, first + 8)? << (64 - shift)
            } else {
                0
            };
            Some((low | high) & (u64::MAX >> (64 - count)))
        });
        match bits {
            Some(bits) => words.with_bits(0, bits, visit),
            None => words.all(0, visit),
        }
    }

    /// Gives the address and the value of every word of the modules' variables that may be a pointer, null ones left out.
    ///
    /// # Errors
    /// When variables, or what says which are pointers, were not copied.
    pub(crate) fn scan_variables(
        &self,
        visit: &mut impl FnMut(u64, u64),
    ) -> Result<(), Unreadable> {
        for segment in self.modules.all().iter().flat_map(|one| &one.segments) {
            segment.scan(&self.view, visit)?;
        }
        Ok(())
    }

    /// Whether it is one of the runtime's own that marking passes by.
    pub(crate) fn special(&self, object: Object) -> Option<Special> {
        if self.is_goroutine(object) {
            return Some(Special::Goroutine);
        }
        let (span, slot) = self.spans.slot(object)?;
        let words = Words::of_span(span, slot).filter(|_| !span.is_plain)?;
        self.is_sudog(span, &words).then_some(Special::Sudog)
    }

    /// A sudog's first word is its goroutine.
    #[inline]
    fn is_sudog(&self, span: &Span<'_>, words: &Words<'_>) -> bool {
        span.slot_bytes == self.sudog_slot_bytes
            && words
                .get(0)
                .and_then(|word| self.spans.object(word))
                .is_some_and(|of| self.is_goroutine(of))
    }

    #[inline]
    fn is_goroutine(&self, object: Object) -> bool {
        let word = self.goroutines.get(object.0 as usize / 64);
        word.is_some_and(|word| word >> (object.0 % 64) & 1 == 1)
    }

    /// The type of an object, where the object or its span say it: from Go 1.22 those of more than 512 bytes with pointers.
    pub(crate) fn type_of(&self, object: Object) -> Option<Typed> {
        let (span, slot) = self.spans.slot(object)?;
        let is_told = self.arenas.is_none()
            && !span.is_plain
            && !span.is_user_arena
            && span.slot_bytes > MAX_INLINE_BYTES;
        let words = Words::of_span(span, slot).filter(|_| is_told)?;
        let (of, skip) = header(span, &words);
        let one = self.types.get(of)?;
        let is_possible = one.size > 0 && one.size <= span.slot_bytes && one.pointer_bytes > 0;
        // One that the allocator made for the pointers alone has no name and no parts.
        let is_real = self.modules.with_type(of).is_some() || self.spans.object(of).is_some();
        (is_possible && is_real).then_some(Typed { of, skip })
    }

    /// The field at an offset of an object whose type is known: `conns`, `[3].next`. Empty where the type has no parts.
    pub(crate) fn field(&self, object: Object, offset: u64) -> Option<String> {
        let What::Values(typed) = self.what(object)? else {
            return None;
        };
        let offset = offset.checked_sub(typed.skip)?;
        let bytes = self.types.get(typed.of)?.size.max(1);
        let (span, _) = self.spans.slot(object)?;
        let path = self.types.path(typed.of, offset % bytes)?;
        // With room for two it is the memory of a slice, or an array.
        if span.slot_bytes - typed.skip < 2 * bytes {
            return Some(path);
        }
        let dot = if path.is_empty() || path.starts_with('[') {
            ""
        } else {
            "."
        };
        Some(format!("[{}]{dot}{path}", offset / bytes))
    }
}

/// Whether a program was built with an experiment, or without one that is usual: `nogreenteagc`.
fn has_experiment(version: &str, name: &str) -> bool {
    let experiments = version.split_once("X:").map_or("", |(_, list)| list);
    experiments.split([',', ' ']).any(|one| one == name)
}

/// Whether the collector of this version keeps mark bits in spans: from Go 1.26, and in 1.25 if asked for.
fn has_marks(version: &str, minor: u32) -> bool {
    let has = |name: &str| has_experiment(version, name);
    match GoVersion::parse(version) {
        Some(_) if minor <= 25 => minor == 25 && has("greenteagc"),
        _ => !has("nogreenteagc"),
    }
}

/// The address of a large object's type, and how many bytes of the object come before what it describes.
fn header(span: &Span<'_>, words: &Words<'_>) -> (u64, u64) {
    if span.size_class == 0 {
        return (span.large_type, 0);
    }
    (words.get(0).unwrap_or_default(), HEADER_BYTES)
}

/// The words of one object.
pub(super) struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    /// Those of a slot; `None` if they were not copied.
    #[inline]
    fn of(contents: &'a [u8], slot_bytes: u64, slot: u32) -> Option<Self> {
        let start = usize::try_from(u64::from(slot) * slot_bytes).ok()?;
        let length = usize::try_from(slot_bytes).ok()?;
        let bytes = contents.get(start..start.checked_add(length)?)?;
        Some(Self(bytes))
    }

    fn of_span(span: &Span<'a>, slot: u32) -> Option<Self> {
        Self::of(span.contents?, span.slot_bytes, slot)
    }

    #[inline]
    pub(super) fn get(&self, index: u64) -> Option<u64> {
        word_at(self.0, index * 8)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64 / 8
    }

    #[inline]
    fn give(&self, index: u64, visit: &mut impl FnMut(u64, u64)) {
        match self.get(index) {
            None | Some(0) => {}
            Some(value) => visit(index * 8, value),
        }
    }

    /// Gives all from an index on.
    pub(super) fn all(&self, from: u64, visit: &mut impl FnMut(u64, u64)) {
        for index in from..self.count() {
            self.give(index, visit);
        }
    }

    /// Gives those whose bits are set, the lowest being of the word at an index.
    #[inline]
    pub(super) fn with_bits(&self, first: u64, mut bits: u64, visit: &mut impl FnMut(u64, u64)) {
        while bits != 0 {
            self.give(first + u64::from(bits.trailing_zeros()), visit);
            bits &= bits - 1;
        }
    }

    /// Gives those of a type's values that follow each other.
    fn repeated(&self, mask: &Mask, from: u64, visit: &mut impl FnMut(u64, u64)) {
        if mask.is_full {
            return self.all(from, visit);
        }
        let mut start = from;
        while start < self.count() {
            for (bits, index) in mask.bits.iter().zip((start..).step_by(64)) {
                self.with_bits(index, *bits, visit);
            }
            start += mask.words;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_says_whether_spans_end_with_mark_bits() {
        for (version, minor, expected) in [
            ("go1.24.11", 24, false),
            ("go1.25.5", 25, false),
            ("go1.25.5 X:greenteagc", 25, true),
            ("go1.25.5 X:arenas,greenteagc", 25, true),
            ("go1.26.8", 26, true),
            ("go1.26.8 X:nogreenteagc", 26, false),
            ("devel go1.28-abcdef", u32::MAX, true),
        ] {
            assert_eq!(has_marks(version, minor), expected, "{version}");
        }
    }
}
