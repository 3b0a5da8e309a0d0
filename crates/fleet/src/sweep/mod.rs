//! One pass over a fleet, politely: one request at a time to a host, bounded requests, bytes and time, and few retries.
//!
//! What every target is asked for is the goroutine profile at debug=0, which costs a program next to nothing. What a sweep
//! could not reach is in [`Swept::failures`], each with its address and reason.

mod breaker;
mod effects;
mod fetch;
mod heap;
mod merge;
mod schedule;
mod suspects;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use gorphan_model::{Snapshot, group::Site};
use url::Url;

use crate::clients::Clients;
use crate::config::{FleetConfig, Job};
use crate::discover::{Address, Target};
use crate::http::{Client, FetchError, Room};

pub use breaker::Breaker;
pub use effects::Effects;
pub use heap::{Allocation, Heap};
pub use merge::{Exemplar, Exemplars};
pub use suspects::{Context, Dumps, Suspect};

/// A target that was reached.
#[derive(Debug, Clone)]
pub struct Look {
    /// The target.
    pub target: Arc<Target>,
    /// All its goroutines.
    pub goroutines: u64,
    /// Goroutines by blocked site.
    pub sites: Vec<(Arc<Site>, u64)>,
    /// Goroutines that the runtime itself reports as leaked, by site; `None` where it does not tell.
    pub leaked: Option<Vec<(Arc<Site>, u64)>>,
}

/// A target that was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The target.
    pub target: Arc<Target>,
    /// The address, without credentials.
    pub address: String,
    /// Why.
    pub reason: String,
    /// Times it was asked; 0 if it was left alone because it failed before.
    pub attempts: u32,
}

/// What one sweep saw.
#[derive(Debug, Default)]
pub struct Swept {
    /// Targets that were reached, by job and instance.
    pub looks: Vec<Look>,
    /// The others.
    pub failures: Vec<Failure>,
    /// The most numerous group of each site of each service.
    pub exemplars: Exemplars,
    /// Requests that were made.
    pub requests: u64,
    /// Bytes that were received.
    pub bytes: u64,
}

impl Swept {
    /// Takes in profiles that were sent, as if they had been fetched. An instance that was fetched is not looked at twice.
    pub fn add_pushed(&mut self, pushed: Vec<(Arc<Target>, Snapshot, Option<Snapshot>)>) {
        let name = |target: &Target| (target.service().to_owned(), target.instance().to_owned());
        let fetched: HashSet<_> = self.looks.iter().map(|look| name(&look.target)).collect();
        for (target, snapshot, leaks) in pushed {
            if !fetched.contains(&name(&target)) {
                let look = self.exemplars.add(target, snapshot, leaks);
                self.looks.push(look);
            }
        }
        self.looks.sort_by_key(|look| key(&look.target));
    }
}

/// Sweeps, and remembers between sweeps which targets fail and which have no leak profile.
pub struct Sweeper {
    effects: Effects,
    clients: Clients,
    breakers: HashMap<Key, Breaker>,
    /// Targets, with their version, that answered 404.
    without_leaks: HashSet<(Key, String)>,
}

/// A target's job and instance.
pub(crate) type Key = (String, String);

pub(crate) fn key(target: &Target) -> Key {
    (target.job().to_owned(), target.instance().to_owned())
}

/// What the workers of a sweep share.
struct Shared<'a> {
    effects: &'a Effects,
    room: Room,
    queue: Mutex<std::vec::IntoIter<schedule::Turn>>,
    without_leaks: &'a HashSet<(Key, String)>,
    done: Mutex<Swept>,
    lacking: Mutex<Vec<(Key, String)>>,
}

/// A job as a worker needs it.
#[derive(Clone)]
struct Way {
    client: Client,
    timeout: Duration,
}

impl Sweeper {
    /// Nothing is known of the targets yet.
    pub fn new(effects: Effects) -> Self {
        Self {
            effects,
            clients: Clients::default(),
            breakers: HashMap::new(),
            without_leaks: HashSet::new(),
        }
    }

    /// Takes what is known of failures from earlier sweeps.
    pub fn with_breakers(mut self, breakers: HashMap<(String, String), Breaker>) -> Self {
        self.breakers = breakers;
        self
    }

    /// What is known of failures, for the sweeps of another run.
    pub fn breakers(&self) -> &HashMap<(String, String), Breaker> {
        &self.breakers
    }

