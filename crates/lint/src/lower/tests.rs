use std::fmt::Write as _;
use std::sync::Arc;

use crate::ir::{Aliases, At, FuncId, Op, Point, dump_func};
use crate::summary::{Analysis, Answer, EffectKind, Exit, Step, Visit, analyse};
use crate::syntax::{Bodies, Interner, Names, parse};
use crate::types::{Checker, Package, Program};

/// What the tests use of the standard library, so that they need no Go.
const LIBRARY: &[(&str, &str)] = &[
    (
        "sync",
        "package sync
        type Mutex struct{}
        func (m *Mutex) Lock()
        func (m *Mutex) TryLock() bool
        func (m *Mutex) Unlock()
        type Locker interface { Lock(); Unlock() }
        type RWMutex struct{}
        func (m *RWMutex) Lock()
        func (m *RWMutex) Unlock()
        func (m *RWMutex) RLock()
        func (m *RWMutex) RUnlock()
        func (m *RWMutex) RLocker() Locker
        type WaitGroup struct{}
        func (w *WaitGroup) Add(n int)
        func (w *WaitGroup) Done()
        func (w *WaitGroup) Wait()
        func (w *WaitGroup) Go(f func())
        type Once struct{}
        func (o *Once) Do(f func())
        type Cond struct{ L Locker }
        func NewCond(l Locker) *Cond
        func (c *Cond) Wait()
        func (c *Cond) Broadcast()",
    ),
    (
        "context",
        "package context
        type Context interface { Done() <-chan struct{}; Err() error }
        type CancelFunc func()
        func Background() Context
        func WithCancel(parent Context) (Context, CancelFunc)",
    ),
    (
        "time",
        "package time
        type Duration int64
        type Timer struct { C <-chan int }
        func NewTimer(d Duration) *Timer
        func (t *Timer) Stop() bool
        func After(d Duration) <-chan int
        func AfterFunc(d Duration, f func()) *Timer
        func Sleep(d Duration)",
    ),
    ("os", "package os\nfunc Exit(code int)"),
    (
        "other",
        "package other\nfunc Take(x any)\nfunc Make() chan int",
    ),
];

struct Unit {
    names: Names,
    analysis: Analysis,
}

fn unit(source: &str) -> Unit {
    let names = Names::new();
    let mut interner = Interner::new(&names);
    let mut read = |source: &str| {
        let file = parse(source.as_bytes().to_vec(), &mut interner, Bodies::Parse);
        assert!(file.errors.is_empty(), "{:?}", file.errors);
        Arc::new(file)
    };
    let mut program = Program::new();
    let file = read(source);
    let id = program.add(Package::new("example.com/p", vec![file]));
    for (path, source) in LIBRARY {
        let file = read(source);
        program.add(Package::new(path, vec![file]));
    }
    program.link_by_path();
    let mut checker = Checker::new(&program, &names, id);
    checker.check_all();
    let analysis = analyse(super::lower(&mut checker, &|_| None));
    Unit { names, analysis }
}

impl Unit {
    fn func(&self, name: &str) -> FuncId {
        let mut funcs = self.analysis.ir.funcs();
        let found = funcs.find(|(_, func)| func.name == name);
        found.unwrap_or_else(|| panic!("no function {name}")).0
    }

    /// The function and what stands in it.
    fn text(&self, name: &str) -> String {
        let ir = &self.analysis.ir;
        let mut text = String::new();
        for (id, func) in ir.funcs() {
            if func.name == name || func.name.starts_with(&format!("{name}.")) {
                text.push_str(&dump_func(ir, &self.names, id));
            }
        }
        text
    }

    /// The first object of a place, by the operation on it in a function.
    fn object_of(&self, func: &str, is: impl Fn(&Op) -> bool) -> Vec<u32> {
        let ir = &self.analysis.ir;
        let func = self.func(func);
        let (instr, _) = ir[func]
            .instrs()
            .find(|(_, instr)| is(&instr.op))
            .expect("an operation");
        let effects = self.analysis.effects(At { func, instr });
        let objects = ir.aliases.objects(&ir.places, effects[0].place);
        objects.iter().map(|object| object.0).collect()
    }
}

