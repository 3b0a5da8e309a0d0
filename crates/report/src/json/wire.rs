//! The shape of the JSON report, version 1: `docs/json.md` tells what each field means. Fields are only ever added;
//! anything else is a new version.

use std::collections::BTreeMap;

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub(super) version: u32,
    pub(super) tool: Tool,
    pub(super) target: Target<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Target<'a>>,
    pub(super) summary: Summary<'a>,
    pub(super) groups: Vec<Group<'a>>,
    pub(super) findings: Vec<Finding<'a>>,
    pub(super) problems: Vec<Problem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changes: Option<Vec<Change<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trend: Option<Trend<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) collections: Option<Vec<Collection>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) load: Option<Load<'a>>,
}

/// Rounds of requests.
#[derive(Serialize)]
pub(super) struct Load<'a> {
    pub(super) requests: u64,
    pub(super) rounds: Vec<Round>,
    pub(super) goroutines: LoadTrend<'a>,
    pub(super) heap: Option<LoadTrend<'a>>,
    pub(super) sites: Vec<SiteLoad<'a>>,
}

#[derive(Serialize)]
pub(super) struct Round {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) warm_up: bool,
    pub(super) seconds: f64,
    pub(super) settled_seconds: Option<f64>,
    pub(super) goroutines: u64,
    pub(super) heap_bytes: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct LoadTrend<'a> {
    pub(super) values: &'a [u64],
    pub(super) per_request: Option<Interval>,
    pub(super) course: &'static str,
}

#[derive(Serialize)]
pub(super) struct SiteLoad<'a> {
    pub(super) site: Site<'a>,
    #[serde(flatten)]
    pub(super) trend: LoadTrend<'a>,
    pub(super) verdict: &'static str,
}

#[derive(Serialize)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

#[derive(Serialize)]
pub(super) struct Target<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) go_version: Option<&'a str>,
    pub(super) taken_at: Option<jiff::Timestamp>,
    pub(super) pause_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<&'static str>,
    pub(super) bytes_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Summary<'a> {
    pub(super) goroutines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) goroutines_before: Option<u64>,
    pub(super) groups: usize,
    pub(super) findings: usize,
    pub(super) truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<ProofCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retention: Option<Retention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gctrace: Option<GcSummary>,
    #[serde(flatten)]
    pub(super) source: Option<SourceSummary<'a>>,
    #[serde(flatten)]
    pub(super) fleet: Option<FleetSummary>,
}

/// What a sweep reached.
#[derive(Serialize)]
pub(super) struct FleetSummary {
    pub(super) targets: usize,
    pub(super) targets_failed: usize,
}

/// What a run over source looked at and decided.
#[derive(Serialize)]
pub(super) struct SourceSummary<'a> {
    pub(super) packages: u64,
    pub(super) files: u64,
    pub(super) lines: u64,
    pub(super) files_unparsed: u64,
    pub(super) scopes_proved: u64,
    pub(super) scopes_leaking: u64,
    pub(super) scopes_unknown: u64,
    pub(super) unknown: &'a BTreeMap<std::borrow::Cow<'static, str>, u64>,
    pub(super) suppressed: u64,
}

#[derive(Default, Serialize)]
pub(super) struct ProofCounts {
    pub(super) unreachable: u64,
    pub(super) reachable: u64,
    pub(super) inconclusive: u64,
}

#[derive(Serialize)]
pub(super) struct Retention {
    pub(super) leaked_bytes: u64,
    pub(super) shared_bytes: u64,
    pub(super) live_bytes: u64,
}

#[derive(Serialize)]
pub(super) struct Retained<'a> {
    pub(super) goroutines: u64,
    pub(super) stack_bytes: u64,
    pub(super) heap_bytes: u64,
    pub(super) types: Vec<RetainedType<'a>>,
    pub(super) types_elided: usize,
}

#[derive(Serialize)]
pub(super) struct RetainedType<'a> {
    #[serde(rename = "type")]
    pub(super) name: &'a str,
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

#[derive(Serialize)]
pub(super) struct GcSummary {
    pub(super) collections: usize,
    pub(super) collections_elided: u64,
    pub(super) other_lines: u64,
    pub(super) growth: &'static str,
}

