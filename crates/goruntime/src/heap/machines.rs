//! The runtime's threads: those that run Go code hold pointers in registers, and on the stacks that the scheduler and the
//! handling of signals use.
//!
//! Facts: `m`, `g0` and `gsignal` of `runtime/runtime2.go` (Go 1.19 to 1.27). Only one that has a `p` runs Go code; what the
//! stacks of others hold is left from before.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gorphan_model::Status;

use crate::goroutine::Goroutine;
use crate::layout::Layout;
use crate::layout::roots::Machine as Offsets;
use crate::memory::{word, word_at};
use crate::runtime::{Bias, Runtime};
use crate::{Address, Memory, Thread, Unreadable};

/// Threads of one program; the runtime ends one that has 10,000 unless told otherwise.
const MAX_MACHINES: usize = 1 << 20;
/// Bytes that are scanned of a stack whose end is not known: C code called for Go needs little, handlers of signals less.
const UNKNOWN_STACK_BYTES: u64 = 64 << 10;
/// Bytes of a system stack that are scanned at most; those of C threads have 8 MB.
const MAX_SYSTEM_STACK_BYTES: u64 = 64 << 20;

/// A `runtime.m`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// The thread's number, as the runtime knows it.
    pub(super) tid: u64,
    /// The address of the goroutine that it runs, 0 if none.
    pub(super) current: u64,
    /// It has a `p`.
    pub(super) runs_go: bool,
    system: Range<u64>,
    pub(super) signal: Range<u64>,
}

/// All threads of the runtime.
pub(super) fn read(
    memory: &dyn Memory,
    layout: &Layout,
    offsets: &Offsets,
    first: u64,
) -> Result<Vec<Machine>, Unreadable> {
    let mut all = Vec::new();
    let mut at = word(memory, Address(first))?;
    let mut bytes = vec![0; offsets.bytes as usize];
    let damaged = |at: u64| Unreadable {
        address: Address(at),
        length: offsets.bytes.into(),
    };
    while at != 0 {
        memory.read(Address(at), &mut bytes)?;
        let field = |offset: u32| word_at(&bytes, offset.into()).ok_or(damaged(at));
        let stack = |g: u64| {
            if g == 0 {
                return Ok(0..0);
            }
            let end = |offset: u32| word(memory, Address(g.wrapping_add(offset.into())));
            Ok(end(layout.g.stack_low)?..end(layout.g.stack_high)?)
        };
        all.push(Machine {
            tid: field(offsets.thread)?,
            current: field(offsets.current)?,
            runs_go: field(offsets.processor)? != 0,
            system: stack(field(offsets.system)?)?,
            signal: stack(field(offsets.signal)?)?,
        });
        if all.len() >= MAX_MACHINES {
            return Err(damaged(at));
        }
        at = field(offsets.next)?;
    }
    Ok(all)
}

/// The stacks on which threads handle signals, by the threads' numbers.
pub(crate) fn signal_stacks(
    runtime: &Runtime,
    bias: Bias,
    memory: &dyn Memory,
) -> Vec<(u64, Range<u64>)> {
    let layout = &runtime.layout;
    let (Some(roots), Some(first)) = (&layout.roots, runtime.variables.roots.machines) else {
        return Vec::new();
    };
    let machines = read(memory, layout, &roots.machine, first.wrapping_add(bias.0));
    let machines = machines.unwrap_or_default().into_iter();
    let known = machines.filter(|machine| machine.tid != 0 && !machine.signal.is_empty());
    known.map(|machine| (machine.tid, machine.signal)).collect()
}

/// What a thread holds besides the stack of its goroutine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) tid: u64,
    pub(super) registers: Vec<u64>,
    /// Stacks to scan word by word, from the stack pointer on.
    pub(super) stacks: Vec<Range<u64>>,
}

/// What all threads hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Running {
    pub(super) held: Vec<Held>,
    /// Goroutines, by the address of their `g`, whose thread is on a stack of which nothing says where theirs ends.
    pub(super) elsewhere: HashSet<u64>,
    /// Threads that run Go code, and whose registers are not known.
    pub(super) without_registers: Vec<u64>,
}

