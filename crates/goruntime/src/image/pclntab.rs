//! The function table: what every Go program carries of its functions' names, files, lines, frame sizes and inlined calls.
//!
//! Format: `runtime/symtab.go` and `cmd/link/internal/ld/pcln.go`, Go 1.18 to 1.27.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Image;

/// Functions of a program; the largest have a million.
const MAX_FUNCTIONS: u64 = 16 << 20;
/// Steps of one table of values by pc; the longest functions have some 10,000.
const MAX_STEPS: usize = 1 << 20;
/// Bytes of a name or path; the linker's longest are some kilobytes.
const MAX_NAME_BYTES: usize = 1 << 16;
/// Bytes of an entry of `ftab`.
const ENTRY_BYTES: usize = 8;

/// `PCDATA_InlTreeIndex` of `internal/abi` (Go 1.19 to 1.27).
const INLINE_INDEX: usize = 2;
/// `PCDATA_StackMapIndex` of `internal/abi` (Go 1.19 to 1.27).
const STACK_MAP_INDEX: usize = 1;
/// `FUNCDATA_ArgsPointerMaps` of `internal/abi` (Go 1.19 to 1.27).
pub(crate) const ARGUMENT_MAPS: usize = 0;
/// `FUNCDATA_LocalsPointerMaps` of `internal/abi` (Go 1.19 to 1.27).
pub(crate) const LOCAL_MAPS: usize = 1;
/// `FUNCDATA_StackObjects` of `internal/abi` (Go 1.19 to 1.27).
pub(crate) const STACK_OBJECTS: usize = 2;
/// `FUNCDATA_InlTree` of `internal/abi` (Go 1.19 to 1.27).
const INLINE_TREE: usize = 3;

/// What differs between the formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Magic 0xfffffff0.
    Go118,
    /// Magic 0xfffffff1.
    Go120,
}

impl Shape {
    /// Offset of `_func.funcID`.
    fn id(self) -> usize {
        match self {
            Self::Go118 => 36,
            Self::Go120 => 40,
        }
    }

    /// Bytes of `inlinedCall`, and the offsets of its funcID, nameOff and parentPc.
    fn inlined(self) -> (u64, usize, usize, usize) {
        match self {
            Self::Go118 => (20, 2, 12, 16),
            Self::Go120 => (16, 0, 4, 8),
        }
    }
}

/// Where the function table's parts lie.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Linked address of the header.
    pub(crate) address: u64,
    /// Offset of the names from there, as the module data repeats it.
    pub(crate) names_offset: u64,
    shape: Shape,
    /// Bytes that addresses of code are counted in.
    code_step: u32,
    functions: usize,
    /// Parts relative to the header.
    names: Range<usize>,
    units: Range<usize>,
    files: Range<usize>,
    values: Range<usize>,
    records: usize,
    /// `moduledata.text`: what entries are relative to.
    text: u64,
    /// `moduledata.gofunc`: what `funcdata` is relative to.
    gofunc: u64,
}

impl Table {
    /// Every table that the image may have; whether it is one is known once the module data points to it.
    pub(crate) fn candidates(image: &Image) -> Vec<Self> {
        let named = [".gopclntab", ".data.rel.ro.gopclntab"];
        let named = named
            .iter()
            .filter_map(|name| image.section_address(name))
            .filter_map(|at| Self::at(image, at));
        let mut found: Vec<Self> = named.collect();
        if found.is_empty() {
            // The magic's first byte differs by version.
            let step = image.processor().code_step() as u8;
            let hits = image.find(&[0xff, 0xff, 0xff, 0, 0, step, 8]);
            let starts = hits.into_iter().filter_map(|at| at.checked_sub(1));
            found.extend(starts.filter_map(|at| Self::at(image, at)));
        }
        found
    }

    fn at(image: &Image, address: u64) -> Option<Self> {
        let bytes = image.rest(address)?;
        let shape = match bytes.get(..8)? {
            [0xf0, 0xff, 0xff, 0xff, 0, 0, _, 8] => Shape::Go118,
            [0xf1, 0xff, 0xff, 0xff, 0, 0, _, 8] => Shape::Go120,
            _ => return None,
        };
        let code_step = image.processor().code_step();
        if u32::from(*bytes.get(6)?) != code_step {
            return None;
        }
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let offset = |at: usize| usize::try_from(word(at)?).ok();
        let functions = word(8).filter(|count| (1..=MAX_FUNCTIONS).contains(count))?;
        let functions = usize::try_from(functions).ok()?;
        let (names, units, files) = (offset(32)?, offset(40)?, offset(48)?);
        let (values, records) = (offset(56)?, offset(64)?);
        let ordered = names <= units && units <= files && files <= values && values <= records;
        let end = records.checked_add(functions.checked_mul(ENTRY_BYTES)?)?;
        (ordered && end <= bytes.len()).then_some(Self {
            address,
            names_offset: names as u64,
            shape,
            code_step,
            functions,
            names: names..units,
            units: units..files,
            files: files..values,
            values: values..records,
            records,
            text: 0,
            gofunc: 0,
        })
    }