#[derive(Serialize)]
pub(super) struct Site<'a> {
    pub(super) operation: &'static str,
    pub(super) function: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Frame<'a> {
    pub(super) function: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct WaitMinutes {
    pub(super) min: u32,
    pub(super) max: u32,
}

#[derive(Serialize)]
pub(super) struct Group<'a> {
    pub(super) site: Site<'a>,
    pub(super) state: Option<&'a str>,
    pub(super) count: u64,
    pub(super) wait_minutes: Option<WaitMinutes>,
    pub(super) goroutines: Option<Vec<u64>>,
    pub(super) goroutines_elided: Option<u64>,
    pub(super) stack: Vec<Frame<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stack_elided: Option<StackElided>,
    pub(super) created_by: Option<Frame<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ancestors: Vec<Ancestor<'a>>,
    pub(super) labels: BTreeMap<&'a str, &'a str>,
    pub(super) verdict: &'static str,
    pub(super) retained_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retained: Option<Retained<'a>>,
    pub(super) evidence: Vec<Evidence<'a>>,
    pub(super) pattern: Option<&'static str>,
    pub(super) dismissed: Option<Dismissed<'a>>,
}

#[derive(Serialize)]
pub(super) struct StackElided {
    pub(super) at: usize,
    pub(super) count: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Ancestor<'a> {
    pub(super) stack: Vec<Frame<'a>>,
    pub(super) created_by: Option<Frame<'a>>,
}

#[derive(Serialize)]
pub(super) struct Dismissed<'a> {
    pub(super) by: &'static str,
    pub(super) reason: &'a str,
}

/// A number with its 95 % interval.
#[derive(Serialize)]
pub(super) struct Interval {
    pub(super) estimate: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Evidence<'a> {
    Threshold {
        rule: &'a str,
        count: u64,
        threshold: u64,
        share: f64,
        reason: &'a str,
    },
    Growth {
        before: u64,
        after: u64,
        stayed: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        requests: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        per_request: Option<Interval>,
    },
    Leftover {
        count: u64,
        grace_millis: u64,
    },
    RuntimeReported {
        count: u64,
    },
    Source {
        rule: &'a str,
    },
    Proof(Proof<'a>),
}

#[derive(Default, Serialize)]
pub(super) struct Proof<'a> {
    pub(super) result: &'static str,
    pub(super) count: u64,
    pub(super) object: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) objects: Vec<Awaited<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cause: Vec<Blame<'a>>,
    pub(super) path: Option<Vec<&'a str>>,
    pub(super) why: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Awaited<'a> {
    pub(super) description: &'a str,
    pub(super) address: u64,
    pub(super) buffer: Option<Buffer>,
    pub(super) waiters: u64,
}

#[derive(Serialize)]
pub(super) struct Buffer {
    pub(super) values: u64,
    pub(super) capacity: u64,
}

#[derive(Serialize)]
pub(super) struct Blame<'a> {
    pub(super) goroutine: u64,
    pub(super) why: &'a str,
}

#[derive(Serialize)]
pub(super) struct Finding<'a> {
    pub(super) code: &'a str,
    pub(super) verdict: &'static str,
    pub(super) operation: &'static str,
    pub(super) function: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    /// Null where source was read, which tells none.
    pub(super) count: Option<u64>,
    pub(super) retained_bytes: Option<u64>,
    pub(super) message: &'a str,
    pub(super) help: &'a str,
    pub(super) evidence: Vec<Evidence<'a>>,
    pub(super) witness: Vec<Step<'a>>,
    pub(super) fix: Option<Fix<'a>>,
    #[serde(flatten)]
    pub(super) source: Option<Source<'a>>,
    #[serde(flatten)]
    pub(super) fleet: Option<Fleet<'a>>,
    pub(super) pattern: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<&'a str>,
    /// Null where no test started the goroutines; not there at all where no tests ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) test: Option<Option<&'a str>>,
}

