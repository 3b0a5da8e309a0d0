//! Who is to fix a finding: the first that knows of a CODEOWNERS file, a Backstage catalog, the label `owner` of the
//! target, and a default.
//!
//! Files that cannot be used are said and otherwise left out: a sweep does not end for them.

mod catalog;
mod codeowners;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use catalog::Catalog;
use codeowners::CodeOwners;

/// Bytes of a CODEOWNERS file; GitHub reads none that is larger.
const MAX_CODEOWNERS_BYTES: u64 = 3 << 20;
/// Bytes of a file of the catalog.
const MAX_CATALOG_BYTES: u64 = 4 << 20;
/// Files of the catalog.
const MAX_CATALOG_FILES: usize = 1_000;
/// Entries of one folder that are looked at.
const MAX_ENTRIES: usize = 10_000;
/// Where GitHub looks for the file, in its order.
const CODEOWNERS: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];
/// The name that Backstage looks for.
const CATALOG: &str = "catalog-info.yaml";

/// `owners` in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnersConfig {
    /// The CODEOWNERS file; `None` to look for it in the source.
    pub codeowners: Option<PathBuf>,
    /// Files of a Backstage catalog, with `*` within a part of the path; empty to look for one in the source.
    pub catalogs: Vec<PathBuf>,
    /// Who owns what nobody else does.
    pub default: Option<String>,
}

/// What is known of owners.
#[derive(Debug, Default)]
pub struct Owners {
    code: CodeOwners,
    catalog: Catalog,
    default: Option<String>,
}

/// What a finding is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The file of the blocked line, relative to the root of the source, with `/`; `None` if it is not there.
    pub path: Option<&'a str>,
    /// The service.
    pub service: &'a str,
    /// The canonical function.
    pub function: &'a str,
    /// The label `owner` of the target.
    pub label: Option<&'a str>,
}

impl Owners {
    /// Reads what is configured, or else what is in the root of the source. Also gives what could not be used.
    pub fn load(config: &OwnersConfig, root: Option<&Path>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let found = |name: &&str| root.map(|root| root.join(name)).filter(|it| it.is_file());
        let code = match &config.codeowners {
            Some(path) => Some(path.clone()),
            None => CODEOWNERS.iter().find_map(found),
        };
        let code = code.and_then(|path| text(&path, MAX_CODEOWNERS_BYTES, &mut problems));
        let code = code.map(|(name, text)| CodeOwners::parse(&text, &name, &mut problems));
        let mut files = Vec::new();
        for pattern in &config.catalogs {
            let before = files.len();
            expand(pattern, &mut files);
            if files.len() == before {
                problems.push(format!("owners: there is no file {}", pattern.display()));
            }
        }
        if config.catalogs.is_empty() {
            files.extend(found(&CATALOG));
        }
        let mut catalog = Catalog::default();
        for path in files {
            if let Some((name, text)) = text(&path, MAX_CATALOG_BYTES, &mut problems) {
                catalog.add(&text, &name, &mut problems);
            }
        }
        let owners = Self {
            code: code.unwrap_or_default(),
            catalog,
            default: config.default.clone(),
        };
        (owners, problems)
    }

    /// The owner; `None` if nobody is known. Several owners of a line of CODEOWNERS are one text.
    pub fn of(&self, question: Question<'_>) -> Option<String> {
        let code = question.path.and_then(|path| self.code.owner(path));
        code.or_else(|| self.catalog.owner(question.service, question.function))
            .or_else(|| question.label.map(str::to_owned))
            .or_else(|| self.default.clone())
    }
}

fn text(path: &Path, limit: u64, problems: &mut Vec<String>) -> Option<(String, String)> {
    let name = path.display().to_string();
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.push(format!("owners: cannot read {name}: {error}"));
            return None;
        }
    };
    if bytes.len() as u64 > limit {
        problems.push(format!(
            "owners: {name} has more than {limit} bytes and is not read"
        ));
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some((name, text)),
        Err(_) => {
            problems.push(format!("owners: {name} is not UTF-8 text and is not read"));
            None
        }
    }
}

/// The files that a path with `*` within its parts means, by name.
fn expand(pattern: &Path, files: &mut Vec<PathBuf>) {
    let mut bases = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains('*') {
            bases.iter_mut().for_each(|base| base.push(part));
            continue;
        }
        let mut next = Vec::new();
        for base in &bases {
            let folder = if base.as_os_str().is_empty() {
                Path::new(".")
            } else {
                base
            };
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            let names = entries.take(MAX_ENTRIES).flatten().map(|it| it.file_name());
            let mut names: Vec<_> = names
                .filter(|it| wildcard(&name, &it.to_string_lossy()))
                .collect();
            names.sort();
            next.extend(names.into_iter().map(|it| base.join(it)));
            next.truncate(MAX_CATALOG_FILES);
        }
        bases = next;
    }
    let room = MAX_CATALOG_FILES.saturating_sub(files.len());
    files.extend(bases.into_iter().filter(|it| it.is_file()).take(room));
}

/// Whether a text fits a pattern in which `*` stands for any text.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
