//! Functions, variables, fields and objects: what instructions name.

use super::shape::Kind;
use super::{Lower, Owner, Pending, types};
use crate::ir::{
    Declared, Escape, Field, FieldId, Func, FuncId, FuncKind, Node, Object, ObjectId, ObjectKind,
    Place, PlaceId, Shape, Site, Var, VarId, VarKind,
};
use crate::syntax::ast::{
    BlockId, Body, DeclKind, ExprId, ExprKind, FieldId as Param, FunctionId, Ident, List,
    SignatureId, SpecKind,
};
use crate::syntax::{Name, Span};
use crate::types::{FileId, TypeId};

impl Lower<'_, '_> {
    /// Makes the functions and methods of a file known, with their parameters and results.
    pub(super) fn declare_functions(&mut self, file: FileId) {
        self.file = file;
        let source = self.program.file(file);
        for decl in &source.decls {
            if let DeclKind::Function(id) = source.ast[*decl].kind {
                self.declare_function(file, id);
            }
        }
    }

    fn declare_function(&mut self, file: FileId, id: FunctionId) {
        let ast = self.ast();
        let function = &ast[id];
        let object = self.checker.function(file, id);
        let key = object.and_then(|object| self.checker.key(object));
        let key = key.unwrap_or_else(|| types::Key {
            package: self.ir.path.clone(),
            receiver: None,
            name: self.text(function.name.name).to_owned(),
        });
        let is_pointer = function
            .receiver
            .and_then(|list| ast[list].first())
            .is_some_and(|field| {
                let typ = ast.unparen(ast[*field].typ);
                matches!(ast[typ].kind, ExprKind::Star(_))
            });
        let name = match &key.receiver {
            Some(receiver) if is_pointer => format!("(*{receiver}).{}", key.name),
            Some(receiver) => format!("{receiver}.{}", key.name),
            None => key.name.clone(),
        };
        let exported = self.is_importable && is_exported(&key.name);
        let plain_files = self.program.package(self.package).plain_files;
        let in_test = file.index as usize >= plain_files;
        let func = FuncId::at(self.ir.funcs.len());
        let site = self.site(function.span);
        let kind = FuncKind::Declared {
            key,
            exported,
            in_test,
        };
        self.ir.funcs.push(empty_func(name, kind, None, site));
        if let Some(object) = object {
            self.funcs.insert(object, func);
        }
        let receiver = function
            .receiver
            .map(|list| self.declare_fields(func, list, Role::Receiver));
        self.declare_signature(func, function.signature);
        if let Some(func) = self.ir.funcs.get_mut(func.index()) {
            func.receiver = receiver.and_then(|vars| vars.first().copied());
        }
        match function.body {
            Body::Block(body) => self.pending.push(Pending { func, file, body }),
            Body::Absent | Body::Skipped(_) => self.open_function(func),
        }
        if exported {
            self.open_function(func);
        }
    }

    /// A function that others may call, or that is not written here: its parameters may be anything.
    pub(super) fn open_function(&mut self, func: FuncId) {
        let Some(func) = self.ir.funcs.get(func.index()) else {
            return;
        };
        let site = func.site;
        let params: Vec<VarId> = func.params.clone();
        let results: Vec<VarId> = func.results.clone();
        let receiver = func.receiver;
        for var in params {
            self.admit(Node::Var(var));
        }
        for var in results {
            self.flow.leak(Node::Var(var), Escape::Result(site));
        }
        // What is made outside is a receiver like those made here; but a type that holds a pointer to foreign things
        // has them through its fields.
        if let Some(var) = receiver {
            self.admit(Node::Var(var));
        }
    }

    pub(super) fn admit(&mut self, node: Node) {
        self.flow.start(node, crate::ir::Aliases::OUTSIDE);
    }

    /// A closure, to be lowered later.
    pub(super) fn declare_closure(
        &mut self,
        signature: SignatureId,
        body: BlockId,
        span: Span,
    ) -> FuncId {
        let parent = self.body.id;
        let number = self.closures(parent);
        let outer = &self.ir[parent];
        // The runtime numbers closures of a function in order, those inside closures behind a dot.
        let name = match outer.parent {
            Some(_) => format!("{}.{number}", outer.name),
            None => format!("{}.func{number}", outer.name),
        };
        let func = FuncId::at(self.ir.funcs.len());
        let site = self.site(span);
        self.ir
            .funcs
            .push(empty_func(name, FuncKind::Closure, Some(parent), site));
        self.declare_signature(func, signature);
        self.pending.push(Pending {
            func,
            file: self.file,
            body,
        });
        func
    }

