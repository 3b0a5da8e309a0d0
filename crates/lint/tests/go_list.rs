//! Loading compared with `go list -deps -json`, where Go is installed: the same packages with the same files.
#![allow(clippy::disallowed_methods, reason = "trees of tests are on disk")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use gorphan_lint::load::{Environment, Request, Settings, Variant, Wishes, load};
use serde_json::Value;
use support::Disk;

/// What is compared of a package: its files by kind, and where its imports lead.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    files: BTreeSet<String>,
    imports: BTreeSet<String>,
    root: bool,
}

const SYSTEMS: [(&str, &str); 3] = [("linux", "amd64"), ("windows", "386"), ("darwin", "arm64")];

fn go(directory: &Path, system: (&str, &str), arguments: &[&str]) -> Option<Vec<Value>> {
    let output = Command::new("go")
        .args([
            "list",
            "-e",
            "-deps",
            "-json=ImportPath,Dir,GoFiles,CgoFiles,Imports,ImportMap,DepOnly",
        ])
        .args(arguments)
        .current_dir(directory)
        .envs([
            ("GOTOOLCHAIN", "local"),
            ("GOFLAGS", ""),
            ("GOPROXY", "off"),
            ("CGO_ENABLED", "0"),
        ])
        .envs([("GOOS", system.0), ("GOARCH", system.1)])
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    Some(values.map(|value| value.expect("JSON")).collect())
}

fn texts(value: &Value) -> impl Iterator<Item = String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(|text| Some(text.as_str()?.to_owned()))
}

fn of_go(
    directory: &Path,
    system: (&str, &str),
    arguments: &[&str],
) -> Option<BTreeMap<String, Seen>> {
    let values = go(directory, system, arguments)?;
    let packages = values
        .iter()
        .filter(|value| !value["Dir"].is_null())
        .map(|value| {
            let map = value["ImportMap"].as_object();
            let mapped = |import: String| match map.and_then(|map| map.get(&import)?.as_str()) {
                Some(actual) => actual.to_owned(),
                None => import,
            };
            let seen = Seen {
                files: texts(&value["GoFiles"])
                    .chain(texts(&value["CgoFiles"]))
                    .collect(),
                imports: texts(&value["Imports"])
                    .filter(|import| import != "C")
                    .map(mapped)
                    .collect(),
                root: value["DepOnly"] != true,
            };
            (
                value["ImportPath"].as_str().expect("a path").to_owned(),
                seen,
            )
        });
    Some(
        packages
            .filter(|(_, seen)| !seen.files.is_empty())
            .collect(),
    )
}

fn of_gorphan(directory: &Path, system: (&str, &str), patterns: &[&str]) -> BTreeMap<String, Seen> {
    let environment = Environment {
        variable: &|name| match name {
            "GOOS" => Some(system.0.to_owned()),
            "GOARCH" => Some(system.1.to_owned()),
            "CGO_ENABLED" => Some("0".to_owned()),
            "GOFLAGS" => None,
            _ => std::env::var_os(name)?.into_string().ok(),
        },
        home: std::env::home_dir(),
        configuration: None,
        working: directory.to_path_buf(),
    };
    let settings = Settings::detect(&Disk, &environment, &Wishes::default());
    let patterns: Vec<String> = patterns
        .iter()
        .map(|pattern| (*pattern).to_owned())
        .collect();
    let request = Request {
        patterns: &patterns,
        tests: false,
        threads: 2,
    };
    let loaded = load(&Disk, &settings, &request).expect("packages");
    let path = |index: usize| loaded.packages[index].path.clone();
    let packages = loaded.packages.iter().map(|info| {
        assert_eq!(info.variant, Variant::Plain);
        let name = |file: &std::sync::Arc<str>| {
            let path = Path::new(&**file);
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        };
        let missing = loaded.missing.iter().map(|missing| missing.import.clone());
        let known = info.imports.values().map(|id| path(*id));
        let seen = Seen {
            files: info.files.iter().map(name).collect(),
            imports: known.chain(missing).collect(),
            root: info.root,
        };
        (info.path.clone(), seen)
    });
    packages.collect()
}