    /// The table with what the module data knows.
    pub(crate) fn completed(self, text: u64, gofunc: u64) -> Self {
        Self {
            text,
            gofunc,
            ..self
        }
    }

    /// The table with the bytes that it describes.
    pub(crate) fn code<'a>(&'a self, image: &'a Image, work: &'a Work) -> Option<Code<'a>> {
        let bytes = image.rest(self.address)?;
        Some(Code {
            table: self,
            image,
            work,
            names: bytes.get(self.names.clone())?,
            units: bytes.get(self.units.clone())?,
            files: bytes.get(self.files.clone())?,
            values: bytes.get(self.values.clone())?,
            records: bytes.get(self.records..)?,
        })
    }
}

/// Steps through tables that are left: damaged tables and stacks together could take for ever.
#[derive(Debug)]
pub(crate) struct Work(AtomicU64);

impl Work {
    /// Some hundred times what a million goroutines with stacks of their own take.
    const MAX_STEPS: u64 = 1 << 31;

    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(Self::MAX_STEPS))
    }

    fn step(&self) -> bool {
        // Counted among threads without care: it only has to end.
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }

    /// Whether something was not looked up for want of steps.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// The functions of a program. Addresses are linked ones: without the bias.
#[derive(Clone, Copy)]
pub(crate) struct Code<'a> {
    table: &'a Table,
    pub(crate) image: &'a Image,
    work: &'a Work,
    names: &'a [u8],
    units: &'a [u8],
    files: &'a [u8],
    values: &'a [u8],
    records: &'a [u8],
}

/// A function, not an inlined call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function<'a> {
    pub(crate) entry: u64,
    /// Where the next function starts.
    pub(crate) end: u64,
    pub(crate) name: &'a str,
    pub(crate) id: u8,
    pub(crate) flags: u8,
    record: &'a [u8],
}

/// `abi.FuncFlagTopFrame`.
pub(crate) const TOP_FRAME: u8 = 1;
/// `abi.FuncFlagSPWrite`.
pub(crate) const WRITES_SP: u8 = 2;

/// One call as the source has it: a function, or a call that was inlined into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Call<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: u8,
    pub(crate) file: &'a str,
    pub(crate) line: u32,
}

impl<'a> Code<'a> {
    fn entry(&self, index: usize) -> Option<(u64, usize)> {
        let at = index.checked_mul(ENTRY_BYTES)?;
        let offset = u32_at(self.records, at)?;
        let record = u32_at(self.records, at + 4)?;
        Some((self.table.text.checked_add(offset.into())?, record as usize))
    }

