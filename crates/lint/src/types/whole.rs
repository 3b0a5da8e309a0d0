//! Whole bodies, and all that a package declares.

use crate::syntax::ast::{Body, DeclKind, FunctionId, SpecId, SpecKind, ValueKind};

use super::checker::Checker;
use super::object::VarKind;
use super::program::FileId;
use super::typ::{Type, TypeList};

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
}
