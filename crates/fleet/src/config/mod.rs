//! The part of `gorphan.yaml` that a fleet needs, in the form of Prometheus and Parca.
//!
//! Every key is known or an error that names file, line and the nearest key. Texts are kept as they are written, so that
//! a version `1.10` is not read as a number.

mod alerting;
mod client;
pub mod duration;
mod providers;
mod relabel;
pub mod web;
pub(crate) mod yaml;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gorphan_history::{
    DEFAULT_BUFFER_BYTES, DEFAULT_RAW_SECONDS, DEFAULT_ROLLED_UP_SECONDS, Location,
};
use yaml::{Section, Source};

use crate::alert::Alerting;
use crate::owners::OwnersConfig;

pub use client::{Credential, HttpConfig, Secret, Tls};
pub(crate) use providers::groups;
pub use providers::{
    Consul, Dns, DnsRecord, FileSource, HttpSource, Kubernetes, Processes, Provider, Role,
};
pub use relabel::{Action, Rule, RuleError};
pub use web::WebConfig;

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the configuration: {file}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub advice: Option<String>,
}

/// A fleet as it is configured.
#[derive(Debug, Clone, Default)]
pub struct FleetConfig {
    /// In the order of the file; names are unique.
    pub jobs: Vec<Job>,
    /// How the history is kept.
    pub history: HistoryConfig,
    /// The file of the ledger; `None` for the one in the folder of the history.
    pub ledger: Option<PathBuf>,
    /// Bounds of a sweep.
    pub sweep: SweepConfig,
    /// Who is told.
    pub alerting: Alerting,
    /// Who is to fix what is found.
    pub owners: OwnersConfig,
    /// The pages.
    pub web: WebConfig,
}

/// One entry of `scrape_configs`.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name, the label `job` of its targets.
    pub name: String,
    /// Time from one sweep to the next.
    pub interval: Duration,
    /// For one target.
    pub timeout: Duration,
    /// `http` or `https`.
    pub scheme: String,
    /// What stands before the paths of profiles.
    pub path_prefix: String,
    /// The path of the goroutine profile.
    pub goroutine_path: String,
    /// The path of the runtime's own leak profile; `None` if it is not to be asked for.
    pub leak_path: Option<String>,
    /// The path of the heap profile; `None` if it is not to be asked for.
    pub heap_path: Option<String>,
    /// Parameters of every request.
    pub params: Vec<(String, Vec<String>)>,
    /// How its targets are reached.
    pub http: HttpConfig,
    /// Where its targets come from.
    pub providers: Vec<Provider>,
    /// What is done to their labels.
    pub relabel: Vec<Rule>,
    /// Targets at most; 0 is no limit.
    pub target_limit: usize,
}

/// How the history is kept: `history` in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Where; `None` for the default.
    pub place: Option<Location>,
    /// How long sweeps are kept whole.
    pub raw: Duration,
    /// How long roll-ups are kept.
    pub roll_ups: Duration,
    /// Bytes of sweeps that may wait in memory for a store that is away. Only a program that goes on can wait.
    pub buffer_bytes: usize,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        let seconds = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
        Self {
            place: None,
            raw: seconds(DEFAULT_RAW_SECONDS),
            roll_ups: seconds(DEFAULT_ROLLED_UP_SECONDS),
            buffer_bytes: DEFAULT_BUFFER_BYTES,
        }
    }
}

/// Bounds of a sweep: `sweep` in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepConfig {
    /// Requests at the same time.
    pub max_requests: usize,
    /// Bytes of answers in memory at the same time.
    pub max_bytes: u64,
    /// Goroutines of a target up to which a suspect's debug=2 may be asked for.
    pub dump_goroutines: u64,
    /// The time over which requests are spread; `None` spreads over the interval only when watching.
    pub spread: Option<Duration>,
}

impl Default for SweepConfig {
    /// 64 requests and 256 MiB: a profile has some tens of kilobytes, and 50,000 of them are to be had in ten minutes.
    /// debug=2 stops a program for about 20 microseconds a goroutine: 20,000 for less than half a second.
    fn default() -> Self {
        Self {
            max_requests: 64,
            max_bytes: 256 << 20,
            dump_goroutines: 20_000,
            spread: None,
        }
    }
}

/// Prometheus asks once a minute; goroutines that leak are still there ten minutes later.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(600);
/// That of Prometheus.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where `net/http/pprof` serves its profiles.
const PPROF: &str = "/debug/pprof/";

type Read<T> = Result<T, ConfigError>;

/// Keys of the file that other parts of the program read.
const OTHERS: [&str; 4] = ["source", "own_code", "detection", "ignore"];

