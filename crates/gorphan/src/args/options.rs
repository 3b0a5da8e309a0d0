//! Options that several commands share, with the parsing of their values.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use gorphan_model::Verdict;
use gorphan_model::query::{
    GroupBy, Sort, parse_label, parse_pattern, parse_state, parse_wait_minutes,
};
use gorphan_report::Format;
use jiff::SignedDuration;
use regex_lite::Regex;

/// How and where to report.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct ReportArgs {
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
    #[arg(
        long,
        alias = "color",
        value_name = "WHEN",
        value_enum,
        default_value_t = ColourArg::Auto
    )]
    pub(crate) colour: ColourArg,
    /// Show whole stacks, not only those of findings
    #[arg(long)]
    pub(crate) stacks: bool,
    /// Where the program's source is, for snippets (default: the working directory)
    #[arg(long = "source", value_name = "ROOT", value_hint = ValueHint::DirPath)]
    pub(crate) source_root: Option<PathBuf>,
}

/// The renderers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // named after the formats
pub(crate) enum FormatArg {
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

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Terminal => Self::Terminal,
            FormatArg::Json => Self::Json,
            FormatArg::Sarif => Self::Sarif,
            FormatArg::Html => Self::Html,
            FormatArg::Pprof => Self::Pprof,
            FormatArg::Github => Self::Github,
            FormatArg::Markdown => Self::Markdown,
            FormatArg::Junit => Self::Junit,
            FormatArg::Plain => Self::Plain,
        }
    }
}

/// From which verdict on a finding fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // named after the verdicts
pub(crate) enum FailOn {
    Suspect,
    Growing,
    Leak,
    Never,
}

impl FailOn {
    /// Whether a finding with `verdict` fails the run.
    pub(crate) fn fails(self, verdict: Verdict) -> bool {
        match self {
            Self::Suspect => verdict >= Verdict::Suspect,
            Self::Growing => verdict >= Verdict::Growing,
            Self::Leak => verdict >= Verdict::Leak,
            Self::Never => false,
        }
    }
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // the words say it
pub(crate) enum ColourArg {
    Auto,
    Always,
    Never,
}

/// What to judge by.
#[derive(Debug, Args)]
#[command(next_help_heading = "Judgement")]
pub(crate) struct JudgeArgs {
    /// The configuration file (default: gorphan.yaml in the working directory or above)
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Flag only code of this module; can be given several times
    #[arg(long, value_name = "MODULE")]
    pub(crate) own: Vec<String>,
    /// Goroutines at one site that are suspect whatever else holds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) threshold: Option<u64>,
    /// Do not report what this file knows, unless it grew
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) baseline: Option<PathBuf>,
    /// Write what is found to this file, for --baseline
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Demand an expiry date of every ignore rule of the configuration; without one it does not apply
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Which goroutines to show, by what their stacks tell.
#[derive(Debug, Args)]
#[command(next_help_heading = "Query")]
pub(crate) struct StackQueryArgs {
    /// Only goroutines in this state or operation, as "chan send" or "IO wait"; can be given several times
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    pub(crate) state: Vec<String>,
    /// Only goroutines with a function on the stack that matches
    #[arg(long, value_name = "REGEX", value_parser = parse_pattern)]
    pub(crate) function: Vec<Regex>,
    /// Only goroutines created by a function that matches (needs a debug=2 dump)
    #[arg(long, value_name = "REGEX", value_parser = parse_pattern)]
    pub(crate) created_by: Vec<Regex>,
    /// Show at most this many groups
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
}

/// Which goroutines to show, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Query")]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) stack: StackQueryArgs,
    /// Only goroutines that have waited at least this long, as 10m or 2h30m (needs a debug=2 dump)
    #[arg(long, value_name = "DURATION", value_parser = parse_wait_minutes)]
    pub(crate) min_wait: Option<u32>,
    /// Only goroutines that have waited at most this long (needs a debug=2 dump)
    #[arg(long, value_name = "DURATION", value_parser = parse_wait_minutes)]
    pub(crate) max_wait: Option<u32>,
    /// Only goroutines with this pprof label
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = parse_label)]
    pub(crate) label: Vec<Label>,
    /// What makes goroutines one group
    #[arg(long, value_name = "KEY", value_enum, default_value_t = GroupArg::Site)]
    pub(crate) group_by: GroupArg,
    /// The order of groups
    #[arg(long, value_name = "KEY", value_enum, default_value_t = SortArg::Verdict)]
    pub(crate) sort: SortArg,
}

