//! What places may be.

use super::{Amount, FieldId, FuncId, PlaceId, Shape, Site, VarId};

/// Something that goroutines wait on, as its line of source makes it: one object stands for all its instances.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Where it is made or declared.
    pub site: Site,
    /// The function that makes it; none for what a package variable or a field declares.
    pub func: Option<FuncId>,
    /// Whether it is made in a loop of its function.
    pub in_loop: bool,
}

/// The kinds of objects.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectKind {
    /// `make(chan T, n)`.
    Chan {
        /// `n`; 0 where it is left out.
        capacity: Amount,
    },
    /// A lock, wait group, cond, once or struct: a variable that holds one by value, a composite literal or `new`.
    Value {
        /// Which.
        shape: Shape,
        /// The variable or field that declares it; none for a literal or `new`.
        declared: Option<Declared>,
    },
    /// The lock behind `sync.NewCond(l)` as the condition: its `L` is a place of its own.
    Cond {
        /// The lock it was made with, as a place where it was made.
        lock: Option<PlaceId>,
    },
    /// A context.
    Context {
        /// What it comes from; without one it never ends, as [`Parent::Never`].
        parent: Option<Parent>,
        /// Whether it ends by itself: it was given a deadline.
        has_deadline: bool,
        /// Whether a cancel function belongs to it.
        has_cancel: bool,
    },
    /// The cancel function of a context.
    Cancel {
        /// The context's object.
        context: super::ObjectId,
    },
    /// A channel that time closes or feeds: `time.After`, a timer, a ticker or its `C`.
    Timer {
        /// Whether it fires again and again.
        repeats: bool,
    },
    /// The channel of a context's `Done`.
    Done {
        /// The context, as a place where `Done` was called.
        context: PlaceId,
    },
    /// A function, method or closure of this package as a value.
    Func(FuncId),
    /// Something that must be closed or stopped, by the name of its kind: a response body, a pipe's end, a pulled
    /// iterator's stop.
    Resource(&'static str),
    /// Anything that comes from outside: a parameter of an exported function, a result of an unknown call.
    Outside,
}

/// What declares an object that lies in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is what it is named after")]
pub enum Declared {
    Var(VarId),
    Field(FieldId),
}

/// What a context is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parent {
    /// `context.Background()` or `TODO`, directly or through `WithoutCancel`: it never ends.
    Never,
    /// Another context.
    Place(PlaceId),
    /// Something that was not seen through.
    Unknown,
}
