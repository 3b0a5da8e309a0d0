//! Type parameters: putting types in their places, and finding out which from the arguments of a call.

use super::checker::Checker;
use super::object::ObjectKind;
use super::store::Underlying;
use super::typ::{Interface, Member, Method, Signature, Term, Type, TypeId, TypeList};

impl Checker<'_> {
    /// A type with type arguments in the places of type parameters.
    pub(super) fn substitute(&mut self, id: TypeId, params: TypeList, args: TypeList) -> TypeId {
        if params == args || !self.store.has_params(id) || params == TypeList::EMPTY {
            return id;
        }
        if let Some(known) = self.memory.substituted.get(&(id, params, args)) {
            return *known;
        }
        let typ = self.deeper(TypeId::UNKNOWN, |checker| {
            checker.substitute_in(id, params, args)
        });
        self.memory.substituted.insert((id, params, args), typ);
        typ
    }

    pub(super) fn substitute_list(
        &mut self,
        list: TypeList,
        params: TypeList,
        args: TypeList,
    ) -> TypeList {
        let types = self.store.list(list).to_vec();
        let types: Vec<TypeId> = types
            .into_iter()
            .map(|id| self.substitute(id, params, args))
            .collect();
        self.store.add_list(&types)
    }

    fn substitute_in(&mut self, id: TypeId, params: TypeList, args: TypeList) -> TypeId {
        let typ = match self.store.typ(id) {
            Type::Unknown | Type::Basic(_) => return id,
            Type::TypeParam(_) => {
                let place = self
                    .store
                    .list(params)
                    .iter()
                    .position(|param| *param == id);
                return match place {
                    Some(place) => self
                        .store
                        .list(args)
                        .get(place)
                        .copied()
                        .unwrap_or(TypeId::UNKNOWN),
                    None => id,
                };
            }
            Type::Named {
                object,
                args: inner,
            } => {
                let args = self.substitute_list(inner, params, args);
                Type::Named { object, args }
            }
            Type::Pointer(inner) => Type::Pointer(self.substitute(inner, params, args)),
            Type::Slice(inner) => Type::Slice(self.substitute(inner, params, args)),
            Type::Array { length, element } => {
                let element = self.substitute(element, params, args);
                Type::Array { length, element }
            }
            Type::Map { key, value } => {
                let key = self.substitute(key, params, args);
                let value = self.substitute(value, params, args);
                Type::Map { key, value }
            }
            Type::Chan { direction, element } => {
                let element = self.substitute(element, params, args);
                Type::Chan { direction, element }
            }
            Type::Tuple(list) => Type::Tuple(self.substitute_list(list, params, args)),
            Type::Struct(list) => {
                let fields = self.store.fields(list).to_vec();
                let fields = fields.into_iter().map(|field| Member {
                    typ: self.substitute(field.typ, params, args),
                    ..field
                });
                let fields: Vec<Member> = fields.collect();
                Type::Struct(self.store.add_fields(&fields))
            }
            Type::Func(signature) => {
                let signature = self.store.signature(signature);
                let signature = self.substitute_signature(signature, params, args);
                Type::Func(self.store.add_signature(signature))
            }
            Type::Interface(interface) => {
                let Interface {
                    mut methods,
                    mut embedded,
                } = self.store.interface(interface).clone();
                for Method { typ, .. } in &mut methods {
                    *typ = self.substitute(*typ, params, args);
                }
                for list in &mut embedded {
                    let mut terms = self.store.terms(*list).to_vec();
                    for Term { typ, .. } in &mut terms {
                        *typ = self.substitute(*typ, params, args);
                    }
                    *list = self.store.add_terms(&terms);
                }
                Type::Interface(self.store.add_interface(Interface { methods, embedded }))
            }
        };
        self.store.add(typ)
    }

    pub(super) fn substitute_signature(
        &mut self,
        signature: Signature,
        params: TypeList,
        args: TypeList,
    ) -> Signature {
        Signature {
            params: self.substitute_list(signature.params, params, args),
            results: self.substitute_list(signature.results, params, args),
            ..signature
        }
    }

    /// A generic signature with all its type arguments.
    pub(super) fn instantiate_signature(
        &mut self,
        signature: Signature,
        args: &[TypeId],
    ) -> Signature {
        let args = self.store.add_list(args);
        let signature = self.substitute_signature(signature, signature.type_params, args);
        Signature {
            type_params: TypeList::EMPTY,
            ..signature
        }
    }

    // What is behind names.

    /// What a type is behind its name; of a type parameter its constraint's interface.
    pub(super) fn under(&mut self, id: TypeId) -> TypeId {
        match self.store.typ(id) {
            Type::Named { .. } => {}
            Type::TypeParam(param) => {
                let constraint = self.constraint(param);
                return match self.store.typ(constraint) {
                    Type::TypeParam(_) => TypeId::UNKNOWN,
                    _ => self.under(constraint),
                };
            }
            _ => return id,
        }
        match self.store.underlying(id) {
            Underlying::Known(known) => return known,
            Underlying::Busy => return TypeId::UNKNOWN,
            Underlying::Open => {}
        }
        self.store.set_underlying(id, Underlying::Busy);
        let known = self.deeper(TypeId::UNKNOWN, |checker| checker.find_underlying(id));
        self.store.set_underlying(id, Underlying::Known(known));
        known
    }

    fn find_underlying(&mut self, id: TypeId) -> TypeId {
        let Type::Named { object, args } = self.store.typ(id) else {
            return id;
        };
        let params = self.type_params(object);
        if args == params {
            if !matches!(self.object_kind(object), ObjectKind::Type(_)) {
                return TypeId::UNKNOWN;
            }
            let written = self.written_type(object);
            return match self.store.typ(written) {
                // A parameter cannot be declared to be a type.
                Type::TypeParam(_) => TypeId::UNKNOWN,
                _ => self.under(written),
            };
        }
        let generic = self.resolve_object(object);
        let under = self.under(generic);
        self.substitute(under, params, args)
    }
}

/// The type that a variable has which is given an untyped value.
pub(super) fn default_type(id: TypeId) -> TypeId {
    use super::Basic;
    const DEFAULTS: [(Basic, Basic); 6] = [
        (Basic::UntypedBool, Basic::Bool),
        (Basic::UntypedInt, Basic::Int),
        (Basic::UntypedRune, Basic::Int32),
        (Basic::UntypedFloat, Basic::Float64),
        (Basic::UntypedComplex, Basic::Complex128),
        (Basic::UntypedString, Basic::String),
    ];
    let default = DEFAULTS
        .iter()
        .find(|(untyped, _)| TypeId::basic(*untyped) == id);
    default.map_or(id, |(_, typed)| TypeId::basic(*typed))
}