/// What only findings in a fleet have.
#[derive(Serialize)]
pub(super) struct Fleet<'a> {
    pub(super) service: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) instances: Instances<'a>,
    pub(super) owner: Option<&'a str>,
    pub(super) status: &'static str,
    pub(super) first_seen: Option<jiff::Timestamp>,
    pub(super) first_version: Option<&'a str>,
    pub(super) fingerprint: &'a str,
    pub(super) rate: Option<Rate>,
    pub(super) cost: Cost<'a>,
}

#[derive(Serialize)]
pub(super) struct Instances<'a> {
    pub(super) count: u64,
    pub(super) all: u64,
    pub(super) max: u64,
    pub(super) total: u64,
    pub(super) rms: f64,
    pub(super) worst: &'a str,
}

#[derive(Serialize)]
pub(super) struct Rate {
    pub(super) per_hour: f64,
    pub(super) since: Option<jiff::Timestamp>,
    pub(super) days_to_false_alarm: f64,
}

#[derive(Serialize)]
pub(super) struct Cost<'a> {
    pub(super) stack_bytes: Option<u64>,
    pub(super) heap_bytes: Option<u64>,
    pub(super) heap_top: Vec<Allocation<'a>>,
    pub(super) hours_to_limit: Option<f64>,
}

#[derive(Serialize)]
pub(super) struct Allocation<'a> {
    pub(super) function: &'a str,
    pub(super) bytes: u64,
}

/// What only findings in source have.
#[derive(Serialize)]
pub(super) struct Source<'a> {
    pub(super) end_line: Option<u32>,
    pub(super) end_column: Option<u32>,
    pub(super) related: Vec<Related<'a>>,
    pub(super) fingerprint: &'a str,
}

#[derive(Serialize)]
pub(super) struct Related<'a> {
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    pub(super) label: &'a str,
}

#[derive(Serialize)]
pub(super) struct Step<'a> {
    pub(super) goroutine: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
    pub(super) action: &'a str,
}

#[derive(Serialize)]
pub(super) struct Fix<'a> {
    pub(super) title: &'a str,
    pub(super) edits: Vec<Edit<'a>>,
}

#[derive(Serialize)]
pub(super) struct Edit<'a> {
    pub(super) file: &'a str,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) text: &'a str,
}

#[derive(Serialize)]
pub(super) struct Problem<'a> {
    pub(super) message: &'a str,
    pub(super) line: Option<u64>,
    pub(super) address: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Change<'a> {
    pub(super) change: &'static str,
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) verdict: &'static str,
    pub(super) identity: Option<Identity<'a>>,
    pub(super) moved_from: Option<Site<'a>>,
    pub(super) group: Group<'a>,
}

#[derive(Serialize)]
pub(super) struct Identity<'a> {
    pub(super) stayed: u64,
    pub(super) appeared: &'a [u64],
    pub(super) appeared_elided: u64,
    pub(super) vanished: &'a [u64],
    pub(super) vanished_elided: u64,
    pub(super) unknown: u64,
}

#[derive(Serialize)]
pub(super) struct Trend<'a> {
    pub(super) growth: &'static str,
    pub(super) message: &'a str,
    pub(super) measures: Vec<Measure>,
    pub(super) process_starts: &'a [usize],
    pub(super) judged: Judged,
}

#[derive(Serialize)]
pub(super) struct Judged {
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Serialize)]
pub(super) struct Measure {
    pub(super) measure: &'static str,
    pub(super) growth: &'static str,
    pub(super) per_collection: Slope,
    pub(super) per_hour: Option<Slope>,
    pub(super) median: f64,
    pub(super) total: f64,
    pub(super) p_value: f64,
    pub(super) points: usize,
}

#[derive(Serialize)]
pub(super) struct Slope {
    pub(super) estimate: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

#[derive(Serialize)]
pub(super) struct Collection {
    pub(super) number: u64,
    pub(super) at_seconds: Option<f64>,
    pub(super) heap_before_mb: f64,
    pub(super) heap_live_mb: f64,
    pub(super) objects: Option<u64>,
    pub(super) stacks_mb: Option<f64>,
    pub(super) globals_mb: Option<f64>,
    pub(super) goal_mb: Option<f64>,
    pub(super) forced: bool,
    pub(super) leak_check: bool,
    pub(super) line: u64,
}
