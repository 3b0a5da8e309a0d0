//! Where objects lie: the allocator's spans of equal slots, found by address and by number.

use std::ops::Range;

use super::Object;
use super::pages::Pages;
use crate::layout::heap::{Heap as Layout, Span as Fields};
use crate::memory::{word, word_at};
use crate::{Address, Error, Frozen, Memory, Runtime};

/// Bytes of a page of the allocator: `pageSize` in `runtime/sizeclasses.go`.
pub(super) const PAGE_BYTES: u64 = 8192;
/// Spans in the list, used or not: with 8 KiB each as many as a terabyte has.
const MAX_SPANS: u64 = 1 << 27;
/// Bytes of the list that are copied as one piece.
const LIST_CHUNK_BYTES: u64 = 1 << 20;
/// Bytes of the largest objects with bits at the end of their span: `minSizeForMallocHeader` in `runtime/mbitmap.go`.
pub(super) const MAX_INLINE_BYTES: u64 = 512;
/// `mSpanInUse` in `runtime/mheap.go`: a span of objects.
const IN_USE: u8 = 1;
/// Objects of one entry of the table from numbers to spans.
const BLOCK_OBJECTS: u32 = 64;

/// A run of pages with objects. Facts: `mspan` in `runtime/mheap.go`, Go 1.19 to 1.27.
#[derive(Debug, Clone)]
pub(crate) struct Span<'a> {
    /// Its pages.
    pub(crate) pages: Range<u64>,
    /// Bytes of a slot.
    pub(crate) slot_bytes: u64,
    /// How many slots there are.
    pub(crate) slots: u32,
    /// The number of the object in the first slot.
    pub(crate) first: u32,
    /// Slots below this number are taken; of the others the bits say it.
    pub(crate) free_index: u32,
    /// Whether its objects have no pointers: they were not copied then.
    pub(crate) is_plain: bool,
    /// Whether it is a part of a user arena: objects of any type, one after the other.
    pub(crate) is_user_arena: bool,
    /// 0 for one large object.
    pub(crate) size_class: u8,
    /// From Go 1.22 the address of a large object's type; 0 if it has none (yet).
    pub(crate) large_type: u64,
    /// The address of the first `special`, 0 if there is none.
    pub(crate) specials: u64,
    /// The address of the bits of what is pinned, 0 if nothing is: two for each slot, the lower for pinned.
    pub(crate) pinned: u64,
    /// The address of one bit for each slot, set if it was taken when the span was last swept.
    pub(crate) taken_bits: u64,
    /// Those bits. `None` if the span is plain, or they are about to be replaced: any slot may be taken then.
    pub(crate) taken: Option<&'a [u8]>,
    /// Its copied pages. `None` if it is plain, or was not readable.
    pub(crate) contents: Option<&'a [u8]>,
    /// Up to Go 1.21 what its arena says about which of its words are pointers.
    pub(super) bits: Option<&'a [u8]>,
}

impl Span<'_> {
    /// Bytes of [`Span::taken_bits`].
    pub(super) fn taken_bytes(&self) -> u64 {
        u64::from(self.slots.div_ceil(8))
    }

    fn is_taken(&self, slot: u32) -> bool {
        let byte = self.taken.and_then(|bits| bits.get(slot as usize / 8));
        slot < self.free_index || byte.is_none_or(|byte| byte >> (slot % 8) & 1 == 1)
    }
}

/// All spans that objects lie in. Stacks and the runtime's own memory are not among them.
#[derive(Debug)]
pub(crate) struct Spans<'a> {
    all: Vec<Span<'a>>,
    /// What is needed to find objects and to go through small ones, close together.
    places: Vec<Place<'a>>,
    pages: Pages,
    /// For every [`BLOCK_OBJECTS`] objects the span of the first of them.
    blocks: Vec<u32>,
    objects: u32,
    doubts: Vec<String>,
}

