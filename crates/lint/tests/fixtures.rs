//! Programs without bugs, in which nothing may be found, and programs with bugs, in which just those are found that comments
//! tell: `// want GR2001` on the line of the finding.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test over files"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use support::corpus::{Corpus, files_of, fixtures};

/// Line and code of what a source wants found.
fn wanted(source: &str) -> BTreeSet<(u32, String)> {
    let mut all = BTreeSet::new();
    for (line, text) in (1..).zip(source.lines()) {
        if let Some((_, codes)) = text.split_once("// want ") {
            all.extend(codes.split_whitespace().map(|code| (line, code.to_owned())));
        }
    }
    all
}

/// Checks a source; what is wrong in words.
fn wrong(corpus: &mut Corpus, name: &str, source: &str) -> Vec<String> {
    let wanted = wanted(source);
    let found = corpus.check(source.as_bytes());
    let got: BTreeSet<(u32, String)> = found
        .iter()
        .map(|found| (found.line, found.code.to_owned()))
        .collect();
    let missed = wanted
        .difference(&got)
        .map(|(line, code)| format!("{name}: line {line}: {code} is not found"));
    let more = found
        .iter()
        .filter(|found| !wanted.contains(&(found.line, found.code.to_owned())))
        .map(|found| format!("{name}: should not be found: {found}"));
    missed.chain(more).collect()
}

fn check(folder: &Path) {
    let files = files_of(folder);
    let sources: Vec<Vec<u8>> = files.iter().map(|(_, source)| source.clone()).collect();
    let mut corpus = Corpus::new(&sources);
    let all: Vec<String> = files
        .iter()
        .flat_map(|(name, source)| wrong(&mut corpus, name, &String::from_utf8_lossy(source)))
        .collect();
    assert!(
        all.is_empty(),
        "{} of {} are wrong:\n{}",
        all.len(),
        files.len(),
        all.join("\n")
    );
}

#[test]
fn nothing_in_programs_without_bugs() {
    check(&fixtures().join("fixed"));
}

#[test]
fn just_the_bugs_in_programs_with_bugs() {
    check(&fixtures().join("leaky"));
}

/// The examples of a text: ```` ```go leaks ```` and ```` ```go clean ````, each a file, of which the package clause may be left
/// out.
fn examples(text: &str) -> Vec<(u32, bool, String)> {
    let mut all = Vec::new();
    let mut current: Option<(u32, bool, String)> = None;
    for (line, text) in (1..).zip(text.lines()) {
        match (&mut current, text) {
            (None, "```go leaks") => current = Some((line, true, String::new())),
            (None, "```go clean") => current = Some((line, false, String::new())),
            (Some(_), "```") => all.extend(current.take()),
            (Some((.., source)), _) => {
                source.push_str(text);
                source.push('\n');
            }
            (None, _) => {}
        }
    }
    for (_, _, source) in &mut all {
        if !source.starts_with("package") && !source.contains("\npackage ") {
            source.insert_str(0, "package p; ");
        }
    }
    all
}

#[test]
fn the_examples_of_rules() {
    let texts = [
        (
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules"),
            "",
        ),
        (
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src/code"),
            "GR20",
        ),
    ];
    let mut all = Vec::new();
    for (folder, start) in texts {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if !name.starts_with(start) || !name.ends_with(".md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a text");
            let examples = examples(&text).into_iter();
            all.extend(
                examples.map(|(line, leaks, source)| (format!("{name}:{line}"), leaks, source)),
            );
        }
    }
    all.sort();
    let sources: Vec<Vec<u8>> = all
        .iter()
        .map(|(.., source)| source.clone().into_bytes())
        .collect();
    let mut corpus = Corpus::new(&sources);
    let mut bad = Vec::new();
    for (name, leaks, source) in &all {
        bad.extend(wrong(&mut corpus, name, source));
        if wanted(source).is_empty() == *leaks {
            bad.push(format!(
                "{name}: an example that leaks has a want, a clean one none"
            ));
        }
    }
    assert!(
        !all.is_empty() && bad.is_empty(),
        "{} examples:\n{}",
        all.len(),
        bad.join("\n")
    );
}
