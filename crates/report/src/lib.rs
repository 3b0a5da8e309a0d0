//! What is told: one document, many renderers. Pure: writes to a writer that the caller gives.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use gorphan_model::diff::SiteChange;
use gorphan_model::fleet::FleetFacts;
use gorphan_model::gc::{GcTrace, Trend};
use gorphan_model::load::LoadTrend;
use gorphan_model::operation::{classify, site_frame};
use gorphan_model::proof::Why;
use gorphan_model::source::Ledger;
use gorphan_model::{Finding, GoroutineId, Group, Operation, Problem, Sample, Snapshot};

mod clean;
mod fleet;
mod github;
mod html;
mod json;
mod junit;
mod markdown;
mod place;
mod plain;
mod pprof;
mod proof;
mod sarif;
mod terminal;
#[cfg(test)]
mod testing;
mod words;

/// The program's name in reports.
pub const TOOL: &str = "gorphan";

/// What was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetInfo {
    /// `file`, `stdin`, `http`, `process`, `core`, `snapshot`.
    pub kind: &'static str,
    /// Path, URL or pid as the user gave it, without credentials.
    pub name: String,
    /// As `go1.26.8`.
    pub go_version: Option<String>,
    /// When the snapshot was taken, Unix nanoseconds.
    pub taken_at_unix_nanos: Option<i64>,
    /// How long the target was stopped.
    pub pause_seconds: Option<f64>,
    /// How the memory of a process was read: `copy` or `snapshot`.
    pub method: Option<&'static str>,
    /// Bytes read, decompressed.
    pub bytes_read: Option<u64>,
}

/// The result of `inspect`, or of `test`: what the tests left.
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
    /// Packages whose tests were run, each with them; empty for what is no test run.
    pub tests: &'a [(String, Vec<String>)],
}

/// The result of `inspect --why`: all that is known of one goroutine.
pub struct WhyReport<'a> {
    /// What was looked at.
    pub target: TargetInfo,
    /// All that was seen.
    pub snapshot: &'a Snapshot,
    /// Which goroutine.
    pub goroutine: GoroutineId,
    /// What only memory tells.
    pub why: Option<&'a Why>,
    /// From capture and decoding.
    pub problems: Vec<Problem>,
}

impl WhyReport<'_> {
    /// The sample that the goroutine is of.
    fn sample(&self) -> Option<&Sample> {
        self.sample_of(self.goroutine)
    }

    fn sample_of(&self, id: GoroutineId) -> Option<&Sample> {
        let mut samples = self.snapshot.samples.iter();
        samples.find(|sample| sample.identities.known.iter().any(|one| one.id == id))
    }

    /// `chan send at main.f (main.go:41)`.
    fn whereabouts(&self, id: GoroutineId) -> Option<String> {
        let sample = self.sample_of(id)?;
        let operation = classify(sample.state.as_ref(), &sample.stack);
        Some(match site_frame(&sample.stack) {
            Some(frame) => {
                let place = place::short_place(&frame.file, frame.line);
                format!("{operation} at {} ({place})", frame.function)
            }
            None => operation.to_string(),
        })
    }
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
    /// What they amount to.
    pub trend: &'a Trend,
}

/// The result of `load`.
pub struct LoadReport<'a> {
    /// What was loaded.
    pub target: TargetInfo,
    /// The rounds and what they amount to.
    pub trend: &'a LoadTrend,
    /// From all captures.
    pub problems: Vec<Problem>,
}

/// The result of `lint`.
pub struct LintReport<'a> {
    /// What was looked at; its kind is `source`.
    pub target: TargetInfo,
    /// What was looked at and decided.
    pub ledger: &'a Ledger,
    /// Worst first.
    pub findings: &'a [Finding],
    /// Findings that comments, the configuration or a baseline suppressed.
    pub suppressed: u64,
    /// Files that could not be read, imports that are missing, comments that are not as they should be.
    pub problems: Vec<Problem>,
}

