//! Variables that lead to roots and waits. Goroutines can be listed without them, but not proven to wait for ever.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::{references, taken_before_call};
use crate::Image;
use crate::image::pclntab::{Code, Function};

/// Linked addresses; `None` for what was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Roots {
    /// `runtime.allm`, a pointer to the first thread of the runtime.
    pub(crate) machines: Option<u64>,
    /// `runtime.semtable`, who waits for which lock.
    pub(crate) semaphores: Option<u64>,
    /// `runtime.allfin`, a pointer to the first block of queued finalizers.
    pub(crate) finalizers: Option<u64>,
    /// `runtime.gcCleanups`, from Go 1.25.
    pub(crate) cleanups: Option<u64>,
}

/// What the symbol table calls them, in the order of the fields.
pub(super) const NAMES: [&str; 4] = [
    "runtime.allm",
    "runtime.semtable",
    "runtime.allfin",
    "runtime.gcCleanups",
];

impl Roots {
    /// Those of the symbol table, completed by what the code says.
    pub(super) fn find(symbols: [Option<u64>; 4], code: &Code<'_>) -> Self {
        let [machines, semaphores, finalizers, cleanups] = symbols;
        let known = Self {
            machines,
            semaphores,
            finalizers,
            cleanups,
        };
        match known.machines {
            Some(_) => known,
            None => known.or(Self::by_code(code)),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            machines: self.machines.or(other.machines),
            semaphores: self.semaphores.or(other.semaphores),
            finalizers: self.finalizers.or(other.finalizers),
            cleanups: self.cleanups.or(other.cleanups),
        }
    }

    /// By the instructions of functions that use them; all rules hold in Go 1.19 and 1.21 to 1.27.
    fn by_code(code: &Code<'_>) -> Self {
        let [start, acquire, release, queue, free, enqueue] = code.named([
            "runtime.mcommoninit",
            "runtime.semacquire1",
            "runtime.semrelease1",
            "runtime.queuefinalizer",
            "runtime.freeSpecial",
            "runtime.(*cleanupQueue).enqueue",
        ]);
        Self {
            machines: start.and_then(|start| loaded_and_taken(code, &start)),
            semaphores: acquire
                .zip(release)
                .and_then(|(acquire, release)| taken_in_both(code, &acquire, &release)),
            finalizers: queue.and_then(|queue| second_loaded(code, &queue)),
            cleanups: free
                .zip(enqueue)
                .and_then(|(free, enqueue)| taken_before_call(code, &free, enqueue.entry)),
        }
    }
}

fn is_taken(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Lea
}

/// Reads a word of 8 bytes into a register.
fn is_load(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_kind() == OpKind::Register
        && (Register::RAX..=Register::R15).contains(&instruction.op0_register())
}

/// Variables that were null at start are in no file.
fn is_zero_at_start(image: &Image, at: u64) -> bool {
    image.at(at, 8).is_none()
}

/// `allm` in `mcommoninit`: it is read for the new one's link, and its address taken to store the new one.
fn loaded_and_taken(code: &Code<'_>, function: &Function<'_>) -> Option<u64> {
    let named = references(code, function);
    let mut both = named.iter().filter(|(instruction, at)| {
        is_load(instruction) && named.iter().any(|(other, to)| is_taken(other) && to == at)
    });
    let (_, first) = both.next()?;
    both.all(|(_, other)| other == first).then_some(*first)
}

/// `semtable` in `semacquire1` and `semrelease1`: the one variable whose address both take.
fn taken_in_both(code: &Code<'_>, one: &Function<'_>, other: &Function<'_>) -> Option<u64> {
    let taken = |function| {
        let named = references(code, function).into_iter();
        let taken = named
            .filter(|(instruction, at)| is_taken(instruction) && is_zero_at_start(code.image, *at));
        taken.map(|(_, at)| at).collect::<Vec<_>>()
    };
    let others = taken(other);
    let mut common = taken(one).into_iter().filter(|at| others.contains(at));
    let first = common.next()?;
    common.all(|other| other == first).then_some(first)
}

/// `allfin` in `queuefinalizer`: read after `finq`, to become a new block's link, and then written.
fn second_loaded(code: &Code<'_>, function: &Function<'_>) -> Option<u64> {
    let named = references(code, function);
    let loads = named.iter().filter(|(instruction, _)| is_load(instruction));
    let mut loads = loads.map(|(_, at)| *at);
    let first = loads.next()?;
    let second = loads.find(|at| *at != first)?;
    let is_written = named.iter().any(|(instruction, at)| {
        let stores = instruction.mnemonic() == Mnemonic::Mov;
        stores && instruction.op0_kind() == OpKind::Memory && *at == second
    });
    is_written.then_some(second)
}
