//! Packages whose files somebody else has found: the go command, under `go vet`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::files::Files;
use super::header::Header;
use super::parsed::{Directory, Parsable};
use super::unit::Source;
use super::{Loaded, PackageInfo, Unread, Variant};
use crate::syntax::MAX_FILE_BYTES;

/// A package by its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unit {
    /// Its import path; that of a package under test may have the test behind it, as `fmt [fmt.test]`.
    pub id: String,
    /// Where it is.
    pub directory: PathBuf,
    /// Its files, whole paths.
    pub files: Vec<PathBuf>,
    /// What the paths in its source mean, as ids.
    pub imports: BTreeMap<String, String>,
    /// The minor release of Go whose language it is written in.
    pub go_minor: u32,
    /// Whether it is of the Go tree.
    pub standard: bool,
}

/// Reads packages, of which the one with id `root` is to be checked. Packages that are imported and not among them are not known.
pub fn load_units(files: &dyn Files, units: &[Unit], root: &str) -> Loaded {
    let by_id: HashMap<&str, &Unit> = units.iter().map(|unit| (unit.id.as_str(), unit)).collect();
    let order = order(&by_id, root);
    let mut loaded = Loaded {
        packages: Vec::with_capacity(order.len()),
        missing: Vec::new(),
        unread: Vec::new(),
        directories: Vec::with_capacity(order.len()),
    };
    let mut places: HashMap<&str, usize> = HashMap::new();
    for unit in order {
        let mut sources = Vec::with_capacity(unit.files.len());
        for path in &unit.files {
            match files.read(path, MAX_FILE_BYTES) {
                Ok(text) => sources.push(Source {
                    path: Arc::from(path.to_string_lossy()),
                    digest: Sha256::digest(&text).into(),
                    header: Header::scan(&text),
                    text,
                }),
                Err(error) if unit.id == root => loaded.unread.push(Unread {
                    path: path.clone(),
                    why: error.to_string(),
                }),
                // What it declares is not known.
                Err(_) => {}
            }
        }
        let is_test = |source: &Source| source.path.ends_with("_test.go");
        sources.sort_by_key(is_test);
        let imports = unit.imports.iter();
        let imports =
            imports.filter_map(|(import, id)| Some((import.clone(), *places.get(id.as_str())?)));
        loaded.packages.push(PackageInfo {
            path: unit.id.split(' ').next().unwrap_or_default().to_owned(),
            unit: Some(Arc::from(unit.id.as_str())),
            directory: unit.directory.clone(),
            files: sources.iter().map(|source| source.path.clone()).collect(),
            digests: sources.iter().map(|source| source.digest).collect(),
            variant: match sources.iter().filter(|source| is_test(source)).count() {
                0 => Variant::Plain,
                count if count == sources.len() => Variant::External,
                _ => Variant::WithTests,
            },
            plain_files: sources.iter().filter(|source| !is_test(source)).count(),
            root: unit.id == root,
            standard: unit.standard,
            module: None,
            go_minor: unit.go_minor,
            ignored: 0,
            imports: imports.collect(),
            read: (loaded.directories.len(), 0..sources.len()),
        });
        places.insert(&unit.id, places.len());
        loaded.directories.push(Directory {
            sources: sources.into_iter().map(Parsable::new).collect(),
        });
    }
    loaded
}

/// The packages that one needs, imports first; an import that leads back is left out.
fn order<'u>(by_id: &HashMap<&str, &'u Unit>, root: &str) -> Vec<&'u Unit> {
    let mut order = Vec::new();
    let mut seen: HashMap<&str, ()> = HashMap::new();
    let Some(root) = by_id.get(root) else {
        return order;
    };
    let mut stack = vec![(*root, root.imports.values())];
    seen.insert(&root.id, ());
    while let Some((unit, imports)) = stack.last_mut() {
        match imports.next() {
            Some(id) => {
                if let Some(next) = by_id.get(id.as_str())
                    && seen.insert(&next.id, ()).is_none()
                {
                    stack.push((*next, next.imports.values()));
                }
            }
            None => {
                order.push(*unit);
                stack.pop();
            }
        }
    }
    order
}
