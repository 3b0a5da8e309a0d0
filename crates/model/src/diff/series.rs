//! More than two snapshots, oldest first: how each site went.

use crate::group::group;
use crate::query::GroupBy;
use crate::{Evidence, Group, Snapshot, Verdict};

/// One site through a series of snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteSeries {
    /// Goroutines in each snapshot, oldest first; 0 where the site is not there.
    pub counts: Vec<u64>,
    /// The group of the last snapshot that has the site.
    pub group: Group,
    /// From the first snapshot that has the site to the end of the series the count never fell, and rose at least twice.
    pub keeps_growing: bool,
    /// Growing where it never fell, rose at least twice, and the operation waits for another goroutine.
    pub verdict: Verdict,
}

/// Follows each site through a series of snapshots of one program, oldest first; worst first, then the largest growth.
///
/// A site is followed from each snapshot to the next as in [`super::diff`]; one that was gone and comes back starts
/// anew. Two rises without a fall are growth whatever its size: load goes up and down, a leak only up. A site that was
/// there before the first snapshot and grew between only two of them is judged as in [`super::diff`].
pub fn series(snapshots: &[Snapshot]) -> Vec<SiteSeries> {
    let mut done: Vec<SiteSeries> = Vec::new();
    let mut live: Vec<SiteSeries> = Vec::new();
    let mut previous: Vec<Group> = Vec::new();
    for (index, snapshot) in snapshots.iter().enumerate() {
        let groups = group(snapshot, GroupBy::Site);
        let mut next = Vec::new();
        for pair in super::pairing::pair(&previous, &groups) {
            // `live` runs parallel to `previous`.
            let so_far = pair
                .before
                .and_then(|at| live.get(at))
                .map(|site| site.counts.clone());
            let mut counts = so_far.unwrap_or_else(|| vec![0; index]);
            let new = pair.after.and_then(|at| groups.get(at));
            match (new, pair.before.and_then(|at| live.get(at))) {
                (Some(group), _) => {
                    counts.push(group.count);
                    next.push((pair.after, site(counts, group.clone())));
                }
                (None, Some(old)) => done.push(site(counts, old.group.clone())),
                (None, None) => {}
            }
        }
        next.sort_by_key(|(at, _)| *at);
        live = next.into_iter().map(|(_, site)| site).collect();
        previous = groups;
    }
    done.append(&mut live);
    for site in &mut done {
        site.counts.resize(snapshots.len(), 0);
        judge(site);
    }
    done.sort_by(|a, b| {
        let growth = |site: &SiteSeries| {
            let ends = site.counts.last().zip(site.counts.first());
            ends.map_or(0, |(last, first)| i128::from(*last) - i128::from(*first))
        };
        b.verdict
            .cmp(&a.verdict)
            .then_with(|| growth(b).cmp(&growth(a)))
            .then_with(|| b.counts.last().cmp(&a.counts.last()))
            .then_with(|| a.group.site.cmp(&b.group.site))
            .then_with(|| a.group.samples.cmp(&b.group.samples))
    });
    done
}

fn site(counts: Vec<u64>, group: Group) -> SiteSeries {
    SiteSeries {
        counts,
        group,
        keeps_growing: false,
        verdict: Verdict::Normal,
    }
}

fn judge(site: &mut SiteSeries) {
    let from = site.counts.iter().position(|count| *count > 0).unwrap_or(0);
    let seen = site.counts.get(from..).unwrap_or_default();
    let steps = || seen.iter().zip(seen.iter().skip(1));
    let rises = steps().filter(|(old, new)| new > old).count();
    site.keeps_growing = rises >= 2 && steps().all(|(old, new)| new >= old);
    if let (true, Some(first), Some(last)) = (site.keeps_growing, seen.first(), seen.last()) {
        site.group.evidence.push(Evidence::Growth {
            before: *first,
            after: *last,
            stayed: None,
        });
        if site.group.site.operation.waits_for_goroutine() {
            site.verdict = Verdict::Growing;
        }
    }
    if site.counts.last().is_some_and(|last| *last > 0) {
        super::certain(&mut site.group);
        if site.group.leaked > 0 || site.group.unreachable() > 0 {
            site.verdict = Verdict::Leak;
        }
    }
    site.group.verdict = site.verdict;
}
