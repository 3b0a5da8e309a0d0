//! Statements: what they declare, and where it holds.

use crate::syntax::ast::{
    AssignKind, BlockId, Body, ClauseId, ClauseKind, DeclId, DeclKind, ExprId, ExprKind, FieldId,
    FunctionId, Ident, List, SpecId, SpecKind, StmtId, StmtKind, ValueKind,
};

use super::checker::{Checker, Use};
use super::constant::Const;
use super::declare::{Source, State};
use super::expr::{Mode, Operand};
use super::object::{Object, ObjectId, ObjectKind, VarKind};
use super::program::FileId;
use super::typ::{Basic, Type, TypeId, TypeList};

impl Checker<'_> {
    /// Types a body that was not typed before.
    pub(super) fn type_function(&mut self, file: FileId, id: FunctionId) {
        let Some(table) = self
            .tables
            .get_mut(file.index as usize)
            .filter(|_| file.package == self.package)
        else {
            return;
        };
        if table.checked.insert(id, ()).is_some() {
            return;
        }
        let object = self.function_object(file, id);
        let info = self.function_info(object);
        let own = self.type_params(object);
        self.at_file(file, |checker| {
            let ast = checker.env.ast();
            let function = &ast[id];
            checker.env.bodies = true;
            checker.env.open();
            checker.bind_params(info.receiver_params);
            checker.bind_params(own);
            if let (Some(fields), Some(receiver)) = (function.receiver, info.receiver) {
                let receiver = checker.store.add_list(&[receiver]);
                checker.bind_fields(fields, receiver, VarKind::Receiver);
            }
            let signature = &ast[function.signature];
            let (params, results) = match checker.store.typ(info.typ) {
                Type::Func(signature) => {
                    let signature = checker.store.signature(signature);
                    (signature.params, signature.results)
                }
                _ => (TypeList::EMPTY, TypeList::EMPTY),
            };
            checker.bind_fields(signature.params, params, VarKind::Param);
            checker.bind_fields(signature.results, results, VarKind::Result);
            if let Body::Block(body) = function.body {
                checker.statements(ast[body].stmts);
            }
        });
    }

    /// Types the initial values of the variables of the package, and what else it declares outside functions.
    pub(super) fn type_variables(&mut self) {
        let package = self.program.package(self.package);
        for file in package.file_ids(self.package) {
            for decl in &self.program.file(file).decls {
                let DeclKind::Var(specs) = self.program.file(file).ast[*decl].kind else {
                    continue;
                };
                for spec in &self.program.file(file).ast[specs] {
                    self.at_file(file, |checker| {
                        checker.env.bodies = true;
                        checker.initial_values(*spec);
                    });
                }
            }
        }
    }

    fn initial_values(&mut self, spec: SpecId) {
        let ast = self.env.ast();
        let SpecKind::Value {
            names, typ, values, ..
        } = ast[spec].kind
        else {
            return;
        };
        let typ = typ.map(|typ| self.resolve_type(typ));
        for value in &ast[values] {
            let operand = self.operand(*value);
            if let Some(typ) = typ {
                self.assigned(*value, &operand, typ);
            }
        }
        for ident in &ast[names] {
            if let Some(object) = self.package_object(self.package, ident.name) {
                self.resolve_object(object);
                self.record_definition(*ident, object);
            }
        }
    }

    /// Resolves all types, constants and functions that the package declares, so that what they write is known.
    pub(super) fn type_declarations(&mut self) {
        let package = self.program.package(self.package);
        for file in package.file_ids(self.package) {
            let ast = &self.program.file(file).ast;
            for decl in &self.program.file(file).decls {
                match ast[*decl].kind {
                    DeclKind::Bad | DeclKind::Import(_) => {}
                    DeclKind::Const(specs) | DeclKind::Var(specs) | DeclKind::Type(specs) => {
                        for spec in &ast[specs] {
                            self.type_spec(file, *spec);
                        }
                    }
                    DeclKind::Function(function) => {
                        let object = self.function_object(file, function);
                        let own = self.type_params(object);
                        self.type_constraints(own);
                        self.function_info(object);
                    }
                }
            }
        }
    }

    fn type_spec(&mut self, file: FileId, spec: SpecId) {
        let ast = &self.program.file(file).ast;
        match ast[spec].kind {
            SpecKind::Import { .. } => {}
            SpecKind::Value { of, names, .. } => {
                for (place, ident) in (0..).zip(&ast[names]) {
                    if let (false, Some(object)) = (
                        ident.name.is_blank(),
                        self.package_object(self.package, ident.name),
                    ) {
                        self.resolve_object(object);
                        self.at_file(file, |checker| checker.record_definition(*ident, object));
                    } else if matches!(of, ValueKind::Const { .. }) {
                        self.at_file(file, |checker| checker.declared_constant(spec, place));
                    }
                }
            }
            SpecKind::Type { name, typ, .. } => {
                if let (false, Some(object)) = (
                    name.name.is_blank(),
                    self.package_object(self.package, name.name),
                ) {
                    let typ = self.resolve_object(object);
                    self.under(typ);
                    let params = self.type_params(object);
                    self.type_constraints(params);
                    self.at_file(file, |checker| checker.record_definition(name, object));
                } else {
                    self.at_file(file, |checker| checker.resolve_type(typ));
                }
            }
        }
    }

    fn type_constraints(&mut self, params: TypeList) {
        for param in self.store.list(params).to_vec() {
            if let Type::TypeParam(object) = self.store.typ(param) {
                self.constraint(object);
            }
        }
    }

    // Variables.

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

    // Statements.

    pub(super) fn statements(&mut self, stmts: List<StmtId>) {
        for stmt in &self.env.ast()[stmts] {
            self.statement(*stmt);
        }
    }

    fn block(&mut self, block: BlockId) {
        let mark = self.env.open();
        self.statements(self.env.ast()[block].stmts);
        self.env.close(mark);
    }

    fn statement(&mut self, stmt: StmtId) {
        self.deeper((), |checker| checker.read_statement(stmt));
    }

    fn read_statement(&mut self, stmt: StmtId) {
        let ast = self.env.ast();
        match ast[stmt].kind {
            StmtKind::Bad | StmtKind::Empty | StmtKind::Branch { .. } => {}
            StmtKind::Decl(decl) => self.local_declaration(decl),
            StmtKind::Labeled { stmt, .. } => self.statement(stmt),
            StmtKind::Expr(expr)
            | StmtKind::Go(expr)
            | StmtKind::Defer(expr)
            | StmtKind::Step { operand: expr, .. } => {
                self.operand(expr);
            }
            StmtKind::Send { channel, value } => {
                let channel = self.operand(channel);
                let element = match self.core(channel.typ) {
                    Type::Chan { element, .. } => element,
                    _ => TypeId::UNKNOWN,
                };
                let operand = self.operand(value);
                self.assigned(value, &operand, element);
            }
            StmtKind::Assign {
                kind: AssignKind::Define,
                left,
                right,
            } => self.define(&ast[left], &ast[right]),
            StmtKind::Assign { left, right, .. } => self.assign(&ast[left], &ast[right]),
            StmtKind::Return(values) => {
                for value in &ast[values] {
                    self.operand(*value);
                }
            }
            StmtKind::Block(block) => self.block(block),
            StmtKind::If { .. } => self.if_chain(stmt),
            StmtKind::Switch { init, tag, clauses } => self.switch(init, tag, clauses),
            StmtKind::TypeSwitch {
                init,
                binding,
                guard,
                clauses,
            } => self.type_switch(init, binding, guard, clauses),
            StmtKind::Select(clauses) => {
                for clause in &ast[clauses] {
                    let mark = self.env.open();
                    if let ClauseKind::Comm(stmt) = ast[*clause].kind {
                        self.statement(stmt);
                    }
                    self.statements(ast[*clause].body);
                    self.env.close(mark);
                }
            }
            StmtKind::For {
                init,
                condition,
                post,
                body,
            } => {
                let mark = self.env.open();
                self.optional(init);
                if let Some(condition) = condition {
                    self.operand(condition);
                }
                self.optional(post);
                self.block(body);
                self.env.close(mark);
            }
            StmtKind::Range {
                key,
                value,
                define,
                operand,
                body,
            } => self.range([key, value], define, operand, body),
        }
    }

    fn optional(&mut self, stmt: Option<StmtId>) {
        if let Some(stmt) = stmt {
            self.statement(stmt);
        }
    }

    /// A chain of `else if`, however long; what one declares holds in the later ones.
    fn if_chain(&mut self, first: StmtId) {
        let ast = self.env.ast();
        let (scopes, outer) = (self.env.scopes(), self.env.open());
        let mut next = Some(first);
        while let Some(stmt) = next.take() {
            let StmtKind::If {
                init,
                condition,
                then,
                otherwise,
            } = ast[stmt].kind
            else {
                self.statement(stmt);
                break;
            };
            // One scope inside the other, all closed at the end.
            self.env.open();
            self.optional(init);
            self.operand(condition);
            self.block(then);
            next = otherwise;
        }
        self.env.close_to(scopes, outer);
    }

    fn switch(&mut self, init: Option<StmtId>, tag: Option<ExprId>, clauses: List<ClauseId>) {
        let ast = self.env.ast();
        let mark = self.env.open();
        self.optional(init);
        if let Some(tag) = tag {
            self.operand(tag);
        }
        for clause in &ast[clauses] {
            if let ClauseKind::Case(values) = ast[*clause].kind {
                for value in &ast[values] {
                    self.operand(*value);
                }
            }
            let inner = self.env.open();
            self.statements(ast[*clause].body);
            self.env.close(inner);
        }
        self.env.close(mark);
    }

    fn type_switch(
        &mut self,
        init: Option<StmtId>,
        binding: Option<ExprId>,
        guard: ExprId,
        clauses: List<ClauseId>,
    ) {
        let ast = self.env.ast();
        let mark = self.env.open();
        self.optional(init);
        let guarded = match ast[ast.unparen(guard)].kind {
            ExprKind::Assert { operand, .. } => self.operand(operand).typ,
            _ => TypeId::UNKNOWN,
        };
        for clause in &ast[clauses] {
            let mut typ = guarded;
            if let ClauseKind::Case(cases) = ast[*clause].kind {
                let cases = &ast[cases];
                for case in cases {
                    let operand = self.operand(*case);
                    if cases.len() == 1 && operand.typ != TypeId::UNTYPED_NIL {
                        typ = if operand.mode == Mode::Type {
                            operand.typ
                        } else {
                            TypeId::UNKNOWN
                        };
                    }
                }
            }
            let inner = self.env.open();
            if let Some(binding) = binding
                && let ExprKind::Name(name) = ast[binding].kind
            {
                let object = Object {
                    kind: ObjectKind::Var(VarKind::Local),
                    name,
                    file: Some(self.env.id),
                    span: ast[binding].span,
                };
                let object = self.add_entity(object, Source::None, State::Done, typ);
                self.env.bind(name, object);
                if let Some(table) = self.tables.get_mut(self.env.id.index as usize) {
                    table.clauses.insert(*clause, object);
                }
            }
            self.statements(ast[*clause].body);
            self.env.close(inner);
        }
        self.env.close(mark);
    }

    // Assignments.

    fn assign(&mut self, left: &[ExprId], right: &[ExprId]) {
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
    fn define(&mut self, left: &[ExprId], right: &[ExprId]) {
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
    fn define_one(&mut self, expr: ExprId, typ: TypeId) {
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

    fn range(
        &mut self,
        variables: [Option<ExprId>; 2],
        define: bool,
        operand: ExprId,
        body: BlockId,
    ) {
        let ranged = self.operand(operand);
        let types = self.ranged_types(&ranged);
        let mark = self.env.open();
        for (variable, typ) in variables.into_iter().zip(types) {
            let Some(variable) = variable else { continue };
            if define {
                self.define_one(variable, typ);
            } else {
                self.operand(variable);
            }
        }
        self.block(body);
        self.env.close(mark);
    }

    /// The types of the first and second variable of a loop over something.
    fn ranged_types(&mut self, ranged: &Operand) -> [TypeId; 2] {
        let none = TypeId::UNKNOWN;
        match self.core(ranged.typ) {
            Type::Basic(Basic::String | Basic::UntypedString) => {
                [TypeId::INT, TypeId::basic(Basic::Int32)]
            }
            Type::Basic(_) => [self.variable_type(ranged), none],
            Type::Slice(element) | Type::Array { element, .. } => [TypeId::INT, element],
            Type::Pointer(to) => match self.underlying(to) {
                Type::Array { element, .. } => [TypeId::INT, element],
                _ => [none, none],
            },
            Type::Map { key, value } => [key, value],
            Type::Chan { element, .. } => [element, none],
            Type::Func(signature) => {
                let signature = self.store.signature(signature);
                let push = self.store.list(signature.params).first().copied();
                let Some(push) = push.and_then(|push| self.signature_of(push)) else {
                    return [none, none];
                };
                let params = self.store.list(push.params);
                let at = |place: usize| params.get(place).copied().unwrap_or(none);
                [at(0), at(1)]
            }
            _ => [none, none],
        }
    }

    // Declarations.

    fn local_declaration(&mut self, decl: DeclId) {
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
        self.store
            .set_underlying(named, super::store::Underlying::Busy);
        let mark = self.env.open();
        self.bind_params(params);
        let written = self.resolve_type(typ);
        self.env.close(mark);
        let under = self.under(written);
        self.store
            .set_underlying(named, super::store::Underlying::Known(under));
    }

    fn declare_local_params(&mut self, object: ObjectId, fields: List<FieldId>) -> TypeList {
        let params = self.declare_params(object, fields);
        self.set_type_params(object, params);
        params
    }
}