    /// The number of the next closure of a function.
    fn closures(&mut self, parent: FuncId) -> u32 {
        let count = self.closure_counts.entry(parent).or_insert(0);
        *count += 1;
        *count
    }

    /// A function that no source has.
    pub(super) fn made_function(&mut self, name: String, span: Span) -> FuncId {
        let func = FuncId::at(self.ir.funcs.len());
        let parent = Some(self.body.id);
        let site = self.site(span);
        self.ir
            .funcs
            .push(empty_func(name, FuncKind::Made, parent, site));
        func
    }

    fn declare_signature(&mut self, func: FuncId, signature: SignatureId) {
        let signature = self.ast()[signature];
        let params = self.declare_fields(func, signature.params, Role::Param);
        let results = self.declare_fields(func, signature.results, Role::Result);
        let is_test = params.iter().any(|var| self.test_params.contains(var));
        if let Some(func) = self.ir.funcs.get_mut(func.index()) {
            (func.params, func.results) = (params, results);
            if let (FuncKind::Declared { in_test, .. }, true) = (&mut func.kind, is_test) {
                *in_test = true;
            }
        }
    }

    fn declare_fields(&mut self, func: FuncId, fields: List<Param>, role: Role) -> Vec<VarId> {
        let ast = self.ast();
        let mut vars = Vec::new();
        let kind = |place: usize| {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            match role {
                Role::Receiver => VarKind::Receiver,
                Role::Param => VarKind::Param(place),
                Role::Result => VarKind::Result(place),
            }
        };
        for field in &ast[fields] {
            let field = &ast[*field];
            let typ = self.checker.type_of(self.file, field.typ);
            let is_test = self.is_testing(typ);
            let unnamed = [Ident {
                name: Name::MISSING,
                span: field.span,
            }];
            let idents = if field.names.is_empty() {
                &unnamed[..]
            } else {
                &ast[field.names]
            };
            for ident in idents {
                let kind = kind(vars.len());
                let site = self.site(ident.span);
                let object = match ident.name {
                    Name::MISSING | Name::BLANK => None,
                    _ => self.checker.definition(self.file, *ident),
                };
                let var = self.new_var(ident.name, kind, Some(func), site, typ);
                if let Some(object) = object {
                    self.vars.insert(object, var);
                }
                if let Some(var) = self.ir.vars.get_mut(var.index())
                    && role != Role::Result
                {
                    var.assignments = 1;
                }
                if is_test {
                    self.test_params.insert(var);
                }
                vars.push(var);
            }
        }
        vars
    }

    fn is_testing(&self, typ: TypeId) -> bool {
        let key = self.checker.type_key(typ);
        key.is_some_and(|key| key.package == "testing")
    }

    /// A new variable; where its type holds a lock or its like in place, with that object.
    pub(super) fn new_var(
        &mut self,
        name: Name,
        kind: VarKind,
        func: Option<FuncId>,
        site: Site,
        typ: TypeId,
    ) -> VarId {
        let what = self.kind(typ);
        let var = self.add_var(name, kind, func, site, what.shape);
        let is_made = matches!(
            kind,
            VarKind::Local | VarKind::Result(_) | VarKind::Package { .. }
        );
        if what.in_place && what.is_tracked && is_made {
            let kind = ObjectKind::Value {
                shape: what.shape,
                declared: Some(Declared::Var(var)),
            };
            let object = self.new_object(kind, site);
            self.flow.start(Node::Var(var), object);
            self.fresh.insert(var);
        }
        match kind {
            VarKind::Package { exported: true } | VarKind::Foreign if what.is_tracked => {
                self.flow.leak(Node::Var(var), Escape::Exported);
                self.admit(Node::Var(var));
            }
            _ => {}
        }
        var
    }

    fn add_var(
        &mut self,
        name: Name,
        kind: VarKind,
        func: Option<FuncId>,
        site: Site,
        shape: Shape,
    ) -> VarId {
        let id = VarId::at(self.ir.vars.len());
        let in_loop = func == Some(self.body.id) && !self.body.around.is_empty();
        self.ir.vars.push(Var {
            name,
            kind,
            func,
            site,
            shape,
            assignments: 0,
            is_captured: false,
            is_volatile: false,
            in_loop,
        });
        let inner = if in_loop {
            self.body.around.last().copied()
        } else {
            None
        };
        self.declared_in.push(inner);
        id
    }

