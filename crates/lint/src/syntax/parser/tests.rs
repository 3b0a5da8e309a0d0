use super::*;
use crate::syntax::ast::{Node, ValueKind};
use crate::syntax::{Names, ast::DeclKind, ast::SpecKind, dump};

fn read(source: &str) -> (Names, File) {
    let names = Names::new();
    let file = parse(
        source.as_bytes().to_vec(),
        &mut Interner::new(&names),
        Bodies::Parse,
    );
    (names, file)
}

fn errors(file: &File) -> Vec<String> {
    let shown = file.errors.iter().map(|error| {
        let position = file.position(error.span.start);
        format!("{}:{}: {error}", position.line, position.column)
    });
    shown.collect()
}

/// Kinds of the nodes of the only statement or expression in a function, with those around them left out.
#[track_caller]
fn check(statement: &str, shape: &str) {
    let (_, file) = read(&format!("package p; func f() {{ {statement} }}"));
    assert_eq!(errors(&file), [""; 0], "{statement}");
    let shown = dump::dump(&file);
    let lines = shown.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let depth: u32 = words.next()?.parse().ok()?;
        let kind = words.next()?;
        let detail: Vec<&str> = words.skip(2).collect();
        let detail = if kind == "binary" {
            &detail[..1]
        } else {
            &detail[..]
        };
        (depth > 2).then(|| [&[kind], detail].concat().join(" "))
    });
    assert_eq!(lines.collect::<Vec<_>>().join(", "), shape, "{statement}");
}

/// The errors of a source, and the names of the functions that were read all the same.
#[track_caller]
fn check_errors(source: &str, expected: &[&str], functions: &str) {
    let (names, file) = read(source);
    assert_eq!(errors(&file), expected, "{source}");
    let found = file
        .ast
        .functions()
        .map(|(_, function)| names.text(function.name.name));
    assert_eq!(found.collect::<Vec<_>>().join(" "), functions, "{source}");
}

#[test]
fn braces_behind_a_name_open_a_block_in_a_head_and_a_literal_elsewhere() {
    check("x = T{}", "assign = 1 1, name, composite +, name");
    check("if x == T {}", "if, binary ==, name, name, block");
    check(
        "if x == (T{}) {}",
        "if, binary ==, name, paren, composite +, name, block",
    );
    check("if f(T{}) {}", "if, call -, name, composite +, name, block");
    check(
        "for range []T{} {}",
        "range ---, composite +, array -, name, block",
    );
    check("for range p.T {}", "range ---, selector, name, name, block");
    check("switch T[int] {}", "switch -+, index, name, name");
    check(
        "if f(func() { _ = T{} }) {}",
        "if, call -, name, closure, signature 0 0 0, block, assign = 1 1, name, composite +, name, block",
    );
    check(
        "_ = [...]T{{1}, 2: {}}",
        "assign = 1 1, name, composite +, array +, ellipsis, name, composite -, int, key-value, int, composite -",
    );
}

#[test]
fn arrows_and_channel_types() {
    check(
        "(<-chan int)(c)",
        "expr-stmt, call -, paren, chan-receive, name, name",
    );
    check(
        "<-chan int(c)",
        "expr-stmt, unary <-, call -, chan, name, name",
    );
    check(
        "_ = make(chan<- chan int)",
        "assign = 1 1, name, call -, name, chan-send, chan, name",
    );
    check(
        "_ = make(<-chan chan<- int)",
        "assign = 1 1, name, call -, name, chan-receive, chan-send, name",
    );
    check(
        "_ = make(<-chan<- chan int)",
        "assign = 1 1, name, call -, name, chan-receive, chan-receive, name",
    );
    check(
        "_ = make(<-chan /* */ <- chan int)",
        "assign = 1 1, name, call -, name, chan-receive, chan-receive, name",
    );
    check("c <- <-d", "send, name, unary <-, name");
    check(
        "var c chan (<-chan int)",
        "decl-stmt, var, value-spec 1 0, name, chan, paren, chan-receive, name",
    );
}

