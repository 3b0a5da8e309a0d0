//! Roots that are neither variables nor goroutines: what threads hold while they run Go code, and what the runtime keeps for
//! finalizers, cleanups, weak and pinned pointers.

use std::collections::HashMap;

use super::machines::{self, Running};
use super::pointers::Objects;
use super::{Pointer, Spot, specials};
use crate::goroutine::Goroutine;
use crate::layout::roots::Roots as Layout;
use crate::memory::{word, word_at};
use crate::{Address, Frozen, Runtime, Thread, Unreadable};

/// What was found, and why it may not be all.
#[derive(Debug, Default)]
pub(super) struct Roots {
    pub(super) pointers: Vec<Pointer>,
    pub(super) running: Running,
    pub(super) doubts: Vec<String>,
}

/// Finds all of them in a copy.
pub(super) fn find(
    runtime: &Runtime,
    frozen: &Frozen,
    layout: &Layout,
    objects: &Objects<'_>,
    threads: &HashMap<u64, Thread>,
) -> Roots {
    let mut roots = Roots::default();
    roots.threads(runtime, frozen, layout, objects, threads);
    roots.specials(layout, objects);
    let variables = &runtime.variables.roots;
    let what = "the queue of finalizers";
    let head = |variable: Option<u64>, offset: u32| {
        let at = variable?.wrapping_add(frozen.bias.0);
        Some(word(frozen, Address(at.wrapping_add(offset.into()))))
    };
    let first = head(variables.finalizers, 0);
    roots.queue(what, first, |first, visit| {
        specials::of_blocks(objects, &layout.finalizers, first, what, visit)
    });
    if let Some(cleanups) = &layout.cleanups {
        let what = "the queue of cleanups";
        let first = head(variables.cleanups, cleanups.all);
        roots.queue(what, first, |first, visit| {
            specials::of_blocks(objects, &cleanups.blocks, first, what, visit)
        });
    }
    roots
}

impl Roots {
    fn specials(&mut self, layout: &Layout, objects: &Objects<'_>) {
        let mut visit = |pointer| self.pointers.push(pointer);
        let read = specials::of_spans(objects, &layout.special, &mut visit);
        if let Err(error) = read {
            self.doubts
                .push(format!("finalizers, weak and pinned pointers: {error}"));
        }
    }

    /// A queue whose first block the runtime's variable points to.
    fn queue(
        &mut self,
        what: &str,
        first: Option<Result<u64, Unreadable>>,
        read: impl Fn(u64, &mut dyn FnMut(Pointer)) -> Result<(), Unreadable>,
    ) {
        let Some(first) = first else {
            self.doubts
                .push(format!("{what} was not found in the executable"));
            return;
        };
        let mut visit = |pointer| self.pointers.push(pointer);
        let all = first.and_then(|first| read(first, &mut visit));
        if let Err(error) = all {
            self.doubts.push(format!("{what}: {error}"));
        }
    }

    fn threads(
        &mut self,
        runtime: &Runtime,
        frozen: &Frozen,
        layout: &Layout,
        objects: &Objects<'_>,
        threads: &HashMap<u64, Thread>,
    ) {
        let Some(first) = runtime.variables.roots.machines else {
            let doubt = "the runtime's list of threads (allm) was not found in the executable";
            self.doubts.push(doubt.to_owned());
            return;
        };
        let first = first.wrapping_add(frozen.bias.0);
        let machines = machines::read(frozen, &runtime.layout, &layout.machine, first);
        let machines = machines.unwrap_or_else(|error| {
            self.doubts
                .push(format!("the runtime's list of threads: {error}"));
            Vec::new()
        });
        let current = |g: u64| {
            let offsets = &runtime.layout.g;
            let bytes = frozen.slice(Address(g), offsets.bytes.into())?;
            Goroutine::parse(offsets, Address(g), bytes)
        };
        let running = machines::running(frozen, &machines, threads, &current);
        let slice = |at: u64, length: u64| frozen.slice(Address(at), length);
        let mut known = Vec::new();
        specials::words_of_threads(
            &machines,
            &running,
            &current,
            &slice,
            &frozen.threads,
            &mut |word| known.push(word),
        );
        known.sort_unstable();
        known.dedup();
        for at in known {
            let mut visit = |pointer| self.pointers.push(pointer);
            specials::loose(objects, &layout.special, at, &mut visit);
        }
        self.held(frozen, objects, &running);
        if frozen.leaves_out_words {
            let doubt = "running threads hold more words than are looked at";
            self.doubts.push(doubt.to_owned());
        }
        if !running.without_registers.is_empty() {
            let count = running.without_registers.len();
            self.doubts.push(format!(
                "the registers of {count} running threads are not known"
            ));
        }
        self.running = running;
    }

    /// Registers and system stacks: words of which it is only guessed that they are pointers.
    fn held(&mut self, frozen: &Frozen, objects: &Objects<'_>, running: &Running) {
        for held in &running.held {
            let mut words = held.registers.clone();
            for stack in &held.stacks {
                let length = stack.end.saturating_sub(stack.start);
                let Some(bytes) = frozen.slice(Address(stack.start), length) else {
                    self.doubts.push(format!(
                        "the system stack of thread {} was not readable",
                        held.tid
                    ));
                    continue;
                };
                words.extend(bytes.chunks_exact(8).filter_map(|word| word_at(word, 0)));
            }
            let at = Spot::Thread(held.tid);
            words.retain(|word| objects.spans.taken_object(*word).is_some());
            self.pointers
                .extend(words.into_iter().map(|to| Pointer { at, to }));
        }
    }
}
