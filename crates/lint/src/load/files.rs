//! The files that source is read from, as the caller has them: on disk, in an editor, in a test.

use std::io;
use std::path::{Path, PathBuf};

/// What stands in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the directory.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file, or a link to one.
    File,
    /// A directory.
    Directory,
    /// A link to a directory: patterns as `./...` do not follow it.
    Linked,
}

/// A view of a file system.
pub trait Files: Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read, or has more bytes than `limit` (`FileTooLarge`).
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// What stands in a directory, in any order. Names that are no UTF-8 may be left out.
    ///
    /// # Errors
    /// When it cannot be read.
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;

    /// The path without links and dots.
    ///
    /// # Errors
    /// When there is no such file.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// Whether there is such a file, links followed.
    fn is_file(&self, path: &Path) -> bool;

    /// Whether there is such a directory, links followed.
    fn is_directory(&self, path: &Path) -> bool;
}

/// A path without `.` and, as far as it goes by names alone, `..`.
pub(super) fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidied = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                let can_pop = matches!(tidied.components().next_back(), Some(Component::Normal(_)));
                if can_pop {
                    tidied.pop();
                } else if !tidied.has_root() {
                    tidied.push(component);
                }
            }
            other => tidied.push(other),
        }
    }
    tidied
}

/// A directory below another as an import path has it: with slashes.
pub(super) fn slashed(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| part.as_os_str().to_str())
        .collect();
    Some(parts?.join("/"))
}
