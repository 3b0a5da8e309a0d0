//! Statements.

use super::Parser;
use super::simple::{Place, Simple};
use crate::syntax::ast::{
    AssignKind, Block, BlockId, BranchKind, Clause, ClauseId, ClauseKind, ExprId, ExprKind, List,
    Stmt, StmtId, StmtKind,
};
use crate::syntax::{Span, Token};

/// The head of an `if`, its block and where it starts.
struct Branch {
    start: u32,
    init: Option<StmtId>,
    condition: ExprId,
    then: BlockId,
}

impl Parser<'_, '_, '_> {
    /// `{ ... }`.
    pub(super) fn block(&mut self) -> BlockId {
        let start = self.span.start;
        self.deeper();
        self.expect(Token::LeftBrace, "`{` and a block");
        let stmts = self.stmts();
        self.expect(Token::RightBrace, "`}` to close the block");
        self.nesting -= 1;
        let span = self.since(start);
        self.ast.add(Block { span, stmts })
    }

    /// Statements up to what closes them.
    fn stmts(&mut self) -> List<StmtId> {
        let mark = self.stmts.len();
        while !matches!(
            self.token,
            Token::RightBrace | Token::Case | Token::Default | Token::End
        ) && !self.at_declaration()
        {
            let before = self.span;
            let stmt = self.stmt();
            self.stmts.push(stmt);
            self.stmt_ends(before);
        }
        self.ast.list_from(&mut self.stmts, mark)
    }

    /// Takes the semicolon, or goes to the next statement.
    #[inline]
    fn stmt_ends(&mut self, before: Span) {
        if self.token == Token::Semicolon {
            self.next();
            return;
        }
        if self.token != Token::RightBrace {
            self.expected("`;` or the end of the line behind the statement");
            self.skip_line(before);
        } else if self.span == before {
            self.next();
        }
    }

    /// A statement, without the semicolon behind it.
    pub(super) fn stmt(&mut self) -> StmtId {
        let start = self.span.start;
        self.deeper();
        let stmt = match self.token {
            Token::If => self.if_stmt(),
            Token::For => self.for_stmt(),
            Token::Switch => self.switch_stmt(),
            Token::Semicolon => self.empty(),
            Token::LeftBrace => {
                let block = self.block();
                self.stmt_since(start, StmtKind::Block(block))
            }
            Token::Return => {
                self.next();
                let ends = matches!(
                    self.token,
                    Token::Semicolon | Token::RightBrace | Token::End
                );
                let values = if ends { List::EMPTY } else { self.expr_list() };
                self.stmt_since(start, StmtKind::Return(values))
            }
            Token::Go => {
                let call = self.spawned("`go` needs a call behind it");
                self.stmt_since(start, StmtKind::Go(call))
            }
            Token::Defer => {
                let call = self.spawned("`defer` needs a call behind it");
                self.stmt_since(start, StmtKind::Defer(call))
            }
            Token::Select => self.select(),
            Token::Break => self.branch(BranchKind::Break),
            Token::Continue => self.branch(BranchKind::Continue),
            Token::Goto => self.branch(BranchKind::Goto),
            Token::Fallthrough => self.branch(BranchKind::Fallthrough),
            Token::Const | Token::Var | Token::Type => {
                let decl = self.group();
                self.stmt_since(start, StmtKind::Decl(decl))
            }
            token if starts_expression(token) => match self.simple(Place::Block) {
                Simple::Stmt(stmt) => stmt,
                Simple::Range { .. } => self.stmt_since(start, StmtKind::Bad),
            },
            _ => {
                let span = self.missing("a statement");
                let kind = StmtKind::Bad;
                self.ast.add(Stmt { span, kind })
            }
        };
        self.nesting -= 1;
        stmt
    }

    /// A lone semicolon: it is taken with the statement's end.
    fn empty(&mut self) -> StmtId {
        let (span, kind) = (self.span, StmtKind::Empty);
        // The semicolon belongs to the statement, so that what is around reaches behind it.
        self.end = self.end.max(span.end);
        self.ast.add(Stmt { span, kind })
    }

    /// The call behind `go` or `defer`.
    fn spawned(&mut self, rule: &'static str) -> ExprId {
        self.next();
        let call = self.expr();
        let bare = self.ast.unparen(call);
        if !matches!(self.ast[bare].kind, ExprKind::Call { .. } | ExprKind::Bad) {
            self.broken(self.ast[call].span, rule);
        }
        call
    }

    fn branch(&mut self, kind: BranchKind) -> StmtId {
        let start = self.span.start;
        self.next();
        let takes_label = kind != BranchKind::Fallthrough;
        let label = (takes_label && self.token == Token::Name).then(|| self.ident("a label"));
        if kind == BranchKind::Goto && label.is_none() {
            self.expected("the label to go to");
        }
        self.stmt_since(start, StmtKind::Branch { kind, label })
    }

    /// `if` with all its `else if`s, read in a loop: generated code has long chains.
    fn if_stmt(&mut self) -> StmtId {
        let mut branches: Vec<Branch> = Vec::new();
        let mut links = 0;
        let last = loop {
            self.link(&mut links);
            let branch = self.if_branch();
            branches.push(branch);
            if !self.take(Token::Else) {
                break None;
            }
            match self.token {
                Token::If => {}
                Token::LeftBrace => {
                    let start = self.span.start;
                    let block = self.block();
                    break Some(self.stmt_since(start, StmtKind::Block(block)));
                }
                _ => {
                    let span = self.missing("`if` or a block behind `else`");
                    let kind = StmtKind::Bad;
                    break Some(self.ast.add(Stmt { span, kind }));
                }
            }
        };
        let mut otherwise = last;
        while let Some(branch) = branches.pop() {
            let Branch {
                start,
                init,
                condition,
                then,
            } = branch;
            let kind = StmtKind::If {
                init,
                condition,
                then,
                otherwise,
            };
            otherwise = Some(self.stmt_since(start, kind));
        }
        otherwise.unwrap_or_else(|| self.empty())
    }

    fn if_branch(&mut self) -> Branch {
        let start = self.span.start;
        self.next();
        let outer = std::mem::replace(&mut self.in_head, true);
        let (init, condition) = self.if_head();
        self.in_head = outer;
        let then = self.block();
        Branch {
            start,
            init,
            condition,
            then,
        }
    }

    fn if_head(&mut self) -> (Option<StmtId>, ExprId) {
        let wanted = "the condition of the `if`";
        if self.token == Token::LeftBrace {
            return (None, self.missing_expr(wanted));
        }
        let first = (self.token != Token::Semicolon).then(|| self.simple_stmt());
        let is_written = !self.span.is_empty();
        if self.token == Token::Semicolon && (is_written || !self.scanner.comes(Token::LeftBrace)) {
            self.next();
            if self.token == Token::LeftBrace {
                return (first, self.missing_expr(wanted));
            }
            let condition = self.simple_stmt();
            return (first, self.condition(Some(condition), wanted));
        }
        (None, self.condition(first, wanted))
    }

    /// The expression that a statement in the place of a condition must be.
    fn condition(&mut self, stmt: Option<StmtId>, wanted: &'static str) -> ExprId {
        let Some(stmt) = stmt else {
            return self.missing_expr(wanted);
        };
        let Stmt { span, kind } = self.ast[stmt];
        if let StmtKind::Expr(condition) = kind {
            return condition;
        }
        self.broken(
            span,
            "a condition is an expression; `==` compares, and a statement before it ends with `;`",
        );
        let kind = ExprKind::Bad;
        self.ast.add(crate::syntax::ast::Expr { span, kind })
    }

    fn for_stmt(&mut self) -> StmtId {
        let start = self.span.start;
        self.next();
        let outer = std::mem::replace(&mut self.in_head, true);
        let head = self.for_head();
        self.in_head = outer;
        let body = self.block();
        let kind = match head {
            ForHead::Clause([init, condition, post]) => {
                let condition =
                    condition.map(|stmt| self.condition(Some(stmt), "the condition of the loop"));
                StmtKind::For {
                    init,
                    condition,
                    post,
                    body,
                }
            }
            ForHead::Range {
                left,
                define,
                operand,
            } => {
                let (key, value, surplus) = match &self.ast[left] {
                    [] => (None, None, None),
                    [key] => (Some(*key), None, None),
                    [key, value] => (Some(*key), Some(*value), None),
                    [key, value, surplus, ..] => (Some(*key), Some(*value), Some(*surplus)),
                };
                if let Some(surplus) = surplus {
                    self.broken(self.ast[surplus].span, "a range has at most two variables");
                }
                StmtKind::Range {
                    key,
                    value,
                    define,
                    operand,
                    body,
                }
            }
        };
        self.stmt_since(start, kind)
    }

    fn for_head(&mut self) -> ForHead {
        let mut parts = [None; 3];
        if self.token == Token::LeftBrace {
            return ForHead::Clause(parts);
        }
        let mut first = None;
        if self.token != Token::Semicolon {
            match self.simple(Place::For) {
                Simple::Range {
                    left,
                    define,
                    operand,
                } => {
                    return ForHead::Range {
                        left,
                        define,
                        operand,
                    };
                }
                Simple::Stmt(stmt) => first = Some(stmt),
            }
        }
        if self.token != Token::Semicolon {
            let [_, condition, _] = &mut parts;
            *condition = first;
            return ForHead::Clause(parts);
        }
        self.next();
        let condition = (!matches!(self.token, Token::Semicolon | Token::LeftBrace))
            .then(|| self.simple_stmt());
        if self.token == Token::LeftBrace && condition.is_none() {
            self.expected("the condition of the loop and `;`");
        } else {
            self.expect(Token::Semicolon, "`;` behind the condition of the loop");
        }
        let post = (self.token != Token::LeftBrace).then(|| self.simple_stmt());
        ForHead::Clause([first, condition, post])
    }

    fn switch_stmt(&mut self) -> StmtId {
        let start = self.span.start;
        self.next();
        let outer = std::mem::replace(&mut self.in_head, true);
        let mut init = None;
        let mut tag = None;
        if self.token != Token::LeftBrace {
            if self.token != Token::Semicolon {
                tag = Some(self.simple_stmt());
            }
            if self.take(Token::Semicolon) {
                init = tag.take();
                if self.token != Token::LeftBrace {
                    tag = Some(self.simple_stmt());
                }
            }
        }
        self.in_head = outer;
        if let Some((binding, guard)) = tag.and_then(|tag| self.type_guard(tag)) {
            let clauses = self.clauses(Of::Switch);
            let kind = StmtKind::TypeSwitch {
                init,
                binding,
                guard,
                clauses,
            };
            return self.stmt_since(start, kind);
        }
        let tag = tag.map(|tag| self.condition(Some(tag), "what the switch compares"));
        let clauses = self.clauses(Of::Switch);
        self.stmt_since(start, StmtKind::Switch { init, tag, clauses })
    }

    /// The name and the guard, if a statement is `x := y.(type)` or `y.(type)`.
    fn type_guard(&self, stmt: StmtId) -> Option<(Option<ExprId>, ExprId)> {
        let is_guard =
            |expr: ExprId| matches!(self.ast[expr].kind, ExprKind::Assert { typ: None, .. });
        match self.ast[stmt].kind {
            StmtKind::Expr(guard) if is_guard(guard) => Some((None, guard)),
            StmtKind::Assign {
                kind: AssignKind::Define | AssignKind::Assign,
                left,
                right,
            } => match (&self.ast[left], &self.ast[right]) {
                (&[binding], &[guard]) if is_guard(guard) => Some((Some(binding), guard)),
                _ => None,
            },
            _ => None,
        }
    }

    fn select(&mut self) -> StmtId {
        let start = self.span.start;
        self.next();
        let clauses = self.clauses(Of::Select);
        self.stmt_since(start, StmtKind::Select(clauses))
    }

    /// The clauses of a switch or select, with the braces.
    fn clauses(&mut self, of: Of) -> List<ClauseId> {
        self.expect(Token::LeftBrace, "`{` and the cases");
        let mark = self.clauses.len();
        while !matches!(self.token, Token::RightBrace | Token::End) && !self.at_declaration() {
            if matches!(self.token, Token::Case | Token::Default) {
                let clause = self.clause(of);
                self.clauses.push(clause);
            } else {
                let before = self.span;
                self.expected("`case`, `default` or `}`");
                self.skip_line(before);
            }
        }
        self.expect(Token::RightBrace, "`}` to close the cases");
        self.ast.list_from(&mut self.clauses, mark)
    }

    fn clause(&mut self, of: Of) -> ClauseId {
        let start = self.span.start;
        let kind = if self.take(Token::Default) {
            ClauseKind::Default
        } else {
            self.next();
            match of {
                Of::Switch => ClauseKind::Case(self.expr_list()),
                Of::Select => ClauseKind::Comm(self.simple_stmt()),
            }
        };
        self.expect(Token::Colon, "`:` behind the case");
        let head_end = self.end;
        let body = self.stmts();
        // Not up to the semicolon behind the last statement.
        let last = self.ast[body].last().copied();
        let end = last.map_or(head_end, |last| self.ast[last].span.end.max(head_end));
        let span = Span::new(start, end);
        self.ast.add(Clause { span, kind, body })
    }
}

/// The head of a `for`.
enum ForHead {
    /// What stands before, between and behind the semicolons; the condition alone where there are none.
    Clause([Option<StmtId>; 3]),
    Range {
        left: List<ExprId>,
        define: bool,
        operand: ExprId,
    },
}

/// What clauses belong to.
#[derive(Clone, Copy)]
enum Of {
    Switch,
    Select,
}

/// Whether a statement that starts with this token starts with an expression.
fn starts_expression(token: Token) -> bool {
    matches!(
        token,
        Token::Name
            | Token::Int
            | Token::Float
            | Token::Imaginary
            | Token::Rune
            | Token::String
            | Token::Func
            | Token::LeftParen
            | Token::LeftBracket
            | Token::Struct
            | Token::Map
            | Token::Chan
            | Token::Interface
            | Token::Plus
            | Token::Minus
            | Token::Star
            | Token::And
            | Token::Xor
            | Token::Tilde
            | Token::Arrow
            | Token::Not
    )
}
