//! Single Go files checked as packages of their own, over the standard library of an installed Go.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gorphan_lint::check::{Circumstances, check};
use gorphan_lint::finding::{Finding, Related, Where};
use gorphan_lint::load::{Environment, Parsed, Request, Settings, Wishes, load};
use gorphan_lint::syntax::ast::{ExprKind, SpecKind};
use gorphan_lint::syntax::{Bodies, File, Interner, Names, parse};
use gorphan_lint::types::{Package, PackageId};

use super::Disk;

/// The Go tree: that of `$PROJECT_GO`, else of the `go` on the path. There is no test without.
pub(crate) fn goroot() -> PathBuf {
    let go = std::env::var_os("PROJECT_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let output = std::process::Command::new(&go)
        .args(["env", "GOROOT"])
        .env("GOTOOLCHAIN", "local")
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; install Go (https://go.dev/dl) or set PROJECT_GO",
            go.display()
        )
    });
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// The repository's folder of what is checked.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/lint")
}

/// What was found in a file: lines and codes.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) code: &'static str,
    pub(crate) line: u32,
    /// The places of the cause, that of the finding first.
    pub(crate) lines: Vec<u32>,
    pub(crate) finding: Finding,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = self.finding.verdict.as_str();
        write!(
            f,
            "{} line {} {verdict} {:?}: {}",
            self.code,
            self.line,
            &self.lines[1..],
            self.finding.message
        )
    }
}

/// Files over one standard library, which is parsed once.
pub(crate) struct Corpus {
    names: Names,
    parsed: Parsed,
    standard: Vec<(String, PackageId)>,
}

impl Corpus {
    /// With what these sources import.
    pub(crate) fn new(sources: &[Vec<u8>]) -> Self {
        let names = Names::new();
        let mut imports = BTreeSet::new();
        let mut interner = Interner::new(&names);
        for source in sources {
            imports.extend(imported(&parse(
                source.clone(),
                &mut interner,
                Bodies::Skip,
            )));
        }
        let root = goroot();
        let environment = Environment {
            variable: &|name| match name {
                "GOROOT" => Some(root.display().to_string()),
                "CGO_ENABLED" => Some("0".to_owned()),
                _ => None,
            },
            home: None,
            configuration: None,
            working: std::env::temp_dir(),
        };
        let settings = Settings::detect(&Disk, &environment, &Wishes::default());
        let patterns: Vec<String> = imports.into_iter().collect();
        let request = Request {
            patterns: &patterns,
            tests: false,
            threads: 2,
        };
        let loaded = load(&Disk, &settings, &request).expect("the standard library");
        let is_root = |index: usize| {
            loaded
                .packages
                .get(index)
                .is_some_and(|package| package.root)
        };
        let parsed = loaded.parse(&names, 2, &is_root);
        let paths = loaded.packages.iter().map(|package| package.path.clone());
        let standard = paths.zip(parsed.ids.iter().copied()).collect();
        Self {
            names,
            parsed,
            standard,
        }
    }

    /// What is found in a file.
    pub(crate) fn check(&mut self, source: &[u8]) -> Vec<Found> {
        let mut interner = Interner::new(&self.names);
        let file = Arc::new(parse(source.to_vec(), &mut interner, Bodies::Parse));
        assert!(file.errors.is_empty(), "{:?}", file.errors);
        let program = &mut self.parsed.program;
        let path = match self.names.text(file.package.name) {
            "main" => "main",
            name => &format!("example.com/{name}"),
        };
        let id = program.add(Package::new(path, vec![Arc::clone(&file)]));
        for import in imported(&file) {
            if let Some((_, package)) = self.standard.iter().find(|(path, _)| *path == import) {
                program.link(id, &import, *package);
            }
        }
        let circumstances = Circumstances { go_minor: 27 };
        let checked = check(program, &self.names, id, circumstances, &|_| None);
        let line =
            |location: gorphan_lint::finding::Location| file.position(location.span.start).line;
        let found = checked.findings.into_iter().map(|finding| {
            let related = finding
                .related
                .iter()
                .filter_map(|Related { at, .. }| match at {
                    Where::Here(location) => Some(line(*location)),
                    Where::Elsewhere(_) => None,
                });
            Found {
                code: finding.code,
                line: line(finding.at),
                lines: std::iter::once(line(finding.at)).chain(related).collect(),
                finding,
            }
        });
        found.collect()
    }
}

/// The import paths of a file.
fn imported(file: &File) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for decl in &file.decls {
        let gorphan_lint::syntax::ast::DeclKind::Import(specs) = file.ast[*decl].kind else {
            continue;
        };
        for spec in &file.ast[specs] {
            let SpecKind::Import { path, .. } = file.ast[*spec].kind else {
                continue;
            };
            if let ExprKind::Literal(_) = file.ast[path].kind {
                let text = String::from_utf8_lossy(file.bytes(file.ast[path].span)).into_owned();
                paths.insert(text.trim_matches('"').to_owned());
            }
        }
    }
    paths
}

/// The Go files of a folder with their names, sorted.
pub(crate) fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "go"))
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}
