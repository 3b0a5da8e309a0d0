//! A sweep over a fleet.

use gorphan_model::Finding;
use gorphan_model::fleet::FleetFacts;

use super::{document as base, finding, group, known, no_summary, wire};
use crate::FleetReport;

pub(super) fn document<'a>(report: &'a FleetReport<'_>) -> wire::Document<'a> {
    let findings = report.findings.iter().zip(report.facts);
    wire::Document {
        summary: wire::Summary {
            goroutines: Some(report.goroutines),
            groups: report.groups.len(),
            findings: report.findings.len(),
            fleet: Some(wire::FleetSummary {
                targets: report.targets,
                targets_failed: report.targets_failed,
            }),
            ..no_summary()
        },
        groups: report.groups.iter().map(group).collect(),
        findings: findings
            .map(|(one, facts)| wire::Finding {
                fleet: Some(fleet(facts)),
                ..finding(one)
            })
            .collect(),
        ..base(&report.target, &report.problems)
    }
}

/// One finding, as it stands in the document of a sweep.
pub(crate) fn one(one: &Finding, facts: &FleetFacts) -> serde_json::Value {
    let wire = wire::Finding {
        fleet: Some(fleet(facts)),
        ..finding(one)
    };
    // Texts and finite numbers: nothing that JSON cannot hold.
    serde_json::to_value(wire).unwrap_or_default()
}

fn fleet(facts: &FleetFacts) -> wire::Fleet<'_> {
    let instances = &facts.instances;
    wire::Fleet {
        service: &facts.service,
        version: known(&facts.version),
        instances: wire::Instances {
            count: instances.count,
            all: instances.all,
            max: instances.max,
            total: instances.total,
            rms: instances.rms,
            worst: &instances.worst,
        },
        owner: facts.owner.as_deref(),
        status: facts.status.as_str(),
        first_seen: time(facts.first_seen),
        first_version: facts.first_version.as_deref(),
        fingerprint: &facts.fingerprint,
        rate: facts.rate.map(|rate| wire::Rate {
            per_hour: rate.per_hour,
            since: time(rate.since),
            days_to_false_alarm: rate.days_to_false_alarm,
        }),
        cost: wire::Cost {
            stack_bytes: facts.cost.stack_bytes,
            heap_bytes: facts.cost.heap_bytes,
            heap_top: facts
                .cost
                .heap_top
                .iter()
                .map(|(function, bytes)| wire::Allocation {
                    function,
                    bytes: *bytes,
                })
                .collect(),
            hours_to_limit: facts.cost.hours_to_limit,
        },
    }
}

fn time(seconds: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(seconds).ok()
}
