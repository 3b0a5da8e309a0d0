//! Go's own descriptions of types, as a program carries them: for names of types and fields, and for which words are pointers.
//!
//! Facts: `Type`, `ArrayType`, `StructType`, `Name` in `internal/abi/type.go`, Go 1.21 to 1.27; in Go 1.19 the same in
//! `runtime/type.go`.

use super::modules::Modules;
use super::view::View;
use crate::layout::heap::Types as Layout;
use crate::memory::word_at;

/// Bytes of a name that are read; the longest are of generic types in generic types.
const MAX_NAME_BYTES: u64 = 4096;
/// Fields of a struct; generated ones have some thousand.
const MAX_FIELDS: u64 = 1 << 16;
/// Types in types that are looked through for a name or a path.
const MAX_DEPTH: usize = 32;
/// Bytes of a field in the list of a struct's: name, type, offset.
const FIELD_BYTES: u64 = 24;
/// `TFlagExtraStar`: the name has a `*` in front that is of another type.
const EXTRA_STAR: u8 = 2;

/// The kinds of types that are told apart. Facts: `Kind` in `internal/abi/type.go`, Go 1.19 to 1.27.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Array,
    Channel,
    Function,
    Interface,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    UnsafePointer,
    /// Numbers and booleans.
    Other,
}

impl Kind {
    /// The upper bits are flags, others in other versions.
    fn of(byte: u8) -> Self {
        match byte & 31 {
            17 => Self::Array,
            18 => Self::Channel,
            19 => Self::Function,
            20 => Self::Interface,
            21 => Self::Map,
            22 => Self::Pointer,
            23 => Self::Slice,
            24 => Self::String,
            25 => Self::Struct,
            26 => Self::UnsafePointer,
            _ => Self::Other,
        }
    }
}

/// What the start of every type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Type {
    /// Its address in the target.
    pub(crate) address: u64,
    pub(crate) size: u64,
    /// Words from here on are no pointers.
    pub(crate) pointer_bytes: u64,
    pub(crate) kind: Kind,
    /// `TFlag`.
    pub(crate) flags: u8,
    /// The bits above the kind: up to Go 1.23 they say how pointers are described.
    pub(super) kind_flags: u8,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) offset: u64,
    /// The address of its type.
    pub(crate) of: u64,
}

/// What a pointer in a value of some type points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pointee {
    /// One value of the type at this address.
    One(u64),
    /// The values of a slice.
    Many(u64),
    /// What the word before says: the two are an interface.
    Dynamic,
}

/// All types of a program. An address of a type is one in the target.
#[derive(Debug)]
pub(crate) struct Types<'a> {
    pub(super) view: View<'a>,
    modules: Modules,
    layout: &'a Layout,
}

impl<'a> Types<'a> {
    pub(crate) fn new(view: View<'a>, modules: Modules, layout: &'a Layout) -> Self {
        Self {
            view,
            modules,
            layout,
        }
    }

    /// The type at an address; `None` if there is none.
    pub(crate) fn get(&self, address: u64) -> Option<Type> {
        if !address.is_multiple_of(8) {
            return None;
        }
        let bytes = self.view.slice(address, self.layout.bytes.into())?;
        let kind = *bytes.get(self.layout.kind as usize)?;
        let one = Type {
            address,
            size: word_at(bytes, self.layout.size.into())?,
            pointer_bytes: word_at(bytes, self.layout.pointer_bytes.into())?,
            kind: Kind::of(kind),
            flags: *bytes.get(self.layout.flags as usize)?,
            kind_flags: kind & !31,
        };
        (one.pointer_bytes <= one.size).then_some(one)
    }

    /// The address of the bits that say which words are pointers.
    pub(super) fn mask(&self, one: &Type) -> Option<u64> {
        self.view
            .word(one.address.checked_add(self.layout.mask.into())?)
    }

    /// As Go writes it: `main.Server`, `[]*main.Conn`.
    pub(crate) fn name(&self, address: u64) -> Option<String> {
        self.name_within(address, MAX_DEPTH)
    }

    fn name_within(&self, address: u64, depth: usize) -> Option<String> {
        let one = self.get(address)?;
        if let Some(module) = self.modules.with_type(address) {
            let at = address.checked_add(self.layout.name.into())?;
            let offset = i32::from_le_bytes(self.view.slice(at, 4)?.try_into().ok()?);
            let at = module.types.start.checked_add(offset.try_into().ok()?)?;
            let name = self.text(at).filter(|name| !name.is_empty())?;
            let has_star = one.flags & EXTRA_STAR != 0;
            let own = if has_star {
                name.strip_prefix('*')
            } else {
                None
            };
            return Some(own.unwrap_or(name).to_owned());
        }
        // Made while the program ran, its name is in a list of the program's.
        let element = || self.name_within(self.element(&one)?, depth.checked_sub(1)?);
        match one.kind {
            Kind::Pointer => Some(format!("*{}", element()?)),
            Kind::Slice => Some(format!("[]{}", element()?)),
            Kind::Channel => Some(format!("chan {}", element()?)),
            Kind::Array => Some(format!("[{}]{}", self.array_length(&one)?, element()?)),
            Kind::Map => {
                let key = self.more(&one, 0).and_then(|at| self.view.word(at))?;
                let key = self.name_within(key, depth.checked_sub(1)?)?;
                Some(format!("map[{key}]{}", element()?))
            }
            _ => None,
        }
    }

