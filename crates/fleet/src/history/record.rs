//! A sweep as it is stored.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gorphan_history::{
    FailureRecord, InstanceRecord, SiteCount, SiteRecord, StackRecord, SweepRecord,
};
use gorphan_model::group::Site;

use crate::sweep::Swept;

/// What a sweep at this time saw.
pub fn record(swept: &Swept, at: i64) -> SweepRecord {
    let mut record = SweepRecord::new(at);
    let mut numbers: HashMap<Arc<Site>, u32> = HashMap::new();
    for look in &swept.looks {
        let mut counts: BTreeMap<u32, SiteCount> = BTreeMap::new();
        let all = look.sites.iter().map(|(site, count)| (site, *count, 0));
        let leaked = look
            .leaked
            .iter()
            .flatten()
            .map(|(site, count)| (site, 0, *count));
        for (site, count, leaked) in all.chain(leaked) {
            let number = *numbers.entry(Arc::clone(site)).or_insert_with(|| {
                record.sites.push(SiteRecord {
                    operation: site.operation.as_str().to_owned(),
                    function: Arc::clone(&site.function),
                    file: Arc::clone(&site.file),
                    line: site.line,
                });
                u32::try_from(record.sites.len() - 1).unwrap_or(u32::MAX)
            });
            let sum = counts.entry(number).or_insert(SiteCount(number, 0, 0));
            sum.1 = sum.1.saturating_add(count);
            sum.2 = sum.2.saturating_add(leaked);
        }
        let target = &look.target;
        record.instances.push(InstanceRecord {
            job: target.job().to_owned(),
            service: target.service().into(),
            instance: target.instance().into(),
            version: target.version().into(),
            start: target.start.as_str().into(),
            goroutines: look.goroutines,
            sites: counts.into_values().collect(),
        });
    }
    let failures = swept.failures.iter().map(|failure| FailureRecord {
        job: failure.target.job().to_owned(),
        instance: failure.target.instance().to_owned(),
        reason: failure.reason.clone(),
        attempts: failure.attempts,
    });
    record.failures = failures.collect();
    for (service, site, exemplar) in swept.exemplars.iter() {
        if let Some(number) = numbers.get(site) {
            record.stacks.push(StackRecord {
                service: service.into(),
                instance: exemplar.target.instance().into(),
                site: *number,
                stack: Arc::clone(&exemplar.group.stack),
            });
        }
    }
    record
}
