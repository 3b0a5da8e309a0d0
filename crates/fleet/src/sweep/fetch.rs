//! One target's profiles, with retries.

use std::time::Duration;

use gorphan_capture::ProcessOptions;
use gorphan_decode::{Limits, Options};
use gorphan_model::Snapshot;
use url::Url;

use super::{Shared, Way};
use crate::discover::{Address, Target};
use crate::http::{Answer, Bounds, FetchError};

/// Bytes of a routine profile as sent: ten thousand distinct stacks have some 300 KB.
const MAX_PROFILE_BYTES: u64 = 16 << 20;
/// The same unpacked; what unpacks to more is a bomb.
const MAX_UNPACKED_BYTES: u64 = 64 << 20;
/// Requests after one that failed and may pass.
const RETRIES: u32 = 2;
/// The first wait before a retry, doubled for each further one, and made up to half as long again by chance.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What fetching cost.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) attempts: u32,
}

/// The goroutines of a target. `is_last` says that it is not asked for more.
pub(super) async fn goroutines(
    shared: &Shared<'_>,
    target: &Target,
    way: &Way,
    is_last: bool,
    told: &mut Told,
) -> Result<Snapshot, String> {
    let profiles = match &target.address {
        Address::Http(profiles) => profiles,
        Address::Process(pid) => {
            told.attempts = 1;
            return process(*pid).await;
        }
        Address::Pushed => return Err("it sends its profiles and is not asked".to_owned()),
    };
    let mut left = RETRIES;
    let mut wait = RETRY_AFTER;
    loop {
        told.attempts += 1;
        let fetched = profile(shared, &profiles.goroutine, way, is_last, told).await;
        let error = match fetched {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) => error,
        };
        if left == 0 || !error.may_pass() {
            return Err(error.to_string());
        }
        left -= 1;
        let jitter = 1.0 + shared.effects.random() / 2.0;
        shared.effects.sleep(wait.mul_f64(jitter)).await;
        wait *= 2;
    }
}

/// The goroutines that the runtime itself reports as leaked; `None` where it does not.
pub(super) async fn leaks(
    shared: &Shared<'_>,
    url: &Url,
    way: &Way,
    told: &mut Told,
) -> Option<Snapshot> {
    let mut snapshot = profile(shared, url, way, true, told).await.ok()?;
    // A server that gives the same page for every path is not the runtime's word.
    if snapshot.profile != gorphan_model::ProfileKind::GoroutineLeak {
        return None;
    }
    snapshot.problems.clear();
    Some(snapshot)
}

async fn profile(
    shared: &Shared<'_>,
    url: &Url,
    way: &Way,
    is_last: bool,
    told: &mut Told,
) -> Result<Snapshot, FetchError> {
    let bounds = Bounds {
        bytes: MAX_PROFILE_BYTES,
        time: way.timeout,
    };
    told.requests += 1;
    // Tens of thousands of connections that wait for the next sweep are no use to anybody.
    let close = [("connection", "close".to_owned())];
    let headers = if is_last { &close[..] } else { &[] };
    let room = Some(&shared.room);
    let answer = way.client.get_with(url, headers, bounds, room).await?;
    told.bytes += answer.body.len() as u64;
    decode(answer, MAX_UNPACKED_BYTES).await
}

/// Decodes on a blocking thread. A profile that is cut short would show fewer goroutines than there are, so it counts as
/// none.
pub(super) async fn decode(answer: Answer, unpacked: u64) -> Result<Snapshot, FetchError> {
    let decoded = tokio::task::spawn_blocking(move || {
        let options = Options {
            limits: Limits {
                input_bytes: unpacked,
                profile_bytes: unpacked,
                ..Limits::default()
            },
            ..Options::default()
        };
        let snapshots = gorphan_decode::read_bytes(&answer.body, &options);
        snapshots.map_err(|error| FetchError::NotProfile(first_sentence(&error.to_string())))
    });
    let stopped = |_| FetchError::NotProfile("the decoder stopped".to_owned());
    let mut snapshots = decoded.await.map_err(stopped)??;
    let snapshot = snapshots.pop();
    let snapshot =
        snapshot.ok_or_else(|| FetchError::NotProfile("there are no goroutines".to_owned()))?;
    if snapshot.truncated || !snapshots.is_empty() {
        let why = snapshot
            .problems
            .first()
            .map(|problem| format!(": {}", problem.message));
        let why = why.unwrap_or_default();
        return Err(FetchError::NotProfile(format!(
            "the profile is cut short{why}"
        )));
    }
    Ok(snapshot)
}

/// Advice is for those who look at one target.
fn first_sentence(text: &str) -> String {
    text.split("; ").next().unwrap_or_default().to_owned()
}

/// Reads the memory of a process of this machine.
async fn process(pid: u32) -> Result<Snapshot, String> {
    let looked = tokio::task::spawn_blocking(move || {
        let target = gorphan_capture::Target::Process {
            pid,
            options: ProcessOptions {
                proof: false,
                ..ProcessOptions::default()
            },
        };
        let http = gorphan_capture::HttpOptions::default();
        let capture = gorphan_capture::capture(&target, &http, &Options::default());
        capture.map_err(|error| error.to_string())
    });
    let capture = looked
        .await
        .map_err(|_| "reading it stopped".to_owned())??;
    let last = capture.snapshots.into_iter().next_back();
    last.ok_or_else(|| "there are no goroutines".to_owned())
}
