//! The files of one directory that the system takes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Unread;
use super::constraint::Target;
use super::files::EntryKind;
use super::header::Header;
use super::listing::{Listings, is_go};
use super::modules::Location;
use crate::syntax::MAX_FILE_BYTES;

/// Files of a directory that are read; the largest known package has four thousand.
const MAX_FILES: usize = 100_000;

/// A file of a package, not parsed yet.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: Arc<str>,
    /// Until it is parsed.
    pub(super) text: Vec<u8>,
    /// SHA-256 of the text.
    pub(super) digest: [u8; 32],
    /// The package's name and the paths that it imports.
    pub(super) header: Header,
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
    pub(super) tests: bool,
    /// The files that were named; constraints do not hold for them.
    pub(super) named: Option<&'h BTreeSet<String>>,
}

/// Reads a directory.
pub(super) fn read(listings: &Listings<'_>, location: &Location, how: How<'_>) -> Unit {
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
        unit.file(listings, location.directory.join(&entry.name), is_test, how);
    }
    unit.one_package();
    unit
}

impl Unit {
    fn file(&mut self, listings: &Listings<'_>, path: PathBuf, is_test: bool, how: How<'_>) {
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
        let header = Header::scan(&source);
        let is_of_c = header.imports.iter().any(|path| path == "C");
        if is_of_c && !how.target.cgo || header.package == "documentation" {
            self.ignored += 1;
            return;
        }
        let list = match (is_test, header.package.ends_with("_test")) {
            (false, _) => &mut self.plain,
            (true, false) => &mut self.tests,
            (true, true) => &mut self.external,
        };
        list.push(Source {
            path: Arc::from(path.to_string_lossy()),
            digest: Sha256::digest(&source).into(),
            text: source,
            header,
        });
    }

    /// Leaves the files of the package that most are of; Go refuses a directory with two.
    fn one_package(&mut self) {
        for list in [&mut self.plain, &mut self.tests, &mut self.external] {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for source in list.iter() {
                *counts.entry(&source.header.package).or_default() += 1;
            }
            if counts.len() < 2 {
                continue;
            }
            let most = counts
                .iter()
                .max_by_key(|(name, count)| (**count, Reverse(**name)));
            let most = most.map_or_else(String::new, |(name, _)| (*name).to_owned());
            // A file without a package clause may be of any: it is told of when it is parsed.
            let is_of =
                |source: &Source| source.header.package == most || source.header.package.is_empty();
            let (kept, others): (Vec<Source>, Vec<Source>) =
                std::mem::take(list).into_iter().partition(is_of);
            *list = kept;
            self.unread.extend(others.into_iter().map(|source| Unread {
                path: PathBuf::from(&*source.path),
                why: format!(
                    "it is of package {}, and most files of the directory are of {most}",
                    source.header.package
                ),
            }));
        }
    }
}
