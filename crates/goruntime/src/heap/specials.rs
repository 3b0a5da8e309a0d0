//! What the runtime itself keeps for later: finalizers, cleanups, weak and pinned pointers; of objects, and in queues.
//!
//! Facts: `runtime/mheap.go`, `runtime/mfinal.go`, `runtime/mcleanup.go`, `runtime/pinner.go` and `markrootSpans` of
//! `runtime/mgcmark.go`, Go 1.19 to 1.27.

use super::machines::{Machine, Running};
use super::pointers::Objects;
use super::spans::Span;
use super::{Pointer, Spot};
use crate::goroutine::Goroutine;
use crate::layout::roots::{Blocks, Special};
use crate::memory::word_at;
use crate::{Address, Thread, Unreadable};

/// Elements of one list.
const MAX_ELEMENTS: usize = 1 << 20;
/// Words behind the common part of a finalizer: what to call, how much it returns, and two types.
const FINALIZER_WORDS: u64 = 4;

/// Where the bits lie of what is pinned in a span, and how many bytes they have: two bits for each object.
pub(super) fn pinned_bits(span: &Span<'_>) -> (u64, u64) {
    (span.pinned, (u64::from(span.slots) * 2).div_ceil(8))
}

fn unreadable(at: u64) -> Unreadable {
    Unreadable {
        address: Address(at),
        length: 8,
    }
}

/// Gives what the specials of all spans hold.
///
/// # Errors
/// When a list cannot be followed.
pub(super) fn of_spans(
    objects: &Objects<'_>,
    layout: &Special,
    visit: &mut impl FnMut(Pointer),
) -> Result<(), Unreadable> {
    for span in objects.spans.all() {
        let mut at = span.specials;
        for _ in 0..MAX_ELEMENTS {
            if at == 0 {
                break;
            }
            let head = objects.view.slice(at, layout.bytes.into());
            let head = head.ok_or_else(|| unreadable(at))?;
            one(objects, layout, span, (at, head), visit)?;
            at = word_at(head, layout.next.into()).unwrap_or_default();
        }
        if at != 0 {
            return Err(unreadable(at));
        }
        pinned(objects, span, visit)?;
    }
    Ok(())
}

/// Gives what one special holds.
fn one(
    objects: &Objects<'_>,
    layout: &Special,
    span: &Span<'_>,
    (at, head): (u64, &[u8]),
    visit: &mut impl FnMut(Pointer),
) -> Result<(), Unreadable> {
    let kind = head.get(layout.kind as usize).copied();
    let words = |count: u64| {
        let from = at.wrapping_add(layout.bytes.into());
        (0..count).map(move |index| from.wrapping_add(index * 8))
    };
    let offset = word_at(head, layout.offset.into()).unwrap_or_default();
    let offset = match layout.offset_bytes {
        2 => offset & 0xffff,
        _ => offset,
    };
    let object = span.pages.start.wrapping_add(offset);
    let all = |count: u64, what: &'static str, visit: &mut dyn FnMut(Pointer)| {
        for at in words(count) {
            let to = objects.view.word(at).ok_or_else(|| unreadable(at))?;
            if to != 0 {
                visit(runtime(what, to));
            }
        }
        Ok(())
    };
    if kind == Some(layout.finalizer) {
        all(FINALIZER_WORDS, "a finalizer", visit)?;
        // The finalizer gets the object, and all that it has, once nothing else leads to it.
        let Some(object) = objects.spans.object(object) else {
            return Ok(());
        };
        return objects.scan(object, &mut |_, to| {
            visit(runtime("an object with a finalizer", to));
        });
    }
    if kind.is_some() && kind == layout.weak {
        all(1, "a weak pointer", visit)?;
        visit(runtime("a weak pointer", object));
    }
    if kind.is_some() && kind == layout.cleanup {
        all(layout.cleanup_words, "a cleanup", visit)?;
    }
    Ok(())
}

fn runtime(what: &'static str, to: u64) -> Pointer {
    Pointer {
        at: Spot::Runtime(what),
        to,
    }
}