/// A package with imports and the body of a function `f`, shown as IR.
#[track_caller]
fn show(params: &str, body: &str) -> String {
    let source = format!(
        "package p\nimport (\"sync\"; \"context\"; \"time\"; \"os\"; \"other\")\n\
         type box struct {{ mu sync.Mutex; rw sync.RWMutex; ch chan int; stop func(); once sync.Once; closed bool }}\n\
         func g(b *box) {{}}\n\
         var _ = []any{{time.Sleep, os.Exit, other.Take, context.Background, sync.NewCond}}\n\
         func f({params}) {{\n{body}\n}}\n"
    );
    unit(&source).text("f")
}

macro_rules! snapshot {
    ($(($name:literal, $params:literal, $body:literal),)*) => {
        $(insta::assert_snapshot!($name, show($params, $body));)*
    };
}

#[test]
fn statements() {
    snapshot! {
        ("if_else", "a, b bool, err error, ch chan int", "if a && (b || err != nil) { ch <- 1 } else if !a { close(ch) } else { <-ch }"),
        ("loops", "n int, ch chan int, xs []chan int", "for i := 0; i < n; i++ { ch <- i }\nfor range 3 { <-ch }\nfor _, x := range xs { x <- 1 }\nfor v := range ch { _ = v }\nfor { <-ch }"),
        ("labels", "ch chan int", "outer:\nfor {\nfor { select { case v := <-ch: if v == 1 { break outer }; continue outer\ncase ch <- 1: goto end } }\n}\nend: close(ch)"),
        ("switches", "n int, x any, ch chan int", "switch n { case 1, 2: ch <- 1\ncase 3: fallthrough\ndefault: <-ch }\nswitch { case n > 3: close(ch)\ncase n < 0: return }\nswitch y := x.(type) { case chan int: <-y\ncase nil: }"),
        ("selects", "ch, other chan int, ctx context.Context", "select { case v, ok := <-ch: if ok { _ = v }\ncase other <- 1:\ncase <-ctx.Done():\ncase <-time.After(1):\n}\nselect { case <-ch:\ndefault: }\nselect {}\n<-other"),
        ("defers", "b *box, err error", "b.mu.Lock()\ndefer b.mu.Unlock()\ndefer func() { close(b.ch) }()\nif err != nil { panic(err) }\nfor { defer g(b) }"),
        ("ends", "n int, ch chan int", "if n == 1 { os.Exit(1) }\nif n == 2 { return }\nif n == 3 { panic(1) }\nv, ok := <-ch\nif !ok { return }\n_ = v\nch <- 1"),
    }
}

#[test]
fn calls() {
    snapshot! {
        ("spawns", "b *box, wg *sync.WaitGroup", "go g(b)\ngo func(c chan int) { c <- 1 }(b.ch)\nwg.Go(func() { <-b.ch })\ntime.AfterFunc(1, func() { close(b.ch) })\nwg.Wait()"),
        ("locks", "b *box", "b.rw.RLock()\nb.rw.RUnlock()\nif b.mu.TryLock() { b.mu.Unlock() }\nl := b.rw.RLocker()\nl.Lock()\nl.Unlock()\nunlock := b.mu.Unlock\nunlock()"),
        ("conds", "", "var mu sync.Mutex\nc := sync.NewCond(&mu)\nc.L.Lock()\nc.Wait()\nc.L.Unlock()\nc.Broadcast()"),
        ("contexts", "ctx context.Context", "inner, cancel := context.WithCancel(ctx)\ndefer cancel()\nroot := context.Background()\n<-inner.Done()\n<-root.Done()"),
        ("onces", "b *box", "b.once.Do(func() { close(b.ch) })\nfunc() { b.ch <- 1 }()\nb.stop()"),
        ("literals", "", "b := &box{ch: make(chan int, 2)}\nc := box{mu: sync.Mutex{}}\nd := new(box)\nd.ch = make(chan int, len(\"x\"))\nxs := []*box{b, {ch: d.ch}}\nxs[0].ch <- 1\nc.mu.Lock()\ng(d)"),
    }
}

