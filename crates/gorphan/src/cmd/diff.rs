//! `gorphan diff`: what changed between two snapshots.

use super::Outcome;
use crate::args::Diff;
use crate::error::{Failure, Result};

/// Runs the command.
pub(crate) fn run(_args: &Diff) -> Result<Outcome> {
    Err(Failure::new("diff is not there yet"))
}
