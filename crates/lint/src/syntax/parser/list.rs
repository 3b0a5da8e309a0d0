//! Parameters, results and type parameters.

use super::Parser;
use super::types::NamedOrEmbedded;
use crate::syntax::Token;
use crate::syntax::ast::{ExprId, ExprKind, FieldId, Ident, List};

/// What stands between two commas. Whether a lone name is a parameter or a type, the other entries show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) name: Option<Ident>,
    pub(super) typ: Option<ExprId>,
}

/// Which list an entry is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Params,
    /// A receiver or results, where no `...` may stand.
    Others,
    /// Their types are constraints.
    TypeParams,
}

impl Parser<'_, '_, '_> {
    /// Parameters, results or a receiver in parentheses.
    pub(super) fn params(&mut self, of: Of) -> List<FieldId> {
        if self.token != Token::LeftParen {
            self.expected("`(` and the parameters");
            return List::EMPTY;
        }
        self.next();
        let mark = self.params.len();
        let list = self.entries(of, Token::RightParen, mark);
        self.close(Token::RightParen, "`)` to close the parameters");
        list
    }

    /// Type parameters in brackets, which are at hand.
    pub(super) fn type_params(&mut self) -> List<FieldId> {
        let span = self.span;
        self.next();
        let mark = self.params.len();
        let list = self.entries(Of::TypeParams, Token::RightBracket, mark);
        if list.is_empty() {
            self.broken(
                span,
                "an empty list of type parameters; leave the brackets out",
            );
        }
        self.close(Token::RightBracket, "`]` to close the type parameters");
        list
    }

    /// Type parameters from behind the first one's name, or behind the beginning of its constraint, to behind the bracket.
    pub(super) fn type_params_from(
        &mut self,
        name: Ident,
        constraint: Option<ExprId>,
    ) -> List<FieldId> {
        let mark = self.params.len();
        let entry = match constraint {
            Some(typ) => Entry {
                name: Some(name),
                typ: Some(self.constraint_from(typ)),
            },
            None => self.named_entry(Of::TypeParams, name),
        };
        self.params.push(entry);
        let more = self.comma(
            Token::RightBracket,
            "`,` or `]` in the list of type parameters",
        );
        let list = if more {
            self.entries(Of::TypeParams, Token::RightBracket, mark)
        } else {
            self.fields_of(Of::TypeParams, mark)
        };
        self.close(Token::RightBracket, "`]` to close the type parameters");
        list
    }

    /// Entries up to the closing token, made into fields together with those above the mark.
    fn entries(&mut self, of: Of, close: Token, mark: usize) -> List<FieldId> {
        let outer = std::mem::replace(&mut self.in_head, false);
        while self.token != close && self.token != Token::End {
            let before = self.span;
            let entry = self.entry(of);
            self.params.push(entry);
            let wanted = match of {
                Of::Params | Of::Others => "`,` or `)` in the list of parameters",
                Of::TypeParams => "`,` or `]` in the list of type parameters",
            };
            if !self.comma(close, wanted) || self.span == before {
                break;
            }
        }
        self.in_head = outer;
        self.fields_of(of, mark)
    }

    fn entry(&mut self, of: Of) -> Entry {
        if self.token == Token::Name {
            let name = self.ident("a parameter");
            return self.named_entry(of, name);
        }
        let typ = match of {
            _ if self.token == Token::Ellipsis => self.variadic(),
            Of::TypeParams => self.constraint(),
            Of::Params | Of::Others => self.typ(),
        };
        let (name, typ) = (None, Some(typ));
        Entry { name, typ }
    }

    /// An entry that starts with a name.
    fn named_entry(&mut self, of: Of, name: Ident) -> Entry {
        let (name, typ) = match self.token {
            Token::Dot => (None, self.type_name(name)),
            Token::LeftBracket => match self.array_or_instance(name) {
                NamedOrEmbedded::Named(typ) => (Some(name), typ),
                NamedOrEmbedded::Instance(typ) => (None, typ),
            },
            Token::Ellipsis => (Some(name), self.variadic()),
            Token::Tilde if of == Of::TypeParams => (Some(name), self.constraint()),
            Token::Or if of == Of::TypeParams => (None, self.name_expr(name)),
            _ if self.starts_type() => (Some(name), self.typ()),
            _ => {
                let (name, typ) = (Some(name), None);
                return Entry { name, typ };
            }
        };
        let typ = match of {
            Of::TypeParams => self.constraint_from(typ),
            Of::Params | Of::Others => typ,
        };
        let typ = Some(typ);
        Entry { name, typ }
    }

    /// `...T`.
    fn variadic(&mut self) -> ExprId {
        let start = self.span.start;
        self.next();
        let element = self.typ();
        self.expr_since(start, ExprKind::Ellipsis(Some(element)))
    }

    /// Makes fields of the entries above the mark: names without a type share that of the next entry if any entry has both,
    /// else they are types themselves.
    fn fields_of(&mut self, of: Of, mark: usize) -> List<FieldId> {
        let entries = self.params.get(mark..).unwrap_or_default();
        let has_names = entries
            .iter()
            .any(|entry| entry.name.is_some() && entry.typ.is_some());
        let fields = self.fields.len();
        let names = self.idents.len();
        let mut is_mixed = false;
        for index in mark..self.params.len() {
            let Some(&entry) = self.params.get(index) else {
                break;
            };
            match (entry.name, entry.typ) {
                (Some(name), None) if has_names => self.idents.push(name),
                (Some(name), Some(typ)) => {
                    self.idents.push(name);
                    let names = self.ast.list_from(&mut self.idents, names);
                    let field = self.field(names, typ, None);
                    self.fields.push(field);
                }
                (name, typ) => {
                    is_mixed |= has_names;
                    self.names_as_types(names);
                    let typ = typ.or_else(|| name.map(|name| self.name_expr(name)));
                    if let Some(typ) = typ {
                        let field = self.field(List::EMPTY, typ, None);
                        self.fields.push(field);
                    }
                }
            }
        }
        self.params.truncate(mark);
        is_mixed |= self.idents.len() > names;
        self.names_as_types(names);
        let list = self.ast.list_from(&mut self.fields, fields);
        self.check_variadic(of, list);
        if of == Of::TypeParams && !list.is_empty() && (is_mixed || !has_names) {
            self.broken(
                self.span,
                "a type parameter needs a name and a constraint, such as `T any`",
            );
        } else if is_mixed {
            self.broken(self.span, "either all parameters have names or none has");
        }
        list
    }

    /// Makes fields of the names above a mark, which wait in vain for a type.
    fn names_as_types(&mut self, mark: usize) {
        for index in mark..self.idents.len() {
            let Some(&name) = self.idents.get(index) else {
                break;
            };
            let typ = self.name_expr(name);
            let field = self.field(List::EMPTY, typ, None);
            self.fields.push(field);
        }
        self.idents.truncate(mark);
    }

    /// Complains of the first `...` that does not stand with the last parameter and its only name.
    fn check_variadic(&mut self, of: Of, list: List<FieldId>) {
        let is_variadic = |id: &FieldId| {
            let typ = self.ast[*id].typ;
            matches!(self.ast[typ].kind, ExprKind::Ellipsis(_))
        };
        let fields = &self.ast[list];
        let Some(place) = fields.iter().position(is_variadic) else {
            return;
        };
        let Some(field) = fields.get(place).map(|id| self.ast[*id]) else {
            return;
        };
        let is_last = place + 1 == fields.len() && field.names.len() < 2;
        if of != Of::Params || !is_last {
            let span = self.ast[field.typ].span;
            self.broken(span, "`...` stands with the last parameter only");
        }
    }
}
