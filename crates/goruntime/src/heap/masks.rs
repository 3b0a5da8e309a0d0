//! Which words of a type are pointers, worked out once for each type.

use std::sync::OnceLock;

use super::types::{Kind, Type, Types};

/// Types that are remembered; those of objects of more than 512 bytes are asked for, of which programs have some hundreds.
const REMEMBERED: usize = 1 << 14;
/// Places that are tried for one type.
const TRIES: usize = 64;
/// Types in types; Go's own walk halves the size with each.
const MAX_DEPTH: usize = 64;
/// Parts of one type that are looked at, besides its words: as many as a struct of a million fields has.
const MAX_STEPS: u64 = 1 << 20;
/// `TFlagGCMaskOnDemand`, from Go 1.24: what would be the address of the mask is that of its address, null until it is made.
const ON_DEMAND: u8 = 16;
/// `kindGCProg`, up to Go 1.23: the mask is a program that writes one.
const PROGRAM: u8 = 64;

/// The pointers of a type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mask {
    /// Words after which it repeats.
    pub(super) words: u64,
    /// One bit for each word that may be a pointer; words beyond have none.
    pub(super) bits: Box<[u64]>,
    /// Whether every word is a pointer.
    pub(super) is_full: bool,
}

/// Masks by the addresses of types. One that was asked for is kept; the table is never changed otherwise, so that many threads
/// read it at once.
#[derive(Debug)]
pub(super) struct Masks {
    table: Box<[OnceLock<Remembered>]>,
}

/// The address of a type, and its mask if it has one.
type Remembered = (u64, Option<Mask>);

impl Masks {
    pub(super) fn new() -> Self {
        Self {
            table: (0..REMEMBERED).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The mask of a type of which an object of `room` bytes consists. `None` if it is not known.
    pub(super) fn get(
        &self,
        types: &Types<'_>,
        minor: u32,
        address: u64,
        room: u64,
    ) -> Option<&Mask> {
        // Types are aligned: their low bits say nothing.
        let start = ((address >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
        for index in 0..TRIES {
            let slot = self.table.get((start + index) % REMEMBERED)?;
            let (own, mask) = slot.get_or_init(|| (address, build(types, minor, address, room)));
            if *own == address {
                return mask.as_ref();
            }
        }
        None
    }
}

fn build(types: &Types<'_>, minor: u32, address: u64, room: u64) -> Option<Mask> {
    let mut one = types.get(address)?;
    // A type is no larger than the object: this also bounds what is allocated here, whatever the memory says.
    let is_possible = |one: &Type| {
        one.size >= 8 && one.size.is_multiple_of(8) && one.pointer_bytes <= room && one.size <= room
    };
    let mut walk = Walk {
        types,
        minor,
        bits: Vec::new(),
        steps: MAX_STEPS + room / 8 * 2,
    };
    for _ in 0..MAX_DEPTH {
        if !is_possible(&one) {
            return None;
        }
        // An array is its element, repeated.
        if one.kind != Kind::Array || walk.given(&one).is_some() {
            break;
        }
        one = types.get(types.element(&one)?)?;
    }
    let words = usize::try_from(one.pointer_bytes.div_ceil(8)).ok()?;
    walk.bits = vec![0; words.div_ceil(64)];
    walk.add(&one, 0, MAX_DEPTH)?;
    let bits = walk.bits.into_boxed_slice();
    let set: u64 = bits.iter().map(|word| u64::from(word.count_ones())).sum();
    Some(Mask {
        words: one.size / 8,
        is_full: set == one.size / 8,
        bits,
    })
}

struct Walk<'a, 'b> {
    types: &'b Types<'a>,
    minor: u32,
    bits: Vec<u64>,
    steps: u64,
}

impl<'a> Walk<'a, '_> {
    /// The mask that the compiler made, where it made one and it was copied.
    fn given(&self, one: &Type) -> Option<&'a [u8]> {
        let is_made = if self.minor >= 24 {
            one.flags & ON_DEMAND == 0
        } else {
            one.kind_flags & PROGRAM == 0
        };
        let bytes = one.pointer_bytes.div_ceil(8).div_ceil(8);
        let mask = is_made.then(|| self.types.mask(one))??;
        self.types.view.slice(mask, bytes)
    }

    /// Sets the bits of a type at a word.
    fn add(&mut self, one: &Type, at: u64, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.steps = self.steps.checked_sub(1)?;
        if one.pointer_bytes == 0 {
            return Some(());
        }
        if let Some(mask) = self.given(one) {
            self.steps = self.steps.checked_sub(mask.len() as u64 / 64)?;
            let count = one.pointer_bytes.div_ceil(8);
            let is_set = |word: &u64| {
                let byte = mask.get((word / 8) as usize);
                byte.is_some_and(|byte| byte >> (word % 8) & 1 == 1)
            };
            return (0..count)
                .filter(is_set)
                .try_for_each(|word| self.set(at.checked_add(word)?));
        }
        match one.kind {
            Kind::Struct => self.add_fields(one, at, depth),
            Kind::Array => self.add_elements(one, at, depth),
            // The first word is of the type, which is no object.
            Kind::Interface => self.set(at.checked_add(1)?),
            Kind::Other => None,
            _ => self.set(at),
        }
    }

    fn add_fields(&mut self, one: &Type, at: u64, depth: usize) -> Option<()> {
        for (_, of, offset) in self.types.places(one)? {
            let field = self.types.get(of?)?;
            self.add(&field, at.checked_add(offset? / 8)?, depth)?;
        }
        Some(())
    }

    /// Looks at the first element alone: the others are like it.
    fn add_elements(&mut self, one: &Type, at: u64, depth: usize) -> Option<()> {
        let length = self.types.array_length(one)?;
        let element = self.types.get(self.types.element(one)?)?;
        let words = element.size / 8;
        if words == 0 {
            return None;
        }
        self.add(&element, at, depth)?;
        let first: Vec<u64> = (0..words).filter(|word| self.is_set(at + word)).collect();
        for index in 1..length {
            self.steps = self.steps.checked_sub(1 + first.len() as u64)?;
            let start = at.checked_add(index.checked_mul(words)?)?;
            first
                .iter()
                .try_for_each(|word| self.set(start.checked_add(*word)?))?;
        }
        Some(())
    }

    fn is_set(&self, at: u64) -> bool {
        let word = self.bits.get((at / 64) as usize);
        word.is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn set(&mut self, at: u64) -> Option<()> {
        let word = self.bits.get_mut(usize::try_from(at / 64).ok()?)?;
        *word |= 1 << (at % 64);
        Some(())
    }
}
