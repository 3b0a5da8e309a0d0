//! What was known when a baseline was written. It has no lines: edits elsewhere in a file make nothing new.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use gorphan_model::Finding;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, Result};
use crate::output;

/// Bytes of a baseline: about a hundred thousand findings.
const MAX_BYTES: u64 = 32 << 20;
/// The version that is written and read.
const VERSION: u32 = 1;
/// What tells it from the baseline of goroutines.
const KIND: &str = "lint";

/// Findings that are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    version: u32,
    kind: String,
    findings: Vec<Known>,
}

/// A known finding, as often as it is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// For people.
    function: String,
    code: String,
    /// What counts.
    fingerprint: String,
    count: u64,
}

fn fingerprint(finding: &Finding) -> &str {
    finding
        .cause
        .as_ref()
        .map_or("", |cause| &cause.fingerprint)
}

impl Baseline {
    /// Of what was found.
    pub(crate) fn of(findings: &[Finding]) -> Self {
        let mut known: HashMap<&str, Known> = HashMap::new();
        for finding in findings {
            let entry = known.entry(fingerprint(finding)).or_insert_with(|| Known {
                function: finding.place.function.to_string(),
                code: finding.code.to_owned(),
                fingerprint: fingerprint(finding).to_owned(),
                count: 0,
            });
            entry.count = entry.count.saturating_add(1);
        }
        let mut findings: Vec<Known> = known.into_values().collect();
        findings.sort();
        Self {
            version: VERSION,
            kind: KIND.to_owned(),
            findings,
        }
    }

    /// Takes what is known out of what was found; returns how many.
    pub(crate) fn apply(&self, findings: &mut Vec<Finding>) -> u64 {
        let known = self
            .findings
            .iter()
            .map(|known| (known.fingerprint.as_str(), known.count));
        let mut left: HashMap<&str, u64> = known.collect();
        let before = findings.len();
        findings.retain(|finding| match left.get_mut(fingerprint(finding)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        });
        u64::try_from(before - findings.len()).unwrap_or(u64::MAX)
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let failed = |why: String| {
            Failure::new(format!(
                "cannot read the baseline {}: {why}",
                path.display()
            ))
            .advise("write one with gorphan lint --write-baseline FILE")
        };
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(error.to_string()))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
            return Err(failed(format!("it has more than {MAX_BYTES} bytes")));
        }
        let baseline: Self =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        if baseline.kind != KIND || baseline.version != VERSION {
            return Err(failed(format!(
                "it is of kind {:?} and version {}, and this command reads {KIND:?} of version {VERSION}",
                baseline.kind, baseline.version
            )));
        }
        Ok(baseline)
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        output::to_file(path, |out| {
            serde_json::to_writer_pretty(&mut *out, self).map_err(std::io::Error::from)?;
            Ok(writeln!(out)?)
        })
    }
}
