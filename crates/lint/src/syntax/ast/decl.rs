//! Declarations.

use super::super::Span;
use super::{BlockId, ExprId, FieldId, FunctionId, Ident, List, SignatureId, SpecId};

/// A declaration.
#[derive(Debug, Clone, Copy)]
pub struct Decl {
    /// From its keyword to behind its last token.
    pub span: Span,
    /// What it is.
    pub kind: DeclKind,
}

/// The kinds of declarations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclKind {
    /// The source has something else here; an error says so.
    Bad,
    /// `import`, one or in parentheses.
    Import(List<SpecId>),
    /// `const`, one or in parentheses.
    Const(List<SpecId>),
    /// `var`, one or in parentheses.
    Var(List<SpecId>),
    /// `type`, one or in parentheses.
    Type(List<SpecId>),
    /// A function or method.
    Function(FunctionId),
}

/// One import, constant, variable or type declaration.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Without the keyword and parentheses.
    pub span: Span,
    /// What it declares.
    pub kind: SpecKind,
}

/// What a spec declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecKind {
    /// `name "path"`.
    Import {
        /// The name in the file: `.` and `_` too; left out mostly.
        name: Option<Ident>,
        /// A string literal.
        path: ExprId,
    },
    /// `a, b T = x, y` of a `var` or `const`.
    Value {
        /// Of which.
        of: ValueKind,
        /// What is declared.
        names: List<Ident>,
        /// Its type.
        typ: Option<ExprId>,
        /// The values: one per name, one that has as many, or none.
        values: List<ExprId>,
    },
    /// `Name[T any] = Type`.
    Type {
        /// What is declared.
        name: Ident,
        /// Its type parameters.
        type_params: List<FieldId>,
        /// Whether it is another name of the type (`=`).
        alias: bool,
        /// The type.
        typ: ExprId,
    },
}

/// What declares a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `var`.
    Var,
    /// `const`.
    Const {
        /// What `iota` is: the place in the group, from 0.
        iota: u32,
        /// Where neither a type nor values are written: the constant above whose type and values are repeated, if any is.
        repeats: Option<SpecId>,
    },
}

/// A function or method.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// From `func` to behind the body, or the signature.
    pub span: Span,
    /// The receiver of a method: one field in sound source. A function has `None`.
    pub receiver: Option<List<FieldId>>,
    /// Its name.
    pub name: Ident,
    /// Type parameters, parameters and results.
    pub signature: SignatureId,
    /// What it does.
    pub body: Body,
}

/// The body of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none: the function is written in assembly or linked by name.
    Absent,
    /// It was read.
    Block(BlockId),
    /// It was skipped: the bytes from brace to brace. [`File::parse_body`](crate::syntax::File::parse_body) reads it.
    Skipped(Span),
}
