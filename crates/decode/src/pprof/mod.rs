//! The protobuf format (`debug=0`, `goroutineleak`), decompressed.

use gorphan_model::Snapshot;

use crate::{Error, Options};

/// Reads one profile.
///
/// # Errors
/// When the bytes are not a goroutine profile.
pub fn read(_profile: &[u8], _options: &Options) -> Result<Snapshot, Error> {
    Err(Error::Empty)
}