/// Whether some way from the start of `f` to a return does without a receive from `ch`.
#[track_caller]
fn check_escape(body: &str, expected: bool) {
    let source = format!(
        "package p\ntype box struct {{ closed bool; n int }}\nfunc touch(b *box) {{ b.closed = true }}\nfunc look(b *box) {{}}\nfunc indirect(b *box) {{ touch(b) }}\n\
         func die() {{ panic(1) }}\nfunc f(ch chan int, a, b bool, n int, err error, x *box) {{\n{body}\n}}\n"
    );
    let unit = unit(&source);
    let func = unit.func("f");
    let analysis = &unit.analysis;
    let entry: Point = analysis.ir[func].entry();
    let answer = analysis.search(func, entry, (), |(), step| match step {
        Step::Run(instr) | Step::Deferred(instr) | Step::Arm(instr) => {
            let effects = analysis.effects(At { func, instr });
            let receives = effects
                .iter()
                .any(|effect| matches!(effect.kind, EffectKind::Recv(_)));
            if receives { Visit::Cut } else { Visit::On }
        }
        Step::Exit(_, Exit::Return) => Visit::Found,
        _ => Visit::On,
    });
    assert_eq!(
        matches!(answer, Answer::Yes(_)),
        expected,
        "{answer:?}\n{}",
        unit.text("f")
    );
}

#[test]
fn ways_past_a_receive() {
    check_escape("<-ch", false);
    check_escape("if a { return }\n<-ch", true);
    check_escape("if a { <-ch; return }\n<-ch", false);
    check_escape("defer func() { <-ch }()\nif a { return }", false);
    check_escape("if a { defer func() { <-ch }() }", true);
    check_escape("if a { panic(1) }\n<-ch", false);
    check_escape("if a { die() }\n<-ch", false);
    check_escape("for range n { <-ch }", true);
    check_escape("for { <-ch }", false);
    check_escape("select { case <-ch: case ch <- 1: }", true);
}

#[test]
fn branches_that_contradict_are_not_taken() {
    // The same variable twice.
    check_escape("if a { <-ch }\nif !a { <-ch }", false);
    check_escape("if a { <-ch }\nif !b { <-ch }", true);
    check_escape("if err != nil { <-ch }\nif err == nil { <-ch }", false);
    check_escape(
        "if err != nil { <-ch }\nerr = nil\nif err != nil { <-ch }",
        true,
    );
    // Numbers.
    check_escape("if n > 3 { <-ch }\nif n <= 3 { <-ch }", false);
    check_escape("if n > 3 { <-ch }\nif n <= 2 { <-ch }", true);
    check_escape("switch n { case 1: <-ch }\nif n != 1 { <-ch }", false);
    check_escape("n = 1\nif n == 1 { <-ch }", false);
    // Whole expressions, and parts of conditions.
    check_escape(
        "if n == len(ch) { <-ch } else if n != len(ch) { <-ch }",
        false,
    );
    check_escape(
        "if a && b { <-ch }\nif a { if !b { <-ch } } else { <-ch }",
        false,
    );
    check_escape(
        "done := false\nif a { <-ch; done = true }\nif !done { <-ch }",
        false,
    );
    check_escape(
        "done := false\nif a { done = true }\nif !done { <-ch }",
        true,
    );
    // A field: calls of this package may change it where they assign it.
    check_escape(
        "if x.closed { <-ch }\ntouch(x)\nif !x.closed { <-ch }",
        true,
    );
    check_escape(
        "if x.closed { <-ch }\nlook(x)\nif !x.closed { <-ch }",
        false,
    );
    check_escape(
        "if x.closed { <-ch }\nindirect(x)\nif !x.closed { <-ch }",
        true,
    );
    check_escape("if x.closed { <-ch }\nch <- 1\nif !x.closed { <-ch }", true);
    check_escape("if x.n == 0 { <-ch }\nlook(x)\nif x.n != 0 { <-ch }", false);
}

