//! Simple statements: expressions, sends, assignments, `++`; and what can stand in their place.

use super::Parser;
use crate::syntax::Token;
use crate::syntax::ast::{AssignKind, Expr, ExprId, ExprKind, List, Stmt, StmtId, StmtKind};

/// What may stand where a simple statement is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing else.
    Header,
    /// A label.
    Block,
    /// A range clause.
    For,
}

/// What was read.
pub(super) enum Simple {
    Stmt(StmtId),
    /// The head of `for key, value := range operand`.
    Range {
        left: List<ExprId>,
        define: bool,
        operand: ExprId,
    },
}

impl Parser<'_, '_, '_> {
    /// A simple statement where nothing else may stand.
    pub(super) fn simple_stmt(&mut self) -> StmtId {
        let start = self.span.start;
        match self.simple(Place::Header) {
            Simple::Stmt(stmt) => stmt,
            // Read in a `for` alone.
            Simple::Range { .. } => self.stmt_since(start, StmtKind::Bad),
        }
    }

    pub(super) fn simple(&mut self, place: Place) -> Simple {
        let start = self.span.start;
        if place == Place::For && self.token == Token::Range {
            return self.range(List::EMPTY, false);
        }
        let first = self.expr();
        if self.token == Token::Comma || self.is_assigning() {
            return self.assignment(start, first, place);
        }
        let kind = match self.token {
            Token::Semicolon | Token::LeftBrace | Token::RightBrace => StmtKind::Expr(first),
            Token::Colon if place == Place::Block => return self.labeled(start, first),
            Token::Arrow => {
                self.next();
                let value = self.expr();
                StmtKind::Send {
                    channel: first,
                    value,
                }
            }
            Token::Increment | Token::Decrement => {
                let up = self.token == Token::Increment;
                self.next();
                StmtKind::Step { operand: first, up }
            }
            _ => StmtKind::Expr(first),
        };
        Simple::Stmt(self.stmt_since(start, kind))
    }

    fn is_assigning(&self) -> bool {
        matches!(self.token, Token::Assign | Token::Define) || self.token.assigned().is_some()
    }

    /// An assignment or range clause from behind its first expression on.
    fn assignment(&mut self, start: u32, first: ExprId, place: Place) -> Simple {
        let left = self.more_exprs(first);
        let kind = match self.token {
            Token::Assign => AssignKind::Assign,
            Token::Define => AssignKind::Define,
            token => match token.assigned() {
                Some(operator) => AssignKind::Operator(operator),
                None => {
                    self.expected("`:=`, `=` or another assignment behind the list");
                    return Simple::Stmt(self.stmt_since(start, StmtKind::Bad));
                }
            },
        };
        if left.len() > 1 && matches!(kind, AssignKind::Operator(_)) {
            self.broken(self.span, "this operator assigns to one variable only");
        }
        self.next();
        if place == Place::For
            && self.token == Token::Range
            && !matches!(kind, AssignKind::Operator(_))
        {
            return self.range(left, kind == AssignKind::Define);
        }
        let right = self.expr_list();
        Simple::Stmt(self.stmt_since(start, StmtKind::Assign { kind, left, right }))
    }

    /// Expressions behind a first one, with commas between.
    fn more_exprs(&mut self, first: ExprId) -> List<ExprId> {
        if self.token != Token::Comma {
            return self.ast.list_of(first);
        }
        let mark = self.exprs.len();
        self.exprs.push(first);
        while self.take(Token::Comma) {
            let expr = self.expr();
            self.exprs.push(expr);
        }
        self.ast.list_from(&mut self.exprs, mark)
    }

    fn range(&mut self, left: List<ExprId>, define: bool) -> Simple {
        self.next();
        let operand = self.expr();
        Simple::Range {
            left,
            define,
            operand,
        }
    }

    fn labeled(&mut self, start: u32, first: ExprId) -> Simple {
        let Expr { span, kind } = self.ast[first];
        let ExprKind::Name(name) = kind else {
            self.expected("the end of the statement: only a name can be a label");
            return Simple::Stmt(self.stmt_since(start, StmtKind::Expr(first)));
        };
        self.next();
        let label = crate::syntax::ast::Ident { name, span };
        let stmt = if self.token == Token::RightBrace {
            // A label may end a block; what it names is nothing, in front of the brace.
            self.end = self.end.max(self.span.start);
            let at = self.span.start;
            self.stmt_since(at, StmtKind::Empty)
        } else {
            self.stmt()
        };
        let span = crate::syntax::Span::new(start, self.ast[stmt].span.end);
        let kind = StmtKind::Labeled { label, stmt };
        Simple::Stmt(self.ast.add(Stmt { span, kind }))
    }
}