#[test]
fn brackets() {
    check(
        "_ = f[int, []string](x)",
        "assign = 1 1, name, call -, index, name, name, array -, name, name",
    );
    check(
        "_ = a[i:j:k]",
        "assign = 1 1, name, slice +++, name, name, name, name",
    );
    check("_ = a[:]", "assign = 1 1, name, slice ---, name");
    check(
        "_ = a[i < j]",
        "assign = 1 1, name, index, name, binary <, name, name",
    );
    check(
        "_ = (*T).m",
        "assign = 1 1, name, selector, paren, star, name, name",
    );
    check(
        "_ = new(1 + 2)",
        "assign = 1 1, name, call -, name, binary +, int, int",
    );
    check("f(a, b...)", "expr-stmt, call +, name, name, name");
}

#[test]
fn statements() {
    check(
        "L: for { break L }",
        "labeled, name, for ---, block, branch break, name",
    );
    check(
        "L: }; func g() { goto L",
        "labeled, name, empty, branch goto, name",
    );
    check("for i := range 10 {}", "range +-+, name, int, block");
    check(
        "for i, v = range f {}",
        "range ++-, name, name, name, block",
    );
    check("for ; ; {}", "for ---, block");
    check(
        "for i := 0; i < n; i++ {}",
        "for +++, assign := 1 1, name, int, binary <, name, name, increment, name, block",
    );
    check(
        "switch x := y.(type) { case nil, *T: }",
        "type-switch -+, name, assert -, name, case 2, name, star, name",
    );
    check(
        "switch x := f(); x := y.(type) {}",
        "type-switch ++, assign := 1 1, name, call -, name, name, assert -, name",
    );
    check(
        "switch x := y.(T); {}",
        "switch +-, assign := 1 1, name, assert +, name, name",
    );
    check(
        "select { case c <- 1: case v, ok := <-c: case <-c: default: }",
        "select, comm, send, name, int, comm, assign := 2 1, name, name, unary <-, name, comm, expr-stmt, unary <-, name, default",
    );
    check(
        "if x := f(); x { } else if y { } else { }",
        "if, assign := 1 1, name, call -, name, name, block, if, name, block, block-stmt, block",
    );
    check(
        "defer func() {}()",
        "defer, call -, closure, signature 0 0 0, block",
    );
    check(";", "empty");
}

#[test]
fn declarations() {
    let (names, file) = read(
        "package p\nimport (m \"a/b\"; . \"c\")\nconst (a, b = iota, 2; c, d; e = 1)\ntype (A[P any] = []P; N [n]int; M [n * 2]int; Q[P *struct{}] int; R[P *C,] int; S[P interface{}, Q ~[]P | int] struct{ *p.T `x`; a, b [4]int; T[int]; p.U[int] })\nfunc (r *S[P, Q]) Map[T any](f func(P) T, _ ...int) (_ S[T, Q], err error) { return }",
    );
    assert_eq!(errors(&file), [""; 0]);
    let specs = |place: usize| match file.ast[file.decls[place]].kind {
        DeclKind::Import(specs) | DeclKind::Const(specs) | DeclKind::Type(specs) => {
            file.ast[specs].to_vec()
        }
        _ => Vec::new(),
    };
    let iotas = specs(1).into_iter().map(|spec| match file.ast[spec].kind {
        SpecKind::Value {
            of: ValueKind::Const { iota, repeats },
            ..
        } => (iota, repeats.is_some()),
        _ => (99, false),
    });
    assert_eq!(
        iotas.collect::<Vec<_>>(),
        [(0, false), (1, true), (2, false)]
    );
    let types = specs(2).into_iter().map(|spec| match file.ast[spec].kind {
        SpecKind::Type {
            name,
            type_params,
            alias,
            ..
        } => (names.text(name.name), type_params.len(), alias),
        _ => ("", 0, false),
    });
    let expected = [
        ("A", 1, true),
        ("N", 0, false),
        ("M", 0, false),
        ("Q", 1, false),
        ("R", 1, false),
        ("S", 2, false),
    ];
    assert_eq!(types.collect::<Vec<_>>(), expected);
    let (_, map) = file.ast.functions().next().unwrap();
    let signature = &file.ast[map.signature];
    assert_eq!(
        (
            signature.type_params.len(),
            signature.params.len(),
            signature.results.len()
        ),
        (1, 2, 2)
    );
    assert_eq!(
        file.text(signature.span),
        "func (r *S[P, Q]) Map[T any](f func(P) T, _ ...int) (_ S[T, Q], err error)"
    );
    let SpecKind::Import { path, .. } = file.ast[specs(0)[0]].kind else {
        panic!()
    };
    assert_eq!(file.plain_string(file.ast[path].span), Some("a/b"));
}

