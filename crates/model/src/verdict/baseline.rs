//! A wire module: the baseline file, what was known when it was written.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::verdict::{Dismissal, DismissedBy};
use crate::{Evidence, Group, symbol};

/// Sites that are known, with how many goroutines each may have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`Baseline::VERSION`].
    pub version: u32,
    /// By function, then operation, then creator.
    pub sites: Vec<KnownSite>,
}

/// One known site. It has no line, so that edits elsewhere in the file do not make it new.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownSite {
    /// Canonical name of the function.
    pub function: String,
    /// In the words of the JSON report.
    pub operation: String,
    /// Canonical name of the function with the `go` statement. `None` where the source did not know it; it then
    /// stands for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Goroutines.
    pub count: u64,
}

impl Baseline {
    /// The version that this program writes.
    pub const VERSION: u32 = 1;

    /// A site may pass its known count by this part of it, in percent, because a count is a moment's.
    pub const SLACK_PERCENT: u64 = 10;

    /// What is found in `groups`, judged before: those with evidence that no rule of the user dismissed.
    pub fn of(groups: &[Group]) -> Self {
        let mut counts: HashMap<KnownSite, u64> = HashMap::new();
        for group in groups {
            let by = group.dismissed.as_ref().map(|dismissal| dismissal.by);
            if !group.evidence.iter().any(Evidence::accuses)
                || !matches!(by, None | Some(DismissedBy::Baseline))
            {
                continue;
            }
            let slot = counts.entry(fingerprint(group)).or_default();
            *slot = slot.saturating_add(group.count);
        }
        let mut sites: Vec<KnownSite> = counts
            .into_iter()
            .map(|(site, count)| KnownSite { count, ..site })
            .collect();
        sites.sort();
        Self {
            version: Self::VERSION,
            sites,
        }
    }

    /// For each group whether the baseline dismisses it. Groups that differ only by line share one known count.
    pub(super) fn counts(&self, groups: &[Group]) -> Vec<Option<Dismissal>> {
        let mut known: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (index, site) in self.sites.iter().enumerate() {
            let key = (site.function.as_str(), site.operation.as_str());
            known.entry(key).or_default().push(index);
        }
        let find = |group: &Group| {
            let key = (&*group.site.function, group.site.operation.as_str());
            let creator = creator(group);
            let mut same = known.get(&key)?.iter().copied();
            same.find(|index| {
                let theirs = self.sites.get(*index).and_then(|it| it.created_by.as_ref());
                !matches!((theirs, &creator), (Some(theirs), Some(ours)) if theirs != ours)
            })
        };
        let found: Vec<Option<usize>> = groups.iter().map(find).collect();
        let mut totals = vec![0_u64; self.sites.len()];
        for (group, site) in groups.iter().zip(&found) {
            if let Some(total) = site.and_then(|site| totals.get_mut(site)) {
                *total = total.saturating_add(group.count);
            }
        }
        let verdict = |site: &Option<usize>| {
            let index = (*site)?;
            let (known, total) = (self.sites.get(index)?.count, *totals.get(index)?);
            (total <= allowed(known)).then(|| Dismissal {
                by: DismissedBy::Baseline,
                reason: format!("{total} goroutines, {known} in the baseline"),
            })
        };
        found.iter().map(verdict).collect()
    }
}

/// The count up to which a site with `known` goroutines stays dismissed.
fn allowed(known: u64) -> u64 {
    let slack = known.saturating_mul(Baseline::SLACK_PERCENT) / 100;
    known.saturating_add(slack)
}

/// What identifies a group in a baseline; the count is left 0.
fn fingerprint(group: &Group) -> KnownSite {
    KnownSite {
        function: group.site.function.to_string(),
        operation: group.site.operation.as_str().to_owned(),
        created_by: creator(group),
        count: 0,
    }
}

fn creator(group: &Group) -> Option<String> {
    let created_by = group.created_by.as_ref();
    created_by.map(|frame| symbol::canonical(&frame.function).into_owned())
}
