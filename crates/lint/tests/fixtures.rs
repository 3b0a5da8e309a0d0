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

use gorphan_lint::finding::{Edit, Fix};
use support::corpus::{Corpus, files_of, fixtures, goroot};

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

/// The source after a fix.
fn mended(source: &str, fix: &Fix) -> String {
    let mut edits: Vec<&Edit> = fix.edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.at.span));
    let mut text = source.to_owned();
    for edit in edits {
        let range = edit.at.span.start as usize..edit.at.span.end as usize;
        text.replace_range(range, &edit.text);
    }
    text
}

/// The fixes that are offered for programs with bugs, by program: what they do, and what becomes of the source.
fn all_fixes() -> Vec<(String, String, String)> {
    let files = files_of(&fixtures().join("leaky"));
    let sources: Vec<Vec<u8>> = files.iter().map(|(_, source)| source.clone()).collect();
    let mut corpus = Corpus::new(&sources);
    let mut all = Vec::new();
    for (name, source) in &files {
        let text = String::from_utf8_lossy(source).into_owned();
        for found in corpus.check(source) {
            let fixes = found.finding.fixes.iter();
            all.extend(fixes.map(|fix| (name.clone(), fix.title.clone(), mended(&text, fix))));
        }
    }
    all
}

#[test]
fn fixes_of_programs_with_bugs() {
    let all = all_fixes();
    let titles: Vec<String> = all
        .iter()
        .map(|(name, title, _)| format!("{name}: {title}"))
        .collect();
    let known = fixtures().join("fixes.txt");
    let titles = titles.join("\n") + "\n";
    if std::env::var_os("GORPHAN_UPDATE").is_some() {
        std::fs::write(&known, &titles).expect("fixes.txt");
    }
    assert_eq!(
        titles,
        std::fs::read_to_string(&known).unwrap_or_default(),
        "GORPHAN_UPDATE=1 writes fixtures/lint/fixes.txt"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for (number, (.., text)) in all.iter().enumerate() {
        let package = folder.join(format!("p{number}"));
        std::fs::create_dir_all(&package).expect("a folder");
        std::fs::write(package.join("p.go"), text).expect("a file");
    }
    std::fs::write(
        folder.join("go.mod"),
        "module example.com/fixes\n\ngo 1.23\n",
    )
    .expect("a file");
    let go = goroot().join("bin");
    let format = std::process::Command::new(go.join("gofmt"))
        .args(["-l", "."])
        .current_dir(folder)
        .output();
    let build = std::process::Command::new(go.join("go"))
        .args(["build", "./..."])
        .current_dir(folder)
        .envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", ""), ("GOWORK", "off")])
        .output();
    let (format, build) = (format.expect("gofmt runs"), build.expect("go runs"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(said(&format.stdout), "", "not as gofmt has it");
    assert!(build.status.success(), "{}", said(&build.stderr));
}
