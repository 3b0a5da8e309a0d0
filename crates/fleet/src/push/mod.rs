//! Profiles that programs send, in the two ways of Pyroscope: its client's `POST /ingest`, and the `push.v1` service
//! that Grafana Alloy speaks.
//!
//! What arrives is kept, the latest of each instance, until the next sweep takes it as if it had been fetched. Profiles
//! of anything but goroutines are taken and counted, as a client that is told off would only complain in its log.

mod buffer;
mod connect;
mod ingest;
mod labels;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use gorphan_decode::{Limits, Options};
use gorphan_model::{ProfileKind, Snapshot};
use tokio::sync::Semaphore;

use crate::discover::{Address, Target};
use crate::labels::LabelSet;
use buffer::Buffer;
pub use buffer::Counts;

/// Bytes of one request: a client sends one profile, Alloy a few.
const MAX_BODY_BYTES: usize = 32 << 20;
/// Bytes of one profile as sent, the same as of one that is fetched.
const MAX_PROFILE_BYTES: usize = 16 << 20;
/// The same unpacked; what unpacks to more is a bomb.
const MAX_UNPACKED_BYTES: u64 = 64 << 20;
/// Requests that are read and decoded at the same time; the others wait.
const MAX_REQUESTS: usize = 8;
/// A body that takes longer is not waited for.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What one pushed profile was.
type Pushed = (Arc<Target>, Snapshot, Option<Snapshot>);

/// Seconds of Unix time, from outside.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The place where profiles arrive; clones are the same place.
#[derive(Clone)]
pub struct Push {
    buffer: Buffer,
    clock: Clock,
    turns: Arc<Semaphore>,
}

/// Why a profile is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refused {
    /// The request is wrong, and stays so.
    Wrong(String),
    /// It is larger than anything that is taken.
    TooLarge(String),
    /// There is no room until the next sweep.
    Full(String),
}

impl Push {
    /// A place without anything in it. `clock` gives seconds of Unix time.
    pub fn new(clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            buffer: Buffer::default(),
            clock: Arc::new(clock),
            turns: Arc::new(Semaphore::new(MAX_REQUESTS)),
        }
    }

    /// `POST /ingest` and `POST /push.v1.PusherService/Push`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/ingest", post(ingest::take))
            .route("/push.v1.PusherService/Push", post(connect::take))
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }

    /// Takes out what arrived, by job and instance; what is older than `seconds` is thrown away. Decodes on the blocking
    /// threads of the runtime that this runs on.
    pub async fn drain(&self, now: i64, seconds: i64) -> Vec<Pushed> {
        let mut kept: HashMap<_, (Option<Snapshot>, Option<Snapshot>, Arc<Target>)> =
            HashMap::new();
        for one in self.buffer.drain(now.saturating_sub(seconds)) {
            // It was decoded when it came.
            let Ok(Some(snapshot)) = decode(one.bytes).await else {
                continue;
            };
            let key = crate::sweep::key(&one.target);
            let slot = kept
                .entry(key)
                .or_insert_with(|| (None, None, Arc::clone(&one.target)));
            match snapshot.profile {
                ProfileKind::Goroutine => (slot.0, slot.2) = (Some(snapshot), one.target),
                ProfileKind::GoroutineLeak => slot.1 = Some(snapshot),
            }
        }
        // The leaks alone do not tell how many goroutines there are.
        let whole = kept
            .into_values()
            .filter_map(|(all, leaks, target)| Some((target, all?, leaks)));
        let mut whole: Vec<Pushed> = whole.collect();
        whole.sort_by_key(|(target, ..)| crate::sweep::key(target));
        whole
    }

    /// What arrived so far.
    pub fn counts(&self) -> Counts {
        self.buffer.counts()
    }

    /// Takes a profile in.
    async fn take(&self, labels: LabelSet, bytes: Vec<u8>) -> Result<(), Refused> {
        let taken = self.try_take(labels, bytes).await;
        if taken.is_err() {
            self.buffer.count(|counts| counts.refused += 1);
        }
        taken
    }

    async fn try_take(&self, labels: LabelSet, bytes: Vec<u8>) -> Result<(), Refused> {
        if bytes.len() > MAX_PROFILE_BYTES {
            let why = format!("a profile has more than {MAX_PROFILE_BYTES} bytes");
            return Err(Refused::TooLarge(why));
        }
        let target = Arc::new(target(labels)?);
        let bytes: Arc<[u8]> = bytes.into();
        let Some(snapshot) = decode(Arc::clone(&bytes)).await? else {
            self.buffer.count(|counts| counts.ignored += 1);
            return Ok(());
        };
        self.buffer
            .put((self.clock)(), target, snapshot.profile, bytes)
            .map_err(Refused::Full)
    }
}

