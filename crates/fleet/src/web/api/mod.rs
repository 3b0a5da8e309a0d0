//! The JSON API under `/api/v1`. Its description is served at `/api/v1/openapi.json`, and a test holds the two together.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::App;
use super::actions::{Action, Refused, Said, perform};
use super::view;

/// What every answer is a version of.
const VERSION: u32 = 1;
const DESCRIPTION: &str = include_str!("openapi.json");

type Shared = State<Arc<App>>;

/// A path, its methods, and who answers.
type Row = (
    &'static str,
    &'static [&'static str],
    MethodRouter<Arc<App>>,
);

/// The paths of the interface.
pub(crate) fn table() -> Vec<Row> {
    vec![
        ("/api/v1/openapi.json", &["get"], get(description)),
        ("/api/v1/findings", &["get"], get(findings)),
        ("/api/v1/findings/{fingerprint}", &["get"], get(finding)),
        (
            "/api/v1/findings/{fingerprint}/series",
            &["get"],
            get(series),
        ),
        (
            "/api/v1/findings/{fingerprint}/{action}",
            &["post"],
            post(act),
        ),
        ("/api/v1/services", &["get"], get(services)),
        ("/api/v1/services/{service}", &["get"], get(service)),
        ("/api/v1/services/{service}/sites", &["get"], get(sites)),
        ("/api/v1/targets", &["get"], get(targets)),
        ("/api/v1/sweeps", &["get"], get(sweeps)),
        ("/api/v1/captures", &["get"], get(captures)),
        ("/api/v1/captures/{id}", &["get"], get(capture)),
    ]
}

pub(crate) fn routes() -> Router<Arc<App>> {
    let add =
        |router: Router<Arc<App>>, (path, _, method): (&str, _, _)| router.route(path, method);
    table()
        .into_iter()
        .fold(Router::new(), |router, (path, methods, method)| {
            add(router, (path, methods, method))
        })
}

/// An error for programs.
#[derive(Serialize)]
struct Refusal<'a> {
    version: u32,
    error: &'a str,
}

/// An answer that says why there is none.
pub(crate) fn refuse(status: StatusCode, error: &str) -> Response {
    let version = VERSION;
    (status, Json(Refusal { version, error })).into_response()
}

fn unknown(what: &str) -> Response {
    let error = format!("there is no such {what}");
    refuse(StatusCode::NOT_FOUND, &error)
}

async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}

/// What findings and targets are narrowed by; what is absent narrows nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    service: Option<String>,
    verdict: Option<String>,
    status: Option<String>,
    owner: Option<String>,
    state: Option<String>,
    job: Option<String>,
}

fn narrowed(wanted: &Option<String>, found: Option<&str>) -> bool {
    wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
}

#[derive(Serialize)]
struct Findings<'a> {
    version: u32,
    /// When the sweep began that they are of.
    at: Option<&'a str>,
    findings: Vec<&'a view::Finding>,
}

async fn findings(State(app): Shared, Query(filter): Query<Filter>) -> Response {
    let board = app.board();
    let all = board.findings.iter().filter(|it| {
        narrowed(&filter.service, Some(&it.service))
            && narrowed(&filter.verdict, Some(it.verdict))
            && narrowed(&filter.status, Some(&it.status))
            && narrowed(&filter.owner, it.owner.as_deref())
    });
    Json(Findings {
        version: VERSION,
        at: board.sweeps.first().map(|sweep| sweep.at.as_str()),
        findings: all.collect(),
    })
    .into_response()
}

async fn finding(State(app): Shared, Path(fingerprint): Path<String>) -> Response {
    match app.board().finding(&fingerprint) {
        Some(finding) => Json(finding).into_response(),
        None => unknown("finding"),
    }
}

/// How a finding stands after something was done about it.
#[derive(Serialize)]
struct Stands<'a> {
    version: u32,
    fingerprint: &'a str,
    status: &'static str,
    acknowledged_by: Option<&'a str>,
    silenced_until: Option<String>,
}

