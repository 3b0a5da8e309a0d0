//! Fields, methods, promotion and interfaces.

use super::*;

/// The way of a selector: its steps, with `*` behind one that a pointer was followed for, and what is selected.
fn way(source: &Source, text: &str) -> String {
    let checker = source.checker();
    let Some(selection) = checker.selection_of(source.file(), source.expr(text)) else {
        return "nothing".to_owned();
    };
    let mut way: Vec<String> = Vec::new();
    for step in &selection.steps {
        let star = if step.through_pointer { "*" } else { "" };
        way.push(format!("{}{star}", source.names.text(step.name)));
    }
    way.push(match selection.kind {
        SelectionKind::Field => "field".to_owned(),
        SelectionKind::Method {
            method,
            pointer_receiver,
            expression,
        } => {
            let key = checker.key(method).unwrap();
            let receiver = if pointer_receiver { "pointer" } else { "value" };
            format!(
                "{key} {receiver}{}",
                if expression { " expression" } else { "" }
            )
        }
        SelectionKind::Interface { interface, .. } => {
            format!("interface {}", checker.describe(interface))
        }
    });
    way.join(" ")
}

const EMBEDDED: &str = "
type Lock struct{ state int }
func (l *Lock) Acquire() {}
func (l Lock) Held() bool { return l.state > 0 }
type Inner struct { Lock; name string }
type Outer struct { *Inner; other Lock; name int }
type Twice struct { Inner; Second }
type Second struct { Lock }
type Wrapped struct { Locker }
type Locker interface { Acquire() }
type Named Outer
type Alias = Outer
";

#[test]
fn ways_go_through_embedded_fields() {
    let source = source(&format!(
        "{EMBEDDED}
        func f(o Outer, p *Outer, w Wrapped, t Twice, n Named, a Alias, l Locker, pl *Locker) {{
            o.Acquire(); p.other.Held(); _ = o.state; _ = p.name; _ = p.Inner.name; w.Acquire(); _ = t.state; t.Acquire(); n.Acquire()
            a.Held(); l.Acquire(); pl.Acquire(); _ = (*Outer).Held; _ = Locker.Acquire; o.missing()
        }}"
    ));
    let check = |text, expected| assert_eq!(way(&source, text), expected, "{text}");
    check("o.Acquire", "Inner Lock* p.Lock.Acquire pointer");
    check("p.other", "other* field");
    check("p.other.Held", "p.Lock.Held value");
    check("o.state", "Inner Lock* state field");
    check("p.name", "name* field");
    check("p.Inner.name", "name* field");
    check("w.Acquire", "Locker interface p.Locker");
    // Two ways of the same length: neither is promoted.
    check("t.state", "nothing");
    check("t.Acquire", "nothing");
    // Fields are promoted also where the methods of the type itself are lost.
    check("n.Acquire", "Inner Lock* p.Lock.Acquire pointer");
    check("a.Held", "Inner Lock* p.Lock.Held value");
    check("l.Acquire", "interface p.Locker");
    check("pl.Acquire", "nothing");
    check("(*Outer).Held", "Inner* Lock* p.Lock.Held value expression");
    check("Locker.Acquire", "interface p.Locker");
    check("o.missing", "nothing");
}

#[test]
fn methods_of_a_named_type_stay_behind() {
    let source = source(&format!(
        "{EMBEDDED}\ntype Fresh Lock\nfunc f(x Fresh, y Lock) {{ x.Held(); y.Held(); _ = x.state }}"
    ));
    assert_eq!(way(&source, "x.Held"), "nothing");
    assert_eq!(way(&source, "y.Held"), "p.Lock.Held value");
    assert_eq!(way(&source, "x.state"), "state field");
}

#[test]
fn unexported_names_belong_to_their_package() {
    let source = Source::new(&[
        (
            "p",
            "package p\nimport \"lib\"\ntype T struct { lib.Base; hidden int }\nfunc f(t T, b lib.Base) { _ = t.hidden; _ = b.hidden; _ = b.Shown; b.method(); b.Method() }",
        ),
        (
            "lib",
            "package lib\ntype Base struct { hidden string; Shown bool }\nfunc (Base) method() {}\nfunc (*Base) Method() {}",
        ),
    ]);
    assert_eq!(way(&source, "t.hidden"), "hidden field");
    assert_eq!(way(&source, "b.hidden"), "nothing");
    assert_eq!(way(&source, "b.Shown"), "Shown field");
    assert_eq!(way(&source, "b.method"), "nothing");
    assert_eq!(way(&source, "b.Method"), "lib.Base.Method pointer");
}

#[test]
fn methods_declared_for_an_alias_are_the_types() {
    let source =
        source("type T struct{}\ntype A = T\ntype B = A\nfunc (B) m() {}\nfunc f(t T) { t.m() }");
    assert_eq!(way(&source, "t.m"), "p.T.m value");
}

