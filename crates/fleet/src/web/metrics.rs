//! `/metrics`, in the text form of OpenMetrics.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::App;
use super::board::Board;

/// Seconds of a sweep, for the histogram: from a small fleet to a spread over an hour.
const SWEEP_SECONDS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Found {
    service: String,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfService {
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    job: String,
    state: &'static str,
}

/// The program's measures of itself and of what it found.
pub struct Metrics {
    registry: Registry,
    findings: Family<Found, Gauge>,
    leaking: Family<Found, Gauge>,
    cost: Family<OfService, Gauge>,
    goroutines: Family<OfService, Gauge>,
    targets: Family<InState, Gauge>,
    last: Gauge<f64, AtomicU64>,
    seconds: Histogram,
    sweeps: Counter,
    failures: Counter,
    requests: Counter,
    bytes: Counter,
    waiting: Gauge,
    waiting_bytes: Gauge,
    lost: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("gorphan"),
            findings: Family::default(),
            leaking: Family::default(),
            cost: Family::default(),
            goroutines: Family::default(),
            targets: Family::default(),
            last: Gauge::default(),
            seconds: Histogram::new(SWEEP_SECONDS),
            sweeps: Counter::default(),
            failures: Counter::default(),
            requests: Counter::default(),
            bytes: Counter::default(),
            waiting: Gauge::default(),
            waiting_bytes: Gauge::default(),
            lost: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "findings",
            "Sites that leak or look like it",
            self.findings.clone(),
        );
        registry.register(
            "leaking_goroutines",
            "Goroutines at those sites",
            self.leaking.clone(),
        );
        registry.register_with_unit(
            "leak_cost",
            "Memory that they take, at least",
            Unit::Bytes,
            self.cost.clone(),
        );
        registry.register(
            "goroutines",
            "Goroutines of all instances that the last sweep reached",
            self.goroutines.clone(),
        );
        registry.register(
            "targets",
            "Targets of the last sweep by state: up, down, paused",
            self.targets.clone(),
        );
        registry.register_with_unit(
            "last_sweep_timestamp",
            "When the last sweep began, Unix time",
            Unit::Seconds,
            self.last.clone(),
        );
        registry.register_with_unit(
            "sweep_duration",
            "How long sweeps took",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "sweeps",
            "Sweeps that came to their end",
            self.sweeps.clone(),
        );
        registry.register(
            "sweep_failures",
            "Sweeps that did not come to their end",
            self.failures.clone(),
        );
        registry.register("requests", "Requests made", self.requests.clone());
        registry.register_with_unit(
            "received",
            "Profiles received",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register(
            "history_waiting_sweeps",
            "Sweeps that wait for a history that cannot be written",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "history_waiting",
            "Memory that they take",
            Unit::Bytes,
            self.waiting_bytes.clone(),
        );
        registry.register(
            "history_lost_sweeps",
            "Sweeps that the history will not have, as too many would have had to wait for it",
            self.lost.clone(),
        );
    }

    /// Takes over what a board tells. Services that are gone are gone here as well.
    pub(crate) fn take_in(&self, board: &Board) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.findings.clear();
        self.leaking.clear();
        for finding in &board.findings {
            let label = Found {
                service: finding.service.clone(),
                verdict: finding.verdict,
            };
            self.findings.get_or_create(&label).inc();
            let goroutines = self.leaking.get_or_create(&label);
            goroutines.inc_by(signed(finding.goroutines));
        }
        self.cost.clear();
        self.goroutines.clear();
        for service in &board.services {
            let label = OfService {
                service: service.service.clone(),
            };
            self.cost
                .get_or_create(&label)
                .set(signed(service.cost_bytes));
            let goroutines = self.goroutines.get_or_create(&label);
            goroutines.set(signed(service.goroutines));
        }
        self.targets.clear();
        for target in &board.targets {
            // A job whose targets are all down still tells how many are up.
            for state in ["up", "down", "paused"] {
                let label = InState {
                    job: target.job.clone(),
                    state,
                };
                let targets = self.targets.get_or_create(&label);
                targets.inc_by(i64::from(target.state == state));
            }
        }
        if let Some(at) = board.at {
            self.last.set(at as f64);
        }
        let history = &board.history;
        self.waiting.set(signed(history.waiting as u64));
        self.waiting_bytes.set(signed(history.bytes));
        let counted = self.lost.get();
        self.lost.inc_by(history.lost.saturating_sub(counted));
    }

    /// Counts the sweep that a board is of.
    pub(crate) fn count(&self, board: &Board) {
        if let Some(sweep) = board.sweeps.first() {
            self.seconds.observe(sweep.seconds.unwrap_or_default());
            self.sweeps.inc();
            self.requests.inc_by(sweep.requests);
            self.bytes.inc_by(sweep.bytes);
        }
    }

    /// Counts a pass that did not come to its end.
    pub(crate) fn fail(&self) {
        self.failures.inc();
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> Option<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).ok()?;
        Some(text)
    }
}

/// The media type of the text.
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) async fn serve(State(app): State<Arc<App>>) -> Response {
    match app.metrics.text() {
        Some(text) => ([(header::CONTENT_TYPE, KIND)], text).into_response(),
        None => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics cannot be written\n",
        )
            .into_response(),
    }
}
