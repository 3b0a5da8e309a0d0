//! Loading from trees that are only held in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::syntax::Names;

/// Files by path, in a file system of their own.
#[derive(Default)]
struct Tree(BTreeMap<PathBuf, String>);

impl Files for Tree {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let text = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        if text.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(text.clone().into_bytes())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let mut entries: BTreeMap<String, EntryKind> = BTreeMap::new();
        for path in self.0.keys() {
            let Ok(rest) = path.strip_prefix(directory) else {
                continue;
            };
            let mut parts = rest.components();
            if let Some(first) = parts.next() {
                let kind = if parts.next().is_some() {
                    EntryKind::Directory
                } else {
                    EntryKind::File
                };
                entries.insert(first.as_os_str().to_string_lossy().into_owned(), kind);
            }
        }
        if entries.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(entries
            .into_iter()
            .map(|(name, kind)| Entry { name, kind })
            .collect())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn is_file(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.list(path).is_ok()
    }
}

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree(
        files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
            .collect(),
    )
}

fn settings(tree: &Tree, working: &str) -> Settings {
    let environment = Environment {
        variable: &|name| match name {
            "GOOS" => Some("linux".to_owned()),
            "GOARCH" => Some("amd64".to_owned()),
            "GOROOT" => Some("/go".to_owned()),
            "GOPATH" => Some("/path".to_owned()),
            "GOMODCACHE" => Some("/cache".to_owned()),
            _ => None,
        },
        home: None,
        configuration: None,
        working: PathBuf::from(working),
    };
    Settings::detect(tree, &environment, &Wishes::default())
}

fn loaded(tree: &Tree, working: &str, patterns: &[&str], tests: bool) -> Result<Loaded, Error> {
    let patterns: Vec<String> = patterns
        .iter()
        .map(|pattern| (*pattern).to_owned())
        .collect();
    let request = Request {
        patterns: &patterns,
        tests,
        threads: 2,
    };
    load(tree, &settings(tree, working), &request)
}

/// The packages with their files and imports, and what is missing, one a line.
fn told(loaded: &Loaded) -> Vec<String> {
    let packages = loaded.packages.iter().map(|info| {
        let file = |file: &Arc<str>| file.rsplit('/').next().unwrap_or_default().to_owned();
        let files: Vec<String> = info.files.iter().map(file).collect();
        let imports: Vec<String> = info
            .imports
            .values()
            .map(|index| {
                format!(
                    "{}{}",
                    loaded.packages[*index].path,
                    if loaded.packages[*index].variant == Variant::WithTests {
                        "+"
                    } else {
                        ""
                    }
                )
            })
            .collect();
        let root = if info.root { "*" } else { "" };
        format!(
            "{root}{}: {} -> {}",
            info.path,
            files.join(" "),
            imports.join(" ")
        )
        .trim_end()
        .to_owned()
    });
    let missing = loaded
        .missing
        .iter()
        .map(|missing| format!("{}: {}", missing.import, missing.why));
    packages.chain(missing).collect()
}

#[track_caller]
fn check(files: &[(&str, &str)], working: &str, patterns: &[&str], tests: bool, expected: &[&str]) {
    let loaded = loaded(&tree(files), working, patterns, tests).expect("packages");
    assert_eq!(told(&loaded), expected);
    // All that was found can be parsed and linked.
    let names = Names::new();
    let parsed = loaded.parse(&names, 2, &|_| true);
    for (info, id) in loaded.packages.iter().zip(&parsed.ids) {
        let package = parsed.program.package(*id);
        assert_eq!(
            (package.files.len(), package.path.as_str()),
            (info.files.len(), info.path.as_str())
        );
        for (import, imported) in &info.imports {
            assert_eq!(package.imported(import), parsed.ids.get(*imported).copied());
        }
    }
}

#[test]
fn the_highest_version_that_any_module_asks_for_is_taken() {
    let needs = |module: &str, version: &str| {
        format!("module x\n\ngo 1.15\n\nrequire {module} {version}\n")
    };
    let (b, c_old, c_new) = (
        needs("a.org/C", "v1.2.0"),
        needs("a.org/none", "v1.0.0"),
        "module a.org/C\n",
    );
    let files = [
        (
            "/m/go.mod",
            "module m.org/m\n\ngo 1.15\n\nrequire (\n\ta.org/B v1.0.0\n\ta.org/C v1.1.0\n)\nexclude a.org/none v1.0.0\n",
        ),
        (
            "/m/m.go",
            "package m\n\nimport _ \"a.org/B/sub\"\nimport _ \"a.org/C\"\n",
        ),
        ("/cache/cache/download/a.org/!b/@v/v1.0.0.mod", b.as_str()),
        (
            "/cache/cache/download/a.org/!c/@v/v1.1.0.mod",
            c_old.as_str(),
        ),
        ("/cache/cache/download/a.org/!c/@v/v1.2.0.mod", c_new),
        (
            "/cache/a.org/!b@v1.0.0/sub/s.go",
            "package sub\n\nimport _ \"a.org/C\"\n",
        ),
        ("/cache/a.org/!c@v1.1.0/old.go", "package c\n"),
        ("/cache/a.org/!c@v1.2.0/new.go", "package c\n"),
    ];
    check(
        &files,
        "/m",
        &["."],
        false,
        &[
            "a.org/C: new.go ->",
            "a.org/B/sub: s.go -> a.org/C",
            "*m.org/m: m.go -> a.org/B/sub a.org/C",
        ],
    );
    let missing: Vec<_> = files
        .iter()
        .copied()
        .filter(|(path, _)| !path.contains("!c@v1.2.0"))
        .collect();
    check(
        &missing,
        "/m",
        &["."],
        false,
        &[
            "a.org/B/sub: s.go ->",
            "*m.org/m: m.go -> a.org/B/sub",
            "a.org/C: module a.org/C@v1.2.0 is not in the module cache: looked for /cache/a.org/!c@v1.2.0",
        ],
    );
}

