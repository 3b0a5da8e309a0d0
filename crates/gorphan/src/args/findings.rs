//! What is known of findings, and what people do about them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::options::{self, PsFormat};

/// The configuration that names the fleet.
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// The configuration file (default: gorphan.yaml in the working directory or above)
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// Who does something.
#[derive(Debug, Args)]
pub(crate) struct WhoArgs {
    /// Who does it
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    pub(crate) by: Option<String>,
}

/// `gorphan findings`.
#[derive(Debug, Args)]
#[command(
    long_about = "List what sweeps have found and is not resolved, the surest first: how it stands, since when, whose it is. \
                  With a fingerprint, or the start of one: all that is known of it, what happened to it, and who was told.",
    after_long_help = FINDINGS_EXAMPLES
)]
pub(crate) struct Findings {
    /// The finding to tell all of
    #[arg(value_name = "FINGERPRINT")]
    pub(crate) fingerprint: Option<String>,
    /// Only those of this service
    #[arg(long, value_name = "SERVICE", conflicts_with = "fingerprint")]
    pub(crate) service: Option<String>,
    /// Only those of this owner
    #[arg(long, value_name = "OWNER", conflicts_with = "fingerprint")]
    pub(crate) owner: Option<String>,
    /// Only those that stand so: new, ongoing, acknowledged, silenced or resolved
    #[arg(long, value_name = "STATUS", conflicts_with = "fingerprint")]
    pub(crate) status: Option<String>,
    /// Also those that are resolved
    #[arg(long, conflicts_with = "fingerprint")]
    pub(crate) all: bool,
    /// How to list
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = PsFormat::Terminal)]
    pub(crate) format: PsFormat,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) fleet: FleetArgs,
}

const FINDINGS_EXAMPLES: &str = "\
Examples:
  gorphan findings
  gorphan findings --owner @acme/shop --format json
  gorphan findings 4f2a                               all of one, by the start of its fingerprint";

/// `gorphan ack`.
#[derive(Debug, Args)]
#[command(
    long_about = "Say that you look after a finding. Nobody is told any more that it grows or is in a new version; that it is \
                  gone is told. PagerDuty and webhooks hear of it."
)]
pub(crate) struct Ack {
    /// The finding, or the start of its fingerprint
    #[arg(value_name = "FINGERPRINT")]
    pub(crate) fingerprint: String,
    /// What there is to say
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) note: String,
    /// Take it back
    #[arg(long, conflicts_with = "note")]
    pub(crate) undo: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) who: WhoArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) fleet: FleetArgs,
}

/// `gorphan silence`.
#[derive(Debug, Args)]
#[command(
    long_about = "Tell nobody of findings for a while, or, without anything to silence, list the silences that hold. What \
                  happens meanwhile and still holds is told when the silence ends.",
    after_long_help = SILENCE_EXAMPLES,
    group = clap::ArgGroup::new("scope").args(["fingerprint", "service", "function"])
)]
pub(crate) struct SilenceArgs {
    /// One finding, by its fingerprint or the start of it
    #[arg(value_name = "FINGERPRINT")]
    pub(crate) fingerprint: Option<String>,
    /// Every finding of a service
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// Every finding at a function; '*' stands for any text
    #[arg(long, value_name = "FUNCTION")]
    pub(crate) function: Option<String>,
    /// How long, as 12h or 7d
    #[arg(long = "for", value_name = "DURATION", value_parser = options::parse_duration, requires = "scope")]
    pub(crate) lasts: Option<Duration>,
    /// Until when
    #[arg(
        long,
        value_name = "RFC3339",
        conflicts_with = "lasts",
        requires = "scope"
    )]
    pub(crate) until: Option<jiff::Timestamp>,
    /// Why
    #[arg(long, value_name = "TEXT", requires = "scope")]
    pub(crate) reason: Option<String>,
    /// End the silence with this number
    #[arg(long, value_name = "N", conflicts_with = "scope")]
    pub(crate) end: Option<i64>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) who: WhoArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) fleet: FleetArgs,
}

const SILENCE_EXAMPLES: &str = "\
Examples:
  gorphan silence                                     what is silent, until when and why
  gorphan silence 4f2a --for 7d --reason 'fixed in 1.11, which is deployed on Monday'
  gorphan silence --service batch --for 12h --reason 'load test'
  gorphan silence --function 'example.com/shop/bus.*' --until 2027-01-31T00:00:00Z --reason 'being rewritten'
  gorphan silence --end 3";
