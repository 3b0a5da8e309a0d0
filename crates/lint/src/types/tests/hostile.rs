//! Sources made to exhaust: time and stack stay small. The test threads have 2 MiB of stack.

use super::*;

/// Types and asks everything; nothing is expected but an end.
fn endure(declarations: &str) {
    let names = Names::new();
    let source = format!("package p\n{declarations}");
    assert_eq!(
        verify::verify_source(source.as_bytes(), &mut Interner::new(&names)),
        Ok(())
    );
}

/// `count` lines with numbers.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (1..=count).map(|number| line(number) + "\n").collect()
}

#[test]
fn long_chains() {
    endure(&format!("var x = a{}", ".b".repeat(15_000)));
    endure(&format!("var x = f{}", "()".repeat(15_000)));
    endure(&format!("var x = 1{}", "+1".repeat(15_000)));
    endure(&format!(
        "type T struct{{ n *T }}\nvar t *T\nvar x = t{}",
        ".n".repeat(15_000)
    ));
    endure(&format!(
        "func f(a int) {{ if a == 0 {{}} {} }}",
        "else if a == 1 {} ".repeat(10_000)
    ));
    endure(&lines(20_000, |n| format!("const c{n} = c{}", n + 1)));
    endure(&lines(20_000, |n| format!("var v{n} = v{}", n + 1)));
    endure(&lines(20_000, |n| format!("type t{n} t{}", n + 1)));
    endure(&lines(20_000, |n| format!("type t{n} = *t{}", n + 1)));
    endure(&lines(20_000, |n| {
        format!("type t{n} struct {{ t{}; f{n} int }}", n + 1)
    }));
    endure(&lines(20_000, |n| {
        format!("type t{n} interface {{ t{}; m{n}() }}", n + 1)
    }));
    endure(&format!(
        "type c interface {{ int{} }}\nfunc f[T c](t T) {{ t++ }}",
        " | int".repeat(10_000)
    ));
}

#[test]
fn deep_nesting() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(80), close.repeat(80));
    endure(&format!("var x = {}", deep("f(g[", "])")));
    endure(&format!("var x = {}", deep("func() any { return ", "}")));
    endure(&format!(
        "func f() {{ {} }}",
        "if true { for { switch { case true: ".repeat(50)
    ));
    endure(&format!("var x {}int", "map[string]func() []".repeat(60)));
    endure(&format!("var x = {}{{}}", "[]struct { a ".repeat(60)));
    endure(&format!(
        "func f[T any](t T) T {{ return t }}\nvar x = {}",
        deep("f(", ")")
    ));
}

#[test]
fn doubling() {
    endure(&format!(
        "type t0 int\n{}",
        lines(60, |n| format!("type t{n} = struct {{ a, b t{} }}", n - 1))
    ));
    endure(&format!(
        "type t0 int\n{}",
        lines(60, |n| format!(
            "type t{n} struct {{ t{}; a, b t{} }}",
            n - 1,
            n - 1
        ))
    ));
    endure(&format!(
        "type t0 interface {{ m() }}\n{}\nvar x t60 = nil",
        lines(60, |n| format!(
            "type t{n} interface {{ t{}; t{} }}",
            n - 1,
            n - 1
        ))
    ));
    endure(&format!(
        "type t0 interface {{ int }}\n{}func f[T t60](t T) {{ t++ }}",
        lines(60, |n| format!(
            "type t{n} interface {{ t{} | t{} }}",
            n - 1,
            n - 1
        ))
    ));
    endure(&format!(
        "type P[T any] struct {{ a, b T }}\ntype t0 int\n{}",
        lines(60, |n| format!("type t{n} = P[P[t{}]]", n - 1))
    ));
    endure(&format!(
        "const s0 = \"0123456789\"\n{}",
        lines(60, |n| format!("const s{n} = s{} + s{}", n - 1, n - 1))
    ));
    endure(&format!(
        "const s0 = 2\n{}",
        lines(60, |n| format!("const s{n} = s{} * s{}", n - 1, n - 1))
    ));
    endure(&format!(
        "func d[T any](t T) (T, T) {{ return t, t }}\nfunc p[T any](a, b T) struct {{ a, b T }} {{ panic(0) }}\nfunc f() {{ x0 := 1\n{} }}",
        lines(60, |n| format!("x{n} := p(d(x{}))", n - 1))
    ));
    endure(&format!(
        "var v0 = 1\n{}",
        lines(60, |n| format!(
            "var v{n} = [...]any{{v{}, v{}, func() {{ _ = v{} }}}}",
            n - 1,
            n - 1,
            n - 1
        ))
    ));
}

#[test]
fn growing_without_end() {
    endure(
        "type T[P any] struct { next *T[T[P]]; v P }\nfunc f(t T[int]) { _ = t.next.next.next.next.next.next.v }",
    );
    endure("type T[P any] struct { *T[*P]; v P }\nfunc f(t T[int]) { _ = t.v; _ = t.missing }");
    endure("type T[P any] T[T[P]]\nvar x T[int]\nvar y = x.f");
    endure("type T[P any] = *T[P]\nvar x T[int]\nvar y = *x");
    endure("type T[P T[P]] interface { m() T[P] }\nfunc f[Q T[Q]](q Q) { q.m().m() }");
    endure("func f[T any](t T) { f(&t); f([]T{t}); f(f[*T]) }");
    endure("func f[P *Q, Q *P](p P, q Q) { f(p, q); f(nil, nil); *p = q }");
    endure("func f[P interface { Q }, Q interface { P }](p P) { p.m(); f[P](p) }");
}

#[test]
fn cycles() {
    endure(
        "type A struct { B; a int }\ntype B struct { A; b int }\nfunc f(a A) { _ = a.b; _ = a.c }",
    );
    endure("type A B\ntype B C\ntype C A\nvar a A\nvar b = a.x");
    endure("type A = B\ntype B = A\nvar a A");
    endure("type T [len(x)]int\nvar x T\nvar y = len(x)");
    endure("const a = b + 1\nconst b = a\nvar x [a]int");
    endure("var a = b()\nfunc b() int { return c }\nvar c = a\nvar d = func() { d() }");
    endure("type I interface { I; m() I }\nfunc f(i I) { i.m().m() }");
    endure("type I interface { J }\ntype J interface { I }\nvar i I\nvar j J = i");
    endure("func f(x [len(f)]int) {}\nvar y = f(f)");
    endure("type T struct { f func(T) [unsafe(T{}.f)]T }");
    endure(
        "import \"q\"\nimport r \"q\"\nvar x = q.X\nvar X = r.x\nfunc f(y q.T) { y.f() }\ntype T struct { q.T }",
    );
    endure("func f() { type a struct { b *b }; type b struct { a }; var x a; _ = x.b.a }");
    endure("func (T[P]) m() {}\ntype T[P T[P]] struct{}\nvar x T[int]\nvar y = x.m");
}
