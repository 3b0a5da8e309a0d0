//! The executable, parsed once.

use crate::{Address, ImageError};

/// A released version of Go, as `go1.26.8` says it; vendor's suffixes are kept in [`Image::go_version`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoVersion {
    /// 26 in `go1.26.8`.
    pub minor: u32,
    /// 8 in `go1.26.8`; 0 where there is none.
    pub patch: u32,
}

/// The executable of a Go process.
#[derive(Debug)]
pub struct Image {}

impl Image {
    /// Reads headers and build information. Cheap: debug information and functions are not looked at.
    ///
    /// # Errors
    /// When it is not a Go program for linux/amd64.
    pub fn parse(_elf: Vec<u8>) -> Result<Self, ImageError> {
        Err(ImageError::NotGo)
    }

    /// As the toolchain wrote it: `go1.26.8`, `go1.22.1 X:nocoverageredesign`.
    pub fn go_version(&self) -> &str {
        ""
    }

    /// The main module's path, where it was built from a module.
    pub fn module(&self) -> Option<&str> {
        None
    }

    /// The lowest address that a loadable segment is linked at; the bias is the first mapping's start minus this.
    pub fn lowest_address(&self) -> Address {
        Address(0)
    }

    /// Whether the kernel may load it at any address.
    pub fn is_pie(&self) -> bool {
        false
    }
}