/// Gives the objects of a span that are pinned.
fn pinned(
    objects: &Objects<'_>,
    span: &Span<'_>,
    visit: &mut impl FnMut(Pointer),
) -> Result<(), Unreadable> {
    if span.pinned == 0 {
        return Ok(());
    }
    let (at, length) = pinned_bits(span);
    let bits = objects.view.slice(at, length);
    let bits = bits.ok_or_else(|| unreadable(at))?;
    for slot in 0..span.slots {
        let byte = bits.get(slot as usize / 4).copied().unwrap_or_default();
        if byte >> (slot % 4 * 2) & 1 == 1 {
            let to = span.pages.start + u64::from(slot) * span.slot_bytes;
            visit(runtime("a pinned pointer", to));
        }
    }
    Ok(())
}

/// Gives what a queue of blocks holds, from the first block on.
///
/// # Errors
/// When it cannot be followed.
pub(super) fn of_blocks(
    objects: &Objects<'_>,
    layout: &Blocks,
    first: u64,
    what: &'static str,
    visit: &mut dyn FnMut(Pointer),
) -> Result<(), Unreadable> {
    let mut at = first;
    for _ in 0..MAX_ELEMENTS {
        if at == 0 {
            return Ok(());
        }
        let block = objects.view.slice(at, layout.bytes.into());
        let block = block.ok_or_else(|| unreadable(at))?;
        let entries = block.get(layout.entries as usize..).unwrap_or_default();
        for word in entries.chunks_exact(8).filter_map(|word| word_at(word, 0)) {
            if word != 0 {
                visit(runtime(what, word));
            }
        }
        at = word_at(block, layout.next.into()).unwrap_or_default();
    }
    Err(unreadable(at))
}

/// Gives what an unlinked special holds that a running thread knows the address of: it was taken from its object, and not
/// queued yet. Anything else at that address that looks the same holds no more than it would.
pub(super) fn loose(
    objects: &Objects<'_>,
    layout: &Special,
    at: u64,
    visit: &mut impl FnMut(Pointer),
) {
    let Some(bytes) = objects.view.slice(at, layout.most_bytes.into()) else {
        return;
    };
    let kind = word_at(bytes, layout.offset.into()).map(|word| match layout.offset_bytes {
        2 => word >> 16,
        _ => word_at(bytes, layout.kind.into()).unwrap_or_default(),
    });
    let kinds = [Some(layout.finalizer), layout.weak, layout.cleanup];
    let is_special = kinds
        .iter()
        .flatten()
        .any(|known| kind == Some((*known).into()));
    if !is_special {
        return;
    }
    let fields = bytes.get(layout.bytes as usize..).unwrap_or_default();
    for word in fields.chunks_exact(8).filter_map(|word| word_at(word, 0)) {
        if objects.spans.taken_object(word).is_some() {
            visit(runtime("a finalizer about to be queued", word));
        }
    }
}

/// Gives every word that threads hold which run Go code: in registers, on their own stacks, and on those of their goroutines.
pub(super) fn words_of_threads<'b>(
    machines: &[Machine],
    running: &Running,
    current: &dyn Fn(u64) -> Option<Goroutine>,
    slice: &dyn Fn(u64, u64) -> Option<&'b [u8]>,
    threads: &[Thread],
    look: &mut impl FnMut(u64),
) {
    let mut all = |start: u64, end: u64| {
        let bytes = slice(start, end.saturating_sub(start)).unwrap_or_default();
        for word in bytes.chunks_exact(8).filter_map(|word| word_at(word, 0)) {
            look(word);
        }
    };
    for held in &running.held {
        for stack in &held.stacks {
            all(stack.start, stack.end);
        }
        let machine = machines.iter().find(|machine| machine.tid == held.tid);
        let own = machine.and_then(|machine| current(machine.current));
        let rsp = threads
            .iter()
            .find(|thread| thread.tid == held.tid)
            .map(|thread| thread.rsp);
        if let (Some(own), Some(rsp)) = (own, rsp) {
            all(own.lowest_in_use(rsp), own.stack_high);
        }
    }
    for held in &running.held {
        held.registers.iter().for_each(|word| look(*word));
    }
}
