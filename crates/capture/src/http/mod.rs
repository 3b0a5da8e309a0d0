//! Goroutines over HTTP, from a program that serves `net/http/pprof`.
//!
//! Given a base (`http://host:6060`) the protobuf profile (debug=0) is asked for first: it costs the program next to
//! nothing whatever the number of goroutines. The text with ids, waits and creators (debug=2) stops the whole program
//! while it is written (about two seconds for 100,000 goroutines), so it is asked for only when the profile has shown
//! that there are few goroutines ([`SMALL_PROGRAM_GOROUTINES`]), or on request.

mod endpoint;
mod fetch;
mod options;
mod text;

use std::time::SystemTime;

use gorphan_decode::Options;
use gorphan_model::{Problem, Snapshot};
use tokio::time::Instant;
use url::Url;

use crate::pieces::Decoded;
use crate::{Capture, Error, Info, Progress};

pub use endpoint::HttpTarget;
pub use options::{Auth, ClientCertificate, HttpOptions, Secret, Timeouts};

/// Goroutines up to which debug=2 is fetched without being asked for. Writing them stops the program for about 20
/// microseconds each, so a thousand cost what a collection may cost too.
pub const SMALL_PROGRAM_GOROUTINES: u64 = 1_000;

/// Which of the runtime's profiles to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// All goroutines.
    #[default]
    Goroutine,
    /// The runtime's own leak detector, Go 1.27 on. Asking makes the program collect garbage.
    GoroutineLeak,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Goroutine => "goroutine",
            Self::GoroutineLeak => "goroutineleak",
        }
    }
}

/// In which of the runtime's formats to ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Debug {
    /// debug=0, and debug=2 as well if there are few goroutines.
    #[default]
    Auto,
    /// This one and no other: 0, 1 or 2.
    Only(u8),
}

/// A client for any number of targets; cheap to clone.
#[derive(Clone)]
pub struct Client {
    fetcher: fetch::Fetcher,
}

/// One capture's fixed surroundings.
struct Session<'a> {
    target: &'a HttpTarget,
    decode: &'a Options,
    progress: &'a Progress,
    deadline: Instant,
}

impl Client {
    /// Reads the files that `options` name and sets up the client. Credentials of the options go to every target that
    /// brings none of its own.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn new(options: &HttpOptions) -> Result<Self, Error> {
        Ok(Self {
            fetcher: fetch::Fetcher::new(options)?,
        })
    }

    /// Captures `target`. Must run on a tokio runtime; decoding runs on its blocking threads.
    ///
    /// # Errors
    /// When the target cannot be reached in time or what it gives are not goroutines.
    pub async fn capture(&self, target: &HttpTarget, decode: &Options) -> Result<Capture, Error> {
        self.capture_with_progress(target, decode, &Progress::default())
            .await
    }

    /// As [`Client::capture`], counting the bytes in `progress` meanwhile.
    ///
    /// # Errors
    /// As [`Client::capture`].
    pub async fn capture_with_progress(
        &self,
        target: &HttpTarget,
        decode: &Options,
        progress: &Progress,
    ) -> Result<Capture, Error> {
        let total = self.fetcher.timeouts().total;
        let session = Session {
            target,
            decode,
            progress,
            deadline: Instant::now() + total,
        };
        let mut problems = Vec::new();
        let decoded = self.ask(&session, &mut problems).await?;
        Ok(Capture {
            info: Info {
                kind: "http",
                name: target.name(),
                taken_at_unix_nanos: now_unix_nanos(),
                pause: None,
                method: None,
            },
            snapshots: decoded.snapshots,
            filtered: decoded.filtered,
            why: None,
            problems,
        })
    }

    async fn ask(
        &self,
        session: &Session<'_>,
        problems: &mut Vec<Problem>,
    ) -> Result<Decoded, Error> {
        let target = session.target;
        let base_goroutines = target.is_base() && target.profile == Profile::Goroutine;
        let level = match target.debug {
            Debug::Only(level) => Some(level),
            Debug::Auto if base_goroutines => Some(0),
            Debug::Auto => None,
        };
        let profile = self.fetch(session, &target.profile_url(level)).await?;
        let goroutines = profile
            .snapshots
            .iter()
            .map(Snapshot::goroutines)
            .sum::<u64>();
        let is_small = goroutines <= SMALL_PROGRAM_GOROUTINES;
        if target.debug != Debug::Auto || !base_goroutines || !is_small {
            return Ok(profile);
        }
        match self.fetch(session, &target.profile_url(Some(2))).await {
            Ok(dump) if dump.snapshots.iter().all(|one| !one.truncated) => return Ok(dump),
            Ok(_) => problems.push(Problem::new(
                "debug=2 was cut short; this report is from debug=0, which has no ids and waits",
            )),
            Err(error) => problems.push(Problem::new(format!(
                "debug=2 failed; this report is from debug=0, which has no ids and waits: {error}"
            ))),
        }
        Ok(profile)
    }

    async fn fetch(&self, session: &Session<'_>, url: &Url) -> Result<Decoded, Error> {
        let total = self.fetcher.timeouts().total;
        let request = fetch::Request {
            url,
            auth: session.target.auth.as_ref(),
            profile: session.target.profile,
            decode: session.decode,
            progress: session.progress,
        };
        tokio::time::timeout_at(session.deadline, self.fetcher.get(&request))
            .await
            .unwrap_or_else(|_| {
                Err(Error::Timeout {
                    url: endpoint::shown(url),
                    phase: "the capture",
                    limit: total,
                })
            })
    }
}

/// The one clock that capture reads: an answer's time is when it came.
fn now_unix_nanos() -> Option<i64> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    i64::try_from(since.as_nanos()).ok()
}
