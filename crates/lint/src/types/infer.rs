//! Which type arguments the arguments of a call tell.

use super::checker::Checker;
use super::generic::default_type;
use super::typ::{Signature, Type, TypeId, TypeList};

/// Rounds in which arguments and constraints fix type parameters; each fixes one at least, and no function has so many.
const MAX_ROUNDS: u32 = 16;

/// How strictly two types must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    /// They are the same.
    Exact,
    /// The second can be assigned to the first, or has it as its underlying type.
    Loose,
}

impl Checker<'_> {
    /// The type arguments of a call of a generic function: those given, and those that the arguments' types tell. Unknown where
    /// nothing tells. `args` has the type of a parameter and of its argument; untyped constants count only where nothing else does.
    pub(super) fn infer(
        &mut self,
        signature: Signature,
        given: &[TypeId],
        args: &[(TypeId, TypeId)],
    ) -> Vec<TypeId> {
        let params = self.store.list(signature.type_params).to_vec();
        let mut bound: Vec<Option<TypeId>> = params
            .iter()
            .enumerate()
            .map(|(place, _)| given.get(place).copied())
            .collect();
        let mut inference = Inference {
            params: &params,
            bound: &mut bound,
        };
        for (param, arg) in args {
            if !self.is_untyped(*arg) && self.store.has_params(*param) {
                self.unify(&mut inference, *param, *arg, Match::Loose);
            }
        }
        self.infer_from_constraints(&mut inference);
        self.infer_from_constants(&mut inference, args);
        self.infer_from_constraints(&mut inference);
        bound
            .into_iter()
            .map(|typ| typ.unwrap_or(TypeId::UNKNOWN))
            .collect()
    }

    /// Whether some arguments of type parameters make the first type of each pair the second.
    pub(super) fn can_match(&mut self, params: TypeList, pairs: &[(TypeId, TypeId)]) -> bool {
        let params = self.store.list(params).to_vec();
        let mut bound = vec![None; params.len()];
        let mut inference = Inference {
            params: &params,
            bound: &mut bound,
        };
        pairs
            .iter()
            .all(|(typ, wanted)| self.unify(&mut inference, *typ, *wanted, Match::Exact))
    }

    pub(super) fn is_untyped(&self, id: TypeId) -> bool {
        matches!(self.store.typ(id), Type::Basic(basic) if basic.is_untyped())
    }

    /// Parameters that stand alone take the type that their untyped constants have by default, the widest of them.
    fn infer_from_constants(&mut self, inference: &mut Inference<'_>, args: &[(TypeId, TypeId)]) {
        for place in 0..inference.params.len() {
            let (Some(param), Some(None)) =
                (inference.params.get(place), inference.bound.get(place))
            else {
                continue;
            };
            let constants = args
                .iter()
                .filter(|(typ, arg)| typ == param && self.is_untyped(*arg));
            let kinds = constants.filter_map(|(_, arg)| match self.store.typ(*arg) {
                Type::Basic(super::Basic::UntypedNil) => None,
                Type::Basic(basic) => Some(basic),
                _ => None,
            });
            let widest = kinds.max();
            if let (Some(widest), Some(slot)) = (widest, inference.bound.get_mut(place)) {
                *slot = Some(default_type(TypeId::basic(widest)));
            }
        }
    }

    fn infer_from_constraints(&mut self, inference: &mut Inference<'_>) {
        for _ in 0..MAX_ROUNDS {
            let before = inference.count();
            for place in 0..inference.params.len() {
                self.infer_from_constraint(inference, place);
            }
            if inference.count() == before || inference.count() == inference.params.len() {
                return;
            }
        }
    }

    fn infer_from_constraint(&mut self, inference: &mut Inference<'_>, place: usize) {
        let Some(param) = inference.params.get(place).copied() else {
            return;
        };
        let Type::TypeParam(object) = self.store.typ(param) else {
            return;
        };
        let constraint = self.constraint(object);
        let bound = inference.bound.get(place).copied().flatten();
        let single = self.single_term(constraint);
        match (single, bound) {
            (Some(term), Some(bound)) => {
                // A type that is bound is the core type or, with a tilde, has it underneath.
                if self.store.has_params(term.typ) {
                    self.unify(inference, term.typ, bound, Match::Loose);
                }
            }
            (Some(term), None) => {
                if let Some(typ) = self.complete(inference, term.typ)
                    && let Some(slot) = inference.bound.get_mut(place)
                {
                    *slot = Some(typ);
                }
            }
            (None, Some(bound)) => self.infer_from_methods(inference, constraint, bound),
            (None, None) => {}
        }
    }

    /// The methods that a constraint demands, against those that the type argument has.
    fn infer_from_methods(
        &mut self,
        inference: &mut Inference<'_>,
        constraint: TypeId,
        bound: TypeId,
    ) {
        if !self.store.has_params(constraint) {
            return;
        }
        let methods = self.interface_methods(constraint);
        for method in methods.iter() {
            if let Some(found) = self.find(bound, method.name, method.package) {
                let typ = self.selection(found).typ;
                self.unify(inference, method.typ, typ, Match::Exact);
            }
        }
    }

    /// The type with what is bound in it, if all its parameters are.
    fn complete(&mut self, inference: &Inference<'_>, typ: TypeId) -> Option<TypeId> {
        if !self.store.has_params(typ) {
            return Some(typ);
        }
        let params = self.store.add_list(inference.params);
        // What is not bound stays as it is, and shows by that.
        let args: Vec<TypeId> = inference
            .params
            .iter()
            .zip(inference.bound.iter())
            .map(|(param, bound)| bound.unwrap_or(*param))
            .collect();
        for (param, bound) in inference.params.iter().zip(inference.bound.iter()) {
            if bound.is_none() && self.occurs(*param, typ) {
                return None;
            }
        }
        let args = self.store.add_list(&args);
        Some(self.substitute(typ, params, args))
    }

    /// Whether a type parameter occurs in a type.
    fn occurs(&mut self, param: TypeId, typ: TypeId) -> bool {
        let params = self.store.add_list(&[param]);
        let args = self.store.add_list(&[TypeId::UNKNOWN]);
        self.substitute(typ, params, args) != typ
    }

    /// Matches the type of a parameter with that of its argument and binds type parameters on the way. Whether they match; what is
    /// unknown does.
    fn unify(
        &mut self,
        inference: &mut Inference<'_>,
        param: TypeId,
        arg: TypeId,
        mode: Match,
    ) -> bool {
        self.deeper(false, |checker| {
            checker.unify_types(inference, param, arg, mode)
        })
    }

    fn unify_types(
        &mut self,
        inference: &mut Inference<'_>,
        param: TypeId,
        arg: TypeId,
        mode: Match,
    ) -> bool {
        if param.is_unknown() || arg.is_unknown() {
            return true;
        }
        if let Some(place) = inference.params.iter().position(|known| *known == param) {
            return self.bind_arg(inference, place, arg, mode);
        }
        if !self.store.has_params(param) {
            return mode == Match::Loose || self.same_types(param, arg);
        }
        let (param_type, mut arg_type) = (self.store.typ(param), self.store.typ(arg));
        if mode == Match::Loose {
            let is_named = |typ| matches!(typ, Type::Named { .. } | Type::TypeParam(_));
            if is_named(arg_type) && !is_named(param_type) {
                arg_type = match arg_type {
                    Type::TypeParam(_) => self.core(arg),
                    _ => self.underlying(arg),
                };
            } else if let (Type::Named { object: a, .. }, Type::Named { object: b, .. }) =
                (param_type, arg_type)
                && a != b
            {
                return self.unify_interface(inference, param, arg);
            } else if matches!(param_type, Type::Named { .. }) && !is_named(arg_type) {
                let under = self.under(param);
                if matches!(self.store.typ(under), Type::Interface(_)) {
                    return self.unify_interface(inference, param, arg);
                }
                return self.unify(inference, under, arg, mode);
            }
            if matches!(param_type, Type::Interface(_)) && !matches!(arg_type, Type::Interface(_)) {
                return self.unify_interface(inference, param, arg);
            }
        }
        self.unify_parts(inference, param_type, arg_type, mode)
    }

    /// A parameter of an interface type takes arguments that have its methods.
    fn unify_interface(
        &mut self,
        inference: &mut Inference<'_>,
        param: TypeId,
        arg: TypeId,
    ) -> bool {
        let under = self.under(param);
        if !matches!(self.store.typ(under), Type::Interface(_)) {
            return false;
        }
        let methods = self.interface_methods(under);
        for method in methods.iter() {
            let Some(found) = self.find(arg, method.name, method.package) else {
                return false;
            };
            let typ = self.selection(found).typ;
            if !self.unify(inference, method.typ, typ, Match::Exact) {
                return false;
            }
        }
        true
    }

    /// Binds a type parameter, or sees that what is bound goes together with another argument.
    fn bind_arg(
        &mut self,
        inference: &mut Inference<'_>,
        place: usize,
        arg: TypeId,
        mode: Match,
    ) -> bool {
        let Some(slot) = inference.bound.get_mut(place) else {
            return false;
        };
        let Some(bound) = *slot else {
            *slot = Some(arg);
            return true;
        };
        if bound == arg {
            return true;
        }
        if bound.is_unknown() {
            *slot = Some(arg);
            return true;
        }
        if mode == Match::Exact {
            return self.is_identical(bound, arg);
        }
        // Of a type and its name the name holds; of a channel and one of its directions the direction.
        let is_named = |typ| matches!(typ, Type::Named { .. } | Type::TypeParam(_));
        let (bound_type, arg_type) = (self.store.typ(bound), self.store.typ(arg));
        let (bound_under, arg_under) = (self.under(bound), self.under(arg));
        let same = match (self.store.typ(bound_under), self.store.typ(arg_under)) {
            (Type::Chan { element: a, .. }, Type::Chan { element: b, .. }) => a == b,
            _ => bound_under == arg_under,
        };
        let narrower = matches!(
            (bound_type, arg_type),
            (
                Type::Chan {
                    direction: crate::syntax::ast::ChanDir::Both,
                    ..
                },
                Type::Chan { .. }
            )
        );
        if same && (is_named(arg_type) && !is_named(bound_type) || narrower) {
            inference.set(place, arg);
        }
        same
    }

    fn unify_parts(
        &mut self,
        inference: &mut Inference<'_>,
        param: Type,
        arg: Type,
        mode: Match,
    ) -> bool {
        let inner = Match::Exact;
        match (param, arg) {
            (Type::Pointer(a), Type::Pointer(b)) | (Type::Slice(a), Type::Slice(b)) => {
                self.unify(inference, a, b, inner)
            }
            (
                Type::Array {
                    length: m,
                    element: a,
                },
                Type::Array {
                    length: n,
                    element: b,
                },
            ) => (m == n || m.is_none() || n.is_none()) && self.unify(inference, a, b, inner),
            (Type::Map { key: k, value: a }, Type::Map { key: l, value: b }) => {
                self.unify(inference, k, l, inner) && self.unify(inference, a, b, inner)
            }
            (
                Type::Chan {
                    direction: d,
                    element: a,
                },
                Type::Chan {
                    direction: e,
                    element: b,
                },
            ) => (d == e || mode == Match::Loose) && self.unify(inference, a, b, inner),
            (Type::Named { object: a, args: p }, Type::Named { object: b, args: q }) => {
                a == b && self.unify_lists(inference, p, q)
            }
            (Type::Tuple(a), Type::Tuple(b)) => self.unify_lists(inference, a, b),
            (Type::Func(a), Type::Func(b)) => {
                let (a, b) = (self.store.signature(a), self.store.signature(b));
                a.variadic == b.variadic
                    && self.unify_lists(inference, a.params, b.params)
                    && self.unify_lists(inference, a.results, b.results)
            }
            (Type::Struct(a), Type::Struct(b)) => {
                let (a, b) = (self.store.fields(a).to_vec(), self.store.fields(b).to_vec());
                let pairs = || a.iter().zip(&b);
                a.len() == b.len()
                    && pairs().all(|(a, b)| a.name == b.name)
                    && pairs().all(|(a, b)| self.unify(inference, a.typ, b.typ, inner))
            }
            (Type::Interface(a), Type::Interface(b)) => {
                let (a, b) = (
                    self.store.interface(a).clone(),
                    self.store.interface(b).clone(),
                );
                a.methods.iter().all(|method| {
                    let other = b.methods.iter().find(|other| other.name == method.name);
                    other.is_some_and(|other| self.unify(inference, method.typ, other.typ, inner))
                })
            }
            _ => param == arg,
        }
    }

    fn unify_lists(
        &mut self,
        inference: &mut Inference<'_>,
        params: TypeList,
        args: TypeList,
    ) -> bool {
        let (params, args) = (
            self.store.list(params).to_vec(),
            self.store.list(args).to_vec(),
        );
        let mut pairs = params.iter().zip(&args);
        params.len() == args.len()
            && pairs.all(|(param, arg)| self.unify(inference, *param, *arg, Match::Exact))
    }
}

/// Type parameters and what they are found to be.
struct Inference<'i> {
    params: &'i [TypeId],
    bound: &'i mut [Option<TypeId>],
}

impl Inference<'_> {
    fn count(&self) -> usize {
        self.bound.iter().flatten().count()
    }

    fn set(&mut self, place: usize, typ: TypeId) {
        if let Some(slot) = self.bound.get_mut(place) {
            *slot = Some(typ);
        }
    }
}