/// Which part of a source to look at.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// Which dump of an input that holds several: last, a number from 1, or all added up
    #[arg(long, value_name = "N", default_value = "last")]
    pub(crate) dump: DumpArg,
}

/// Which of several dumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DumpArg {
    /// The last; those before feed the judgement of growth.
    Last,
    /// All of them added up, as for several processes that write one log.
    All,
    /// This one, from 1.
    Number(usize),
}

impl FromStr for DumpArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "last" => Ok(Self::Last),
            "all" => Ok(Self::All),
            _ => match text.parse() {
                Ok(number) if number > 0 => Ok(Self::Number(number)),
                _ => Err("give last, all, or a number from 1".into()),
            },
        }
    }
}

/// A label that must be there: key and value.
pub(crate) type Label = (String, Option<String>);

/// Reads `30s`, `2m`, `1h30m`; a bare number means minutes in a wait and would mean seconds here, so it is refused.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a duration with a unit, as 30s, 10m or 2h30m".to_owned();
    // jiff takes weeks and more only with a calendar; hours of days are 24 here.
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(Duration::from_secs(u64::from(days) * 86_400));
    }
    let parsed: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(parsed).map_err(|_| wrong())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        zero if zero.is_zero() => Err("it must be more than nothing".into()),
        duration => Ok(duration),
    }
}

/// Reads `16777216`, `64MiB`, `2GB`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match text.get(digits.len()..).unwrap_or_default().trim() {
        "" | "B" => 1,
        "k" | "kB" | "KB" => 1_000,
        "KiB" | "K" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" | "M" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" | "G" => 1 << 30,
        _ => return Err("give bytes, as 500MB or 64MiB".into()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "give bytes, as 500MB or 64MiB".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "that is no usable limit".into())
}

/// How to look into processes and core files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Processes and core files")]
pub(crate) struct ProcessArgs {
    /// The executable that the core file was written of
    #[arg(long, value_name = "BINARY", value_hint = ValueHint::FilePath)]
    pub(crate) exe: Option<PathBuf>,
    /// Let the process go, without a report, when reading it would stop it for longer than this
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, default_value = "1s")]
    pub(crate) pause_budget: Duration,
    /// Read a twin of the process, made by the kernel in a moment, while the process runs on. Makes one of its threads call
    /// the system
    #[arg(long)]
    pub(crate) snapshot: bool,
    /// Read the program by the debug information of this executable, built by the same Go version: for versions that are not
    /// known
    #[arg(long, value_name = "BINARY", value_hint = ValueHint::FilePath)]
    pub(crate) layout_from: Option<PathBuf>,
    /// Write what was copied to a file, with the executable: gorphan inspect FILE shows it later and elsewhere. It holds what
    /// the program had in memory
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) save: Option<PathBuf>,
    /// Look a second time, and call leaked only what is leaked both times. The process stands still twice
    #[arg(long, conflicts_with = "no_proof")]
    pub(crate) confirm: bool,
    /// Do not find out which goroutines can still be woken: less is copied, and the process stands still for less
    #[arg(long)]
    pub(crate) no_proof: bool,
}

/// How to list processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // named after the formats
pub(crate) enum PsFormat {
    Terminal,
    Json,
}

/// What makes goroutines one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupArg {
    /// Operation and first function outside the runtime and sync packages
    Site,
    /// The whole stack
    Stack,
    /// The go statement
    Creator,
    /// The state
    State,
}

impl From<GroupArg> for GroupBy {
    fn from(arg: GroupArg) -> Self {
        match arg {
            GroupArg::Site => Self::Site,
            GroupArg::Stack => Self::Stack,
            GroupArg::Creator => Self::Creator,
            GroupArg::State => Self::State,
        }
    }
}

