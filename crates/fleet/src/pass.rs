//! One pass over a fleet: find its targets, sweep over them, keep what was seen, judge it, look closer at suspects, take it
//! into the ledger, and tell. What runs once (a sweep), again and again ([`watch`](crate::watch)), or through simulated days
//! ([`demo`](crate::demo)) does the same pass.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gorphan_model::Problem;
use gorphan_model::verdict::Policy;

use crate::alert::deliver;
use crate::config::FleetConfig;
use crate::discover::{Discovery, Found, Surroundings};
use crate::history::{self, Store, StoreError, SweepRecord, record};
use crate::ledger::{self, Ledger, LedgerError};
use crate::owners::Owners;
use crate::push::Push;
use crate::rank::{Judge, Judgement, cost};
use crate::sweep::{Context, Effects, Sweeper, Swept};
use crate::telling;

/// Time to tell receivers; what is not told then is told after the next sweep.
const DELIVERY: Duration = Duration::from_secs(60);

/// Why a pass did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// Time went backwards, or two passes have the same time.
    #[error("cannot sweep at {}: the history has a sweep of that time or later", shown(*.0))]
    Late(i64),
    /// No source gave a target.
    #[error("there is nothing to sweep over: no target was found{0}")]
    NoTargets(String),
    /// The history cannot be read or written.
    #[error(transparent)]
    History(#[from] StoreError),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl PassError {
    /// What to try.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Late(_) => Some("give a later time with --at, or another history.path"),
            Self::NoTargets(_) => Some("gorphan sweep --check-config checks the configuration"),
            Self::History(error) => error.advice(),
            Self::Ledger(_) => None,
        }
    }
}

/// What a pass goes by besides the configuration of the fleet.
pub struct Manner<'a> {
    /// As for a single program.
    pub policy: &'a Policy,
    /// The text of a source file by the name that stacks give it.
    pub source: &'a dyn Fn(&str) -> Option<String>,
    /// Where the source is, which may name owners.
    pub root: Option<&'a Path>,
    /// The place of a file within the source, relative, with `/`, by the name that stacks give it.
    pub place: &'a dyn Fn(&str) -> Option<String>,
    /// Nobody is told, and the ledger stays as it is.
    pub rehearsal: bool,
}

/// What a pass saw and what it means.
#[derive(Debug)]
pub struct Pass {
    /// When, seconds of Unix time.
    pub at: i64,
    /// The targets.
    pub found: Found,
    /// What was seen.
    pub swept: Swept,
    /// The same as it is kept.
    pub record: SweepRecord,
    /// What it means.
    pub judgement: Judgement,
    /// The closer looks, by service.
    pub contexts: HashMap<String, Context>,
    /// In a rehearsal, what receivers would be sent.
    pub messages: Vec<String>,
    /// What went wrong with owners and receivers.
    pub troubles: Vec<String>,
}

impl Pass {
    /// Everything that was not reached, each with its address and reason.
    pub fn problems(&self) -> Vec<Problem> {
        let sources = self
            .found
            .troubles
            .iter()
            .map(|trouble| Problem::new(format!("job {}: {}", trouble.job, trouble.message)));
        let targets = self.swept.failures.iter().map(|failure| {
            let of = failure.target.service();
            Problem::new(format!("{of} at {}: {}", failure.address, failure.reason))
        });
        let others = self.troubles.iter().cloned().map(Problem::new);
        sources.chain(targets).chain(others).collect()
    }
}

/// A fleet with what is known of it from pass to pass.
pub struct Fleet {
    discovery: Discovery,
    sweeper: Sweeper,
    store: Store,
    ledger: Arc<Mutex<Ledger>>,
    push: Option<Push>,
}

/// Where its ledger is kept; `history` is the folder of its history.
pub fn ledger_path(config: &FleetConfig, history: &Path) -> PathBuf {
    let kept = config.ledger.clone();
    kept.unwrap_or_else(|| history.join(ledger::FILE))
}

