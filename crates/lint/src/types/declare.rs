//! Declarations outside functions: their objects, made and resolved when they are asked for.

use std::rc::Rc;

use crate::syntax::ast::{self, FunctionId, SpecId, SpecKind, ValueKind};
use crate::syntax::{Name, Span};

use super::Map;
use super::checker::Checker;
use super::constant::Const;
use super::imports::Imports;
use super::object::{Object, ObjectId, ObjectKind, VarKind};
use super::params::ParamInfo;
use super::program::{Declared, DeclaredKind, FileId, PackageId};
use super::scope::Env;
use super::typ::{Type, TypeId, TypeList};

/// Expressions, types, statements and declarations that may be open inside each other; what lies deeper is unknown. The parser
/// nests 256 levels; chains of declarations and calls come on top. Bounds the room on the stack.
pub(super) const MAX_DEPTH: u32 = 400;

/// An object and what is found out of it.
#[derive(Debug)]
pub(super) struct Entity {
    pub(super) object: Object,
    pub(super) source: Source,
    pub(super) state: State,
    pub(super) typ: TypeId,
    pub(super) constant: Option<Const>,
}

/// Where an object's type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// It is known, or there is none.
    None,
    /// The name at a place of a spec outside functions.
    Spec(SpecId, u32),
    /// A function or method.
    Function(FunctionId),
    /// Package `unsafe`.
    Unsafe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Being resolved: asking again is a cycle.
    Busy,
    Done,
}

/// Objects by what declares them.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    pub(super) universe: Map<Name, ObjectId>,
    by_name: Map<(PackageId, Name), Option<ObjectId>>,
    functions: Map<(FileId, FunctionId), ObjectId>,
    pub(super) imports: Map<FileId, Rc<Imports>>,
    pub(super) unsafe_members: Map<Name, ObjectId>,
    pub(super) type_params: Map<ObjectId, TypeList>,
    pub(super) params: Map<ObjectId, ParamInfo>,
    signatures: Map<ObjectId, Rc<FunctionInfo>>,
}

/// What is known of a function or method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FunctionInfo {
    /// The type parameters in the receiver.
    pub(super) receiver_params: TypeList,
    /// The receiver's type.
    pub(super) receiver: Option<TypeId>,
    /// The signature, a [`Type::Func`].
    pub(super) typ: TypeId,
    pub(super) pointer_receiver: bool,
}

impl FunctionInfo {
    const UNKNOWN: Self = Self {
        receiver_params: TypeList::EMPTY,
        receiver: None,
        typ: TypeId::UNKNOWN,
        pointer_receiver: false,
    };
}

impl<'p> Checker<'p> {
    pub(super) fn add_entity(
        &mut self,
        object: Object,
        source: Source,
        state: State,
        typ: TypeId,
    ) -> ObjectId {
        let id = ObjectId(u32::try_from(self.entities.len()).unwrap_or(u32::MAX));
        self.entities.push(Entity {
            object,
            source,
            state,
            typ,
            constant: None,
        });
        id
    }

    /// Does something at the outermost scope of a file.
    pub(super) fn at_file<R>(&mut self, file: FileId, act: impl FnOnce(&mut Self) -> R) -> R {
        let record = file.package == self.package;
        let env = Env::new(file, self.program.file(file), record);
        let outer = std::mem::replace(&mut self.env, env);
        let result = act(self);
        self.env = outer;
        result
    }

    /// Does something one level deeper, or gives what there is at the limit.
    #[inline]
    pub(super) fn deeper<R>(&mut self, at_limit: R, act: impl FnOnce(&mut Self) -> R) -> R {
        if self.depth >= MAX_DEPTH {
            return at_limit;
        }
        self.depth += 1;
        let result = act(self);
        self.depth -= 1;
        result
    }

    // Names.

    /// What a name means here.
    pub(super) fn resolve(&mut self, name: Name) -> Option<ObjectId> {
        if let Some(object) = self.env.find(name) {
            return Some(object);
        }
        let file = self.env.id;
        if let Some(object) = self.package_object(file.package, name) {
            return Some(object);
        }
        let imports = self.imports(file);
        if let Some(object) = imports.by_name.get(&name) {
            return Some(*object);
        }
        for package in &imports.dots {
            if let Some(object) = self
                .package_object(*package, name)
                .filter(|_| self.is_exported(name))
            {
                return Some(object);
            }
        }
        self.declarations.universe.get(&name).copied()
    }

    pub(super) fn is_exported(&self, name: Name) -> bool {
        self.names
            .text(name)
            .chars()
            .next()
            .is_some_and(char::is_uppercase)
    }

