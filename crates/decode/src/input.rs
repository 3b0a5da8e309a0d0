//! Detects what an input is, unpacks it and hands it to the right decoder.

use std::io::Read;

use gorphan_model::Snapshot;

use crate::{Error, Options};

pub(crate) fn read(input: impl Read, options: &Options) -> Result<Vec<Snapshot>, Error> {
    crate::text::read(input, options)
}