#[track_caller]
fn check(directory: &Path, patterns: &[&str]) {
    for system in SYSTEMS {
        let Some(expected) = of_go(directory, system, patterns) else {
            eprintln!("skipped: there is no go");
            return;
        };
        let mut found = of_gorphan(directory, system, patterns);
        for (path, expected) in &expected {
            let mut found = found
                .remove(path)
                .unwrap_or_else(|| panic!("{system:?}: {path} is missing"));
            // Those missing are told once for all packages.
            found
                .imports
                .retain(|import| expected.imports.contains(import) || !import.contains("missing"));
            assert_eq!(&found, expected, "{system:?}: {path}");
        }
        let more: Vec<&String> = found.keys().collect();
        assert!(
            more.is_empty(),
            "{system:?}: {more:?} are more than Go finds"
        );
    }
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

#[test]
fn the_standard_library() {
    check(&std::env::temp_dir(), &["std"]);
    check(&std::env::temp_dir(), &["net/http", "os/..."]);
}

#[test]
fn a_module_with_vendor() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().unwrap();
    write(
        &root,
        &[
            (
                "go.mod",
                "module example.com/shop\n\ngo 1.21\n\nrequire example.org/dep v1.2.3\n",
            ),
            (
                "main.go",
                "package main\n\nimport _ \"example.org/dep/sub\"\nimport _ \"example.com/shop/internal/a\"\nimport _ \"example.org/missing\"\n\nfunc main() {}\n",
            ),
            ("internal/a/a.go", "package a\n\nimport _ \"sync\"\n"),
            (
                "internal/a/a_windows.go",
                "package a\n\nimport _ \"time\"\n",
            ),
            (
                "internal/a/tagged.go",
                "//go:build never\n\npackage a\n\nimport _ \"os\"\n",
            ),
            ("internal/a/_skipped.go", "package b\n"),
            (
                "internal/a/a_test.go",
                "package a\n\nimport _ \"testing\"\n",
            ),
            ("internal/a/testdata/x.go", "package x\n"),
            ("_hidden/x.go", "package x\n"),
            ("nested/go.mod", "module example.com/nested\n"),
            ("nested/n.go", "package nested\n"),
            (
                "vendor/modules.txt",
                "# example.org/dep v1.2.3\n## explicit; go 1.18\nexample.org/dep/sub\n",
            ),
            (
                "vendor/example.org/dep/sub/s.go",
                "package sub\n\nimport _ \"errors\"\n",
            ),
        ],
    );
    check(&root, &["./..."]);
    check(&root, &["./internal/..."]);
    check(&root, &["example.com/shop/..."]);
}

#[test]
fn a_module_with_replacements() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().unwrap();
    write(
        &root,
        &[
            (
                "shop/go.mod",
                "module example.com/shop\n\ngo 1.21\n\nrequire (\n\texample.org/dep v1.2.3\n\texample.org/dep/deep v1.0.0\n)\n\n\
             replace example.org/dep => ../dep\n\nreplace example.org/dep/deep v1.0.0 => ../deep\n",
            ),
            (
                "shop/main.go",
                "package main\n\nimport _ \"example.org/dep/sub\"\nimport _ \"example.org/dep/deep\"\n\nfunc main() {}\n",
            ),
            ("dep/go.mod", "module example.org/dep\n\ngo 1.18\n"),
            ("dep/sub/s.go", "package sub\n\nimport _ \"errors\"\n"),
            ("deep/go.mod", "module example.org/dep/deep\n\ngo 1.18\n"),
            ("deep/d.go", "package deep\n\nimport _ \"strings\"\n"),
        ],
    );
    check(&root.join("shop"), &["./..."]);
    check(&root.join("shop"), &["example.org/dep/sub"]);
}

#[test]
fn a_workspace() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().unwrap();
    write(
        &root,
        &[
            ("go.work", "go 1.21\n\nuse (\n\t./a\n\t./b\n)\n"),
            ("a/go.mod", "module example.com/a\n\ngo 1.21\n"),
            ("a/a.go", "package a\n\nimport _ \"example.com/b/sub\"\n"),
            ("b/go.mod", "module example.com/b\n\ngo 1.21\n"),
            ("b/sub/b.go", "package sub\n\nimport _ \"context\"\n"),
            ("c/go.mod", "module example.com/c\n\ngo 1.21\n"),
            ("c/c.go", "package c\n"),
        ],
    );
    check(&root, &["./a/...", "./b/..."]);
    check(&root.join("a"), &["."]);
}
