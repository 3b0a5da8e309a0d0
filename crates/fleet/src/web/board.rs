//! The board: all that the pages show of the last pass, made once after each and never changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use gorphan_model::fleet::FleetFacts;
use gorphan_model::group::Site;
use gorphan_model::{Group, Verdict, symbol};
use serde::{Deserialize, Serialize};

use super::captures::Captures;
use super::series;
use super::view::{self, Finding, Series};
use super::words;
use crate::history::{History, SiteKey, Store, StoreError};
use crate::pass::Pass;
use crate::rank::leakprof::spreads;

/// Bytes of a goroutine's stack at least: `stackMin` in `runtime/stack.go`, Go 1.4 to 1.27.
const LEAST_STACK_BYTES: u64 = 2048;
/// Sweeps that are listed: a day of them, every two minutes.
const MAX_SWEEPS: usize = 720;
/// Sites listed of one service, most goroutines first.
const MAX_SITES: usize = 200;
/// Frames listed of a stack; the runtime itself prints at most 100.
const MAX_FRAMES: usize = 100;
/// Findings whose course over time is kept; of more the most expensive.
pub(super) const MAX_SERIES: usize = 500;

/// What the pages show.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Board {
    /// The time of the last pass, seconds of Unix time; `None` before the first.
    pub at: Option<i64>,
    /// Most expensive first.
    pub findings: Vec<Finding>,
    /// What was dismissed, with the reason.
    pub dismissed: Vec<view::Dismissed>,
    /// By name.
    pub services: Vec<view::Service>,
    /// The sites of each service, most goroutines first.
    pub sites: BTreeMap<String, Vec<view::Site>>,
    /// By job and instance.
    pub targets: Vec<view::Target>,
    /// Newest first.
    pub sweeps: Vec<view::Sweep>,
    /// How findings went over time, by fingerprint.
    #[serde(skip)]
    pub series: HashMap<String, Series>,
    /// Captures that can be looked at.
    #[serde(skip)]
    pub captures: Captures,
    /// What waits for the history.
    #[serde(skip)]
    pub history: view::Backlog,
    /// Sources of targets that did not work.
    pub troubles: Vec<String>,
}

impl Board {
    /// The board after another pass, which took so long.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn after(&self, pass: &Pass, took: Duration, history: &Store) -> Result<Self, StoreError> {
        let judgement = &pass.judgement;
        let judged = judgement.findings.iter().zip(&judgement.facts);
        let judged = judged.zip(&judgement.groups);
        let mut findings: Vec<Finding> = judged
            .map(|((finding, facts), group)| self::finding(finding, facts, group))
            .collect();
        findings.sort_by(|a, b| {
            let by_cost = b.cost.bytes.cmp(&a.cost.bytes);
            by_cost.then_with(|| (&a.service, &a.function).cmp(&(&b.service, &b.function)))
        });
        let mut courses = HashMap::new();
        let mut keys: HashMap<&str, SiteKey> = HashMap::new();
        for (facts, group) in judgement.facts.iter().zip(&judgement.groups) {
            keys.insert(&facts.fingerprint, key(&facts.service, &group.site));
        }
        for finding in findings.iter().take(MAX_SERIES) {
            if let Some(key) = keys.get(finding.fingerprint.as_str()) {
                let points = history.series(key)?;
                courses.insert(finding.fingerprint.clone(), series::of(&points));
            }
        }
        let dismissed = judgement.groups.iter().skip(judgement.findings.len());
        let targets = self.targets(pass);
        let services = services(&targets, &findings);
        Ok(Self {
            at: Some(pass.at),
            dismissed: dismissed.filter_map(self::dismissed).collect(),
            services,
            sites: sites(pass, &findings),
            sweeps: self.sweeps(pass, took, &findings),
            captures: self.captures.after(pass, history.raw_seconds()),
            history: view::Backlog::of(history.backlog()),
            troubles: pass.found.troubles.iter().map(trouble).collect(),
            findings,
            targets,
            series: courses,
        })
    }

    /// The finding of that fingerprint.
    pub fn finding(&self, fingerprint: &str) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.fingerprint == fingerprint)
    }

    fn targets(&self, pass: &Pass) -> Vec<view::Target> {
        let before: HashMap<(&str, &str), &view::Target> = self
            .targets
            .iter()
            .map(|target| ((target.job.as_str(), target.instance.as_str()), target))
            .collect();
        let at = words::rfc3339(pass.at);
        let blank = |target: &crate::discover::Target| view::Target {
            job: target.job().to_owned(),
            service: target.service().to_owned(),
            instance: target.instance().to_owned(),
            version: known(target.version()),
            address: target.shown(),
            state: "up",
            asked: Some(at.clone()),
            answered: Some(at.clone()),
            error: None,
            goroutines: None,
            leak_profile: None,
            labels: target
                .labels
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        let up = pass.swept.looks.iter().map(|look| view::Target {
            goroutines: Some(look.goroutines),
            leak_profile: Some(look.leaked.is_some()),
            ..blank(&look.target)
        });
        let down = pass.swept.failures.iter().map(|failure| {
            let target = blank(&failure.target);
            let key = (target.job.as_str(), target.instance.as_str());
            let before = before.get(&key);
            let was_asked = failure.attempts > 0;
            view::Target {
                state: if was_asked { "down" } else { "paused" },
                asked: match was_asked {
                    true => target.asked.clone(),
                    false => before.and_then(|before| before.asked.clone()),
                },
                answered: before.and_then(|before| before.answered.clone()),
                error: Some(failure.reason.clone()),
                ..target.clone()
            }
        });
        let mut targets: Vec<view::Target> = up.chain(down).collect();
        targets.sort_by(|a, b| (&a.job, &a.instance).cmp(&(&b.job, &b.instance)));
        targets
    }

    fn sweeps(&self, pass: &Pass, took: Duration, findings: &[Finding]) -> Vec<view::Sweep> {
        let swept = &pass.swept;
        let sweep = view::Sweep {
            at: words::rfc3339(pass.at),
            at_seconds: pass.at,
            seconds: Some(took.as_secs_f64()),
            up: swept.looks.len(),
            down: swept.failures.len(),
            goroutines: sum(swept.looks.iter().map(|look| look.goroutines)),
            requests: swept.requests,
            bytes: swept.bytes,
            findings: findings.len(),
            new: findings.iter().filter(|it| it.status == "new").count(),
        };
        let mut sweeps = vec![sweep];
        sweeps.extend(self.sweeps.iter().take(MAX_SWEEPS - 1).cloned());
        sweeps
    }
}

fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn key(service: &str, site: &Site) -> SiteKey {
    SiteKey {
        service: service.into(),
        operation: site.operation,
        function: site.function.clone(),
    }
}

fn trouble(trouble: &crate::discover::Trouble) -> String {
    format!("job {}: {}", trouble.job, trouble.message)
}

fn finding(finding: &gorphan_model::Finding, facts: &FleetFacts, group: &Group) -> Finding {
    let site = &group.site;
    let instances = &facts.instances;
    Finding {
        fingerprint: facts.fingerprint.clone(),
        code: finding.code,
        verdict: finding.verdict.as_str(),
        status: facts.status.as_str().to_owned(),
        service: facts.service.clone(),
        version: known(&facts.version),
        first_version: facts.first_version.clone(),
        first_seen: words::rfc3339(facts.first_seen),
        operation: site.operation.as_str(),
        function: site.function.to_string(),
        file: known(&site.file),
        line: (site.line > 0).then_some(site.line),
        goroutines: instances.total,
        instances: view::Instances {
            count: instances.count,
            all: instances.all,
            max: instances.max,
            rms: instances.rms,
            worst: instances.worst.clone(),
        },
        rate: facts.rate.as_ref().map(|rate| view::Rate {
            per_hour: rate.per_hour,
            since: words::rfc3339(rate.since),
            days_to_false_alarm: rate.days_to_false_alarm,
        }),
        cost: cost(facts),
        owner: facts.owner.clone(),
        pattern: finding.pattern.map(|pattern| view::Pattern {
            name: pattern.name(),
            sentence: pattern.sentence(),
        }),
        message: finding.message.clone(),
        help: finding.help.clone(),
        evidence: finding
            .evidence
            .iter()
            .map(|evidence| view::Evidence {
                kind: evidence.kind(),
                text: gorphan_report::evidence_sentence(evidence),
            })
            .collect(),
        waits: group.waits.as_ref().and_then(waits),
        stack: group
            .stack
            .frames
            .iter()
            .take(MAX_FRAMES)
            .map(frame)
            .collect(),
        created_by: group.created_by.as_ref().map(frame),
    }
}

fn frame(frame: &gorphan_model::Frame) -> view::Frame {
    view::Frame {
        function: symbol::canonical(&frame.function).into_owned(),
        file: known(&frame.file),
        line: (frame.line > 0).then_some(frame.line),
    }
}