/// The order of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortArg {
    /// Worst verdict first, then count
    Verdict,
    /// Most goroutines first
    Count,
    /// Longest wait first
    Wait,
    /// By name
    Function,
}

impl From<SortArg> for Sort {
    fn from(arg: SortArg) -> Self {
        match arg {
            SortArg::Verdict => Self::Verdict,
            SortArg::Count => Self::Count,
            SortArg::Wait => Self::Wait,
            SortArg::Function => Self::Function,
        }
    }
}

/// How to reach an endpoint. Proxies are taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
#[derive(Debug, Args)]
#[command(next_help_heading = "Endpoints")]
pub(crate) struct HttpArgs {
    /// Ask for this format alone: 0 (profile), 1 (counted stacks) or 2 (all goroutines; stops the program meanwhile)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) debug: Option<u8>,
    /// Ask for the goroutineleak profile: what the runtime itself finds leaked (Go 1.27)
    #[arg(long)]
    pub(crate) leaks: bool,
    /// Send a bearer token. Better in a file or the environment, where ps does not show it
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GORPHAN_BEARER_TOKEN",
        hide_env_values = true,
        conflicts_with_all = ["bearer_token_file", "basic_auth"]
    )]
    pub(crate) bearer_token: Option<String>,
    /// Send the bearer token in this file
    #[arg(long, value_name = "FILE", conflicts_with = "basic_auth", value_hint = ValueHint::FilePath)]
    pub(crate) bearer_token_file: Option<PathBuf>,
    /// Send user and password
    #[arg(
        long,
        value_name = "USER:PASSWORD",
        env = "GORPHAN_BASIC_AUTH",
        hide_env_values = true
    )]
    pub(crate) basic_auth: Option<String>,
    /// Send a header, as "X-Scope: shop"; can be given several times
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) header: Vec<Header>,
    /// Show this client certificate (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) client_cert: Option<PathBuf>,
    /// The key of the client certificate (PEM), if it is not in the same file
    #[arg(long, value_name = "FILE", requires = "client_cert", value_hint = ValueHint::FilePath)]
    pub(crate) client_key: Option<PathBuf>,
    /// Trust the authorities in this file (PEM) besides the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Trust any server certificate
    #[arg(long)]
    pub(crate) insecure_skip_verify: bool,
    /// Give up after this time in all
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, default_value = "2m")]
    pub(crate) timeout: Duration,
    /// Give up connecting after this time
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, default_value = "10s", hide_short_help = true)]
    pub(crate) connect_timeout: Duration,
    /// Give up when nothing arrives for this time
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, default_value = "30s", hide_short_help = true)]
    pub(crate) read_timeout: Duration,
    /// Refuse answers with more bytes than this
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, default_value = "1GiB", hide_short_help = true)]
    pub(crate) max_bytes: u64,
    /// Follow at most this many redirects; credentials stay with the first host
    #[arg(long, value_name = "N", default_value_t = 5, hide_short_help = true)]
    pub(crate) max_redirects: usize,
}

/// A header to send. Its value may be a secret, so it has no `Debug` worth the name.
#[derive(Clone)]
pub(crate) struct Header {
    /// As given.
    pub(crate) name: String,
    /// As given, trimmed.
    pub(crate) value: String,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ***", self.name)
    }
}

/// Never fails, because clap would quote the text; a name that is none is refused when the client is set up.
fn parse_header(text: &str) -> Result<Header, std::convert::Infallible> {
    let (name, value) = text.split_once(':').unwrap_or(("", text));
    Ok(Header {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        for (text, seconds) in [("10m", 600), ("90s", 90), ("2h30m", 9000), ("3d", 259_200)] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in ["10", "-5m", "soon", ""] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn byte_limits_know_both_kinds_of_units() {
        for (text, bytes) in [("512", 512), ("2MB", 2_000_000), ("64MiB", 64 << 20)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "MB", "3 parsecs", "99999999999GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_header_does_not_show_its_value() {
        let header = parse_header("X-Key: s3cret").unwrap();
        assert_eq!(format!("{header:?}"), "X-Key: ***");
    }
}
