//! What is copied more for a proof, while the target is stopped: modules with their variables, spans, and the pages of those
//! that have pointers.

use std::ops::Range;

use super::arenas::Table;
use super::copy_roots;
use super::modules::Modules;
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
/// Cases of one `select` whose channels are copied.
const MAX_CASES: usize = 1 << 16;

/// Copies what [`super::pointers::Objects`] reads. `goroutines` were copied before.
///
/// # Errors
/// When a limit is passed or the time is up. What cannot be read is missing in the copy, and found so later.
pub(crate) fn copy(
    runtime: &Runtime,
    bias: Bias,
    copier: &mut Copier<'_>,
    goroutines: &[Address],
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
    copier.bulk(spans.iter().filter_map(contents).collect())?;
    let mut more: Vec<(u64, u64)> = Vec::new();
    // Whether a slot of a plain span is taken changes nothing: nothing is found in it.
    let scanned = spans.iter().filter(|span| !span.is_plain);
    more.extend(scanned.map(|span| (span.taken_bits, span.taken_bytes())));
    if let Some(table) = Table::read(layout, heap, copier) {
        for span in spans.iter().filter(|span| !span.is_plain) {
            let parts = table.parts(copier, span.pages.clone());
            more.extend(parts.map(|part| table.bits_of(&part)));
        }
    }
    let waiting = goroutines.iter();
    let length = u64::from(runtime.layout.g.bytes);
    let waiting =
        waiting.filter_map(|g| word_at(copier.slice(*g, length)?, layout.waiting.first.into()));
    more.extend(waiting.flat_map(|first| channels(layout, copier, first)));
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

/// The channels that a goroutine waits for, from its first sudog on: those of numbers are in spans that are not copied.
fn channels(layout: &Layout, copier: &Copier<'_>, first: u64) -> Vec<(u64, u64)> {
    let Waiting {
        next,
        channel,
        sudog_bytes,
        ..
    } = layout.waiting;
    let mut found = Vec::new();
    let mut at = first;
    while found.len() < MAX_CASES {
        let Some(bytes) = copier.latest(Address(at), sudog_bytes.into()) else {
            break;
        };
        found.extend(word_at(bytes, channel.into()).map(|at| (at, layout.channel.bytes.into())));
        at = word_at(bytes, next.into()).unwrap_or_default();
    }
    found
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
