//! The options of `gorphan lint`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::options::{ColourArg, FailOn, FormatArg};

/// `gorphan lint`.
#[derive(Debug, Args)]
#[command(
    long_about = "Find goroutine leaks and blocking bugs in Go source, without running it and without Go. Modules, workspaces, \
                  vendor directories and build constraints are understood; what is not at hand suppresses, and never accuses.",
    after_long_help = EXAMPLES
)]
pub(crate) struct Lint {
    /// Packages as the go command takes them: directories, ./..., files, import paths, std (default: the one in the working
    /// directory)
    #[arg(value_name = "PACKAGES", value_hint = ValueHint::AnyPath)]
    pub(crate) packages: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) source: SourceArgs,
    /// Change the files as the safe fixes say, then report what remains
    #[arg(long, conflicts_with_all = ["diff", "watch"])]
    pub(crate) fix: bool,
    /// Show the safe fixes as a diff, and change nothing
    #[arg(long, conflicts_with = "watch")]
    pub(crate) diff: bool,
    /// Report again whenever a file changes
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) report: LintReportArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) judge: LintJudgeArgs,
}

/// What source to read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceArgs {
    /// Take tests along
    #[arg(long)]
    pub(crate) tests: bool,
    /// Build tags that hold, with commas between
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub(crate) tags: Vec<String>,
    /// The system to read for (default: GOOS, or this one)
    #[arg(long, value_name = "GOOS")]
    pub(crate) goos: Option<String>,
    /// The architecture to read for (default: GOARCH, or this one)
    #[arg(long, value_name = "GOARCH")]
    pub(crate) goarch: Option<String>,
    /// Remember nothing, and do not look at what is remembered (in $GORPHAN_CACHE, or the user's cache folder)
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Threads (default: all cores)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// How and where to report.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct LintReportArgs {
    /// How to report
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = FormatArg::Terminal)]
    pub(crate) format: FormatArg,
    /// Write the report to this file, whole or not at all
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Exit with status 1 if anything is found that is at least this sure
    #[arg(long, value_name = "VERDICT", value_enum, default_value_t = FailOn::Leak)]
    pub(crate) fail_on: FailOn,
    /// Colours; auto honours NO_COLOR, CLICOLOR and CLICOLOR_FORCE
    #[arg(long, alias = "color", value_name = "WHEN", value_enum, default_value_t = ColourArg::Auto)]
    pub(crate) colour: ColourArg,
}

/// What to report.
#[derive(Debug, Args)]
#[command(next_help_heading = "Judgement")]
pub(crate) struct LintJudgeArgs {
    /// The configuration file (default: gorphan.yaml in the working directory or above)
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Flag only code of this module; can be given several times
    #[arg(long, value_name = "MODULE")]
    pub(crate) own: Vec<String>,
    /// Do not report what this file knows
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) baseline: Option<PathBuf>,
    /// Write what is found to this file, for --baseline
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Demand an expiry date of every ignore rule of the configuration, and tell of comments that suppress nothing
    #[arg(long)]
    pub(crate) strict: bool,
}

const EXAMPLES: &str = "\
Examples:
  gorphan lint ./...
  gorphan lint --tests --tags integration ./...
  gorphan lint --diff ./...                              the safe fixes, as a diff
  gorphan lint --format sarif --output lint.sarif ./...
  gorphan lint --write-baseline lint.json ./...          start green: remember what is there
  gorphan lint --baseline lint.json ./...                and fail on what is new
  gorphan lint --watch ./...
  go vet -vettool=$(which gorphan) ./...                 the same under go vet

A comment suppresses a finding of its line, or of the statement or function that follows it:
  //gorphan:ignore CODE reason
  //nolint:gorphan

Exit status: 0 nothing found, 1 findings at or above --fail-on, 2 a file could not be read or the job not done.";

/// `gorphan lsp`.
#[derive(Debug, Args)]
#[command(
    long_about = "Serve findings of gorphan lint to an editor, by the language server protocol over standard input and output: \
                  diagnostics of the packages of open files, and the safe fixes as code actions."
)]
pub(crate) struct Lsp {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) source: SourceArgs,
    /// Speak over standard input and output, as is done anyway: some editors say so
    #[arg(long, hide = true)]
    pub(crate) stdio: bool,
}
