//! From a sweep and the history to findings in rank order.

use std::collections::HashMap;
use std::sync::Arc;

use gorphan_model::fleet::{Cost, FleetFacts, Instances, Rate, Status};
use gorphan_model::group::Site;
use gorphan_model::verdict::{Dismissal, DismissedBy, Policy, reconsider};
use gorphan_model::{Evidence, Finding, Group, Verdict};

use super::THRESHOLD;
use super::growth::{DAYS_TO_FALSE_ALARM, Detector, Growth};
use super::leakprof::{Spread, spreads};
use super::source::transient;
use super::version::first_bad;
use crate::history::{History, SiteKey, SweepRecord};
use crate::sweep::{Context, Exemplar, Exemplars, Suspect};

/// What to judge by.
pub struct Judge<'a> {
    /// As for a single program.
    pub policy: &'a Policy,
    /// The text of a source file by the name that stacks give it.
    pub source: &'a dyn Fn(&str) -> Option<String>,
}

/// What was judged. Lists run parallel, in rank order; `groups` ends with those that were dismissed.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Findings.
    pub findings: Vec<Finding>,
    /// What each has besides.
    pub facts: Vec<FleetFacts>,
    /// The group of each in the worst instance; then those that were dismissed.
    pub groups: Vec<Group>,
    /// The worst instances, to be looked at closer.
    pub suspects: Vec<Suspect>,
}

/// A site that is accused.
struct Case<'a> {
    service: &'a str,
    site: &'a Arc<Site>,
    exemplar: &'a Exemplar,
    spread: Spread,
    growth: Option<Growth>,
    verdict: Verdict,
    group: Group,
}

impl Judge<'_> {
    /// Judges every site of a sweep that is in the history already.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn judge<H: History>(
        &self,
        sweep: &SweepRecord,
        exemplars: &Exemplars,
        history: &H,
    ) -> Result<Judgement, H::Error> {
        let mut spreads = spreads(sweep);
        // Lines of one function grow together; the one with the most speaks for them.
        let mut most: HashMap<(String, SiteKey), u64> = HashMap::new();
        for ((service, site), spread) in &spreads {
            let slot = most
                .entry((service.clone(), key(service, site)))
                .or_default();
            *slot = (*slot).max(spread.max);
        }
        let mut growths: HashMap<SiteKey, Option<Growth>> = HashMap::new();
        let mut accused = Vec::new();
        let mut judgement = Judgement::default();
        let mut dismissed = Vec::new();
        for (service, site, exemplar) in exemplars.iter() {
            let Some(spread) = spreads.remove(&(service.to_owned(), (**site).clone())) else {
                continue;
            };
            let key = key(service, site);
            let speaks = most.get(&(service.to_owned(), key.clone())) == Some(&spread.max);
            let growth = if speaks && site.operation.waits_for_goroutine() {
                match growths.get(&key) {
                    Some(known) => *known,
                    None => {
                        let found = Detector::of(&history.series(&key)?).growth();
                        growths.insert(key, found);
                        found
                    }
                }
            } else {
                None
            };
            if let Some(mut case) = self.accuse(service, site, exemplar, spread, growth) {
                match self.finding(&mut case) {
                    Some(finding) => accused.push((finding, case)),
                    None => dismissed.push(case.group),
                }
            }
        }
        // LeakProf's order; of equals the surer first, then by name, so that the order is total.
        accused.sort_by(|(_, a), (_, b)| {
            let by_rms = b.spread.rms().total_cmp(&a.spread.rms());
            by_rms
                .then_with(|| b.verdict.cmp(&a.verdict))
                .then_with(|| (a.service, a.site).cmp(&(b.service, b.site)))
        });
        for (finding, case) in accused {
            let series = history.series(&key(case.service, case.site))?;
            let per_day = case.growth.map(|growth| growth.per_day);
            judgement
                .facts
                .push(facts(&case, first_bad(&series, per_day), sweep.at));
            judgement.suspects.push(suspect(&case));
            judgement.findings.push(finding);
            judgement.groups.push(case.group);
        }
        judgement.groups.extend(dismissed);
        Ok(judgement)
    }

    /// The evidence against a site; `None` if there is none.
    fn accuse<'a>(
        &self,
        service: &'a str,
        site: &'a Arc<Site>,
        exemplar: &'a Exemplar,
        spread: Spread,
        growth: Option<Growth>,
    ) -> Option<Case<'a>> {
        let mut group = exemplar.group.clone();
        group.evidence.clear();
        let mut verdict = Verdict::Normal;
        let threshold = self.policy.threshold.unwrap_or(THRESHOLD);
        if spread.max >= threshold && site.operation.waits_for_goroutine() {
            verdict = Verdict::Suspect;
            let all = exemplar.snapshot.goroutines().max(1);
            group.evidence.push(Evidence::Threshold {
                rule: "leakprof-threshold",
                count: spread.max,
                threshold,
                share: spread.max as f64 / all as f64,
                reason: format!("{threshold} or more are blocked at one place in one instance"),
            });
        }
        if let Some(growth) = growth {
            verdict = Verdict::Growing;
            let grown = growth.per_day.max(0.0) * days(growth.since, growth.alarmed);
            group.evidence.push(Evidence::Growth {
                before: spread.max.saturating_sub(grown as u64),
                after: spread.max,
                stayed: None,
            });
        }
        if spread.leaked > 0 {
            verdict = Verdict::Leak;
            group.evidence.insert(
                0,
                Evidence::RuntimeReported {
                    count: spread.leaked,
                },
            );
            // The report of the runtime may be of another instance than the most numerous group.
            group.leaked = spread.leaked;
            group.count = group.count.max(spread.leaked);
        }
        (verdict > Verdict::Normal).then_some(Case {
            service,
            site,
            exemplar,
            spread,
            growth,
            verdict,
            group,
        })
    }

    /// The finding, unless source or policy dismiss it; then the group says why.
    fn finding(&self, case: &mut Case<'_>) -> Option<Finding> {
        if case.verdict < Verdict::Leak
            && let Some(reason) = transient(case.site, self.source)
        {
            let by = DismissedBy::Transient;
            case.group.dismissed = Some(Dismissal { by, reason });
            return None;
        }
        let accused = std::iter::once((&mut case.group, case.verdict));
        let mut finding = reconsider(&case.exemplar.snapshot, accused, self.policy).pop()?;
        let spread = &case.spread;
        finding.message = format!(
            "{}: {}; {} of {} instances have it",
            case.service, finding.message, spread.with_site, spread.instances
        );
        Some(finding)
    }
}

