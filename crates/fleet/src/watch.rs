//! Pass after pass on an interval, until somebody says stop.
//!
//! No fault of a pass ends the watch: what went wrong is told on standard error and on the pages, and the next pass has its
//! turn, also if one panics. A pass that is under way when it is to stop is dropped in the middle: its requests are cancelled, and the history
//! takes sweeps in whole or not at all.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::config::FleetConfig;
use crate::pass::{Fleet, Manner, Pass};
use crate::web::{App, Board};

/// The part of the interval over which the first requests of a sweep are spread; the rest is for those that are slow.
const SPREAD: f64 = 0.8;
/// The spread of the first sweep: whoever starts the program wants to see something.
const FIRST_SPREAD: Duration = Duration::from_secs(20);

/// Time from one sweep to the next: the shortest of the jobs.
pub fn interval(config: &FleetConfig) -> Duration {
    let intervals = config.jobs.iter().map(|job| job.interval);
    intervals.min().unwrap_or(Duration::from_secs(600))
}

/// What is told of each pass.
pub enum Told<'a> {
    /// It came to its end after so long.
    Pass(&'a Pass, Duration),
    /// It did not.
    Failed(&'a str),
    /// What was known before cannot be shown.
    Forgot(&'a str),
}

/// Watches until `stop` is there. `clock` gives seconds of Unix time, `tell` is told of each pass.
pub async fn watch(
    config: &FleetConfig,
    fleet: &mut Fleet,
    manner: &Manner<'_>,
    app: &Arc<App>,
    clock: fn() -> i64,
    mut tell: impl FnMut(Told<'_>),
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let begin = Instant::now();
    let interval = interval(config);
    let mut first = true;
    if app.board().at.is_none() {
        match Board::kept(fleet, clock()) {
            Ok(board) => board.into_iter().for_each(|board| app.restore(board)),
            Err(why) => tell(Told::Forgot(&why)),
        }
    }
    loop {
        let started = Instant::now();
        let config = spread(config, interval, first);
        first = false;
        app.begin();
        tokio::select! {
            done = caught(pass(&config, fleet, manner, app, clock, begin.elapsed())) => match done {
                Ok((pass, took)) => tell(Told::Pass(&pass, took)),
                Err(why) => {
                    tell(Told::Failed(&why));
                    app.fail(why);
                }
            },
            () = &mut stop => break,
        }
        // A pass that took longer than the interval is followed by the next at once.
        let left = interval.saturating_sub(started.elapsed());
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = &mut stop => break,
        }
    }
    app.stop();
}

fn spread(config: &FleetConfig, interval: Duration, first: bool) -> FleetConfig {
    let mut config = config.clone();
    let usual = interval.mul_f64(SPREAD);
    let spread = if first {
        FIRST_SPREAD.min(usual)
    } else {
        usual
    };
    config.sweep.spread = Some(config.sweep.spread.unwrap_or(spread));
    config
}

/// What a future comes to, where a panic is a failure like others. What it leaves half done it leaves as an error would: nothing
/// counts in the history or the ledger that was not committed.
async fn caught<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(said(panic.as_ref()))))
    })
    .await
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!(
        "a mistake in gorphan, please report it: {}",
        text.unwrap_or("it panicked")
    )
}

async fn pass(
    config: &FleetConfig,
    fleet: &mut Fleet,
    manner: &Manner<'_>,
    app: &App,
    clock: fn() -> i64,
    since: Duration,
) -> Result<(Pass, Duration), String> {
    // The history wants time to go forward, whatever a clock does that is set.
    let at = fleet.history().moment(clock()).at;
    let started = Instant::now();
    let done = fleet.pass(config, manner, at, since).await;
    let mut pass = done.map_err(|error| error.to_string())?;
    let took = started.elapsed();
    let board = app.board().after(&pass, took, fleet.history());
    let mut board = board.map_err(|error| error.to_string())?;
    board.keep(fleet, &mut pass.troubles);
    app.show(board);
    Ok((pass, took))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use gorphan_model::verdict::Policy;

    use super::*;
    use crate::sweep::Effects;
    use crate::web::{Guard, Outside};

    /// Panics the first time that a pass asks for the time, after the first look at what is kept.
    fn clock() -> i64 {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        assert_ne!(ASKED.fetch_add(1, Ordering::SeqCst), 1, "no time left");
        1_767_225_600
    }

    #[tokio::test]
    async fn a_panic_fails_its_pass_and_the_next_has_its_turn() {
        let folder = tempfile::tempdir().expect("a folder");
        let yaml = "global: {scrape_interval: 1ms}\nscrape_configs:\n  - job_name: a\n    static_configs: [{targets: ['127.0.0.1:1']}]\n";
        let config = FleetConfig::parse(yaml, "gorphan.yaml", folder.path()).expect("read");
        let mut fleet = Fleet::open(&config, folder.path(), Effects::real(1)).expect("opened");
        let outside = Outside {
            source: Box::new(|_| None),
            clock: || 1_767_225_600,
            guard: Guard::new(None, Vec::new(), [7; 32]),
            people: None,
            history: None,
        };
        let app = App::new("a fleet", 1, outside);
        let manner = Manner {
            policy: &Policy::default(),
            source: &|_| None,
            root: None,
            place: &|_| None,
            rehearsal: false,
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let mut stop = Some(stop);
        let mut told = Vec::new();
        let tell = |one: Told<'_>| {
            told.push(match one {
                Told::Pass(pass, _) => format!("{} not reached", pass.swept.failures.len()),
                Told::Failed(why) | Told::Forgot(why) => why.to_owned(),
            });
            if told.len() == 2
                && let Some(stop) = stop.take()
            {
                stop.send(()).expect("it is waited for");
            }
        };
        let stopped = async {
            let _ = stopped.await;
        };
        watch(&config, &mut fleet, &manner, &app, clock, tell, stopped).await;
        assert!(
            told[0].starts_with("a mistake in gorphan") && told[0].contains("no time left"),
            "{told:?}"
        );
        assert_eq!(told[1..], ["1 not reached"]);
    }
}
