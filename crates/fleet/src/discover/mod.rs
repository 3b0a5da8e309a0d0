//! Where targets come from, and what relabelling makes of them.

mod annotations;
mod consul;
mod dns;
mod file;
mod kubernetes;
mod processes;
pub mod relabel;
mod target;
mod web;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use url::Url;

use crate::clients::Clients;
use crate::config::{FleetConfig, HttpConfig, Job, Provider};
use crate::http::FetchError;
use crate::labels::LabelSet;

pub use dns::Resolver;
pub use kubernetes::Surroundings;
pub use target::{Address, Profiles, Target};

/// Targets that one source gave together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// What gave them, for messages.
    pub source: String,
    /// The labels of each.
    pub targets: Vec<LabelSet>,
    /// Labels of all of them; a target's own go before.
    pub labels: LabelSet,
}

/// Why a source gave no targets.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It did not answer.
    #[error("{url}: {error}")]
    Fetch {
        /// Without credentials.
        url: String,
        /// What happened.
        error: FetchError,
    },
    /// It gave what cannot be read.
    #[error("{what}: {why}")]
    Content {
        /// File or address.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// A name could not be looked up.
    #[error("cannot look up {name}: {why}")]
    Name {
        /// The name.
        name: String,
        /// What happened.
        why: String,
    },
    /// The processes of this machine could not be listed.
    #[error("cannot list processes: {0}")]
    Processes(String),
}

impl SourceError {
    fn content(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Content {
            what: what.into(),
            why: why.to_string(),
        }
    }
}

/// Something that did not work while targets were looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The job.
    pub job: String,
    /// What happened.
    pub message: String,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Targets by job and instance, each once.
    pub targets: Vec<Target>,
    /// Targets that relabelling dropped.
    pub dropped: usize,
    /// Sources and targets that did not work.
    pub troubles: Vec<Trouble>,
}

/// Looks for targets, and remembers between sweeps what its sources gave: a source is asked again when its refresh interval
/// is over, and one that fails keeps what it gave last.
pub struct Discovery {
    surroundings: Surroundings,
    resolver: Option<Resolver>,
    clients: Clients,
    known: HashMap<(String, usize), Known>,
}

struct Known {
    groups: Vec<Group>,
    asked: Duration,
}

impl Discovery {
    /// Nothing is known yet. `surroundings` tell where a cluster is, if gorphan runs in one.
    pub fn new(surroundings: Surroundings) -> Self {
        Self {
            surroundings,
            resolver: None,
            clients: Clients::default(),
            known: HashMap::new(),
        }
    }

    /// With a resolver other than the system's.
    pub fn with_resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// All targets at the moment `now`, counted from any fixed point in time.
    pub async fn find(&mut self, config: &FleetConfig, now: Duration) -> Found {
        let mut found = Found::default();
        for job in &config.jobs {
            let mut unique: BTreeMap<(String, LabelSet), Target> = BTreeMap::new();
            for (index, provider) in job.providers.iter().enumerate() {
                let groups = self
                    .groups(job, index, provider, now, &mut found.troubles)
                    .await;
                for group in groups {
                    add(job, group, &mut unique, &mut found);
                }
            }
            if job.target_limit > 0 && unique.len() > job.target_limit {
                // As Prometheus has it: too many is a mistake of the configuration, not a reason to look at some.
                found.troubles.push(Trouble {
                    job: job.name.clone(),
                    message: format!(
                        "{} targets are more than target_limit ({}): none is looked at",
                        unique.len(),
                        job.target_limit
                    ),
                });
                continue;
            }
            found.targets.extend(unique.into_values());
        }
        found
    }

    async fn groups(
        &mut self,
        job: &Job,
        index: usize,
        provider: &Provider,
        now: Duration,
        troubles: &mut Vec<Trouble>,
    ) -> &[Group] {
        let key = (job.name.clone(), index);
        let refresh = refresh(provider);
        let known = self.known.get(&key);
        let fresh = known.is_some_and(|known| now.saturating_sub(known.asked) < refresh);
        if !fresh {
            let given = self.ask(provider, now, troubles, &job.name).await;
            match given {
                Ok(groups) => {
                    self.known.insert(key.clone(), Known { groups, asked: now });
                }
                Err(error) => {
                    let kept = self.known.get(&key).map(|known| known.groups.len());
                    let kept = match kept {
                        Some(_) => "; its targets of before are kept",
                        None => "",
                    };
                    troubles.push(Trouble {
                        job: job.name.clone(),
                        message: format!("{error}{kept}"),
                    });
                }
            }
        }
        self.known.get(&key).map_or(&[], |known| &known.groups)
    }

    async fn ask(
        &mut self,
        provider: &Provider,
        now: Duration,
        troubles: &mut Vec<Trouble>,
        job: &str,
    ) -> Result<Vec<Group>, SourceError> {
        let clients = &mut self.clients;
        let mut client = |http: &HttpConfig, url: &Url| {
            clients.get(http, now).map_err(|error| SourceError::Fetch {
                url: crate::http::shown(url),
                error,
            })
        };
        match provider {
            Provider::Static(group) => Ok(vec![group.clone()]),
            Provider::Files(files) => {
                let (groups, wrong) = file::groups(files);
                troubles.extend(wrong.into_iter().map(|error| Trouble {
                    job: job.to_owned(),
                    message: error.to_string(),
                }));
                Ok(groups)
            }
            Provider::Http(source) => {
                web::groups(source, &client(&source.http, &source.url)?).await
            }
            Provider::Dns(dns) => {
                if self.resolver.is_none() {
                    self.resolver = Some(Resolver::of_system()?);
                }
                match &self.resolver {
                    Some(resolver) => dns::groups(dns, resolver).await,
                    None => Ok(Vec::new()),
                }
            }
            Provider::Consul(consul) => {
                consul::groups(consul, &client(&consul.http, &consul.url)?).await
            }
            Provider::Kubernetes(cluster) => {
                let (base, http) = kubernetes::reach(cluster, &self.surroundings)?;
                let client = client(&http, &base)?;
                kubernetes::groups(cluster, &self.surroundings, base, client).await
            }
            Provider::Processes(_) => processes::groups(),
        }
    }
}

/// Clusters and processes change without notice, and are asked for each sweep.
fn refresh(provider: &Provider) -> Duration {
    match provider {
        Provider::Static(_) => Duration::MAX,
        Provider::Files(it) => it.refresh,
        Provider::Http(it) => it.refresh,
        Provider::Dns(it) => it.refresh,
        Provider::Consul(it) => it.refresh,
        Provider::Kubernetes(_) | Provider::Processes(_) => Duration::ZERO,
    }
}

fn add(
    job: &Job,
    group: &Group,
    unique: &mut BTreeMap<(String, LabelSet), Target>,
    found: &mut Found,
) {
    for own in &group.targets {
        let mut labels = group.labels.clone();
        for (name, value) in own.iter() {
            labels.set(name, value);
        }
        match target::build(job, labels) {
            Ok(Some(target)) => {
                let key = (target.instance().to_owned(), target.labels.clone());
                unique.entry(key).or_insert(target);
            }
            Ok(None) => found.dropped += 1,
            Err(message) => found.troubles.push(Trouble {
                job: job.name.clone(),
                message: format!("{}: {message}", group.source),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
