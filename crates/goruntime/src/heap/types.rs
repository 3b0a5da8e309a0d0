//! Go's own descriptions of types, as a program carries them: for names of types and fields, and for which words are pointers.

use super::modules::Modules;
use super::view::View;

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
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) offset: u64,
    /// The address of its type.
    pub(crate) of: u64,
}

/// All types of a program. An address of a type is one in the target.
#[derive(Debug)]
pub(crate) struct Types<'a> {
    view: View<'a>,
    modules: Modules,
}

impl<'a> Types<'a> {
    pub(crate) fn new(view: View<'a>, modules: Modules) -> Self {
        Self { view, modules }
    }

    /// The type at an address; `None` if there is none.
    pub(crate) fn get(&self, address: u64) -> Option<Type> {
        let _ = (address, &self.view, &self.modules);
        None
    }

    /// As Go writes it: `main.Server`, `[]*main.Conn`.
    pub(crate) fn name(&self, address: u64) -> Option<String> {
        let _ = address;
        None
    }

    /// What an array, a slice, a channel, a pointer or a map has as its elements.
    pub(crate) fn element(&self, one: &Type) -> Option<u64> {
        let _ = one;
        None
    }

    /// The fields of a struct, in their order.
    pub(crate) fn fields(&self, one: &Type) -> Option<Vec<Field>> {
        let _ = one;
        None
    }

    /// The field at an offset, through structs and arrays: `conns`, `pool.free[3].next`.
    pub(crate) fn path(&self, address: u64, offset: u64) -> Option<String> {
        let _ = (address, offset);
        None
    }
}
