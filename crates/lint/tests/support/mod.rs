//! The disk, for tests that load real trees.
#![allow(
    clippy::disallowed_methods,
    reason = "the caller reads, and here it is the caller"
)]

#[allow(dead_code, reason = "not every test checks files")]
pub(crate) mod corpus;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gorphan_lint::load::{Entry, EntryKind, Files};

pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = entry.file_type()?;
            let kind = match (kind.is_dir(), kind.is_symlink()) {
                (true, _) => EntryKind::Directory,
                (false, true) if entry.path().is_dir() => EntryKind::Linked,
                _ => EntryKind::File,
            };
            entries.push(Entry { name, kind });
        }
        Ok(entries)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }
}
