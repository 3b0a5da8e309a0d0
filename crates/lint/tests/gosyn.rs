//! Our trees against those of another parser written in Rust, statement by statement with kinds and offsets, over Go's own
//! source: a second oracle that shares nothing with Go's.
//!
//! By itself this looks at every sixty-fourth file of the Go that is found; `GORPHAN_EVERY=1` looks at all of them.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test over files"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gorphan_lint::syntax::ast::{
    Ast, BlockId, Body, BranchKind, ClauseId, ClauseKind, List, StmtId, StmtKind,
};
use gorphan_lint::syntax::{Bodies, File, Interner, Names, parse};
use gosyn::ast::{self as other, Statement};
use gosyn::token::Keyword;

/// Every how manyth file is compared unless `GORPHAN_EVERY` says otherwise.
const EVERY: usize = 64;

/// Of the Go tree the other parser refuses some files: methods with type parameters, new in Go 1.27, are among the reasons.
const MOST_REFUSED_OF_HUNDRED: usize = 3;

fn go_root() -> PathBuf {
    let go = std::env::var_os("PROJECT_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let mut command = Command::new(go);
    command.args(["env", "GOROOT"]).env("GOTOOLCHAIN", "local");
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; install Go (https://go.dev/dl) or set PROJECT_GO")
    });
    assert!(output.status.success(), "{command:?}: {output:?}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn go_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap();
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries.into_iter().filter(|entry| !entry.is_symlink()) {
        if entry.is_dir() {
            go_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "go") {
            found.push(entry);
        }
    }
}

/// A statement, a clause or a function: its kind, and its offset where both parsers keep that of its first token.
type Line = (&'static str, Option<u32>);

struct Ours<'a> {
    ast: &'a Ast,
    lines: Vec<Line>,
}

impl<'a> Ours<'a> {
    fn all(file: &'a File) -> Vec<Line> {
        let (ast, lines) = (&file.ast, Vec::new());
        let mut ours = Self { ast, lines };
        let mut functions: Vec<_> = file.ast.functions().map(|(_, function)| function).collect();
        functions.sort_by_key(|function| function.span.start);
        for function in functions {
            ours.lines.push(("func", Some(function.name.span.start)));
            if let Body::Block(block) = function.body {
                ours.block(block);
            }
        }
        ours.lines
    }

    fn stmts(&mut self, stmts: &[StmtId]) {
        stmts.iter().for_each(|stmt| self.stmt(*stmt));
    }

    fn clauses(&mut self, clauses: List<ClauseId>) {
        let ast = self.ast;
        for id in &ast[clauses] {
            let clause = ast[*id];
            self.lines.push(("clause", Some(clause.span.start)));
            if let ClauseKind::Comm(stmt) = clause.kind {
                self.stmt(stmt);
            }
            self.stmts(&ast[clause.body]);
        }
    }

    fn block(&mut self, block: BlockId) {
        let ast = self.ast;
        self.stmts(&ast[ast[block].stmts]);
    }

    fn stmt(&mut self, id: StmtId) {
        let stmt = self.ast[id];
        let start = Some(stmt.span.start);
        match stmt.kind {
            StmtKind::Bad => self.lines.push(("bad", start)),
            StmtKind::Empty => {}
            StmtKind::Decl(_) => self.lines.push(("decl", None)),
            StmtKind::Labeled { label, stmt } => {
                self.lines.push(("label", Some(label.span.start)));
                self.stmt(stmt);
            }
            StmtKind::Expr(_) => self.lines.push(("expr", None)),
            StmtKind::Send { .. } => self.lines.push(("send", None)),
            StmtKind::Step { .. } => self.lines.push(("step", None)),
            StmtKind::Assign { .. } => self.lines.push(("assign", None)),
            StmtKind::Go(_) => self.lines.push(("go", start)),
            StmtKind::Defer(_) => self.lines.push(("defer", start)),
            StmtKind::Return(_) => self.lines.push(("return", start)),
            StmtKind::Branch { kind, .. } => {
                let kind = match kind {
                    BranchKind::Break => "break",
                    BranchKind::Continue => "continue",
                    BranchKind::Goto => "goto",
                    BranchKind::Fallthrough => "fallthrough",
                };
                self.lines.push((kind, start));
            }
            StmtKind::Block(block) => {
                self.lines.push(("block", start));
                self.block(block);
            }
            StmtKind::If {
                init,
                then,
                otherwise,
                ..
            } => {
                self.lines.push(("if", start));
                self.stmts(init.as_slice());
                self.block(then);
                self.stmts(otherwise.as_slice());
            }
            StmtKind::Switch { init, clauses, .. } => {
                self.lines.push(("switch", start));
                self.stmts(init.as_slice());
                self.clauses(clauses);
            }
            StmtKind::TypeSwitch { init, clauses, .. } => {
                self.lines.push(("type switch", start));
                self.stmts(init.as_slice());
                self.clauses(clauses);
            }
            StmtKind::Select(clauses) => {
                self.lines.push(("select", start));
                self.clauses(clauses);
            }
            StmtKind::For {
                init, post, body, ..
            } => {
                self.lines.push(("for", start));
                self.stmts(init.as_slice());
                self.stmts(post.as_slice());
                self.block(body);
            }
            StmtKind::Range { body, .. } => {
                self.lines.push(("range", start));
                self.block(body);
            }
        }
    }
}

struct Theirs {
    /// The offset of each character.
    offsets: Vec<u32>,
    lines: Vec<Line>,
}

impl Theirs {
    fn all(file: &other::File, source: &str) -> Vec<Line> {
        let offset = |(offset, _)| u32::try_from(offset).unwrap();
        let offsets = source.char_indices().map(offset).collect();
        let lines = Vec::new();
        let mut theirs = Self { offsets, lines };
        for declaration in &file.decl {
            if let other::Declaration::Function(function) = declaration {
                theirs.push("func", function.name.pos);
                function
                    .body
                    .iter()
                    .for_each(|body| theirs.stmts(&body.list));
            }
        }
        theirs.lines
    }

    fn push(&mut self, kind: &'static str, character: usize) {
        self.lines.push((kind, Some(self.offsets[character])));
    }

    fn stmts(&mut self, stmts: &[Statement]) {
        stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn boxed(&mut self, stmt: &Option<Box<Statement>>) {
        stmt.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn cases(&mut self, block: &other::CaseBlock) {
        for clause in &block.body {
            self.push("clause", clause.pos.0);
            self.stmts(&clause.body);
        }
    }

    fn stmt(&mut self, stmt: &Statement) {
        match stmt {
            Statement::Go(stmt) => self.push("go", stmt.pos),
            Statement::If(stmt) => {
                self.push("if", stmt.pos);
                self.boxed(&stmt.init);
                self.stmts(&stmt.body.list);
                self.boxed(&stmt.else_);
            }
            Statement::For(stmt) => {
                self.push("for", stmt.pos);
                self.boxed(&stmt.init);
                self.boxed(&stmt.post);
                self.stmts(&stmt.body.list);
            }
            Statement::Send(_) => self.lines.push(("send", None)),
            Statement::Expr(_) => self.lines.push(("expr", None)),
            Statement::Defer(stmt) => self.push("defer", stmt.pos),
            Statement::Block(stmt) => {
                self.push("block", stmt.pos.0);
                self.stmts(&stmt.list);
            }
            Statement::Range(stmt) => {
                self.push("range", stmt.pos.0);
                self.stmts(&stmt.body.list);
            }
            Statement::Empty(_) => {}
            Statement::Label(stmt) => {
                self.push("label", stmt.name.pos);
                self.stmt(&stmt.stmt);
            }
            Statement::IncDec(_) => self.lines.push(("step", None)),
            Statement::Assign(_) => self.lines.push(("assign", None)),
            Statement::Return(stmt) => self.push("return", stmt.pos),
            Statement::Branch(stmt) => {
                let kind = match stmt.key {
                    Keyword::Break => "break",
                    Keyword::Continue => "continue",
                    Keyword::Goto => "goto",
                    _ => "fallthrough",
                };
                self.push(kind, stmt.pos);
            }
            Statement::Switch(stmt) => {
                self.push("switch", stmt.pos);
                self.boxed(&stmt.init);
                self.cases(&stmt.block);
            }
            Statement::TypeSwitch(stmt) => {
                self.push("type switch", stmt.pos);
                self.boxed(&stmt.init);
                self.cases(&stmt.block);
            }
            Statement::Select(stmt) => {
                self.push("select", stmt.pos);
                for clause in &stmt.body.body {
                    self.push("clause", clause.pos.0);
                    self.boxed(&clause.comm);
                    self.stmts(&clause.body);
                }
            }
            Statement::Declaration(_) => self.lines.push(("decl", None)),
        }
    }
}

/// The other parser recurses: long sums and chains of `else if` in the tree need more than a test's stack.
const STACK_BYTES: usize = 512 << 20;

#[test]
fn statements_agree_with_another_parser_over_the_go_tree() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(compare_all).unwrap().join().unwrap();
}

fn compare_all() {
    let root = go_root().join("src");
    let mut files = Vec::new();
    go_files(&root, &mut files);
    let every = std::env::var("GORPHAN_EVERY").map_or(EVERY, |every| every.parse().unwrap());
    let names = Names::new();
    let mut interner = Interner::new(&names);
    let (mut refused, mut compared, mut statements) = (Vec::new(), 0, 0);
    for path in files.into_iter().step_by(every) {
        let Ok(source) = fs::read_to_string(&path) else {
            continue;
        };
        // Some sources of the parsers' own tests are wrong on purpose.
        let file = parse(source.clone().into_bytes(), &mut interner, Bodies::Parse);
        if !file.errors.is_empty() {
            continue;
        }
        let Ok(parsed) = gosyn::parse_source(&source) else {
            refused.push(path);
            continue;
        };
        let (ours, theirs) = (Ours::all(&file), Theirs::all(&parsed, &source));
        let pairs = ours.iter().zip(&theirs);
        let different = pairs.clone().find(|(ours, theirs)| ours != theirs);
        let shown = path.display();
        assert_eq!(different, None, "{shown}: ours, theirs");
        assert_eq!(ours.len(), theirs.len(), "{shown}");
        compared += 1;
        statements += ours.len();
    }
    println!("{compared} files, {statements} statements; refused by the other: {refused:?}");
    assert!(compared > 0, "{}: no files", root.display());
    assert!(refused.len() * 100 <= (compared + refused.len()) * MOST_REFUSED_OF_HUNDRED);
}
