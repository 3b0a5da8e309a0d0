//! Where the runtime's variables lie: by the symbol table, and in stripped programs by the instructions that use them.

pub(crate) mod roots;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use crate::image::Processor;
use crate::image::pclntab::{Code, Function, Table, Work};
use crate::layout::Layout;
use crate::{Error, Image};

/// Bytes of one function that are decoded; those looked at have under 2,000.
const MAX_CODE_BYTES: u64 = 64 << 10;
/// Bytes at the start of a function that check whether the stack has room; the longest form has less than 40.
const MAX_CHECK_BYTES: u64 = 64;

/// Linked addresses of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variables {
    /// `runtime.allgs`, a slice of pointers.
    pub(crate) goroutines: u64,
    /// `runtime.waitReasonStrings`, an array of strings; without it reasons are numbers.
    pub(crate) wait_reasons: Option<u64>,
    /// `runtime.firstmoduledata`.
    pub(crate) module: u64,
    /// `runtime.mheap_`; without it nothing can be proven.
    pub(crate) heap: Option<u64>,
    pub(crate) roots: roots::Roots,
}

/// The function table that the module data points to, and the variables.
pub(crate) fn find(image: &Image, layout: &Layout) -> Result<(Table, Variables), Error> {
    let [machines, semaphores, finalizers, cleanups] = roots::NAMES;
    let [
        module,
        goroutines,
        wait_reasons,
        heap,
        machines,
        semaphores,
        finalizers,
        cleanups,
    ] = image.symbols([
        "runtime.firstmoduledata",
        "runtime.allgs",
        "runtime.waitReasonStrings",
        "runtime.mheap_",
        machines,
        semaphores,
        finalizers,
        cleanups,
    ]);
    let mut candidates = Table::candidates(image).into_iter();
    let table = candidates.find_map(|table| with_module(image, layout, table, module));
    let (table, module) = table.ok_or(Error::Variable("module data (firstmoduledata)"))?;
    let work = Work::new();
    let code = table
        .code(image, &work)
        .ok_or(Error::Variable("function table (pclntab)"))?;
    let (mut goroutines, mut wait_reasons) = (goroutines, wait_reasons);
    if goroutines.is_none() || wait_reasons.is_none() {
        let [add, text] = code.named(["runtime.allgadd", "runtime.waitReason.String"]);
        goroutines = goroutines.or_else(|| slice_used(&code, &add?));
        wait_reasons = wait_reasons.or_else(|| array_used(&code, &text?));
    }
    let heap = heap.or_else(|| {
        let [prepare, init] = code.named(["runtime.mallocinit", "runtime.(*mheap).init"]);
        taken_before_call(&code, &prepare?, init?.entry)
    });
    let variables = Variables {
        goroutines: goroutines.ok_or(Error::Variable("list of goroutines (allgs)"))?,
        wait_reasons,
        module,
        heap,
        roots: roots::Roots::find([machines, semaphores, finalizers, cleanups], &code),
    };
    Ok((table, variables))
}

/// The table as the module data that points to it completes it. Its first two words are the addresses of the table and of
/// the names (`moduledata` in `runtime/symtab.go`, Go 1.16 to 1.27).
fn with_module(
    image: &Image,
    layout: &Layout,
    table: Table,
    module: Option<u64>,
) -> Option<(Table, u64)> {
    let names = table.address.checked_add(table.names_offset)?;
    let found = match module {
        Some(module) => vec![module],
        None => image.words_equal(table.address),
    };
    let is_module = |at: &u64| {
        let second = at.checked_add(8).and_then(|at| image.word(at));
        image.word(*at) == Some(table.address) && second == Some(names)
    };
    let module = found.into_iter().find(is_module)?;
    let field = |offset: u32| image.word(module.checked_add(offset.into())?);
    let (text, gofunc) = (field(layout.text)?, field(layout.gofunc)?);
    Some((table.completed(text, gofunc), module))
}

/// Instructions of other processors are not read: their programs must have their symbols.
fn is_amd64(code: &Code<'_>) -> bool {
    code.image.processor() == Processor::Amd64
}

/// The addresses that a function's instructions name, with the instruction.
fn references(code: &Code<'_>, function: &Function<'_>) -> Vec<(Instruction, u64)> {
    if !is_amd64(code) {
        return Vec::new();
    }
    let length = function
        .end
        .saturating_sub(function.entry)
        .min(MAX_CODE_BYTES);
    let bytes = code.image.at(function.entry, length).unwrap_or_default();
    let decoder = Decoder::with_ip(64, bytes, function.entry, DecoderOptions::NONE);
    let named = decoder.into_iter().filter_map(|instruction| {
        let relative = instruction.is_ip_rel_memory_operand();
        relative.then(|| (instruction, instruction.ip_rel_memory_address()))
    });
    named.collect()
}

