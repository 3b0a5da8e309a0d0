//! What is known of a program's memory: what was copied of it, and the parts of the executable that cannot change.

use std::ops::Range;

use super::modules::Modules;
use crate::memory::word;
use crate::runtime::Bias;
use crate::{Address, Frozen, Image, Memory, Runtime, Unreadable};

/// The copy first, then the executable but for its variables. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    frozen: &'a Frozen,
    image: &'a Image,
    bias: Bias,
    /// The executable's variables: what the file has of them is what they were at start.
    variables: Range<u64>,
}

impl<'a> View<'a> {
    pub(crate) fn new(runtime: &'a Runtime, frozen: &'a Frozen, modules: &Modules) -> Self {
        let own = modules.all().first();
        Self {
            frozen,
            image: runtime.image(),
            bias: frozen.bias,
            variables: own.map_or(0..u64::MAX, |module| module.variables.clone()),
        }
    }

    /// `length` bytes at an address of the target. Words that a loader relocates are not: see [`View::word`].
    pub(crate) fn slice(&self, address: u64, length: u64) -> Option<&'a [u8]> {
        let copied = self.frozen.slice(Address(address), length);
        copied.or_else(|| {
            let end = address.checked_add(length)?;
            let varies = address < self.variables.end && end > self.variables.start;
            let linked = address.wrapping_sub(self.bias.0);
            (!varies).then(|| self.image.at(linked, length)).flatten()
        })
    }

    /// The word at an address of the target.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        if let Ok(copied) = word(self.frozen, Address(address)) {
            return Some(copied);
        }
        if self.variables.contains(&address) {
            return None;
        }
        let linked = address.wrapping_sub(self.bias.0);
        let (value, is_relocated) = self.image.relocated_word(linked)?;
        Some(if is_relocated {
            value.wrapping_add(self.bias.0)
        } else {
            value
        })
    }
}

impl Memory for View<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let length = buffer.len() as u64;
        let bytes = self.slice(address.0, length);
        buffer.copy_from_slice(bytes.ok_or(Unreadable { address, length })?);
        Ok(())
    }
}
