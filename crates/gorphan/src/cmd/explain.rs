//! `gorphan explain`: what a code means.

use super::Outcome;
use crate::args::Explain;
use crate::error::{Failure, Result};

/// Runs the command.
pub(crate) fn run(_args: &Explain) -> Result<Outcome> {
    Err(Failure::new("explain is not there yet"))
}
