//! Fields and methods: of structs, embedded ones, declared types, interfaces and type parameters.

use std::rc::Rc;

use crate::syntax::Name;

use super::Map;
use super::checker::{Checker, Selection, SelectionId, SelectionKind, Step};
use super::declare::Source;
use super::object::{ObjectId, ObjectKind};
use super::program::{FileId, PackageId};
use super::typ::{Method, Signature, Term, Type, TypeId, TypeList};

/// Embedded fields that are gone through to a promoted one. Real code has up to five.
const MAX_EMBEDDING: u32 = 32;

/// What was found out once and is asked for often.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) substituted: Map<(TypeId, TypeList, TypeList), TypeId>,
    pub(super) selections: Vec<Selection>,
    found: Map<(TypeId, Name, PackageId), Option<SelectionId>>,
    pub(super) methods: Map<TypeId, Rc<[Method]>>,
    pub(super) terms: Map<TypeId, Option<Rc<[Term]>>>,
    pub(super) implementations: Map<(TypeId, Name), Rc<[ObjectId]>>,
}

/// A type whose fields and methods are looked at.
#[derive(Debug, Clone, Copy)]
struct Place {
    typ: TypeId,
    /// The last step of the way to it.
    way: Option<usize>,
    /// Whether the way goes through a pointer at the end.
    pointer: bool,
    /// Whether several ways of the same length lead to it, so that nothing in it is promoted.
    several: bool,
}

/// Steps, each with the one before.
type Ways = Vec<(Option<usize>, Step)>;

