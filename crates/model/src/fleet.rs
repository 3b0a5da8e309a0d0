//! What a finding in a fleet has besides: where it was seen, since when, how fast it grows and what it costs.

/// The instances of a service that have a site.
#[derive(Debug, Clone, PartialEq)]
pub struct Instances {
    /// Instances with goroutines at the site.
    pub count: u64,
    /// All instances of the service that were reached.
    pub all: u64,
    /// Goroutines in the one with the most.
    pub max: u64,
    /// Goroutines in all of them.
    pub total: u64,
    /// The root mean square of the goroutines, over all instances.
    pub rms: f64,
    /// The one with the most.
    pub worst: String,
}

/// Whether a finding is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It was never found before.
    New,
    /// It was found before.
    Ongoing,
    /// Somebody looks after it.
    Acknowledged,
    /// Nobody wants to hear of it for a while.
    Silenced,
    /// It is gone.
    Resolved,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::New,
        Self::Ongoing,
        Self::Acknowledged,
        Self::Silenced,
        Self::Resolved,
    ];

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ongoing => "ongoing",
            Self::Acknowledged => "acknowledged",
            Self::Silenced => "silenced",
            Self::Resolved => "resolved",
        }
    }
}

/// How fast a site grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Goroutines an instance and hour.
    pub per_hour: f64,
    /// From when on, seconds of Unix time.
    pub since: i64,
    /// One healthy site in so many days looks as much like growth.
    pub days_to_false_alarm: f64,
}

/// What it costs, in the instance that was looked at closer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cost {
    /// Bytes of the stacks of the goroutines at the site: their share of all stacks.
    pub stack_bytes: Option<u64>,
    /// Bytes of the whole live heap.
    pub heap_bytes: Option<u64>,
    /// Who allocated most of it, with bytes.
    pub heap_top: Vec<(String, u64)>,
    /// Hours until the memory limit of the instance, at this rate and if goroutines cost as much as their stacks.
    pub hours_to_limit: Option<f64>,
}

/// What a finding in a fleet has besides.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetFacts {
    /// The service.
    pub service: String,
    /// The version of the worst instance; empty where unknown.
    pub version: String,
    /// Where it was seen.
    pub instances: Instances,
    /// Who owns the service, by its label.
    pub owner: Option<String>,
    /// Whether it is known.
    pub status: Status,
    /// When it was first found, seconds of Unix time.
    pub first_seen: i64,
    /// The earliest version that is known to have it.
    pub first_version: Option<String>,
    /// What stays the same over lines and versions: service, operation and function.
    pub fingerprint: String,
    /// How fast it grows, where that is sure.
    pub rate: Option<Rate>,
    /// What it costs, where it was looked at closer.
    pub cost: Cost,
}
