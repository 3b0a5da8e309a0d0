//! Expressions and types.

use super::super::{Span, Token};
use super::{BlockId, ExprId, FieldId, Ident, List, SignatureId};
use crate::syntax::Name;

/// An expression or a type.
#[derive(Debug, Clone, Copy)]
pub struct Expr {
    /// From its first token to behind its last.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expressions and types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExprKind {
    /// The source has none or something else here; an error says so.
    Bad,
    /// `x`: a variable, constant, function, type, package or predeclared name.
    Name(Name),
    /// A number, rune or string; its text is the span's.
    Literal(LiteralKind),
    /// `T{a, k: v}`, and `{a, k: v}` inside another one where the type is left out.
    Composite {
        /// The type, if it is written.
        typ: Option<ExprId>,
        /// Values, and [`ExprKind::KeyValue`] pairs.
        elements: List<ExprId>,
    },
    /// `key: value` in a composite literal.
    KeyValue {
        /// A field's name, an index or a map's key.
        key: ExprId,
        /// The value.
        value: ExprId,
    },
    /// `func(...) ... { ... }`.
    Closure {
        /// Its parameters and results.
        signature: SignatureId,
        /// Its body.
        body: BlockId,
    },
    /// `(x)`.
    Paren(ExprId),
    /// `x.f`: a field, a method, a method expression, or a name of a package.
    Selector {
        /// What stands before the dot.
        operand: ExprId,
        /// The name behind it.
        field: Ident,
    },
    /// `x[i]`: an index; `f[T, U]`, `List[T]`: an instantiation.
    Index {
        /// What stands before the bracket.
        operand: ExprId,
        /// The index, or the type arguments; at least one.
        indices: List<ExprId>,
    },
    /// `x[low:high:max]`, each part optional.
    Slice {
        /// What is sliced.
        operand: ExprId,
        /// The first index.
        low: Option<ExprId>,
        /// The index behind the last.
        high: Option<ExprId>,
        /// Where the capacity ends.
        max: Option<ExprId>,
    },
    /// `x.(T)`, and `x.(type)` in the head of a type switch, which has no type.
    Assert {
        /// What is asserted.
        operand: ExprId,
        /// The type.
        typ: Option<ExprId>,
    },
    /// `f(a, b...)`: a call, or a conversion.
    Call {
        /// What is called or converted to.
        function: ExprId,
        /// The arguments; `make` and `new` have a type as the first.
        args: List<ExprId>,
        /// Whether `...` follows the last argument.
        spread: bool,
    },
    /// `*x`: what a pointer points to, or a pointer type.
    Star(ExprId),
    /// `<-c`, `-x`, `!x`, `&x`, `~T` and their like.
    Unary {
        /// One of [`Token::Arrow`], [`Token::Minus`], [`Token::Plus`], [`Token::Not`], [`Token::Xor`], [`Token::And`],
        /// [`Token::Tilde`].
        operator: Token,
        /// What it is applied to.
        operand: ExprId,
    },
    /// `x + y`. A long sum leans to the left, as deep as it has terms: loop down `left`, do not recurse.
    Binary {
        /// A token with a [`Token::precedence`].
        operator: Token,
        /// Where it stands.
        operator_start: u32,
        /// What stands before it.
        left: ExprId,
        /// What stands behind it.
        right: ExprId,
    },
    /// `...T` as the type of the last parameter, and `...` as the length of `[...]T`, without a type.
    Ellipsis(Option<ExprId>),
    /// `[n]T`; `[]T` has no length; `[...]T` has an [`ExprKind::Ellipsis`].
    Array {
        /// The length.
        length: Option<ExprId>,
        /// The type of the elements.
        element: ExprId,
    },
    /// `map[K]V`.
    Map {
        /// The type of the keys.
        key: ExprId,
        /// The type of the values.
        value: ExprId,
    },
    /// `chan T`, `<-chan T`, `chan<- T`.
    Chan {
        /// Which ways it can be used.
        direction: ChanDir,
        /// The type of what is sent.
        element: ExprId,
    },
    /// `func(...) ...`.
    FuncType(SignatureId),
    /// `struct { ... }`. An embedded field has no names.
    Struct(List<FieldId>),
    /// `interface { ... }`. A method has one name and an [`ExprKind::FuncType`]; an embedded interface or constraint has no
    /// name, and a union is a tree of `|`.
    Interface(List<FieldId>),
}

/// The kinds of literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiteralKind {
    /// `42`, `0x2A`, `0b1`, `0o7`, `1_000`.
    Int,
    /// `1.5`, `1e9`, `0x1p-2`.
    Float,
    /// `2i`.
    Imaginary,
    /// `'x'`.
    Rune,
    /// `"x"`, or raw in backquotes.
    String,
}

/// Which ways a channel of some type can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChanDir {
    /// `chan T`.
    Both,
    /// `chan<- T`.
    Send,
    /// `<-chan T`.
    Receive,
}

/// Struct fields, parameters, results, type parameters or interface elements of one type: `a, b int`.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// From the first name, or the type, to behind the type, or the tag.
    pub span: Span,
    /// The names; none for an embedded field and for a parameter that has only a type.
    pub names: List<Ident>,
    /// The type; of a type parameter its constraint.
    pub typ: ExprId,
    /// The tag of a struct field, a string literal.
    pub tag: Option<ExprId>,
}

/// What goes into a function and comes out.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// From `func`, or of an interface's method from the parenthesis, to behind the results.
    pub span: Span,
    /// `[T any]`; methods may have them since Go 1.27. Function types and closures have none.
    pub type_params: List<FieldId>,
    /// The parameters.
    pub params: List<FieldId>,
    /// The results, in parentheses or a single type.
    pub results: List<FieldId>,
}
