//! Which files make which packages: what `go list` would say, without Go.
//!
//! [`load`] takes patterns as the go command does, finds the packages and all that they import (modules, workspaces, `vendor`, the
//! module cache, the Go tree) and reads the files that the system takes, on all cores. [`Loaded::parse`] makes a
//! [`Program`](crate::types::Program) of those that are wanted. Nothing here touches a disk but through [`Files`].
//!
//! What is missing makes nothing fail: an import without a package is told of ([`Loaded::missing`]), and what comes from it is not
//! known.

mod cache;
mod constraint;
mod error;
mod experiment;
mod files;
mod graph;
mod header;
mod listing;
mod modfile;
mod modules;
mod parsed;
mod pattern;
mod select;
mod settings;
#[cfg(test)]
mod tests;
mod unit;
mod units;
mod version;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

pub use constraint::Target;
pub use error::{Error, Missing};
pub use files::{Entry, EntryKind, Files};
pub use modfile::{ModFile, ModFileError, ModuleVersion, Replace};
pub use modules::Module;
pub use settings::{Environment, ModFlag, NEWEST_GO_MINOR, Settings, Wishes, Workspace};

pub use parsed::Parsed;
pub use units::{Unit, load_units};

/// What to load.
#[derive(Debug, Clone)]
pub struct Request<'r> {
    /// As for the go command: `./...`, directories, files, import paths, `std`.
    pub patterns: &'r [String],
    /// Whether to take the tests of these packages along.
    pub tests: bool,
    /// Threads to read on; at least one is used.
    pub threads: usize,
}

/// What is left of an import that has no package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingImport {
    /// As written in the source.
    pub import: String,
    /// Why.
    pub why: Missing,
    /// The packages that import it.
    pub importers: usize,
}

/// Packages with all that they import, not parsed yet: [`Loaded::parse`] does that for those that are wanted.
#[derive(Debug)]
pub struct Loaded {
    /// The packages; each comes after all that it imports.
    pub packages: Vec<PackageInfo>,
    /// Imports without a package, by import path.
    pub missing: Vec<MissingImport>,
    /// Files that could not be read.
    pub unread: Vec<Unread>,
    directories: Vec<parsed::Directory>,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// Which files of a directory a package has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// Those without tests.
    Plain,
    /// Those, and the tests inside the package. Others import the plain one.
    WithTests,
    /// Tests outside of the package (`package p_test`).
    External,
}

/// What is known of a package but its source.
#[derive(Debug, Clone)]
pub struct PackageInfo {
    /// Its import path; that of external tests ends in `_test`.
    pub path: String,
    /// Under `go vet` the go command's name for it.
    pub unit: Option<Arc<str>>,
    /// Where it is.
    pub directory: PathBuf,
    /// Its files, whole paths.
    pub files: Vec<Arc<str>>,
    /// SHA-256 of each file.
    pub digests: Vec<[u8; 32]>,
    /// Which of its files are tests.
    pub variant: Variant,
    /// How many of its files are no tests: they come first.
    pub plain_files: usize,
    /// Whether it was asked for, and not only imported.
    pub root: bool,
    /// Whether it is of the Go tree.
    pub standard: bool,
    /// Its module, if it is of one.
    pub module: Option<Arc<Module>>,
    /// The minor release of Go whose language it is written in.
    pub go_minor: u32,
    /// Files of the directory that are for other systems or tags.
    pub ignored: usize,
    /// What it imports, by the path in the source, as places in [`Loaded::packages`]; imports without a package are left out.
    pub imports: BTreeMap<String, usize>,
    /// The directory that it was read from, and its files there.
    read: (usize, Range<usize>),
}

/// Loads packages.
///
/// # Errors
/// When a pattern stands for nothing, a `go.mod` cannot be read, or a limit is hit.
pub fn load(
    files: &dyn Files,
    settings: &Settings,
    request: &Request<'_>,
) -> Result<Loaded, Error> {
    let listings = listing::Listings::new(files);
    let mut expansion = pattern::Expansion {
        settings,
        listings: &listings,
        builds: Vec::new(),
        roots: Vec::new(),
        all: false,
    };
    if request.patterns.is_empty() {
        expansion.add(".")?;
    }
    for pattern in request.patterns {
        expansion.add(pattern)?;
    }
    graph::build(settings, &listings, request, expansion)
}
