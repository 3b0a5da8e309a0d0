//! The tree of a file.
//!
//! Nodes lie in vectors, one per kind, and name each other by number ([`Id`], [`List`]). `&ast[id]` is a node, `&ast[list]`
//! a slice. A type is an expression, as in Go's grammar: `f(x)` is a call or a conversion, and only types tell which.
//!
//! Spans are those of `go/ast`: from the first token of a node to behind its last, without comments and without the
//! semicolon that ends a statement. Something that is missing from the source has an empty span, and the parents of a node
//! always cover it.

mod arena;
mod decl;
mod expr;
mod stmt;
mod walk;

pub use arena::{Id, List};
pub use decl::{Body, Decl, DeclKind, Function, Spec, SpecKind, ValueKind};
pub use expr::{ChanDir, Expr, ExprKind, Field, LiteralKind, Signature};
pub use stmt::{AssignKind, Block, BranchKind, Clause, ClauseKind, Stmt, StmtKind};
pub use walk::{Node, Walk};

use super::{Name, Span};

/// The number of an expression or type.
pub type ExprId = Id<Expr>;
/// The number of a statement.
pub type StmtId = Id<Stmt>;
/// The number of a block.
pub type BlockId = Id<Block>;
/// The number of a clause of a `switch` or `select`.
pub type ClauseId = Id<Clause>;
/// The number of a field, parameter, type parameter or interface element.
pub type FieldId = Id<Field>;
/// The number of a function's signature.
pub type SignatureId = Id<Signature>;
/// The number of one import, constant, variable or type declaration.
pub type SpecId = Id<Spec>;
/// The number of a declaration.
pub type DeclId = Id<Decl>;
/// The number of a function or method declaration.
pub type FunctionId = Id<Function>;

/// A name at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ident {
    /// The name; [`Name::MISSING`] where the source lacks one.
    pub name: Name,
    /// Where it stands.
    pub span: Span,
}

/// All nodes of a file.
#[derive(Debug, Default)]
pub struct Ast {
    exprs: Vec<Expr>,
    stmts: Vec<Stmt>,
    blocks: Vec<Block>,
    clauses: Vec<Clause>,
    fields: Vec<Field>,
    signatures: Vec<Signature>,
    specs: Vec<Spec>,
    decls: Vec<Decl>,
    functions: Vec<Function>,
    expr_lists: Vec<ExprId>,
    stmt_lists: Vec<StmtId>,
    clause_lists: Vec<ClauseId>,
    field_lists: Vec<FieldId>,
    spec_lists: Vec<SpecId>,
    ident_lists: Vec<Ident>,
}

impl Ast {
    /// Arenas for a source of that many bytes, of a size that suffices for three files of four in the Go tree.
    pub(crate) fn for_source(bytes: usize) -> Self {
        // Bytes of source to one node or item.
        let (exprs, stmts, lists) = (bytes / 11, bytes / 48, bytes / 24);
        let (some, few) = (bytes / 128, bytes / 384);
        Self {
            exprs: Vec::with_capacity(exprs),
            stmts: Vec::with_capacity(stmts),
            blocks: Vec::with_capacity(some),
            clauses: Vec::with_capacity(few / 2),
            fields: Vec::with_capacity(some),
            signatures: Vec::with_capacity(few),
            specs: Vec::with_capacity(few),
            decls: Vec::with_capacity(few),
            functions: Vec::with_capacity(few / 2),
            expr_lists: Vec::with_capacity(lists),
            stmt_lists: Vec::with_capacity(stmts),
            clause_lists: Vec::with_capacity(few / 2),
            field_lists: Vec::with_capacity(some),
            spec_lists: Vec::with_capacity(few),
            ident_lists: Vec::with_capacity(some),
        }
    }

    /// All expressions and types, children before their parents.
    pub fn exprs(&self) -> impl Iterator<Item = (ExprId, &Expr)> {
        self.all()
    }

    /// How many expressions and types there are: all have an index below.
    pub fn exprs_count(&self) -> usize {
        self.exprs.len()
    }

    /// All statements, children before their parents.
    pub fn stmts(&self) -> impl Iterator<Item = (StmtId, &Stmt)> {
        self.all()
    }

    /// All clauses of `switch` and `select` statements, children before their parents.
    pub fn clauses(&self) -> impl Iterator<Item = (ClauseId, &Clause)> {
        self.all()
    }

    /// All function and method declarations, in the order of the source.
    pub fn functions(&self) -> impl Iterator<Item = (FunctionId, &Function)> {
        self.all()
    }

    /// How many function and method declarations there are: all have an index below.
    pub fn functions_count(&self) -> usize {
        self.functions.len()
    }

    pub(crate) fn function_mut(&mut self, id: FunctionId) -> Option<&mut Function> {
        self.functions.get_mut(id.index())
    }

    pub(crate) fn expr_mut(&mut self, id: ExprId) -> Option<&mut Expr> {
        self.exprs.get_mut(id.index())
    }

    /// An expression without the parentheses around it.
    pub fn unparen(&self, mut id: ExprId) -> ExprId {
        while let ExprKind::Paren(inner) = self[id].kind {
            id = inner;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speed and memory stand on these: the Go tree has 15 million expressions.
    #[test]
    fn nodes_are_small() {
        assert_eq!(size_of::<Option<ExprId>>(), 4);
        assert_eq!(size_of::<Option<Ident>>(), 12);
        assert_eq!(size_of::<Expr>(), 28);
        assert_eq!(size_of::<Stmt>(), 32);
    }
}