#[test]
fn tests_are_variants_that_only_external_tests_import() {
    let files = [
        ("/m/go.mod", "module m.org/m\n\ngo 1.21\n"),
        ("/m/a/a.go", "package a\n\nimport _ \"m.org/m/b\"\n"),
        ("/m/a/a_test.go", "package a\n"),
        (
            "/m/a/x_test.go",
            "package a_test\n\nimport _ \"m.org/m/a\"\nimport _ \"m.org/m/c\"\n",
        ),
        ("/m/b/b.go", "package b\n"),
        // No cycle: the plain b is what a imports.
        ("/m/b/b_test.go", "package b\n\nimport _ \"m.org/m/a\"\n"),
        ("/m/c/c.go", "package c\n\nimport _ \"m.org/m/a\"\n"),
    ];
    check(
        &files,
        "/m",
        &["./a", "./b"],
        true,
        &[
            "m.org/m/b: b.go ->",
            "m.org/m/a: a.go -> m.org/m/b",
            "*m.org/m/a: a.go a_test.go -> m.org/m/b",
            "m.org/m/c: c.go -> m.org/m/a",
            "*m.org/m/a_test: x_test.go -> m.org/m/a+ m.org/m/c",
            "*m.org/m/b: b.go b_test.go -> m.org/m/a",
        ],
    );
    check(
        &files,
        "/m",
        &["./a"],
        false,
        &["m.org/m/b: b.go ->", "*m.org/m/a: a.go -> m.org/m/b"],
    );
}

#[test]
fn packages_are_found_without_modules() {
    let files = [
        (
            "/path/src/a.org/a/a.go",
            "package a\n\nimport _ \"b.org/b\"\nimport _ \"c.org/c/v2/sub\"\nimport _ \"d.org/d\"\n",
        ),
        ("/path/src/a.org/a/vendor/b.org/b/b.go", "package b\n"),
        ("/path/src/b.org/b/other.go", "package b\n"),
        ("/path/src/c.org/c/sub/c.go", "package sub\n"),
        ("/elsewhere/x.go", "package x\n"),
        ("/elsewhere/y.go", "package x\n"),
    ];
    check(
        &files,
        "/path/src/a.org/a",
        &["./..."],
        false,
        &[
            "c.org/c/sub: c.go ->",
            "a.org/a/vendor/b.org/b: b.go ->",
            "*a.org/a: a.go -> a.org/a/vendor/b.org/b c.org/c/sub",
            "d.org/d: no go.mod tells where it is, and it is not below src of GOPATH",
        ],
    );
    check(
        &files,
        "/elsewhere",
        &["."],
        false,
        &["*elsewhere: x.go y.go ->"],
    );
    check(
        &files,
        "/elsewhere",
        &["x.go"],
        false,
        &["*elsewhere: x.go ->"],
    );
}

#[test]
fn what_is_unsound_is_told_and_the_rest_is_read() {
    let files = [
        ("/m/go.mod", "module m.org/m\n\ngo 1.21\n"),
        (
            "/m/a/a.go",
            "package a\n\nimport _ \"m.org/m/b\"\nimport _ \"../up\"\n",
        ),
        ("/m/b/b.go", "package b\n\nimport _ \"m.org/m/a\"\n"),
        ("/m/b/c.go", "package b\n"),
        ("/m/b/d.go", "package other\n"),
        ("/m/b/e.go", "not Go\n"),
    ];
    let loaded = loaded(&tree(&files), "/m", &["./..."], false).expect("packages");
    assert_eq!(
        told(&loaded),
        [
            "*m.org/m/b: b.go c.go e.go ->",
            "*m.org/m/a: a.go -> m.org/m/b",
            "../up: that is no import path",
            "m.org/m/a: it imports itself, over other packages",
        ]
    );
    assert_eq!(loaded.unread.len(), 1);
    assert!(
        loaded.unread[0].why.contains("of package other"),
        "{:?}",
        loaded.unread
    );
}

proptest! {
    #[test]
    fn nothing_that_stands_in_files_makes_it_fail(
        go_mod in "(module m\n|require \\(\n|a.org/b v1.0.0\n|replace |=> |\\)\n|\"|//|go 1.9\n|\\PC{0,8}){0,12}",
        source in "(package |import |\\(|\"a/b\"|\n|//go:build |linux|&&|!|// \\+build |/\\*|\\PC{0,8}){0,16}",
    ) {
        let files = tree(&[("/m/go.mod", &go_mod), ("/m/a.go", &source), ("/m/b_test.go", &source)]);
        if let Ok(loaded) = loaded(&files, "/m", &["./..."], true) {
            let names = Names::new();
            let parsed = loaded.parse(&names, 1, &|_| true);
            prop_assert_eq!(parsed.ids.len(), loaded.packages.len());
        }
    }
}