/// As in [`Span`]: what marking needs of it, in one line of a cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    start: u64,
    pub(super) slot_bytes: u64,
    /// 2^32 / `slot_bytes`, rounded up; 0 where multiplying would not give the slot exactly.
    inverse: u32,
    slots: u32,
    first: u32,
    is_plain: bool,
    /// Whether its objects can have their bits at the end of the span.
    pub(super) is_small: bool,
    /// Empty if they were not copied.
    pub(super) contents: &'a [u8],
}

impl Place<'_> {
    #[inline]
    fn slot(&self, address: u64) -> Option<u32> {
        let offset = address.checked_sub(self.start)?;
        let slot = if self.inverse == 0 {
            u32::try_from(offset.checked_div(self.slot_bytes)?).ok()?
        } else {
            // Exact, as `offset * slot_bytes` is below 2^32; Go divides in the same way.
            ((offset * u64::from(self.inverse)) >> 32) as u32
        };
        (slot < self.slots).then_some(slot)
    }
}

impl<'a> Spans<'a> {
    /// Reads the list of spans that was copied.
    ///
    /// # Errors
    /// When it cannot be read, or there are more objects than can be numbered.
    pub(crate) fn read(runtime: &Runtime, frozen: &'a Frozen) -> Result<Self, Error> {
        let missing = || Error::Variable("heap (mheap_)");
        let layout = runtime.layout.heap.as_ref().ok_or_else(missing)?;
        let heap = runtime.variables.heap.ok_or_else(missing)?;
        let heap = heap.wrapping_add(frozen.bias.0);
        let slice = |at: u64, length: u64| frozen.slice(Address(at), length);
        let mut listed = List::read(layout, heap, frozen)?
            .unsorted(layout, &slice)
            .sorted();
        for span in &mut listed.spans {
            if !span.is_plain {
                span.contents = slice(span.pages.start, span.pages.end - span.pages.start);
            }
            if span.taken_bits != 0 && !span.is_plain {
                span.taken = slice(span.taken_bits, span.taken_bytes());
            }
        }
        Self::of(listed)
    }

    fn of(listed: Listed<'a>) -> Result<Self, Error> {
        let Listed {
            spans: mut all,
            mut doubts,
            ..
        } = listed;
        let missing = all.iter().filter(|s| !s.is_plain && s.contents.is_none());
        let missing = missing.count();
        if missing > 0 {
            doubts.push(format!("{missing} spans of the heap were not readable"));
        }
        let mut first: u32 = 0;
        let mut places = Vec::with_capacity(all.len());
        let mut blocks = Vec::new();
        for (index, span) in (0_u32..).zip(&mut all) {
            span.first = first;
            let next = first.checked_add(span.slots);
            let next = next.ok_or(Error::TooManyObjects)?;
            while (blocks.len() as u64) * u64::from(BLOCK_OBJECTS) < u64::from(next) {
                blocks.push(index);
            }
            places.push(place(span));
            first = next;
        }
        Ok(Self {
            pages: Pages::of(all.iter().map(|span| span.pages.clone())),
            all,
            places,
            blocks,
            objects: first,
            doubts,
        })
    }

    /// How many objects there are, free slots included; their numbers are below this.
    pub(crate) fn objects(&self) -> u32 {
        self.objects
    }

    /// The spans, sorted by address.
    pub(crate) fn all(&self) -> &[Span<'a>] {
        &self.all
    }

    pub(super) fn all_mut(&mut self) -> &mut [Span<'a>] {
        &mut self.all
    }

    pub(super) fn doubt(&mut self, why: String) {
        self.doubts.push(why);
    }

    /// Why something of the heap may be missing.
    pub(crate) fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// The object an address points into, whether its slot is taken or not.
    #[inline]
    pub(crate) fn object(&self, address: u64) -> Option<Object> {
        let place = self.places.get(self.pages.find(address)? as usize)?;
        place.slot(address).map(|slot| Object(place.first + slot))
    }

