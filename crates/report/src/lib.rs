//! What is told: one document, many renderers. Pure: writes to a writer that the caller gives.

use std::io::{self, Write};

use gorphan_model::diff::SiteChange;
use gorphan_model::gc::GcTrace;
use gorphan_model::{Finding, Group, Problem, Snapshot};

/// The program's name in reports.
pub const TOOL: &str = "gorphan";

/// What was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetInfo {
    /// `file`, `stdin`, `http`, `process`, `core`.
    pub kind: &'static str,
    /// Path, URL or pid as the user gave it, without credentials.
    pub name: String,
    /// As `go1.26.8`.
    pub go_version: Option<String>,
    /// When the snapshot was taken, Unix nanoseconds.
    pub taken_at_unix_nanos: Option<i64>,
    /// How long the target was stopped.
    pub pause_seconds: Option<f64>,
    /// Bytes read, decompressed.
    pub bytes_read: Option<u64>,
}

/// The result of `inspect`.
pub struct Report<'a> {
    /// What was looked at.
    pub target: TargetInfo,
    /// All that was seen; flame views and pprof come from its samples.
    pub snapshot: &'a Snapshot,
    /// Groups to show, in the order to show them.
    pub groups: &'a [Group],
    /// Groups before a `--top` cut, for the summary.
    pub groups_total: usize,
    /// Worst first.
    pub findings: &'a [Finding],
    /// From capture and decoding.
    pub problems: Vec<Problem>,
}

/// The result of `diff`.
pub struct DiffReport<'a> {
    /// The first source.
    pub before: TargetInfo,
    /// Goroutines in it.
    pub goroutines_before: u64,
    /// The second source.
    pub after: TargetInfo,
    /// Goroutines in it.
    pub goroutines_after: u64,
    /// In the order to show them.
    pub changes: &'a [SiteChange],
    /// Worst first.
    pub findings: &'a [Finding],
    /// From both.
    pub problems: Vec<Problem>,
}

/// The result of `gctrace`.
pub struct GcTraceReport<'a> {
    /// The log.
    pub target: TargetInfo,
    /// Its collections.
    pub trace: &'a GcTrace,
}

/// What to render.
pub enum Document<'a> {
    /// `inspect`.
    Inspect(Report<'a>),
    /// `diff`.
    Diff(DiffReport<'a>),
    /// `gctrace`.
    GcTrace(GcTraceReport<'a>),
}

/// How to render. Not every document has every format: [`render`] says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // named after the formats
pub enum Format {
    Terminal,
    Json,
    Sarif,
    Html,
    Pprof,
    Github,
    Markdown,
}

/// Reads the lines of a source file, for snippets: given a file name as a stack shows it, its text if it is at hand.
pub type SourceLookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// What a renderer may use.
pub struct Style<'a> {
    /// ANSI colours.
    pub colour: bool,
    /// Columns of the terminal; `None` in a pipe: nothing is cut.
    pub width: Option<usize>,
    /// Source text for snippets.
    pub source: &'a SourceLookup<'a>,
}

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Writing failed.
    #[error("cannot write the report: {0}")]
    Io(#[from] io::Error),
    /// The document has no such format.
    #[error("a {document} report has no {format} format; it has {has}")]
    Unsupported {
        /// The command.
        document: &'static str,
        /// The format asked for.
        format: &'static str,
        /// The formats there are.
        has: &'static str,
    },
}

/// Writes `document` in `format`.
///
/// # Errors
/// When writing fails, or the document has no such format.
pub fn render(
    _document: &Document<'_>,
    _format: Format,
    _style: &Style<'_>,
    _out: &mut dyn Write,
) -> Result<(), Error> {
    Ok(())
}