/// What threads hold that run Go code. `current` gives the goroutine at the address of a `g`; `memory` is read for what lies on
/// the stack that handles a signal.
pub(super) fn running(
    memory: &dyn Memory,
    machines: &[Machine],
    threads: &HashMap<u64, Thread>,
    current: &dyn Fn(u64) -> Option<Goroutine>,
) -> Running {
    let mut running = Running::default();
    for machine in machines.iter().filter(|machine| machine.runs_go) {
        let own = current(machine.current);
        // From Go 1.27 its `p` is only lent while it is in a system call.
        if own.is_some_and(|own| own.status == Status::Syscall) {
            continue;
        }
        let Some(thread) = threads.get(&machine.tid) else {
            running.without_registers.push(machine.tid);
            running.elsewhere.insert(machine.current);
            continue;
        };
        let mut registers = thread.registers.to_vec();
        registers.extend([thread.rbp, thread.rsp]);
        registers.extend(&thread.vectors);
        let is_on_own =
            own.is_some_and(|own| (own.stack_low..own.stack_high).contains(&thread.rsp));
        let mut stacks = Vec::new();
        if machine.system.contains(&thread.rsp) {
            let end = machine.system.end;
            stacks.push(thread.rsp..end.min(thread.rsp.saturating_add(MAX_SYSTEM_STACK_BYTES)));
        } else if !is_on_own {
            running.elsewhere.insert(machine.current);
            let is_signal = machine.signal.contains(&thread.rsp);
            let end = match is_signal {
                true => machine.signal.end,
                false => thread.rsp.saturating_add(UNKNOWN_STACK_BYTES),
            };
            if let Some(handler) = readable(memory, thread.rsp..end) {
                stacks.push(thread.rsp..thread.rsp + handler.len() as u64);
                stacks.extend(interrupted(&handler, &machine.system));
            }
        }
        running.held.push(Held {
            tid: machine.tid,
            registers,
            stacks,
        });
    }
    running
}

/// The start of a range that can be read: all of it, or as much as halving it finds.
fn readable(memory: &dyn Memory, range: Range<u64>) -> Option<Vec<u8>> {
    let mut length = usize::try_from(range.end.saturating_sub(range.start)).ok()?;
    while length >= 8 {
        let mut bytes = vec![0; length];
        if memory.read(Address(range.start), &mut bytes).is_ok() {
            return Some(bytes);
        }
        length = (length / 2) & !7;
    }
    None
}

/// The part of a system stack that is in use below the handling of a signal: from the lowest address in it that the handler's
/// stack knows, the interrupted stack pointer being among them.
fn interrupted(handler: &[u8], system: &Range<u64>) -> Option<Range<u64>> {
    let words = handler.chunks_exact(8).filter_map(|word| word_at(word, 0));
    let known = words.filter(|word| system.contains(word)).min()?;
    let end = system.end.min(known.saturating_add(MAX_SYSTEM_STACK_BYTES));
    Some(known..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: Range<u64> = 0x1000..0x2000;
    const SIGNAL: Range<u64> = 0x3000..0x4000;

    /// Every word is one and the same; what lies behind 0x9000 is not mapped.
    struct Word(u64);

    impl Memory for Word {
        fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
            let length = buffer.len() as u64;
            if address.0 + length > 0x9000 {
                return Err(Unreadable { address, length });
            }
            for word in buffer.chunks_exact_mut(8) {
                word.copy_from_slice(&self.0.to_le_bytes());
            }
            Ok(())
        }
    }

    fn check(rsp: u64, runs_go: bool, expected: &[(u64, u64)], is_elsewhere: bool) {
        let thread = Thread {
            tid: 7,
            rsp,
            vectors: vec![0x4242],
            ..Thread::default()
        };
        let machine = Machine {
            tid: 7,
            current: 0x9000,
            runs_go,
            system: SYSTEM,
            signal: SIGNAL,
        };
        let threads = HashMap::from([(7, thread)]);
        let found = running(&Word(0x1800), &[machine], &threads, &|_| None);
        let stacks = found.held.iter().flat_map(|held| &held.stacks);
        let stacks: Vec<(u64, u64)> = stacks.map(|stack| (stack.start, stack.end)).collect();
        assert_eq!(stacks, expected, "{rsp:x}");
        assert_eq!(found.elsewhere.contains(&0x9000), is_elsewhere, "{rsp:x}");
        // A pointer that is being moved is nowhere else; one that ran no Go code is left from before.
        let mut registers = found.held.iter().flat_map(|held| &held.registers);
        assert_eq!(registers.any(|word| *word == 0x4242), runs_go, "{rsp:x}");
    }

    #[test]
    fn a_system_stack_counts_from_the_stack_pointer_on() {
        check(0x1400, true, &[(0x1400, 0x2000)], false);
        check(0x1400, false, &[], false);
    }

    #[test]
    fn a_handled_signal_interrupted_something() {
        check(0x3f00, true, &[(0x3f00, 0x4000), (0x1800, 0x2000)], true);
        check(0x8000, true, &[(0x8000, 0x9000), (0x1800, 0x2000)], true);
    }
}
