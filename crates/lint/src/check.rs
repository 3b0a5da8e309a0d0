//! One package at a time: what blocks in it, what was decided, and what importers need to know.

use std::sync::Arc;

use crate::finding::{Finding, Ledger};
use crate::syntax::Names;
use crate::types::{PackageId, Program};

/// What importers of a package need to know of its functions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {}

impl Facts {
    /// Bytes that this version of the program reads again. Caches and `go vet` keep them.
    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }

    /// What was encoded; `None` for bytes that are no facts, or those of another version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(Self {})
    }
}

/// What came of a package.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// What blocks, in the order of the source. Nothing is suppressed yet.
    pub findings: Vec<Finding>,
    /// The scopes and what was decided; packages, files and lines are counted by [`crate::session`].
    pub ledger: Ledger,
    /// For importers.
    pub facts: Facts,
}

/// What a check goes by, besides the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// The minor release of Go whose language the package is written in, which tells how timers work.
    pub go_minor: u32,
}

/// Checks a package. `facts_of` tells what is known of packages that it imports, however indirectly; of one for which it has nothing,
/// nothing is known.
pub fn check(
    _program: &Program,
    _names: &Names,
    _package: PackageId,
    _circumstances: Circumstances,
    _facts_of: &dyn Fn(PackageId) -> Option<Arc<Facts>>,
) -> Checked {
    Checked::default()
}