/// The result of `sweep`.
pub struct FleetReport<'a> {
    /// The fleet; its kind is `fleet`.
    pub target: TargetInfo,
    /// In rank order.
    pub findings: &'a [Finding],
    /// What each finding has besides, in the same order.
    pub facts: &'a [FleetFacts],
    /// The group of each finding in the worst instance, in the same order; then those that were dismissed.
    pub groups: &'a [Group],
    /// Targets that were found.
    pub targets: usize,
    /// Those that were not reached; each is a problem.
    pub targets_failed: usize,
    /// Goroutines of all that were reached.
    pub goroutines: u64,
    /// Failed targets and sources, each with its address and reason.
    pub problems: Vec<Problem>,
}

/// What to render.
pub enum Document<'a> {
    /// `inspect`.
    Inspect(Report<'a>),
    /// `inspect --why`.
    Why(WhyReport<'a>),
    /// `diff`.
    Diff(DiffReport<'a>),
    /// `gctrace`.
    GcTrace(GcTraceReport<'a>),
    /// `load`.
    Load(LoadReport<'a>),
    /// `lint`.
    Lint(LintReport<'a>),
    /// `sweep`.
    Fleet(FleetReport<'a>),
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
    Junit,
    Plain,
}

impl Format {
    /// Every format, in the order in which help texts name them.
    pub const ALL: [Self; 9] = [
        Self::Terminal,
        Self::Json,
        Self::Sarif,
        Self::Html,
        Self::Pprof,
        Self::Github,
        Self::Markdown,
        Self::Junit,
        Self::Plain,
    ];

    /// The word for `--format`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Html => "html",
            Self::Pprof => "pprof",
            Self::Github => "github",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::Plain => "plain",
        }
    }
}

/// Reads the lines of a source file, for snippets: given a file name as a stack shows it, its text if it is at hand.
pub type SourceLookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Finds a source file on this machine: given a file name as a stack shows it, its path, if it is at hand.
pub type SourcePath<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// What a renderer may use. Build it with `..Style::default()`, so that further fields do no harm.
#[derive(Clone, Copy)]
pub struct Style<'a> {
    /// ANSI colours.
    pub colour: bool,
    /// Columns of the terminal; `None` in a pipe: nothing is cut.
    pub width: Option<usize>,
    /// Source text for snippets.
    pub source: &'a SourceLookup<'a>,
    /// Paths of source files, for places that must be found in a checkout: a program built with `-trimpath` or in a
    /// container names its files otherwise.
    pub locate: &'a SourcePath<'a>,
    /// Show the whole stack of every group, not of the findings alone.
    pub stacks: bool,
    /// Draw with ASCII alone.
    pub ascii: bool,
    /// The working directory: files under it are named relative to it, as SARIF and GitHub want.
    pub root: Option<&'a str>,
}

impl Default for Style<'_> {
    /// Plain text of any width, without snippets.
    fn default() -> Self {
        Self {
            colour: false,
            width: None,
            source: &|_| None,
            locate: &|_| None,
            stacks: false,
            ascii: false,
            root: None,
        }
    }
}

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Writing failed.
    #[error("cannot write the report: {0}")]
    Io(#[from] io::Error),
    /// The document has no such format.
    #[error("{document} has no {format} format; it has {has}")]
    Unsupported {
        /// The command.
        document: &'static str,
        /// The format asked for.
        format: &'static str,
        /// The formats there are.
        has: &'static str,
    },
}

impl Document<'_> {
    /// The command that makes it.
    pub fn command(&self) -> &'static str {
        match self {
            Self::Inspect(_) => "inspect",
            Self::Why(_) => "inspect --why",
            Self::Diff(_) => "diff",
            Self::GcTrace(_) => "gctrace",
            Self::Load(_) => "load",
            Self::Lint(_) => "lint",
            Self::Fleet(_) => "sweep",
        }
    }

    fn unsupported(&self, format: Format) -> Error {
        Error::Unsupported {
            document: self.command(),
            format: format.as_str(),
            has: match self {
                Self::Inspect(report) if report.target.kind == "tests" => {
                    "terminal, json, sarif, html, pprof, github, markdown, junit"
                }
                Self::Inspect(_) => "terminal, json, sarif, html, pprof, github, markdown",
                Self::Why(_) => "terminal, json",
                Self::Fleet(_) => "terminal, json, sarif, github, markdown",
                Self::Diff(_) | Self::Load(_) => "terminal, json, sarif, html, github, markdown",
                Self::GcTrace(_) => "terminal, json, html, markdown",
                Self::Lint(_) => "terminal, json, sarif, html, github, markdown, plain",
            },
        }
    }
}