    /// Looks at every target once. Must run on a tokio runtime; decoding runs on its blocking threads.
    pub async fn sweep(&mut self, config: &FleetConfig, targets: Vec<Target>) -> Swept {
        let mut swept = Swept::default();
        let mut turns = Vec::new();
        for target in targets {
            let target = Arc::new(target);
            let breaker = self.breakers.entry(key(&target)).or_default();
            if let Some(reason) = breaker.holds() {
                swept.failures.push(Failure {
                    address: target.shown(),
                    target,
                    reason,
                    attempts: 0,
                });
                continue;
            }
            match self.way(config, &target) {
                Ok(way) => turns.push((target, way)),
                Err(error) => swept.failures.push(Failure {
                    address: target.shown(),
                    target,
                    reason: error.to_string(),
                    attempts: 0,
                }),
            }
        }
        let turns = schedule::turns(turns, config.sweep.spread);
        let workers = config.sweep.max_requests.min(turns.len());
        let shared = Shared {
            effects: &self.effects,
            room: Room::new(config.sweep.max_bytes),
            queue: Mutex::new(turns.into_iter()),
            without_leaks: &self.without_leaks,
            done: Mutex::new(swept),
            lacking: Mutex::new(Vec::new()),
        };
        // Side by side on this task; only who can go on is asked to.
        let mut workers: FuturesUnordered<_> = (0..workers).map(|_| work(&shared)).collect();
        while workers.next().await.is_some() {}
        drop(workers);
        let lacking = shared
            .lacking
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut swept = shared
            .done
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        self.without_leaks.extend(lacking);
        for look in &swept.looks {
            self.breakers.insert(key(&look.target), Breaker::default());
        }
        for failure in swept.failures.iter().filter(|failure| failure.attempts > 0) {
            let breaker = self.breakers.entry(key(&failure.target)).or_default();
            breaker.failed(&failure.reason);
        }
        swept.looks.sort_by_key(|look| key(&look.target));
        swept.failures.sort_by_key(|failure| key(&failure.target));
        swept
    }

    fn way(&mut self, config: &FleetConfig, target: &Target) -> Result<Way, FetchError> {
        let job = config.jobs.iter().find(|job| job.name == target.job());
        // Relabelling may have named it otherwise.
        let job: &Job = match job.or(config.jobs.first()) {
            Some(job) => job,
            None => {
                return Err(FetchError::Config {
                    what: "the target".to_owned(),
                    why: "there is no job".to_owned(),
                });
            }
        };
        Ok(Way {
            client: self.clients.get(&job.http, self.effects.elapsed())?,
            timeout: job.timeout,
        })
    }
}

/// Takes one host after the other from the queue, and its targets one after the other.
async fn work(shared: &Shared<'_>) {
    loop {
        let turn = {
            let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.next()
        };
        let Some(turn) = turn else {
            return;
        };
        shared.effects.sleep_until(turn.start).await;
        for (target, way) in turn.targets {
            look(shared, target, &way).await;
        }
    }
}

/// Asks one target for its profile, and for its leak profile where it has one.
async fn look(shared: &Shared<'_>, target: Arc<Target>, way: &Way) {
    let mut told = fetch::Told::default();
    let leak_profile = leak_profile(shared, &target);
    let result = fetch::goroutines(shared, &target, way, leak_profile.is_none(), &mut told).await;
    let leaks = match (&result, &leak_profile) {
        (Ok(_), Some(url)) => leaks(shared, &target, url, way, &mut told).await,
        _ => None,
    };
    let mut done = shared.done.lock().unwrap_or_else(PoisonError::into_inner);
    done.requests += told.requests;
    done.bytes += told.bytes;
    match result {
        Ok(snapshot) => {
            let look = done.exemplars.add(target, snapshot, leaks);
            done.looks.push(look);
        }
        Err(reason) => done.failures.push(Failure {
            address: target.shown(),
            target,
            reason,
            attempts: told.attempts.max(1),
        }),
    }
}

/// Where a target may have its leak profile: not if it has said in this version that it has none.
fn leak_profile<'a>(shared: &Shared<'_>, target: &'a Target) -> Option<&'a Url> {
    let Address::Http(profiles) = &target.address else {
        return None;
    };
    let version = (key(target), target.version().to_owned());
    let url = profiles.leak.as_ref();
    url.filter(|_| !shared.without_leaks.contains(&version))
}

async fn leaks(
    shared: &Shared<'_>,
    target: &Target,
    url: &Url,
    way: &Way,
    told: &mut fetch::Told,
) -> Option<Snapshot> {
    let found = fetch::leaks(shared, url, way, told).await;
    if found.is_none() {
        let version = (key(target), target.version().to_owned());
        let mut lacking = shared
            .lacking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lacking.push(version);
    }
    found
}

#[cfg(test)]
mod tests;
