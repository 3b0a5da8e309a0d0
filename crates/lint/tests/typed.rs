//! Our types against those of `go/types`, expression by expression, over packages of Go's own tree: each is the same or unknown,
//! and few are unknown.
//!
//! By itself this looks at a few packages and all that they import. `GORPHAN_PACKAGES=all` with `--release` looks at the whole
//! tree, import paths with spaces between at others; `GORPHAN_SHOW=unknown` prints what is unknown, `PROJECT_GO` names another
//! go command, and `GORPHAN_ANSWER` a file with what the Go program printed before.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test over files"
)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gorphan_lint::syntax::ast::ExprId;
use gorphan_lint::syntax::{Bodies, Interner, Names, parse};
use gorphan_lint::types::{
    Checker, Const, FileId, ObjectKind, Package, PackageId, Program, TypeId, Use,
};

/// Packages with generics, embedding, iterators, closures, constants and channels.
const PACKAGES: &str = "container/list context encoding/json go/types iter maps net/http reflect runtime/pprof slices sort \
                        sync sync/atomic testing text/template time";

/// Of a thousand expressions so many are to be known.
const KNOWN_PER_MILLE: usize = 999;

fn go() -> Command {
    let go = std::env::var_os("PROJECT_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let mut go = Command::new(go);
    go.env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .env("GOWORK", "off");
    go
}

fn output(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("{command:?}: {error}; install Go (https://go.dev/dl) or set PROJECT_GO")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    print!("{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program that prints what `go/types` finds.
fn ask_oracle(packages: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/typed");
    let program = folder
        .path()
        .join(format!("typed{}", std::env::consts::EXE_SUFFIX));
    output(
        go().args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(source),
    );
    let root = output(go().args(["env", "GOROOT"]));
    output(
        Command::new(program)
            .args(packages.split_whitespace())
            .env("TYPED_GOROOT", root.trim()),
    )
}

/// A line that tells of an expression.
struct Fact<'t> {
    kind: &'t str,
    file: u32,
    start: u32,
    end: u32,
    text: &'t str,
}

/// Facts of one package.
struct Facts<'t> {
    path: &'t str,
    facts: Vec<Fact<'t>>,
}

/// What the oracle printed.
#[derive(Default)]
struct Answer<'t> {
    /// All packages with the paths of their files.
    packages: Vec<(&'t str, Vec<&'t str>)>,
    /// Package, import path as written, what it means.
    links: Vec<(&'t str, &'t str, &'t str)>,
    facts: Vec<Facts<'t>>,
}

fn read_answer(text: &str) -> Answer<'_> {
    let mut answer = Answer::default();
    let mut texts: Vec<&str> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.splitn(5, '\t').collect();
        let number = |place: usize| fields[place].parse::<u32>().unwrap();
        match fields[0] {
            "P" => answer.packages.push((fields[1], Vec::new())),
            "F" => answer.packages.last_mut().unwrap().1.push(fields[1]),
            "I" => {
                let package = answer.packages.last().unwrap().0;
                answer.links.push((package, fields[1], fields[2]));
            }
            "X" => {
                texts.clear();
                let (path, facts) = (fields[1], Vec::new());
                answer.facts.push(Facts { path, facts });
            }
            "Y" => texts.push(line.split_once('\t').unwrap().1),
            kind => answer.facts.last_mut().unwrap().facts.push(Fact {
                kind,
                file: number(1),
                start: number(2),
                end: number(3),
                text: texts[number(4) as usize],
            }),
        }
    }
    answer
}

/// Reads and links the packages; their ids by path.
fn read_program<'t>(
    answer: &Answer<'t>,
    interner: &mut Interner<'_>,
) -> (Program, HashMap<&'t str, PackageId>) {
    let mut program = Program::new();
    let mut ids = HashMap::new();
    for (path, files) in &answer.packages {
        let files = files.iter().map(|file| {
            let file = parse(fs::read(file).unwrap(), interner, Bodies::Parse);
            assert!(file.errors.is_empty(), "{:?}", file.errors);
            Arc::new(file)
        });
        ids.insert(*path, program.add(Package::new(path, files.collect())));
    }
    for (package, written, path) in &answer.links {
        program.link(ids[package], written, ids[path]);
    }
    program.link_by_path();
    (program, ids)
}