    fn function(&self, index: usize) -> Option<Function<'a>> {
        let (entry, record) = self.entry(index)?;
        let (end, _) = self.entry(index + 1)?;
        let record = self.records.get(record..)?;
        let id = self.table.shape.id();
        Some(Function {
            entry,
            end,
            name: text_at(self.names, u32_at(record, 4)?)?,
            id: *record.get(id)?,
            flags: *record.get(id + 1)?,
            record,
        })
    }

    /// The function at a pc.
    pub(crate) fn find(&self, pc: u64) -> Option<Function<'a>> {
        let (mut low, mut high) = (0, self.table.functions);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle)?.0 <= pc {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let function = self.function(low.checked_sub(1)?)?;
        (pc < function.end).then_some(function)
    }

    /// The functions of these names.
    pub(crate) fn named<const N: usize>(&self, names: [&str; N]) -> [Option<Function<'a>>; N] {
        let mut found = [None; N];
        for index in 0..self.table.functions {
            let Some(function) = self.function(index) else {
                continue;
            };
            let at = names.iter().position(|name| *name == function.name);
            if let Some(slot) = at.and_then(|at| found.get_mut(at)) {
                *slot = Some(function);
            }
        }
        found
    }

    /// The value that a table gives for a pc.
    fn value(&self, function: &Function<'_>, table: u32, pc: u64) -> Option<i32> {
        if table == 0 {
            return None;
        }
        let mut rest = self.values.get(table as usize..)?;
        let (mut value, mut at) = (-1_i32, function.entry);
        for step in 0..MAX_STEPS {
            let (delta, used) = varint(rest).filter(|_| self.work.step())?;
            if delta == 0 && step > 0 {
                return None;
            }
            // Zigzag.
            let half = (delta >> 1) as i32;
            value = value.wrapping_add(if delta & 1 == 1 { !half } else { half });
            rest = rest.get(used..)?;
            let (length, used) = varint(rest)?;
            at = at.checked_add(u64::from(length) * u64::from(self.table.code_step))?;
            rest = rest.get(used..)?;
            if pc < at {
                return Some(value);
            }
        }
        None
    }

    /// Bytes between the stack pointer and the return address. `None` for functions without frame information.
    pub(crate) fn frame_bytes(&self, function: &Function<'_>, pc: u64) -> Option<i32> {
        self.value(function, u32_at(function.record, 16)?, pc)
    }

    /// The file and line of an instruction; those of the innermost call inlined there.
    pub(crate) fn place(&self, function: &Function<'_>, pc: u64) -> (&'a str, u32) {
        let value = |at| self.value(function, u32_at(function.record, at)?, pc);
        let file = || {
            let unit = u32_at(function.record, 32)?;
            let index = unit.checked_add(u32::try_from(value(20)?).ok()?)?;
            let at = u32_at(self.units, usize::try_from(index).ok()?.checked_mul(4)?)?;
            text_at(self.files, at)
        };
        let line = value(24).and_then(|line| u32::try_from(line).ok());
        (file().unwrap_or_default(), line.unwrap_or_default())
    }

    /// The calls at an instruction, innermost first: those inlined there, then the function itself.
    pub(crate) fn calls(&self, function: &Function<'a>, pc: u64) -> Vec<Call<'a>> {
        /// Calls inlined into one another; the compiler's budget ends at some dozens.
        const MAX_INLINED: usize = 256;
        let mut calls = Vec::new();
        let mut pc = pc;
        let tree = self.inline_tree(function);
        while let (Some(tree), true) = (tree, calls.len() < MAX_INLINED) {
            let Some((name, id, parent)) = self.inlined(function, tree, pc) else {
                break;
            };
            let (file, line) = self.place(function, pc);
            calls.push(Call {
                name,
                id,
                file,
                line,
            });
            pc = parent;
        }
        let (file, line) = self.place(function, pc);
        let (name, id) = (function.name, function.id);
        calls.push(Call {
            name,
            id,
            file,
            line,
        });
        calls
    }

    fn tables(&self, function: &Function<'_>) -> Option<(usize, usize)> {
        let values = u32_at(function.record, 28)? as usize;
        Some((self.table.shape.id() + 4, values))
    }

    fn inline_tree(&self, function: &Function<'_>) -> Option<u64> {
        self.data(function, INLINE_TREE)
    }

    /// Bytes of arguments and results that callers leave room for. `None` where that differs from call to call.
    pub(crate) fn argument_bytes(&self, function: &Function<'_>) -> Option<u32> {
        /// `ArgsSizeUnknown`.
        const UNKNOWN: u32 = 0x8000_0000;
        u32_at(function.record, 8).filter(|bytes| *bytes != UNKNOWN)
    }

    /// Which of the function's stack maps holds at a pc; the first where the tables have none.
    pub(crate) fn stack_map(&self, function: &Function<'_>, pc: u64) -> Option<u32> {
        let (start, values) = self.tables(function)?;
        if values <= STACK_MAP_INDEX {
            return Some(0);
        }
        let table = u32_at(function.record, start + STACK_MAP_INDEX * 4)?;
        if table == 0 {
            return Some(0);
        }
        let index = self.value(function, table, pc)?;
        // -1 stands for the map at the function's entry, the first.
        u32::try_from(index.max(0)).ok()
    }

    /// The linked address of one of the tables of [`ARGUMENT_MAPS`] and others; `None` where the function has none.
    pub(crate) fn data(&self, function: &Function<'_>, which: usize) -> Option<u64> {
        let (start, values) = self.tables(function)?;
        let count = *function.record.get(self.table.shape.id() + 3)?;
        if usize::from(count) <= which {
            return None;
        }
        let index = values.checked_add(which)?.checked_mul(4)?;
        let offset = u32_at(function.record, start.checked_add(index)?)?;
        let present = offset != u32::MAX;
        present.then(|| self.table.gofunc.checked_add(offset.into()))?
    }

    /// Name and kind of the call inlined at a pc, and an instruction of the caller at the place of the call.
    fn inlined(&self, function: &Function<'_>, tree: u64, pc: u64) -> Option<(&'a str, u8, u64)> {
        let (start, values) = self.tables(function)?;
        if values <= INLINE_INDEX {
            return None;
        }
        let table = u32_at(function.record, start + INLINE_INDEX * 4)?;
        let index = u64::try_from(self.value(function, table, pc)?).ok()?;
        let (bytes, id, name, parent) = self.table.shape.inlined();
        let at = tree.checked_add(index.checked_mul(bytes)?)?;
        let call = self.image.at(at, bytes)?;
        let parent = function.entry.checked_add(u32_at(call, parent)?.into())?;
        Some((
            text_at(self.names, u32_at(call, name)?)?,
            *call.get(id)?,
            parent,
        ))
    }
}

/// An unsigned number of 7 bits a byte, low bits first, and how many bytes it took.
pub(super) fn varint(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0_u32;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

/// The zero-terminated text at an offset.
fn text_at(bytes: &[u8], at: u32) -> Option<&str> {
    let rest = bytes.get(at as usize..)?;
    let rest = rest.get(..MAX_NAME_BYTES).unwrap_or(rest);
    std::str::from_utf8(rest.get(..memchr::memchr(0, rest)?)?).ok()
}