    /// A variable for a value between instructions.
    pub(super) fn temp(&mut self, shape: Shape, span: Span) -> PlaceId {
        let site = self.site(span);
        let var = self.add_var(
            Name::MISSING,
            VarKind::Temp,
            Some(self.body.id),
            site,
            shape,
        );
        self.ir.places.intern(Place::Var(var))
    }

    /// The variable of an object of the checker.
    pub(super) fn var(&mut self, object: types::ObjectId) -> Option<VarId> {
        if let Some(var) = self.vars.get(&object) {
            return Some(*var);
        }
        let found = *self.checker.object(object);
        let types::ObjectKind::Var(kind) = found.kind else {
            return None;
        };
        let is_foreign = found.package() != Some(self.package);
        let kind = match kind {
            types::VarKind::Package if is_foreign => VarKind::Foreign,
            types::VarKind::Package => {
                let exported = self.is_importable && is_exported(self.text(found.name));
                VarKind::Package { exported }
            }
            types::VarKind::Local => VarKind::Local,
            types::VarKind::Receiver => VarKind::Receiver,
            // Declared above with their places; this happens in source with errors only.
            types::VarKind::Param => VarKind::Param(u32::MAX),
            types::VarKind::Result => VarKind::Result(u32::MAX),
        };
        let func = match kind {
            VarKind::Package { .. } | VarKind::Foreign => None,
            _ => Some(self.body.id),
        };
        let file = if is_foreign {
            0
        } else {
            found.file.map_or(0, |file| file.index)
        };
        let span = if is_foreign {
            Span::default()
        } else {
            found.span
        };
        let typ = self.checker.object_type(object);
        let var = self.new_var(found.name, kind, func, Site { file, span }, typ);
        self.vars.insert(object, var);
        Some(var)
    }

    /// The place of a variable, noted as captured where it belongs to a function around.
    pub(super) fn var_place(&mut self, var: VarId) -> PlaceId {
        let here = self.body.id;
        if let Some(found) = self.ir.vars.get_mut(var.index())
            && found.func.is_some_and(|func| func != here)
        {
            found.is_captured = true;
            if let Some(func) = self.ir.funcs.get_mut(here.index())
                && !func.captures.contains(&var)
            {
                func.captures.push(var);
            }
        }
        self.ir.places.intern(Place::Var(var))
    }

    /// A field of a struct.
    pub(super) fn field(&mut self, owner: TypeId, name: Name, typ: TypeId) -> FieldId {
        let (key, declared) = match self.checker.typ(owner) {
            types::Type::Named { object, .. } => (Owner::Named(object), Some(object)),
            _ => (Owner::Type(owner), None),
        };
        if let Some(field) = self.fields.get(&(key, name)) {
            return *field;
        }
        let owner_object = declared.map(|object| *self.checker.object(object));
        let is_own = owner_object.is_none_or(|owner| owner.package() == Some(self.package));
        let owner_exported = owner_object.is_none_or(|owner| is_exported(self.text(owner.name)));
        let is_visible = declared.is_some() && is_exported(self.text(name)) && owner_exported;
        let exported = !is_own || self.is_importable && is_visible;
        let text = declared.and_then(|object| self.checker.key(object));
        let text = text.map(|key| key.to_string()).unwrap_or_default();
        let what = self.kind(typ);
        self.add_field(key, name, text, exported, is_own, what)
    }

    fn add_field(
        &mut self,
        key: Owner,
        name: Name,
        owner: String,
        exported: bool,
        is_own: bool,
        what: Kind,
    ) -> FieldId {
        let id = FieldId::at(self.ir.fields.len());
        self.ir.fields.push(Field {
            name,
            owner,
            exported,
            is_own,
            shape: what.shape,
            is_reassigned: false,
        });
        self.fields.insert((key, name), id);
        let node = Node::Field(id);
        if what.in_place && what.is_tracked {
            let kind = ObjectKind::Value {
                shape: what.shape,
                declared: Some(Declared::Field(id)),
            };
            let site = self.field_site(key, name);
            let object = self.new_object(kind, site);
            self.flow.start(node, object);
        }
        if exported && what.is_tracked {
            self.flow.leak(node, Escape::Exported);
            self.admit(node);
        }
        id
    }