impl FleetConfig {
    /// Reads a configuration. `file` is its name in errors, and relative paths in it are taken from `folder`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str, file: &str, folder: &Path) -> Read<Self> {
        let source = Source { file };
        let root = source.parse(text)?;
        let top = Section::of(source, &root)?;
        top.allow(&OTHERS);
        let (interval, timeout) = match top.section("global")? {
            None => (DEFAULT_INTERVAL, DEFAULT_TIMEOUT),
            Some(global) => {
                let interval = positive(&global, "scrape_interval")?.unwrap_or(DEFAULT_INTERVAL);
                let timeout = positive(&global, "scrape_timeout")?;
                // Prometheus' own and harmless here.
                global.allow(&["evaluation_interval", "external_labels"]);
                global.finish()?;
                (interval, timeout.unwrap_or(DEFAULT_TIMEOUT.min(interval)))
            }
        };
        let mut jobs: Vec<Job> = Vec::new();
        for node in top.list("scrape_configs")? {
            let section = Section::of(source, node)?;
            let job = job(section, interval, timeout, folder)?;
            if jobs.iter().any(|other| other.name == job.name) {
                let message = format!("there are two jobs with the name {:?}", job.name);
                return Err(source.error(node, message));
            }
            jobs.push(job);
        }
        let (history, ledger) = match top.section("history")? {
            None => (HistoryConfig::default(), None),
            Some(section) => history(section, folder)?,
        };
        let sweep = match top.section("sweep")? {
            None => SweepConfig::default(),
            Some(section) => sweep(section)?,
        };
        let longest = jobs.iter().map(|job| job.interval).max();
        let alerting = match top.section("alerting")? {
            None => Alerting::default(),
            Some(section) => alerting::alerting(section, folder, longest.unwrap_or(interval))?,
        };
        let owners = match top.section("owners")? {
            None => OwnersConfig::default(),
            Some(section) => alerting::owners(section, folder)?,
        };
        let web = match top.section("web")? {
            None => WebConfig::default(),
            Some(section) => web::read(section, folder)?,
        };
        top.finish()?;
        Ok(Self {
            jobs,
            history,
            ledger,
            sweep,
            alerting,
            owners,
            web,
        })
    }
}

fn positive(section: &Section<'_>, key: &'static str) -> Read<Option<Duration>> {
    let duration = section.duration(key)?;
    match (duration, section.get(key)) {
        (Some(Duration::ZERO), Some(node)) => Err(section
            .source
            .error(node, format!("{key} must be more than 0"))),
        _ => Ok(duration),
    }
}

/// The least time that sweeps are kept whole: a sweep compares with what was seen a day ago at most.
const LEAST_RAW: Duration = Duration::from_secs(24 * 3600);
/// The least time that roll-ups are kept: growth is told from four weeks.
const LEAST_ROLL_UPS: Duration = Duration::from_secs(28 * 86_400);

fn history(section: Section<'_>, folder: &Path) -> Read<(HistoryConfig, Option<PathBuf>)> {
    let default = HistoryConfig::default();
    let at_least = |key: &'static str, least: Duration, default: Duration| match (
        section.duration(key)?,
        section.get(key),
    ) {
        (Some(given), Some(node)) if given < least => {
            let least = duration::show(least);
            Err(section
                .source
                .error(node, format!("{key} must be at least {least}")))
        }
        (given, _) => Ok(given.unwrap_or(default)),
    };
    let place = match (section.text("path")?, section.get("path")) {
        (Some(text), Some(node)) => {
            Some(Location::parse(&text, folder).map_err(|why| section.source.error(node, why))?)
        }
        _ => None,
    };
    let read = HistoryConfig {
        place,
        raw: at_least("raw", LEAST_RAW, default.raw)?,
        roll_ups: at_least("roll_ups", LEAST_ROLL_UPS, default.roll_ups)?,
        buffer_bytes: section
            .number("buffer_bytes")?
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default.buffer_bytes),
    };
    let ledger = section.text("ledger")?.map(|path| folder.join(path));
    section.finish()?;
    Ok((read, ledger))
}

fn sweep(section: Section<'_>) -> Read<SweepConfig> {
    let default = SweepConfig::default();
    let at_least_one = |key: &'static str| match (section.number(key)?, section.get(key)) {
        (Some(0), Some(node)) => Err(section
            .source
            .error(node, format!("{key} must be at least 1"))),
        (number, _) => Ok(number),
    };
    let max_requests = at_least_one("max_requests")?;
    let max_bytes = at_least_one("max_bytes")?;
    let dump_goroutines = section.number("dump_goroutines")?;
    let spread = section.duration("spread")?;
    section.finish()?;
    Ok(SweepConfig {
        max_requests: max_requests
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default.max_requests),
        max_bytes: max_bytes.unwrap_or(default.max_bytes),
        dump_goroutines: dump_goroutines.unwrap_or(default.dump_goroutines),
        spread,
    })
}

