//! Expressions.

use crate::syntax::Name;
use crate::syntax::ast::{BlockId, ExprId, ExprKind, Ident, List, LiteralKind, SignatureId};

use super::checker::{Checker, Use};
use super::constant::Const;
use super::declare::Source;
use super::generic::default_type;
use super::object::{Builtin, ObjectId, ObjectKind, VarKind};
use super::typ::{Basic, Type, TypeId, TypeList};

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) mode: Mode,
    /// The type of the value, or the type that it is.
    pub(super) typ: TypeId,
    pub(super) what: Use,
    /// The value if it is constant.
    pub(super) value: Option<Const>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A value, of an unknown type where it could not be resolved; several where the type is a tuple.
    Value,
    /// A value that can be assigned to two variables: the second tells whether there was one.
    CommaOk,
    Type,
    Package(ObjectId),
    Builtin(Builtin),
}

impl Operand {
    pub(super) const UNKNOWN: Self = Self::of_value(TypeId::UNKNOWN);

    pub(super) const fn of_value(typ: TypeId) -> Self {
        Self {
            mode: Mode::Value,
            typ,
            what: Use::None,
            value: None,
        }
    }

    pub(super) const fn comma_ok(typ: TypeId) -> Self {
        Self {
            mode: Mode::CommaOk,
            typ,
            what: Use::None,
            value: None,
        }
    }

    pub(super) const fn of_type(typ: TypeId, what: Use) -> Self {
        Self {
            mode: Mode::Type,
            typ,
            what,
            value: None,
        }
    }

    pub(super) fn constant(basic: Basic, value: Const) -> Self {
        Self {
            mode: Mode::Value,
            typ: TypeId::basic(basic),
            what: Use::None,
            value: Some(value),
        }
    }
}

