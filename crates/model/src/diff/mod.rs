//! Two snapshots of one program, or a series of them: what grew, what is new, what is gone.

mod pairing;
mod series;

use std::collections::HashSet;

pub use series::{SiteSeries, series};

use crate::group::{Outcome, group};
use crate::query::GroupBy;
use crate::verdict::{self, Policy};
use crate::{
    Evidence, Finding, GoroutineId, Group, Identities, Operation, Site, Snapshot, Verdict,
};

/// How a site changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words say it
pub enum Change {
    New,
    Grown,
    Same,
    Shrunk,
    Gone,
}

/// One site in both snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteChange {
    /// How it changed.
    pub change: Change,
    /// Goroutines before.
    pub before: u64,
    /// Goroutines after.
    pub after: u64,
    /// Goroutines by number that are in both, only after, only before; `None` where a source has no ids.
    pub identity: Option<IdentityChange>,
    /// The site before, where it is the same function and operation at another line or in another file, as after an
    /// edit of the source: matched because nothing else could be meant.
    pub moved_from: Option<Site>,
    /// The group after, or before when it is gone.
    pub group: Group,
    /// Growing where it grew and kept what it had.
    pub verdict: Verdict,
}

/// Which goroutines of a site stayed, came and went.
///
/// Where a source left numbers out or ended early, a goroutine that is not seen may still be there: then only what is sure
/// is listed, so that every figure is a lower bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityChange {
    /// In both snapshots at this site.
    pub stayed: u64,
    /// Numbers only in the second.
    pub appeared: Vec<u64>,
    /// Numbers only in the first.
    pub vanished: Vec<u64>,
    /// Identities that were not kept, so that the numbers above are a lower bound.
    pub elided: u64,
}

/// Growth from which counts alone, without goroutine numbers, are taken for growth: at least this many more goroutines...
///
/// A pool that breathes by a few goroutines between two captures is common; ten more of the same in one place are not.
pub const MATERIAL_GOROUTINES: u64 = 10;
/// ...and at least this part of what was there, in percent. Load that rises by a third makes everything rise by a third.
pub const MATERIAL_PERCENT: u64 = 50;
/// What a site must have kept of its goroutines to be growing, in percent. A little less than all: among a thousand
/// leaked ones a few may be those that were just passing.
pub const KEPT_PERCENT: u64 = 90;

/// Compares two snapshots by blocked site, worst verdict and largest growth first.
///
/// Sites match by operation, canonical function, file and line, whatever machine, Go version or format they come from;
/// see `pairing` for closures and for lines that moved. The verdicts:
///
/// - *Growing*: the operation waits for another goroutine, the count grew, and of the goroutines before, by number, at
///   least [`KEPT_PERCENT`] are still there. Without numbers, what was kept cannot be known; then growth must be material
///   ([`MATERIAL_GOROUTINES`] and [`MATERIAL_PERCENT`]) and nothing is said of `stayed`.
/// - *Suspect*: material growth where it is unknown what the goroutines wait for (`debug=1` hides it), or of goroutines
///   that sleep, run or wait for I/O and by number stayed; and a new site of at least [`MATERIAL_GOROUTINES`] that wait.
/// - *Leak*: only what the runtime itself reports.
///
/// Numbers are comparable within one process only. Two runs of one program also share small numbers, and nothing in a
/// dump tells runs apart: comparing a program with its earlier run may call a start-up goroutine one that stayed, never
/// a shrinking site a growing one.
pub fn diff(before: &Snapshot, after: &Snapshot) -> Vec<SiteChange> {
    let old = group(before, GroupBy::Site);
    let new = group(after, GroupBy::Site);
    diff_groups(&Side::new(before, old), &Side::new(after, new))
}

/// [`diff`] under a policy: `ignore`, `own`, benign goroutines and the baseline count as in [`verdict::judge`], whose
/// evidence of the second snapshot is kept beside the growth. Returns the changes, and findings for what is new, grown or
/// reported by the runtime.
pub fn judge(
    before: &Snapshot,
    after: &Snapshot,
    policy: &Policy,
) -> (Vec<SiteChange>, Vec<Finding>) {
    let old = group(before, GroupBy::Site);
    let mut new = group(after, GroupBy::Site);
    verdict::judge(after, &mut new, policy);
    let mut changes = diff_groups(&Side::new(before, old), &Side::new(after, new));
    let news = changes.iter_mut().filter(|change| {
        let is_news = matches!(change.change, Change::New | Change::Grown);
        let is_leak = change.after > 0 && change.verdict == Verdict::Leak;
        (is_news || is_leak) && change.verdict > Verdict::Normal
    });
    let groups = news.map(|change| (&mut change.group, change.verdict));
    let findings = verdict::reconsider(after, groups, policy);
    for change in &mut changes {
        change.verdict = change.group.verdict;
    }
    sort(&mut changes);
    (changes, findings)
}

/// One of the two snapshots, grouped by site.
struct Side {
    groups: Vec<Group>,
    /// Nothing is known to be missing, so that a number that is not here is not there.
    is_whole: bool,
}

impl Side {
    fn new(snapshot: &Snapshot, groups: Vec<Group>) -> Self {
        Self {
            groups,
            is_whole: !snapshot.truncated && snapshot.problems.is_empty(),
        }
    }
}

