//! The files on disk, and those that an editor holds in their place.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use gorphan_lint::load::{Entry, EntryKind, Files};

/// Entries of one directory that are looked at.
const MAX_ENTRIES: usize = 1_000_000;

/// Files on disk; those that are open in an editor have the text that they have there.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// What is open, by path.
    pub(crate) open: HashMap<PathBuf, Vec<u8>>,
}

impl Files for Disk {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        if let Some(text) = self.open.get(path) {
            return Ok(text.clone());
        }
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        // A pipe or a device would be read for ever.
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let too_large = || {
            io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has more than {limit} bytes"),
            )
        };
        if metadata.len() > limit {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(too_large());
        }
        Ok(bytes)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)?.take(MAX_ENTRIES) {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = entry.file_type()?;
            let kind = if kind.is_dir() {
                EntryKind::Directory
            } else if kind.is_symlink() && entry.path().is_dir() {
                EntryKind::Linked
            } else {
                EntryKind::File
            };
            entries.push(Entry { name, kind });
        }
        // A new file that was not saved yet.
        for path in self
            .open
            .keys()
            .filter(|path| path.parent() == Some(directory))
        {
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|name| entries.iter().all(|entry| entry.name != **name))
            {
                entries.push(Entry {
                    name: name.to_owned(),
                    kind: EntryKind::File,
                });
            }
        }
        Ok(entries)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
    }

    fn is_file(&self, path: &Path) -> bool {
        self.open.contains_key(path) || path.is_file()
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }
}
