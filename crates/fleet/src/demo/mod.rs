//! A fleet to look at without having one: simulated programs on loopback that answer with what real Go programs said, and
//! some days of sweeps over them, one after the other without waiting.
//!
//! Everything else is as it is for a real fleet: discovery over HTTP, requests over HTTP, the decoder, the history on disk,
//! the judge. Nothing leaves the machine.

mod captures;
mod plan;
mod program;
mod serve;
mod template;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::FleetConfig;
use crate::pass::{Fleet, Manner, Pass};
use crate::sweep::Effects;
use crate::web::App;

pub use captures::source;

/// Seconds that are simulated: slow leaks take four clear days to be sure of, and the first two days tell nothing yet.
const LAPSE_SECONDS: i64 = 13 * 86_400 / 2;
/// Seconds from one simulated sweep to the next: an hour of a day that has no sweep does not count as seen, and a day must
/// have twenty.
const STEP_SECONDS: i64 = 4_200;

/// A simulated fleet that runs.
pub struct Demo {
    servers: serve::Servers,
    begin: i64,
    /// When its days are over, seconds of Unix time.
    pub end: i64,
    /// What a user would write into `gorphan.yaml` for it.
    pub yaml: String,
    /// The same, read.
    pub config: FleetConfig,
}

/// How far the days are.
pub struct Progress {
    /// Sweeps that are done.
    pub sweeps: usize,
    /// Sweeps in all.
    pub all: usize,
    /// Seconds of Unix time, simulated.
    pub at: i64,
}

impl Demo {
    /// Starts the servers of a fleet whose simulated days end at `end`, in seconds of Unix time. `folder` is for its history.
    ///
    /// # Errors
    /// When ports cannot be had.
    pub async fn start(end: i64, folder: &Path) -> Result<Self, String> {
        let begin = end - LAPSE_SECONDS;
        let servers = serve::Servers::start(begin).await?;
        let yaml = format!(
            "global: {{scrape_interval: 30s, scrape_timeout: 5s}}\n\
             scrape_configs:\n\
             \x20 - job_name: demo\n\
             \x20   http_sd_configs:\n\
             \x20     - {{url: 'http://127.0.0.1:{}/targets', refresh_interval: 10s}}\n\
             own_code: [main]\n",
            servers.directory
        );
        let config = FleetConfig::parse(&yaml, "gorphan demo", folder);
        let config = config.map_err(|error| error.to_string())?;
        Ok(Self {
            servers,
            begin,
            end,
            yaml,
            config,
        })
    }

    /// Opens its history.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn open(&self, folder: &Path) -> Result<Fleet, String> {
        let opened = Fleet::open(&self.config, folder, effects());
        opened.map_err(|error| error.to_string())
    }

    /// Sweeps through the simulated days. `tell` is told how far they are; the last pass is given back.
    ///
    /// # Errors
    /// When a sweep cannot be made or kept.
    pub async fn lapse(
        &self,
        fleet: &mut Fleet,
        manner: &Manner<'_>,
        app: &Arc<App>,
        mut tell: impl FnMut(Progress),
    ) -> Result<Pass, String> {
        let all = LAPSE_SECONDS / STEP_SECONDS;
        self.sweeps(all, fleet, manner, app, &mut tell).await
    }

    /// Only the last so many of those sweeps.
    ///
    /// # Errors
    /// As [`Demo::lapse`].
    pub async fn last_sweeps(
        &self,
        count: i64,
        fleet: &mut Fleet,
        manner: &Manner<'_>,
        app: &Arc<App>,
    ) -> Result<Pass, String> {
        self.sweeps(count, fleet, manner, app, &mut |_| {}).await
    }

    async fn sweeps(
        &self,
        count: i64,
        fleet: &mut Fleet,
        manner: &Manner<'_>,
        app: &Arc<App>,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Pass, String> {
        let moments: Vec<i64> = (0..count)
            .rev()
            .map(|back| self.end - back * STEP_SECONDS)
            .collect();
        // Dumps are for people who look, and nobody does before the end.
        let mut hurried = self.config.clone();
        hurried.sweep.dump_goroutines = 0;
        let mut last = None;
        for (number, at) in moments.iter().enumerate() {
            let is_last = number + 1 == moments.len();
            self.servers.shared.set(*at);
            let config = if is_last { &self.config } else { &hurried };
            let since = Duration::from_secs(at.abs_diff(self.begin));
            let started = Instant::now();
            let pass = fleet.pass(config, manner, *at, since).await;
            let pass = pass.map_err(|error| error.to_string())?;
            let board = app.board().after(&pass, started.elapsed(), fleet.history());
            app.show(board.map_err(|error| error.to_string())?);
            tell(Progress {
                sweeps: number + 1,
                all: moments.len(),
                at: *at,
            });
            last = Some(pass);
        }
        last.ok_or_else(|| "there is nothing to simulate".to_owned())
    }

    /// Lets the clock of the fleet go on, now that its days are over.
    pub async fn go_on(&self, clock: fn() -> i64) {
        loop {
            self.servers.shared.set(clock().max(self.end));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Waits are not waited for: the days are simulated.
fn effects() -> Effects {
    let start = Instant::now();
    Effects::of(
        |_| Box::pin(std::future::ready(())),
        || 0.5,
        move || start.elapsed(),
    )
}

#[cfg(test)]
mod tests;