/// Only JSON is taken: a form of a foreign page cannot send it without asking first.
async fn act(
    State(app): Shared,
    Path((fingerprint, word)): Path<(String, String)>,
    Json(said): Json<Said>,
) -> Response {
    let Some(action) = Action::named(&word) else {
        return unknown("action");
    };
    match perform(&app, action, &fingerprint, &said) {
        Ok(entry) => Json(Stands {
            version: VERSION,
            fingerprint: &entry.notice.fingerprint,
            status: entry.status.as_str(),
            acknowledged_by: entry.acknowledged.as_ref().map(|it| it.by.as_str()),
            silenced_until: entry
                .silence
                .as_ref()
                .map(|silence| super::words::rfc3339(silence.until)),
        })
        .into_response(),
        Err(Refused::Unknown) => unknown("finding"),
        Err(Refused::Wrong(why)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &why),
        Err(Refused::Broken(why)) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &why),
    }
}

async fn series(State(app): Shared, Path(fingerprint): Path<String>) -> Response {
    match app.board().series.get(&fingerprint) {
        Some(series) => Json(series).into_response(),
        None => unknown("finding"),
    }
}

#[derive(Serialize)]
struct Services<'a> {
    version: u32,
    services: &'a [view::Service],
}

async fn services(State(app): Shared) -> Response {
    let services = &app.board().services;
    let version = VERSION;
    Json(Services { version, services }).into_response()
}

async fn service(State(app): Shared, Path(name): Path<String>) -> Response {
    let board = app.board();
    match board.services.iter().find(|it| it.service == name) {
        Some(service) => Json(service).into_response(),
        None => unknown("service"),
    }
}

#[derive(Serialize)]
struct Sites<'a> {
    version: u32,
    sites: &'a [view::Site],
}

async fn sites(State(app): Shared, Path(name): Path<String>) -> Response {
    let board = app.board();
    let version = VERSION;
    match board.sites.get(&name) {
        Some(sites) => Json(Sites { version, sites }).into_response(),
        None => unknown("service"),
    }
}

#[derive(Serialize)]
struct Targets<'a> {
    version: u32,
    targets: Vec<&'a view::Target>,
    /// Sources of targets that did not work.
    troubles: &'a [String],
}

async fn targets(State(app): Shared, Query(filter): Query<Filter>) -> Response {
    let board = app.board();
    let all = board.targets.iter().filter(|it| {
        narrowed(&filter.service, Some(&it.service))
            && narrowed(&filter.state, Some(it.state))
            && narrowed(&filter.job, Some(&it.job))
    });
    Json(Targets {
        version: VERSION,
        targets: all.collect(),
        troubles: &board.troubles,
    })
    .into_response()
}

#[derive(Serialize)]
struct Sweeps<'a> {
    version: u32,
    sweeps: &'a [view::Sweep],
    history: &'a view::Backlog,
}

async fn sweeps(State(app): Shared) -> Response {
    let board = app.board();
    Json(Sweeps {
        version: VERSION,
        sweeps: &board.sweeps,
        history: &board.history,
    })
    .into_response()
}

#[derive(Serialize)]
struct Captures<'a> {
    version: u32,
    captures: Vec<&'a view::Capture>,
}

async fn captures(State(app): Shared, Query(filter): Query<Filter>) -> Response {
    let board = app.board();
    let all = board.captures.newest_first().map(|it| &it.view);
    let all = all.filter(|it| narrowed(&filter.service, Some(&it.service)));
    Json(Captures {
        version: VERSION,
        captures: all.collect(),
    })
    .into_response()
}

async fn capture(State(app): Shared, Path(id): Path<String>) -> Response {
    let board = app.board();
    let Some(capture) = board.captures.get(&id) else {
        return unknown("capture");
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            // The name is a hash: nothing in it can end the quotes.
            format!("attachment; filename=\"{}.pb.gz\"", capture.view.id),
        ),
    ];
    match app.profile(capture).await {
        Ok(profile) => (headers, profile).into_response(),
        Err(why) => refuse(StatusCode::NOT_FOUND, &why),
    }
}
