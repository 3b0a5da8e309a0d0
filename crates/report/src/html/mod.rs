//! HTML: one file, no network.

use std::io::Write;

use crate::{Document, Error, Style};

/// Writes the page.
pub(crate) fn render(
    _document: &Document<'_>,
    _style: &Style<'_>,
    _out: &mut dyn Write,
) -> Result<(), Error> {
    Ok(())
}
