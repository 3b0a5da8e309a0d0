//! Instructions.

use super::{
    Amount, BlockId, CallId, Const, ExternId, FuncId, InstrId, Key, ObjectId, PlaceId, TermId,
    VarId,
};
use crate::syntax::Span;

/// An instruction.
#[derive(Debug, Clone)]
pub struct Instr {
    /// Where it stands, in the file of its function.
    pub span: Span,
    /// What it does.
    pub op: Op,
}

/// What an instruction does. Whatever is neither a tracked primitive nor tested by a branch is left out.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A place gets a value.
    Assign {
        /// Which.
        to: PlaceId,
        /// What.
        value: Value,
    },
    /// An object is made. The place where it goes gets it by an [`Op::Assign`] behind.
    Make(ObjectId),
    /// `channel <- x`; blocks.
    Send {
        /// The channel.
        channel: PlaceId,
    },
    /// A receive; blocks.
    Recv {
        /// The channel.
        channel: PlaceId,
        /// How.
        kind: RecvKind,
        /// `ok` of `v, ok := <-channel`.
        ok: Option<VarId>,
    },
    /// `close(channel)`.
    Close {
        /// The channel.
        channel: PlaceId,
    },
    /// `Lock`, `RLock`; blocks. `TryLock` and `TryRLock` do not block: the lock is held where `tried` is true.
    Lock {
        /// The lock. Of a `Locker` made by `RLocker()` it is the lock it was made from, and the mode says so.
        lock: PlaceId,
        /// For reading or writing.
        mode: Mode,
        /// Of `TryLock` the term that tells whether it succeeded.
        tried: Option<TermId>,
        /// Whether it is a `TryLock`.
        is_try: bool,
    },
    /// `Unlock`, `RUnlock`.
    Unlock {
        /// The lock.
        lock: PlaceId,
        /// For reading or writing.
        mode: Mode,
    },
    /// `wg.Add(n)`; `wg.Done()` adds -1.
    WgAdd {
        /// The wait group.
        group: PlaceId,
        /// How many.
        delta: Amount,
    },
    /// `wg.Wait()`; blocks. Also `errgroup`'s.
    WgWait {
        /// The wait group.
        group: PlaceId,
    },
    /// `cond.Wait()`; blocks. It gives up `cond.L` meanwhile and has it again after.
    CondWait {
        /// The condition.
        cond: PlaceId,
    },
    /// `cond.Signal()` and `cond.Broadcast()`.
    CondWake {
        /// The condition.
        cond: PlaceId,
        /// Whether all are woken.
        all: bool,
    },
    /// `once.Do(f)` begins: until [`Op::OnceEnd`] the once is held. The call of `f` stands between.
    OnceBegin {
        /// The once.
        once: PlaceId,
    },
    /// See [`Op::OnceBegin`].
    OnceEnd {
        /// The once.
        once: PlaceId,
    },
    /// A cancel function is called.
    Cancel {
        /// The function's place.
        cancel: PlaceId,
    },
    /// A timer or ticker is stopped, or set again.
    Stop {
        /// Which.
        timer: PlaceId,
        /// Whether it is `Reset`.
        reset: bool,
    },
    /// `time.Sleep`.
    Sleep,
    /// A resource is closed or stopped ([`super::ObjectKind::Resource`]).
    Release {
        /// Which.
        resource: PlaceId,
    },
    /// A call. Known primitives have operations of their own instead.
    Call(CallId),
    /// `go`: another goroutine runs the instruction `run`, which lies outside of the blocks: mostly a call.
    Spawn {
        /// What it runs.
        run: InstrId,
        /// How it is started.
        kind: SpawnKind,
    },
    /// `defer`: the instruction `run`, which lies outside of the blocks, runs at the end of the function.
    Defer {
        /// What is deferred.
        run: InstrId,
    },
    /// Something that was not understood and may do anything to anything.
    Unknown(Unknown),
}

/// How a receive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecvKind {
    /// `<-c`.
    Plain,
    /// `v, ok := <-c`.
    Ok,
    /// `for range c`: again and again, until the channel is closed.
    Range,
}

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// `Lock`.
    Write,
    /// `RLock`.
    Read,
}

/// How a goroutine is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpawnKind {
    /// `go`.
    Go,
    /// `wg.Go(f)`: what runs is a function that calls `f` and then is done; an `Add(1)` stands before.
    WaitGroup,
    /// `group.Go(f)` of errgroup, likewise.
    ErrGroup,
    /// `time.AfterFunc`, `context.AfterFunc`: later, perhaps never.
    Later,
    /// Handed to something that calls it from goroutines of its own, any number of times: an HTTP handler.
    Handler,
}

/// An arm of a select.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arm {
    /// Its send or receive, which lies outside of the blocks.
    pub instr: InstrId,
    /// Where it goes on.
    pub to: BlockId,
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// What lies at a place.
    Place(PlaceId),
    /// A new object.
    Object(ObjectId),
    /// A function of this package.
    Func(FuncId),
    /// Something known.
    Const(Const),
    /// The value of an integer or boolean term.
    Term(TermId),
    /// Anything else.
    Unknown,
}

/// An argument.
pub type Arg = Value;

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is called, as source says it; [`crate::summary::Calls`] also sees through function values and interfaces.
    pub callee: Callee,
    /// The receiver of a method.
    pub receiver: Option<Arg>,
    /// The arguments, one per parameter; those of a variadic parameter one by one behind.
    pub args: Vec<Arg>,
    /// The places its results go to, [`super::VarKind::Temp`] ones where they have no other, for tracked shapes and errors.
    pub results: Vec<Option<PlaceId>>,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callee {
    /// A function of this package, or a closure called where it stands.
    Func(FuncId),
    /// A function of another package.
    Extern(ExternId),
    /// The function value at a place.
    Value(PlaceId),
    /// A method of an interface: [`Call::receiver`] is the value; the number is that of the method's name and interface.
    Interface(ExternId),
    /// It could not be told.
    Unknown(Unknown),
}

/// A function of another package, or a method of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extern {
    /// Which.
    pub key: Key,
    /// Of an interface's method: the implementations in this package.
    pub implementations: Vec<FuncId>,
    /// Whether those are all there can be: the interface is not exported and no value of it comes from outside.
    pub is_complete: bool,
    /// Whether other implementations do nothing to what they are given that matters here: `io.Reader` and its like.
    pub is_harmless: bool,
    /// Whether it leaves open what must be closed, and does not keep it.
    pub leaves_open: bool,
    /// Of a function what its package says of it.
    pub facts: Option<crate::summary::FuncFacts>,
}

/// Why something was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unknown {
    /// A type that could not be resolved: an import is missing or the source is wrong.
    Type,
    /// A callee that could not be resolved.
    Callee,
    /// The source has errors here.
    Syntax,
    /// A function has more blocks, instructions or nesting than is lowered.
    TooLarge,
    /// `goto` into a place that is not known.
    Goto,
}
