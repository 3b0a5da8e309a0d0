//! The corpus of real blocking bugs in Go's own tree: which are found, for the right cause.
//!
//! What is expected stands in `fixtures/lint/goker.toml`, what is found now in `fixtures/lint/found.txt`: a rule that finds more
//! or less than that fails here. `GORPHAN_SHOW=1` prints every finding, `GORPHAN_SHOW=name` those of one program.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test over files"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use support::corpus::{Corpus, Found, files_of, fixtures, goroot};

/// Of the kernels at least so many.
const KERNELS: usize = 53;

#[derive(Deserialize)]
struct Expected {
    case: Vec<Case>,
    micro: Vec<Case>,
    pattern: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "level", default)]
    _level: String,
    codes: Vec<String>,
    lines: Vec<u32>,
    #[serde(rename = "cause", default)]
    _cause: String,
}

fn expected() -> Expected {
    let text = fs::read_to_string(fixtures().join("goker.toml")).expect("the expectations");
    toml::from_str(&text).expect("expectations")
}

fn folder() -> PathBuf {
    let folder = goroot().join("src/runtime/testdata/testgoroutineleakprofile");
    assert!(
        folder.is_dir(),
        "{} is missing: the corpus comes with Go 1.26 and later; set PROJECT_GO",
        folder.display()
    );
    folder
}

fn is_shown(name: &str) -> bool {
    std::env::var("GORPHAN_SHOW").is_ok_and(|shown| shown == "1" || shown == name)
}

/// Whether a finding has the right cause: an expected code, on an expected line with one of its places.
fn is_right(found: &Found, case: &Case, start: u32) -> bool {
    let on_line = |line: &u32| case.lines.iter().any(|expected| expected + start == *line);
    case.codes.iter().any(|code| code == found.code) && found.lines.iter().any(on_line)
}

/// The line of a function's name.
fn line_of(source: &[u8], function: &str) -> Option<u32> {
    let text = String::from_utf8_lossy(source).into_owned();
    let start = format!("func {function}(");
    let line = text.lines().position(|line| line.starts_with(&start))?;
    u32::try_from(line + 1).ok()
}

fn last_line(source: &[u8], first: u32) -> u32 {
    let text = String::from_utf8_lossy(source).into_owned();
    let mut lines = text.lines().enumerate().skip(first as usize - 1);
    let end = lines.find(|(_, line)| *line == "}");
    u32::try_from(end.map_or(0, |(line, _)| line + 1)).unwrap_or(0)
}

#[test]
fn the_corpus() {
    let expected = expected();
    let folder = folder();
    let kernels = files_of(&folder.join("goker"));
    let simple = fs::read(folder.join("simple.go")).expect("simple.go");
    let patterns = fs::read(folder.join("commonpatterns.go")).expect("commonpatterns.go");
    let mut sources: Vec<Vec<u8>> = kernels.iter().map(|(_, source)| source.clone()).collect();
    sources.extend([simple.clone(), patterns.clone()]);
    let mut corpus = Corpus::new(&sources);
    let mut right = BTreeSet::new();
    for case in &expected.case {
        // One file is named after another bug than the one it has.
        let (_, source) = kernels
            .iter()
            .find(|(name, _)| *name == case.name)
            .unwrap_or_else(|| panic!("{}.go is missing", case.name));
        let found = corpus.check(source);
        let is_found = found.iter().any(|found| is_right(found, case, 0));
        if is_found {
            right.insert(format!("goker {}", case.name));
        }
        if is_shown(&case.name) {
            show(&case.name, is_found, found.iter());
        }
    }
    let kernels_found = right.len();
    let mut absent = BTreeSet::new();
    for (kind, cases, source) in [
        ("micro", &expected.micro, &simple),
        ("pattern", &expected.pattern, &patterns),
    ] {
        let found = corpus.check(source);
        for case in cases {
            let Some(start) = line_of(source, &case.name) else {
                // An older Go has fewer.
                absent.insert(format!("{kind} {}", case.name));
                continue;
            };
            let end = last_line(source, start);
            let own = found
                .iter()
                .filter(|found| (start..=end).contains(&found.line));
            let is_found = match case.codes.is_empty() {
                true => own.clone().next().is_none(),
                false => found.iter().any(|found| is_right(found, case, start)),
            };
            if is_found {
                right.insert(format!("{kind} {}", case.name));
            }
            if is_shown(&case.name) {
                show(&case.name, is_found, own);
            }
        }
    }
    let count = |kind: &str| right.iter().filter(|name| name.starts_with(kind)).count();
    println!(
        "found: {kernels_found} kernels, {} micro, {} patterns",
        count("micro "),
        count("pattern ")
    );
    let known = fs::read_to_string(fixtures().join("found.txt")).unwrap_or_default();
    let known: BTreeSet<String> = known.lines().map(str::to_owned).collect();
    let known: BTreeSet<String> = known.difference(&absent).cloned().collect();
    let mut all: Vec<&str> = right.iter().map(String::as_str).collect();
    all.push("");
    if std::env::var_os("GORPHAN_UPDATE").is_some() {
        fs::write(fixtures().join("found.txt"), all.join("\n")).expect("found.txt");
        return;
    }
    let lost: Vec<&String> = known.difference(&right).collect();
    let gained: Vec<&String> = right.difference(&known).collect();
    assert!(
        lost.is_empty() && gained.is_empty(),
        "no longer found: {lost:?}; found now: {gained:?} (GORPHAN_UPDATE=1 writes fixtures/lint/found.txt)"
    );
    assert!(
        kernels_found >= KERNELS,
        "{kernels_found} kernels are found"
    );
}

fn show<'f>(name: &str, is_found: bool, found: impl Iterator<Item = &'f Found>) {
    println!("{} {name}", if is_found { "found " } else { "MISSED" });
    for found in found {
        println!("    {found}");
    }
}

#[test]
fn every_kernel_has_a_twin() {
    let twins: BTreeSet<String> = files_of(&fixtures().join("fixed"))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let cases: BTreeSet<String> = expected().case.into_iter().map(|case| case.name).collect();
    assert_eq!(twins, cases);
}
