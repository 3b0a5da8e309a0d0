//! Declarations outside functions: their objects, made and resolved when they are asked for.

use std::rc::Rc;

use crate::syntax::ast::{
    self, ExprId, ExprKind, FieldId, FunctionId, Ident, List, SpecId, SpecKind, ValueKind,
};
use crate::syntax::{Name, Span};

use super::Map;
use super::checker::Checker;
use super::constant::Const;
use super::object::{Object, ObjectId, ObjectKind, VarKind};
use super::program::{Declared, DeclaredKind, FileId, PackageId};
use super::scope::Env;
use super::typ::{Interface, Term, Type, TypeId, TypeList};

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
    imports: Map<FileId, Rc<Imports>>,
    pub(super) unsafe_members: Map<Name, ObjectId>,
    type_params: Map<ObjectId, TypeList>,
    params: Map<ObjectId, ParamInfo>,
    signatures: Map<ObjectId, Rc<FunctionInfo>>,
}

#[derive(Debug, Default)]
struct Imports {
    by_name: Map<Name, ObjectId>,
    /// Packages imported with a dot.
    dots: Vec<PackageId>,
}

/// A type parameter.
#[derive(Debug, Clone, Copy)]
struct ParamInfo {
    /// The type, function or method that declares it.
    owner: ObjectId,
    /// Of one in a receiver: the parameter of the receiver's type that it stands for.
    of_type: Option<(ObjectId, u32)>,
    constraint: Option<TypeId>,
    busy: bool,
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

    fn imports(&mut self, file: FileId) -> Rc<Imports> {
        if let Some(imports) = self.declarations.imports.get(&file) {
            return Rc::clone(imports);
        }
        let package = self.program.package(file.package);
        let mut imports = Imports::default();
        for import in package.file_imports(file.index) {
            let imported = package.imported(&import.path);
            if import.name.is_some_and(|name| self.names.text(name) == ".") {
                imports.dots.extend(imported);
                continue;
            }
            let name = import.name.or_else(|| match imported {
                Some(imported) => Some(self.program.package(imported).name),
                None => self.names.find(guessed_name(&import.path)),
            });
            let Some(name) = name else { continue };
            let is_unsafe = import.path == "unsafe";
            let source = if is_unsafe {
                Source::Unsafe
            } else {
                Source::None
            };
            let kind = ObjectKind::Package(imported.filter(|_| !is_unsafe));
            let object = Object {
                kind,
                name,
                file: Some(file),
                span: import.span,
            };
            let object = self.add_entity(object, source, State::Done, TypeId::UNKNOWN);
            imports.by_name.insert(name, object);
        }
        let imports = Rc::new(imports);
        self.declarations.imports.insert(file, Rc::clone(&imports));
        imports
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

    /// The type parameters that a receiver `*List[T]` names.
    fn receiver_params(&mut self, owner: ObjectId, field: FieldId) -> TypeList {
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

    // Type parameters.

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

fn spec_name_span(ast: &ast::Ast, spec: SpecId, place: u32) -> Span {
    match ast[spec].kind {
        SpecKind::Value { names, .. } => {
            let name = ast[names].get(place as usize);
            name.map_or(ast[spec].span, |name| name.span)
        }
        _ => ast[spec].span,
    }
}

/// The name that a package with this path most likely has.
fn guessed_name(path: &str) -> &str {
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let is_version = |part: &str| {
        let digits = part.strip_prefix('v').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if is_version(last) {
        return parts.next().unwrap_or(last);
    }
    match last.rsplit_once('.') {
        Some((name, version)) if is_version(version) => name,
        _ => last,
    }
}