#[test]
fn errors_cost_a_statement_and_no_more() {
    check_errors(
        "package p\nfunc f() {\n\tx := 1 2\n\ty = = 3\n\tg()\n}\nfunc g() {}\n",
        &[
            "3:9: expected `;` or the end of the line behind the statement, found integer",
            "4:6: expected an expression, found `=`",
        ],
        "f g",
    );
    check_errors(
        "package p\nfunc f() {\n\tif x {\n\t\ty()\n}\n\nfunc g() {}\n",
        &["7:1: expected `}` to close the block, found `func`"],
        "f g",
    );
    check_errors(
        "package p\nvar x = = 1\nfunc f() {}\n",
        &["2:9: expected an expression, found `=`"],
        "f",
    );
    check_errors(
        "package p\nx = 1\nfunc f() {}\n",
        &["2:1: expected a declaration: `func`, `type`, `var`, `const` or `import`, found name"],
        "f",
    );
    check_errors(
        "package p\nfunc f() { a(b, ) ; c(d e) }\nfunc g() {}\n",
        &["2:25: expected `,` or `)` in the list of arguments, found name"],
        "f g",
    );
    check_errors(
        "package p\nfunc f()\n{\n}\nfunc g() {}\n",
        &["2:9: the opening brace of a function stands on the line of its signature"],
        "f g",
    );
    check_errors(
        "package p\ntype T struct {\n\ta int b\n\tc int\n}\nfunc g() {}\n",
        &["3:8: expected `;` or the end of the line, found name"],
        "g",
    );
    check_errors(
        "package p\nfunc f() { x := T{\n\ta,\n\tb\n} }\nfunc g() {}\n",
        &[
            "4:3: expected `,` or `}` in the composite literal; the last line needs its comma too, found the end of the line",
        ],
        "f g",
    );
    check_errors(
        "func f() {}\n",
        &["1:1: expected `package` and the name of the package, found `func`"],
        "f",
    );
    check_errors(
        "",
        &["1:1: expected `package` and the name of the package, found end of file"],
        "",
    );
    check_errors(
        "package p\nfunc f() { go x; defer (f()) }",
        &["2:15: `go` needs a call behind it"],
        "f",
    );
    check_errors(
        "package p\nfunc f(a int, string) {}\nfunc g(a, b) {}",
        &["2:21: either all parameters have names or none has"],
        "f g",
    );
    check_errors(
        "package p\nfunc f() { if x := 1 {} }\nfunc g() { if {} }",
        &[
            "2:15: a condition is an expression; `==` compares, and a statement before it ends with `;`",
            "3:15: expected the condition of the `if`, found `{`",
        ],
        "f g",
    );
    check_errors(
        "package p\nfunc f() { select { x: } }\nfunc g() {}",
        &["2:21: expected `case`, `default` or `}`, found name"],
        "f g",
    );
}

#[test]
fn deep_nesting_ends_the_file_and_not_the_program() {
    for (open, close) in [
        ("(", ")"),
        ("[]", ""),
        ("- ", ""),
        ("func() {", "}"),
        ("f(", ")"),
        ("T{{", "}}"),
        ("*", ""),
        ("x[", "]"),
        ("map[", "]int"),
    ] {
        let source = |levels: usize| {
            format!(
                "package p\nvar x = {}a{}\n",
                open.repeat(levels),
                close.repeat(levels)
            )
        };
        let (_, file) = read(&source(30));
        assert!(
            file.errors
                .iter()
                .all(|error| error.fault != Fault::TooDeep),
            "{open}"
        );
        let (_, file) = read(&source(100_000));
        let last = file.errors.last().unwrap();
        assert_eq!(last.fault, Fault::TooDeep, "{open}");
    }
    let blocks = format!("package p\nfunc f() {}", "{".repeat(100_000));
    assert_eq!(read(&blocks).1.errors.last().unwrap().fault, Fault::TooDeep);
    let labels = format!("package p\nfunc f() {{ {} }}", "a: ".repeat(100_000));
    assert_eq!(read(&labels).1.errors.last().unwrap().fault, Fault::TooDeep);
}

