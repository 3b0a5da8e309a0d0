//! What is told of a finding, as it was at that moment: the JSON of the outbox and of webhooks.

use gorphan_model::fleet::FleetFacts;
use gorphan_model::stack::Frame;
use gorphan_model::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Frames of a stack that are kept: what blocks is at the top, who asked for it below.
const MAX_FRAMES: usize = 64;

/// What happened to a finding that somebody should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It was never found before.
    New,
    /// It was resolved, and is there again.
    Reopened,
    /// It has doubled since it was told.
    Grown,
    /// It is in a version that it was not told of.
    NewVersion,
    /// It is gone.
    Resolved,
    /// Somebody looks after it.
    Acknowledged,
    /// The state of everything, for receivers that hold states and not messages.
    State,
}

impl Event {
    const ALL: [Self; 7] = [
        Self::New,
        Self::Reopened,
        Self::Grown,
        Self::NewVersion,
        Self::Resolved,
        Self::Acknowledged,
        Self::State,
    ];

    /// The word in JSON and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reopened => "reopened",
            Self::Grown => "grown",
            Self::NewVersion => "new_version",
            Self::Resolved => "resolved",
            Self::Acknowledged => "acknowledged",
            Self::State => "state",
        }
    }

    /// The opposite of [`Event::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }

    /// For people, at the start of a line.
    pub fn words(self) -> &'static str {
        match self {
            Self::New => "New goroutine leak",
            Self::Reopened => "Goroutine leak is back",
            Self::Grown => "Goroutine leak has grown",
            Self::NewVersion => "Goroutine leak in a new version",
            Self::Resolved => "Goroutine leak is gone",
            Self::Acknowledged => "Goroutine leak acknowledged",
            Self::State => "Goroutine leaks",
        }
    }
}

/// One call of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackLine {
    /// The function, as the source names it.
    pub function: String,
    /// Empty where unknown.
    pub file: String,
    /// From 1; 0 where unknown.
    pub line: u32,
}

/// A finding as it was when something happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub event: Event,
    /// When, seconds of Unix time.
    pub at: i64,
    /// In words, where the event needs some: `300 goroutines in one instance, 120 when it was told`.
    pub remark: String,
    /// What stays the same over lines and versions.
    pub fingerprint: String,
    /// The service.
    pub service: String,
    /// What the goroutines are blocked in, in the words of reports.
    pub operation: String,
    /// The canonical function.
    pub function: String,
    /// Empty where unknown.
    pub file: String,
    /// From 1; 0 where unknown.
    pub line: u32,
    /// As `GR1001`.
    pub code: String,
    /// In the words of reports.
    pub verdict: String,
    /// One sentence.
    pub message: String,
    /// The usual fix.
    pub help: String,
    /// Who is to fix it.
    pub owner: Option<String>,
    /// The version of the worst instance; empty where unknown.
    pub version: String,
    /// The earliest version that is known to have it.
    pub first_version: Option<String>,
    /// When it was first found, seconds of Unix time.
    pub first_seen: i64,
    /// Instances that have it.
    pub instances: u64,
    /// Instances that were reached.
    pub instances_all: u64,
    /// Goroutines in the worst instance.
    pub max: u64,
    /// Goroutines in all of them.
    pub total: u64,
    /// The worst instance.
    pub worst: String,
    /// Goroutines an instance and hour, where it grows for sure.
    pub per_hour: Option<f64>,
    /// Bytes of their stacks in the worst instance.
    pub stack_bytes: Option<u64>,
    /// Hours until the memory limit.
    pub hours_to_limit: Option<f64>,
    /// A stack of it, innermost first.
    pub stack: Vec<StackLine>,
    /// The finding as in the JSON report of a sweep.
    pub finding: Value,
}

impl Notice {
    pub(super) fn of(finding: &Finding, facts: &FleetFacts, stack: &[Frame], at: i64) -> Self {
        let instances = &facts.instances;
        let frames = stack.iter().take(MAX_FRAMES).map(|frame| StackLine {
            function: frame.function.to_string(),
            file: frame.file.to_string(),
            line: frame.line,
        });
        Self {
            event: Event::New,
            at,
            remark: String::new(),
            fingerprint: facts.fingerprint.clone(),
            service: facts.service.clone(),
            operation: finding.operation.as_str().to_owned(),
            function: finding.place.function.to_string(),
            file: finding.place.file.to_string(),
            line: finding.place.line,
            code: finding.code.to_owned(),
            verdict: finding.verdict.as_str().to_owned(),
            message: finding.message.clone(),
            help: finding.help.clone(),
            owner: facts.owner.clone(),
            version: facts.version.clone(),
            first_version: facts.first_version.clone(),
            first_seen: facts.first_seen,
            instances: instances.count,
            instances_all: instances.all,
            max: instances.max,
            total: instances.total,
            worst: instances.worst.clone(),
            per_hour: facts.rate.map(|rate| rate.per_hour),
            stack_bytes: facts.cost.stack_bytes,
            hours_to_limit: facts.cost.hours_to_limit,
            stack: frames.collect(),
            finding: gorphan_report::fleet_finding(finding, facts),
        }
    }

    /// How sure; one of a later version is a suspect.
    pub fn verdict(&self) -> Verdict {
        match self.verdict.as_str() {
            "leak" => Verdict::Leak,
            "growing" => Verdict::Growing,
            "normal" => Verdict::Normal,
            _ => Verdict::Suspect,
        }
    }

    /// `chan send at main.f (main.go:41)`.
    pub fn place(&self) -> String {
        let file = self.file.rsplit('/').next().unwrap_or_default();
        match (file, self.line) {
            ("", _) => format!("{} at {}", self.operation, self.function),
            (file, 0) => format!("{} at {} ({file})", self.operation, self.function),
            (file, line) => format!("{} at {} ({file}:{line})", self.operation, self.function),
        }
    }
}
