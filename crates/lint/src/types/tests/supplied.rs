//! Packages that are supplied where they are missing.

use super::*;
use crate::syntax::ast::Node;

const SOURCE: &str = "package p
import ( \"context\"; \"net/http\"; \"sync\"; \"time\"; \"golang.org/x/sync/errgroup\"; \"sync/atomic\"; \"testing\"; \"far/away\" )
type T struct { sync.Mutex; n atomic.Pointer[T] }
func f(t *T, g *errgroup.Group, tt *testing.T) {
    t.Lock(); ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second); <-ctx.Done(); cancel(); <-time.After(1)
    g.Go(func() error { return nil }); r, err := http.Get(\"\"); r.Body.Close(); _ = err; away.Do(); time.Nonesuch(); tt.Fatal(t.n.Load())
}";

#[test]
fn missing_packages_are_supplied() {
    let mut source = Source::new(&[("p", SOURCE)]);
    check_in(&source, &[("t.Lock", "?"), ("ctx", "?")]);
    let before = source.program.packages().count();
    let added = source.program.supply(&source.names);
    // Also those that the supplied ones import.
    assert_eq!(source.program.packages().count(), before + added);
    check_in(
        &source,
        &[
            ("t.Lock", "func()"),
            ("ctx", "context.Context"),
            ("ctx.Done()", "<-chan struct{}"),
            ("cancel", "context.CancelFunc"),
            ("2*time.Second", "time.Duration"),
            ("<-time.After(1)", "time.Time"),
            ("g.Go", "func(func() error)"),
            ("r.Body", "io.ReadCloser"),
            ("err", "error"),
            ("t.n.Load()", "*p.T"),
            ("tt.Fatal", "func(...any)"),
            ("away.Do()", "?"),
            ("time.Nonesuch()", "?"),
        ],
    );
    let checker = source.checker();
    let Callee::Method(method, _) = checker.callee(source.file(), source.expr("t.Lock()")) else {
        panic!("no method");
    };
    assert_eq!(checker.key(method).unwrap().to_string(), "sync.Mutex.Lock");
    assert_eq!(source.program.supply(&source.names), 0);
}

#[test]
fn a_package_that_is_there_is_taken() {
    let mut source = Source::new(&[
        (
            "p",
            "package p\nimport \"sync\"\nvar m sync.Mutex\nvar x = m.Own()\nvar y = m.Lock",
        ),
        (
            "sync",
            "package sync\ntype Mutex struct{}\nfunc (Mutex) Own() bool { return true }",
        ),
    ]);
    assert_eq!(source.program.supply(&source.names), 0);
    check_in(&source, &[("m.Own()", "bool"), ("m.Lock", "?")]);
}

#[test]
fn what_is_supplied_imports_the_real_packages() {
    let mut source = Source::new(&[
        (
            "p",
            "package p\nimport \"golang.org/x/sync/errgroup\"\nvar _, ctx = errgroup.WithContext(nil)\nvar x = ctx.Real()",
        ),
        (
            "context",
            "package context\ntype Context interface { Real() bool }",
        ),
    ]);
    assert_eq!(source.program.supply(&source.names), 1);
    check_in(&source, &[("ctx.Real()", "bool")]);
}

#[test]
fn all_that_is_supplied_is_sound() {
    let imports = super::super::supplied::SUPPLIED
        .iter()
        .map(|(path, _)| format!("import _ {path:?}\n"));
    let imports: String = imports.collect();
    let mut source = Source::new(&[("p", &format!("package p\n{imports}"))]);
    assert_eq!(
        source.program.supply(&source.names),
        super::super::supplied::SUPPLIED.len()
    );
    for (id, package) in source.program.packages() {
        let mut checker = Checker::new(&source.program, &source.names, id);
        checker.check_all();
        for file in package.file_ids(id) {
            let ast = &source.program.file(file).ast;
            assert_eq!(source.program.file(file).errors, []);
            let decls = source.program.file(file).decls.iter();
            for (_, node) in decls.flat_map(|decl| ast.walk(Node::Decl(*decl))) {
                let Node::Expr(expr) = node else { continue };
                let text = source.program.file(file).text(ast[expr].span);
                let object = checker
                    .object_of(file, expr)
                    .map(|object| checker.object(object).kind);
                // Import paths and names of packages have no type.
                let is_path =
                    text.starts_with('"') || matches!(object, Some(ObjectKind::Package(_)));
                assert!(
                    is_path || !checker.type_of(file, expr).is_unknown(),
                    "{}: {text}",
                    package.path
                );
            }
        }
    }
}
