//! Statements.

use super::super::{Span, Token};
use super::{BlockId, ClauseId, DeclId, ExprId, Ident, List, StmtId};

/// A statement.
#[derive(Debug, Clone, Copy)]
pub struct Stmt {
    /// From its first token to behind its last, without the semicolon.
    pub span: Span,
    /// What it is.
    pub kind: StmtKind,
}

/// The kinds of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StmtKind {
    /// The source has something else here; an error says so.
    Bad,
    /// Nothing: a lone semicolon, or what a label at the end of a block names.
    Empty,
    /// `const`, `type` or `var` in a function.
    Decl(DeclId),
    /// `label: statement`.
    Labeled {
        /// The label.
        label: Ident,
        /// What it names.
        stmt: StmtId,
    },
    /// A call, a receive, or a wrong expression that stands alone.
    Expr(ExprId),
    /// `c <- x`.
    Send {
        /// The channel.
        channel: ExprId,
        /// What is sent.
        value: ExprId,
    },
    /// `x++`, `x--`.
    Step {
        /// What is changed.
        operand: ExprId,
        /// Whether by `++`.
        up: bool,
    },
    /// `a, b = x, y`, `a := x`, `a += x`.
    Assign {
        /// How.
        kind: AssignKind,
        /// What is assigned to.
        left: List<ExprId>,
        /// The values: as many as on the left, or one that has as many.
        right: List<ExprId>,
    },
    /// `go f()`.
    Go(ExprId),
    /// `defer f()`.
    Defer(ExprId),
    /// `return a, b`.
    Return(List<ExprId>),
    /// `break`, `continue`, `goto` and `fallthrough`.
    Branch {
        /// Which.
        kind: BranchKind,
        /// The label; `goto` always has one.
        label: Option<Ident>,
    },
    /// `{ ... }`.
    Block(BlockId),
    /// `if init; condition { ... } else ...`. A long chain of `else if` leans to the right, as deep as it is long: loop down
    /// `otherwise`, do not recurse.
    If {
        /// A simple statement before the condition.
        init: Option<StmtId>,
        /// The condition.
        condition: ExprId,
        /// What is done where it holds.
        then: BlockId,
        /// An [`StmtKind::If`] or [`StmtKind::Block`].
        otherwise: Option<StmtId>,
    },
    /// `switch init; tag { ... }`.
    Switch {
        /// A simple statement before the tag.
        init: Option<StmtId>,
        /// What the cases are compared with; true where there is none.
        tag: Option<ExprId>,
        /// The cases.
        clauses: List<ClauseId>,
    },
    /// `switch init; x := y.(type) { ... }`.
    TypeSwitch {
        /// A simple statement before the guard.
        init: Option<StmtId>,
        /// The name of the guard, an [`super::ExprKind::Name`].
        binding: Option<ExprId>,
        /// `y.(type)`, an [`super::ExprKind::Assert`] without a type.
        guard: ExprId,
        /// The cases.
        clauses: List<ClauseId>,
    },
    /// `select { ... }`.
    Select(List<ClauseId>),
    /// `for init; condition; post { ... }`, `for condition { ... }` and `for { ... }`.
    For {
        /// A simple statement before the loop.
        init: Option<StmtId>,
        /// The condition; true where there is none.
        condition: Option<ExprId>,
        /// A simple statement after each round.
        post: Option<StmtId>,
        /// The loop's body.
        body: BlockId,
    },
    /// `for key, value := range x { ... }`: over a slice, string, map, channel, integer or function.
    Range {
        /// The first variable.
        key: Option<ExprId>,
        /// The second.
        value: Option<ExprId>,
        /// Whether the variables are new (`:=`).
        define: bool,
        /// What is ranged over.
        operand: ExprId,
        /// The loop's body.
        body: BlockId,
    },
}

/// How an assignment assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssignKind {
    /// `=`.
    Assign,
    /// `:=`.
    Define,
    /// `+=` and its like, with the binary operator.
    Operator(Token),
}

/// Statements that jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the keyword it is named after")]
pub enum BranchKind {
    Break,
    Continue,
    Goto,
    Fallthrough,
}

/// Statements between braces.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// With its braces.
    pub span: Span,
    /// The statements; a lone semicolon is one.
    pub stmts: List<StmtId>,
}

/// A clause of a `switch` or `select`.
#[derive(Debug, Clone, Copy)]
pub struct Clause {
    /// From `case` or `default` to behind the last statement, or the colon.
    pub span: Span,
    /// What it stands for.
    pub kind: ClauseKind,
    /// What it does.
    pub body: List<StmtId>,
}

/// What a clause stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClauseKind {
    /// `default:`.
    Default,
    /// `case a, b:` of a switch; of a type switch the expressions are types or `nil`.
    Case(List<ExprId>),
    /// `case c <- x:`, `case <-c:`, `case v, ok := <-c:` of a select: a send, an expression or an assignment whose value is
    /// a receive, possibly in parentheses.
    Comm(StmtId),
}
