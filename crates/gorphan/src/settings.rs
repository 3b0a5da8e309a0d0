//! What the flags and the configuration file say together; a flag goes before the file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use gorphan_model::verdict::{Baseline, Policy};
use gorphan_model::{Group, Problem};

use crate::args::options::JudgeArgs;
use crate::config::{self, Config};
use crate::error::{Failure, Result};
use crate::output;
use crate::source::SourceRoot;

/// Bytes of a baseline: about a hundred thousand sites.
const MAX_BASELINE_BYTES: u64 = 16 << 20;

/// What a run goes by.
pub(crate) struct Settings {
    /// For the judge.
    pub(crate) policy: Policy,
    /// Where snippets come from.
    pub(crate) source: Option<SourceRoot>,
    /// What of the configuration is worth telling.
    pub(crate) problems: Vec<Problem>,
}

impl Settings {
    /// Reads the configuration and what it and the flags name.
    pub(crate) fn load(judge: &JudgeArgs, source: Option<&Path>) -> Result<Self> {
        let working = std::env::current_dir()
            .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
        let config = Config::load(judge.config.as_deref(), &working)?;
        let source = match source.or(config.source_root.as_deref()) {
            Some(root) => Some(SourceRoot::open(root).ok_or_else(|| {
                let shown = root.display();
                Failure::new(format!(
                    "cannot read source from {shown}: it is no directory"
                ))
            })?),
            None => SourceRoot::open(&working),
        };
        let policy = policy(judge, config)?;
        Ok(Self {
            problems: policy.problems(),
            policy,
            source,
        })
    }

    /// The ignore rules of a configuration, given or found.
    pub(crate) fn ignored(
        config: Option<&Path>,
    ) -> Result<Vec<gorphan_model::verdict::IgnoreRule>> {
        let working = std::env::current_dir()
            .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
        let today = Some(config::date(jiff::Zoned::now().date()));
        let rules = Config::load(config, &working)?.ignore;
        Ok(rules
            .into_iter()
            .filter(|rule| rule.applies(today, false))
            .collect())
    }
}

fn policy(judge: &JudgeArgs, config: Config) -> Result<Policy> {
    let own = if judge.own.is_empty() {
        config.own_code
    } else {
        judge.own.clone()
    };
    let baseline = judge.baseline.as_deref().map(read_baseline).transpose()?;
    Ok(Policy {
        threshold: judge.threshold.or(config.threshold),
        own,
        ignore: config.ignore,
        baseline,
        today: Some(config::date(jiff::Zoned::now().date())),
        strict: judge.strict,
    })
}

fn read_baseline(path: &Path) -> Result<Baseline> {
    let failed = |why: String| {
        Failure::new(format!(
            "cannot read the baseline {}: {why}",
            path.display()
        ))
        .advise("write one with --write-baseline FILE")
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_BASELINE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MAX_BASELINE_BYTES {
        return Err(failed(format!(
            "it has more than {MAX_BASELINE_BYTES} bytes"
        )));
    }
    let baseline: Baseline =
        serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
    if baseline.version != Baseline::VERSION {
        return Err(failed(format!(
            "it has version {}, and this program reads version {}",
            baseline.version,
            Baseline::VERSION
        )));
    }
    Ok(baseline)
}

/// Writes what is found in judged `groups` to the file that `--write-baseline` names.
pub(crate) fn write_baseline(judge: &JudgeArgs, groups: &[Group]) -> Result<()> {
    let Some(path) = &judge.write_baseline else {
        return Ok(());
    };
    let baseline = Baseline::of(groups);
    output::to_file(path, |out| {
        serde_json::to_writer_pretty(&mut *out, &baseline).map_err(std::io::Error::from)?;
        Ok(writeln!(out)?)
    })
}
