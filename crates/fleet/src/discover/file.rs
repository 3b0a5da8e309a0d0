//! Targets listed in files, JSON or YAML, as Prometheus' `file_sd_configs` has them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Group, SourceError};
use crate::config::FileSource;
use crate::config::groups as parse;
use crate::config::yaml::Source;

/// Bytes of one file: a hundred thousand targets.
const MAX_BYTES: u64 = 64 << 20;
/// Files that one pattern may match.
const MAX_FILES: usize = 10_000;

/// The groups of all files that can be read, and what is wrong with the others.
pub(super) fn groups(source: &FileSource) -> (Vec<Group>, Vec<SourceError>) {
    let (mut groups, mut wrong) = (Vec::new(), Vec::new());
    for pattern in &source.files {
        for path in matching(pattern) {
            match read(&path) {
                Ok(found) => groups.extend(found),
                Err(error) => wrong.push(error),
            }
        }
    }
    (groups, wrong)
}

fn read(path: &Path) -> Result<Vec<Group>, SourceError> {
    let shown = path.display().to_string();
    let failed = |why: &dyn ToString| SourceError::content(&shown, why.to_string());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(&format!("it has more than {MAX_BYTES} bytes")));
    }
    // JSON is YAML.
    let source = Source { file: &shown };
    let root = source.parse(&text);
    let groups = root.and_then(|root| parse(source, &root, &shown));
    let mut groups = groups.map_err(|error| {
        let place = format!("{}:{}:{}", error.file, error.line, error.column);
        SourceError::content(place, error.message)
    })?;
    for group in &mut groups {
        group.labels.set("__meta_filepath", &*shown);
    }
    Ok(groups)
}

/// The files that a path with `*` and `?` in its last part names, by name. A plain path names itself, there or not.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !name.contains(['*', '?']) {
        return vec![pattern.to_path_buf()];
    }
    let folder = pattern
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(folder.unwrap_or(Path::new("."))) else {
        return Vec::new();
    };
    let fits = |path: &PathBuf| {
        let found = path.file_name().and_then(|name| name.to_str());
        found.is_some_and(|found| glob(name.as_bytes(), found.as_bytes()))
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(fits)
        .take(MAX_FILES)
        .collect();
    files.sort();
    files
}

/// `*` is any text, `?` one byte. Goes back to the last star only, so it is never slow.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || Some(byte) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("*.json", "a.json", true),
            ("tg_*.yml", "tg_a_b.yml", true),
            ("tg_?.yml", "tg_ab.yml", false),
            ("a*b*c", "axbxbc", true),
            ("a*b*c", "axbxb", false),
            ("*", "", true),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                fits,
                "{pattern} {text}"
            );
        }
    }
}