fn waits(waits: &gorphan_model::Waits) -> Option<String> {
    Some(match waits.range()? {
        (_, 0) => "less than a minute".to_owned(),
        (min, max) if min == max => words::span(f64::from(max) * 60.0),
        (min, max) => format!(
            "{} to {}",
            words::span(f64::from(min) * 60.0),
            words::span(f64::from(max) * 60.0)
        ),
    })
}

fn cost(facts: &FleetFacts) -> view::Cost {
    let cost = &facts.cost;
    let instances = &facts.instances;
    // What was measured in the worst instance holds for the goroutines of the others.
    let each = cost
        .stack_bytes
        .map(|bytes| bytes / instances.max.max(1))
        .filter(|each| *each >= LEAST_STACK_BYTES);
    view::Cost {
        bytes: instances
            .total
            .saturating_mul(each.unwrap_or(LEAST_STACK_BYTES)),
        measured: each.is_some(),
        stack_bytes: cost.stack_bytes,
        heap_bytes: cost.heap_bytes,
        heap_top: cost
            .heap_top
            .iter()
            .map(|(function, bytes)| view::Allocation {
                function: function.clone(),
                bytes: *bytes,
            })
            .collect(),
        hours_to_limit: cost.hours_to_limit,
    }
}

fn dismissed(group: &Group) -> Option<view::Dismissed> {
    let dismissal = group.dismissed.as_ref()?;
    Some(view::Dismissed {
        operation: group.site.operation.as_str(),
        function: group.site.function.to_string(),
        goroutines: group.count,
        reason: dismissal.reason.clone(),
    })
}

/// How bad a verdict is, for sorting.
pub(crate) fn severity(verdict: &str) -> Verdict {
    let all = [Verdict::Leak, Verdict::Growing, Verdict::Suspect];
    let found = all.into_iter().find(|it| it.as_str() == verdict);
    found.unwrap_or(Verdict::Normal)
}

fn services(targets: &[view::Target], findings: &[Finding]) -> Vec<view::Service> {
    let mut by_name: BTreeMap<&str, Vec<&view::Target>> = BTreeMap::new();
    for target in targets {
        by_name.entry(&target.service).or_default().push(target);
    }
    let of_service = by_name.into_iter().map(|(service, targets)| {
        let mut versions: BTreeMap<&Option<String>, usize> = BTreeMap::new();
        let up = targets.iter().filter(|target| target.state == "up");
        for target in up.clone() {
            *versions.entry(&target.version).or_default() += 1;
        }
        let mut versions: Vec<view::Version> = versions
            .into_iter()
            .map(|(version, instances)| view::Version {
                version: version.clone(),
                instances,
            })
            .collect();
        versions.sort_by_key(|version| Reverse(version.instances));
        let mine = findings.iter().filter(|it| it.service == service);
        let owner = targets.iter().find_map(|target| {
            let mut labels = target.labels.iter();
            labels.find(|(name, _)| name == "owner")
        });
        let worst = mine.clone().map(|it| severity(it.verdict)).max();
        view::Service {
            service: service.to_owned(),
            owner: owner.map(|(_, value)| value.clone()),
            versions,
            instances: up.clone().count(),
            failed: targets.len() - up.clone().count(),
            goroutines: sum(up.filter_map(|target| target.goroutines)),
            findings: mine.clone().count(),
            verdict: worst.unwrap_or(Verdict::Normal).as_str(),
            cost_bytes: sum(mine.map(|it| it.cost.bytes)),
        }
    });
    of_service.collect()
}

fn sites(pass: &Pass, findings: &[Finding]) -> BTreeMap<String, Vec<view::Site>> {
    let found: HashSet<&str> = findings.iter().map(|it| it.fingerprint.as_str()).collect();
    let mut of_service: BTreeMap<String, Vec<view::Site>> = BTreeMap::new();
    for ((service, site), spread) in spreads(&pass.record) {
        let print = crate::rank::fingerprint(&service, &site);
        let sites = of_service.entry(service).or_default();
        sites.push(view::Site {
            operation: site.operation.as_str(),
            function: site.function.to_string(),
            file: known(&site.file),
            line: (site.line > 0).then_some(site.line),
            goroutines: spread.total,
            max: spread.max,
            instances: spread.with_site,
            fingerprint: found.contains(print.as_str()).then_some(print),
        });
    }
    for sites in of_service.values_mut() {
        sites.sort_by(|a, b| {
            let by_count = b.goroutines.cmp(&a.goroutines);
            by_count.then_with(|| (&a.function, a.line).cmp(&(&b.function, b.line)))
        });
        sites.truncate(MAX_SITES);
    }
    of_service
}
