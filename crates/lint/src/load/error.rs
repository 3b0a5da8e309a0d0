//! Why packages could not be loaded.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::modfile::{ModFileError, ModuleVersion};

/// Why nothing was loaded.
#[derive(Debug, Error)]
pub enum Error {
    /// A file that is needed cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A `go.mod` or `go.work` is not sound.
    #[error("cannot read {}, {source}", path.display())]
    ModFile {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: ModFileError,
    },
    /// The build list has no end.
    #[error("the modules of this build require more than {limit} others")]
    TooManyModules {
        /// How many are followed.
        limit: usize,
    },
    /// More packages than are read.
    #[error("the packages asked for need more than {limit} packages")]
    TooManyPackages {
        /// How many are read.
        limit: usize,
    },
    /// More directories than are searched.
    #[error("{pattern} stands for more than {limit} directories")]
    TooManyDirectories {
        /// The pattern.
        pattern: String,
        /// How many are searched.
        limit: usize,
    },
    /// There is no such file or directory.
    #[error("{pattern} is no file, directory or package: looked for {}", path.display())]
    NoSuchPath {
        /// As given.
        pattern: String,
        /// What it was taken for.
        path: PathBuf,
    },
    /// A package by import path that is not there.
    #[error("there is no package {pattern}: {why}")]
    NoSuchPackage {
        /// As given.
        pattern: String,
        /// Why not.
        why: Missing,
    },
    /// The pattern stands for nothing.
    #[error("{pattern} has no Go files")]
    Empty {
        /// As given.
        pattern: String,
    },
    /// The Go tree is needed and not there.
    #[error("{pattern} is in the Go tree, and no Go tree was found")]
    NoGoroot {
        /// As given.
        pattern: String,
    },
}

impl Error {
    /// What to try.
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::Read { .. } => return None,
            Self::ModFile { .. } => "let `go mod edit -fmt` or `go work edit -fmt` check it".to_owned(),
            Self::TooManyModules { .. } | Self::TooManyPackages { .. } | Self::TooManyDirectories { .. } => {
                "name a smaller part: gorphan lint ./cmd/...".to_owned()
            }
            Self::NoSuchPath { .. } => {
                "give a directory, files, ./... for all below the working directory, or an import path".to_owned()
            }
            Self::NoSuchPackage { why, .. } => return why.advice(),
            Self::Empty { .. } => "give a directory with Go files; ./... means all below".to_owned(),
            Self::NoGoroot { .. } => "set GOROOT, or put go on PATH".to_owned(),
        })
    }
}

/// Why an import has no package. What comes from it is not known, which suppresses findings and makes none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Missing {
    /// Not an import path.
    #[error("that is no import path")]
    NotAPath,
    /// No Go tree is there.
    #[error("the standard library is not here: no Go tree was found")]
    NoGo,
    /// The Go tree lacks it.
    #[error("the Go tree does not have it")]
    NotStandard,
    /// Its module is required but not unpacked.
    #[error("module {module} is not in the module cache: looked for {}", directory.display())]
    NotInCache {
        /// The module.
        module: ModuleVersion,
        /// Where it would be.
        directory: PathBuf,
    },
    /// `vendor` lacks it.
    #[error("vendor does not have it")]
    NotVendored,
    /// No required module has it.
    #[error("no module that go.mod requires has it")]
    NotRequired,
    /// There is no module, and no tree of packages has it.
    #[error("no go.mod tells where it is, and it is not below src of GOPATH")]
    NoModule,
    /// It imports itself, over others.
    #[error("it imports itself, over other packages")]
    Cycle,
    /// All files of it are for other systems.
    #[error("all its files are for other systems or tags")]
    OtherSystems,
}

impl Missing {
    /// What to try.
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::NotAPath | Self::NotStandard | Self::Cycle => return None,
            Self::NoGo => "set GOROOT to an unpacked Go tree; it need not run".to_owned(),
            Self::NotInCache { .. } => "run `go mod download`".to_owned(),
            Self::NotVendored => "run `go mod vendor`".to_owned(),
            Self::NoModule => "write a go.mod: `go mod init`, then `go mod tidy`".to_owned(),
            Self::NotRequired => "run `go mod tidy`".to_owned(),
            Self::OtherSystems => "give --tags, or set GOOS and GOARCH".to_owned(),
        })
    }
}
