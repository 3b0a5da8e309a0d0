//! The rounds: requests, rest, capture.

use std::thread;
use std::time::{Duration, Instant};

use gorphan_model::Snapshot;
use gorphan_model::load::Round;

use super::command::CommandLoad;
use super::generate::{HttpLoad, Made};
use super::plan::Plan;

/// Between two looks at a target that comes to rest.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// So many looks must see the same number of goroutines.
const SAME_LOOKS: u32 = 3;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target's goroutines cannot be read.
    #[error("cannot read the goroutines of the target {when}: {why}")]
    Target {
        /// `before the first request`, `after round 2`.
        when: String,
        /// What was found.
        why: String,
    },
    /// Requests cannot be made.
    #[error("cannot make the requests of {round}: {why}")]
    Requests {
        /// `the warm-up`, `round 2`.
        round: String,
        /// What was found.
        why: String,
    },
    /// None was answered.
    #[error("none of the {requests} requests of {round} was answered")]
    NoneAnswered {
        /// As above.
        round: String,
        /// How many were made.
        requests: u64,
    },
}

/// Who makes the requests.
#[derive(Debug, Clone)]
pub enum Driver {
    /// This program.
    Http(HttpLoad),
    /// A command.
    Command(CommandLoad),
}

/// How the target is looked at.
pub struct Probe<'a> {
    /// Reads its goroutines.
    pub goroutines: &'a mut dyn FnMut() -> Result<Snapshot, String>,
    /// Bytes of its live heap after a collection; `None` where it does not tell.
    pub heap: &'a mut dyn FnMut() -> Option<u64>,
    /// Told before each round: its name and number of requests.
    pub starting: &'a mut dyn FnMut(&str, u64),
}

/// Rounds with the snapshot after each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// The first has no requests.
    pub rounds: Vec<Round>,
    /// One for each round.
    pub snapshots: Vec<Snapshot>,
}

/// Makes the rounds of a plan.
///
/// # Errors
/// When the target cannot be read, or requests cannot be made.
pub fn run(plan: &Plan, driver: &Driver, probe: &mut Probe<'_>) -> Result<Measured, Error> {
    let mut measured = Measured::default();
    let warm_up = Some(plan.warm_up.min(plan.requests)).filter(|requests| *requests > 0);
    let rounds = plan.sizes().into_iter().enumerate();
    let rounds = rounds.map(|(index, requests)| (format!("round {}", index + 1), requests, false));
    let warm_up = warm_up.map(|requests| ("the warm-up".to_owned(), requests, true));
    measured.rest(plan, probe, Round::default(), "before the first request")?;
    for (name, requests, warm_up) in warm_up.into_iter().chain(rounds) {
        (probe.starting)(&name, requests);
        let since = Instant::now();
        let made = match driver {
            Driver::Http(load) => load.make(requests),
            Driver::Command(load) => load.make(requests),
        };
        let Made {
            requests,
            failed,
            unanswered,
        } = made.map_err(|why| Error::Requests {
            round: name.clone(),
            why,
        })?;
        if unanswered == requests {
            return Err(Error::NoneAnswered {
                round: name,
                requests,
            });
        }
        let round = Round {
            requests,
            failed,
            warm_up,
            seconds: since.elapsed().as_secs_f64(),
            ..Round::default()
        };
        measured.rest(plan, probe, round, &format!("after {name}"))?;
    }
    Ok(measured)
}

impl Measured {
    /// Waits for the target to come to rest, and keeps what it then is.
    fn rest(
        &mut self,
        plan: &Plan,
        probe: &mut Probe<'_>,
        mut round: Round,
        when: &str,
    ) -> Result<(), Error> {
        let since = Instant::now();
        let mut same = 0;
        let mut last = None;
        let snapshot = loop {
            let snapshot = (probe.goroutines)().map_err(|why| Error::Target {
                when: when.to_owned(),
                why,
            })?;
            let count = snapshot.goroutines();
            same = if last == Some(count) { same + 1 } else { 1 };
            last = Some(count);
            if same >= SAME_LOOKS {
                round.settled_seconds = Some(since.elapsed().as_secs_f64());
                break snapshot;
            }
            if since.elapsed() >= plan.settle {
                break snapshot;
            }
            thread::sleep(LOOK_INTERVAL);
        };
        round.goroutines = snapshot.goroutines();
        round.heap_bytes = (probe.heap)();
        self.rounds.push(round);
        self.snapshots.push(snapshot);
        Ok(())
    }
}
