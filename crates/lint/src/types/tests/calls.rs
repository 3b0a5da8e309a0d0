//! What calls call.

use super::*;

/// What a call calls, in words.
fn callee(source: &Source, text: &str) -> String {
    let checker = source.checker();
    let file = source.program.file(source.file());
    let expr_text = |expr: ExprId| file.text(file.ast[expr].span).to_owned();
    match checker.callee(source.file(), source.expr(text)) {
        Callee::Unknown => "unknown".to_owned(),
        Callee::Function(object) => format!("function {}", checker.key(object).unwrap()),
        Callee::Method(object, _) => format!("method {}", checker.key(object).unwrap()),
        Callee::Interface(id) => {
            format!("interface {}", checker.describe(checker.selection(id).typ))
        }
        Callee::Closure(expr) => format!("closure {}", expr_text(expr)),
        Callee::Value(expr) => format!("value {}", expr_text(expr)),
        Callee::Builtin(builtin) => format!("builtin {builtin:?}"),
        Callee::Conversion(typ) => format!("conversion {}", checker.describe(typ)),
    }
}

#[track_caller]
fn check_callees(declarations: &str, expected: &[(&str, &str)]) {
    let source = source(declarations);
    for (text, expected) in expected {
        assert_eq!(callee(&source, text), *expected, "{text}");
    }
}

#[test]
fn calls_and_conversions_are_told_apart() {
    check_callees(
        "type F func(int) int; type T struct { f F; m map[string]func() }; func (t *T) run() {}; func g(int) F { return nil }
        func list[T any](T) []T { return nil }
        func f(t T, x int, e error) {
            g(1); g(1)(2); (g)(3); t.f(4); t.run(); (*T).run(&t); t.m[\"a\"](); F(nil); (*T)(nil); []byte(\"a\"); (<-chan int)(nil)
            func() {}(); e.Error(); len(t.m); list(x); list[string](\"\"); h := t.run; h(); missing(); missing.f()
            len := g; len(5)
        }",
        &[
            ("g(1)", "function p.g"),
            ("g(1)(2)", "value g(1)"),
            ("(g)(3)", "function p.g"),
            ("t.f(4)", "value t.f"),
            ("t.run()", "method p.T.run"),
            ("(*T).run(&t)", "method p.T.run"),
            ("t.m[\"a\"]()", "value t.m[\"a\"]"),
            ("F(nil)", "conversion p.F"),
            ("(*T)(nil)", "conversion *p.T"),
            ("[]byte(\"a\")", "conversion []uint8"),
            ("(<-chan int)(nil)", "conversion <-chan int"),
            ("func() {}()", "closure func() {}"),
            ("e.Error()", "interface func() string"),
            ("len(t.m)", "builtin Len"),
            ("list(x)", "function p.list"),
            ("list[string](\"\")", "function p.list"),
            ("h()", "value h"),
            ("missing()", "unknown"),
            ("missing.f()", "unknown"),
            ("len(5)", "value len"),
        ],
    );
}

#[test]
fn values_of_calls() {
    check(
        "func two() (int, error) { return 0, nil }; func none() {}; func one() chan<- bool { return nil }
        func f() { a, b := two(); _, _ = a, b; none(); c := one(); _ = c; d, ok := <-make(chan string); _, _ = d, ok
            m := map[int][]string{}; e, ok2 := m[1]; _, _ = e, ok2; var i any; g, ok3 := i.(fmtStringer); _, _ = g, ok3 }
        type fmtStringer interface { String() string }",
        &[
            ("a", "int"), ("b", "error"), ("two()", "(int, error)"), ("none()", "()"), ("c", "chan<- bool"), ("d", "string"),
            ("ok", "bool"), ("e", "[]string"), ("ok2", "bool"), ("g", "p.fmtStringer"), ("ok3", "bool"),
        ],
    );
}

#[test]
fn predeclared_functions_have_their_types() {
    check(
        "import \"unsafe\"\ntype S []int; func f(s S, p *int) { a := append(s, 1); b := make(chan int, 2); c := new(S); d := cap(s); e := recover()
            g := min(1, 2.5); h := max(d, 3); i := copy(s, s); j := unsafe.Slice(p, 3); k := unsafe.Pointer(p); l := new(3); m := complex(1, float32(2))
            n := real(m); o := unsafe.Sizeof(s); _, _, _, _, _, _, _, _, _, _, _, _, _, _ = a, b, c, d, e, g, h, i, j, k, l, m, n, o }",
        &[
            ("a", "p.S"), ("b", "chan int"), ("c", "*p.S"), ("d", "int"), ("e", "any"), ("g", "float64"), ("h", "int"), ("i", "int"),
            ("j", "[]int"), ("k", "unsafe.Pointer"), ("l", "*int"), ("m", "complex64"), ("n", "float32"), ("o", "uintptr"),
        ],
    );
}