/// Keys of Prometheus that say how samples of metrics are kept, and mean nothing for profiles.
const OF_METRICS: [&str; 14] = [
    "honor_labels",
    "honor_timestamps",
    "track_timestamps_staleness",
    "sample_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "body_size_limit",
    "keep_dropped_targets",
    "metric_relabel_configs",
    "scrape_protocols",
    "enable_compression",
    "native_histogram_bucket_limit",
    "normalized_addresses",
];

fn job(section: Section<'_>, interval: Duration, timeout: Duration, folder: &Path) -> Read<Job> {
    section.allow(&OF_METRICS);
    let name = section.text("job_name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| section.error("a scrape configuration has no job_name"))?;
    let interval = positive(&section, "scrape_interval")?.unwrap_or(interval);
    let own_timeout = positive(&section, "scrape_timeout")?;
    if let (Some(own), Some(node)) = (own_timeout, section.get("scrape_timeout"))
        && own > interval
    {
        let message = format!(
            "the timeout of {} is longer than the interval of {}",
            duration::show(own),
            duration::show(interval)
        );
        return Err(section.source.error(node, message));
    }
    let scheme = section.text("scheme")?.unwrap_or_else(|| "http".to_owned());
    if !matches!(scheme.as_str(), "http" | "https") {
        let node = section.get("scheme").unwrap_or(section.node);
        return Err(section.source.error(node, "scheme must be http or https"));
    }
    let mut job = Job {
        name,
        interval,
        timeout: own_timeout.unwrap_or(timeout).min(interval),
        scheme,
        path_prefix: String::new(),
        goroutine_path: format!("{PPROF}goroutine"),
        leak_path: Some(format!("{PPROF}goroutineleak")),
        heap_path: Some(format!("{PPROF}heap")),
        params: params(&section)?,
        http: client::read(&section, folder)?,
        providers: providers::read(&section, folder)?,
        relabel: relabel::read(&section, "relabel_configs")?,
        target_limit: usize::try_from(section.number("target_limit")?.unwrap_or(0))
            .unwrap_or(usize::MAX),
    };
    if let Some(path) = section.text("metrics_path")? {
        job.goroutine_path = path;
    }
    if let Some(profiling) = section.section("profiling_config")? {
        paths(profiling, &mut job)?;
    }
    section.finish()?;
    Ok(job)
}

fn params(section: &Section<'_>) -> Read<Vec<(String, Vec<String>)>> {
    let Some(params) = section.section("params")? else {
        return Ok(Vec::new());
    };
    let read = params.free().map(|(name, node)| {
        let yaml::Kind::List(values) = &node.kind else {
            let message = format!("the values of parameter {name:?} must be a list");
            return Err(section.source.error(node, message));
        };
        let values = values.iter().map(|it| yaml::text(section.source, it));
        Ok((name.to_owned(), values.collect::<Read<_>>()?))
    });
    read.collect()
}

/// `profiling_config`, as Parca has it; of its profiles those of goroutines and the heap are asked for.
fn paths(profiling: Section<'_>, job: &mut Job) -> Read<()> {
    job.path_prefix = profiling.text("path_prefix")?.unwrap_or_default();
    if let Some(kinds) = profiling.section("pprof_config")? {
        kinds.allow(&["process_cpu", "block", "mutex", "threadcreate", "fgprof"]);
        let read = |key: &'static str| -> Read<Option<(bool, Option<String>)>> {
            let Some(kind) = kinds.section(key)? else {
                return Ok(None);
            };
            let enabled = kind.flag("enabled")?.unwrap_or(true);
            let path = kind.text("path")?;
            kind.allow(&["delta", "keep_sample_type", "seconds"]);
            kind.finish()?;
            Ok(Some((enabled, path)))
        };
        if let Some((enabled, path)) = read("goroutine")? {
            if !enabled {
                return Err(kinds.error(
                    "the goroutine profile is switched off, which leaves nothing to look at",
                ));
            }
            job.goroutine_path = path.unwrap_or_else(|| job.goroutine_path.clone());
        }
        if let Some((enabled, path)) = read("goroutineleak")? {
            job.leak_path = path.or_else(|| job.leak_path.clone()).filter(|_| enabled);
        }
        for key in ["memory", "heap"] {
            if let Some((enabled, path)) = read(key)? {
                job.heap_path = path.or_else(|| job.heap_path.clone()).filter(|_| enabled);
            }
        }
        kinds.finish()?;
    }
    profiling.finish()
}

#[cfg(test)]
mod tests;
