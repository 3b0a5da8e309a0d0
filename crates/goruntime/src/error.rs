//! What can go wrong as a whole. What goes wrong with one goroutine is a `Problem` of the snapshot.

use crate::Unreadable;

/// Why an executable could not be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It is no ELF file, or a damaged one.
    #[error("cannot read the executable as ELF: {0}")]
    NotElf(String),
    /// It is for another machine.
    #[error(
        "the executable is for {found}; gorphan reads the goroutines of linux programs for 64-bit x86 (amd64) and for arm64"
    )]
    Machine {
        /// As ELF names it.
        found: String,
    },
    /// There is no Go build information in it.
    #[error(
        "the executable has no Go build information (.go.buildinfo): it was not built by Go 1.13 or later"
    )]
    NotGo,
    /// There is no function table in it.
    #[error("the executable has no Go function table (pclntab) that gorphan knows: {0}")]
    NoFunctionTable(String),
}

/// Why no snapshot could be taken of a process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The layout of the runtime's structs is not known for this version.
    #[error(
        "{found} is not supported: gorphan knows {supported}; give --layout-from a binary with debug information built by the same Go version"
    )]
    Version {
        /// As the executable says.
        found: String,
        /// For people, as `Go 1.19 and 1.21 to 1.27`.
        supported: String,
    },
    /// The debug information lacks a field that is needed.
    #[error(
        "the debug information has no {0}; give --layout-from a binary with debug information built by the same Go version"
    )]
    Layout(&'static str),
    /// A variable of the runtime was not found in the executable.
    #[error(
        "cannot find the runtime's {0} in the executable; give an executable with its symbol table"
    )]
    Variable(&'static str),
    /// Memory without which nothing can be known was not readable.
    #[error("reading {what}: {error}")]
    Unreadable {
        /// What was read.
        what: &'static str,
        /// The failed read.
        error: Unreadable,
    },
    /// What was read cannot be so.
    #[error("{what} cannot be so: {found}; is this the executable of the process?")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// What was found there.
        found: String,
    },
    /// [`crate::Moment::may_go_on`] said no.
    #[error(
        "the copy was given up after {copied_bytes} bytes: the pause would have been longer than allowed"
    )]
    OutOfTime {
        /// What had been copied until then.
        copied_bytes: u64,
    },
    /// The limit of bytes was reached.
    #[error("the copy was given up at the limit of {limit} bytes")]
    TooMuch {
        /// [`crate::Limits::copied_bytes`].
        limit: u64,
    },
    /// More objects than can be numbered.
    #[error("the process has more than 4,294,967,295 objects on its heap: too many to follow")]
    TooManyObjects,
    /// More goroutines than the limit.
    #[error("the process has {found} goroutines, more than the limit of {limit}")]
    TooMany {
        /// As `allglen` says, dead ones included.
        found: u64,
        /// [`crate::Limits::goroutines`].
        limit: u64,
    },
}