impl Checker<'_> {
    pub(super) fn find_selection(
        &mut self,
        typ: TypeId,
        name: Name,
        package: PackageId,
    ) -> Option<SelectionId> {
        if let Some(found) = self.memory.found.get(&(typ, name, package)) {
            return *found;
        }
        let selection = self.deeper(None, |checker| checker.search(typ, name, package));
        let id = selection.map(|selection| self.add_selection(selection));
        self.memory.found.insert((typ, name, package), id);
        id
    }

    pub(super) fn add_selection(&mut self, selection: Selection) -> SelectionId {
        let id = SelectionId(u32::try_from(self.memory.selections.len()).unwrap_or(u32::MAX));
        self.memory.selections.push(selection);
        id
    }

    /// Goes through the embedded fields, the nearest first.
    fn search(&mut self, receiver: TypeId, name: Name, package: PackageId) -> Option<Selection> {
        if name.is_blank() || name == Name::MISSING {
            return None;
        }
        let (start, pointer, has_methods) = match self.store.typ(receiver) {
            Type::Pointer(to) => (to, true, true),
            Type::Named { .. } => match self.underlying(receiver) {
                Type::Pointer(to) => (to, true, false),
                _ => (receiver, false, true),
            },
            _ => (receiver, false, true),
        };
        if pointer && matches!(self.underlying(start), Type::Interface(_)) {
            return None;
        }
        let mut ways = Ways::new();
        let mut places = vec![Place {
            typ: start,
            way: None,
            pointer,
            several: false,
        }];
        let mut seen: Map<TypeId, ()> = Map::default();
        for depth in 0..MAX_EMBEDDING {
            let mut found: Option<Selection> = None;
            let mut next: Vec<Place> = Vec::new();
            let mut count = 0;
            for place in places {
                if seen.insert(place.typ, ()).is_some() {
                    continue;
                }
                let methods = has_methods || depth > 0;
                if let Some(selection) = self.look_into(
                    receiver, place, methods, name, package, &mut ways, &mut next,
                ) {
                    count += if place.several { 2 } else { 1 };
                    found = Some(selection);
                }
            }
            if count > 0 {
                return found.filter(|_| count == 1);
            }
            places = merged(next);
            if places.is_empty() {
                return None;
            }
        }
        None
    }

    /// The method or field of a type itself; else its embedded fields come next.
    #[expect(clippy::too_many_arguments, reason = "one step of one loop")]
    fn look_into(
        &mut self,
        receiver: TypeId,
        place: Place,
        methods: bool,
        name: Name,
        package: PackageId,
        ways: &mut Ways,
        next: &mut Vec<Place>,
    ) -> Option<Selection> {
        if methods
            && let Some(selection) = self.declared_method(receiver, place, name, package, ways)
        {
            return Some(selection);
        }
        match self.underlying(place.typ) {
            Type::Struct(fields) => {
                let count = self.store.fields(fields).len();
                let mut found = None;
                for index in 0..count {
                    let Some(member) = self.store.fields(fields).get(index).copied() else {
                        break;
                    };
                    let step = || Step {
                        owner: place.typ,
                        index: u32::try_from(index).unwrap_or(u32::MAX),
                        name: member.name,
                        typ: member.typ,
                        through_pointer: place.pointer,
                    };
                    if member.name == name && (member.package == package || self.is_exported(name))
                    {
                        let mut steps = steps_to(ways, place.way);
                        steps.push(step());
                        found = Some(Selection {
                            kind: SelectionKind::Field,
                            receiver,
                            steps,
                            typ: member.typ,
                        });
                    } else if member.embedded && found.is_none() {
                        let (typ, pointer) = match self.store.typ(member.typ) {
                            Type::Pointer(to) => (to, true),
                            _ => (member.typ, false),
                        };
                        ways.push((place.way, step()));
                        let way = Some(ways.len() - 1);
                        next.push(Place {
                            typ,
                            way,
                            pointer,
                            several: place.several,
                        });
                    }
                }
                found
            }
            Type::Interface(_) => {
                let methods = self.interface_methods(place.typ);
                let same = |method: &&Method| {
                    method.name == name && (method.package == package || self.is_exported(name))
                };
                let method = *methods.iter().find(same)?;
                let kind = SelectionKind::Interface {
                    interface: place.typ,
                    name,
                    expression: false,
                };
                Some(Selection {
                    kind,
                    receiver,
                    steps: steps_to(ways, place.way),
                    typ: method.typ,
                })
            }
            _ => None,
        }
    }

    fn declared_method(
        &mut self,
        receiver: TypeId,
        place: Place,
        name: Name,
        package: PackageId,
        ways: &Ways,
    ) -> Option<Selection> {
        let Type::Named { object, args } = self.store.typ(place.typ) else {
            return None;
        };
        let method = self.method_object(object, name)?;
        if self.entity(method).object.package() != Some(package) && !self.is_exported(name) {
            return None;
        }
        let info = self.function_info(method);
        let kind = SelectionKind::Method {
            method,
            pointer_receiver: info.pointer_receiver,
            expression: false,
        };
        let typ = self.substitute(info.typ, info.receiver_params, args);
        Some(Selection {
            kind,
            receiver,
            steps: steps_to(ways, place.way),
            typ,
        })
    }

    /// A method declared for a type.
    pub(super) fn method_object(&mut self, object: ObjectId, name: Name) -> Option<ObjectId> {
        let entity = self.entity(object);
        let (Source::Spec(..), Some(package)) = (entity.source, entity.object.package()) else {
            return None;
        };
        let type_name = entity.object.name;
        let methods = self.program.package(package).methods(type_name);
        let method = methods.iter().find(|method| method.name == name)?;
        Some(self.function_object(FileId::new(package, method.file), method.function))
    }

    // Method expressions.

    /// The function that a method expression `T.f` is: the receiver becomes the first parameter.
    pub(super) fn method_expression(
        &mut self,
        receiver: TypeId,
        found: SelectionId,
    ) -> Option<SelectionId> {
        let mut selection = self.selection(found).clone();
        match &mut selection.kind {
            SelectionKind::Field => return None,
            SelectionKind::Method { expression, .. }
            | SelectionKind::Interface { expression, .. } => *expression = true,
        }
        let Type::Func(signature) = self.store.typ(selection.typ) else {
            return None;
        };
        let signature = self.store.signature(signature);
        let mut params = vec![receiver];
        params.extend(self.store.list(signature.params));
        let params = self.store.add_list(&params);
        let signature = self.store.add_signature(Signature {
            params,
            ..signature
        });
        selection.typ = self.store.add(Type::Func(signature));
        Some(self.add_selection(selection))
    }

    /// Whether an object is a type that source declares.
    pub(super) fn is_declared_type(&self, object: ObjectId) -> bool {
        matches!(self.object_kind(object), ObjectKind::Type(_))
    }
}

fn steps_to(ways: &Ways, mut way: Option<usize>) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some((before, step)) = way.and_then(|way| ways.get(way)) {
        steps.push(*step);
        way = *before;
    }
    steps.reverse();
    steps
}

/// Places of one depth, each type once.
fn merged(places: Vec<Place>) -> Vec<Place> {
    let mut kept: Vec<Place> = Vec::with_capacity(places.len());
    let mut by_type: Map<TypeId, usize> = Map::default();
    for place in places {
        match by_type.get(&place.typ).and_then(|at| kept.get_mut(*at)) {
            Some(known) => known.several = true,
            None => {
                by_type.insert(place.typ, kept.len());
                kept.push(place);
            }
        }
    }
    kept
}