    /// Where a field is declared, if that is in this package.
    fn field_site(&self, owner: Owner, name: Name) -> Site {
        let nowhere = Site {
            file: 0,
            span: Span::default(),
        };
        let Owner::Named(owner) = owner else {
            return nowhere;
        };
        let object = self.checker.object(owner);
        let (types::ObjectKind::Type(spec), Some(file)) = (object.kind, object.file) else {
            return nowhere;
        };
        if file.package != self.package {
            return nowhere;
        }
        let ast = &self.program.file(file).ast;
        let mut span = object.span;
        if let SpecKind::Type { typ, .. } = ast[spec].kind
            && let ExprKind::Struct(fields) = ast[ast.unparen(typ)].kind
        {
            for field in &ast[fields] {
                let field = &ast[*field];
                let named = ast[field.names].iter().find(|ident| ident.name == name);
                match named {
                    Some(ident) => span = ident.span,
                    None if field.names.is_empty() && self.ends_in(file, field.typ, name) => {
                        span = ast[field.typ].span;
                    }
                    None => {}
                }
            }
        }
        Site {
            file: file.index,
            span,
        }
    }

    /// Whether a type is written with this name last: `*sync.Mutex` for `Mutex`.
    fn ends_in(&self, file: FileId, typ: ExprId, name: Name) -> bool {
        let ast = &self.program.file(file).ast;
        match ast[ast.unparen(typ)].kind {
            ExprKind::Name(found) => found == name,
            ExprKind::Selector { field, .. } => field.name == name,
            ExprKind::Star(inner) => match ast[ast.unparen(inner)].kind {
                ExprKind::Name(found) => found == name,
                ExprKind::Selector { field, .. } => field.name == name,
                _ => false,
            },
            _ => false,
        }
    }

    /// The field that stands for the elements of a type of channel, the same for all channels of them.
    pub(super) fn element_field(&mut self, element: TypeId) -> FieldId {
        let key = Owner::Type(element);
        let name = Name::MISSING;
        if let Some(field) = self.fields.get(&(key, name)) {
            return *field;
        }
        let what = self.kind(element);
        let what = Kind {
            in_place: false,
            ..what
        };
        self.add_field(key, name, String::new(), false, true, what)
    }

    /// The lock of a `sync.Cond` at a node.
    pub(super) fn lock_field(&mut self, cond: Node) -> FieldId {
        let key = Owner::Node(cond);
        let name = self.lock_name;
        if let Some(field) = self.fields.get(&(key, name)) {
            return *field;
        }
        let what = Kind {
            shape: Shape::Locker,
            in_place: false,
            is_tracked: true,
        };
        self.add_field(key, name, "sync.Cond".to_owned(), false, true, what)
    }

    pub(super) fn new_object(&mut self, kind: ObjectKind, site: Site) -> ObjectId {
        let id = ObjectId::at(self.ir.objects.len());
        let is_field = matches!(
            kind,
            ObjectKind::Value {
                declared: Some(Declared::Field(_)),
                ..
            }
        );
        self.ir.objects.push(Object {
            kind,
            site,
            func: (!is_field).then_some(self.body.id),
            in_loop: !is_field && !self.body.around.is_empty(),
        });
        id
    }

    /// The object that a function is as a value.
    pub(super) fn func_object(&mut self, func: FuncId) -> ObjectId {
        if let Some(object) = self.func_objects.get(&func) {
            return *object;
        }
        let site = self.ir[func].site;
        let object = self.new_object(ObjectKind::Func(func), site);
        self.func_objects.insert(func, object);
        object
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Receiver,
    Param,
    Result,
}

pub(super) fn is_exported(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}

fn empty_func(name: String, kind: FuncKind, parent: Option<FuncId>, site: Site) -> Func {
    Func {
        name,
        kind,
        parent,
        site,
        receiver: None,
        params: Vec::new(),
        results: Vec::new(),
        captures: Vec::new(),
        blocks: Vec::new(),
        instrs: Vec::new(),
        homes: Vec::new(),
        loops: Vec::new(),
        unknowns: Vec::new(),
        recovers: false,
    }
}