fn days(from: i64, to: i64) -> f64 {
    (to.saturating_sub(from)) as f64 / 86_400.0
}

fn key(service: &str, site: &Site) -> SiteKey {
    SiteKey {
        service: service.into(),
        operation: site.operation,
        function: Arc::clone(&site.function),
    }
}

fn suspect(case: &Case<'_>) -> Suspect {
    Suspect {
        target: Arc::clone(&case.exemplar.target),
        goroutines: case.exemplar.snapshot.goroutines(),
    }
}

fn facts(case: &Case<'_>, first_version: Option<String>, at: i64) -> FleetFacts {
    let target = &case.exemplar.target;
    let spread = &case.spread;
    let owner = target.labels.get("owner");
    FleetFacts {
        service: case.service.to_owned(),
        version: target.version().to_owned(),
        instances: Instances {
            count: spread.with_site,
            all: spread.instances,
            max: spread.max,
            total: spread.total,
            rms: spread.rms(),
            worst: spread.worst.clone(),
        },
        owner: (!owner.is_empty()).then(|| owner.to_owned()),
        status: Status::New,
        first_seen: at,
        first_version,
        fingerprint: fingerprint(case.service, case.site),
        rate: case.growth.map(|growth| Rate {
            per_hour: growth.per_day / 24.0,
            since: growth.since,
            days_to_false_alarm: growth.evidence.max(DAYS_TO_FALSE_ALARM),
        }),
        cost: Cost::default(),
    }
}

/// What stays the same when lines move: service, operation and function.
pub fn fingerprint(service: &str, site: &Site) -> String {
    key(service, site).fingerprint()
}

/// What a finding costs, from a closer look at one of its instances: its share of the stacks, and how long memory lasts.
/// `limit` is what the instance may have, in bytes.
pub fn cost(facts: &FleetFacts, goroutines: u64, context: &Context, limit: Option<u64>) -> Cost {
    let Some(heap) = &context.heap else {
        return Cost::default();
    };
    let each = heap
        .stack_bytes
        .map(|bytes| bytes as f64 / goroutines.max(1) as f64);
    let hours_to_limit = match (limit, each, &facts.rate) {
        (Some(limit), Some(each), Some(rate)) if rate.per_hour * each > 0.0 => {
            let used = heap
                .in_use_bytes
                .unwrap_or(0)
                .saturating_add(heap.stack_bytes.unwrap_or(0));
            let left = limit.saturating_sub(used) as f64;
            Some(left / (rate.per_hour * each))
        }
        _ => None,
    };
    Cost {
        stack_bytes: each.map(|each| (each * facts.instances.max as f64) as u64),
        heap_bytes: heap.in_use_bytes,
        heap_top: heap
            .top
            .iter()
            .map(|one| (one.function.clone(), one.bytes))
            .collect(),
        hours_to_limit,
    }
}
