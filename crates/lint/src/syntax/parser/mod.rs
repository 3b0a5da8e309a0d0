//! Tokens to a tree, by recursive descent.
//!
//! The parser never fails. What it cannot read becomes a bad node with an empty span and an error, and it goes on at the next
//! statement or declaration. It looks ahead one token and never goes back, so that its time is in proportion to the source.

mod decl;
mod expr;
mod list;
mod recover;
mod simple;
mod stmt;
mod types;

use super::ast::{
    Ast, Body, ClauseId, Expr, ExprId, ExprKind, FieldId, FunctionId, Ident, SpecId, Stmt, StmtId,
    StmtKind,
};
use super::error::Fault;
use super::file::{Bodies, File};
use super::names::{Interner, Name};
use super::scanner::{Lexeme, Scanner};
use super::{Span, Token};

/// Levels of nesting of expressions, types and statements. Code that people or generators write stays below 60; each level
/// takes up to 3 KiB of stack in unoptimised builds, and threads have 2 MiB.
pub const MAX_NESTING: u32 = 256;

/// Links of one chain: terms of a sum, selectors, calls and indices in a row, branches of an `else if`. Such chains take no
/// stack to read, but make the tree as deep as they are long.
pub const MAX_CHAIN: u32 = 20_000;

/// Bytes of the largest file that is read: ten times the largest of the Go tree. Offsets have 32 bits.
pub const MAX_FILE_BYTES: usize = 64 << 20;

/// Reads a source. The file that comes back is whole as far as it could be read; its errors say where it could not.
pub fn parse(source: Vec<u8>, interner: &mut Interner<'_>, bodies: Bodies) -> File {
    if source.len() > MAX_FILE_BYTES {
        return File::too_large(source);
    }
    let mut parser = Parser::new(
        Scanner::new(&source),
        interner,
        Ast::for_source(source.len()),
    );
    parser.bodies = bodies;
    let (package, decls) = parser.file();
    let Parser {
        ast, mut scanner, ..
    } = parser;
    let comments = std::mem::take(&mut scanner.comments);
    let errors = std::mem::take(&mut scanner.errors).into_list();
    File::new(source, ast, package, decls, comments, errors)
}

impl File {
    /// Reads the body of a function that was skipped ([`Bodies::Skip`]) and adds it to the tree, its errors to the file's.
    /// Does nothing where there is no body or it was read before.
    pub fn parse_body(&mut self, function: FunctionId, interner: &mut Interner<'_>) {
        let Body::Skipped(span) = self.ast[function].body else {
            return;
        };
        let ast = std::mem::take(&mut self.ast);
        // Up to the closing brace and not further: the rest belongs to others.
        let source = self.source().get(..span.end as usize).unwrap_or_default();
        let mut parser = Parser::new(Scanner::at(source, span.start as usize), interner, ast);
        parser.next();
        let block = parser.block();
        let Parser {
            mut ast,
            mut scanner,
            ..
        } = parser;
        let errors = std::mem::take(&mut scanner.errors);
        if let Some(function) = ast.function_mut(function) {
            function.body = Body::Block(block);
        }
        self.ast = ast;
        self.add_errors(errors.into_list());
    }
}

/// Items of the stacks at first, as many as most files need.
const STACKED: usize = 64;

pub(super) struct Parser<'s, 'i, 'n> {
    scanner: Scanner<'s>,
    interner: &'i mut Interner<'n>,
    ast: Ast,
    bodies: Bodies,
    /// The token at hand, not yet taken.
    token: Token,
    span: Span,
    /// The end of the last token taken, or of something missing: where the node being read ends if it ends now.
    end: u32,
    /// In the head of an `if`, `for` or `switch`, where `T {` does not start a composite literal.
    in_head: bool,
    nesting: u32,
    // Lists being read, innermost last; each reader keeps the mark at which its own starts.
    exprs: Vec<ExprId>,
    stmts: Vec<StmtId>,
    clauses: Vec<ClauseId>,
    fields: Vec<FieldId>,
    specs: Vec<SpecId>,
    idents: Vec<Ident>,
    params: Vec<list::Entry>,
}

impl<'s, 'i, 'n> Parser<'s, 'i, 'n> {
    fn new(scanner: Scanner<'s>, interner: &'i mut Interner<'n>, ast: Ast) -> Self {
        Self {
            scanner,
            interner,
            ast,
            bodies: Bodies::Parse,
            token: Token::Semicolon,
            span: Span::default(),
            end: 0,
            in_head: false,
            nesting: 0,
            exprs: Vec::with_capacity(STACKED),
            stmts: Vec::with_capacity(STACKED),
            clauses: Vec::with_capacity(STACKED),
            fields: Vec::with_capacity(STACKED),
            specs: Vec::with_capacity(STACKED),
            idents: Vec::with_capacity(STACKED),
            params: Vec::with_capacity(STACKED),
        }
    }

