//! The pages of `gorphan watch`, the JSON API and the metrics: one server, nothing loaded from elsewhere.
//!
//! All that is shown is on the [`Board`], which is made once after each pass and swapped in whole. Pages are drawn on the
//! server and work without scripts; htmx brings parts up to date, and uPlot makes plots to read values off.

mod actions;
mod api;
mod assets;
mod board;
mod captures;
mod guard;
mod icicle;
mod kept;
mod metrics;
mod pages;
mod plot;
mod series;
pub mod view;
pub(crate) mod words;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;

use crate::alert::Alerting;
use crate::history::Reader;
use crate::ledger::Ledger;
use crate::push::Push;

pub use board::Board;
pub use guard::Guard;
pub use metrics::Metrics;

/// Bytes of a form or a JSON body: a reason has some lines.
const MAX_BODY_BYTES: usize = 64 << 10;
/// Intervals without a finished sweep after which something is wrong.
const LATE_INTERVALS: i64 = 3;

/// The text of a source file by the name that stacks give it.
pub type SourceText = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What the outer world gives the server.
pub struct Outside {
    /// The text of source files, for snippets.
    pub source: Box<SourceText>,
    /// Seconds of Unix time.
    pub clock: fn() -> i64,
    /// Who may see the pages.
    pub guard: Guard,
    /// What people do about findings; `None` where they can do nothing.
    pub people: Option<People>,
    /// Where captures are that are not in memory any more.
    pub history: Option<Reader>,
}

/// Where it is kept what people do about findings, and who is told.
pub struct People {
    /// The ledger.
    pub ledger: Arc<Mutex<Ledger>>,
    /// The receivers.
    pub alerting: Alerting,
}

/// What the server serves.
pub struct App {
    name: String,
    interval_seconds: i64,
    board: RwLock<Arc<Board>>,
    source: Box<SourceText>,
    clock: fn() -> i64,
    guard: Guard,
    people: Option<People>,
    history: Option<Reader>,
    metrics: Metrics,
    /// When the current sweep began; 0 if none is running.
    sweeping: AtomicI64,
    /// What kept the last pass from its end; empty if nothing did.
    failure: RwLock<String>,
    stopping: AtomicBool,
}

impl App {
    /// A server without a board yet. `name` is the fleet's, `interval_seconds` the time from one sweep to the next.
    pub fn new(name: impl Into<String>, interval_seconds: i64, outside: Outside) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            interval_seconds,
            board: RwLock::default(),
            source: outside.source,
            clock: outside.clock,
            guard: outside.guard,
            people: outside.people,
            history: outside.history,
            metrics: Metrics::default(),
            sweeping: AtomicI64::new(0),
            failure: RwLock::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// The board of now.
    pub fn board(&self) -> Arc<Board> {
        let board = self.board.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&board)
    }

    /// Shows what an earlier run of the program had shown, until there is a sweep.
    pub fn restore(&self, board: Board) {
        self.metrics.take_in(&board);
        *self.board.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(board);
    }

    /// Shows the board of a pass.
    pub fn show(&self, board: Board) {
        self.metrics.count(&board);
        self.restore(board);
        self.sweeping.store(0, Ordering::Relaxed);
        self.set_failure(String::new());
    }

    /// Shows that a finding stands otherwise now, without waiting for the next pass.
    fn restate(&self, fingerprint: &str, status: &str) {
        let mut shown = self.board.write().unwrap_or_else(PoisonError::into_inner);
        let mut board = Board::clone(&shown);
        let mut findings = board.findings.iter_mut();
        if let Some(finding) = findings.find(|it| it.fingerprint == fingerprint) {
            finding.status = status.to_owned();
        }
        *shown = Arc::new(board);
    }

    /// Says that a sweep has begun.
    pub fn begin(&self) {
        self.sweeping.store((self.clock)(), Ordering::Relaxed);
    }

    /// Says that a pass did not come to its end.
    pub fn fail(&self, why: String) {
        self.metrics.fail();
        self.sweeping.store(0, Ordering::Relaxed);
        self.set_failure(why);
    }

    /// Says that the program is about to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn set_failure(&self, why: String) {
        *self.failure.write().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn failure(&self) -> String {
        let failure = self.failure.read().unwrap_or_else(PoisonError::into_inner);
        failure.clone()
    }

    /// The packed profile of a capture, from memory or the history.
    async fn profile(&self, capture: &captures::Capture) -> Result<Bytes, String> {
        if let Some(profile) = &capture.profile {
            return Ok(profile.clone());
        }
        let gone = || "it is not kept any more".to_owned();
        let reader = self.history.clone().ok_or_else(gone)?;
        let id = capture.view.id.clone();
        let read = tokio::task::spawn_blocking(move || reader.capture(&id)).await;
        let read = read.map_err(|_| "reading it stopped".to_owned())?;
        read.map_err(|error| error.to_string())?.ok_or_else(gone)
    }

    /// Whether a sweep is overdue.
    fn is_late(&self, board: &Board) -> bool {
        let allowed = self.interval_seconds.saturating_mul(LATE_INTERVALS);
        let now = (self.clock)();
        board.at.is_some_and(|at| now.saturating_sub(at) > allowed)
    }
}

/// All that is served; with a place where programs send their profiles, if there is one.
pub fn router(app: &Arc<App>, push: Option<&Push>) -> Router {
    let guarded = axum::middleware::from_fn_with_state(Arc::clone(app), guard::guard);
    Router::new()
        .merge(pages::routes())
        .merge(api::routes())
        .route("/assets/{name}", get(assets::serve))
        .route("/metrics", get(metrics::serve))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(pages::nothing)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::clone(app))
        // It has bounds of its own.
        .merge(push.map(Push::router).unwrap_or_default())
        .layer(guarded)
}

/// Serves until `stop` is there; requests that are under way come to their end.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}

/// Ready once there is something to show, and until the program is about to end.
async fn ready(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
) -> axum::response::Response {
    if app.stopping.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match app.board().at {
        None => (StatusCode::SERVICE_UNAVAILABLE, "no sweep yet\n").into_response(),
        Some(_) => "ready\n".into_response(),
    }
}

#[cfg(test)]
mod tests;
