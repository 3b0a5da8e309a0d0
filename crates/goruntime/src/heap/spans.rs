//! Where objects lie: the allocator's spans of equal slots, found by address and by number.

use std::ops::Range;

use super::Object;
use crate::{Error, Frozen, Runtime};

/// A run of pages. Facts: `mspan` in `runtime/mheap.go`, Go 1.19 to 1.27.
#[derive(Debug, Clone)]
pub(crate) struct Span<'a> {
    /// Its pages.
    pub(crate) pages: Range<u64>,
    /// Bytes of a slot.
    pub(crate) slot_bytes: u64,
    /// How many slots there are.
    pub(crate) slots: u32,
    /// The number of the object in the first slot.
    pub(crate) first: u32,
    /// Slots below this number are taken; of the others the bits say it.
    pub(crate) free_index: u32,
    /// Whether its objects have no pointers: they were not copied then.
    pub(crate) is_plain: bool,
    /// Whether it is a part of a user arena: objects of any type, one after the other.
    pub(crate) is_user_arena: bool,
    /// 0 for one large object.
    pub(crate) size_class: u8,
    /// From Go 1.22 the address of a large object's type; 0 if it has none (yet).
    pub(crate) large_type: u64,
    /// The address of the first `special`, 0 if there is none.
    pub(crate) specials: u64,
    /// The address of the bits of what is pinned, 0 if nothing is: two for each slot, the lower for pinned.
    pub(crate) pinned: u64,
    /// One bit for each slot that was taken when it was last swept. `None` if it was not copied.
    pub(crate) taken: Option<&'a [u8]>,
    /// Its copied pages. `None` if it is plain, or was not readable.
    pub(crate) contents: Option<&'a [u8]>,
}

/// All spans that objects lie in. Stacks and the runtime's own memory are not among them.
#[derive(Debug)]
pub(crate) struct Spans<'a> {
    all: Vec<Span<'a>>,
    objects: u32,
    doubts: Vec<String>,
}

impl<'a> Spans<'a> {
    /// Reads the list of spans that was copied.
    ///
    /// # Errors
    /// When it cannot be read, or there are more objects than can be numbered.
    pub(crate) fn read(runtime: &Runtime, frozen: &'a Frozen) -> Result<Self, Error> {
        let _ = (runtime, frozen);
        Err(Error::Variable("heap (mheap_)"))
    }

    /// How many objects there are, free slots included; their numbers are below this.
    pub(crate) fn objects(&self) -> u32 {
        self.objects
    }

    /// The spans, sorted by address.
    pub(crate) fn all(&self) -> &[Span<'a>] {
        &self.all
    }

    /// Why something of the heap may be missing.
    pub(crate) fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// The object an address points into, whether its slot is taken or not.
    pub(crate) fn object(&self, address: u64) -> Option<Object> {
        let _ = address;
        None
    }

    /// As [`Spans::object`], but not for free slots: for words of which it is only guessed that they are pointers.
    pub(crate) fn taken_object(&self, address: u64) -> Option<Object> {
        let _ = address;
        None
    }

    /// The span that an address lies in.
    pub(crate) fn at(&self, address: u64) -> Option<&Span<'a>> {
        let _ = address;
        None
    }

    /// The span of an object, and the number of its slot.
    pub(crate) fn slot(&self, object: Object) -> Option<(&Span<'a>, u32)> {
        let _ = object;
        None
    }

    /// The addresses of an object: its whole slot, with the type word in front where it has one.
    pub(crate) fn extent(&self, object: Object) -> Range<u64> {
        let _ = object;
        0..0
    }

    /// Whether an object has no pointers.
    pub(crate) fn is_plain(&self, object: Object) -> bool {
        self.slot(object).is_none_or(|(span, _)| span.is_plain)
    }

    /// The copied bytes of an object's slot. `None` for plain ones.
    pub(crate) fn bytes(&self, object: Object) -> Option<&'a [u8]> {
        let _ = object;
        None
    }
}
