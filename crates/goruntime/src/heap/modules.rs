//! The parts that a program is linked of: the executable, and plugins. Each has variables and types.

use std::ops::Range;

use super::view::View;
use crate::layout::heap::Module as Layout;
use crate::memory::word_at;
use crate::{Address, Memory, Unreadable};

/// Modules that are followed; a program has one, and one for each plugin.
const MAX_MODULES: usize = 1024;

/// One module, in addresses of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its code.
    pub(crate) text: Range<u64>,
    /// Its types; offsets of names and types count from the start.
    pub(crate) types: Range<u64>,
    /// Where read-only data begins: offsets of stack objects' masks count from here.
    pub(crate) rodata: u64,
    /// All that is written to, with and without pointers.
    pub(crate) variables: Range<u64>,
    /// Variables with pointers: those with a value from the start, and those that were null.
    pub(crate) segments: [Segment; 2],
}

/// Variables with pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) addresses: Range<u64>,
    /// Where the bits lie that say which words are pointers.
    pub(crate) mask: u64,
    /// How many of them there are; words beyond have none.
    pub(crate) bits: u64,
}

impl Segment {
    /// Bytes of the bits.
    pub(super) fn mask_bytes(&self) -> u64 {
        self.bits.div_ceil(8)
    }

    /// Gives the address and the value of every word that is a pointer, null ones left out.
    ///
    /// # Errors
    /// When the variables or the bits were not copied.
    pub(super) fn scan(
        &self,
        view: &View<'_>,
        visit: &mut impl FnMut(u64, u64),
    ) -> Result<(), Unreadable> {
        let slice = |at: u64, length: u64| {
            let address = Address(at);
            view.slice(at, length).ok_or(Unreadable { address, length })
        };
        let mask = slice(self.mask, self.mask_bytes())?;
        let words = slice(self.addresses.start, self.bits * 8)?.chunks_exact(8);
        for (index, word) in words.enumerate() {
            let is_pointer = mask
                .get(index / 8)
                .is_some_and(|byte| byte >> (index % 8) & 1 == 1);
            match word_at(word, 0).filter(|_| is_pointer) {
                None | Some(0) => {}
                Some(value) => visit(self.addresses.start + index as u64 * 8, value),
            }
        }
        Ok(())
    }
}

/// All modules, the executable first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Modules {
    all: Vec<Module>,
}

impl Modules {
    /// Follows the list from `first`, the address of `firstmoduledata` in the target.
    ///
    /// # Errors
    /// When one cannot be read, or the list has no end: what its variables hold would be missing.
    pub(crate) fn read(
        memory: &dyn Memory,
        layout: &Layout,
        first: u64,
    ) -> Result<Self, Unreadable> {
        let mut all = Vec::new();
        let mut at = first;
        let mut bytes = vec![0; layout.bytes as usize];
        while at != 0 {
            let (address, length) = (Address(at), u64::from(layout.bytes));
            let damaged = Unreadable { address, length };
            memory.read(address, &mut bytes)?;
            let (module, next) = parse(layout, &bytes).ok_or(damaged)?;
            all.push(module);
            if all.len() >= MAX_MODULES {
                return Err(damaged);
            }
            at = next;
        }
        Ok(Self { all })
    }

    pub(crate) fn all(&self) -> &[Module] {
        &self.all
    }

    /// The module whose types an address is one of.
    pub(crate) fn with_type(&self, address: u64) -> Option<&Module> {
        self.all.iter().find(|one| one.types.contains(&address))
    }
}

fn parse(layout: &Layout, bytes: &[u8]) -> Option<(Module, u64)> {
    let field = |at: u32| word_at(bytes, at.into());
    let range = |from: u32, to: u32| {
        let range = field(from)?..field(to)?;
        (range.start <= range.end).then_some(range)
    };
    let segment = |from: u32, to: u32, mask: u32| {
        let addresses = range(from, to)?;
        // The number is an `int32`.
        let bits = field(mask)? & 0x7fff_ffff;
        Some(Segment {
            // No bit is of a word outside.
            bits: bits.min((addresses.end - addresses.start) / 8),
            addresses,
            mask: field(mask + 8)?,
        })
    };
    let module = Module {
        text: range(layout.text, layout.text_end)?,
        types: range(layout.types, layout.types_end)?,
        rodata: field(layout.rodata)?,
        variables: range(layout.plain_data, layout.plain_bss_end)?,
        segments: [
            segment(layout.data, layout.data_end, layout.data_mask)?,
            segment(layout.bss, layout.bss_end, layout.bss_mask)?,
        ],
    };
    Some((module, field(layout.next)?))
}
