//! LeakProf's measures, to the letter: a site is suspect where one instance has at least the threshold of goroutines blocked
//! at it, and suspects are ranked by the root mean square over the instances of their service.
//!
//! Saioc et al., "Unveiling and Vanquishing Goroutine Leaks in Enterprise Microservices" (CGO 2024), section on LeakProf:
//! per profile, blocked operations are grouped by operation and source location; 10,000 at one location make a suspect; the
//! root mean square favours sites that are very high in some instances over those that are a little high in all.

use std::collections::BTreeMap;

use gorphan_model::group::Site;

use crate::history::SweepRecord;

/// A site of a service over its instances at one sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Instances of the service that were reached.
    pub instances: u64,
    /// Those with goroutines at the site.
    pub with_site: u64,
    /// Goroutines in all of them.
    pub total: u64,
    /// Goroutines in the one with the most.
    pub max: u64,
    /// That instance.
    pub worst: String,
    /// The sum of the squares.
    squares: f64,
    /// Goroutines that the runtime reports as leaked, in all instances.
    pub leaked: u64,
}

impl Spread {
    /// The root mean square of the goroutines over all instances of the service, those without the site included.
    pub fn rms(&self) -> f64 {
        if self.instances == 0 {
            return 0.0;
        }
        (self.squares / self.instances as f64).sqrt()
    }
}

/// Every site of every service.
pub fn spreads(sweep: &SweepRecord) -> BTreeMap<(String, Site), Spread> {
    let mut instances: BTreeMap<&str, u64> = BTreeMap::new();
    for instance in &sweep.instances {
        *instances.entry(&instance.service).or_default() += 1;
    }
    let sites: Vec<Site> = sweep.sites.iter().map(|site| site.site()).collect();
    let mut spreads: BTreeMap<(String, Site), Spread> = BTreeMap::new();
    for instance in &sweep.instances {
        for count in &instance.sites {
            let Some(site) = sites.get(count.0 as usize) else {
                continue;
            };
            let key = (instance.service.to_string(), site.clone());
            let spread = spreads.entry(key).or_insert_with(|| Spread {
                instances: instances.get(&*instance.service).copied().unwrap_or(0),
                with_site: 0,
                total: 0,
                max: 0,
                worst: instance.instance.to_string(),
                squares: 0.0,
                leaked: 0,
            });
            spread.with_site += u64::from(count.1 > 0);
            spread.total = spread.total.saturating_add(count.1);
            spread.squares += count.1 as f64 * count.1 as f64;
            spread.leaked = spread.leaked.saturating_add(count.2);
            if count.1 > spread.max {
                spread.max = count.1;
                spread.worst = instance.instance.to_string();
            }
        }
    }
    spreads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{InstanceRecord, SiteCount, SiteRecord};

    /// Goroutines of one site by instance, and the root mean square that they have.
    #[track_caller]
    fn check(counts: &[u64], rms: f64) {
        let mut record = SweepRecord::new(0);
        record.sites.push(SiteRecord {
            operation: "chan send".to_owned(),
            function: "f".into(),
            file: "".into(),
            line: 0,
        });
        for (index, count) in counts.iter().enumerate() {
            let here = (*count > 0).then_some(SiteCount(0, *count, 0));
            record.instances.push(InstanceRecord {
                job: "j".to_owned(),
                service: "s".into(),
                instance: format!("i{index}").into(),
                version: "".into(),
                start: "".into(),
                goroutines: 9,
                sites: here.into_iter().collect(),
            });
        }
        let spreads = spreads(&record);
        let spread = spreads.values().next().expect("a site");
        assert!(
            (spread.rms() - rms).abs() < 1e-9,
            "{counts:?}: {}",
            spread.rms()
        );
        assert_eq!(spread.max, *counts.iter().max().expect("instances"));
        assert_eq!(spread.instances, counts.len() as u64);
    }

    #[test]
    fn one_very_high_instance_outranks_many_that_are_a_little_high() {
        check(&[10_000, 0, 0, 0], 5000.0);
        check(&[3000, 3000, 3000, 3000], 3000.0);
        check(&[3, 4], 12.5_f64.sqrt());
    }
}
