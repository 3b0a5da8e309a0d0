//! What is copied more for a proof to find roots and waits: threads with their stacks, finalizers, cleanups, weak and pinned
//! pointers.

use std::collections::HashSet;
use std::ops::Range;

use super::machines::{self, Machine, Running};
use super::spans::Span;
use super::specials;
use crate::frozen::{ADDRESSES, Copier};
use crate::memory::{word, word_at};
use crate::runtime::{Bias, Runtime};
use crate::{Address, Error};

/// What the kernel maps at once: if any byte can be read, all of it can.
const PAGE_BYTES: u64 = 4096;
/// How often lists are followed on to memory that was not copied yet. The runtime allocates their parts one after the other, so
/// a few rounds do; what is not reached then is missing, and found so.
const MAX_ROUNDS: usize = 256;
/// Elements of one list.
const MAX_ELEMENTS: usize = 1 << 20;
/// Words of running threads that may point to something that is about to be queued.
const MAX_LOOSE_WORDS: usize = 1 << 14;

/// A list whose elements point to the next.
struct Chain {
    at: u64,
    /// Bytes of the part that all elements have.
    bytes: u64,
    /// Bytes of the longest; the last in a mapping may be shorter.
    most_bytes: u64,
    next: u64,
    left: usize,
}

/// Copies what [`super::roots`] and [`super::waits`] read. Spans and goroutines were copied before.
///
/// # Errors
/// When a limit is passed or the time is up. What cannot be read is missing in the copy, and found so later.
pub(super) fn copy(
    runtime: &Runtime,
    bias: Bias,
    copier: &mut Copier<'_>,
    spans: &[Span<'_>],
) -> Result<(), Error> {
    let Some(layout) = &runtime.layout.roots else {
        return Ok(());
    };
    let variables = &runtime.variables.roots;
    let head = |variable: Option<u64>, offset: u32| {
        let at = variable?.wrapping_add(bias.0).wrapping_add(offset.into());
        word(&*copier, Address(at)).ok()
    };
    let mut chains: Vec<Chain> = Vec::new();
    let finalizers = &layout.finalizers;
    chains.extend(
        head(variables.finalizers, 0)
            .map(|at| Chain::new(at, finalizers.bytes, finalizers.bytes, finalizers.next)),
    );
    if let Some(cleanups) = &layout.cleanups {
        let blocks = &cleanups.blocks;
        let first = head(variables.cleanups, cleanups.all);
        chains.extend(first.map(|at| Chain::new(at, blocks.bytes, blocks.bytes, blocks.next)));
    }
    let special = &layout.special;
    let with_specials = spans.iter().filter(|span| span.specials != 0);
    chains.extend(with_specials.map(|span| {
        Chain::new(
            span.specials,
            special.bytes,
            special.most_bytes,
            special.next,
        )
    }));
    follow(copier, chains)?;
    let pinned = spans.iter().filter(|span| span.pinned != 0);
    copier.layer(pinned.map(specials::pinned_bits).collect())?;
    threads(runtime, bias, copier, spans)
}

impl Chain {
    fn new(at: u64, bytes: u32, most_bytes: u32, next: u32) -> Self {
        Self {
            at,
            bytes: bytes.into(),
            most_bytes: most_bytes.into(),
            next: next.into(),
            left: MAX_ELEMENTS,
        }
    }

    /// Goes on to what was not copied yet, and says where that is. `None` at the end.
    fn missing(&mut self, copier: &Copier<'_>, asked: &mut HashSet<u64>) -> Option<u64> {
        while self.at != 0 && self.left > 0 {
            let whole = copier.slice(Address(self.at), self.most_bytes);
            if whole.is_none() && asked.insert(self.at) {
                return Some(self.at);
            }
            // What is still missing after it was asked for cannot be read.
            let element = copier.slice(Address(self.at), self.bytes)?;
            self.left -= 1;
            self.at = word_at(element, self.next).unwrap_or_default();
        }
        None
    }
}

/// Copies lists, whole pages at a time.
fn follow(copier: &mut Copier<'_>, mut chains: Vec<Chain>) -> Result<(), Error> {
    let mut asked = HashSet::new();
    for _ in 0..MAX_ROUNDS {
        let mut wanted = Vec::new();
        chains.retain_mut(|chain| {
            let missing = chain.missing(copier, &mut asked);
            let lengths = [chain.bytes, chain.most_bytes];
            wanted.extend(
                missing
                    .iter()
                    .flat_map(|at| lengths.map(|bytes| pages(*at, bytes))),
            );
            missing.is_some()
        });
        if wanted.is_empty() {
            return Ok(());
        }
        copier.layer(wanted.into_iter().flatten().collect())?;
    }
    Ok(())
}

/// The pages of a range, as (start, length).
fn pages(at: u64, bytes: u64) -> Option<(u64, u64)> {
    let start = at & !(PAGE_BYTES - 1);
    let end = at
        .checked_add(bytes)?
        .checked_next_multiple_of(PAGE_BYTES)?;
    Some((start, end - start))
}

/// Copies the threads, their stacks, and what those point to.
fn threads(
    runtime: &Runtime,
    bias: Bias,
    copier: &mut Copier<'_>,
    spans: &[Span<'_>],
) -> Result<(), Error> {
    let (Some(layout), Some(first)) = (&runtime.layout.roots, runtime.variables.roots.machines)
    else {
        return Ok(());
    };
    let first = first.wrapping_add(bias.0);
    let Ok(machines) = machines::read(copier, &runtime.layout, &layout.machine, first) else {
        return Ok(());
    };
    let threads = copier.threads().iter();
    let threads = threads.map(|thread| (thread.tid, thread.clone())).collect();
    let current = |g: u64| runtime.goroutine(copier, Address(g));
    let running = machines::running(copier, &machines, &threads, &current);
    let elsewhere = running.elsewhere.iter().filter_map(|g| current(*g));
    let mut stacks: Vec<Range<u64>> = elsewhere.map(|one| one.stack_low..one.stack_high).collect();
    stacks.extend(
        running
            .held
            .iter()
            .flat_map(|held| held.stacks.iter().cloned()),
    );
    let ranges = stacks
        .iter()
        .map(|stack| (stack.start, stack.end.saturating_sub(stack.start)));
    copier.layer(ranges.collect())?;
    let loose = loose_words(runtime, bias, copier, &machines, &running, spans);
    let bytes = u64::from(layout.special.most_bytes);
    if loose.is_short {
        copier.leave_out_words();
    }
    copier.layer(loose.words.into_iter().map(|at| (at, bytes)).collect())?;
    Ok(())
}

/// Words that may point to something that is about to be queued.
#[derive(Default)]
struct Loose {
    words: HashSet<u64>,
    /// There are more.
    is_short: bool,
}

impl Loose {
    fn add(&mut self, word: u64) {
        if self.words.len() < MAX_LOOSE_WORDS {
            self.words.insert(word);
        } else {
            self.is_short |= !self.words.contains(&word);
        }
    }
}

/// Words of threads that run Go code which may point to a special: neither to the heap nor to a variable.
fn loose_words(
    runtime: &Runtime,
    bias: Bias,
    copier: &Copier<'_>,
    machines: &[Machine],
    running: &Running,
    spans: &[Span<'_>],
) -> Loose {
    let mut found = Loose::default();
    let pages = spans.iter().map(|span| (span.pages.start, span.pages.end));
    let mut pages: Vec<(u64, u64)> = pages.collect();
    pages.sort_unstable();
    // Most of what is on stacks and neither code nor on the heap leads to stacks.
    let own = machines.iter().filter_map(|machine| {
        let one = runtime.goroutine(copier, Address(machine.current))?;
        Some(one.stack_low..one.stack_high)
    });
    let system = running
        .held
        .iter()
        .flat_map(|held| held.stacks.iter().cloned());
    let mut stacks: Vec<Range<u64>> = own.chain(system).collect();
    stacks.sort_unstable_by_key(|stack| stack.start);
    let is_of_stack = |word: u64| {
        let after = stacks.partition_point(|stack| stack.start <= word);
        let stack = after.checked_sub(1).and_then(|at| stacks.get(at));
        stack.is_some_and(|stack| stack.contains(&word))
    };
    let mut look = |word: u64| {
        let after = pages.partition_point(|(start, _)| *start <= word);
        let span = after.checked_sub(1).and_then(|at| pages.get(at));
        let is_outside = word.is_multiple_of(8)
            && ADDRESSES.contains(&word)
            && !span.is_some_and(|(start, end)| (*start..*end).contains(&word))
            && !is_of_stack(word)
            && runtime.image().rest(word.wrapping_sub(bias.0)).is_none();
        if is_outside {
            found.add(word);
        }
    };
    specials::words_of_threads(
        machines,
        running,
        &|g| runtime.goroutine(copier, Address(g)),
        &|at, length| copier.slice(Address(at), length),
        copier.threads(),
        &mut look,
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_left_out_are_noticed() {
        let mut loose = Loose::default();
        let most = MAX_LOOSE_WORDS as u64;
        (0..most)
            .chain([0, most - 1])
            .for_each(|word| loose.add(word));
        assert!(!loose.is_short && loose.words.len() == MAX_LOOSE_WORDS);
        loose.add(most);
        assert!(loose.is_short && loose.words.len() == MAX_LOOSE_WORDS);
    }
}
