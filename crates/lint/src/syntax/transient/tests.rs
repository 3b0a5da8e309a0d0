use super::*;
use crate::syntax::{Bodies, Interner, parse};

/// What the line marked with `// here` waits for, in the body of a function with some context around.
#[track_caller]
fn check(body: &str, expected: &str) {
    let source = format!(
        "package p\n\nimport (\n\t\"context\"\n\tclock \"time\"\n\t\"time\"\n)\n\ntype server struct {{\n\ttimer *time.Timer\n\tplain time.Timer\n\tinner *inner\n\tdone chan struct{{}}\n}}\n\ntype inner struct {{ ticker *time.Ticker }}\n\nvar tick = time.Tick(1)\n\nfunc (s *server) run(ctx context.Context, c chan int, t *time.Timer, times <-chan time.Time) {{\n{body}\n}}\n"
    );
    let names = Names::new();
    let file = parse(
        source.clone().into_bytes(),
        &mut Interner::new(&names),
        Bodies::Parse,
    );
    assert_eq!(file.errors, [], "{source}");
    let line = source
        .lines()
        .position(|line| line.contains("// here"))
        .unwrap()
        + 1;
    let found = match waits(&file, &names, u32::try_from(line).unwrap()) {
        Wait::Transient { reason, span } => format!("{reason:?} {}", file.text(span)),
        other => format!("{other:?}"),
    };
    assert_eq!(found, expected, "{body}");
}

#[test]
fn time_ends_a_select() {
    check(
        "select { // here\ncase <-c:\ncase <-time.After(1):\n}",
        "After time.After(1)",
    );
    check(
        "select {\ncase <-c: // here\ncase <-time.After(1):\n}",
        "After time.After(1)",
    );
    check(
        "select { // here\ncase <-c:\ncase <-clock.After(1):\n}",
        "After clock.After(1)",
    );
    check(
        "select { // here\ncase c <- 1:\ncase _ = <-(time.Tick(1)):\n}",
        "Tick (time.Tick(1))",
    );
    check(
        "select { // here\ncase <-c:\ndefault:\n}",
        "Default default",
    );
    check("select { // here\ncase <-c:\ncase <-t.C:\n}", "Timer t.C");
    check(
        "select { // here\ncase <-c:\ncase <-s.timer.C:\n}",
        "Timer s.timer.C",
    );
    check(
        "select { // here\ncase <-c:\ncase <-s.inner.ticker.C:\n}",
        "Ticker s.inner.ticker.C",
    );
    check("select { // here\ncase <-c:\ncase <-tick:\n}", "Tick tick");
    check(
        "limit := time.NewTimer(1)\ndefer limit.Stop()\ngo func() {\nselect { // here\ncase <-c:\ncase <-limit.C:\n}\n}()",
        "Timer limit.C",
    );
    check(
        "limit := time.After(1)\nfor {\nselect { // here\ncase <-c:\ncase <-limit:\n}\n}",
        "After limit",
    );
}

#[test]
fn nothing_ends_these() {
    check("select { // here\ncase <-c:\ncase <-s.done:\n}", "Lasting");
    check(
        "select { // here\ncase <-c:\ncase <-ctx.Done():\n}",
        "Lasting",
    );
    check("select { // here\ncase <-c:\ncase <-times:\n}", "Lasting");
    check(
        "select { // here\ncase <-c:\ncase c <- (<-time.After(1)).Second():\n}",
        "Lasting",
    );
    check("select {} // here", "Lasting");
    check("c <- 1 // here", "Lasting");
    check("<-c // here", "Lasting");
    check("for range c { // here\n}", "Lasting");
    check(
        "var limit <-chan time.Time\nif c != nil { limit = time.After(1) }\nselect { // here\ncase <-c:\ncase <-limit:\n}",
        "Lasting",
    );
    check(
        "limit := time.After(1)\nfor {\nselect { // here\ncase <-c:\ncase <-limit:\nlimit = nil\n}\n}",
        "Lasting",
    );
    check(
        "select { // here\ncase <-c:\ncase <-s.plain.C:\n}",
        "Lasting",
    );
    check(
        "var time fake\nselect { // here\ncase <-c:\ncase <-time.After(1):\n}",
        "Lasting",
    );
    check(
        "t := newFake()\nselect { // here\ncase <-c:\ncase <-t.C:\n}",
        "Lasting",
    );
    check(
        "for _, t := range timers {\nselect { // here\ncase <-c:\ncase <-t.C:\n}\n}",
        "Lasting",
    );
    check(
        "ctx, cancel := context.WithCancel(ctx)\n<-ctx.Done() // here\ncancel()",
        "Lasting",
    );
    check("a, b := b, a\n<-a // here", "Lasting");
    check(
        "limit := time.After(1)\nif c != nil {\nafter := c\nlimit = after\n}\nafter := time.After(1)\n_ = after\n<-limit // here",
        "Lasting",
    );
    check("<-tick // here\n}\nfunc other() {\ntick = nil", "Lasting");
}

#[test]
fn contexts_with_deadlines_end() {
    check(
        "ctx, cancel := context.WithTimeout(ctx, 1)\ndefer cancel()\nselect { // here\ncase <-c:\ncase <-ctx.Done():\n}",
        "Deadline ctx.Done()",
    );
    check(
        "inner, cancel := context.WithDeadlineCause(ctx, t, nil)\n<-inner.Done() // here",
        "Deadline inner.Done()",
    );
    check(
        "a, _ := context.WithTimeout(ctx, 1)\nb, _ := context.WithCancel(a)\n<-context.WithValue(b, 1, 2).Done() // here",
        "Deadline context.WithValue(b, 1, 2).Done()",
    );
    check(
        "ctx, _ = context.WithTimeout(ctx, 1)\nctx, _ = context.WithCancel(ctx)\n<-ctx.Done() // here",
        "Deadline ctx.Done()",
    );
    check(
        "_, ctx := context.WithTimeout(ctx, 1)\n<-ctx.Done() // here",
        "Lasting",
    );
    check(
        "if c == nil {\nctx, _ = context.WithTimeout(ctx, 1)\n}\n<-ctx.Done() // here",
        "Lasting",
    );
    check(
        "ctx, _ := context.WithTimeout(ctx, 1)\n{\nctx := context.Background()\n<-ctx.Done() // here\n}",
        "Lasting",
    );
    check(
        "ctx, _ := context.WithTimeout(ctx, 1)\nctx = context.WithoutCancel(ctx)\n<-ctx.Done() // here",
        "Lasting",
    );
}

#[test]
fn receives_and_ranges_end() {
    check("<-time.After(1) // here", "After time.After(1)");
    check(
        "for now := range time.Tick(1) { // here\n_ = now\n}",
        "Tick time.Tick(1)",
    );
    check(
        "ticker := time.NewTicker(1)\nfor range ticker.C { // here\n<-c\n}",
        "Ticker ticker.C",
    );
    check(
        "ticker := time.NewTicker(1)\nfor range ticker.C {\n<-c // here\n}",
        "Lasting",
    );
    check("_, _ = <-time.After(1), <-c // here", "Lasting");
    check(
        "_, _ = <-time.After(1), <-t.C // here",
        "After time.After(1)",
    );
}

#[test]
fn other_lines_wait_for_nothing() {
    check("x := 1 // here", "None");
    check(
        "select {\ncase <-c:\n\tx := 1 // here\n\t_ = x\ncase <-time.After(1):\n}",
        "None",
    );
    check("for range c {\n\tx() // here\n}", "None");
}
