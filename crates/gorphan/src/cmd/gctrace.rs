//! `gorphan gctrace`: the trend of the heap.

use super::Outcome;
use crate::args::Gctrace;
use crate::error::{Failure, Result};

/// Runs the command.
pub(crate) fn run(_args: &Gctrace) -> Result<Outcome> {
    Err(Failure::new("gctrace is not there yet"))
}