/// Which objects reach the receive in `f`, and whether the first of them gets out.
#[track_caller]
fn check_alias(source: &str, expected: usize, is_known: bool, escapes: bool) {
    let source = format!("package p\nimport \"other\"\nvar _ = other.Take\n{source}");
    let unit = unit(&source);
    let objects = unit.object_of("f", |op| matches!(op, Op::Recv { .. }));
    let outside = Aliases::OUTSIDE.0;
    let own: Vec<u32> = objects
        .iter()
        .copied()
        .filter(|object| *object != outside)
        .collect();
    let mut text = String::new();
    for (id, object) in unit.analysis.ir.objects() {
        let escape = unit.analysis.ir.aliases.escape(id);
        let _ = writeln!(text, "{id:?} {:?} {escape:?}", object.kind);
    }
    assert_eq!(own.len(), expected, "{objects:?}\n{text}");
    assert_eq!(
        !objects.contains(&outside) && !own.is_empty(),
        is_known,
        "{objects:?}\n{text}"
    );
    let is_out = own.first().is_some_and(|object| {
        unit.analysis
            .ir
            .aliases
            .escape(crate::ir::ObjectId(*object))
            .is_some()
    });
    assert_eq!(is_out, escapes, "{text}");
}

#[test]
fn values_are_followed() {
    check_alias(
        "func f() { c := make(chan int); d := c; <-d }",
        1,
        true,
        false,
    );
    check_alias(
        "func f() { c := make(chan int); func(d chan int) { d <- 1 }(c); <-c }",
        1,
        true,
        false,
    );
    check_alias(
        "func mk() chan int { return make(chan int) }\nfunc f() { <-mk() }",
        1,
        true,
        false,
    );
    check_alias(
        "type t struct { c chan int }\nfunc n() *t { return &t{c: make(chan int)} }\nfunc f() { <-n().c }",
        1,
        true,
        false,
    );
    check_alias(
        "type t struct { c chan int }\nfunc f() { x := []t{{make(chan int)}, {make(chan int)}}; <-x[0].c }",
        2,
        true,
        false,
    );
    check_alias(
        "func f() { m := map[int]chan int{}; m[1] = make(chan int); <-m[1] }",
        1,
        true,
        false,
    );
    check_alias("func f() { var c chan int; <-c }", 0, false, false);
    check_alias(
        "func f() { cc := make(chan chan int, 1); cc <- make(chan int); <-<-cc }",
        1,
        true,
        false,
    );
    check_alias(
        "func f() { g := func() chan int { return make(chan int) }; <-g() }",
        1,
        true,
        false,
    );
    check_alias(
        "func f() { var x any = make(chan int); <-x.(chan int) }",
        1,
        true,
        false,
    );
    check_alias(
        "func id[T any](x T) T { return x }\nfunc f() { <-id(make(chan int)) }",
        1,
        true,
        false,
    );
    check_alias(
        "type i interface { get() chan int }\ntype t struct { c chan int }\nfunc (x t) get() chan int { return x.c }\nfunc f() { var x i = t{make(chan int)}; <-x.get() }",
        1,
        true,
        false,
    );
    check_alias(
        "func f() { c := make(chan int); p := &c; *p = make(chan int); <-c }",
        2,
        true,
        false,
    );
}

#[test]
fn what_gets_out_is_told() {
    check_alias(
        "func f() { c := make(chan int); other.Take(c); <-c }",
        1,
        true,
        true,
    );
    check_alias("func f() { c := other.Make(); <-c }", 0, false, false);
    check_alias(
        "func F() chan int { c := make(chan int); return c }\nfunc f() { <-F() }",
        1,
        true,
        true,
    );
    check_alias(
        "func G(c chan int) { d := c; _ = d }\nfunc f() { c := make(chan int); G(c); <-c }",
        1,
        true,
        false,
    );
    check_alias(
        "func F(c chan int) { k(c) }\nfunc k(c chan int) { f2(c) }\nvar f2 = func(c chan int) {}\nfunc f() { c := make(chan int); k(c); <-c }",
        1,
        true,
        false,
    );
    check_alias(
        "type T struct { C chan int }\nfunc f() { x := T{make(chan int)}; <-x.C }",
        1,
        false,
        true,
    );
    check_alias(
        "type T struct { c chan int }\nfunc f() { x := T{make(chan int)}; other.Take(x); <-x.c }",
        1,
        true,
        false,
    );
    check_alias(
        "func f() { c := make(chan int); other.Take(func() { c <- 1 }); <-c }",
        1,
        true,
        false,
    );
    check_alias("var c = make(chan int)\nfunc f() { <-c }", 1, true, false);
    check_alias("var C = make(chan int)\nfunc f() { <-C }", 1, false, true);
}

