//! Which declaration a name means.

use super::*;

/// The types that the uses of `x` as `use(x)` have, in the order of the source.
#[track_caller]
fn check_uses(body: &str, expected: &[&str]) {
    let source = source(&format!("func use(any) {{}}\nfunc f(x int) {{\n{body}\n}}"));
    let checker = source.checker();
    let file = source.program.file(source.file());
    let mut found = Vec::new();
    for (_, expr) in file.ast.exprs() {
        if let ExprKind::Call { args, .. } = expr.kind
            && let [arg] = &file.ast[args]
            && file.text(file.ast[*arg].span) == "x"
        {
            found.push((
                expr.span.start,
                checker.describe(checker.type_of(source.file(), *arg)),
            ));
        }
    }
    found.sort();
    let found: Vec<String> = found.into_iter().map(|(_, typ)| typ).collect();
    assert_eq!(found, expected, "{body}");
}

#[test]
fn scopes_end_where_they_end() {
    check_uses(
        r#"use(x); { x := "a"; use(x) }; use(x)"#,
        &["int", "string", "int"],
    );
    check_uses(
        r#"if x := "a"; true { use(x); x := 'a'; use(x) } else { use(x) }; use(x)"#,
        &["string", "rune", "string", "int"].map(|typ| if typ == "rune" { "int32" } else { typ }),
    );
    check_uses(r#"for x := range "a" { use(x) }; use(x)"#, &["int", "int"]);
    check_uses(
        r#"for _, x := range "a" { use(x) }; use(x)"#,
        &["int32", "int"],
    );
    check_uses(
        r#"switch x := "a"; x { case "b": x := true; use(x); default: use(x) }; use(x)"#,
        &["bool", "string", "int"],
    );
    check_uses(
        r#"var c chan string; select { case x := <-c: use(x); default: use(x) }; use(x)"#,
        &["string", "int", "int"],
    );
    check_uses(
        r#"func(x string) { use(x) }("a"); use(x)"#,
        &["string", "int"],
    );
}

#[test]
fn a_declaration_holds_behind_itself() {
    check_uses(
        r#"{ x := func() int { use(x); return x }; use(x) }"#,
        &["int", "func() int"],
    );
    check_uses(r#"{ var x = []int{x}; use(x) }"#, &["[]int"]);
    check_uses(r#"{ type y = *int; var x y; use(x) }"#, &["*int"]);
    check_uses(
        r#"{ type x struct { next *x }; var y *x; for x := y; ; { use(x) } }"#,
        &["*p.x"],
    );
}

#[test]
fn redeclaring_assigns_what_is_there() {
    check_uses(r#"x, y := 1, "a"; use(x); _ = y"#, &["int"]);
    check_uses(
        r#"{ x, y := "a", 1; use(x); x, z := "b", 1; use(x); _, _ = y, z }"#,
        &["string", "string"],
    );
    let source =
        source("func f() (a int) { a, b := 1, 2; { a, c := 3, 4; _, _ = a, c }; return a + b }");
    let checker = source.checker();
    let file = source.program.file(source.file());
    let mut objects: Vec<_> = file
        .ast
        .exprs()
        .filter(|(_, expr)| file.text(expr.span) == "a")
        .collect();
    objects.sort_by_key(|(_, expr)| expr.span.start);
    let objects: Vec<_> = objects
        .iter()
        .map(|(id, _)| checker.object_of(source.file(), *id).unwrap())
        .collect();
    // Defined again, shadowed, used inside, returned.
    let [again, shadow, inside, returned] = objects[..] else {
        panic!("{objects:?}")
    };
    assert_eq!(again, returned);
    assert_eq!(shadow, inside);
    assert_ne!(again, shadow);
    assert_eq!(checker.object(again).kind, ObjectKind::Var(VarKind::Result));
    assert_eq!(checker.object(shadow).kind, ObjectKind::Var(VarKind::Local));
}

#[test]
fn else_branches_see_the_conditions_before() {
    check_uses(
        r#"if a := 1; a > 0 { use(x) } else if x := "s"; a > 1 { use(x) } else if x == "" { use(x) } else { use(x) }; use(x)"#,
        &["int", "string", "string", "string", "int"],
    );
}

#[test]
fn each_clause_of_a_type_switch_has_its_variable() {
    check_uses(
        r#"var a any; switch x := a.(type) { case int: use(x); case string, bool: use(x); case nil: use(x); case error: use(x); default: use(x) }; use(x)"#,
        &["int", "any", "any", "error", "any", "int"]
            .map(|typ| if typ == "any" { "any" } else { typ }),
    );
    let source =
        source("func f(a any) { switch x := a.(type) { case int: _ = x; case error: _ = x } }");
    let checker = source.checker();
    let ast = &source.program.file(source.file()).ast;
    let variables: Vec<_> = ast
        .clauses()
        .map(|(id, _)| checker.clause_variable(source.file(), id).unwrap())
        .collect();
    assert_ne!(variables[0], variables[1]);
}

#[test]
fn ranges_give_what_they_run_over() {
    let body = r#"func f[S ~[]E, E any](s S, m map[string]bool, c <-chan error, a *[3]byte, seq func(func(int, string) bool), n int8) {
        for k1, v1 := range s { _, _ = k1, v1 }
        for k2, v2 := range m { _, _ = k2, v2 }
        for v3 := range c { _ = v3 }
        for k4, v4 := range a { _, _ = k4, v4 }
        for k5, v5 := range seq { _, _ = k5, v5 }
        for k6 := range n { _ = k6 }
        for k7 := range 10 { _ = k7 }
    }"#;
    check(
        body,
        &[
            ("k1", "int"),
            ("v1", "E"),
            ("k2", "string"),
            ("v2", "bool"),
            ("v3", "error"),
            ("k4", "int"),
            ("v4", "uint8"),
            ("k5", "int"),
            ("v5", "string"),
            ("k6", "int8"),
            ("k7", "int"),
        ],
    );
}

#[test]
fn imports_have_the_names_they_are_given() {
    let source = Source::new(&[
        (
            "p",
            "package p\nimport \"lib/v2\"\nimport other \"lib/b\"\nimport . \"dots\"\nimport \"missing\"\nimport _ \"lib/c\"\n\
            var a, b, c, d = lib.A, other.B, Dotted, missing.X\nvar e, f = c2.C, hidden\n",
        ),
        ("lib/v2", "package lib\nvar A int\n"),
        ("lib/b", "package b\nvar B string\nvar private bool\n"),
        ("dots", "package dots\nvar Dotted, hidden bool\n"),
        ("lib/c", "package c2\nvar C int\n"),
    ]);
    check_in(
        &source,
        &[
            ("lib.A", "int"),
            ("other.B", "string"),
            ("Dotted", "bool"),
            ("missing.X", "?"),
            ("c2.C", "?"),
            ("hidden", "?"),
        ],
    );
    let checker = source.checker();
    let kind = |text| {
        checker
            .object_of(source.file(), source.expr(text))
            .map(|object| checker.object(object).kind)
    };
    assert_eq!(kind("missing"), Some(ObjectKind::Package(None)));
    assert!(matches!(kind("lib"), Some(ObjectKind::Package(Some(_)))));
    assert_eq!(kind("c2"), None);
}

#[test]
fn declarations_are_found_at_their_names() {
    let text = "var g = 1\nfunc (r T) m(a, b int) (err error) { var l = a; const k = 2; type t int; l, n := 1, 2; _ = n; return }\ntype T struct{}";
    let source = source(text);
    let checker = source.checker();
    let file = source.program.file(source.file());
    let kinds = |name: &str| {
        let at = file
            .source()
            .windows(name.len())
            .position(|window| window == name.as_bytes())
            .unwrap();
        // The name is the last byte of what is looked for.
        let start = u32::try_from(at + name.len() - 1).unwrap();
        let span = crate::syntax::Span::new(start, start + 1);
        let ident = crate::syntax::ast::Ident {
            name: Name::MISSING,
            span,
        };
        checker
            .definition(source.file(), ident)
            .map(|object| checker.object(object).kind)
    };
    assert_eq!(kinds("var g"), Some(ObjectKind::Var(VarKind::Package)));
    assert_eq!(kinds("(r"), Some(ObjectKind::Var(VarKind::Receiver)));
    assert_eq!(kinds("m(a"), Some(ObjectKind::Var(VarKind::Param)));
    assert_eq!(kinds(", b"), Some(ObjectKind::Var(VarKind::Param)));
    assert_eq!(kinds("(e"), Some(ObjectKind::Var(VarKind::Result)));
    assert_eq!(kinds("var l"), Some(ObjectKind::Var(VarKind::Local)));
    assert_eq!(kinds("const k"), Some(ObjectKind::Const));
    assert!(matches!(kinds("type t"), Some(ObjectKind::Type(_))));
    assert_eq!(kinds("l, n"), Some(ObjectKind::Var(VarKind::Local)));
    assert_eq!(kinds("return"), None);
}

use crate::syntax::Name;