    /// Takes the token at hand.
    #[inline(never)]
    fn next(&mut self) {
        self.end = self.end.max(self.span.end);
        loop {
            let Lexeme { token, span } = self.scanner.next_token();
            // The scanner has complained of what is unknown.
            if token != Token::Unknown {
                self.token = token;
                self.span = span;
                return;
            }
        }
    }

    /// Takes the token at hand if it is this one.
    #[inline]
    fn take(&mut self, token: Token) -> bool {
        let is_here = self.token == token;
        if is_here {
            self.next();
        }
        is_here
    }

    /// Takes this token, or complains that it is not here and takes nothing.
    #[inline]
    fn expect(&mut self, token: Token, wanted: &'static str) {
        if !self.take(token) {
            self.expected(wanted);
        }
    }

    /// The span from an offset to the last token taken. Where none was, everything around reaches up to the offset.
    #[inline]
    fn since(&mut self, start: u32) -> Span {
        self.end = self.end.max(start);
        let end = self.end;
        Span { start, end }
    }

    /// Adds an expression from an offset to the last token taken.
    #[inline]
    fn expr_since(&mut self, start: u32, kind: ExprKind) -> ExprId {
        let span = self.since(start);
        self.ast.add(Expr { span, kind })
    }

    /// Adds a statement from an offset to the last token taken.
    #[inline]
    fn stmt_since(&mut self, start: u32, kind: StmtKind) -> StmtId {
        let span = self.since(start);
        self.ast.add(Stmt { span, kind })
    }

    /// The name of the token at hand.
    #[inline]
    fn name_here(&mut self) -> Name {
        let (start, end) = (self.span.start as usize, self.span.end as usize);
        self.interner.intern_at(self.scanner.source(), start, end)
    }

    /// A name, or a complaint and a missing one.
    fn ident(&mut self, wanted: &'static str) -> Ident {
        if self.token != Token::Name {
            let span = self.missing(wanted);
            let name = Name::MISSING;
            return Ident { name, span };
        }
        let ident = Ident {
            name: self.name_here(),
            span: self.span,
        };
        self.next();
        ident
    }

    /// A name as an expression.
    fn name_expr(&mut self, ident: Ident) -> ExprId {
        let kind = ExprKind::Name(ident.name);
        let span = ident.span;
        self.ast.add(Expr { span, kind })
    }

    /// Complains of what is not here.
    #[cold]
    fn expected(&mut self, wanted: &'static str) {
        let is_line_end = self.token == Token::Semicolon && self.span.is_empty();
        let fault = match self.token {
            _ if is_line_end => Fault::LineEnds { wanted },
            found => Fault::Expected { wanted, found },
        };
        self.scanner.errors.push_first(self.span, fault);
    }

    /// Complains of a rule that the source breaks somewhere behind us.
    #[cold]
    fn broken(&mut self, span: Span, rule: &'static str) {
        self.scanner.errors.push(span, Fault::Rule(rule));
    }

    /// Complains of what is not here, and the empty span in which it would stand: before the token at hand, and everything
    /// around reaches up to there.
    #[cold]
    fn missing(&mut self, wanted: &'static str) -> Span {
        self.expected(wanted);
        self.end = self.end.max(self.span.start);
        Span::new(self.span.start, self.span.start)
    }

    /// A bad expression where one is missing.
    #[cold]
    fn missing_expr(&mut self, wanted: &'static str) -> ExprId {
        let span = self.missing(wanted);
        let kind = ExprKind::Bad;
        self.ast.add(Expr { span, kind })
    }

    /// Goes one level deeper, or gives up on the rest of the file where there are too many. The caller comes back with
    /// `nesting -= 1` in both cases.
    #[inline]
    fn deeper(&mut self) {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            self.give_up(Fault::TooDeep);
        }
    }

    /// Counts a link of a chain, or gives up on the rest of the file where there are too many.
    #[inline]
    fn link(&mut self, links: &mut u32) {
        *links += 1;
        if *links > MAX_CHAIN {
            self.give_up(Fault::TooLong);
        }
    }

    /// Goes to the end of the file: every list and block ends there.
    #[cold]
    fn give_up(&mut self, fault: Fault) {
        if self.token != Token::End {
            self.scanner.errors.push_first(self.span, fault);
            self.scanner.skip_to_end();
            self.next();
            // Later complaints would be of what was skipped.
            self.scanner.errors.close();
        }
    }

    /// Reads with literals of named types allowed, or not as in the head of an `if`.
    #[inline]
    fn with_head<R>(&mut self, in_head: bool, read: impl FnOnce(&mut Self) -> R) -> R {
        let outer = std::mem::replace(&mut self.in_head, in_head);
        let result = read(self);
        self.in_head = outer;
        result
    }
}

#[cfg(test)]
mod tests;