#[test]
fn long_chains_need_no_stack() {
    let count = MAX_CHAIN as usize - 10;
    for (first, link, last) in [
        ("var x = a", " + a", ""),
        ("var x = a", ".b", ""),
        ("var x = a", "()", ""),
        ("func f() { if a {}", " else if a {}", "}"),
    ] {
        let source = |count: usize| format!("package p\n{first}{}{last}\n", link.repeat(count));
        let (_, file) = read(&source(count));
        assert_eq!(errors(&file), [""; 0], "{link}");
        let walked = file.ast.walk(Node::Decl(file.decls[0])).count();
        assert!(walked > count, "{link}");
        let (_, file) = read(&source(count + 20));
        assert_eq!(file.errors[0].fault, Fault::TooLong, "{link}");
    }
}

#[test]
fn bodies_can_wait() {
    let source = "package p\nfunc f() { a := `}` // }\n\tif a != \"}\" { g() } }\nfunc (T) g() { return '}' }\nfunc h()\nvar v = func() { x() }\n";
    let names = Names::new();
    let mut interner = Interner::new(&names);
    let whole = parse(source.as_bytes().to_vec(), &mut interner, Bodies::Parse);
    let mut file = parse(source.as_bytes().to_vec(), &mut interner, Bodies::Skip);
    assert_eq!(errors(&file), [""; 0]);
    assert_eq!(file.comments, whole.comments);
    let functions: Vec<_> = file
        .ast
        .functions()
        .map(|(id, function)| (id, function.body))
        .collect();
    assert!(
        matches!(functions[0].1, Body::Skipped(span) if file.text(span).starts_with("{ a :=") && file.text(span).ends_with("} }"))
    );
    assert!(matches!(functions[1].1, Body::Skipped(_)));
    assert_eq!(functions[2].1, Body::Absent);
    for (function, _) in functions {
        file.parse_body(function, &mut interner);
    }
    assert_eq!(dump::dump(&file), dump::dump(&whole));
    assert_eq!(file.comments, whole.comments);
}

#[test]
fn a_body_that_is_not_closed_is_read_at_once() {
    let source =
        "package p\nfunc f() {\n\tif x {\n\ty()\n}\n\nfunc g() {\n\tz := }\n\nfunc h() { ( }\n";
    let names = Names::new();
    let mut interner = Interner::new(&names);
    let whole = parse(source.as_bytes().to_vec(), &mut interner, Bodies::Parse);
    let mut file = parse(source.as_bytes().to_vec(), &mut interner, Bodies::Skip);
    let functions: Vec<_> = file.ast.functions().map(|(id, _)| id).collect();
    assert_eq!(functions.len(), 3);
    for function in functions {
        file.parse_body(function, &mut interner);
        file.parse_body(function, &mut interner);
    }
    assert_eq!(errors(&file), errors(&whole));
    assert_eq!(dump::dump(&file), dump::dump(&whole));
}

#[test]
fn a_file_too_large_is_left_alone() {
    let names = Names::new();
    let source = vec![b' '; MAX_FILE_BYTES + 1];
    let file = parse(source, &mut Interner::new(&names), Bodies::Parse);
    assert_eq!(
        errors(&file),
        ["1:1: the file has 67108865 bytes; at most 67108864 are read"]
    );
}

#[test]
fn dots_stand_with_the_last_parameter() {
    let rule = "`...` stands with the last parameter only";
    let check = |signature: &str, column: Option<u32>| {
        let source = format!("package p\nfunc {signature} {{}}");
        let expected: Vec<String> = column
            .iter()
            .map(|column| format!("2:{column}: {rule}"))
            .collect();
        assert_eq!(errors(&read(&source).1), expected, "{signature}");
    };
    check("f(a int, b ...int)", None);
    check("f(...int)", None);
    check("f(a, b ...int)", Some(13));
    check("f(a ...int, b int)", Some(10));
    check("f() (a ...int)", Some(13));
    check("(a ...T) f()", Some(9));
}
