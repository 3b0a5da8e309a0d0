//! Type parameters, instances and inference.

use super::*;

#[test]
fn types_are_instantiated() {
    check(
        "type List[T any] struct { items []T; done chan T; next *List[T] }
        func (l *List[E]) Push(e E) *List[E] { return l }
        type Pair[K comparable, V any] struct { List[V]; key K }
        type Strings = List[string]
        type Of[T any] = map[string]List[T]
        func f(l List[int], p *Pair[string, bool], s Strings, o Of[error]) {
            _ = l.done; l.Push(1); _ = p.done; p.Push(true); _ = p.key; _ = s.items; _ = l.next.next.items; _ = o[\"a\"].items; _ = (*List[int]).Push
        }",
        &[
            ("l.done", "chan int"),
            ("l.Push(1)", "*p.List[int]"),
            ("p.done", "chan bool"),
            ("p.Push", "func(bool) *p.List[bool]"),
            ("p.key", "string"),
            ("s.items", "[]string"),
            ("l.next.next.items", "[]int"),
            ("o[\"a\"].items", "[]error"),
            ("(*List[int]).Push", "func(*p.List[int], int) *p.List[int]"),
        ],
    );
}

#[test]
fn arguments_tell_type_arguments() {
    check(
        "type Ints []int; type Number interface { ~int | ~float64 }
        func Map[S ~[]E, E, R any](s S, f func(E) R) []R { return nil }
        func First[S ~[]E, E any](s S) E { var e E; return e }
        func Sum[N Number](ns ...N) N { return 0 }
        func Send[T any](c chan<- T, v T) T { return v }
        func Make[T any]() chan T { return nil }
        func New[T any, P interface { *T; Init() }]() P { return nil }
        func Less[T any](a, b T) bool { return false }
        func Sort[S ~[]E, E any](s S, less func(a, b E) bool) {}
        type Item struct{}; func (*Item) Init() {}
        func f(i Ints, c chan error) {
            Map(i, func(int) string { return \"\" }); First(i); Sum(1, 2.5); Sum(i...); Send(c, nil); Make[bool](); New[Item](); Sort(i, Less)
        }",
        &[
            ("Map(i, func(int) string { return \"\" })", "[]string"),
            ("Map", "func(p.Ints, func(int) string) []string"),
            ("First(i)", "int"),
            ("Sum(1, 2.5)", "float64"),
            ("Sum(i...)", "int"),
            ("Send(c, nil)", "error"),
            ("Make[bool]()", "chan bool"),
            ("New[Item]()", "*p.Item"),
            ("Less", "func(int, int) bool"),
        ],
    );
}

#[test]
fn what_nothing_tells_is_unknown() {
    check(
        "func Make[T any]() chan T { return nil }; func Pick[A, B any](a A) (A, B) { var b B; return a, b }\nfunc f() { Make(); Pick(1) }",
        &[("Make()", "chan ?"), ("Pick(1)", "(int, ?)")],
    );
}

#[test]
fn values_of_type_parameters_are_used_by_their_core() {
    check(
        "type C interface { ~chan int | ~chan<- int }
        type Locker interface { Lock() }
        func f[T Locker, S ~[]E, E any, D C, M ~map[string]V, V any, F func() E, B ~string | ~[]byte](t T, s S, d D, m M, g F, b B) {
            t.Lock(); a := s[0]; c := m[\"x\"]; e := g(); h := b[0]; i := s[1:]; j := b[1:]
            _, _, _, _, _, _ = a, c, e, h, i, j
        }",
        &[("t.Lock", "func()"), ("a", "E"), ("c", "V"), ("e", "E"), ("h", "uint8"), ("i", "S"), ("j", "B")],
    );
    let source = source("type C interface { ~chan int | ~chan<- int }\nfunc f[D C](d D) { _ = d }");
    let mut checker = source.checker();
    let typ = checker.type_of(source.file(), source.expr("d"));
    let Type::Chan { direction, element } = checker.core(typ) else {
        panic!("no channel")
    };
    assert_eq!(
        (direction, element),
        (crate::syntax::ast::ChanDir::Send, TypeId::INT)
    );
    assert!(matches!(checker.underlying(typ), Type::Interface(_)));
}

#[test]
fn methods_may_have_type_parameters() {
    check(
        "type Box[T any] struct { v T }\nfunc (b Box[T]) With[U any](u U) Box[U] { return Box[U]{u} }\nfunc f(b Box[int]) { b.With(\"a\").With[bool](true) }",
        &[
            ("b.With(\"a\")", "p.Box[string]"),
            ("b.With(\"a\").With[bool](true)", "p.Box[bool]"),
        ],
    );
}
