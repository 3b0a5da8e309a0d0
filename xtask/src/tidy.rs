//! House rules that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Outcome, output};

/// Lines of a source file before its tests; more than that and a newcomer does not find the room.
const MAX_LINES: usize = 600;

/// Which of our crates each crate may use: imports point down.
const LAYERS: [(&str, &[&str]); 11] = [
    ("model", &[]),
    ("decode", &["model"]),
    ("report", &["model"]),
    ("goruntime", &["model"]),
    ("lint", &["model"]),
    ("capture", &["model", "decode", "goruntime"]),
    ("gate", &["model", "decode", "goruntime", "capture"]),
    ("history", &["model"]),
    (
        "fleet",
        &[
            "model",
            "decode",
            "goruntime",
            "report",
            "capture",
            "lint",
            "history",
        ],
    ),
    (
        "gorphan",
        &[
            "model",
            "decode",
            "goruntime",
            "report",
            "capture",
            "gate",
            "history",
            "fleet",
            "lint",
        ],
    ),
    ("xtask", &[]),
];

/// Crates in which unsafe code is forbidden for good; capture is its only room.
const SAFE: [&str; 9] = [
    "model",
    "decode",
    "goruntime",
    "report",
    "lint",
    "gate",
    "history",
    "fleet",
    "gorphan",
];

pub(crate) fn run(root: &Path) -> Outcome {
    let mut complaints = Vec::new();
    let files = tracked(root)?;
    for file in &files {
        check_length(root, file, &mut complaints);
        check_paths(root, file, &mut complaints);
    }
    for (name, allowed) in LAYERS {
        check_layer(root, name, allowed, &mut complaints);
    }
    for name in SAFE {
        check_safe(root, name, &mut complaints);
    }
    check_reasons(root, &mut complaints);
    if complaints.is_empty() {
        println!("tidy: {} files, nothing to complain about", files.len());
        return Ok(());
    }
    Err(format!("tidy:\n  {}", complaints.join("\n  ")))
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut git = std::process::Command::new("git");
    let listed = output(git.args(["ls-files"]).current_dir(root))?;
    Ok(listed.lines().map(PathBuf::from).collect())
}

fn check_length(root: &Path, file: &Path, complaints: &mut Vec<String>) {
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    let exempt = file.components().any(|part| {
        let part = part.as_os_str();
        part == "generated" || part == "tests" || part == "tests.rs"
    });
    if !is_rust || exempt {
        return;
    }
    let Ok(text) = fs::read_to_string(root.join(file)) else {
        return;
    };
    let before_tests = text
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .count();
    if before_tests > MAX_LINES {
        let file = file.display();
        complaints.push(format!(
            "{file}: {before_tests} lines before its tests, at most {MAX_LINES}"
        ));
    }
}

/// Captured dumps must not carry the paths of the machine they were made on.
fn check_paths(root: &Path, file: &Path, complaints: &mut Vec<String>) {
    if !file.starts_with("fixtures") {
        return;
    }
    let Ok(text) = fs::read_to_string(root.join(file)) else {
        return;
    };
    let roots = ["/root", "/home"].map(|root| format!("{root}/"));
    if let Some(found) = roots.iter().find(|root| text.contains(root.as_str())) {
        let file = file.display();
        complaints.push(format!(
            "{file}: names a path of somebody's machine ({found})"
        ));
    }
}

fn check_layer(root: &Path, name: &str, allowed: &[&str], complaints: &mut Vec<String>) {
    let folder = if name == "xtask" {
        root.join(name)
    } else {
        root.join("crates").join(name)
    };
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    for line in manifest.lines() {
        if line == "[dev-dependencies]" {
            break;
        }
        let Some(used) = line.strip_prefix("gorphan-") else {
            continue;
        };
        let used = used.split(['.', ' ', '=']).next().unwrap_or_default();
        if !allowed.contains(&used) {
            complaints.push(format!(
                "crates/{name} may not use gorphan-{used}: imports point down"
            ));
        }
    }
}

fn check_safe(root: &Path, name: &str, complaints: &mut Vec<String>) {
    let folder = root.join("crates").join(name).join("src");
    for file in ["lib.rs", "main.rs"] {
        let Ok(text) = fs::read_to_string(folder.join(file)) else {
            continue;
        };
        if !text.contains("#![forbid(unsafe_code)]") {
            complaints.push(format!(
                "crates/{name}/src/{file}: forbid(unsafe_code) is missing"
            ));
        }
    }
}

/// Each dependency of the workspace says on its line why it is worth having.
fn check_reasons(root: &Path, complaints: &mut Vec<String>) {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let dependencies = manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    for line in dependencies {
        let own = line.starts_with("gorphan-");
        if line.contains(" = ") && !own && !line.contains("# ") {
            complaints.push(format!("Cargo.toml: no reason given for `{line}`"));
        }
    }
}
