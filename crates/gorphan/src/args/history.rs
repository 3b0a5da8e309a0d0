//! The commands that ask a history.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// Which history.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The configuration file (default: gorphan.yaml in the working directory or above)
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The history: a folder, or s3://, gs:// or az:// (default: that of the configuration)
    #[arg(long, value_name = "PLACE", value_hint = ValueHint::DirPath)]
    pub(crate) history: Option<String>,
    /// Have a Ballista cluster answer, by way of its scheduler (a build with the cargo feature cluster)
    #[arg(long, value_name = "ballista://HOST:PORT")]
    pub(crate) engine: Option<String>,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// A table for people
    Terminal,
    /// A list of objects
    Json,
    /// RFC 4180, with a line of names
    Csv,
}

/// `gorphan query`.
#[derive(Debug, Args)]
#[command(
    long_about = "Ask the stored sweeps of a fleet in SQL: DataFusion's dialect, over the views sweeps, instances, \
                  observations, points, versions, failures, stacks and captures. Nothing can be changed.",
    after_long_help = QUERY_EXAMPLES
)]
pub(crate) struct Query {
    /// The question; '-' reads it from standard input
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    /// How to write the answer
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = TableFormat::Terminal)]
    pub(crate) format: TableFormat,
    /// Rows at most
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) max_rows: u32,
    /// Seconds that it may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::options::parse_duration)]
    pub(crate) timeout: std::time::Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) place: PlaceArgs,
}

const QUERY_EXAMPLES: &str = "\
Examples:
  gorphan query 'SELECT * FROM sweeps ORDER BY at DESC LIMIT 10'
  gorphan query \"SELECT service, function, max(most) AS worst FROM points WHERE at > now() - interval '1 day' \\
                 GROUP BY 1, 2 ORDER BY worst DESC LIMIT 20\"
  gorphan query --format csv 'SELECT * FROM failures' > failures.csv
  gorphan query --history s3://bucket/gorphan 'SHOW TABLES'

docs/history.md tells the columns of each view.";

/// `gorphan history`.
#[derive(Debug, Args)]
#[command(
    long_about = "Show one blocked site over time: its goroutines over all instances with the version that ran, when it was first \
                  seen, and its stack then.",
    after_long_help = HISTORY_EXAMPLES
)]
pub(crate) struct History {
    /// A finding's fingerprint, or a part of a function's name
    #[arg(value_name = "SITE")]
    pub(crate) site: String,
    /// Only of this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// How far to look back
    #[arg(long, value_name = "DURATION", default_value = "28d", value_parser = super::options::parse_duration)]
    pub(crate) since: std::time::Duration,
    /// How to write it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = TableFormat::Terminal)]
    pub(crate) format: TableFormat,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) place: PlaceArgs,
}

const HISTORY_EXAMPLES: &str = "\
Examples:
  gorphan history 0f3c9a5b7d2e4f61
  gorphan history 'shop/bus.(*Bus).read' --service checkout --since 7d
  gorphan history --format csv shop.f > site.csv";
