//! What is copied more for a proof, while the target is stopped: modules with their variables, spans, and the pages of those
//! that have pointers.

use std::ops::Range;

use super::arenas::Table;
use super::copy_roots;
use super::modules::Modules;
use super::pages::Pages;
use super::spans::{List, Span};
use crate::frozen::Copier;
use crate::layout::heap::{Heap as Layout, Types, Waiting};
use crate::memory::{word, word_at};
use crate::runtime::{Bias, Runtime};
use crate::{Address, Error};

/// Bytes of variables or of types that are copied as one piece: what cannot be read loses no more than that.
const CHUNK_BYTES: u64 = 1 << 20;
/// Chunks of one range: 16 GiB, far more than any program's variables. What a damaged module says beyond that is missing.
const MAX_CHUNKS: u64 = 1 << 14;
/// Bytes of a plugin's types; a large program's are some ten million.
const MAX_TYPES_BYTES: u64 = 256 << 20;

/// Copies what [`super::pointers::Objects`] reads. Goroutines were copied before; `waits` are the first sudogs of those that
/// have some.
///
/// # Errors
/// When a limit is passed or the time is up. What cannot be read is missing in the copy, and found so later.
pub(crate) fn copy(
    runtime: &Runtime,
    bias: Bias,
    copier: &mut Copier<'_>,
    waits: Vec<u64>,
) -> Result<(), Error> {
    let (Some(layout), Some(heap)) = (&runtime.layout.heap, runtime.variables.heap) else {
        return Ok(());
    };
    let heap = heap.wrapping_add(bias.0);
    let first = runtime.variables.module.wrapping_add(bias.0);
    // What is missing is found so when the copy is read.
    let Ok(modules) = Modules::read(copier, &layout.module, first) else {
        return Ok(());
    };
    copier.layer(of_modules(&modules))?;
    let Ok(list) = List::read(layout, heap, copier) else {
        return Ok(());
    };
    copier.layer(list.chunks().collect())?;
    // The target is stopped meanwhile: what is looked up for each span is looked up where it was just copied to.
    let (pointers, _) = list.pointers(&|at, length| copier.latest(Address(at), length));
    let length = u64::from(layout.span.bytes);
    copier.layer(pointers.iter().map(|at| (*at, length)).collect())?;
    let slice = |at: u64| copier.latest(Address(at), length);
    let spans = list.described(layout, &pointers, 0, &slice).spans;
    let contents = spans.iter().filter_map(contents);
    let contents = contents.filter(|range| !copier.has_first(*range));
    copier.bulk(contents.collect())?;
    let mut more: Vec<(u64, u64)> = Vec::new();
    // Whether a slot of a plain span is taken changes nothing: nothing is found in it.
    let scanned = spans.iter().filter(|span| !span.is_plain);
    more.extend(scanned.map(|span| (span.taken_bits, span.taken_bytes())));
    if let Some(table) = Table::read(layout, runtime.image().processor(), heap, copier) {
        for span in spans.iter().filter(|span| !span.is_plain) {
            let parts = table.parts(copier, span.pages.clone());
            more.extend(parts.map(|part| table.bits_of(&part)));
        }
    }
    copier.expect(waits.len() as u64 * u64::from(layout.channel.bytes));
    more.extend(channels(layout, copier, waits, &scanned_pages(&spans))?);
    more.extend(unrolled(layout, copier, &modules, &spans));
    more.retain(|(at, _)| *at != 0);
    copier.layer(more)?;
    copy_roots::copy(runtime, bias, copier, &spans)
}

/// Variables with pointers, and which they are; of plugins their types, of which there is no file here.
fn of_modules(modules: &Modules) -> Vec<(u64, u64)> {
    let all = modules.all().iter();
    let segments = all.clone().flat_map(|module| &module.segments);
    let mut ranges = Vec::new();
    for segment in segments {
        ranges.extend(chunks(&segment.addresses));
        ranges.push((segment.mask, segment.mask_bytes()));
    }
    for module in all.skip(1) {
        let end = module
            .types
            .end
            .min(module.types.start.saturating_add(MAX_TYPES_BYTES));
        ranges.extend(chunks(&(module.types.start..end)));
    }
    ranges
}

