//! Targets by job, with their state, as Prometheus shows them.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query as Asked, State};
use axum::response::Response;

use super::{Query, Shared, Shell, Tab, render, service_href};
use crate::web::view::Target;
use crate::web::words::{ago, grouped};

/// Rows of one job.
const MAX_ROWS: usize = 500;
const PATH: &str = "/targets";

#[derive(Template)]
#[template(path = "targets.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    query: Query,
    troubles: Vec<String>,
    jobs: Vec<Job>,
}

struct Job {
    name: String,
    up: usize,
    all: usize,
    rows: Vec<Row>,
    left_out: usize,
}

pub(super) struct Row {
    pub(super) target: Target,
    service_href: String,
    /// Without those that have a column of their own.
    labels: Vec<(String, String)>,
    pub(super) goroutines: String,
    answered: String,
}

pub(crate) async fn page(State(app): Shared, Asked(query): Asked<Query>) -> Response {
    let board = app.board();
    let of = |state: &str| board.targets.iter().filter(|it| it.state == state).count();
    let tabs = [
        ("All", "", board.targets.len()),
        ("Up", "up", of("up")),
        ("Down", "down", of("down")),
        ("Paused", "paused", of("paused")),
    ];
    let tabs = tabs.into_iter().map(|(name, show, count)| Tab {
        name,
        href: query.href(PATH, show),
        count,
        current: query.show == show,
    });
    let now = (app.clock)();
    let mut jobs: BTreeMap<&str, Job> = BTreeMap::new();
    for target in &board.targets {
        let job = jobs.entry(&target.job).or_insert_with(|| Job {
            name: target.job.clone(),
            up: 0,
            all: 0,
            rows: Vec::new(),
            left_out: 0,
        });
        job.all += 1;
        job.up += usize::from(target.state == "up");
        let shown = query.show.is_empty() || target.state == query.show;
        if !shown || !query.fits(texts(target)) {
            continue;
        }
        if job.rows.len() >= MAX_ROWS {
            job.left_out += 1;
            continue;
        }
        job.rows.push(row(target, now));
    }
    let jobs = jobs.into_values().filter(|job| !job.rows.is_empty());
    let mut jobs: Vec<Job> = jobs.collect();
    for job in &mut jobs {
        // What needs looking after stands first.
        job.rows.sort_by_key(|row| row.target.state == "up");
    }
    render(&Page {
        tabs: tabs.collect(),
        troubles: board.troubles.clone(),
        jobs,
        shell: Shell::of(&app, &board, PATH),
        query,
    })
}

fn texts(target: &Target) -> impl Iterator<Item = &str> {
    let labels = target.labels.iter().map(|(_, value)| value.as_str());
    let error = target.error.as_deref();
    [target.address.as_str(), &target.service, &target.instance]
        .into_iter()
        .chain(labels)
        .chain(error)
}

pub(super) fn row(target: &Target, now: i64) -> Row {
    let hidden = ["job", "service", "instance"];
    let labels = target.labels.iter();
    let answered = target.answered.as_deref();
    let answered = answered.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    Row {
        service_href: service_href(&target.service),
        labels: labels
            .filter(|(name, _)| !hidden.contains(&name.as_str()))
            .cloned()
            .collect(),
        goroutines: target.goroutines.map_or(String::new(), grouped),
        answered: answered.map_or("never".to_owned(), |time| ago(time.as_second(), now)),
        target: target.clone(),
    }
}
