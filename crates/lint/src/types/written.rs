//! Types as they are written.

use crate::syntax::ast::{self, ExprId, ExprKind, FieldId, List};
use crate::syntax::{Name, Token};

use super::checker::{Checker, Use};
use super::expr::{Mode, Operand};
use super::object::ObjectId;
use super::typ::{Interface, Member, Method, Signature, Term, TermList, Type, TypeId, TypeList};

impl Checker<'_> {
    /// The type that an expression writes; unknown if it writes none.
    pub(super) fn resolve_type(&mut self, expr: ExprId) -> TypeId {
        self.deeper(TypeId::UNKNOWN, |checker| checker.read_type(expr))
    }

    fn read_type(&mut self, expr: ExprId) -> TypeId {
        let ast = self.env.ast();
        let typ = match ast[expr].kind {
            ExprKind::Paren(inner) => self.resolve_type(inner),
            ExprKind::Star(inner) => {
                let inner = self.resolve_type(inner);
                self.pointer(inner)
            }
            ExprKind::Array { length, element } => {
                let length = length.map(|length| self.array_length(length));
                let element = self.resolve_type(element);
                match length {
                    None => self.store.add(Type::Slice(element)),
                    Some(length) => self.store.add(Type::Array { length, element }),
                }
            }
            ExprKind::Map { key, value } => {
                let key = self.resolve_type(key);
                let value = self.resolve_type(value);
                self.store.add(Type::Map { key, value })
            }
            ExprKind::Chan { direction, element } => {
                let element = self.resolve_type(element);
                self.store.add(Type::Chan { direction, element })
            }
            ExprKind::FuncType(signature) => {
                let signature = self.resolve_signature(signature, TypeList::EMPTY);
                let signature = self.store.add_signature(signature);
                self.store.add(Type::Func(signature))
            }
            ExprKind::Struct(fields) => self.struct_type(fields),
            ExprKind::Interface(fields) => self.interface_type(fields),
            // Of the last parameter.
            ExprKind::Ellipsis(Some(element)) => {
                let element = self.resolve_type(element);
                self.store.add(Type::Slice(element))
            }
            _ => {
                let operand = self.operand(expr);
                return match operand.mode {
                    Mode::Type => operand.typ,
                    _ => TypeId::UNKNOWN,
                };
            }
        };
        self.record(expr, &Operand::of_type(typ, Use::Type));
        typ
    }

    pub(super) fn pointer(&mut self, to: TypeId) -> TypeId {
        self.store.add(Type::Pointer(to))
    }

    fn array_length(&mut self, length: ExprId) -> Option<u64> {
        let operand = self.operand(length);
        u64::try_from(operand.value?.int()?).ok()
    }

    /// A signature that is written; its type parameters are declared before.
    pub(super) fn resolve_signature(
        &mut self,
        id: ast::SignatureId,
        type_params: TypeList,
    ) -> Signature {
        let ast = self.env.ast();
        let written = &ast[id];
        let last = ast[written.params].last();
        let variadic =
            last.is_some_and(|field| matches!(ast[ast[*field].typ].kind, ExprKind::Ellipsis(_)));
        let params = self.field_types(written.params);
        let results = self.field_types(written.results);
        Signature {
            type_params,
            params,
            results,
            variadic,
        }
    }

    fn field_types(&mut self, fields: List<FieldId>) -> TypeList {
        let ast = self.env.ast();
        let mut types = Vec::with_capacity(fields.len());
        for field in &ast[fields] {
            let typ = self.resolve_type(ast[*field].typ);
            for _ in 0..ast[*field].names.len().max(1) {
                types.push(typ);
            }
        }
        self.store.add_list(&types)
    }

    fn struct_type(&mut self, fields: List<FieldId>) -> TypeId {
        let ast = self.env.ast();
        let package = self.env.id.package;
        let mut members = Vec::with_capacity(fields.len());
        for field in &ast[fields] {
            let field = &ast[*field];
            let typ = self.resolve_type(field.typ);
            if field.names.is_empty() {
                let name = embedded_name(ast, field.typ);
                members.push(Member {
                    name,
                    package,
                    typ,
                    embedded: true,
                });
            }
            for name in &ast[field.names] {
                members.push(Member {
                    name: name.name,
                    package,
                    typ,
                    embedded: false,
                });
            }
        }
        let fields = self.store.add_fields(&members);
        self.store.add(Type::Struct(fields))
    }

    fn interface_type(&mut self, fields: List<FieldId>) -> TypeId {
        let ast = self.env.ast();
        let package = self.env.id.package;
        let mut interface = Interface::default();
        for field in &ast[fields] {
            let field = &ast[*field];
            match ast[field.names].first() {
                Some(name) => {
                    let typ = self.resolve_type(field.typ);
                    interface.methods.push(Method {
                        name: name.name,
                        package,
                        typ,
                    });
                }
                None => {
                    let terms = self.union(field.typ);
                    interface.embedded.push(terms);
                }
            }
        }
        let interface = self.store.add_interface(interface);
        self.store.add(Type::Interface(interface))
    }

    /// The terms of `~int | string | Other`, of which there may be only one.
    pub(super) fn union(&mut self, written: ExprId) -> TermList {
        let ast = self.env.ast();
        let mut terms = Vec::new();
        let mut rest = Some(written);
        while let Some(expr) = rest.take() {
            let mut term = ast.unparen(expr);
            if let ExprKind::Binary {
                operator: Token::Or,
                left,
                right,
                ..
            } = ast[term].kind
            {
                rest = Some(left);
                term = ast.unparen(right);
            }
            let (tilde, typ) = match ast[term].kind {
                ExprKind::Unary {
                    operator: Token::Tilde,
                    operand,
                } => (true, operand),
                _ => (false, term),
            };
            let typ = self.resolve_type(typ);
            terms.push(Term { tilde, typ });
        }
        terms.reverse();
        self.store.add_terms(&terms)
    }

    /// A generic type with its arguments, or an alias of one.
    pub(super) fn instantiate(&mut self, object: ObjectId, args: &[TypeId]) -> TypeId {
        let typ = self.resolve_object(object);
        let params = self.type_params(object);
        if self.store.list(params).len() != args.len() || args.is_empty() {
            return TypeId::UNKNOWN;
        }
        let args = self.store.add_list(args);
        match self.store.typ(typ) {
            Type::Named { object: own, .. } if own == object => {
                self.store.add(Type::Named { object, args })
            }
            _ => self.substitute(typ, params, args),
        }
    }
}

/// The name of an embedded field: that of its type.
fn embedded_name(ast: &ast::Ast, mut typ: ExprId) -> Name {
    loop {
        typ = match ast[typ].kind {
            ExprKind::Paren(inner) | ExprKind::Star(inner) => inner,
            ExprKind::Index { operand, .. } => operand,
            ExprKind::Selector { field, .. } => return field.name,
            ExprKind::Name(name) => return name,
            _ => return Name::MISSING,
        };
    }
}
