//! The text formats: dumps (`debug=2`, panics, SIGQUIT) and counted stacks (`debug=1`), alone or inside logs.

use std::io::Read;

use gorphan_model::Snapshot;

use crate::{Error, Options};

/// Reads every dump and every `debug=1` profile of a text, whatever stands around them.
///
/// # Errors
/// When reading fails or the text holds no goroutines.
pub fn read(_input: impl Read, _options: &Options) -> Result<Vec<Snapshot>, Error> {
    Err(Error::Empty)
}
