//! The file and its declarations.

use super::Parser;
use super::list::Of;
use crate::syntax::Span;
use crate::syntax::Token;
use crate::syntax::ast::{
    Body, Decl, DeclId, DeclKind, Expr, ExprId, ExprKind, FieldId, Function, Ident, List, Spec,
    SpecId, SpecKind, ValueKind,
};
use crate::syntax::error::Fault;
use crate::syntax::file::Bodies;

impl Parser<'_, '_, '_> {
    /// The whole file: the package's name and the declarations.
    pub(super) fn file(&mut self) -> (Ident, Vec<DeclId>) {
        self.next();
        self.expect(Token::Package, "`package` and the name of the package");
        let package = self.ident("the name of the package");
        self.declaration_ends();
        let mut decls = Vec::new();
        let mut imports_over = false;
        while self.token != Token::End {
            let before = self.span;
            if self.token == Token::Import {
                if imports_over {
                    self.broken(self.span, "imports stand before all other declarations");
                }
            } else {
                imports_over = true;
            }
            let decl = self.declaration();
            decls.push(decl);
            self.declaration_ends();
            if self.span == before {
                self.next();
            }
        }
        (package, decls)
    }

    fn declaration_ends(&mut self) {
        if !self.take(Token::Semicolon) && self.token != Token::End {
            self.expected("`;` or the end of the line behind the declaration");
            self.skip_to_declaration();
        }
    }

    /// A declaration of the file.
    fn declaration(&mut self) -> DeclId {
        match self.token {
            Token::Func => self.function(),
            Token::Import | Token::Const | Token::Var | Token::Type => self.group(),
            _ => {
                let span =
                    self.missing("a declaration: `func`, `type`, `var`, `const` or `import`");
                // What is here is skipped as what follows a declaration is.
                let kind = DeclKind::Bad;
                self.ast.add(Decl { span, kind })
            }
        }
    }

    /// `import`, `const`, `var` or `type`, one or in parentheses.
    pub(super) fn group(&mut self) -> DeclId {
        let start = self.span.start;
        let keyword = self.token;
        self.next();
        let mark = self.specs.len();
        if self.take(Token::LeftParen) {
            let mut iota = 0;
            let mut repeats = None;
            while !matches!(self.token, Token::RightParen | Token::End) {
                let before = self.span;
                let spec = self.spec(keyword, iota, &mut repeats);
                self.specs.push(spec);
                iota += 1;
                if !self.member_ends(Token::RightParen, before) {
                    break;
                }
            }
            self.close(Token::RightParen, "`)` to close the declarations");
        } else {
            let spec = self.spec(keyword, 0, &mut None);
            self.specs.push(spec);
        }
        let specs = self.ast.list_from(&mut self.specs, mark);
        let kind = match keyword {
            Token::Import => DeclKind::Import(specs),
            Token::Const => DeclKind::Const(specs),
            Token::Var => DeclKind::Var(specs),
            _ => DeclKind::Type(specs),
        };
        let span = self.since(start);
        self.ast.add(Decl { span, kind })
    }

    fn spec(&mut self, keyword: Token, iota: u32, repeats: &mut Option<SpecId>) -> SpecId {
        match keyword {
            Token::Import => self.import(),
            Token::Type => self.type_spec(),
            Token::Var => self.var(),
            _ => self.constant(iota, repeats),
        }
    }

    fn spec_since(&mut self, start: u32, kind: SpecKind) -> SpecId {
        let span = self.since(start);
        self.ast.add(Spec { span, kind })
    }

    fn import(&mut self) -> SpecId {
        let start = self.span.start;
        let name = match self.token {
            Token::Name => Some(self.ident("a name")),
            Token::Dot => {
                let span = self.span;
                self.next();
                let name = self.interner.intern(".");
                Some(Ident { name, span })
            }
            _ => None,
        };
        let path = if self.token == Token::String {
            self.string()
        } else {
            self.missing_expr("the path of the imported package, in quotes")
        };
        self.spec_since(start, SpecKind::Import { name, path })
    }

    fn var(&mut self) -> SpecId {
        let start = self.span.start;
        let (names, typ, values) = self.names_and_values();
        if typ.is_none() && values.is_empty() {
            self.broken(self.span, "a variable needs a type or a value");
        }
        let of = ValueKind::Var;
        let kind = SpecKind::Value {
            of,
            names,
            typ,
            values,
        };
        self.spec_since(start, kind)
    }

    fn constant(&mut self, iota: u32, repeats: &mut Option<SpecId>) -> SpecId {
        let start = self.span.start;
        let (names, typ, values) = self.names_and_values();
        let repeats_above = typ.is_none() && values.is_empty();
        let of = ValueKind::Const {
            iota,
            repeats: repeats.filter(|_| repeats_above),
        };
        let kind = SpecKind::Value {
            of,
            names,
            typ,
            values,
        };
        let spec = self.spec_since(start, kind);
        if !repeats_above {
            *repeats = Some(spec);
        }
        spec
    }

    fn names_and_values(&mut self) -> (List<Ident>, Option<ExprId>, List<ExprId>) {
        let first = self.ident("a name");
        let names = self.more_names(first);
        let typ = self.try_type();
        let values = if self.take(Token::Assign) {
            self.expr_list()
        } else {
            List::EMPTY
        };
        (names, typ, values)
    }

    fn type_spec(&mut self) -> SpecId {
        let start = self.span.start;
        let name = self.ident("the name of the type");
        if self.token != Token::LeftBracket {
            return self.type_spec_rest(start, name, List::EMPTY);
        }
        // Type parameters or the length of an array.
        let bracket = self.span.start;
        self.next();
        let length = match self.token {
            Token::RightBracket => None,
            Token::Ellipsis => {
                let dots = self.span.start;
                self.next();
                Some(self.expr_since(dots, ExprKind::Ellipsis(None)))
            }
            Token::Name => {
                let first = self.ident("a type parameter");
                match self.length_or_type_params(first) {
                    Ok(length) => Some(length),
                    Err(type_params) => return self.type_spec_rest(start, name, type_params),
                }
            }
            _ => Some(self.with_head(false, Self::expr)),
        };
        let typ = self.array_rest(bracket, length);
        let kind = SpecKind::Type {
            name,
            type_params: List::EMPTY,
            alias: false,
            typ,
        };
        self.spec_since(start, kind)
    }

    fn type_spec_rest(&mut self, start: u32, name: Ident, type_params: List<FieldId>) -> SpecId {
        let alias = self.take(Token::Assign);
        let typ = self.typ();
        let kind = SpecKind::Type {
            name,
            type_params,
            alias,
            typ,
        };
        self.spec_since(start, kind)
    }

    /// What follows `type T [ name`: the rest of an array's length (`Ok`), or of type parameters up to behind their bracket.
    /// `P *C` and `P (C)` are a product and a call, and so a length, unless the right side can be nothing but a type or a
    /// comma follows.
    fn length_or_type_params(&mut self, name: Ident) -> Result<ExprId, List<FieldId>> {
        if self.token == Token::LeftBracket {
            // No constant can be indexed: `P []T` and its like.
            return Err(self.type_params_from(name, None));
        }
        let outer = std::mem::replace(&mut self.in_head, false);
        let start = name.span.start;
        let operand = self.name_expr(name);
        let operand = self.suffixes(start, operand);
        let expr = self.binary_from(start, operand, 1);
        self.in_head = outer;
        if let ExprKind::Name(_) = self.ast[expr].kind {
            if self.token == Token::RightBracket {
                return Ok(expr);
            }
            return Err(self.type_params_from(name, None));
        }
        let is_forced = self.token == Token::Comma;
        match self.split_constraint(expr, is_forced) {
            Some(constraint) => Err(self.type_params_from(name, Some(constraint))),
            None => Ok(expr),
        }
    }

    /// The constraint in what was read as an expression: `*C` in `P *C`, `(C)` in `P (C)`, `*A | B` in `P *A | B`.
    fn split_constraint(&mut self, expr: ExprId, is_forced: bool) -> Option<ExprId> {
        // Down the left side of the union to the term that has the name.
        let mut unions = Vec::new();
        let mut term = expr;
        let mut is_type = is_forced;
        while let ExprKind::Binary {
            operator: Token::Or,
            left,
            right,
            ..
        } = self.ast[term].kind
        {
            is_type = is_type || self.must_be_type(right);
            unions.push(term);
            term = left;
        }
        let span = self.ast[term].span;
        let (kind, start) = match self.ast[term].kind {
            ExprKind::Binary {
                operator: Token::Star,
                operator_start,
                left,
                right,
            } if self.is_name(left) && (is_type || self.must_be_type(right)) => {
                (ExprKind::Star(right), operator_start)
            }
            ExprKind::Call {
                function,
                args,
                spread: false,
            } if self.is_name(function) => {
                let &[argument] = &self.ast[args] else {
                    return None;
                };
                if !is_type && !self.must_be_type(argument) {
                    return None;
                }
                let name_end = self.ast[function].span.end;
                let mut scanner = super::Scanner::at(self.scanner.source(), name_end as usize);
                (ExprKind::Paren(argument), scanner.next_token().span.start)
            }
            _ => return None,
        };
        *self.ast.expr_mut(term)? = Expr {
            span: Span::new(start, span.end),
            kind,
        };
        for union in unions {
            self.ast.expr_mut(union)?.span.start = start;
        }
        Some(expr)
    }

    fn is_name(&self, expr: ExprId) -> bool {
        matches!(self.ast[expr].kind, ExprKind::Name(_))
    }

    /// Whether an expression can be nothing but a type.
    fn must_be_type(&self, mut expr: ExprId) -> bool {
        loop {
            match self.ast[expr].kind {
                ExprKind::Array { .. }
                | ExprKind::Struct(_)
                | ExprKind::FuncType(_)
                | ExprKind::Interface(_)
                | ExprKind::Map { .. }
                | ExprKind::Chan { .. }
                | ExprKind::Unary {
                    operator: Token::Tilde,
                    ..
                } => return true,
                ExprKind::Paren(inner) => expr = inner,
                // Looking into one side only keeps this a loop; the other side has been looked at as a term of its own, or
                // is no constraint.
                ExprKind::Binary { left, .. } => expr = left,
                _ => return false,
            }
        }
    }

    fn function(&mut self) -> DeclId {
        let start = self.span.start;
        self.next();
        let receiver = (self.token == Token::LeftParen).then(|| self.params(Of::Others));
        let name = self.ident("the name of the function");
        let type_params = if self.token == Token::LeftBracket {
            self.type_params()
        } else {
            List::EMPTY
        };
        let signature = self.signature(start, type_params);
        let body = self.body();
        let span = self.since(start);
        let function = self.ast.add(Function {
            span,
            receiver,
            name,
            signature,
            body,
        });
        let kind = DeclKind::Function(function);
        self.ast.add(Decl { span, kind })
    }

    fn body(&mut self) -> Body {
        if self.token == Token::Semicolon
            && self.span.is_empty()
            && self.scanner.comes(Token::LeftBrace)
        {
            let rule = "the opening brace of a function stands on the line of its signature";
            self.scanner.errors.push_first(self.span, Fault::Rule(rule));
            self.next();
        }
        if self.token != Token::LeftBrace {
            return Body::Absent;
        }
        if self.bodies == Bodies::Skip
            && let Some(span) = self.skip_body()
        {
            return Body::Skipped(span);
        }
        Body::Block(self.block())
    }

    /// Goes behind the brace that closes the one at hand. Where there is none before the next declaration, goes nowhere: then
    /// the body must be read.
    fn skip_body(&mut self) -> Option<Span> {
        let start = self.span.start;
        let end = self.scanner.skip_block()?;
        self.span = Span::new(start, end);
        self.next();
        Some(Span::new(start, end))
    }
}