fn chunks(range: &Range<u64>) -> impl Iterator<Item = (u64, u64)> {
    let Range { start, end } = *range;
    let bytes = end.saturating_sub(start);
    let chunks = bytes.div_ceil(CHUNK_BYTES).min(MAX_CHUNKS);
    (0..chunks).map(move |at| {
        let skip = at * CHUNK_BYTES;
        (start + skip, CHUNK_BYTES.min(bytes - skip))
    })
}

fn contents(span: &Span<'_>) -> Option<(u64, u64)> {
    let length = span.pages.end - span.pages.start;
    (!span.is_plain).then_some((span.pages.start, length))
}

/// Where the spans are that are copied.
fn scanned_pages(spans: &[Span<'_>]) -> Pages {
    let scanned = spans.iter().filter(|span| !span.is_plain);
    let mut scanned: Vec<Range<u64>> = scanned.map(|span| span.pages.clone()).collect();
    scanned.sort_by_key(|pages| pages.start);
    let mut end = 0;
    scanned.retain(|pages| {
        let overlaps = pages.start < end;
        end = end.max(pages.end);
        !overlaps
    });
    Pages::of(scanned.into_iter())
}

/// The channels that goroutines wait for, given the first sudog of each, but those in `scanned` spans: channels of numbers are
/// in spans that are not copied.
fn channels(
    layout: &Layout,
    copier: &Copier<'_>,
    mut sudogs: Vec<u64>,
    scanned: &Pages,
) -> Result<Vec<(u64, u64)>, Error> {
    let Waiting {
        next,
        channel,
        sudog_bytes,
        ..
    } = layout.waiting;
    let mut found = Vec::new();
    let mut last = 0;
    // No more than there is room for in what was copied: they may be damaged, and form a ring.
    let mut left = copier.copied_bytes() / u64::from(sudog_bytes).max(8);
    // The first of all, then the second of all, each time in order: most are found next to the one before.
    while !sudogs.is_empty() {
        copier.check()?;
        sudogs.sort_unstable();
        let mut more = Vec::new();
        for at in sudogs
            .iter()
            .take(usize::try_from(left).unwrap_or(usize::MAX))
        {
            let Some(bytes) = copier.latest(Address(*at), sudog_bytes.into()) else {
                continue;
            };
            let of = word_at(bytes, channel.into()).unwrap_or_default();
            if of != last && scanned.find(of).is_none() {
                found.push((of, layout.channel.bytes.into()));
                last = of;
            }
            more.extend(word_at(bytes, next.into()).filter(|next| *next != 0));
        }
        left = left.saturating_sub(sudogs.len() as u64);
        sudogs = more;
    }
    Ok(found)
}

/// In Go 1.22 and 1.23 a large object whose type has a program for its pointers has a type of its own, with the bits written
/// out: `heapSetType` in `runtime/mbitmap_allocheaders.go`.
fn unrolled(
    layout: &Layout,
    copier: &Copier<'_>,
    modules: &Modules,
    spans: &[Span<'_>],
) -> Vec<(u64, u64)> {
    let Types {
        bytes,
        pointer_bytes,
        mask,
        ..
    } = layout.types;
    let mut found = Vec::new();
    for span in spans {
        let at = span.large_type;
        let is_known = at == 0 || modules.with_type(at).is_some();
        if is_known || copier.slice(Address(at), bytes.into()).is_some() {
            continue;
        }
        let field = |offset: u32| word(copier, Address(at.checked_add(offset.into())?)).ok();
        let (Some(pointers), Some(mask)) = (field(pointer_bytes), field(mask)) else {
            continue;
        };
        found.push((at, bytes.into()));
        if pointers <= span.slot_bytes {
            found.push((mask, pointers.div_ceil(64)));
        }
    }
    found
}
