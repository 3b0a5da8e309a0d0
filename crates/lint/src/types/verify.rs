//! What holds of the types of every package, sound or not: for property tests and fuzzing.

use std::sync::Arc;

use crate::syntax::ast::{ExprKind, StmtKind};
use crate::syntax::{Bodies, Interner, parse};

use super::checker::{Callee, Checker, SelectionKind, Use};
use super::object::ObjectKind;
use super::program::{FileId, Package, Program};
use super::store::MAX_TYPE_NODES;
use super::typ::{Type, TypeId};

/// Bytes of text to a node of a type, with import paths before the names of a test.
const BYTES_PER_NODE: usize = 256;

/// Questions about one source, so that a fuzzer gets on.
const MAX_QUESTIONS: usize = 500;

/// Types a source as a package that also imports itself under another path, and asks everything that can be asked. The error
/// tells what does not hold.
pub fn verify_source(source: &[u8], interner: &mut Interner<'_>) -> Result<(), String> {
    let names = interner.names();
    let file = Arc::new(parse(source.to_vec(), interner, Bodies::Parse));
    let mut program = Program::new();
    // Import paths of the source that are found lead to the same file, and so to cycles.
    let package = program.add(Package::new("p", vec![Arc::clone(&file), file]));
    let imports: Vec<String> = program
        .package(package)
        .file_imports(0)
        .iter()
        .map(|import| import.path.clone())
        .collect();
    for import in imports.iter().step_by(2) {
        program.link(package, import, package);
    }
    let mut checker = Checker::new(&program, names, package);
    checker.check_all();
    verify(&mut checker)
}

/// Asks everything about the expressions of a package that was typed.
fn verify(checker: &mut Checker<'_>) -> Result<(), String> {
    let program = checker.program();
    for file in program
        .package(checker.package())
        .file_ids(checker.package())
    {
        let ast = &program.file(file).ast;
        let exprs: Vec<_> = ast.exprs().map(|(id, _)| id).take(MAX_QUESTIONS).collect();
        for expr in exprs {
            let typ = checker.type_of(file, expr);
            verify_type(checker, typ)?;
            verify_use(checker, checker.use_of(file, expr))?;
            let _ = checker.constant_of(file, expr);
            match ast[expr].kind {
                ExprKind::Call { .. } => verify_call(checker, file, expr)?,
                ExprKind::Selector { field, .. } => {
                    let package = checker.package();
                    if let Some(found) = checker.find(typ, field.name, package) {
                        verify_use(checker, Use::Selection(found))?;
                    }
                }
                _ => {}
            }
        }
        for (_, stmt) in ast.stmts().take(MAX_QUESTIONS) {
            if let StmtKind::TypeSwitch { clauses, .. } = stmt.kind {
                for clause in &ast[clauses] {
                    if let Some(object) = checker.clause_variable(file, *clause) {
                        verify_use(checker, Use::Object(object))?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn verify_type(checker: &mut Checker<'_>, typ: TypeId) -> Result<(), String> {
    let text = checker.describe_exactly(typ);
    if text.len() > MAX_TYPE_NODES as usize * BYTES_PER_NODE {
        return Err(format!("a type of {} bytes", text.len()));
    }
    if matches!(
        checker.underlying(typ),
        Type::Named { .. } | Type::TypeParam(_)
    ) {
        return Err(format!("{text}: what is behind a name is a name"));
    }
    let _ = (checker.core(typ), checker.type_key(typ));
    if !checker.is_identical(typ, typ) {
        return Err(format!("{text}: not the same as itself"));
    }
    Ok(())
}

fn verify_use(checker: &mut Checker<'_>, what: Use) -> Result<(), String> {
    match what {
        Use::None | Use::Type => {}
        Use::Object(object) => {
            let typ = checker.object_type(object);
            let _ = (checker.object_constant(object), checker.key(object));
            verify_type(checker, typ)?;
        }
        Use::Selection(id) => {
            let selection = checker.selection(id).clone();
            if selection.steps.is_empty() && selection.kind == SelectionKind::Field {
                return Err("a field without a way to it".to_owned());
            }
            for step in &selection.steps {
                let Type::Struct(fields) = checker.underlying(step.owner) else {
                    return Err(format!(
                        "{}: a field of what is no struct",
                        checker.describe(step.owner)
                    ));
                };
                let field = checker.fields(fields).get(step.index as usize);
                if !field.is_some_and(|field| field.name == step.name && field.typ == step.typ) {
                    return Err(format!(
                        "{}: another field than said",
                        checker.describe(step.owner)
                    ));
                }
            }
            verify_type(checker, selection.typ)?;
        }
    }
    Ok(())
}

fn verify_call(
    checker: &mut Checker<'_>,
    file: FileId,
    call: crate::syntax::ast::ExprId,
) -> Result<(), String> {
    match checker.callee(file, call) {
        Callee::Function(object) | Callee::Method(object, _) => match checker.object(object).kind {
            ObjectKind::Function { .. } => Ok(()),
            kind => Err(format!("a call of {kind:?}")),
        },
        Callee::Interface(id) => {
            let SelectionKind::Interface {
                interface, name, ..
            } = checker.selection(id).kind
            else {
                return Err("no method of an interface".to_owned());
            };
            for object in checker.implementations(interface, name) {
                if checker.object(object).name != name {
                    return Err("a method of another name".to_owned());
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