/// One finding of a sweep as it stands in the JSON report, for what is told of it one by one.
pub fn fleet_finding(finding: &Finding, facts: &FleetFacts) -> serde_json::Value {
    json::fleet::one(finding, facts)
}

/// One sentence, without a full stop, on what a verdict rests on.
pub fn evidence_sentence(evidence: &gorphan_model::Evidence) -> String {
    words::evidence(evidence)
}

/// Bytes for people: `4.9 MiB`.
pub fn bytes(bytes: u64) -> String {
    words::bytes(bytes)
}

/// The classes of operations that colours can tell apart, in a few words each.
pub const OPERATION_CLASSES: &[&str] = html::OPERATION_CLASSES;

/// The class of an operation: its place in [`OPERATION_CLASSES`].
pub fn operation_class(operation: Operation) -> usize {
    html::operation_class(operation)
}

/// A snapshot that was taken at `at_unix_nanos` from the target `name`, as a packed profile that `go tool pprof` opens.
///
/// # Errors
/// When it cannot be written.
pub fn profile(
    snapshot: &Snapshot,
    name: &str,
    at_unix_nanos: Option<i64>,
) -> Result<Vec<u8>, Error> {
    let document = Document::Inspect(Report {
        target: TargetInfo {
            kind: "http",
            name: name.to_owned(),
            go_version: None,
            taken_at_unix_nanos: at_unix_nanos,
            pause_seconds: None,
            method: None,
            bytes_read: None,
        },
        snapshot,
        groups: &[],
        groups_total: 0,
        findings: &[],
        problems: Vec::new(),
        tests: &[],
    });
    let mut bytes = Vec::new();
    render(&document, Format::Pprof, &Style::default(), &mut bytes)?;
    Ok(bytes)
}

/// Writes `document` in `format`.
///
/// # Errors
/// When writing fails, or the document has no such format.
pub fn render(
    document: &Document<'_>,
    format: Format,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match format {
        Format::Terminal => terminal::render(document, style, out),
        Format::Json => json::render(document, style, out),
        Format::Sarif => sarif::render(document, style, out),
        Format::Html => html::render(document, style, out),
        Format::Pprof => pprof::render(document, out),
        Format::Github => github::render(document, style, out),
        Format::Markdown => markdown::render(document, style, out),
        Format::Junit => junit::render(document, style, out),
        Format::Plain => plain::render(document, style, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_a_document_lacks_names_those_it_has() {
        let sample = testing::sample_report();
        let why = testing::sample_why();
        for (document, lacking) in [
            (
                why.document(),
                vec![
                    Format::Sarif,
                    Format::Html,
                    Format::Pprof,
                    Format::Github,
                    Format::Markdown,
                ],
            ),
            (sample.diff(), vec![Format::Pprof]),
            (
                sample.gctrace(),
                vec![Format::Sarif, Format::Pprof, Format::Github],
            ),
        ] {
            for format in lacking {
                let error = render(&document, format, &Style::default(), &mut Vec::new());
                let text = error.expect_err("it has no such format").to_string();
                let has = text.split_once("; it has ").expect("names the others").1;
                assert!(
                    has.contains("terminal") && !has.contains(format.as_str()),
                    "{text}"
                );
            }
        }
    }
}
