//! Calls, conversions and predeclared functions.

use crate::syntax::ast::{ExprId, ExprKind, List};

use super::checker::{Checker, Use};
use super::constant::Const;
use super::expr::{Mode, Operand};
use super::generic::default_type;
use super::object::Builtin;
use super::typ::{Basic, Signature, Type, TypeId, TypeList};

/// An argument: its expression, where it has one of its own, and what it is.
type Arg = (Option<ExprId>, Operand);

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        call: ExprId,
        function: ExprId,
        args: List<ExprId>,
        spread: bool,
    ) -> Operand {
        let callee = self.operand(function);
        match callee.mode {
            Mode::Type => return self.conversion(callee.typ, args),
            Mode::Builtin(builtin) => return self.builtin(function, builtin, args, spread),
            Mode::Value | Mode::CommaOk | Mode::Package(_) => {}
        }
        self.effect = true;
        let args = self.args(args);
        let Some(mut signature) = self.signature_of(callee.typ) else {
            return Operand::UNKNOWN;
        };
        if signature.type_params != TypeList::EMPTY {
            signature = self.infer_call(call, function, signature, &args, spread);
        }
        for (place, (expr, operand)) in args.iter().enumerate() {
            if let Some(expr) = expr
                && self.is_generic_value(operand)
            {
                let param = self.param_type(signature, place, spread);
                self.assigned(*expr, operand, param);
            }
        }
        Operand::of_value(self.results_type(signature))
    }

    /// The arguments; one call that gives several values counts as many.
    fn args(&mut self, args: List<ExprId>) -> Vec<Arg> {
        let args = &self.env.ast()[args];
        let operands: Vec<Arg> = args
            .iter()
            .map(|arg| (Some(*arg), self.operand(*arg)))
            .collect();
        if let [(_, only)] = operands.as_slice()
            && let Type::Tuple(list) = self.store.typ(only.typ)
        {
            let parts = self.store.list(list).iter();
            return parts.map(|part| (None, Operand::of_value(*part))).collect();
        }
        operands
    }

    pub(super) fn signature_of(&mut self, typ: TypeId) -> Option<Signature> {
        match self.core(typ) {
            Type::Func(signature) => Some(self.store.signature(signature)),
            _ => None,
        }
    }

    /// What a call with this signature gives.
    pub(super) fn results_type(&mut self, signature: Signature) -> TypeId {
        match self.store.list(signature.results) {
            [] => TypeId::VOID,
            [result] => *result,
            _ => self.store.add(Type::Tuple(signature.results)),
        }
    }

    /// The type that the argument at a place must have.
    fn param_type(&self, signature: Signature, place: usize, spread: bool) -> TypeId {
        let params = self.store.list(signature.params);
        let last = params.len().saturating_sub(1);
        if !signature.variadic || place < last || spread {
            return params.get(place).copied().unwrap_or(TypeId::UNKNOWN);
        }
        match params.last().map(|last| self.store.typ(*last)) {
            Some(Type::Slice(element)) => element,
            _ => TypeId::UNKNOWN,
        }
    }

    fn infer_call(
        &mut self,
        call: ExprId,
        function: ExprId,
        signature: Signature,
        args: &[Arg],
        spread: bool,
    ) -> Signature {
        let _ = call;
        let mut pairs = Vec::with_capacity(args.len());
        let mut generic = Vec::new();
        for (place, (_, operand)) in args.iter().enumerate() {
            let param = self.param_type(signature, place, spread);
            if self.is_generic_value(operand) {
                generic.push((param, operand.typ));
            } else {
                pairs.push((param, operand.typ));
            }
        }
        let given = self.given_args(function);
        let inferred = self.infer(signature, &given, &pairs);
        let instance = self.instantiate_signature(signature, &inferred);
        let id = self.store.add_signature(instance);
        let typ = self.store.add(Type::Func(id));
        self.record_callee(function, typ);
        instance
    }

    /// Keeps the instantiated type of a function expression, also inside parentheses.
    fn record_callee(&mut self, function: ExprId, typ: TypeId) {
        let ast = self.env.ast();
        let mut expr = function;
        self.record_type(expr, typ);
        while let ExprKind::Paren(inner) = ast[expr].kind {
            expr = inner;
            self.record_type(expr, typ);
        }
    }

    /// Explicit type arguments that are fewer than the type parameters.
    fn given_args(&mut self, function: ExprId) -> Vec<TypeId> {
        let ast = self.env.ast();
        match ast[ast.unparen(function)].kind {
            ExprKind::Index { indices, .. } => ast[indices]
                .iter()
                .map(|index| self.resolve_type(*index))
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn is_generic_value(&self, operand: &Operand) -> bool {
        match self.store.typ(operand.typ) {
            Type::Func(signature) => self.store.signature(signature).type_params != TypeList::EMPTY,
            _ => false,
        }
    }

    /// Sees to a value that is assigned to something of a type: a generic function is instantiated by that.
    pub(super) fn assigned(&mut self, expr: ExprId, operand: &Operand, target: TypeId) {
        if !self.is_generic_value(operand) {
            return;
        }
        let (Type::Func(generic), Some(wanted)) =
            (self.store.typ(operand.typ), self.signature_of(target))
        else {
            return;
        };
        let generic = self.store.signature(generic);
        let mut pairs: Vec<(TypeId, TypeId)> = Vec::new();
        for (own, other) in [
            (generic.params, wanted.params),
            (generic.results, wanted.results),
        ] {
            pairs.extend(
                self.store
                    .list(own)
                    .iter()
                    .copied()
                    .zip(self.store.list(other).iter().copied()),
            );
        }
        let given = self.given_args(expr);
        let inferred = self.infer(generic, &given, &pairs);
        let signature = self.instantiate_signature(generic, &inferred);
        let signature = self.store.add_signature(signature);
        let typ = self.store.add(Type::Func(signature));
        self.record_callee(expr, typ);
    }

    fn conversion(&mut self, typ: TypeId, args: List<ExprId>) -> Operand {
        let args = &self.env.ast()[args];
        let mut value = None;
        for arg in args {
            let operand = self.operand(*arg);
            self.assigned(*arg, &operand, typ);
            value = operand.value;
        }
        let is_basic = matches!(self.underlying(typ), Type::Basic(_))
            && !matches!(self.store.typ(typ), Type::TypeParam(_));
        let value = value.filter(|_| is_basic && args.len() == 1);
        let value = value.map(|value| self.convert_constant(&value, typ));
        Operand {
            value,
            ..Operand::of_value(typ)
        }
    }

    // Predeclared functions.

    fn builtin(
        &mut self,
        function: ExprId,
        builtin: Builtin,
        args: List<ExprId>,
        spread: bool,
    ) -> Operand {
        let args = &self.env.ast()[args];
        let _ = (function, spread);
        match builtin {
            Builtin::Make | Builtin::New => return self.make_or_new(builtin, args),
            Builtin::Max | Builtin::Min => return self.max_or_min(args),
            _ => {}
        }
        let outer = std::mem::replace(&mut self.effect, false);
        let operands: Vec<Operand> = args.iter().map(|arg| self.operand(*arg)).collect();
        let effect = self.effect;
        self.effect |= outer;
        let first = operands
            .first()
            .map_or(TypeId::UNKNOWN, |operand| operand.typ);
        let typ = match builtin {
            Builtin::Append => self.appended(first),
            Builtin::Len | Builtin::Cap => {
                let length = self.length(builtin, effect, operands.first());
                self.effect |= length.value.is_none();
                return length;
            }
            Builtin::Copy => TypeId::INT,
            Builtin::Clear
            | Builtin::Close
            | Builtin::Delete
            | Builtin::Panic
            | Builtin::Print
            | Builtin::Println => TypeId::VOID,
            Builtin::Recover => TypeId::ANY,
            Builtin::Complex | Builtin::Real | Builtin::Imag => {
                return self.complex_part(builtin, &operands);
            }
            Builtin::UnsafeAdd => TypeId::basic(Basic::UnsafePointer),
            Builtin::UnsafeSize => {
                return Operand {
                    value: Some(Const::Unknown),
                    ..Operand::of_value(TypeId::basic(Basic::Uintptr))
                };
            }
            Builtin::UnsafeSlice => match self.core(first) {
                Type::Pointer(element) => self.store.add(Type::Slice(element)),
                _ => TypeId::UNKNOWN,
            },
            Builtin::UnsafeSliceData => match self.core(first) {
                Type::Slice(element) => self.pointer(element),
                _ => TypeId::UNKNOWN,
            },
            Builtin::UnsafeString => TypeId::STRING,
            Builtin::UnsafeStringData => self.pointer(TypeId::basic(Basic::Uint8)),
            Builtin::Make | Builtin::New | Builtin::Max | Builtin::Min => TypeId::UNKNOWN,
        };
        self.effect = true;
        Operand::of_value(typ)
    }

    fn appended(&mut self, first: TypeId) -> TypeId {
        match self.store.typ(first) {
            Type::Basic(Basic::UntypedNil) => TypeId::UNKNOWN,
            _ => first,
        }
    }

    /// `new(T)`, and since Go 1.26 `new(x)`; `make(T, n)`.
    fn make_or_new(&mut self, builtin: Builtin, args: &[ExprId]) -> Operand {
        let Some((first, rest)) = args.split_first() else {
            return Operand::UNKNOWN;
        };
        let operand = self.operand(*first);
        for arg in rest {
            self.operand(*arg);
        }
        let typ = match (builtin, operand.mode) {
            (Builtin::Make, Mode::Type) => operand.typ,
            (Builtin::Make, _) => TypeId::UNKNOWN,
            (_, Mode::Type) => self.pointer(operand.typ),
            _ => match self.variable_type(&operand) {
                TypeId::UNKNOWN => TypeId::UNKNOWN,
                typ => self.pointer(typ),
            },
        };
        self.effect = true;
        Operand::of_value(typ)
    }

    fn max_or_min(&mut self, args: &[ExprId]) -> Operand {
        let mut typ = TypeId::UNKNOWN;
        let mut all_constant = true;
        for (place, arg) in args.iter().enumerate() {
            let operand = self.operand(*arg);
            all_constant &= operand.value.is_some();
            typ = match (place, self.store.typ(typ), self.store.typ(operand.typ)) {
                (0, ..) => operand.typ,
                (_, Type::Basic(a), Type::Basic(b)) if a.is_untyped() && b.is_untyped() => {
                    TypeId::basic(a.max(b))
                }
                (_, Type::Basic(a), _) if a.is_untyped() => operand.typ,
                (_, Type::Unknown, Type::Basic(b)) if b.is_untyped() => TypeId::UNKNOWN,
                (_, Type::Unknown, _) => operand.typ,
                _ => typ,
            };
        }
        Operand {
            value: all_constant.then_some(Const::Unknown),
            ..Operand::of_value(typ)
        }
    }

    /// `len` and `cap`: constant for constant strings, and for arrays where nothing is called or received.
    fn length(&mut self, builtin: Builtin, effect: bool, operand: Option<&Operand>) -> Operand {
        let plain = Operand::of_value(TypeId::INT);
        let Some(operand) = operand else {
            return plain;
        };
        let value = match &operand.value {
            Some(Const::Text(text)) if builtin == Builtin::Len => {
                Some(i128::try_from(text.len()).map_or(Const::Unknown, Const::Int))
            }
            Some(_) => Some(Const::Unknown),
            None => {
                let array = match self.underlying(operand.typ) {
                    Type::Pointer(to) => self.underlying(to),
                    other => other,
                };
                match array {
                    Type::Array { length, .. } if !effect => {
                        Some(length.map_or(Const::Unknown, |length| Const::Int(length.into())))
                    }
                    _ => None,
                }
            }
        };
        Operand { value, ..plain }
    }

    fn complex_part(&mut self, builtin: Builtin, operands: &[Operand]) -> Operand {
        let typed = operands
            .iter()
            .find(|operand| !self.is_untyped(operand.typ));
        let constant = operands.iter().all(|operand| operand.value.is_some());
        let value = constant.then_some(Const::Unknown);
        let basic = match typed.map(|operand| self.underlying(operand.typ)) {
            Some(Type::Basic(basic)) => basic,
            Some(_) => {
                return Operand {
                    value,
                    ..Operand::UNKNOWN
                };
            }
            None if constant => Basic::UntypedFloat,
            None => Basic::Float64,
        };
        let result = match (builtin, basic) {
            (Builtin::Complex, Basic::Float32) => Basic::Complex64,
            (Builtin::Complex, Basic::Float64) => Basic::Complex128,
            (Builtin::Complex, Basic::UntypedFloat) => Basic::UntypedComplex,
            (_, Basic::Complex64) => Basic::Float32,
            (_, Basic::Complex128) => Basic::Float64,
            (_, Basic::UntypedFloat) => Basic::UntypedFloat,
            _ => {
                return Operand {
                    value,
                    ..Operand::UNKNOWN
                };
            }
        };
        let typ = TypeId::basic(result);
        let typ = if value.is_some() {
            typ
        } else {
            default_type(typ)
        };
        Operand {
            mode: Mode::Value,
            typ,
            what: Use::None,
            value,
        }
    }
}
