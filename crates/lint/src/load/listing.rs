//! What stands in directories, each read once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::files::{Entry, EntryKind, Files};

/// Directories that were read. Threads share it.
pub(super) struct Listings<'f> {
    /// What they are read from.
    pub(super) files: &'f dyn Files,
    known: Mutex<HashMap<PathBuf, Option<Arc<[Entry]>>>>,
}

impl<'f> Listings<'f> {
    /// None read yet.
    pub(super) fn new(files: &'f dyn Files) -> Self {
        Self {
            files,
            known: Mutex::default(),
        }
    }

    /// What stands in a directory, by name; `None` where it cannot be read.
    pub(super) fn of(&self, directory: &Path) -> Option<Arc<[Entry]>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(directory) {
            return known.clone();
        }
        drop(known);
        let entries = self.files.list(directory).ok().map(|mut entries| {
            entries.sort_by(|one, two| one.name.cmp(&two.name));
            Arc::from(entries)
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(directory.to_path_buf())
            .or_insert(entries)
            .clone()
    }

    /// Whether it is a directory that can be read.
    pub(super) fn exists(&self, directory: &Path) -> bool {
        self.of(directory).is_some()
    }

    /// Whether a directory has Go files, for whatever system.
    pub(super) fn has_go(&self, directory: &Path) -> bool {
        let entries = self.of(directory);
        entries.is_some_and(|entries| entries.iter().any(is_go))
    }
}

/// Whether Go would look at an entry.
pub(super) fn is_go(entry: &Entry) -> bool {
    entry.kind == EntryKind::File
        && entry.name.ends_with(".go")
        && !entry.name.starts_with(['_', '.'])
}
