//! What bodies declare: parameters, variables, constants and types.

use crate::syntax::ast::{
    DeclId, DeclKind, ExprId, ExprKind, FieldId, Ident, List, SpecId, SpecKind, ValueKind,
};

use super::checker::{Checker, Use};
use super::constant::Const;
use super::declare::{Source, State};
use super::expr::Operand;
use super::object::{Object, ObjectId, ObjectKind, VarKind};
use super::store::Underlying;
use super::typ::{Type, TypeId, TypeList};

impl Checker<'_> {
    fn declare_local(&mut self, ident: Ident, kind: ObjectKind, typ: TypeId) -> ObjectId {
        let object = Object {
            kind,
            name: ident.name,
            file: Some(self.env.id),
            span: ident.span,
        };
        let object = self.add_entity(object, Source::None, State::Done, typ);
        self.env.bind(ident.name, object);
        self.record_definition(ident, object);
        object
    }

    fn declare_variable(&mut self, ident: Ident, typ: TypeId) -> ObjectId {
        self.declare_local(ident, ObjectKind::Var(VarKind::Local), typ)
    }

    /// Declares receiver, parameters or results, whose types are known.
    pub(super) fn bind_fields(&mut self, fields: List<FieldId>, types: TypeList, kind: VarKind) {
        let ast = self.env.ast();
        let mut place = 0;
        for field in &ast[fields] {
            let names = &ast[ast[*field].names];
            if names.is_empty() {
                place += 1;
            }
            for ident in names {
                let typ = self
                    .store
                    .list(types)
                    .get(place)
                    .copied()
                    .unwrap_or(TypeId::UNKNOWN);
                self.declare_local(*ident, ObjectKind::Var(kind), typ);
                place += 1;
            }
        }
    }

    pub(super) fn assign(&mut self, left: &[ExprId], right: &[ExprId]) {
        let targets: Vec<Operand> = left.iter().map(|expr| self.operand(*expr)).collect();
        for (place, expr) in right.iter().enumerate() {
            let operand = self.operand(*expr);
            if left.len() == right.len()
                && let Some(target) = targets.get(place)
            {
                self.assigned(*expr, &operand, target.typ);
            }
        }
    }

    /// `a, b := x, y`: those that are declared in this scope already are assigned to.
    pub(super) fn define(&mut self, left: &[ExprId], right: &[ExprId]) {
        let operands: Vec<Operand> = right.iter().map(|expr| self.operand(*expr)).collect();
        let mut types = Vec::with_capacity(left.len());
        for place in 0..left.len() {
            let typ = match operands.as_slice() {
                all if all.len() == left.len() => all
                    .get(place)
                    .map_or(TypeId::UNKNOWN, |operand| self.variable_type(operand)),
                [only] => self.part_type(only, place, left.len()),
                _ => TypeId::UNKNOWN,
            };
            types.push(typ);
        }
        for (expr, typ) in left.iter().zip(types) {
            self.define_one(*expr, typ);
        }
    }

    /// A name on the left of `:=`.
    pub(super) fn define_one(&mut self, expr: ExprId, typ: TypeId) {
        let ast = self.env.ast();
        let ExprKind::Name(name) = ast[ast.unparen(expr)].kind else {
            self.operand(expr);
            return;
        };
        let (object, typ) = match self.env.find_here(name) {
            Some(object) => (object, self.entity(object).typ),
            None => (
                self.declare_variable(
                    Ident {
                        name,
                        span: ast[expr].span,
                    },
                    typ,
                ),
                typ,
            ),
        };
        self.record(
            expr,
            &Operand {
                what: Use::Object(object),
                ..Operand::of_value(typ)
            },
        );
    }

    pub(super) fn local_declaration(&mut self, decl: DeclId) {
        let ast = self.env.ast();
        match ast[decl].kind {
            DeclKind::Bad | DeclKind::Import(_) | DeclKind::Function(_) => {}
            DeclKind::Const(specs) | DeclKind::Var(specs) | DeclKind::Type(specs) => {
                for spec in &ast[specs] {
                    match ast[*spec].kind {
                        SpecKind::Import { .. } => {}
                        SpecKind::Value {
                            of: ValueKind::Var, ..
                        } => self.local_variables(*spec),
                        SpecKind::Value { .. } => self.local_constants(*spec),
                        SpecKind::Type { .. } => self.local_type(*spec),
                    }
                }
            }
        }
    }

    fn local_variables(&mut self, spec: SpecId) {
        let ast = self.env.ast();
        let SpecKind::Value {
            names, typ, values, ..
        } = ast[spec].kind
        else {
            return;
        };
        let names = &ast[names];
        let written = typ.map(|typ| self.resolve_type(typ));
        let operands: Vec<Operand> = ast[values].iter().map(|expr| self.operand(*expr)).collect();
        if let Some(written) = written {
            for (expr, operand) in ast[values].iter().zip(&operands) {
                self.assigned(*expr, operand, written);
            }
        }
        let mut types = Vec::with_capacity(names.len());
        for place in 0..names.len() {
            let typ = match (written, operands.as_slice()) {
                (Some(written), _) => written,
                (None, all) if all.len() == names.len() => all
                    .get(place)
                    .map_or(TypeId::UNKNOWN, |operand| self.variable_type(operand)),
                (None, [only]) => self.part_type(only, place, names.len()),
                (None, _) => TypeId::UNKNOWN,
            };
            types.push(typ);
        }
        for (ident, typ) in names.iter().zip(types) {
            self.declare_variable(*ident, typ);
        }
    }

    fn local_constants(&mut self, spec: SpecId) {
        let ast = self.env.ast();
        let SpecKind::Value { names, .. } = ast[spec].kind else {
            return;
        };
        let mut found: Vec<(Ident, TypeId, Option<Const>)> = Vec::new();
        for (place, ident) in (0..).zip(&ast[names]) {
            let (typ, constant) = self.declared_constant(spec, place);
            found.push((*ident, typ, constant));
        }
        for (ident, typ, constant) in found {
            let object = self.declare_local(ident, ObjectKind::Const, typ);
            self.set_constant(object, constant);
        }
    }

    fn local_type(&mut self, spec: SpecId) {
        let ast = self.env.ast();
        let SpecKind::Type {
            name,
            type_params,
            alias,
            typ,
        } = ast[spec].kind
        else {
            return;
        };
        if alias {
            let typ = self.resolve_type(typ);
            self.declare_local(name, ObjectKind::Type(spec), typ);
            return;
        }
        let object = self.declare_local(name, ObjectKind::Type(spec), TypeId::UNKNOWN);
        let params = self.declare_local_params(object, type_params);
        let named = self.store.add(Type::Named {
            object,
            args: params,
        });
        self.set_type(object, named);
        self.store.set_underlying(named, Underlying::Busy);
        let mark = self.env.open();
        self.bind_params(params);
        let written = self.resolve_type(typ);
        self.env.close(mark);
        let under = self.under(written);
        self.store.set_underlying(named, Underlying::Known(under));
    }

    fn declare_local_params(&mut self, object: ObjectId, fields: List<FieldId>) -> TypeList {
        let params = self.declare_params(object, fields);
        self.set_type_params(object, params);
        params
    }
}