    /// What a package declares under a name.
    pub(super) fn package_object(&mut self, package: PackageId, name: Name) -> Option<ObjectId> {
        if let Some(object) = self.declarations.by_name.get(&(package, name)) {
            return *object;
        }
        let declared = self.program.package(package).declared(name);
        let object = declared.map(|declared| self.declare(package, name, declared));
        self.declarations.by_name.insert((package, name), object);
        object
    }

    fn declare(&mut self, package: PackageId, name: Name, declared: Declared) -> ObjectId {
        let file = FileId::new(package, declared.file);
        let ast = &self.program.file(file).ast;
        let (kind, source, span) = match declared.kind {
            DeclaredKind::Function(function) => return self.function_object(file, function),
            DeclaredKind::Type(spec) => {
                let span = match ast[spec].kind {
                    SpecKind::Type { name, .. } => name.span,
                    _ => ast[spec].span,
                };
                (ObjectKind::Type(spec), Source::Spec(spec, 0), span)
            }
            DeclaredKind::Var(spec, place) => {
                let kind = ObjectKind::Var(VarKind::Package);
                (
                    kind,
                    Source::Spec(spec, place),
                    spec_name_span(ast, spec, place),
                )
            }
            DeclaredKind::Const(spec, place) => (
                ObjectKind::Const,
                Source::Spec(spec, place),
                spec_name_span(ast, spec, place),
            ),
        };
        let object = Object {
            kind,
            name,
            file: Some(file),
            span,
        };
        self.add_entity(object, source, State::Open, TypeId::UNKNOWN)
    }

    /// The object of a function or method.
    pub(super) fn function_object(&mut self, file: FileId, id: FunctionId) -> ObjectId {
        if let Some(object) = self.declarations.functions.get(&(file, id)) {
            return *object;
        }
        let function = &self.program.file(file).ast[id];
        let receiver = function.receiver.and_then(|_| {
            let name = super::program::receiver_name(self.program.file(file), id)?;
            let name = self.program.package(file.package).alias_target(name);
            self.package_object(file.package, name)
        });
        let object = Object {
            kind: ObjectKind::Function {
                function: id,
                receiver,
            },
            name: function.name.name,
            file: Some(file),
            span: function.name.span,
        };
        let object = self.add_entity(object, Source::Function(id), State::Open, TypeId::UNKNOWN);
        self.declarations.functions.insert((file, id), object);
        object
    }

    // Objects.

    pub(super) fn entity(&self, id: ObjectId) -> &Entity {
        &self.entities[id.index()]
    }

    pub(super) fn object_kind(&self, id: ObjectId) -> ObjectKind {
        self.entity(id).object.kind
    }

    /// Finds out the type of an object, and the value of a constant.
    pub(super) fn resolve_object(&mut self, id: ObjectId) -> TypeId {
        let entity = self.entity(id);
        let (kind, source, file) = (entity.object.kind, entity.source, entity.object.file);
        match entity.state {
            State::Done | State::Busy => return entity.typ,
            State::Open => {}
        }
        let Some(file) = file else { return entity.typ };
        self.set_state(id, State::Busy);
        let (typ, constant) = self.deeper((TypeId::UNKNOWN, None), |checker| {
            checker.at_file(file, |checker| match (kind, source) {
                (_, Source::Function(_)) => (checker.function_info(id).typ, None),
                (ObjectKind::Type(spec), _) => (checker.declared_type(id, spec), None),
                (ObjectKind::Const, Source::Spec(spec, place)) => {
                    checker.declared_constant(spec, place)
                }
                (_, Source::Spec(spec, place)) => (checker.declared_variable(spec, place), None),
                _ => (TypeId::UNKNOWN, None),
            })
        });
        if let Some(entity) = self.entities.get_mut(id.index()) {
            (entity.typ, entity.constant) = (typ, constant);
        }
        self.set_state(id, State::Done);
        typ
    }

    fn set_state(&mut self, id: ObjectId, state: State) {
        if let Some(entity) = self.entities.get_mut(id.index()) {
            entity.state = state;
        }
    }

    pub(super) fn set_type(&mut self, id: ObjectId, typ: TypeId) {
        if let Some(entity) = self.entities.get_mut(id.index()) {
            (entity.typ, entity.state) = (typ, State::Done);
        }
    }

    pub(super) fn set_constant(&mut self, id: ObjectId, constant: Option<Const>) {
        if let Some(entity) = self.entities.get_mut(id.index()) {
            entity.constant = constant;
        }
    }

    /// The type that a spec outside functions declares.
    fn declared_type(&mut self, object: ObjectId, spec: SpecId) -> TypeId {
        let SpecKind::Type { alias, typ, .. } = self.env.ast()[spec].kind else {
            return TypeId::UNKNOWN;
        };
        let params = self.type_params(object);
        if !alias {
            return self.store.add(Type::Named {
                object,
                args: params,
            });
        }
        self.bind_params(params);
        self.resolve_type(typ)
    }

