//! What expressions are, on small sources.

use std::sync::Arc;

use super::*;
use crate::syntax::ast::{ExprId, ExprKind};
use crate::syntax::{Bodies, Interner, Names, parse};

mod calls;
mod constants;
mod generics;
mod hostile;
mod names;
mod selectors;
mod supplied;

/// Packages from sources: the first is checked and may import the others by their paths.
struct Source {
    names: Names,
    program: Program,
    package: PackageId,
}

impl Source {
    fn new(sources: &[(&str, &str)]) -> Self {
        let names = Names::new();
        let mut program = Program::new();
        let mut ids = Vec::new();
        let mut interner = Interner::new(&names);
        for (path, source) in sources {
            let file = parse(source.as_bytes().to_vec(), &mut interner, Bodies::Parse);
            assert_eq!(file.errors, [], "{path}");
            ids.push(program.add(Package::new(path, vec![Arc::new(file)])));
        }
        program.link_by_path();
        Self {
            names,
            program,
            package: ids[0],
        }
    }

    /// A checker that has typed everything.
    fn checker(&self) -> Checker<'_> {
        let mut checker = Checker::new(&self.program, &self.names, self.package);
        checker.check_all();
        checker
    }

    fn file(&self) -> FileId {
        FileId::new(self.package, 0)
    }

    /// The expression with this text, the last of them where there are several.
    #[track_caller]
    fn expr(&self, text: &str) -> ExprId {
        let file = self.program.file(self.file());
        let same = file
            .ast
            .exprs()
            .filter(|(_, expr)| file.text(expr.span) == text);
        same.map(|(id, _)| id)
            .last()
            .unwrap_or_else(|| panic!("no expression {text}"))
    }
}

/// The package `p` with some declarations.
fn source(declarations: &str) -> Source {
    Source::new(&[("p", &format!("package p\n{declarations}"))])
}

/// The types of expressions, each given by its text.
#[track_caller]
fn check_in(source: &Source, expected: &[(&str, &str)]) {
    let checker = source.checker();
    for (text, typ) in expected {
        let found = checker.type_of(source.file(), source.expr(text));
        assert_eq!(checker.describe(found), *typ, "{text}");
    }
}

#[track_caller]
fn check(declarations: &str, expected: &[(&str, &str)]) {
    check_in(&source(declarations), expected);
}

#[test]
fn only_what_is_asked_for_is_typed() {
    let source = source("func f() { a() }; func a() int { return b() }; func b() int { return 0 }");
    let mut checker = Checker::new(&source.program, &source.names, source.package);
    assert!(
        checker
            .type_of(source.file(), source.expr("a()"))
            .is_unknown()
    );
    let file = source.program.file(source.file());
    let (f, _) = file.ast.functions().next().unwrap();
    checker.check_function(source.file(), f);
    assert_eq!(
        checker.type_of(source.file(), source.expr("a()")),
        TypeId::INT
    );
    assert!(
        checker
            .type_of(source.file(), source.expr("b()"))
            .is_unknown()
    );
}