/// One after the other within bounds, and not for ever.
async fn bounded(
    push: &Push,
    headers: &HeaderMap,
    body: Body,
) -> Result<(tokio::sync::OwnedSemaphorePermit, Vec<u8>), Refused> {
    let large = || Refused::TooLarge(format!("the body has more than {MAX_BODY_BYTES} bytes"));
    let told = headers.get(axum::http::header::CONTENT_LENGTH);
    let told = told.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|bytes| bytes > MAX_BODY_BYTES) {
        return Err(large());
    }
    let turn = Arc::clone(&push.turns).acquire_owned().await;
    let turn = turn.map_err(|_| Refused::Full("the server ends".to_owned()))?;
    let reading = axum::body::to_bytes(body, MAX_BODY_BYTES);
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(bytes)) => Ok((turn, bytes.to_vec())),
        // Too large, or broken off: either way it is not whole.
        Ok(Err(_)) => Err(large()),
        Err(_) => Err(Refused::Wrong("the body took too long".to_owned())),
    }
}

/// The snapshot of a goroutine profile; `None` for profiles of anything else.
async fn decode(bytes: Arc<[u8]>) -> Result<Option<Snapshot>, Refused> {
    let decoded = tokio::task::spawn_blocking(move || {
        let options = Options {
            limits: Limits {
                input_bytes: MAX_UNPACKED_BYTES,
                profile_bytes: MAX_UNPACKED_BYTES,
                ..Limits::default()
            },
            ..Options::default()
        };
        gorphan_decode::read_bytes(&bytes, &options)
    });
    let wrong = |why: String| Refused::Wrong(format!("the profile cannot be read: {why}"));
    let decoded = decoded
        .await
        .map_err(|_| wrong("the decoder stopped".to_owned()))?;
    let mut snapshots = match decoded {
        Ok(snapshots) => snapshots,
        Err(gorphan_decode::Error::NotGoroutines { .. }) => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let snapshot = snapshots.pop();
    match snapshot {
        Some(snapshot) if !snapshot.truncated && snapshots.is_empty() => Ok(Some(snapshot)),
        // It would show fewer goroutines than there are.
        _ => Err(wrong("it is cut short".to_owned())),
    }
}

/// Who sent it. Names of several conventions mean the same.
fn target(labels: LabelSet) -> Result<Target, Refused> {
    let first = |names: &[&str]| {
        let mut values = names.iter().map(|name| labels.get(name));
        values.find(|value| !value.is_empty()).unwrap_or_default()
    };
    let session = labels.get("__session_id__").to_owned();
    let service = first(&["service", "service_name", "service.name", "job"]);
    if service.is_empty() {
        let why =
            "the profile names no service: set the label service_name, or the application's name";
        return Err(Refused::Wrong(why.to_owned()));
    }
    let instance = first(&[
        "instance",
        "pod",
        "k8s.pod.name",
        "hostname",
        "host",
        "host.name",
        "service.instance.id",
    ]);
    // Two that say nothing about themselves are told apart by their sessions.
    let instance = if instance.is_empty() {
        session.as_str()
    } else {
        instance
    };
    let instance = if instance.is_empty() {
        "unknown"
    } else {
        instance
    };
    let version = first(&["version", "service_version", "service.version"]);
    let mut set: LabelSet = labels
        .iter()
        .filter(|(name, _)| !name.starts_with("__"))
        .collect();
    set.set_default("service", service);
    set.set_default("instance", instance);
    set.set_default("version", version);
    set.set_default("job", "push");
    Ok(Target {
        labels: set,
        address: Address::Pushed,
        start: session,
    })
}

impl Refused {
    fn parts(self) -> (StatusCode, String) {
        match self {
            Self::Wrong(why) => (StatusCode::BAD_REQUEST, why),
            Self::TooLarge(why) => (StatusCode::PAYLOAD_TOO_LARGE, why),
            Self::Full(why) => (StatusCode::TOO_MANY_REQUESTS, why),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.parts().into_response()
    }
}

/// A handler that reads its body itself.
async fn with_body<F>(
    State(push): State<Push>,
    headers: &HeaderMap,
    body: Body,
    work: impl FnOnce(Push, Vec<u8>) -> F,
) -> Result<(), Refused>
where
    F: Future<Output = Result<(), Refused>>,
{
    match bounded(&push, headers, body).await {
        Ok((_turn, bytes)) => work(push, bytes).await,
        Err(refused) => {
            push.buffer.count(|counts| counts.refused += 1);
            Err(refused)
        }
    }
}

#[cfg(test)]
mod tests;
