//! Interfaces: their methods, the types that they admit, and the types that implement them.

use std::rc::Rc;

use crate::syntax::Name;
use crate::syntax::ast::ChanDir;

use super::checker::{Checker, SelectionKind, Step};
use super::object::ObjectId;
use super::program::PackageId;
use super::typ::{Basic, Interface, Member, Method, Term, Type, TypeId, TypeList};

/// Terms of a type set that are looked at; larger ones count as any type. The widest in the standard library has 17.
const MAX_TERMS: usize = 128;

impl Checker<'_> {
    /// All methods of an interface, also embedded ones, by text of their names.
    pub(super) fn interface_methods(&mut self, id: TypeId) -> Rc<[Method]> {
        let under = self.under(id);
        if let Some(methods) = self.memory.methods.get(&under) {
            return Rc::clone(methods);
        }
        // An interface that embeds itself has no more methods by that.
        self.memory.methods.insert(under, Rc::new([]));
        let methods = self.deeper(Vec::new(), |checker| checker.collect_methods(under));
        let methods: Rc<[Method]> = methods.into();
        self.memory.methods.insert(under, Rc::clone(&methods));
        methods
    }

    fn collect_methods(&mut self, under: TypeId) -> Vec<Method> {
        let Type::Interface(interface) = self.store.typ(under) else {
            return Vec::new();
        };
        let Interface {
            mut methods,
            embedded,
        } = self.store.interface(interface).clone();
        for list in embedded {
            let [term] = self.store.terms(list) else {
                continue;
            };
            let typ = term.typ;
            let inner = self.under(typ);
            if matches!(self.store.typ(inner), Type::Interface(_)) {
                methods.extend(self.interface_methods(inner).iter());
            }
        }
        let names = self.names;
        methods
            .sort_by(|a, b| (names.text(a.name), a.package).cmp(&(names.text(b.name), b.package)));
        methods.dedup_by(|a, b| {
            a.name == b.name && (a.package == b.package || self.is_exported(a.name))
        });
        methods
    }

    /// The types that an interface admits; `None` for all.
    fn terms_of(&mut self, id: TypeId) -> Option<Rc<[Term]>> {
        let under = self.under(id);
        if let Some(terms) = self.memory.terms.get(&under) {
            return terms.clone();
        }
        self.memory.terms.insert(under, None);
        let terms = self.deeper(None, |checker| checker.collect_terms(under));
        let terms: Option<Rc<[Term]>> = terms.map(Into::into);
        self.memory.terms.insert(under, terms.clone());
        terms
    }

    fn collect_terms(&mut self, under: TypeId) -> Option<Vec<Term>> {
        let Type::Interface(interface) = self.store.typ(under) else {
            return None;
        };
        let mut all: Option<Vec<Term>> = None;
        let embedded = self.store.interface(interface).embedded.clone();
        for list in embedded {
            let written = self.store.terms(list).to_vec();
            let Some(union) = self.union_terms(&written) else {
                continue;
            };
            all = Some(match all {
                None => union,
                Some(all) => all
                    .into_iter()
                    .filter(|term| self.admits(&union, *term))
                    .collect(),
            });
        }
        all
    }

    fn union_terms(&mut self, union: &[Term]) -> Option<Vec<Term>> {
        let mut terms = Vec::new();
        for term in union {
            let under = self.under(term.typ);
            match self.store.typ(under) {
                Type::Interface(_) if !term.tilde => terms.extend(self.terms_of(under)?.iter()),
                _ => terms.push(*term),
            }
            if terms.len() > MAX_TERMS {
                return None;
            }
        }
        Some(terms)
    }

    fn admits(&mut self, union: &[Term], term: Term) -> bool {
        union.iter().any(|other| {
            other.typ == term.typ && (other.tilde || !term.tilde)
                || other.tilde && self.under(term.typ) == self.under(other.typ)
        })
    }

    /// What all types that an interface admits are underneath, if that is one; without tilde if it is one type only.
    pub(super) fn single_term(&mut self, constraint: TypeId) -> Option<Term> {
        let terms = self.terms_of(constraint)?;
        if let [term] = terms.as_ref() {
            return Some(*term);
        }
        let typ = self.common(&terms)?;
        Some(Term { tilde: true, typ })
    }

    fn common(&mut self, terms: &[Term]) -> Option<TypeId> {
        let first = self.under(terms.first()?.typ);
        let mut common = first;
        for term in terms {
            let under = self.under(term.typ);
            if under == common {
                continue;
            }
            match (self.store.typ(common), self.store.typ(under)) {
                (
                    Type::Chan {
                        direction: ChanDir::Both,
                        element: a,
                    },
                    Type::Chan { element: b, .. },
                ) if a == b => common = under,
                (
                    Type::Chan { element: a, .. },
                    Type::Chan {
                        direction: ChanDir::Both,
                        element: b,
                    },
                ) if a == b => {}
                _ => return None,
            }
        }
        Some(common)
    }

    /// See [`Checker::core`].
    pub(super) fn core_id(&mut self, id: TypeId) -> TypeId {
        let under = self.under(id);
        if !matches!(self.store.typ(under), Type::Interface(_)) {
            return under;
        }
        let Some(terms) = self.terms_of(under) else {
            let is_param = matches!(self.store.typ(id), Type::TypeParam(_));
            return if is_param { TypeId::UNKNOWN } else { under };
        };
        if let Some(common) = self.common(&terms) {
            return common;
        }
        // Strings and slices of bytes are indexed alike.
        let bytes = self.store.add(Type::Slice(TypeId::basic(Basic::Uint8)));
        let is_text = |typ| typ == bytes || typ == TypeId::STRING;
        if terms.iter().all(|term| is_text(self.under(term.typ))) {
            return TypeId::STRING;
        }
        TypeId::UNKNOWN
    }

    // Implementations.

    pub(super) fn has_methods(&mut self, typ: TypeId, interface: TypeId) -> Option<bool> {
        let under = self.under(interface);
        if !matches!(self.store.typ(under), Type::Interface(_)) || typ.is_unknown() {
            return None;
        }
        let methods = self.interface_methods(under);
        let is_pointer = matches!(self.store.typ(typ), Type::Pointer(_));
        for method in methods.iter() {
            let Some(found) = self.find_selection(typ, method.name, method.package) else {
                return Some(false);
            };
            let selection = self.selection(found);
            let through = |step: &Step| {
                step.through_pointer || matches!(self.store.typ(step.typ), Type::Pointer(_))
            };
            match selection.kind {
                SelectionKind::Field => return Some(false),
                SelectionKind::Method {
                    pointer_receiver: true,
                    ..
                } if !is_pointer && !selection.steps.iter().any(through) => {
                    return Some(false);
                }
                _ => {}
            }
            let selected = selection.typ;
            if selected.is_unknown() || method.typ.is_unknown() {
                return None;
            }
            if !self.same_types(selected, method.typ) {
                return Some(false);
            }
        }
        Some(true)
    }

    pub(super) fn implementing(&mut self, interface: TypeId, name: Name) -> Rc<[ObjectId]> {
        if let Some(known) = self.memory.implementations.get(&(interface, name)) {
            return Rc::clone(known);
        }
        let mut found = Vec::new();
        let program = self.program;
        let own = program.package(self.package);
        let mut types: Vec<(Name, PackageId)> = Vec::new();
        for declared in own.type_names() {
            types.push((declared, self.package));
        }
        for imported in own.direct_imports() {
            let package = program.package(imported);
            types.extend(
                package
                    .receivers_of(name)
                    .iter()
                    .map(|receiver| (*receiver, imported)),
            );
        }
        types.sort_by_key(|(name, package)| (*package, self.names.text(*name)));
        types.dedup();
        for (type_name, package) in types {
            let Some(object) = self.package_object(package, type_name) else {
                continue;
            };
            let typ = self.resolve_object(object);
            if !matches!(self.store.typ(typ), Type::Named { .. })
                || matches!(self.underlying(typ), Type::Interface(_))
            {
                continue;
            }
            let pointer = self.pointer(typ);
            let Some(id) = self.find_selection(pointer, name, self.package) else {
                continue;
            };
            let SelectionKind::Method { method, .. } = self.selection(id).kind else {
                continue;
            };
            let params = self.type_params(object);
            if self.may_implement(pointer, params, interface) && !found.contains(&method) {
                found.push(method);
            }
        }
        let found: Rc<[ObjectId]> = found.into();
        self.memory
            .implementations
            .insert((interface, name), Rc::clone(&found));
        found
    }

    /// Whether a pointer to a declared type has the methods of an interface, for some arguments of its type parameters if it has
    /// any. Where the interface itself depends on type parameters, names suffice.
    fn may_implement(&mut self, pointer: TypeId, params: TypeList, interface: TypeId) -> bool {
        let methods = self.interface_methods(interface);
        let is_generic = |method: &Method| self.store.has_params(method.typ);
        let is_plain = params == TypeList::EMPTY && !methods.iter().any(is_generic);
        if is_plain {
            return self.has_methods(pointer, interface) == Some(true);
        }
        let mut pairs = Vec::with_capacity(methods.len());
        for method in methods.iter() {
            let Some(found) = self.find_selection(pointer, method.name, method.package) else {
                return false;
            };
            let selection = self.selection(found);
            if selection.kind == SelectionKind::Field {
                return false;
            }
            if !self.store.has_params(method.typ) {
                pairs.push((selection.typ, method.typ));
            }
        }
        self.can_match(params, &pairs)
    }

    /// Whether two types are the same, also where interfaces are written in other words.
    pub(super) fn same_types(&mut self, a: TypeId, b: TypeId) -> bool {
        if a == b {
            return true;
        }
        self.deeper(false, |checker| checker.same_parts(a, b))
    }

    fn same_lists(&mut self, a: TypeList, b: TypeList) -> bool {
        let (a, b) = (self.store.list(a).to_vec(), self.store.list(b).to_vec());
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| self.same_types(*a, *b))
    }

    fn same_parts(&mut self, a: TypeId, b: TypeId) -> bool {
        match (self.store.typ(a), self.store.typ(b)) {
            (Type::Pointer(a), Type::Pointer(b)) | (Type::Slice(a), Type::Slice(b)) => {
                self.same_types(a, b)
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
            ) => m == n && self.same_types(a, b),
            (Type::Map { key: k, value: a }, Type::Map { key: l, value: b }) => {
                self.same_types(k, l) && self.same_types(a, b)
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
            ) => d == e && self.same_types(a, b),
            (Type::Named { object: a, args: p }, Type::Named { object: b, args: q }) => {
                a == b && self.same_lists(p, q)
            }
            (Type::Tuple(a), Type::Tuple(b)) => self.same_lists(a, b),
            (Type::Func(a), Type::Func(b)) => {
                let (a, b) = (self.store.signature(a), self.store.signature(b));
                a.variadic == b.variadic
                    && self.same_lists(a.params, b.params)
                    && self.same_lists(a.results, b.results)
            }
            (Type::Struct(a), Type::Struct(b)) => {
                let (a, b) = (self.store.fields(a).to_vec(), self.store.fields(b).to_vec());
                let same = |a: &Member, b: &Member| {
                    a.name == b.name && a.embedded == b.embedded && self.same_types(a.typ, b.typ)
                };
                let mut same = same;
                a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same(a, b))
            }
            (Type::Interface(_), Type::Interface(_)) => {
                let (m, n) = (self.interface_methods(a), self.interface_methods(b));
                self.terms_of(a).is_none()
                    && self.terms_of(b).is_none()
                    && m.len() == n.len()
                    && m.iter()
                        .zip(n.iter())
                        .all(|(a, b)| a.name == b.name && self.same_types(a.typ, b.typ))
            }
            _ => false,
        }
    }
}