impl Fleet {
    /// Opens the history and the ledger of a fleet, whose configuration is in `folder`.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn open(config: &FleetConfig, folder: &Path, effects: Effects) -> Result<Self, PassError> {
        let store = history::open(&config.history, folder)?;
        let local = config.history.local(folder);
        let ledger = Ledger::open(&ledger_path(config, &local))?;
        let breakers = ledger.breakers()?;
        Ok(Self {
            discovery: Discovery::new(Surroundings::of_process()),
            sweeper: Sweeper::new(effects).with_breakers(breakers),
            store,
            ledger: Arc::new(Mutex::new(ledger)),
            push: None,
        })
    }

    /// With a place where programs send their profiles: each pass takes what arrived.
    pub fn with_push(mut self, push: Push) -> Self {
        self.push = Some(push);
        self
    }

    /// The time of the last pass that is in the history, seconds of Unix time.
    pub fn last(&self) -> Option<i64> {
        self.store.last()
    }

    /// The history.
    pub fn history(&self) -> &Store {
        &self.store
    }

    /// The history, to keep captures in.
    pub fn history_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// The ledger.
    pub fn ledger(&self) -> &Arc<Mutex<Ledger>> {
        &self.ledger
    }

    /// One pass at the time `at`, in seconds of Unix time. `now` counts from any fixed moment, and tells when sources of
    /// targets are to be asked again.
    ///
    /// # Errors
    /// When time does not go forward, there is no target, or history or ledger fail. What cannot be reached is no error: it
    /// is in the pass.
    pub async fn pass(
        &mut self,
        config: &FleetConfig,
        manner: &Manner<'_>,
        at: i64,
        now: Duration,
    ) -> Result<Pass, PassError> {
        if self.store.last().is_some_and(|last| at <= last) {
            return Err(PassError::Late(at));
        }
        let found = self.discovery.find(config, now).await;
        if found.targets.is_empty() && found.dropped == 0 && self.push.is_none() {
            let why = found.troubles.first();
            let why = why.map(|trouble| format!(": {}", trouble.message));
            return Err(PassError::NoTargets(why.unwrap_or_default()));
        }
        let mut swept = self.sweeper.sweep(config, found.targets.clone()).await;
        if let Some(push) = &self.push {
            let longest = config.jobs.iter().map(|job| job.interval.as_secs()).max();
            let seconds = i64::try_from(2 * longest.unwrap_or(600)).unwrap_or(i64::MAX);
            swept.add_pushed(push.drain(at, seconds).await);
        }
        let record = record(&swept, at);
        self.store.append(&record)?;
        let judge = Judge {
            policy: manner.policy,
            source: manner.source,
        };
        let mut judgement = judge.judge(&record, &swept.exemplars, &self.store)?;
        let mut dumps = open(&self.ledger).dumps()?;
        let contexts = self
            .sweeper
            .look_closer(config, &judgement.suspects, at, &mut dumps)
            .await;
        complete(&mut judgement, &contexts);
        open(&self.ledger).keep(self.sweeper.breakers(), &dumps)?;
        let (messages, mut troubles) = self
            .tell(config, manner, at, &mut judgement, &swept)
            .await?;
        troubles.extend(self.store.troubles());
        Ok(Pass {
            at,
            found,
            swept,
            record,
            judgement,
            contexts,
            messages,
            troubles,
        })
    }

    /// Names owners, takes the sweep into the ledger, and brings what is to be told to its receivers. Gives what would be told
    /// in a rehearsal, and what went wrong.
    async fn tell(
        &self,
        config: &FleetConfig,
        manner: &Manner<'_>,
        at: i64,
        judgement: &mut Judgement,
        swept: &Swept,
    ) -> Result<(Vec<String>, Vec<String>), PassError> {
        let (owners, mut troubles) = Owners::load(&config.owners, manner.root);
        telling::name_owners(judgement, &owners, manner.place);
        let alerting = &config.alerting;
        let rehearsal = manner.rehearsal;
        let taken = telling::take_in(&self.ledger, alerting, at, judgement, swept, rehearsal)?;
        if !rehearsal && !alerting.receivers.is_empty() {
            let delivered = deliver(&self.ledger, alerting, at, DELIVERY).await?;
            troubles.extend(delivered.problems);
        }
        Ok((taken.messages, troubles))
    }
}

fn open(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the closer look knows of the findings.
fn complete(judgement: &mut Judgement, contexts: &HashMap<String, Context>) {
    let all = judgement
        .facts
        .iter_mut()
        .zip(&judgement.suspects)
        .zip(&mut judgement.groups);
    for ((facts, suspect), group) in all {
        let Some(context) = contexts.get(&facts.service) else {
            continue;
        };
        let limit = bytes(suspect.target.labels.get("memory_limit"));
        facts.cost = cost(facts, suspect.goroutines, context, limit);
        // Of the dump what a profile does not know: waits, and who started them.
        let dumped = context.dump.as_ref().and_then(|dump| {
            let groups = gorphan_model::group::group(dump, gorphan_model::query::GroupBy::Site);
            let mut groups = groups.into_iter();
            groups.find(|one| {
                one.site.operation == group.site.operation
                    && one.site.function == group.site.function
            })
        });
        if let Some(dumped) = dumped {
            group.waits = dumped.waits;
            group.created_by = dumped.created_by;
        }
    }
}

/// `512Mi`, `1G` or a number of bytes, as Kubernetes writes memory.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..)? {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn shown(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or("?".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_as_kubernetes_writes_it() {
        for (text, expected) in [
            ("1024", Some(1024)),
            ("512Mi", Some(512 << 20)),
            ("2G", Some(2_000_000_000)),
            ("1Gi", Some(1 << 30)),
            ("1Xi", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
