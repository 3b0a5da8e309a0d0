//! The pages, one file each. What stands in them is from outside and escaped by their templates.

mod captures;
mod finding;
mod login;
mod overview;
mod services;
mod sweeps;
mod targets;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::App;
use super::assets;
use super::board::Board;
use super::words;

type Shared = State<Arc<App>>;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(overview::page))
        .route("/findings/{fingerprint}", get(finding::page))
        .route("/findings/{fingerprint}/{action}", post(finding::act))
        .route("/services", get(services::all))
        .route("/services/{service}", get(services::one))
        .route("/targets", get(targets::page))
        .route("/sweeps", get(sweeps::page))
        .route("/captures", get(captures::all))
        .route("/captures/{id}", get(captures::one))
        .route("/compare", get(captures::compare))
        .route("/state", get(state))
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", get(login::log_out))
}

/// What every page has around it.
pub(crate) struct Shell {
    active: &'static str,
    fleet: String,
    assets: &'static str,
    version: &'static str,
    /// `good`, `late`, `down`, `never`: the colour of a dot.
    state: &'static str,
    /// The words beside it.
    said: String,
    has_token: bool,
}

impl Shell {
    fn of(app: &App, board: &Board, active: &'static str) -> Self {
        let failure = app.failure();
        let began = app.sweeping.load(Ordering::Relaxed);
        let now = (app.clock)();
        let last = board.at.map(|at| words::ago(at, now));
        let running = (began > 0).then(|| words::span((now - began).max(0) as f64));
        let (state, said) = match (last, running) {
            _ if !failure.is_empty() => ("down", format!("the last sweep failed: {failure}")),
            (None, Some(time)) => ("never", format!("first sweep running for {time}")),
            (None, None) => ("never", "no sweep yet".to_owned()),
            (Some(last), _) if app.is_late(board) => ("late", format!("last sweep {last}")),
            (Some(last), _) if board.history.waiting > 0 => {
                let waiting = board.history.waiting;
                (
                    "late",
                    format!("last sweep {last}; {waiting} wait for the history"),
                )
            }
            (Some(last), Some(_)) => ("good", format!("last sweep {last}, one is running")),
            (Some(last), None) => ("good", format!("last sweep {last}")),
        };
        Self {
            active,
            fleet: app.name.clone(),
            assets: assets::version(),
            version: env!("CARGO_PKG_VERSION"),
            state,
            said,
            has_token: app.guard.has_token(),
        }
    }

    fn pages(&self) -> [(&'static str, &'static str); 5] {
        [
            ("/", "Leaks"),
            ("/services", "Services"),
            ("/targets", "Targets"),
            ("/sweeps", "Sweeps"),
            ("/captures", "Captures"),
        ]
    }
}

/// A number with its name.
pub(crate) struct Figure {
    name: &'static str,
    value: String,
    beside: String,
    class: &'static str,
}

impl Figure {
    fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            beside: String::new(),
            class: "",
        }
    }

    fn beside(mut self, text: impl Into<String>) -> Self {
        self.beside = text.into();
        self
    }

    /// Coloured unless it is 0.
    fn counting(name: &'static str, count: usize, class: &'static str) -> Self {
        let mut figure = Self::new(name, count.to_string());
        figure.class = if count == 0 { "zero" } else { class };
        figure
    }
}

/// A choice above a table.
pub(crate) struct Tab {
    name: &'static str,
    href: String,
    count: usize,
    current: bool,
}

/// What is asked for above a table.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Query {
    /// Text to look for.
    #[serde(default)]
    q: String,
    /// What to show: a verdict, a state.
    #[serde(default)]
    show: String,
}

impl Query {
    /// Whether any of the texts has what is looked for, whatever its case.
    fn fits<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let wanted = self.q.trim().to_lowercase();
        let mut texts = texts.into_iter();
        wanted.is_empty() || texts.any(|text| text.to_lowercase().contains(&wanted))
    }

    /// The address of the same with something else shown.
    fn href(&self, path: &str, show: &str) -> String {
        let pairs = [("show", show), ("q", self.q.trim())];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        match query.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }
}

/// The address of a service's page.
fn service_href(service: &str) -> String {
    format!("/services/{}", segment(service))
}

fn finding_href(fingerprint: &str) -> String {
    format!("/findings/{}", segment(fingerprint))
}

/// Text as one part of a path.
fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(byte as char),
            // A lone dot or two would be taken for a step in the path.
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            let said = format!("the page cannot be made: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, said).into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    shell: Shell,
    title: String,
    text: String,
}

/// A page that says what is not there.
fn missing(app: &App, title: &str, text: &str) -> Response {
    let page = Message {
        shell: Shell::of(app, &app.board(), ""),
        title: title.to_owned(),
        text: text.to_owned(),
    };
    (StatusCode::NOT_FOUND, render(&page)).into_response()
}

/// For addresses that lead nowhere.
pub(crate) async fn nothing(State(app): Shared, uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return super::api::refuse(
            StatusCode::NOT_FOUND,
            "there is nothing of that name; /api/v1/openapi.json tells what there is",
        );
    }
    missing(&app, "There is no such page", "The address leads nowhere.")
}

#[derive(Template)]
#[template(path = "state.html")]
struct StateLine {
    shell: Shell,
}

async fn state(State(app): Shared) -> Response {
    let shell = Shell::of(&app, &app.board(), "");
    render(&StateLine { shell })
}
