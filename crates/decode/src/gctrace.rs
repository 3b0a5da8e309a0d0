//! `GODEBUG=gctrace=1` logs, old and new.

use std::io::Read;

use gorphan_model::gc::GcTrace;

use crate::Error;

/// Reads the collections of a log, whatever stands between them.
///
/// # Errors
/// When reading fails or no collection is found.
pub fn read(_input: impl Read) -> Result<GcTrace, Error> {
    Err(Error::Empty)
}
