//! Type parameters and their constraints.

use crate::syntax::Name;
use crate::syntax::ast::{ExprId, ExprKind, FieldId, Ident, List, SpecKind};

use super::checker::Checker;
use super::declare::{Source, State};
use super::object::{Object, ObjectId, ObjectKind};
use super::typ::{Interface, Term, Type, TypeId, TypeList};

/// A type parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct ParamInfo {
    /// The type, function or method that declares it.
    owner: ObjectId,
    /// Of one in a receiver: the parameter of the receiver's type that it stands for.
    of_type: Option<(ObjectId, u32)>,
    constraint: Option<TypeId>,
    busy: bool,
}

impl Checker<'_> {
    /// The type parameters that a receiver `*List[T]` names.
    pub(super) fn receiver_params(&mut self, owner: ObjectId, field: FieldId) -> TypeList {
        let ast = self.env.ast();
        let mut typ = ast[field].typ;
        while let ExprKind::Paren(inner) | ExprKind::Star(inner) = ast[typ].kind {
            typ = inner;
        }
        let ExprKind::Index { operand, indices } = ast[typ].kind else {
            return TypeList::EMPTY;
        };
        let ExprKind::Name(base) = ast[ast.unparen(operand)].kind else {
            return TypeList::EMPTY;
        };
        let base = self.package_object(self.env.id.package, base);
        let mut params = Vec::new();
        for (index, name) in (0..).zip(&ast[indices]) {
            let span = ast[*name].span;
            let name = match ast[*name].kind {
                ExprKind::Name(name) => name,
                _ => Name::MISSING,
            };
            let of_type = base.map(|base| (base, index));
            params.push(self.declare_param(owner, field, Ident { name, span }, of_type));
        }
        self.store.add_list(&params)
    }

    fn declare_param(
        &mut self,
        owner: ObjectId,
        field: FieldId,
        ident: Ident,
        of_type: Option<(ObjectId, u32)>,
    ) -> TypeId {
        let object = Object {
            kind: ObjectKind::TypeParam(field),
            name: ident.name,
            file: Some(self.env.id),
            span: ident.span,
        };
        let object = self.add_entity(object, Source::None, State::Done, TypeId::UNKNOWN);
        let info = ParamInfo {
            owner,
            of_type,
            constraint: None,
            busy: false,
        };
        self.declarations.params.insert(object, info);
        let typ = self.store.add(Type::TypeParam(object));
        self.set_type(object, typ);
        self.record_definition(ident, object);
        typ
    }

    pub(super) fn declare_params(&mut self, owner: ObjectId, fields: List<FieldId>) -> TypeList {
        if fields.is_empty() {
            return TypeList::EMPTY;
        }
        let ast = self.env.ast();
        let mut params = Vec::new();
        for field in &ast[fields] {
            for ident in &ast[ast[*field].names] {
                params.push(self.declare_param(owner, *field, *ident, None));
            }
        }
        self.store.add_list(&params)
    }

    /// The type parameters of a declared type or function.
    pub(super) fn type_params(&mut self, object: ObjectId) -> TypeList {
        if let Some(params) = self.declarations.type_params.get(&object) {
            return *params;
        }
        let entity = self.entity(object);
        let params = match (entity.object.kind, entity.object.file) {
            (ObjectKind::Type(spec), Some(file)) => match self.program.file(file).ast[spec].kind {
                SpecKind::Type { type_params, .. } if !type_params.is_empty() => {
                    self.at_file(file, |checker| checker.declare_params(object, type_params))
                }
                _ => TypeList::EMPTY,
            },
            (ObjectKind::Function { .. }, _) => {
                self.function_info(object);
                self.declarations
                    .type_params
                    .get(&object)
                    .copied()
                    .unwrap_or(TypeList::EMPTY)
            }
            _ => TypeList::EMPTY,
        };
        self.declarations.type_params.insert(object, params);
        params
    }

    pub(super) fn set_type_params(&mut self, object: ObjectId, params: TypeList) {
        self.declarations.type_params.insert(object, params);
    }

    /// Declares type parameters in the scope at hand.
    pub(super) fn bind_params(&mut self, params: TypeList) {
        let count = self.store.list(params).len();
        for place in 0..count {
            if let Some(Type::TypeParam(object)) = self
                .store
                .list(params)
                .get(place)
                .map(|id| self.store.typ(*id))
            {
                let name = self.entity(object).object.name;
                self.env.bind(name, object);
            }
        }
    }

    /// The constraint of a type parameter, an interface.
    pub(super) fn constraint(&mut self, param: ObjectId) -> TypeId {
        let Some(info) = self.declarations.params.get_mut(&param) else {
            return TypeId::UNKNOWN;
        };
        if let Some(constraint) = info.constraint {
            return constraint;
        }
        if std::mem::replace(&mut info.busy, true) {
            return TypeId::UNKNOWN;
        }
        let info = *info;
        let constraint = self.deeper(TypeId::UNKNOWN, |checker| {
            checker.read_constraint(param, info)
        });
        if let Some(info) = self.declarations.params.get_mut(&param) {
            info.constraint = Some(constraint);
        }
        constraint
    }

    fn read_constraint(&mut self, param: ObjectId, info: ParamInfo) -> TypeId {
        if let Some((base, index)) = info.of_type {
            // That of the type's own parameter, in terms of those of the receiver.
            let params = self.type_params(base);
            let args = self.function_info(info.owner).receiver_params;
            let Some(own) = self.store.list(params).get(index as usize) else {
                return TypeId::UNKNOWN;
            };
            let Type::TypeParam(own) = self.store.typ(*own) else {
                return TypeId::UNKNOWN;
            };
            let constraint = self.constraint(own);
            return self.substitute(constraint, params, args);
        }
        let object = self.entity(param).object;
        let (ObjectKind::TypeParam(field), Some(file)) = (object.kind, object.file) else {
            return TypeId::UNKNOWN;
        };
        let (receiver_params, own) = match self.object_kind(info.owner) {
            ObjectKind::Function { .. } => {
                let receiver_params = self.function_info(info.owner).receiver_params;
                (receiver_params, self.type_params(info.owner))
            }
            _ => (TypeList::EMPTY, self.type_params(info.owner)),
        };
        self.at_file(file, |checker| {
            checker.bind_params(receiver_params);
            checker.bind_params(own);
            let written = checker.env.ast()[field].typ;
            checker.constraint_type(written)
        })
    }

    /// What is written as a constraint, as an interface.
    fn constraint_type(&mut self, written: ExprId) -> TypeId {
        let ast = self.env.ast();
        let is_union = matches!(
            ast[ast.unparen(written)].kind,
            ExprKind::Binary { .. } | ExprKind::Unary { .. }
        );
        let terms = if is_union {
            self.union(written)
        } else {
            let typ = self.resolve_type(written);
            let under = self.under(typ);
            if matches!(self.store.typ(under), Type::Interface(_) | Type::Unknown) {
                return typ;
            }
            self.store.add_terms(&[Term { tilde: false, typ }])
        };
        let interface = Interface {
            methods: Vec::new(),
            embedded: vec![terms],
        };
        let interface = self.store.add_interface(interface);
        self.store.add(Type::Interface(interface))
    }
}
