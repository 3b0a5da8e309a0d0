//! Values of constants.

use super::*;

#[track_caller]
fn check_values(declarations: &str, expected: &[(&str, Option<Const>)]) {
    let source = source(declarations);
    let checker = source.checker();
    for (text, value) in expected {
        assert_eq!(
            checker.constant_of(source.file(), source.expr(text)),
            *value,
            "{text}"
        );
    }
}

#[test]
fn constants_are_folded() {
    let int = |value| Some(Const::Int(value));
    check_values(
        "const ( a = iota; b; _; d = 1 << iota; e )\nconst ( size = 1 << 10; half = size / 2 ); type n uint8; const m n = ^n(0)
        const hello = \"he\" + \"l\\u006co\"; const t = len(hello) == 5 && !false; const f = 1e3; var array [3]int; const sec = int64(2.5 * f)
        var x = []any{b, d, e, half, m, hello, t, f, len(array), 'a', 0x_ff, 0b11, 017, sec, -7 % 4, 7 &^ 2, string(rune(65)), 1 - 0.5}",
        &[
            ("b", int(1)),
            ("d", int(8)),
            ("e", int(16)),
            ("half", int(512)),
            ("m", int(255)),
            ("hello", Some(Const::Text(b"hello"[..].into()))),
            ("t", Some(Const::Bool(true))),
            ("f", int(1000)),
            ("len(array)", int(3)),
            ("'a'", int(97)),
            ("0x_ff", int(255)),
            ("0b11", int(3)),
            ("017", int(15)),
            ("sec", int(2500)),
            ("-7 % 4", int(-3)),
            ("7 &^ 2", int(5)),
            ("string(rune(65))", Some(Const::Text(b"A"[..].into()))),
            ("1 - 0.5", Some(Const::Float(0.5))),
        ],
    );
}

#[test]
fn what_is_not_constant_or_not_kept_is_not_claimed() {
    check_values(
        "var v = 1; func g() [2]int { return [2]int{} }; const huge = 1 << 200; const back = huge >> 199\nvar x = []any{v + 1, len(g()), huge, back, 1.0 / 3, len(\"abc\"[v:])}\nfunc f[T ~int8]() { _ = T(5) }",
        &[
            ("v + 1", None),
            ("len(g())", None),
            ("huge", Some(Const::Unknown)),
            ("back", Some(Const::Unknown)),
            ("1.0 / 3", Some(Const::Float(1.0 / 3.0))),
            ("len(\"abc\"[v:])", None),
            ("T(5)", None),
        ],
    );
}

#[test]
fn untyped_values_get_default_types() {
    check(
        "type D int64; const u D = 5; func f(n uint) { a := 1; b := 'x'; c := 2.0; d := \"s\"; e := n == 1; g := u * 2; h := 1 << n; i := 3 + n; j := 1 + 'a'
            _, _, _, _, _, _, _, _, _ = a, b, c, d, e, g, h, i, j }",
        &[
            ("a", "int"), ("b", "int32"), ("c", "float64"), ("d", "string"), ("e", "bool"), ("g", "p.D"), ("h", "int"), ("i", "uint"),
            ("j", "int32"),
        ],
    );
}
