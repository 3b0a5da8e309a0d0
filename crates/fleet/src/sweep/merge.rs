//! Bringing the goroutines of many instances together by blocked site.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use gorphan_model::group::{Site, group};
use gorphan_model::query::GroupBy;
use gorphan_model::{Group, Snapshot};

use super::Look;
use crate::discover::Target;

/// The most numerous group of a site in a service, with where it was seen.
#[derive(Debug, Clone)]
pub struct Exemplar {
    /// The instance that it was seen at.
    pub target: Arc<Target>,
    /// The group.
    pub group: Group,
    /// What it is a group of.
    pub snapshot: Arc<Snapshot>,
}

/// An exemplar for each site of each service.
#[derive(Debug, Default)]
pub struct Exemplars {
    known: BTreeMap<(String, Arc<Site>), Exemplar>,
    sites: HashSet<Arc<Site>>,
}

impl Exemplars {
    /// The exemplar of a site.
    pub fn get(&self, service: &str, site: &Arc<Site>) -> Option<&Exemplar> {
        self.known.get(&(service.to_owned(), Arc::clone(site)))
    }

    /// All, by service and site.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Site>, &Exemplar)> {
        self.known
            .iter()
            .map(|((service, site), exemplar)| (service.as_str(), site, exemplar))
    }

    /// Sites are few and instances many: each is kept once.
    fn site(&mut self, site: &Site) -> Arc<Site> {
        if let Some(known) = self.sites.get(site) {
            return Arc::clone(known);
        }
        let site = Arc::new(site.clone());
        self.sites.insert(Arc::clone(&site));
        site
    }

    /// Takes in what was seen at a target.
    pub fn add(
        &mut self,
        target: Arc<Target>,
        snapshot: Snapshot,
        leaks: Option<Snapshot>,
    ) -> Look {
        let snapshot = Arc::new(snapshot);
        let groups = group(&snapshot, GroupBy::Site);
        let mut counts: HashMap<Arc<Site>, u64> = HashMap::new();
        for group in groups {
            let site = self.site(&group.site);
            *counts.entry(Arc::clone(&site)).or_default() += group.count;
            self.keep(&target, site, group, &snapshot);
        }
        let leaked = leaks.map(|leaks| {
            let leaks = Arc::new(leaks);
            let mut counts: HashMap<Arc<Site>, u64> = HashMap::new();
            for group in group(&leaks, GroupBy::Site) {
                let site = self.site(&group.site);
                *counts.entry(Arc::clone(&site)).or_default() += group.count;
                // One that was gone before the other profile was taken has no exemplar yet.
                if self.get(target.service(), &site).is_none() {
                    self.keep(&target, site, group, &leaks);
                }
            }
            sorted(counts)
        });
        Look {
            target,
            goroutines: snapshot.goroutines(),
            sites: sorted(counts),
            leaked,
        }
    }

    fn keep(&mut self, target: &Arc<Target>, site: Arc<Site>, group: Group, of: &Arc<Snapshot>) {
        let key = (target.service().to_owned(), site);
        let more = |known: &Exemplar| {
            let (mine, other) = (target.instance(), known.target.instance());
            (group.count, std::cmp::Reverse(mine)) > (known.group.count, std::cmp::Reverse(other))
        };
        if self.known.get(&key).is_none_or(more) {
            let exemplar = Exemplar {
                target: Arc::clone(target),
                group,
                snapshot: Arc::clone(of),
            };
            self.known.insert(key, exemplar);
        }
    }
}

fn sorted(counts: HashMap<Arc<Site>, u64>) -> Vec<(Arc<Site>, u64)> {
    let mut sites: Vec<(Arc<Site>, u64)> = counts.into_iter().collect();
    sites.sort();
    sites
}