/// The address of the instruction that makes a function's frame: `push rbp` (from Go 1.21) or `sub rsp, N` (before), after
/// the check whether the stack has room, which jumps away and comes back to the first instruction if it has not.
pub(crate) fn frame(code: &Code<'_>, function: &Function<'_>) -> Option<u64> {
    let length = function
        .end
        .saturating_sub(function.entry)
        .min(MAX_CHECK_BYTES);
    let bytes = code.image.at(function.entry, length)?;
    let decoder = Decoder::with_ip(64, bytes, function.entry, DecoderOptions::NONE);
    let makes_frame = |one: &Instruction| match one.mnemonic() {
        Mnemonic::Push => one.op0_register() == Register::RBP,
        Mnemonic::Sub => one.op0_register() == Register::RSP,
        _ => false,
    };
    let check = |one: &Instruction| {
        matches!(
            one.mnemonic(),
            Mnemonic::Cmp | Mnemonic::Lea | Mnemonic::Jbe | Mnemonic::Jb | Mnemonic::Nop
        )
    };
    let mut instructions = decoder.into_iter().skip_while(check);
    instructions.next().filter(makes_frame).map(|one| one.ip())
}

/// The address of the first instruction of `within` that calls `to`.
pub(crate) fn call(code: &Code<'_>, within: &Function<'_>, to: &Function<'_>) -> Option<u64> {
    if !is_amd64(code) {
        return None;
    }
    let length = within.end.saturating_sub(within.entry).min(MAX_CODE_BYTES);
    let bytes = code.image.at(within.entry, length)?;
    let mut instructions =
        Decoder::with_ip(64, bytes, within.entry, DecoderOptions::NONE).into_iter();
    let is_call = |one: &Instruction| {
        let near = one.mnemonic() == Mnemonic::Call && one.op0_kind() == OpKind::NearBranch64;
        near && one.near_branch64() == to.entry
    };
    instructions.find(is_call).map(|one| one.ip())
}

/// The one slice whose pointer, length and capacity are all named: `allgs` in `allgadd`, which appends to it.
fn slice_used(code: &Code<'_>, function: &Function<'_>) -> Option<u64> {
    let named: Vec<u64> = references(code, function)
        .iter()
        .map(|(_, at)| *at)
        .collect();
    let has = |at: u64, more: u64| at.checked_add(more).is_some_and(|at| named.contains(&at));
    let mut slices = named.iter().filter(|at| has(**at, 8) && has(**at, 16));
    let first = *slices.next()?;
    slices.all(|other| *other == first).then_some(first)
}

/// The array whose address is taken: `waitReasonStrings` in `waitReason.String`.
fn array_used(code: &Code<'_>, function: &Function<'_>) -> Option<u64> {
    let named = references(code, function);
    let taken = named.iter().filter(|(instruction, at)| {
        let lea = instruction.mnemonic() == Mnemonic::Lea;
        // Its elements are strings; the text "unknown wait reason", whose address is taken as well, is none.
        lea && instruction.op0_kind() == OpKind::Register && reason(code.image, *at, 1).is_some()
    });
    taken.map(|(_, at)| *at).next()
}

/// The address that is taken last before a function is called: of `mheap_` in `mallocinit`, as the receiver of `init`.
fn taken_before_call(code: &Code<'_>, function: &Function<'_>, called: u64) -> Option<u64> {
    if !is_amd64(code) {
        return None;
    }
    let length = function
        .end
        .saturating_sub(function.entry)
        .min(MAX_CODE_BYTES);
    let bytes = code.image.at(function.entry, length)?;
    let mut taken = None;
    for instruction in Decoder::with_ip(64, bytes, function.entry, DecoderOptions::NONE) {
        let lea = instruction.mnemonic() == Mnemonic::Lea;
        if lea && instruction.is_ip_rel_memory_operand() {
            taken = Some(instruction.ip_rel_memory_address());
        }
        let call = instruction.mnemonic() == Mnemonic::Call;
        if call && instruction.near_branch_target() == called {
            return taken;
        }
    }
    None
}

/// The text of a wait reason. `None` where there is no such text.
pub(crate) fn reason(image: &Image, reasons: u64, number: u8) -> Option<&str> {
    /// Bytes of a reason; the longest has 33.
    const MAX_REASON_BYTES: u64 = 64;
    let header = reasons.checked_add(u64::from(number) * 16)?;
    let length = image.word(header.checked_add(8)?)?;
    if !(1..=MAX_REASON_BYTES).contains(&length) {
        return None;
    }
    let text = std::str::from_utf8(image.at(image.word(header)?, length)?).ok()?;
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    printable.then_some(text)
}
