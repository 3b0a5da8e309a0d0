//! Expressions.

use super::{Parser, Scanner};
use crate::syntax::ast::{ChanDir, ExprId, ExprKind, List, LiteralKind};
use crate::syntax::{Span, Token};

impl Parser<'_, '_, '_> {
    /// An expression or a type: Go's grammar does not tell one from the other.
    #[inline]
    pub(super) fn expr(&mut self) -> ExprId {
        self.binary(1)
    }

    /// Operators that bind at least that tightly.
    fn binary(&mut self, least: u8) -> ExprId {
        let start = self.span.start;
        let left = self.unary();
        if self.token.precedence() < least {
            return left;
        }
        self.binary_from(start, left, least)
    }

    /// The rest of an operation whose first operand was read.
    pub(super) fn binary_from(&mut self, start: u32, mut left: ExprId, least: u8) -> ExprId {
        let mut links = 0;
        loop {
            let operator = self.token;
            let precedence = operator.precedence();
            if precedence < least.max(1) {
                return left;
            }
            self.link(&mut links);
            let operator_start = self.span.start;
            self.next();
            let right = self.binary(precedence + 1);
            let kind = ExprKind::Binary {
                operator,
                operator_start,
                left,
                right,
            };
            left = self.expr_since(start, kind);
        }
    }

    fn unary(&mut self) -> ExprId {
        let start = self.span.start;
        self.deeper();
        let expr = match self.token {
            operator @ (Token::Plus
            | Token::Minus
            | Token::Not
            | Token::Xor
            | Token::And
            | Token::Tilde) => {
                self.next();
                let operand = self.unary();
                self.expr_since(start, ExprKind::Unary { operator, operand })
            }
            Token::Arrow => self.receive(),
            Token::Star => {
                self.next();
                let operand = self.unary();
                self.expr_since(start, ExprKind::Star(operand))
            }
            _ => {
                let operand = self.operand();
                self.suffixes(start, operand)
            }
        };
        self.nesting -= 1;
        expr
    }

    /// `<-x`, or the type `<-chan T`: the arrow belongs to the type if a channel type is all that follows. In
    /// `<-chan int(c)` a conversion follows, and the arrow receives from it.
    fn receive(&mut self) -> ExprId {
        let start = self.span.start;
        self.next();
        let operand = self.unary();
        if !matches!(self.ast[operand].kind, ExprKind::Chan { .. }) {
            let operator = Token::Arrow;
            return self.expr_since(start, ExprKind::Unary { operator, operand });
        }
        self.point_arrow(start, operand);
        operand
    }

    /// Makes `<-` and the channel type behind it one type. The arrow of `<-chan<- T` belongs to the first `chan`, which
    /// leaves the second arrow to the element, and so on.
    fn point_arrow(&mut self, arrow: u32, chan: ExprId) {
        let (mut arrow, mut chan) = (arrow, chan);
        loop {
            let Some(expr) = self.ast.expr_mut(chan) else {
                return;
            };
            let ExprKind::Chan { direction, element } = expr.kind else {
                let span = Span::new(arrow, arrow + 2);
                self.broken(span, "this arrow needs a channel type behind it");
                return;
            };
            let was = expr.span.start;
            expr.span.start = arrow;
            expr.kind = ExprKind::Chan {
                direction: ChanDir::Receive,
                element,
            };
            match direction {
                ChanDir::Both => return,
                ChanDir::Receive => {
                    let span = Span::new(arrow, arrow + 2);
                    self.broken(span, "two arrows before one channel type");
                    return;
                }
                // The arrow behind `chan` is the next one's.
                ChanDir::Send => {
                    let behind = was as usize + "chan".len();
                    let mut scanner = Scanner::at(self.scanner.source(), behind);
                    arrow = scanner.next_token().span.start;
                    chan = element;
                }
            }
        }
    }

    fn operand(&mut self) -> ExprId {
        let start = self.span.start;
        let kind = match self.token {
            Token::Name => ExprKind::Name(self.name_here()),
            Token::Int => ExprKind::Literal(LiteralKind::Int),
            Token::Float => ExprKind::Literal(LiteralKind::Float),
            Token::Imaginary => ExprKind::Literal(LiteralKind::Imaginary),
            Token::Rune => ExprKind::Literal(LiteralKind::Rune),
            Token::String => ExprKind::Literal(LiteralKind::String),
            Token::LeftParen => {
                self.next();
                let inner = self.with_head(false, Self::expr);
                self.close(Token::RightParen, "`)` to close the parenthesis");
                return self.expr_since(start, ExprKind::Paren(inner));
            }
            Token::Func => return self.function_or_closure(),
            Token::LeftBracket | Token::Struct | Token::Map | Token::Chan | Token::Interface => {
                return self.typ();
            }
            _ => return self.missing_expr("an expression"),
        };
        self.next();
        self.expr_since(start, kind)
    }

    fn function_or_closure(&mut self) -> ExprId {
        let start = self.span.start;
        let signature = self.function_type();
        if self.token != Token::LeftBrace {
            return self.expr_since(start, ExprKind::FuncType(signature));
        }
        let body = self.with_head(false, Self::block);
        self.expr_since(start, ExprKind::Closure { signature, body })
    }

    /// Selectors, indices, calls, assertions and literals behind an operand.
    #[inline]
    pub(super) fn suffixes(&mut self, start: u32, mut operand: ExprId) -> ExprId {
        let mut links = 0;
        loop {
            operand = match self.token {
                Token::Dot => self.selector_or_assertion(start, operand),
                Token::LeftBracket => self.index_or_slice(start, operand),
                Token::LeftParen => self.call(start, operand),
                Token::LeftBrace if self.may_be_literal(operand) => {
                    self.composite(start, Some(operand))
                }
                _ => return operand,
            };
            self.link(&mut links);
        }
    }

    fn selector_or_assertion(&mut self, start: u32, operand: ExprId) -> ExprId {
        self.next();
        if self.token != Token::LeftParen {
            let field = self.ident("a name or `(` after the dot");
            return self.expr_since(start, ExprKind::Selector { operand, field });
        }
        self.next();
        let typ = if self.take(Token::Type) {
            None
        } else {
            Some(self.with_head(false, Self::typ))
        };
        self.close(Token::RightParen, "`)` to close the type assertion");
        self.expr_since(start, ExprKind::Assert { operand, typ })
    }

    fn call(&mut self, start: u32, function: ExprId) -> ExprId {
        self.next();
        let mark = self.exprs.len();
        let outer = std::mem::replace(&mut self.in_head, false);
        let mut spread = false;
        while !matches!(self.token, Token::RightParen | Token::End) {
            let argument = self.expr();
            self.exprs.push(argument);
            if self.token == Token::Ellipsis {
                spread = true;
                self.next();
            }
            if !self.comma(Token::RightParen, "`,` or `)` in the list of arguments") {
                break;
            }
        }
        self.in_head = outer;
        self.close(Token::RightParen, "`)` to close the list of arguments");
        let args = self.ast.list_from(&mut self.exprs, mark);
        let kind = ExprKind::Call {
            function,
            args,
            spread,
        };
        self.expr_since(start, kind)
    }

    fn index_or_slice(&mut self, start: u32, operand: ExprId) -> ExprId {
        self.next();
        let outer = std::mem::replace(&mut self.in_head, false);
        let first = match self.token {
            Token::Colon => None,
            Token::RightBracket => Some(self.missing_expr("an index or a type")),
            _ => Some(self.expr()),
        };
        let kind = match (self.token, first) {
            (Token::Colon, low) => self.slice(operand, low),
            (Token::Comma, Some(first)) => {
                let indices = self.type_args(first);
                ExprKind::Index { operand, indices }
            }
            (_, first) => {
                let indices = first.map_or(List::EMPTY, |first| self.ast.list_of(first));
                ExprKind::Index { operand, indices }
            }
        };
        self.in_head = outer;
        self.close(Token::RightBracket, "`]` to close the index");
        self.expr_since(start, kind)
    }

    /// The indices of a slice from the first colon on.
    fn slice(&mut self, operand: ExprId, low: Option<ExprId>) -> ExprKind {
        let mut parts = [None; 2];
        let mut colons = 0;
        for part in &mut parts {
            if self.token != Token::Colon {
                break;
            }
            self.next();
            colons += 1;
            if !matches!(self.token, Token::Colon | Token::RightBracket | Token::End) {
                *part = Some(self.expr());
            }
        }
        let [high, max] = parts;
        if colons == 2 && (high.is_none() || max.is_none()) {
            self.broken(
                self.span,
                "a slice with two colons needs the second and third index",
            );
        }
        ExprKind::Slice {
            operand,
            low,
            high,
            max,
        }
    }

    /// Whether `{` behind this starts a composite literal. In the head of an `if` it starts the block, but for types that
    /// can be nothing else.
    fn may_be_literal(&self, operand: ExprId) -> bool {
        let is_name = |id: ExprId| match self.ast[id].kind {
            ExprKind::Name(_) => true,
            ExprKind::Selector { operand, .. } => {
                matches!(self.ast[operand].kind, ExprKind::Name(_))
            }
            _ => false,
        };
        match self.ast[operand].kind {
            ExprKind::Array { .. } | ExprKind::Struct(_) | ExprKind::Map { .. } => true,
            ExprKind::Index { operand, .. } => !self.in_head && is_name(operand),
            _ => !self.in_head && is_name(operand),
        }
    }

    /// `{...}` of a composite literal, its type read before or left out.
    fn composite(&mut self, start: u32, typ: Option<ExprId>) -> ExprId {
        self.next();
        let mark = self.exprs.len();
        let outer = std::mem::replace(&mut self.in_head, false);
        while !matches!(self.token, Token::RightBrace | Token::End) {
            let element = self.element();
            self.exprs.push(element);
            if !self.comma(
                Token::RightBrace,
                "`,` or `}` in the composite literal; the last line needs its comma too",
            ) {
                break;
            }
        }
        self.in_head = outer;
        self.close(Token::RightBrace, "`}` to close the composite literal");
        let elements = self.ast.list_from(&mut self.exprs, mark);
        self.expr_since(start, ExprKind::Composite { typ, elements })
    }

    fn element(&mut self) -> ExprId {
        let start = self.span.start;
        let key = self.element_part();
        if self.token != Token::Colon {
            return key;
        }
        self.next();
        let value = self.element_part();
        self.expr_since(start, ExprKind::KeyValue { key, value })
    }

    fn element_part(&mut self) -> ExprId {
        if self.token != Token::LeftBrace {
            return self.expr();
        }
        self.deeper();
        let start = self.span.start;
        let literal = self.composite(start, None);
        self.nesting -= 1;
        literal
    }

    /// Takes the comma between items of a list. Where there is none the list is over: whether rightly, the caller's look at
    /// the closing token shows, but a line's end before it is told here.
    #[inline]
    pub(super) fn comma(&mut self, close: Token, wanted: &'static str) -> bool {
        if self.take(Token::Comma) {
            return true;
        }
        if self.token != close {
            self.expected(wanted);
            // The usual slip: the comma of the last line is missing. The list goes on, or closes, on the next one.
            if self.token == Token::Semicolon && self.span.is_empty() {
                self.next();
                return true;
            }
        }
        false
    }

    /// Expressions between commas, onto the stack.
    #[inline]
    pub(super) fn expr_list(&mut self) -> List<ExprId> {
        let first = self.expr();
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
}