    /// What a type's declaration writes behind its name.
    pub(super) fn written_type(&mut self, object: ObjectId) -> TypeId {
        let entity = self.entity(object);
        let (ObjectKind::Type(spec), Some(file)) = (entity.object.kind, entity.object.file) else {
            return TypeId::UNKNOWN;
        };
        self.at_file(file, |checker| {
            let SpecKind::Type { typ, .. } = checker.env.ast()[spec].kind else {
                return TypeId::UNKNOWN;
            };
            let params = checker.type_params(object);
            checker.bind_params(params);
            checker.resolve_type(typ)
        })
    }

    /// A constant of a spec: its type and value.
    pub(super) fn declared_constant(
        &mut self,
        spec: SpecId,
        place: u32,
    ) -> (TypeId, Option<Const>) {
        let ast = self.env.ast();
        let SpecKind::Value {
            of: ValueKind::Const { iota, repeats },
            ..
        } = ast[spec].kind
        else {
            return (TypeId::UNKNOWN, None);
        };
        let SpecKind::Value { typ, values, .. } = ast[repeats.unwrap_or(spec)].kind else {
            return (TypeId::UNKNOWN, None);
        };
        let Some(value) = ast[values].get(place as usize) else {
            return (TypeId::UNKNOWN, Some(Const::Unknown));
        };
        let outer = self.env.iota.replace(iota);
        // What a repeated expression is differs from constant to constant: the first is kept.
        let record = self.env.record;
        self.env.record = record && repeats.is_none();
        let typ = typ.map(|typ| self.resolve_type(typ));
        let operand = self.operand(*value);
        (self.env.iota, self.env.record) = (outer, record);
        let constant = operand.value.unwrap_or(Const::Unknown);
        match typ {
            Some(typ) => {
                let constant = self.convert_constant(&constant, typ);
                (typ, Some(constant))
            }
            None => (operand.typ, Some(constant)),
        }
    }

    /// The type of a variable outside functions.
    fn declared_variable(&mut self, spec: SpecId, place: u32) -> TypeId {
        let ast = self.env.ast();
        let SpecKind::Value {
            typ, names, values, ..
        } = ast[spec].kind
        else {
            return TypeId::UNKNOWN;
        };
        if let Some(typ) = typ {
            return self.resolve_type(typ);
        }
        self.value_type(&ast[values], place as usize, ast[names].len())
    }

    // Functions.

    /// What is known of a function or method.
    pub(super) fn function_info(&mut self, object: ObjectId) -> Rc<FunctionInfo> {
        if let Some(info) = self.declarations.signatures.get(&object) {
            return Rc::clone(info);
        }
        let entity = self.entity(object);
        let (Source::Function(function), Some(file)) = (entity.source, entity.object.file) else {
            return Rc::new(FunctionInfo::UNKNOWN);
        };
        // Asked for again while it is found out, it is unknown: only unsound source does that.
        self.declarations
            .signatures
            .insert(object, Rc::new(FunctionInfo::UNKNOWN));
        let info = self.deeper(FunctionInfo::UNKNOWN, |checker| {
            checker.at_file(file, |checker| checker.read_function(object, function))
        });
        let info = Rc::new(info);
        self.declarations
            .signatures
            .insert(object, Rc::clone(&info));
        info
    }

    fn read_function(&mut self, object: ObjectId, id: FunctionId) -> FunctionInfo {
        let ast = self.env.ast();
        let function = &ast[id];
        let receiver_field = function
            .receiver
            .and_then(|list| ast[list].first().copied());
        let receiver_params = match receiver_field {
            Some(field) => self.receiver_params(object, field),
            None => TypeList::EMPTY,
        };
        let own = self.declare_params(object, ast[function.signature].type_params);
        self.declarations.type_params.insert(object, own);
        self.bind_params(receiver_params);
        self.bind_params(own);
        let receiver = receiver_field.map(|field| self.resolve_type(ast[field].typ));
        let signature = self.resolve_signature(function.signature, own);
        let pointer_receiver =
            receiver.is_some_and(|receiver| matches!(self.store.typ(receiver), Type::Pointer(_)));
        let signature = self.store.add_signature(signature);
        let typ = self.store.add(Type::Func(signature));
        FunctionInfo {
            receiver_params,
            receiver,
            typ,
            pointer_receiver,
        }
    }
}

fn spec_name_span(ast: &ast::Ast, spec: SpecId, place: u32) -> Span {
    match ast[spec].kind {
        SpecKind::Value { names, .. } => {
            let name = ast[names].get(place as usize);
            name.map_or(ast[spec].span, |name| name.span)
        }
        _ => ast[spec].span,
    }
}
