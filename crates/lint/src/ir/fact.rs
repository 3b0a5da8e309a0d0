//! What branches test and what is known behind them.

use super::{PlaceId, VarId};

/// A number in source: a capacity, a delta, how often a loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Amount {
    /// A constant.
    Const(i64),
    /// The value of this term: equal terms with nothing assigned in between are equal numbers.
    Term(super::TermId),
    /// It could not be told.
    Unknown,
}

/// A value that a branch tests: a variable, a field, a length, or an expression as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    /// What it is.
    pub kind: TermKind,
    /// The variables it is made of: assigning one ends what is known of it.
    pub vars: Vec<VarId>,
    /// Whether calls and waits may change it: it reads a field, an element, a package variable or a variable that closures
    /// assign.
    pub is_volatile: bool,
}

/// The kinds of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TermKind {
    /// A variable.
    Var(VarId),
    /// A field or element.
    Place(PlaceId),
    /// `len(x)`.
    Len(PlaceId),
    /// Another expression without calls, equal where the same source means the same variables; the number tells two apart.
    Expr(u64),
}

/// A test of a term, and its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fact {
    /// What is tested.
    pub term: super::TermId,
    /// For what.
    pub test: Test,
    /// Whether it is so.
    pub holds: bool,
}

/// What a term is tested for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Test {
    /// It is true.
    True,
    /// It is nil.
    Nil,
    /// Its number stands so to a constant.
    Int(Compare, i64),
    /// It equals a constant that is no integer, or another name of one: by hash of what it is.
    Equals(u64),
    /// A receive found its channel closed: the exit of a range over the channel at the term's place.
    Closed,
}

/// How two numbers stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the operator it is named after")]
pub enum Compare {
    Equal,
    Less,
    LessEqual,
}

/// A value that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Const {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// `nil`.
    Nil,
    /// Something that is not nil: an address, a literal, a new error.
    NonNil,
    /// Another constant, by hash.
    Other(u64),
}