/// Whether the send in `f` may be done more than once.
#[track_caller]
fn check_many(body: &str, expected: bool) {
    let unit = unit(&format!(
        "package p\nfunc f(ch chan int, err error, n int) {{\n{body}\n}}\n"
    ));
    let effects = &unit.analysis.summary(unit.func("f")).effects;
    let mut sends = effects
        .iter()
        .filter(|effect| effect.kind == EffectKind::Send);
    let send = sends.next().expect("a send");
    assert_eq!(send.many, expected, "{}", unit.text("f"));
}

#[test]
fn what_leaves_a_loop_is_done_once() {
    check_many("ch <- 1", false);
    check_many("for { ch <- 1 }", true);
    check_many("for { if err != nil { ch <- 1; return } }", false);
    check_many("for { if err != nil { ch <- 1; break } }", false);
    check_many("for { if err != nil { ch <- 1; continue }; return }", true);
    check_many("for range n { for { ch <- 1; break } }", true);
    check_many(
        "out:\nfor range n { for { if n > 1 { ch <- 1; break out } } }",
        false,
    );
    check_many("for { select { case ch <- 1: return\ndefault: } }", false);
    check_many("for { select { case ch <- 1:\ndefault: return } }", true);
}

/// The effects of `f`, one a line.
fn effects(source: &str) -> String {
    let unit = unit(&format!(
        "package p\nimport \"sync\"\nvar _ sync.Mutex\n{source}"
    ));
    let summary = unit.analysis.summary(unit.func("f"));
    let mut text = format!(
        "{:?}{}\n",
        summary.returns,
        if summary.is_partial { " partial" } else { "" }
    );
    for effect in &summary.effects {
        let place = unit.analysis.ir.place_text(&unit.names, effect.place);
        let flags = [
            (effect.always, "always"),
            (effect.many, "many"),
            (effect.spawned, "spawned"),
            (effect.direct, "direct"),
        ];
        let flags: Vec<&str> = flags
            .iter()
            .filter(|flag| flag.0)
            .map(|flag| flag.1)
            .collect();
        let _ = writeln!(text, "{:?} {place} {}", effect.kind, flags.join(" "));
    }
    text
}

#[test]
fn summaries() {
    insta::assert_snapshot!(
        "summary_calls",
        effects(
            "type s struct { mu sync.Mutex; ch chan int }\n\
         func (x *s) lock() { x.mu.Lock() }\n\
         func (x *s) send(v int) { x.lock(); defer x.mu.Unlock(); x.ch <- v }\n\
         func f(a *s, ok bool) { if ok { a.send(1) }; go a.send(2); for i := range 3 { a.send(i) } }"
        )
    );
    insta::assert_snapshot!(
        "summary_recursion",
        effects("func f(c chan int, n int) { c <- n; if n > 0 { f(c, n-1) } }")
    );
    insta::assert_snapshot!(
        "summary_never",
        effects("func die() { panic(1) }\nfunc f() { die() }")
    );
    insta::assert_snapshot!(
        "summary_choice",
        effects(
            "type i interface { do(c chan int) }\ntype a struct{}\nfunc (a) do(c chan int) { c <- 1 }\n\
         type b struct{}\nfunc (b) do(c chan int) { close(c) }\nfunc f(x i, c chan int) { x.do(c) }"
        )
    );
}
