//! Types.

use super::Parser;
use super::list::Of;
use crate::syntax::ast::{
    ChanDir, ExprId, ExprKind, Field, FieldId, Ident, List, Signature, SignatureId,
};
use crate::syntax::{Span, Token};

/// What `name [ ... ]` turns out to be where a field or parameter may stand.
pub(super) enum NamedOrEmbedded {
    /// `name [n]T`, `name []T`: a name and its array or slice type.
    Named(ExprId),
    /// `Name[T, U]`: a generic type.
    Instance(ExprId),
}

impl Parser<'_, '_, '_> {
    /// A type.
    pub(super) fn typ(&mut self) -> ExprId {
        match self.try_type() {
            Some(typ) => typ,
            None => self.missing_expr("a type"),
        }
    }

    /// Whether the token at hand can start a type.
    pub(super) fn starts_type(&self) -> bool {
        matches!(
            self.token,
            Token::Name
                | Token::LeftBracket
                | Token::Struct
                | Token::Star
                | Token::Func
                | Token::Interface
                | Token::Map
                | Token::Chan
                | Token::Arrow
                | Token::LeftParen
        )
    }

    /// A type, if the token at hand starts one.
    pub(super) fn try_type(&mut self) -> Option<ExprId> {
        if !self.starts_type() {
            return None;
        }
        self.deeper();
        let start = self.span.start;
        let typ = match self.token {
            Token::Name => {
                let first = self.ident("a type");
                self.type_name(first)
            }
            Token::LeftBracket => self.array_type(),
            Token::Struct => self.struct_type(),
            Token::Star => {
                self.next();
                let base = self.typ();
                self.expr_since(start, ExprKind::Star(base))
            }
            Token::Func => {
                let signature = self.function_type();
                self.expr_since(start, ExprKind::FuncType(signature))
            }
            Token::Interface => self.interface_type(),
            Token::Map => self.map_type(),
            Token::Chan | Token::Arrow => self.chan_type(),
            // `starts_type` leaves only the parenthesis.
            _ => {
                self.next();
                let inner = self.typ();
                self.close(Token::RightParen, "`)` to close the parenthesis");
                self.expr_since(start, ExprKind::Paren(inner))
            }
        };
        self.nesting -= 1;
        Some(typ)
    }

    /// `T`, `pkg.T`, `T[int]`, from its first name on.
    pub(super) fn type_name(&mut self, first: Ident) -> ExprId {
        let start = first.span.start;
        let mut typ = self.name_expr(first);
        if self.take(Token::Dot) {
            let field = self.ident("the name of a type after the dot");
            typ = self.expr_since(
                start,
                ExprKind::Selector {
                    operand: typ,
                    field,
                },
            );
        }
        if self.token == Token::LeftBracket {
            typ = self.instance(start, typ);
        }
        typ
    }

    /// Type arguments behind a type, from the bracket on.
    fn instance(&mut self, start: u32, operand: ExprId) -> ExprId {
        self.next();
        let outer = std::mem::replace(&mut self.in_head, false);
        let first = self.typ();
        let indices = self.type_args(first);
        self.in_head = outer;
        self.close(Token::RightBracket, "`]` to close the type arguments");
        self.expr_since(start, ExprKind::Index { operand, indices })
    }

    /// Type arguments from behind the first one up to, not including, the bracket.
    pub(super) fn type_args(&mut self, first: ExprId) -> List<ExprId> {
        let mark = self.exprs.len();
        self.exprs.push(first);
        while self.take(Token::Comma) {
            if matches!(self.token, Token::RightBracket | Token::End) {
                break;
            }
            let argument = self.typ();
            self.exprs.push(argument);
        }
        self.ast.list_from(&mut self.exprs, mark)
    }

    /// `[]T`, `[n]T`, `[...]T`.
    fn array_type(&mut self) -> ExprId {
        let start = self.span.start;
        self.next();
        let length = match self.token {
            Token::RightBracket => None,
            Token::Ellipsis => {
                let dots = self.span.start;
                self.next();
                Some(self.expr_since(dots, ExprKind::Ellipsis(None)))
            }
            _ => Some(self.with_head(false, Self::expr)),
        };
        self.array_rest(start, length)
    }

    /// `]T` behind the length of an array.
    pub(super) fn array_rest(&mut self, start: u32, length: Option<ExprId>) -> ExprId {
        self.expect(Token::RightBracket, "`]` behind the length of the array");
        let element = self.typ();
        self.expr_since(start, ExprKind::Array { length, element })
    }

    fn map_type(&mut self) -> ExprId {
        let start = self.span.start;
        self.next();
        self.expect(Token::LeftBracket, "`[` and the type of the keys");
        let key = self.with_head(false, Self::typ);
        self.expect(Token::RightBracket, "`]` behind the type of the keys");
        let value = self.typ();
        self.expr_since(start, ExprKind::Map { key, value })
    }

    fn chan_type(&mut self) -> ExprId {
        let start = self.span.start;
        let mut direction = ChanDir::Both;
        if self.take(Token::Arrow) {
            direction = ChanDir::Receive;
            self.expect(Token::Chan, "`chan` behind `<-` in a type");
        } else {
            self.next();
            if self.take(Token::Arrow) {
                direction = ChanDir::Send;
            }
        }
        let element = self.typ();
        self.expr_since(start, ExprKind::Chan { direction, element })
    }

    /// `func(...) ...`, from `func` on.
    pub(super) fn function_type(&mut self) -> SignatureId {
        let start = self.span.start;
        self.next();
        if self.token == Token::LeftBracket {
            let span = self.span;
            self.type_params();
            self.broken(
                span,
                "only declared functions and methods may have type parameters",
            );
        }
        self.signature(start, List::EMPTY)
    }

    /// Parameters and results.
    pub(super) fn signature(&mut self, start: u32, type_params: List<FieldId>) -> SignatureId {
        let params = self.params(Of::Params);
        let results = self.results();
        let span = self.since(start);
        self.ast.add(Signature {
            span,
            type_params,
            params,
            results,
        })
    }

    fn results(&mut self) -> List<FieldId> {
        if self.token == Token::LeftParen {
            return self.params(Of::Others);
        }
        match self.try_type() {
            Some(typ) => {
                let field = self.field(List::EMPTY, typ, None);
                self.ast.list_of(field)
            }
            None => List::EMPTY,
        }
    }

    /// Adds a field.
    pub(super) fn field(
        &mut self,
        names: List<Ident>,
        typ: ExprId,
        tag: Option<ExprId>,
    ) -> FieldId {
        let mut span = self.ast[typ].span;
        if let Some(first) = self.ast[names].first() {
            span = first.span.to(span);
        }
        if let Some(tag) = tag {
            span = span.to(self.ast[tag].span);
        }
        self.ast.add(Field {
            span,
            names,
            typ,
            tag,
        })
    }

    fn struct_type(&mut self) -> ExprId {
        let start = self.span.start;
        self.next();
        self.expect(Token::LeftBrace, "`{` and the fields of the struct");
        let mark = self.fields.len();
        while !matches!(self.token, Token::RightBrace | Token::End) {
            let before = self.span;
            let field = self.struct_field();
            self.fields.push(field);
            if !self.member_ends(Token::RightBrace, before) {
                break;
            }
        }
        let fields = self.ast.list_from(&mut self.fields, mark);
        self.close(Token::RightBrace, "`}` to close the struct");
        self.expr_since(start, ExprKind::Struct(fields))
    }

    fn struct_field(&mut self) -> FieldId {
        let start = self.span.start;
        let mut names = List::EMPTY;
        let typ = match self.token {
            Token::Name => {
                let first = self.ident("a field");
                match self.token {
                    Token::Dot | Token::String | Token::Semicolon | Token::RightBrace => {
                        self.type_name(first)
                    }
                    Token::LeftBracket => match self.array_or_instance(first) {
                        NamedOrEmbedded::Named(typ) => {
                            names = self.ast.list_of(first);
                            typ
                        }
                        NamedOrEmbedded::Instance(typ) => typ,
                    },
                    _ => {
                        names = self.more_names(first);
                        self.typ()
                    }
                }
            }
            Token::Star => {
                self.next();
                let base = self.ident("the name of the embedded type");
                let base = self.type_name(base);
                self.expr_since(start, ExprKind::Star(base))
            }
            _ => {
                if self.token == Token::LeftParen {
                    self.broken(self.span, "an embedded type stands without parentheses");
                    self.typ()
                } else {
                    self.missing_expr("the name of a field or an embedded type")
                }
            }
        };
        let tag = (self.token == Token::String).then(|| self.string());
        self.field(names, typ, tag)
    }

    /// Further names behind the first one, with commas between.
    pub(super) fn more_names(&mut self, first: Ident) -> List<Ident> {
        if self.token != Token::Comma {
            return self.ast.list_of(first);
        }
        let mark = self.idents.len();
        self.idents.push(first);
        while self.take(Token::Comma) {
            let name = self.ident("a name");
            self.idents.push(name);
        }
        self.ast.list_from(&mut self.idents, mark)
    }

    /// What `name [` starts. What stands in the brackets does not tell, only whether a type follows them.
    pub(super) fn array_or_instance(&mut self, name: Ident) -> NamedOrEmbedded {
        let bracket = self.span.start;
        self.next();
        if self.token == Token::RightBracket {
            return NamedOrEmbedded::Named(self.array_rest(bracket, None));
        }
        let outer = std::mem::replace(&mut self.in_head, false);
        let first = self.expr();
        let is_one = self.token != Token::Comma;
        let indices = self.type_args(first);
        self.in_head = outer;
        self.expect(
            Token::RightBracket,
            "`]` behind the length or the type arguments",
        );
        if is_one && let Some(element) = self.try_type() {
            let length = Some(first);
            let typ = self.expr_since(bracket, ExprKind::Array { length, element });
            return NamedOrEmbedded::Named(typ);
        }
        let operand = self.name_expr(name);
        let kind = ExprKind::Index { operand, indices };
        NamedOrEmbedded::Instance(self.expr_since(name.span.start, kind))
    }

    fn interface_type(&mut self) -> ExprId {
        let start = self.span.start;
        self.next();
        self.expect(Token::LeftBrace, "`{` and the methods of the interface");
        let mark = self.fields.len();
        while !matches!(self.token, Token::RightBrace | Token::End) {
            let before = self.span;
            let element = self.interface_element();
            self.fields.push(element);
            if !self.member_ends(Token::RightBrace, before) {
                break;
            }
        }
        let elements = self.ast.list_from(&mut self.fields, mark);
        self.close(Token::RightBrace, "`}` to close the interface");
        self.expr_since(start, ExprKind::Interface(elements))
    }

    fn interface_element(&mut self) -> FieldId {
        if self.token != Token::Name {
            let typ = self.constraint();
            return self.field(List::EMPTY, typ, None);
        }
        let name = self.ident("a method or type");
        if self.token == Token::LeftParen {
            let start = self.span.start;
            let signature = self.signature(start, List::EMPTY);
            let typ = self.expr_since(start, ExprKind::FuncType(signature));
            let names = self.ast.list_of(name);
            return self.field(names, typ, None);
        }
        let typ = self.type_name(name);
        let typ = self.constraint_from(typ);
        self.field(List::EMPTY, typ, None)
    }

    /// `~int | string`: a constraint, or the embedded part of an interface.
    pub(super) fn constraint(&mut self) -> ExprId {
        let first = self.constraint_term();
        self.constraint_from(first)
    }

    /// The rest of a constraint whose first term was read.
    pub(super) fn constraint_from(&mut self, mut left: ExprId) -> ExprId {
        let mut links = 0;
        let start = self.ast[left].span.start;
        while self.token == Token::Or {
            self.link(&mut links);
            let operator_start = self.span.start;
            self.next();
            let right = self.constraint_term();
            let kind = ExprKind::Binary {
                operator: Token::Or,
                operator_start,
                left,
                right,
            };
            left = self.expr_since(start, kind);
        }
        left
    }

    fn constraint_term(&mut self) -> ExprId {
        let start = self.span.start;
        if !self.take(Token::Tilde) {
            return self.typ();
        }
        let operand = self.typ();
        let operator = Token::Tilde;
        self.expr_since(start, ExprKind::Unary { operator, operand })
    }

    /// A string literal, which is at hand.
    pub(super) fn string(&mut self) -> ExprId {
        let start = self.span.start;
        self.next();
        self.expr_since(
            start,
            ExprKind::Literal(crate::syntax::ast::LiteralKind::String),
        )
    }

    /// The end of a field, method or spec in braces or parentheses: takes the semicolon, or goes to the next line. Whether
    /// there may be more.
    pub(super) fn member_ends(&mut self, close: Token, before: Span) -> bool {
        match self.token {
            Token::Semicolon => self.next(),
            token if token == close || token == Token::End => {}
            _ => {
                self.expected("`;` or the end of the line");
                if self.at_declaration() {
                    return false;
                }
                self.skip_line(before);
            }
        }
        true
    }
}