fn diff_groups(before: &Side, after: &Side) -> Vec<SiteChange> {
    let has_ids = |side: &Side| {
        side.groups
            .iter()
            .any(|group| !group.identities.known.is_empty())
    };
    let both_have_ids = has_ids(before) && has_ids(after);
    let pairs = pairing::pair(&before.groups, &after.groups);
    let mut changes: Vec<SiteChange> = pairs
        .into_iter()
        .filter_map(|pair| {
            let old = pair.before.and_then(|at| before.groups.get(at));
            let new = pair.after.and_then(|at| after.groups.get(at));
            let shown = new.or(old)?;
            let identity = both_have_ids.then(|| {
                let ids = |group: Option<&Group>| {
                    group
                        .map(|group| group.identities.clone())
                        .unwrap_or_default()
                };
                identity(&ids(old), before.is_whole, &ids(new), after.is_whole)
            });
            let counts = (
                old.map_or(0, |group| group.count),
                new.map_or(0, |group| group.count),
            );
            let moved_from = old.filter(|_| pair.moved).map(|group| group.site.clone());
            Some(change(counts, identity, moved_from, shown.clone()))
        })
        .collect();
    sort(&mut changes);
    changes
}

/// Worst first, then what grew most, then what is most, then by site.
fn sort(changes: &mut [SiteChange]) {
    changes.sort_by(|a, b| {
        let growth = |change: &SiteChange| i128::from(change.after) - i128::from(change.before);
        b.verdict
            .cmp(&a.verdict)
            .then_with(|| growth(b).cmp(&growth(a)))
            .then_with(|| b.after.cmp(&a.after))
            .then_with(|| a.group.site.cmp(&b.group.site))
            .then_with(|| a.group.samples.cmp(&b.group.samples))
    });
}

fn change(
    (before, after): (u64, u64),
    identity: Option<IdentityChange>,
    moved_from: Option<Site>,
    mut group: Group,
) -> SiteChange {
    let change = match (before, after) {
        (0, _) => Change::New,
        (_, 0) => Change::Gone,
        _ if after > before => Change::Grown,
        _ if after < before => Change::Shrunk,
        _ => Change::Same,
    };
    let growth = growth_verdict(&group, before, after, identity.as_ref());
    if after > before {
        group.evidence.push(Evidence::Growth {
            before,
            after,
            stayed: identity.as_ref().map(|identity| identity.stayed),
        });
    }
    let is_certain = change != Change::Gone && (group.leaked > 0 || group.unreachable() > 0);
    if change != Change::Gone {
        certain(&mut group);
    }
    let verdict = match (&group.dismissed, change, is_certain) {
        (Some(_), ..) | (_, Change::Gone, _) => Verdict::Normal,
        (None, _, true) => Verdict::Leak,
        (None, ..) => group.verdict.max(growth),
    };
    group.verdict = verdict;
    SiteChange {
        change,
        before,
        after,
        identity,
        moved_from,
        group,
        verdict,
    }
}

/// Adds what the runtime reported and what was proven, where it is not told yet.
pub(super) fn certain(group: &mut Group) {
    let told = |group: &Group, kind: &str| group.evidence.iter().any(|one| one.kind() == kind);
    if group.leaked > 0 && !told(group, "runtime_reported") {
        group.evidence.push(Evidence::RuntimeReported {
            count: group.leaked,
        });
    }
    if !told(group, "proof") {
        let proven: Vec<Evidence> = group.proven.iter().map(Outcome::evidence).collect();
        group.evidence.extend(proven);
    }
}

/// What growth alone says; see [`diff`].
fn growth_verdict(
    group: &Group,
    before: u64,
    after: u64,
    identity: Option<&IdentityChange>,
) -> Verdict {
    let grown_by = after.saturating_sub(before);
    let is_material = grown_by >= MATERIAL_GOROUTINES
        && u128::from(grown_by) * 100 >= u128::from(before) * u128::from(MATERIAL_PERCENT);
    let kept = identity.map(|identity| {
        u128::from(identity.stayed) * 100 >= u128::from(before) * u128::from(KEPT_PERCENT)
    });
    let waits = group.site.operation.waits_for_goroutine();
    // A format without states may hide what they wait for.
    let is_hidden = group.site.operation == Operation::Other && group.state.is_none();
    match (grown_by, before) {
        (0, _) => Verdict::Normal,
        (_, 0) if is_material && waits => Verdict::Suspect,
        (_, 0) => Verdict::Normal,
        _ if waits && kept == Some(true) => Verdict::Growing,
        _ if waits && kept.is_none() && is_material => Verdict::Growing,
        _ if is_hidden && is_material => Verdict::Suspect,
        _ if is_material && kept == Some(true) => Verdict::Suspect,
        _ => Verdict::Normal,
    }
}

fn identity(
    before: &Identities,
    before_whole: bool,
    after: &Identities,
    after_whole: bool,
) -> IdentityChange {
    let set = |side: &Identities| -> HashSet<GoroutineId> {
        side.known.iter().map(|known| known.id).collect()
    };
    let (old, new) = (set(before), set(after));
    // A number that one side does not show may be among those that it left out.
    let only = |these: &HashSet<GoroutineId>, others: &HashSet<GoroutineId>, others_whole: bool| {
        let mut ids: Vec<u64> = these
            .difference(others)
            .filter(|_| others_whole)
            .map(|id| id.0)
            .collect();
        ids.sort_unstable();
        ids
    };
    IdentityChange {
        stayed: old.intersection(&new).count() as u64,
        appeared: only(&new, &old, before_whole && before.elided == 0),
        vanished: only(&old, &new, after_whole && after.elided == 0),
        elided: before.elided.saturating_add(after.elided),
    }
}

#[cfg(test)]
mod tests;
