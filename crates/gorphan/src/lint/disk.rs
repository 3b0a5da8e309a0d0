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
    /// Files that are nowhere: what is known of the standard library without a Go tree.
    built_in: HashMap<PathBuf, Vec<u8>>,
}

impl Disk {
    /// With files that are nowhere.
    pub(crate) fn with_built_in(&self, built_in: HashMap<PathBuf, Vec<u8>>) -> Self {
        Self {
            open: self.open.clone(),
            built_in,
        }
    }

    fn held(&self, path: &Path) -> Option<&Vec<u8>> {
        self.open.get(path).or_else(|| self.built_in.get(path))
    }
}

impl Files for Disk {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        if let Some(text) = self.held(path) {
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
        let here = |path: &&PathBuf| path.parent() == Some(directory);
        let held = self.open.keys().chain(self.built_in.keys()).filter(here);
        let mut held = held.peekable();
        let mut entries = Vec::new();
        let on_disk = match fs::read_dir(directory) {
            Err(error) if held.peek().is_none() => return Err(error),
            on_disk => on_disk.ok(),
        };
        for entry in on_disk.into_iter().flatten().take(MAX_ENTRIES) {
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
        // A new file that was not saved yet, or is nowhere.
        for path in held {
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
        if self.held(path).is_some() {
            return Ok(path.to_path_buf());
        }
        path.canonicalize()
    }

    fn is_file(&self, path: &Path) -> bool {
        self.held(path).is_some() || path.is_file()
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }
}
