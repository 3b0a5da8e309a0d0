//! From groups to verdicts and findings.

use crate::{Finding, Group, Snapshot};

/// Why a group that would have been a finding is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dismissal {
    /// Who dismissed it.
    pub by: DismissedBy,
    /// The reason given there.
    pub reason: String,
}

/// Who dismissed a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DismissedBy {
    /// The list of background goroutines of the standard library and well-known modules.
    Benign,
    /// An `ignore` rule of the configuration.
    Ignored,
    /// The baseline file.
    Baseline,
    /// `--own`: no frame of the own modules.
    NotOwn,
}

/// What the judge goes by; `Default` is what a user without configuration gets.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// LeakProf's threshold; at or over it any channel or sync site is a suspect.
    pub threshold: Option<u64>,
    /// Module paths; if any are given only sites with one of these on the stack can be findings.
    pub own: Vec<String>,
}

/// Gives every group its verdict, evidence, dismissal and pattern, and returns the findings, worst first.
pub fn judge(_snapshot: &Snapshot, _groups: &mut [Group], _policy: &Policy) -> Vec<Finding> {
    Vec::new()
}
