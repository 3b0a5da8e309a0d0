//! The shape of a tree as text, for tests: one line per node with its depth, kind and span.

use super::ast::{
    AssignKind, Ast, ChanDir, ClauseKind, DeclKind, ExprId, ExprKind, LiteralKind, Node, SpecKind,
    StmtKind,
};
use super::{File, Token};

/// The shape of a file. A line is `DEPTH KIND START END`, and behind it what sets nodes of one kind apart.
pub fn dump(file: &File) -> String {
    let mut text = String::new();
    let span = file.package.span;
    line(&mut text, 0, "package", span.start, span.end, "");
    for decl in &file.decls {
        for (depth, node) in file.ast.walk(Node::Decl(*decl)) {
            // A function's declaration is the function.
            if let Node::Decl(decl) = node
                && let DeclKind::Function(_) = file.ast[decl].kind
            {
                continue;
            }
            let span = file.ast.span(node);
            let (kind, detail) = describe(&file.ast, node);
            line(&mut text, depth, kind, span.start, span.end, &detail);
        }
    }
    text
}

fn line(text: &mut String, depth: u32, kind: &str, start: u32, end: u32, detail: &str) {
    number(text, depth);
    text.push(' ');
    text.push_str(kind);
    text.push(' ');
    number(text, start);
    text.push(' ');
    number(text, end);
    if !detail.is_empty() {
        text.push(' ');
        text.push_str(detail);
    }
    text.push('\n');
}

/// Faster than formatting, which is most of the time of a test over the whole Go tree.
fn number(text: &mut String, mut number: u32) {
    let mut digits = [b'0'; 10];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    text.extend(
        digits
            .iter()
            .skip(10 - used)
            .map(|digit| char::from(*digit)),
    );
}

fn describe(ast: &Ast, node: Node) -> (&'static str, String) {
    let plain = |kind| (kind, String::new());
    match node {
        Node::Decl(id) => plain(match ast[id].kind {
            DeclKind::Bad => "bad-decl",
            DeclKind::Import(_) => "import",
            DeclKind::Const(_) => "const",
            DeclKind::Var(_) => "var",
            DeclKind::Type(_) => "type",
            DeclKind::Function(_) => "function-decl",
        }),
        Node::Spec(id) => match ast[id].kind {
            SpecKind::Import { .. } => plain("import-spec"),
            SpecKind::Value { names, values, .. } => {
                let detail = format!("{} {}", names.len(), values.len());
                ("value-spec", detail)
            }
            SpecKind::Type {
                type_params, alias, ..
            } => {
                let detail = format!(
                    "{} {}",
                    type_params.len(),
                    if alias { "alias" } else { "new" }
                );
                ("type-spec", detail)
            }
        },
        Node::Function(id) => {
            let receiver = if ast[id].receiver.is_some() {
                "method"
            } else {
                ""
            };
            ("function", receiver.to_owned())
        }
        Node::Signature(id) => {
            let signature = &ast[id];
            let lists = [signature.type_params, signature.params, signature.results];
            let [type_params, params, results] = lists.map(|list| list.len());
            ("signature", format!("{type_params} {params} {results}"))
        }
        Node::Field(id) => ("field", ast[id].names.len().to_string()),
        Node::Ident(_) => plain("name"),
        Node::Block(_) => plain("block"),
        Node::Stmt(id) => describe_stmt(&ast[id].kind),
        Node::Clause(id) => match ast[id].kind {
            ClauseKind::Default => plain("default"),
            ClauseKind::Case(list) => ("case", list.len().to_string()),
            ClauseKind::Comm(_) => plain("comm"),
        },
        Node::Expr(id) => describe_expr(ast, id),
    }
}

