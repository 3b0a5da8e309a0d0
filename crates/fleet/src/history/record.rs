//! A sweep as it is stored. Later versions read earlier ones.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gorphan_model::Operation;
use gorphan_model::group::Site;
use serde::{Deserialize, Serialize};

use crate::sweep::Swept;

/// The version of the form.
pub(super) const VERSION: u32 = 1;

/// One sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepRecord {
    /// The version of the form.
    pub version: u32,
    /// Seconds of Unix time.
    pub at: i64,
    /// Places of blocked sites, which the instances name by number.
    pub sites: Vec<SiteRecord>,
    /// Targets that were reached.
    pub instances: Vec<InstanceRecord>,
    /// Targets that were not.
    pub failures: Vec<FailureRecord>,
    /// Services that were asked for debug=2 in this sweep.
    #[serde(default)]
    pub dumped: Vec<String>,
    /// Fingerprints of what was found.
    #[serde(default)]
    pub found: Vec<String>,
}

/// A blocked site.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SiteRecord {
    /// In the words of reports.
    pub operation: String,
    /// Canonical.
    #[serde(with = "shared")]
    pub function: Arc<str>,
    /// As the source names it; empty where unknown.
    #[serde(with = "shared")]
    pub file: Arc<str>,
    /// From 1; 0 where unknown.
    pub line: u32,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// The job.
    pub job: String,
    /// The service.
    #[serde(with = "shared")]
    pub service: Arc<str>,
    /// The instance.
    #[serde(with = "shared")]
    pub instance: Arc<str>,
    /// The version; empty where unknown.
    #[serde(default, with = "shared", skip_serializing_if = "str::is_empty")]
    pub version: Arc<str>,
    /// What tells one process from the next at the same place; empty where unknown.
    #[serde(default, with = "shared", skip_serializing_if = "str::is_empty")]
    pub start: Arc<str>,
    /// All its goroutines.
    pub goroutines: u64,
    /// By site.
    pub sites: Vec<SiteCount>,
}

/// Goroutines at a site: the site's number, how many, and how many of them the runtime reports as leaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteCount(pub u32, pub u64, pub u64);

/// A target that was not reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// The job.
    pub job: String,
    /// The instance.
    pub instance: String,
    /// Why.
    pub reason: String,
    /// Times it was asked.
    pub attempts: u32,
}

impl SiteRecord {
    /// The site as the model has it; an operation of a later version is "other".
    pub fn site(&self) -> Site {
        Site {
            operation: Operation::parse(&self.operation).unwrap_or(Operation::Other),
            function: Arc::clone(&self.function),
            file: Arc::clone(&self.file),
            line: self.line,
        }
    }
}

impl SweepRecord {
    /// A sweep of nothing.
    pub fn new(at: i64) -> Self {
        Self {
            version: VERSION,
            at,
            sites: Vec::new(),
            instances: Vec::new(),
            failures: Vec::new(),
            dumped: Vec::new(),
            found: Vec::new(),
        }
    }

    /// What a sweep at this time saw.
    pub fn of(swept: &Swept, at: i64) -> Self {
        let mut record = Self::new(at);
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
        record
    }
}

/// Shared texts as plain ones.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Into::into)
    }
}