    /// The text of a `Name`: flags, a length, the bytes.
    fn text(&self, address: u64) -> Option<&'a str> {
        let mut at = address.checked_add(1)?;
        let mut length: u64 = 0;
        for shift in [0, 7] {
            let byte = *self.view.slice(at, 1)?.first()?;
            length |= u64::from(byte & 0x7f) << shift;
            at = at.checked_add(1)?;
            if byte & 0x80 == 0 {
                let is_short = length <= MAX_NAME_BYTES;
                let bytes = is_short.then(|| self.view.slice(at, length))??;
                return std::str::from_utf8(bytes).ok();
            }
        }
        None
    }

    /// The address of a word after what all types have.
    fn more(&self, one: &Type, index: u64) -> Option<u64> {
        let more = u64::from(self.layout.bytes) + index * 8;
        one.address.checked_add(more)
    }

    /// What an array, a slice, a channel, a pointer or a map has as its elements.
    pub(crate) fn element(&self, one: &Type) -> Option<u64> {
        let index = match one.kind {
            Kind::Array | Kind::Channel | Kind::Pointer | Kind::Slice => 0,
            // After the key.
            Kind::Map => 1,
            _ => return None,
        };
        self.view.word(self.more(one, index)?)
    }

    /// How many elements an array has.
    pub(super) fn array_length(&self, one: &Type) -> Option<u64> {
        let at = self.more(one, 2).filter(|_| one.kind == Kind::Array)?;
        self.view.word(at)
    }

    /// The fields of a struct, in their order.
    pub(crate) fn fields(&self, one: &Type) -> Option<Vec<Field>> {
        let fields = self.places(one)?.map(|(name, of, offset)| {
            Some(Field {
                name: self.text(name?)?.to_owned(),
                offset: offset?,
                of: of?,
            })
        });
        fields.collect()
    }

    /// The address of the name and of the type, and the offset, of every field of a struct.
    pub(super) fn places(
        &self,
        one: &Type,
    ) -> Option<impl Iterator<Item = (Option<u64>, Option<u64>, Option<u64>)>> {
        if one.kind != Kind::Struct {
            return None;
        }
        // Words 1 and 2 are the slice's pointer and length, after the package's name.
        let first = self.view.word(self.more(one, 1)?)?;
        let count = self.view.word(self.more(one, 2)?)?;
        if count > MAX_FIELDS || first.checked_add(count * FIELD_BYTES).is_none() {
            return None;
        }
        let word = |at: u64| self.view.word(at);
        Some((0..count).map(move |index| {
            let at = first + index * FIELD_BYTES;
            (word(at), word(at + 8), word(at + 16))
        }))
    }

    /// The field at an offset, through structs and arrays: `conns`, `pool.free[3].next`. Empty where the type has no parts.
    pub(crate) fn path(&self, address: u64, offset: u64) -> Option<String> {
        let (mut at, mut offset) = (address, offset);
        let mut path = String::new();
        for _ in 0..MAX_DEPTH {
            let one = self.get(at)?;
            match one.kind {
                Kind::Struct => {
                    let fields = self.fields(&one)?.into_iter();
                    let field = fields.rev().find(|field| field.offset <= offset)?;
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&field.name);
                    offset -= field.offset;
                    at = field.of;
                }
                Kind::Array => {
                    at = self.element(&one)?;
                    let bytes = self.get(at)?.size;
                    path.push_str(&format!("[{}]", offset.checked_div(bytes)?));
                    offset %= bytes;
                }
                _ => break,
            }
        }
        Some(path)
    }

    /// What the pointer at an offset of a type points to, where that has a type.
    pub(super) fn pointee(&self, address: u64, offset: u64) -> Option<Pointee> {
        let (mut at, mut offset) = (address, offset);
        for _ in 0..MAX_DEPTH {
            let one = self.get(at)?;
            match one.kind {
                Kind::Struct => {
                    let fields = self.places(&one)?;
                    let fields = fields.filter_map(|(_, of, start)| Some((of?, start?)));
                    let (of, start) = fields.take_while(|(_, start)| *start <= offset).last()?;
                    offset -= start;
                    at = of;
                }
                Kind::Array => {
                    at = self.element(&one)?;
                    offset = offset.checked_rem(self.get(at)?.size)?;
                }
                Kind::Pointer => return self.element(&one).map(Pointee::One),
                Kind::Slice => return self.element(&one).map(Pointee::Many),
                Kind::Interface => return Some(Pointee::Dynamic),
                _ => return None,
            }
        }
        None
    }
}