    /// As [`Spans::object`], and whether it has pointers.
    #[inline]
    pub(crate) fn reached(&self, address: u64) -> Option<(Object, bool)> {
        let place = self.places.get(self.pages.find(address)? as usize)?;
        let object = Object(place.first + place.slot(address)?);
        Some((object, !place.is_plain))
    }

    /// As [`Spans::reached`], of many addresses, in two stages: each needs memory of its own, which is read for all at once.
    pub(super) fn reached_all(
        &self,
        addresses: &[u64],
        places: &mut Vec<u32>,
        into: &mut Vec<(Object, bool)>,
    ) {
        let place_of = |address: &u64| self.pages.find(*address).unwrap_or(u32::MAX);
        places.clear();
        places.extend(addresses.iter().map(place_of));
        for (address, place) in addresses.iter().zip(places) {
            let Some(place) = self.places.get(*place as usize) else {
                continue;
            };
            if let Some(slot) = place.slot(*address) {
                into.push((Object(place.first + slot), !place.is_plain));
            }
        }
    }

    /// The word at an address in a span with pointers.
    #[inline]
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let place = self.places.get(self.pages.find(address)? as usize)?;
        word_at(place.contents, address.checked_sub(place.start)?)
    }

    /// As [`Spans::slot`], with less of the span.
    #[inline]
    pub(super) fn place(&self, object: Object) -> Option<(&Place<'a>, u32)> {
        let place = self.places.get(self.index(object)?)?;
        Some((place, object.0.checked_sub(place.first)?))
    }

    /// As [`Spans::object`], but not for free slots: for words of which it is only guessed that they are pointers.
    pub(crate) fn taken_object(&self, address: u64) -> Option<Object> {
        let index = self.pages.find(address)? as usize;
        let slot = self.places.get(index)?.slot(address)?;
        let span = self.all.get(index)?;
        span.is_taken(slot).then(|| Object(span.first + slot))
    }

    /// The span that an address lies in.
    pub(crate) fn at(&self, address: u64) -> Option<&Span<'a>> {
        self.all.get(self.pages.find(address)? as usize)
    }

    /// The span of an object, and the number of its slot.
    pub(crate) fn slot(&self, object: Object) -> Option<(&Span<'a>, u32)> {
        let index = self.index(object)?;
        let span = self.all.get(index)?;
        Some((span, object.0.checked_sub(span.first)?))
    }

    fn index(&self, object: Object) -> Option<usize> {
        let block = (object.0 / BLOCK_OBJECTS) as usize;
        if object.0 >= self.objects {
            return None;
        }
        let low = *self.blocks.get(block)? as usize;
        let high = match self.blocks.get(block + 1) {
            // Mostly a span is longer than a block.
            Some(span) if *span as usize == low => return Some(low),
            Some(span) => *span as usize + 1,
            None => self.places.len(),
        };
        let within = self.places.get(low..high)?;
        let after = within.partition_point(|place| place.first <= object.0);
        (low + after).checked_sub(1)
    }

    /// The addresses of an object: its whole slot, with the type word in front where it has one. Empty for no object.
    pub(crate) fn extent(&self, object: Object) -> Range<u64> {
        let place = self.index(object).and_then(|at| self.places.get(at));
        let extent = place.and_then(|place| {
            let slot = u64::from(object.0.checked_sub(place.first)?);
            let start = place.start + slot * place.slot_bytes;
            Some(start..start + place.slot_bytes)
        });
        extent.unwrap_or(0..0)
    }

    /// Whether an object has no pointers.
    pub(crate) fn is_plain(&self, object: Object) -> bool {
        self.place(object).is_none_or(|(place, _)| place.is_plain)
    }

    /// The copied bytes of an object's slot. `None` for plain ones.
    pub(crate) fn bytes(&self, object: Object) -> Option<&'a [u8]> {
        let (span, slot) = self.slot(object)?;
        let start = usize::try_from(u64::from(slot) * span.slot_bytes).ok()?;
        let length = usize::try_from(span.slot_bytes).ok()?;
        span.contents?.get(start..start.checked_add(length)?)
    }
}