/// What we say in the words of the oracle; `None` where it does not count.
fn ours(
    checker: &mut Checker<'_>,
    texts: &mut HashMap<TypeId, String>,
    files: &HashMap<PackageId, &[&str]>,
    file: FileId,
    expr: ExprId,
    kind: &str,
) -> Option<String> {
    if kind == "u" {
        let known = match checker.use_of(file, expr) {
            Use::Object(object) => {
                let object = *checker.object(object);
                match (object.kind, object.file) {
                    (ObjectKind::Package(Some(id)), _) => {
                        format!("package {}", checker.program().package(id).path)
                    }
                    // Package unsafe, or a missing one.
                    (ObjectKind::Package(None), _) => return None,
                    (_, None) => "universe".to_owned(),
                    (_, Some(file)) => {
                        format!(
                            "{}:{}",
                            files[&file.package][file.index as usize], object.span.start
                        )
                    }
                }
            }
            Use::Selection(_) => "field".to_owned(),
            // Its value is kept in its place.
            Use::None if checker.constant_of(file, expr).is_some() => return None,
            Use::None | Use::Type => "?".to_owned(),
        };
        return Some(known);
    }
    if kind == "k" {
        return Some(match checker.constant_of(file, expr) {
            None if checker.type_of(file, expr).is_unknown() => "?".to_owned(),
            None => "not constant".to_owned(),
            Some(Const::Bool(value)) => value.to_string(),
            Some(Const::Int(value)) => value.to_string(),
            Some(Const::Text(_)) => return None,
            Some(Const::Unknown | Const::Float(_)) => "?".to_owned(),
        });
    }
    let typ = checker.type_of(file, expr);
    let text = texts
        .entry(typ)
        .or_insert_with(|| checker.describe_exactly(typ));
    // What is untyped gets its type by the place where it stands.
    let is_untyped = text.starts_with("untyped ");
    Some(if is_untyped {
        "untyped ?".to_owned()
    } else {
        text.clone()
    })
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    same: usize,
    unknown: usize,
    different: usize,
}

/// Where complaints are counted and kept.
#[derive(Default)]
struct Outcome {
    counts: BTreeMap<String, Count>,
    complaints: Vec<String>,
}

fn compare(
    program: &Program,
    names: &Names,
    files: &HashMap<PackageId, &[&str]>,
    id: PackageId,
    facts: &Facts<'_>,
    outcome: &mut Outcome,
) {
    let show_unknown = std::env::var("GORPHAN_SHOW").is_ok_and(|show| show == "unknown");
    let mut checker = Checker::new(program, names, id);
    checker.check_all();
    let mut by_span = HashMap::new();
    for file in program.package(id).file_ids(id) {
        for (expr, node) in program.file(file).ast.exprs() {
            by_span.insert((file.index, node.span.start, node.span.end), expr);
        }
    }
    let mut texts = HashMap::new();
    for fact in &facts.facts {
        let Some(expr) = by_span.get(&(fact.file, fact.start, fact.end)) else {
            continue;
        };
        let file = FileId::new(id, fact.file);
        let Some(ours) = ours(&mut checker, &mut texts, files, file, *expr, fact.kind) else {
            continue;
        };
        let count = outcome.counts.entry(fact.kind.to_owned()).or_default();
        let is_unknown = ours.contains('?');
        if ours == "untyped ?" {
            continue;
        }
        if ours == fact.text {
            count.same += 1;
            continue;
        } else if is_unknown {
            count.unknown += 1;
        } else {
            count.different += 1;
        }
        if !is_unknown || show_unknown {
            let parsed = program.file(file);
            let position = parsed.position(fact.start);
            let path = files[&id][fact.file as usize];
            let text: String = parsed
                .text(parsed.ast[*expr].span)
                .chars()
                .take(80)
                .collect();
            outcome.complaints.push(format!(
                "{} {path}:{}:{} {text:?}: ours {ours}, theirs {}",
                fact.kind, position.line, position.column, fact.text
            ));
        }
    }
}

#[test]
fn types_agree_with_go_types() {
    let packages = std::env::var("GORPHAN_PACKAGES").unwrap_or_else(|_| PACKAGES.to_owned());
    let text = match std::env::var("GORPHAN_ANSWER") {
        Ok(path) => fs::read_to_string(path).unwrap(),
        Err(_) => ask_oracle(&packages),
    };
    let answer = read_answer(&text);
    let names = Names::new();
    let (program, ids) = read_program(&answer, &mut Interner::new(&names));
    let files: HashMap<PackageId, &[&str]> = answer
        .packages
        .iter()
        .map(|(path, files)| (ids[path], files.as_slice()))
        .collect();
    let mut outcome = Outcome::default();
    for facts in &answer.facts {
        compare(
            &program,
            &names,
            &files,
            ids[facts.path],
            facts,
            &mut outcome,
        );
    }
    let mut total = Count::default();
    for (kind, count) in &outcome.counts {
        println!("{kind}: {count:?}");
        total.same += count.same;
        total.unknown += count.unknown;
        total.different += count.different;
    }
    let shown = outcome
        .complaints
        .iter()
        .take(std::env::var("GORPHAN_LINES").map_or(20, |lines| lines.parse().unwrap()));
    let shown: Vec<&str> = shown.map(String::as_str).collect();
    println!("{}", shown.join("\n"));
    assert!(total.same > 10_000, "{total:?}");
    assert_eq!(total.different, 0);
    let sum = total.same + total.unknown;
    assert!(total.same * 1000 >= sum * KNOWN_PER_MILLE, "{total:?}");
}
