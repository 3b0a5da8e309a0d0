//! Captures: which there are, one as an icicle, and two compared.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use gorphan_model::diff::{Change, diff};
use gorphan_model::group::{Site, group};
use gorphan_model::query::GroupBy;
use serde::Deserialize;

use super::{Shared, Shell, missing, render, service_href};
use crate::web::board::Board;
use crate::web::captures;
use crate::web::icicle::{Drawn, Icicle};
use crate::web::words::{bytes, count_of, grouped, minute, place};

/// Rows of a table of sites.
const MAX_ROWS: usize = 100;

/// A capture in a list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) when: String,
    pub(crate) instance: String,
    pub(crate) size: String,
}

/// The captures of a service, newest first.
pub(super) fn rows_of(board: &Board, service: &str) -> Vec<Row> {
    let all = board.captures.newest_first().map(|capture| &capture.view);
    all.filter(|view| view.service == service)
        .map(|view| Row {
            id: view.id.clone(),
            href: format!("/captures/{}", view.id),
            when: minute(view.at_seconds),
            instance: view.instance.clone(),
            size: bytes(view.bytes),
        })
        .collect()
}

#[derive(Template)]
#[template(path = "captures.html")]
struct All {
    shell: Shell,
    services: Vec<OfService>,
}

struct OfService {
    name: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
pub(crate) struct Chosen {
    #[serde(default)]
    service: String,
}

pub(crate) async fn all(State(app): Shared, Query(chosen): Query<Chosen>) -> Response {
    let board = app.board();
    let mut services: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for capture in board.captures.newest_first() {
        let name = capture.view.service.as_str();
        if chosen.service.is_empty() || chosen.service == name {
            services
                .entry(name)
                .or_insert_with(|| rows_of(&board, name));
        }
    }
    let services = services.into_iter().map(|(name, rows)| OfService {
        name: name.to_owned(),
        rows,
    });
    render(&All {
        services: services.collect(),
        shell: Shell::of(&app, &board, "/captures"),
    })
}

#[derive(Template)]
#[template(path = "capture.html")]
struct One {
    shell: Shell,
    title: String,
    said: String,
    links: Vec<(String, &'static str)>,
    svg: String,
    path: Vec<(String, String)>,
    cut: usize,
    legend: Vec<(String, &'static str)>,
    table_title: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<SiteRow>,
    left_out: usize,
}

struct SiteRow {
    function: String,
    place: String,
    operation: String,
    badge: &'static str,
    badge_class: &'static str,
    figures: Vec<(&'static str, String)>,
}

impl SiteRow {
    fn of(site: &Site, figures: Vec<(&'static str, String)>) -> Self {
        let line = (site.line > 0).then_some(site.line);
        Self {
            function: site.function.to_string(),
            place: match &*site.file {
                "" => String::new(),
                file => place(file, line),
            },
            operation: site.operation.to_string(),
            badge: "",
            badge_class: "",
            figures,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Focus {
    #[serde(default)]
    focus: usize,
}

pub(crate) async fn one(
    State(app): Shared,
    Path(id): Path<String>,
    Query(focus): Query<Focus>,
) -> Response {
    let board = app.board();
    let Some(capture) = board.captures.get(&id) else {
        return missing(&app, GONE.0, GONE.1);
    };
    let read = app.profile(capture).await;
    let snapshot = match read.and_then(|profile| captures::read(&profile)) {
        Ok(snapshot) => snapshot,
        Err(why) => return missing(&app, "The capture cannot be read", &why),
    };
    let tree = Icicle::of(&snapshot);
    let href = format!("/captures/{id}?focus=");
    let Drawn { svg, path, cut } = tree.svg(focus.focus, &href);
    let mut groups = group(&snapshot, GroupBy::Site);
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let [_, all] = tree.totals();
    let rows = groups.iter().take(MAX_ROWS).map(|group| {
        let part = group.count as f64 * 100.0 / all.max(1) as f64;
        let figures = vec![
            ("Goroutines", grouped(group.count)),
            ("Share", format!("{part:.1} %")),
        ];
        SiteRow::of(&group.site, figures)
    });
    let view = &capture.view;
    render(&One {
        title: format!("{} on {}", view.service, view.instance),
        said: format!(
            "{}, taken {} UTC.",
            count_of(all, "goroutine"),
            minute(view.at_seconds)
        ),
        links: vec![
            (
                format!("/api/v1/captures/{id}"),
                "Download for go tool pprof",
            ),
            (service_href(&view.service), "The service"),
            (
                format!("/captures?service={}", super::segment(&view.service)),
                "Compare with another",
            ),
        ],
        svg,
        path: steps(path, &href),
        cut,
        legend: (0..)
            .zip(gorphan_report::OPERATION_CLASSES)
            .map(|(number, name): (usize, _)| (format!("op-{number}"), *name))
            .collect(),
        table_title: "Sites",
        columns: vec!["Goroutines", "Share"],
        rows: rows.collect(),
        left_out: groups.len().saturating_sub(MAX_ROWS),
        shell: Shell::of(&app, &board, "/captures"),
    })
}

const GONE: (&str, &str) = ("There is no such capture", "Older ones are thinned out.");

fn steps(path: Vec<(usize, String)>, href: &str) -> Vec<(String, String)> {
    path.into_iter()
        .map(|(number, name)| (format!("{href}{number}"), name))
        .collect()
}

#[derive(Deserialize)]
pub(crate) struct Two {
    #[serde(default)]
    before: String,
    #[serde(default)]
    after: String,
    #[serde(default)]
    focus: usize,
}

pub(crate) async fn compare(State(app): Shared, Query(two): Query<Two>) -> Response {
    let board = app.board();
    if two.before.is_empty() || two.after.is_empty() {
        let text = "Choose one before and one after among the captures.";
        return missing(&app, "Two captures are compared", text);
    }
    let captures = board
        .captures
        .get(&two.before)
        .zip(board.captures.get(&two.after));
    let Some((before, after)) = captures else {
        return missing(&app, GONE.0, GONE.1);
    };
    let (old, new) = match (app.profile(before).await, app.profile(after).await) {
        (Ok(old), Ok(new)) => (captures::read(&old), captures::read(&new)),
        (Err(why), _) | (_, Err(why)) => (Err(why.clone()), Err(why)),
    };
    let (old, new) = match (old, new) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(why), _) | (_, Err(why)) => {
            return missing(&app, "A capture cannot be read", &why);
        }
    };
    let tree = Icicle::between(&old, &new);
    let (a, b) = (super::segment(&two.before), super::segment(&two.after));
    let href = format!("/compare?before={a}&after={b}&focus=");
    let Drawn { svg, path, cut } = tree.svg(two.focus, &href);
    let mut changes = diff(&old, &new);
    changes.sort_by_key(|change| std::cmp::Reverse(change.after.abs_diff(change.before)));
    let rows = changes.iter().take(MAX_ROWS).map(|change| {
        let figures = vec![
            ("Before", grouped(change.before)),
            ("After", grouped(change.after)),
            ("Difference", difference(change.before, change.after)),
        ];
        let (badge, badge_class) = match change.change {
            Change::New => ("new", "leak"),
            Change::Grown => ("grown", "growing"),
            Change::Shrunk => ("shrunk", "new"),
            Change::Gone => ("gone", "new"),
            Change::Same => ("", ""),
        };
        SiteRow {
            badge,
            badge_class,
            ..SiteRow::of(&change.group.site, figures)
        }
    });
    let [was, is] = tree.totals();
    let told = |view: &crate::web::view::Capture, count: u64| {
        format!(
            "{} on {} at {}",
            grouped(count),
            view.instance,
            minute(view.at_seconds)
        )
    };
    let title = match (&before.view.service, &after.view.service) {
        (a, b) if a == b => format!("{a}: before and after"),
        (a, b) => format!("{a} and {b}"),
    };
    let said = format!(
        "Goroutines: {}, then {}.",
        told(&before.view, was),
        told(&after.view, is)
    );
    let legend = ["new", "grown", "same", "shrunk", "gone"].map(|it| (format!("diff-{it}"), it));
    render(&One {
        title,
        said,
        links: vec![
            (format!("/captures/{a}"), "The one before"),
            (format!("/captures/{b}"), "The one after"),
            (
                format!("/compare?before={b}&after={a}"),
                "The other way round",
            ),
        ],
        svg,
        path: steps(path, &href),
        cut,
        legend: legend.to_vec(),
        table_title: "What changed",
        columns: vec!["Before", "After", "Difference"],
        rows: rows.collect(),
        left_out: changes.len().saturating_sub(MAX_ROWS),
        shell: Shell::of(&app, &board, "/captures"),
    })
}

fn difference(before: u64, after: u64) -> String {
    let sign = match after.cmp(&before) {
        std::cmp::Ordering::Less => "−",
        std::cmp::Ordering::Equal => "",
        std::cmp::Ordering::Greater => "+",
    };
    format!("{sign}{}", grouped(after.abs_diff(before)))
}
