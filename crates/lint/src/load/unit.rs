//! The files of one directory that the system takes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::Unread;
use super::constraint::Target;
use super::files::EntryKind;
use super::listing::{Listings, is_go};
use super::modules::Location;
use crate::syntax::ast::{DeclKind, SpecKind};
use crate::syntax::{Bodies, File, Interner, MAX_FILE_BYTES, Name};

/// Files of a directory that are read; the largest known package has four thousand.
const MAX_FILES: usize = 100_000;

/// A file of a package.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: Arc<str>,
    pub(super) file: Arc<File>,
    /// The paths that it imports.
    pub(super) imports: Vec<String>,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// Files of the package.
    pub(super) plain: Vec<Source>,
    /// Tests inside of the package.
    pub(super) tests: Vec<Source>,
    /// Tests outside of the package.
    pub(super) external: Vec<Source>,
    /// Files that are for other systems or tags.
    pub(super) ignored: usize,
    /// Files that could not be read.
    pub(super) unread: Vec<Unread>,
}

/// How to read a directory.
#[derive(Clone, Copy)]
pub(super) struct How<'h> {
    pub(super) target: &'h Target,
    pub(super) bodies: Bodies,
    pub(super) tests: bool,
    /// The files that were named; constraints do not hold for them.
    pub(super) named: Option<&'h BTreeSet<String>>,
}

/// Reads a directory.
pub(super) fn read(
    listings: &Listings<'_>,
    location: &Location,
    how: How<'_>,
    interner: &mut Interner<'_>,
) -> Unit {
    let mut unit = Unit::default();
    let entries = listings.of(&location.directory);
    let all = entries.iter().flat_map(|entries| entries.iter());
    let named = |name: &str| how.named.is_none_or(|named| named.contains(name));
    let wanted = all.filter(|entry| match how.named {
        Some(named) => entry.kind == EntryKind::File && named.contains(&entry.name),
        None => is_go(entry),
    });
    for entry in wanted.take(MAX_FILES) {
        let is_test = entry.name.ends_with("_test.go");
        if !named(&entry.name) || is_test && !how.tests && how.named.is_none() {
            continue;
        }
        if how.named.is_none() && !how.target.takes_name(&entry.name) {
            unit.ignored += 1;
            continue;
        }
        unit.file(
            listings,
            location.directory.join(&entry.name),
            is_test,
            how,
            interner,
        );
    }
    unit.one_package(interner);
    unit
}

impl Unit {
    fn file(
        &mut self,
        listings: &Listings<'_>,
        path: PathBuf,
        is_test: bool,
        how: How<'_>,
        interner: &mut Interner<'_>,
    ) {
        let source = match listings.files.read(&path, MAX_FILE_BYTES) {
            Ok(source) => source,
            Err(error) => {
                let why = error.to_string();
                self.unread.push(Unread { path, why });
                return;
            }
        };
        if how.named.is_none() && !how.target.takes_source(&source) {
            self.ignored += 1;
            return;
        }
        let file = crate::syntax::parse(source, interner, how.bodies);
        let imports = imports(&file);
        let package = interner.names().text(file.package.name);
        if imports.iter().any(|path| path == "C") && !how.target.cgo || package == "documentation" {
            self.ignored += 1;
            return;
        }
        let list = match (is_test, package.ends_with("_test")) {
            (false, _) => &mut self.plain,
            (true, false) => &mut self.tests,
            (true, true) => &mut self.external,
        };
        list.push(Source {
            path: Arc::from(path.to_string_lossy()),
            file: Arc::new(file),
            imports,
        });
    }

    /// Leaves the files of the package that most are of; Go refuses a directory with two.
    fn one_package(&mut self, interner: &Interner<'_>) {
        for list in [&mut self.plain, &mut self.tests, &mut self.external] {
            let count = |name: Name| {
                list.iter()
                    .filter(|source| source.file.package.name == name)
                    .count()
            };
            let names: BTreeSet<Name> =
                list.iter().map(|source| source.file.package.name).collect();
            if names.len() < 2 {
                continue;
            }
            let text = |name: Name| interner.names().text(name);
            let most = names
                .iter()
                .copied()
                .max_by_key(|name| (count(*name), std::cmp::Reverse(text(*name))));
            let (kept, others) = std::mem::take(list)
                .into_iter()
                .partition(|source| Some(source.file.package.name) == most);
            *list = kept;
            for source in others {
                let source: Source = source;
                self.unread.push(Unread {
                    path: PathBuf::from(&*source.path),
                    why: format!(
                        "it is of package {}, and most files of the directory are of {}",
                        text(source.file.package.name),
                        most.map_or("", text)
                    ),
                });
            }
        }
    }
}

/// The paths that a file imports.
fn imports(file: &File) -> Vec<String> {
    let mut paths = Vec::new();
    for decl in &file.decls {
        let DeclKind::Import(specs) = file.ast[*decl].kind else {
            continue;
        };
        for spec in &file.ast[specs] {
            if let SpecKind::Import { path, .. } = file.ast[*spec].kind
                && let Some(path) = file.plain_string(file.ast[path].span)
            {
                paths.push(path.to_owned());
            }
        }
    }
    paths
}
