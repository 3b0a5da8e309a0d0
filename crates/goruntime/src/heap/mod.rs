//! Who could wake whom: the heap as a graph, and what can be reached in it.
//!
//! A goroutine that waits can only be woken by one that reaches what it waits for. So everything is marked that the roots
//! reach: globals, and the stacks of goroutines that do not wait for another goroutine. A goroutine whose object gets marked
//! becomes a root itself. Those whose objects are never marked wait for ever.
//!
//! [`Heap`] is all that marking knows: the real one is read from a copy of a program, a toy one is drawn by hand in tests.

mod arenas;
mod bits;
mod cause;
pub(crate) mod copy;
mod copy_roots;
mod describe;
pub(crate) mod machines;
mod mark;
mod masks;
pub(crate) mod modules;
#[cfg(test)]
mod naive;
mod pages;
mod path;
pub(crate) mod pointers;
pub(crate) mod prove;
mod retain;
mod roots;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod shapes;
pub(crate) mod spans;
mod specials;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod subjects;
#[cfg(test)]
mod toy;
pub(crate) mod types;
pub(crate) mod view;
pub(crate) mod waits;
pub(crate) mod what;
pub(crate) mod work;
pub(crate) mod world;

use std::ops::Range;

use crate::Unreadable;

/// An object of the heap: objects are numbered from 0, in the order of their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Object(pub(crate) u32);

/// Index of a goroutine in [`Heap::goroutines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Which(pub(crate) u32);

/// A pointer found in memory, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// Where it was found.
    pub(crate) at: Spot,
    /// Its value: an address, though of nothing that must exist.
    pub(crate) to: u64,
}

/// A place that holds a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// A global variable, or a part of one, at this address of the target.
    Global(u64),
    /// So many bytes into the object.
    Field(u64),
    /// A goroutine's stack, in the frame of the function at this linked pc.
    Frame(u64),
    /// A word of a goroutine's stack of which only the address is known: scanned conservatively.
    Word(u64),
    /// A call that a goroutine deferred.
    Deferred,
    /// A register, or the system stack, of a thread.
    Thread(u64),
    /// The runtime's own lists: finalizers, cleanups, weak and pinned pointers, timers.
    Runtime(&'static str),
}

/// Where an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Located {
    /// In an object of the heap.
    Object(Object),
    /// In the stack of a goroutine.
    Stack(Which),
    /// In a global variable, or elsewhere outside the heap: as reachable as anything.
    Outside,
}

/// What a goroutine does as far as waking it is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It runs, can run, or waits for time, the network or the kernel: a root.
    No,
    /// It waits until somebody uses one of the objects at these addresses.
    For(Vec<u64>),
    /// Nobody can wake it: a nil channel, a select without cases or with nil channels alone.
    ForNothing,
    /// It waits for another goroutine, but for what is not known: a root, and not decided.
    Unknown(String),
}

/// A goroutine in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The address of its `runtime.g`.
    pub(crate) g: u64,
    /// Its number.
    pub(crate) id: u64,
    /// What it waits for.
    pub(crate) wait: Wait,
    /// Where its stack lies.
    pub(crate) stack: Range<u64>,
}

/// The graph. Everything is read-only and may be used by several threads at once.
pub(crate) trait Heap: Sync {
    /// How many objects there are; their numbers are below this.
    fn objects(&self) -> u32;

    /// Where an address lies.
    fn locate(&self, address: u64) -> Located;

    /// The object an address points into: as [`Heap::locate`], quicker.
    fn object(&self, address: u64) -> Option<Object>;

    /// As [`Heap::object`], and whether it has pointers.
    fn reached(&self, address: u64) -> Option<(Object, bool)> {
        let object = self.object(address)?;
        Some((object, !self.is_plain(object)))
    }

    /// As [`Heap::reached`], of many addresses; those of no object are left out. `places` is room to work in.
    fn reached_all(
        &self,
        addresses: &[u64],
        _places: &mut Vec<u32>,
        into: &mut Vec<(Object, bool)>,
    ) {
        into.extend(addresses.iter().filter_map(|to| self.reached(*to)));
    }

    /// Reads a little of each of some objects that will be scanned next: the processor waits for the memory of all at once.
    fn touch(&self, _objects: &[Object]) {}

    /// As [`Heap::touch`], of goroutines.
    fn touch_goroutines(&self, _goroutines: &[Which]) {}

    /// The addresses of an object.
    fn extent(&self, object: Object) -> Range<u64>;

    /// Gives all objects in runs of one size, in the order of their numbers: (numbers, bytes of each). For sums over very many
    /// objects, where asking for each one's extent takes too long.
    fn runs(&self, give: &mut impl FnMut(Range<u32>, u64));

    /// Whether an object has no pointers.
    fn is_plain(&self, object: Object) -> bool;

    /// Gives every word of an object that may be a pointer; null words may be left out.
    ///
    /// # Errors
    /// When its contents are not known: what is reached through it is missing, and nothing may be called unreachable.
    fn scan(&self, object: Object, visit: &mut impl FnMut(Pointer)) -> Result<(), Unreadable>;

    /// Gives all roots but goroutines.
    ///
    /// # Errors
    /// As [`Heap::scan`].
    fn roots(&self, visit: &mut impl FnMut(Pointer)) -> Result<(), Unreadable>;

    /// All goroutines, those of the runtime included.
    fn goroutines(&self) -> &[Subject];

    /// Gives what a goroutine holds: its stack from the stack pointer on, deferred calls, what its `g` points to.
    ///
    /// # Errors
    /// As [`Heap::scan`].
    fn scan_goroutine(
        &self,
        which: Which,
        visit: &mut impl FnMut(Pointer),
    ) -> Result<(), Unreadable>;

    /// Reasons for which nothing of this snapshot may be called unreachable, known before anything is marked.
    fn doubts(&self) -> Vec<String>;

    /// For people: may find out more types of these objects, from each other.
    fn learn(&self, _objects: &[Object]) {}

    /// A number that objects of one type share, and others have not; `None` where the type is not known. Asked of every object
    /// that is leaked; [`Heap::type_name`] only of one of each number.
    fn type_id(&self, object: Object) -> Option<u64>;

    /// For people: the type of an object where it is known, as `main.Server`, `[]*main.Conn`.
    fn type_name(&self, object: Object) -> Option<String>;

    /// For people: where a pointer was found. `holder` is the object or goroutine that was scanned.
    fn describe(&self, holder: Holder, pointer: Pointer) -> String;

    /// For people: what lies at an address that a goroutine waits for, as `chan int (cap 0)`, `sync.Mutex`.
    fn awaited(&self, which: Which, address: u64) -> gorphan_model::proof::Awaited;
}

/// What was scanned when a pointer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A root that is no goroutine.
    Root,
    /// A goroutine.
    Goroutine(Which),
    /// An object.
    Object(Object),
}