impl Checker<'_> {
    /// What an expression is. Its type is the one it has by itself.
    pub(super) fn operand(&mut self, expr: ExprId) -> Operand {
        let operand = self.deeper(Operand::UNKNOWN, |checker| checker.read_operand(expr));
        self.record(expr, &operand);
        operand
    }

    pub(super) fn record(&mut self, expr: ExprId, operand: &Operand) {
        if !self.env.record {
            return;
        }
        let count = self.env.ast().exprs_count();
        if let Some(table) = self.tables.get_mut(self.env.id.index as usize) {
            table.record(
                count,
                expr,
                operand.typ,
                operand.what,
                operand.value.as_ref(),
            );
        }
    }

    /// Keeps that an expression has another type than it has by itself.
    pub(super) fn record_type(&mut self, expr: ExprId, typ: TypeId) {
        if !self.env.record {
            return;
        }
        if let Some(table) = self.tables.get_mut(self.env.id.index as usize) {
            table.set_type(expr, typ);
        }
    }

    pub(super) fn record_definition(&mut self, ident: Ident, object: ObjectId) {
        if !self.env.record {
            return;
        }
        if let Some(table) = self.tables.get_mut(self.env.id.index as usize) {
            table.definitions.insert(ident.span.start, object);
        }
    }

    fn read_operand(&mut self, expr: ExprId) -> Operand {
        match self.env.ast()[expr].kind {
            ExprKind::Bad | ExprKind::KeyValue { .. } | ExprKind::Ellipsis(None) => {
                Operand::UNKNOWN
            }
            ExprKind::Name(name) => self.name(name),
            ExprKind::Literal(kind) => self.literal(expr, kind),
            ExprKind::Composite { typ, elements } => self.composite(typ, elements, TypeId::UNKNOWN),
            ExprKind::Closure { signature, body } => self.closure(signature, body),
            ExprKind::Paren(inner) => self.operand(inner),
            ExprKind::Selector { operand, field } => self.selector(operand, field),
            ExprKind::Index { operand, indices } => self.index(operand, indices),
            ExprKind::Slice {
                operand,
                low,
                high,
                max,
            } => {
                let operand = self.operand(operand);
                for bound in [low, high, max].into_iter().flatten() {
                    self.operand(bound);
                }
                Operand::of_value(self.sliced(&operand))
            }
            ExprKind::Assert { operand, typ } => {
                self.operand(operand);
                let typ = typ.map_or(TypeId::UNKNOWN, |typ| self.resolve_type(typ));
                Operand::comma_ok(typ)
            }
            ExprKind::Call {
                function,
                args,
                spread,
            } => self.call(expr, function, args, spread),
            ExprKind::Star(inner) => self.star(inner),
            ExprKind::Unary { operator, operand } => self.unary(operator, operand),
            ExprKind::Binary { .. } => self.binary(expr),
            ExprKind::Ellipsis(Some(_))
            | ExprKind::Array { .. }
            | ExprKind::Map { .. }
            | ExprKind::Chan { .. }
            | ExprKind::FuncType(_)
            | ExprKind::Struct(_)
            | ExprKind::Interface(_) => Operand::of_type(self.resolve_type(expr), Use::Type),
        }
    }

    /// The type of a single value; of untyped constants the one a variable gets.
    pub(super) fn variable_type(&mut self, operand: &Operand) -> TypeId {
        match operand.mode {
            Mode::Value | Mode::CommaOk => {}
            Mode::Type | Mode::Package(_) | Mode::Builtin(_) => return TypeId::UNKNOWN,
        }
        match self.store.typ(operand.typ) {
            Type::Tuple(_) | Type::Basic(Basic::UntypedNil) => TypeId::UNKNOWN,
            _ => default_type(operand.typ),
        }
    }

    /// The type that the variable at a place of `count` gets from the values on the right.
    pub(super) fn value_type(&mut self, values: &[ExprId], place: usize, count: usize) -> TypeId {
        if values.len() == count {
            let Some(value) = values.get(place) else {
                return TypeId::UNKNOWN;
            };
            let operand = self.operand(*value);
            return self.variable_type(&operand);
        }
        let [value] = values else {
            return TypeId::UNKNOWN;
        };
        let operand = self.operand(*value);
        self.part_type(&operand, place, count)
    }

    /// The type of one of several values that an expression gives.
    pub(super) fn part_type(&mut self, operand: &Operand, place: usize, count: usize) -> TypeId {
        if let Type::Tuple(list) = self.store.typ(operand.typ) {
            let list = self.store.list(list);
            let part = (list.len() == count).then(|| list.get(place)).flatten();
            return part.copied().unwrap_or(TypeId::UNKNOWN);
        }
        match (operand.mode, count, place) {
            (Mode::CommaOk, 2, 0) => self.variable_type(operand),
            (Mode::CommaOk, 2, 1) => TypeId::BOOL,
            _ => TypeId::UNKNOWN,
        }
    }

    // Names.

    fn name(&mut self, name: Name) -> Operand {
        if name.is_blank() {
            return Operand::UNKNOWN;
        }
        match self.resolve(name) {
            Some(object) => self.object_operand(object),
            None => Operand::UNKNOWN,
        }
    }

    pub(super) fn object_operand(&mut self, object: ObjectId) -> Operand {
        let what = Use::Object(object);
        let entity = self.entity(object);
        let is_predeclared = entity.object.file.is_none();
        let value = |typ| Operand {
            mode: Mode::Value,
            typ,
            what,
            value: None,
        };
        match entity.object.kind {
            ObjectKind::Builtin(builtin) => Operand {
                mode: Mode::Builtin(builtin),
                typ: TypeId::UNKNOWN,
                what,
                value: None,
            },
            ObjectKind::Nil => value(TypeId::UNTYPED_NIL),
            ObjectKind::Package(_) => Operand {
                mode: Mode::Package(object),
                ..value(TypeId::UNKNOWN)
            },
            ObjectKind::Const if is_predeclared && entity.object.name == Name::IOTA => {
                let constant = self
                    .env
                    .iota
                    .map_or(Const::Unknown, |iota| Const::Int(iota.into()));
                Operand {
                    what: Use::None,
                    ..Operand::constant(Basic::UntypedInt, constant)
                }
            }
            ObjectKind::Const => {
                let typ = self.resolve_object(object);
                let constant = self.entity(object).constant.clone();
                Operand {
                    value: constant.or(Some(Const::Unknown)),
                    ..value(typ)
                }
            }
            ObjectKind::PredeclaredType | ObjectKind::Type(_) | ObjectKind::TypeParam(_) => {
                Operand::of_type(self.resolve_object(object), what)
            }
            ObjectKind::Var(_) | ObjectKind::Function { .. } => value(self.resolve_object(object)),
        }
    }

    fn literal(&mut self, expr: ExprId, kind: LiteralKind) -> Operand {
        let file = self.env.file;
        let text = || file.text(file.ast[expr].span);
        match kind {
            LiteralKind::Int => Operand::constant(Basic::UntypedInt, Const::of_int(text())),
            LiteralKind::Float => Operand::constant(Basic::UntypedFloat, Const::of_float(text())),
            LiteralKind::Imaginary => Operand::constant(Basic::UntypedComplex, Const::Unknown),
            LiteralKind::Rune => Operand::constant(Basic::UntypedRune, Const::of_rune(text())),
            LiteralKind::String => {
                Operand::constant(Basic::UntypedString, Const::of_string(text()))
            }
        }
    }

    fn closure(&mut self, signature: SignatureId, body: BlockId) -> Operand {
        let read = self.resolve_signature(signature, TypeList::EMPTY);
        if self.env.bodies {
            let mark = self.env.open();
            self.bind_fields(
                self.env.ast()[signature].params,
                read.params,
                VarKind::Param,
            );
            self.bind_fields(
                self.env.ast()[signature].results,
                read.results,
                VarKind::Result,
            );
            self.statements(self.env.ast()[body].stmts);
            self.env.close(mark);
        }
        let signature = self.store.add_signature(read);
        Operand::of_value(self.store.add(Type::Func(signature)))
    }

    // Selectors.

    fn selector(&mut self, operand: ExprId, field: Ident) -> Operand {
        let base = self.operand(operand);
        if let Mode::Package(import) = base.mode {
            return self.package_member(import, field.name);
        }
        if base.typ.is_unknown() || matches!(base.mode, Mode::Builtin(_)) {
            return Operand::UNKNOWN;
        }
        let Some(found) = self.find_selection(base.typ, field.name, self.env.id.package) else {
            return Operand::UNKNOWN;
        };
        let found = match base.mode {
            Mode::Type => self.method_expression(base.typ, found),
            _ => Some(found),
        };
        let Some(found) = found else {
            return Operand::UNKNOWN;
        };
        let typ = self.selection(found).typ;
        Operand {
            what: Use::Selection(found),
            ..Operand::of_value(typ)
        }
    }

    fn package_member(&mut self, import: ObjectId, name: Name) -> Operand {
        let entity = self.entity(import);
        let member = match (entity.source, entity.object.kind) {
            (Source::Unsafe, _) => self.declarations.unsafe_members.get(&name).copied(),
            (_, ObjectKind::Package(Some(package))) if self.is_exported(name) => {
                self.package_object(package, name)
            }
            _ => None,
        };
        member.map_or(Operand::UNKNOWN, |object| self.object_operand(object))
    }

    // Indices.

    fn index(&mut self, operand: ExprId, indices: List<ExprId>) -> Operand {
        let base = self.operand(operand);
        let indices = &self.env.ast()[indices];
        if base.mode == Mode::Type {
            let args: Vec<TypeId> = indices
                .iter()
                .map(|index| self.resolve_type(*index))
                .collect();
            let typ = match base.what {
                Use::Object(object) if self.is_declared_type(object) => {
                    self.instantiate(object, &args)
                }
                _ => TypeId::UNKNOWN,
            };
            return Operand::of_type(typ, Use::Type);
        }
        if let Type::Func(signature) = self.store.typ(base.typ) {
            let signature = self.store.signature(signature);
            if signature.type_params == TypeList::EMPTY {
                return Operand::UNKNOWN;
            }
            let args: Vec<TypeId> = indices
                .iter()
                .map(|index| self.resolve_type(*index))
                .collect();
            let args = self.infer(signature, &args, &[]);
            if args.iter().any(|arg| arg.is_unknown()) {
                // The rest is told by the arguments of the call.
                return base;
            }
            let signature = self.instantiate_signature(signature, &args);
            let signature = self.store.add_signature(signature);
            let typ = self.store.add(Type::Func(signature));
            return Operand {
                what: base.what,
                ..Operand::of_value(typ)
            };
        }
        let core = self.core(base.typ);
        for index in indices {
            let index_operand = self.operand(*index);
            if let Type::Map { key, .. } = core {
                self.assigned(*index, &index_operand, key);
            }
        }
        match core {
            Type::Basic(Basic::String | Basic::UntypedString) => {
                Operand::of_value(TypeId::basic(Basic::Uint8))
            }
            Type::Slice(element) | Type::Array { element, .. } => Operand::of_value(element),
            Type::Pointer(to) => match self.underlying(to) {
                Type::Array { element, .. } => Operand::of_value(element),
                _ => Operand::UNKNOWN,
            },
            Type::Map { value, .. } => Operand::comma_ok(value),
            _ => Operand::UNKNOWN,
        }
    }

    fn sliced(&mut self, operand: &Operand) -> TypeId {
        match self.core(operand.typ) {
            Type::Basic(Basic::UntypedString) => TypeId::STRING,
            Type::Basic(Basic::String) | Type::Slice(_) => operand.typ,
            Type::Array { element, .. } => self.store.add(Type::Slice(element)),
            Type::Pointer(to) => match self.underlying(to) {
                Type::Array { element, .. } => self.store.add(Type::Slice(element)),
                _ => TypeId::UNKNOWN,
            },
            _ => TypeId::UNKNOWN,
        }
    }

    fn star(&mut self, inner: ExprId) -> Operand {
        let operand = self.operand(inner);
        if operand.mode == Mode::Type {
            return Operand::of_type(self.pointer(operand.typ), Use::Type);
        }
        match self.core(operand.typ) {
            Type::Pointer(to) => Operand::of_value(to),
            _ => Operand::UNKNOWN,
        }
    }
}
