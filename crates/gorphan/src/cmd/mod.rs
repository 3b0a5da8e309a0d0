//! One file a command. Each returns whether the run found what `--fail-on` asks about.

#[cfg(feature = "fleet")]
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod explain;
#[cfg(feature = "fleet")]
pub(crate) mod findings;
pub(crate) mod gctrace;
#[cfg(feature = "fleet")]
pub(crate) mod history;
pub(crate) mod inspect;
pub(crate) mod lint;
pub(crate) mod load;
pub(crate) mod ps;
#[cfg(feature = "fleet")]
pub(crate) mod query;
#[cfg(feature = "fleet")]
mod serving;
pub(crate) mod shell;
#[cfg(feature = "fleet")]
pub(crate) mod sweep;
#[cfg(feature = "fleet")]
mod table;
pub(crate) mod test;
#[cfg(feature = "fleet")]
pub(crate) mod watch;

use gorphan_model::Finding;

use crate::args::options::FailOn;

/// How a run that did its job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Status 0.
    Clean,
    /// Status 1.
    Findings,
}

impl Outcome {
    fn of(findings: &[Finding], fail_on: FailOn) -> Self {
        if findings
            .iter()
            .any(|finding| fail_on.fails(finding.verdict))
        {
            Self::Findings
        } else {
            Self::Clean
        }
    }
}