fn place<'a>(span: &Span<'a>) -> Place<'a> {
    let bytes = span.pages.end - span.pages.start;
    let is_exact = bytes.saturating_mul(span.slot_bytes) < 1 << 32;
    let inverse = (1_u64 << 32).div_ceil(span.slot_bytes);
    Place {
        start: span.pages.start,
        slot_bytes: span.slot_bytes,
        inverse: u32::try_from(inverse).map_or(0, |inverse| if is_exact { inverse } else { 0 }),
        slots: span.slots,
        first: span.first,
        is_plain: span.is_plain,
        is_small: span.slot_bytes <= MAX_INLINE_BYTES && !span.is_user_arena,
        contents: span.contents.unwrap_or_default(),
    }
}

/// `mheap.allspans`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct List {
    address: u64,
    count: u64,
    /// `mheap.sweepgen`.
    sweep: u32,
}

/// Spans of objects by address, and why some may be missing.
struct Listed<'a> {
    spans: Vec<Span<'a>>,
    doubts: Vec<String>,
}

impl List {
    pub(super) fn read(layout: &Layout, heap: u64, memory: &dyn Memory) -> Result<Self, Error> {
        let what = "the list of spans (mheap.allspans)";
        let unreadable = |error| Error::Unreadable { what, error };
        let field = |at: u32| Address(heap.wrapping_add(at.into()));
        let all = layout.all_spans;
        let list = Self {
            address: word(memory, field(all)).map_err(unreadable)?,
            count: word(memory, field(all + 8)).map_err(unreadable)?,
            sweep: word(memory, field(layout.sweep)).map_err(unreadable)? as u32,
        };
        if list.count > MAX_SPANS || list.address.checked_add(list.count * 8).is_none() {
            let found = format!("{} spans at {}", list.count, Address(list.address));
            return Err(Error::Damaged { what, found });
        }
        Ok(list)
    }

    /// The parts of the list, to be copied.
    pub(super) fn chunks(self) -> impl Iterator<Item = (u64, u64)> {
        let bytes = self.count * 8;
        (0..bytes.div_ceil(LIST_CHUNK_BYTES)).map(move |at| {
            let skip = at * LIST_CHUNK_BYTES;
            (self.address + skip, LIST_CHUNK_BYTES.min(bytes - skip))
        })
    }

    /// The addresses of the spans' descriptions; and how many are missing.
    pub(super) fn pointers<'b>(
        self,
        slice: &dyn Fn(u64, u64) -> Option<&'b [u8]>,
    ) -> (Vec<u64>, u64) {
        let mut pointers = Vec::new();
        let mut missing = 0;
        for (at, length) in self.chunks() {
            let Some(bytes) = slice(at, length) else {
                missing += length / 8;
                continue;
            };
            let words = bytes.chunks_exact(8).filter_map(|word| word_at(word, 0));
            // The last may be about to be written.
            pointers.extend(words.filter(|pointer| *pointer != 0));
        }
        (pointers, missing)
    }

    /// The spans of objects among those listed, in no order.
    pub(super) fn unsorted<'a, 'b>(
        self,
        layout: &Layout,
        slice: &dyn Fn(u64, u64) -> Option<&'b [u8]>,
    ) -> Unsorted<'a> {
        let (pointers, missing) = self.pointers(slice);
        let length = u64::from(layout.span.bytes);
        self.described(layout, &pointers, missing, &|at| slice(at, length))
    }

    /// As [`List::unsorted`], of those whose descriptions lie at `pointers`.
    pub(super) fn described<'a, 'b>(
        self,
        layout: &Layout,
        pointers: &[u64],
        mut missing: u64,
        slice: &dyn Fn(u64) -> Option<&'b [u8]>,
    ) -> Unsorted<'a> {
        let mut spans = Vec::with_capacity(pointers.len());
        let mut odd = 0;
        for pointer in pointers {
            let Some(bytes) = slice(*pointer) else {
                missing += 1;
                continue;
            };
            match parse(&layout.span, bytes, self.sweep) {
                Parsed::Objects(span) => spans.push(span),
                Parsed::Other => {}
                Parsed::Odd => odd += 1,
            }
        }
        Unsorted {
            spans,
            missing,
            odd,
        }
    }
}

