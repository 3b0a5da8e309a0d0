//! Pass after pass on an interval, until somebody says stop.
//!
//! No fault of a pass ends the watch: what went wrong is told on standard error and on the pages, and the next pass has its
//! turn. A pass that is under way when it is to stop is dropped in the middle: its requests are cancelled, and the history
//! takes sweeps in whole or not at all.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::FleetConfig;
use crate::pass::{Fleet, Manner, Pass};
use crate::web::App;

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
    let mut stop = std::pin::pin!(stop);
    let begin = Instant::now();
    let interval = interval(config);
    let mut first = true;
    loop {
        let started = Instant::now();
        let config = spread(config, interval, first);
        first = false;
        app.begin();
        tokio::select! {
            done = pass(&config, fleet, manner, app, clock, begin.elapsed()) => match done {
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
    let pass = done.map_err(|error| error.to_string())?;
    let took = started.elapsed();
    let board = app.board().after(&pass, took, fleet.history());
    app.show(board.map_err(|error| error.to_string())?);
    Ok((pass, took))
}