fn describe_stmt(kind: &StmtKind) -> (&'static str, String) {
    let plain = |kind| (kind, String::new());
    match *kind {
        StmtKind::Bad => plain("bad-stmt"),
        StmtKind::Empty => plain("empty"),
        StmtKind::Decl(_) => plain("decl-stmt"),
        StmtKind::Labeled { .. } => plain("labeled"),
        StmtKind::Expr(_) => plain("expr-stmt"),
        StmtKind::Send { .. } => plain("send"),
        StmtKind::Step { up, .. } => plain(if up { "increment" } else { "decrement" }),
        StmtKind::Assign { kind, left, right } => {
            let operator = match kind {
                AssignKind::Assign => "",
                AssignKind::Define => ":",
                AssignKind::Operator(token) => token.text(),
            };
            (
                "assign",
                format!("{operator}= {} {}", left.len(), right.len()),
            )
        }
        StmtKind::Go(_) => plain("go"),
        StmtKind::Defer(_) => plain("defer"),
        StmtKind::Return(values) => ("return", values.len().to_string()),
        StmtKind::Branch { kind, .. } => ("branch", format!("{kind:?}").to_lowercase()),
        StmtKind::Block(_) => plain("block-stmt"),
        StmtKind::If { .. } => plain("if"),
        StmtKind::Switch { init, tag, .. } => ("switch", flags(&[init.is_some(), tag.is_some()])),
        StmtKind::TypeSwitch { init, binding, .. } => {
            ("type-switch", flags(&[init.is_some(), binding.is_some()]))
        }
        StmtKind::Select(_) => plain("select"),
        StmtKind::For {
            init,
            condition,
            post,
            ..
        } => (
            "for",
            flags(&[init.is_some(), condition.is_some(), post.is_some()]),
        ),
        StmtKind::Range {
            key, value, define, ..
        } => ("range", flags(&[key.is_some(), value.is_some(), define])),
    }
}

fn describe_expr(ast: &Ast, id: ExprId) -> (&'static str, String) {
    let plain = |kind| (kind, String::new());
    match ast[id].kind {
        ExprKind::Bad => plain("bad"),
        ExprKind::Name(_) => plain("name"),
        ExprKind::Literal(kind) => plain(match kind {
            LiteralKind::Int => "int",
            LiteralKind::Float => "float",
            LiteralKind::Imaginary => "imaginary",
            LiteralKind::Rune => "rune",
            LiteralKind::String => "string",
        }),
        ExprKind::Composite { typ, .. } => ("composite", flags(&[typ.is_some()])),
        ExprKind::KeyValue { .. } => plain("key-value"),
        ExprKind::Closure { .. } => plain("closure"),
        ExprKind::Paren(_) => plain("paren"),
        ExprKind::Selector { .. } => plain("selector"),
        ExprKind::Index { .. } => plain("index"),
        ExprKind::Slice { low, high, max, .. } => (
            "slice",
            flags(&[low.is_some(), high.is_some(), max.is_some()]),
        ),
        ExprKind::Assert { typ, .. } => ("assert", flags(&[typ.is_some()])),
        ExprKind::Call { spread, .. } => ("call", flags(&[spread])),
        ExprKind::Star(_) => plain("star"),
        ExprKind::Unary { operator, .. } => ("unary", operator.text().to_owned()),
        ExprKind::Binary {
            operator,
            operator_start,
            ..
        } => ("binary", binary(operator, operator_start)),
        ExprKind::Ellipsis(_) => plain("ellipsis"),
        ExprKind::Array { length, .. } => ("array", flags(&[length.is_some()])),
        ExprKind::Map { .. } => plain("map"),
        ExprKind::Chan { direction, .. } => plain(match direction {
            ChanDir::Both => "chan",
            ChanDir::Send => "chan-send",
            ChanDir::Receive => "chan-receive",
        }),
        ExprKind::FuncType(_) => plain("func-type"),
        ExprKind::Struct(_) => plain("struct"),
        ExprKind::Interface(_) => plain("interface"),
    }
}

fn binary(operator: Token, start: u32) -> String {
    format!("{} {start}", operator.text())
}

/// What optional parts are there.
fn flags(flags: &[bool]) -> String {
    flags
        .iter()
        .map(|flag| if *flag { '+' } else { '-' })
        .collect()
}