/// What the list says.
pub(super) struct Unsorted<'a> {
    /// Spans of objects, without what was copied of them.
    pub(super) spans: Vec<Span<'a>>,
    missing: u64,
    odd: u64,
}

impl<'a> Unsorted<'a> {
    /// By address, and none that overlap.
    fn sorted(self) -> Listed<'a> {
        let Self {
            mut spans,
            missing,
            mut odd,
        } = self;
        spans.sort_unstable_by_key(|span| span.pages.start);
        let mut end = 0;
        spans.retain(|span| {
            let overlaps = span.pages.start < end;
            odd += u64::from(overlaps);
            end = end.max(span.pages.end);
            !overlaps
        });
        let mut doubts = Vec::new();
        if missing > 0 {
            doubts.push(format!("{missing} spans of the heap could not be read"));
        }
        if odd > 0 {
            doubts.push(format!("{odd} spans of the heap cannot be so"));
        }
        Listed { spans, doubts }
    }
}

enum Parsed<'a> {
    Objects(Span<'a>),
    /// A stack, the runtime's own, or unused.
    Other,
    Odd,
}

fn parse<'a>(fields: &Fields, bytes: &[u8], sweep: u32) -> Parsed<'a> {
    let byte = |at: u32| bytes.get(at as usize).copied().unwrap_or_default();
    if byte(fields.state) != IN_USE {
        return Parsed::Other;
    }
    parse_objects(fields, bytes, sweep).map_or(Parsed::Odd, Parsed::Objects)
}

fn parse_objects<'a>(fields: &Fields, bytes: &[u8], sweep: u32) -> Option<Span<'a>> {
    let byte = |at: u32| bytes.get(at as usize).copied().unwrap_or_default();
    let field = |at: u32| word_at(bytes, at.into());
    let optional = |at: Option<u32>| at.and_then(field).unwrap_or_default();
    let index = |at: u32| {
        let value = field(at)?;
        let value = if fields.is_narrow {
            value & 0xffff
        } else {
            value
        };
        u32::try_from(value).ok()
    };
    let start = field(fields.start)?;
    let length = field(fields.pages)?.checked_mul(PAGE_BYTES)?;
    let end = start.checked_add(length)?;
    let (slot_bytes, slots) = (field(fields.element_bytes)?, index(fields.count)?);
    let class = byte(fields.class);
    let is_possible = start.is_multiple_of(PAGE_BYTES)
        && length > 0
        && end <= fields.address_end
        && slots > 0
        && slot_bytes >= 8
        && slot_bytes.is_multiple_of(8)
        && slot_bytes.checked_mul(slots.into())? <= length
        && (class >> 1 != 0 || slots == 1);
    // `mheap.sweepgen` grows by 2 each cycle; one less is a span that is being swept.
    let is_swept_now = field(fields.sweep)? as u32 == sweep.wrapping_sub(1);
    is_possible.then(|| Span {
        pages: start..end,
        slot_bytes,
        slots,
        first: 0,
        free_index: index(fields.free_index).unwrap_or_default(),
        is_plain: class & 1 == 1,
        is_user_arena: fields.is_user_arena.is_some_and(|at| byte(at) != 0),
        size_class: class >> 1,
        large_type: optional(fields.large_type),
        specials: field(fields.specials).unwrap_or_default(),
        pinned: optional(fields.pinned),
        taken_bits: match is_swept_now {
            true => 0,
            false => field(fields.allocated).unwrap_or_default(),
        },
        taken: None,
        contents: None,
        bits: None,
    })
}
