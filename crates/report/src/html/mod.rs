//! HTML: one file that loads nothing, is readable without its scripts, and treats all that a target says as text.
//!
//! A page is put together in memory, bounded by the limits that its parts name, and written at once. Everything is in
//! the markup; the scripts sort and filter the tables, draw the flame view from embedded JSON, and read values off plots.

use std::io::Write;

use crate::{Document, Error, Format, Style};

mod chart;
mod diff;
mod escape;
mod finding;
mod flame;
mod gctrace;
mod inspect;
mod lint;
mod load;
mod shell;
#[cfg(test)]
mod tests;

pub(crate) use flame::operation_class;

/// The words of the classes of operations.
pub(crate) const OPERATION_CLASSES: &[&str] = flame::OPERATIONS.words;

const TABLE: &str = include_str!("table.js");
const FLAME: &str = include_str!("flame.js");
const CHART: &str = include_str!("chart.js");

/// Writes the page.
///
/// # Errors
/// When writing fails.
pub(crate) fn render(
    document: &Document<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let page = match document {
        Document::Inspect(report) => inspect::page(report, style),
        Document::Why(_) | Document::Fleet(_) => {
            return Err(document.unsupported(Format::Html));
        }
        Document::Diff(report) => diff::page(report, style),
        Document::GcTrace(report) => gctrace::page(report),
        Document::Load(report) => load::page(report, style),
        Document::Lint(report) => lint::page(report, style),
    };
    let page = page.map_err(std::io::Error::other)?;
    out.write_all(page.as_bytes())?;
    Ok(())
}
