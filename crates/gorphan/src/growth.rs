//! What several dumps of one input tell beyond the last: sites that grew.

use std::cmp::Reverse;
use std::collections::HashMap;

use gorphan_model::diff::{diff, series};
use gorphan_model::verdict::{Policy, reconsider};
use gorphan_model::{Evidence, Finding, Group, Site, Snapshot, Verdict};

/// Raises the verdict of `judged`, the groups of the last of `snapshots`, where their sites grew through all of them, and
/// puts the findings in order again.
pub(crate) fn apply(
    snapshots: &[Snapshot],
    judged: &mut [Group],
    findings: &mut Vec<Finding>,
    policy: &Policy,
) {
    let grown = grown(snapshots);
    let Some(last) = snapshots.last() else {
        return;
    };
    let raised = judged.iter_mut().filter_map(|group| {
        let evidence = grown.get(&group.site)?;
        if group.verdict >= Verdict::Growing {
            return None;
        }
        group.evidence.push(evidence.clone());
        Some((group, Verdict::Growing))
    });
    let news = reconsider(last, raised, policy);
    findings.retain(|old| !news.iter().any(|new| same_site(old, new)));
    findings.extend(news);
    findings.sort_by_key(|finding| Reverse((finding.verdict, finding.count)));
}

/// The sites that grew, with the evidence. Two dumps are compared as `gorphan diff` does; more show whether a site only
/// ever grows.
fn grown(snapshots: &[Snapshot]) -> HashMap<Site, Evidence> {
    let groups: Vec<(Verdict, Group)> = match snapshots {
        [before, after] => diff(before, after)
            .into_iter()
            .map(|change| (change.verdict, change.group))
            .collect(),
        several => series(several)
            .into_iter()
            .map(|site| (site.verdict, site.group))
            .collect(),
    };
    let growing = groups
        .into_iter()
        .filter(|(verdict, _)| *verdict == Verdict::Growing);
    growing
        .filter_map(|(_, group)| {
            let is_growth = |evidence: &&Evidence| matches!(evidence, Evidence::Growth { .. });
            let evidence = group.evidence.iter().find(is_growth)?.clone();
            Some((group.site, evidence))
        })
        .collect()
}

fn same_site(a: &Finding, b: &Finding) -> bool {
    a.operation == b.operation && a.place == b.place
}
