//! A sweep as it is given to a history.

use std::sync::Arc;

use crate::SiteKey;
use gorphan_model::group::Site;
use gorphan_model::{Operation, Stack};

/// One sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepRecord {
    /// Seconds of Unix time.
    pub at: i64,
    /// Places of blocked sites, which the instances name by number.
    pub sites: Vec<SiteRecord>,
    /// Targets that were reached.
    pub instances: Vec<InstanceRecord>,
    /// Targets that were not.
    pub failures: Vec<FailureRecord>,
    /// A stack of each site of each service, where one is known; those of sites that are known already are not kept.
    pub stacks: Vec<StackRecord>,
    /// The clock was behind the last sweep, and the time is only the next one free: no growth is measured up to here.
    pub clock_behind: bool,
}

/// A blocked site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SiteRecord {
    /// In the words of reports.
    pub operation: String,
    /// Canonical.
    pub function: Arc<str>,
    /// As the source names it; empty where unknown.
    pub file: Arc<str>,
    /// From 1; 0 where unknown.
    pub line: u32,
}

/// An instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRecord {
    /// The job.
    pub job: String,
    /// The service.
    pub service: Arc<str>,
    /// The instance.
    pub instance: Arc<str>,
    /// The version; empty where unknown.
    pub version: Arc<str>,
    /// What tells one process from the next at the same place; empty where unknown.
    pub start: Arc<str>,
    /// All its goroutines.
    pub goroutines: u64,
    /// By site.
    pub sites: Vec<SiteCount>,
}

/// Goroutines at a site: the site's number, how many, and how many of them the runtime reports as leaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteCount(pub u32, pub u64, pub u64);

/// A target that was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// An exemplar stack.
#[derive(Debug, Clone, PartialEq)]
pub struct StackRecord {
    /// The service.
    pub service: Arc<str>,
    /// The instance that it was seen at.
    pub instance: Arc<str>,
    /// The number of its site.
    pub site: u32,
    /// Frames, innermost first.
    pub stack: Arc<Stack>,
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

    /// What is followed over time of it, in a service.
    pub fn key(&self, service: &Arc<str>) -> SiteKey {
        let site = self.site();
        SiteKey {
            service: Arc::clone(service),
            operation: site.operation,
            function: site.function,
        }
    }

    /// What files are sorted by.
    pub(crate) fn order(&self) -> (&str, &str, &str, u32) {
        (&self.operation, &self.function, &self.file, self.line)
    }
}

impl SweepRecord {
    /// A sweep of nothing.
    pub fn new(at: i64) -> Self {
        Self {
            at,
            sites: Vec::new(),
            instances: Vec::new(),
            failures: Vec::new(),
            stacks: Vec::new(),
            clock_behind: false,
        }
    }
}