#[test]
fn keys_of_struct_literals_are_fields() {
    let source = source(
        "type T struct { c chan int; next *T }\nvar key = 1\nvar t = []*T{{c: nil, next: &T{c: make(chan int)}}}\nvar m = map[int]T{key: {c: nil}}",
    );
    let checker = source.checker();
    let selection = checker
        .selection_of(source.file(), source.expr("c"))
        .unwrap();
    assert_eq!(selection.kind, SelectionKind::Field);
    assert_eq!(checker.describe(selection.steps[0].owner), "p.T");
    let key = checker
        .object_of(source.file(), source.expr("key"))
        .unwrap();
    assert_eq!(checker.object(key).kind, ObjectKind::Var(VarKind::Package));
    check_in(
        &source,
        &[
            ("{c: nil, next: &T{c: make(chan int)}}", "*p.T"),
            ("{c: nil}", "p.T"),
            ("t", "?"),
        ]
        .map(|(text, typ)| {
            if text == "t" {
                ("&T{c: make(chan int)}", "*p.T")
            } else {
                (text, typ)
            }
        }),
    );
}

/// What may be called by `x.Do()` for an `x` of an interface type.
#[track_caller]
fn check_implementations(sources: &[(&str, &str)], expected: &[&str]) {
    let source = Source::new(sources);
    let mut checker = source.checker();
    let Callee::Interface(id) = checker.callee(source.file(), source.expr("x.Do()")) else {
        panic!("no call of an interface");
    };
    let SelectionKind::Interface {
        interface, name, ..
    } = checker.selection(id).kind
    else {
        panic!("no interface");
    };
    let found = checker.implementations(interface, name);
    let found: Vec<String> = found
        .into_iter()
        .map(|object| checker.key(object).unwrap().to_string())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn implementations_have_all_methods_with_their_types() {
    check_implementations(
        &[
            (
                "p",
                "package p\nimport \"lib\"\ntype I interface { Do(); Stop() error }\ntype Stopper struct{}\nfunc (Stopper) Stop() error { return nil }\n\
                type A struct { Stopper }\nfunc (A) Do() {}\ntype B struct { Stopper }\nfunc (*B) Do() {}\n\
                type NoStop struct{}\nfunc (NoStop) Do() {}\ntype OtherResult struct{ Stopper }\nfunc (OtherResult) Do() int { return 0 }\n\
                type Promoted struct { *A }\nvar _ lib.T\nfunc f(x I) { x.Do() }",
            ),
            (
                "lib",
                "package lib\nimport \"far\"\ntype T struct{ far.T }\nfunc (t *T) Do() {}\nfunc (t *T) Stop() error { return nil }\ntype private struct { T }\nfunc (private) Do() {}",
            ),
            (
                "far",
                "package far\ntype T struct{}\nfunc (T) Do() {}\nfunc (T) Stop() error { return nil }",
            ),
        ],
        &["p.A.Do", "p.B.Do", "lib.T.Do", "lib.private.Do"],
    );
}

#[test]
fn generic_types_implement_for_some_arguments() {
    check_implementations(
        &[(
            "p",
            "package p\ntype I interface { Do(); Put(int) int }\n\
                type Box[T any] struct { v T }\nfunc (b *Box[T]) Do() {}\nfunc (b *Box[T]) Put(t T) T { return t }\n\
                type Pair[K, V any] struct{}\nfunc (Pair[K, V]) Do() {}\nfunc (Pair[K, V]) Put(k K) V { panic(0) }\n\
                type Map[K any] struct{}\nfunc (Map[K]) Do() {}\nfunc (Map[K]) Put(k K) string { return \"\" }\n\
                type Half[T any] struct{}\nfunc (Half[T]) Do() {}\nfunc f(x I) { x.Do() }",
        )],
        &["p.Box.Do", "p.Pair.Do"],
    );
    check_implementations(
        &[(
            "p",
            "package p\ntype I[T any] interface { Do() T; Stop() }\ntype Ints struct{}\nfunc (Ints) Do() int { return 0 }\nfunc (Ints) Stop() {}\n\
                type NoStop struct{}\nfunc (NoStop) Do() int { return 0 }\nfunc f[T any](x I[T]) { x.Do() }",
        )],
        &["p.Ints.Do"],
    );
}

#[test]
fn pointer_methods_are_not_in_the_set_of_the_value() {
    let source = source(&format!(
        "{EMBEDDED}\nvar lock Lock\nvar outer Outer\nvar locker Locker\nvar second Second"
    ));
    let mut checker = source.checker();
    let package = source.package;
    let mut typ = |name: &str| {
        let object = checker
            .lookup(package, source.names.find(name).unwrap())
            .unwrap();
        checker.object_type(object)
    };
    let (lock, outer, locker, second) = (typ("lock"), typ("outer"), typ("locker"), typ("second"));
    assert_eq!(checker.implements(lock, locker), Some(false));
    assert_eq!(checker.implements(outer, locker), Some(true));
    assert_eq!(checker.implements(second, locker), Some(false));
    assert_eq!(checker.implements(TypeId::UNKNOWN, locker), None);
    assert_eq!(checker.implements(lock, TypeId::ERROR), Some(false));
}
