//! The sweeps, newest first.

use std::fmt::Write;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Shared, Shell, render};
use crate::web::view::{Backlog, Sweep};
use crate::web::words::{ago, bytes, count_of, grouped, minute, span};

/// Rows of the page.
const MAX_ROWS: usize = 100;
/// Uprights of the picture.
const MAX_BARS: usize = 120;

#[derive(Template)]
#[template(path = "sweeps.html")]
struct Page {
    shell: Shell,
    bars: String,
    /// What waits for the history; empty if nothing does.
    waits: String,
    rows: Vec<Row>,
    left_out: usize,
}

struct Row {
    at: String,
    ago: String,
    took: String,
    up: String,
    down: String,
    goroutines: String,
    requests: String,
    bytes: String,
    findings: usize,
    new: usize,
}

pub(crate) async fn page(State(app): Shared) -> Response {
    let board = app.board();
    let now = (app.clock)();
    let rows = board.sweeps.iter().take(MAX_ROWS).map(|sweep| Row {
        at: minute(sweep.at_seconds),
        ago: ago(sweep.at_seconds, now),
        took: sweep.seconds.map_or(String::new(), span),
        up: grouped(sweep.up as u64),
        down: grouped(sweep.down as u64),
        goroutines: grouped(sweep.goroutines),
        requests: grouped(sweep.requests),
        bytes: bytes(sweep.bytes),
        findings: sweep.findings,
        new: sweep.new,
    });
    render(&Page {
        bars: bars(&board.sweeps),
        waits: waits(&board.history),
        rows: rows.collect(),
        left_out: board.sweeps.len().saturating_sub(MAX_ROWS),
        shell: Shell::of(&app, &board, "/sweeps"),
    })
}

/// What a history that is away costs.
fn waits(history: &Backlog) -> String {
    let mut said = Vec::new();
    if let Some(since) = &history.since {
        said.push(format!(
            "The history cannot be written: {} since {since} ({}) in memory until it can.",
            match history.waiting {
                1 => "1 sweep waits".to_owned(),
                count => format!("{count} sweeps wait"),
            },
            bytes(history.bytes)
        ));
    }
    if history.lost > 0 {
        said.push(format!(
            "The history will not have {} of the time since the program started: no more could wait.",
            count_of(history.lost, "sweep")
        ));
    }
    said.join(" ")
}

/// An upright a sweep, oldest first, newest at the right.
fn bars(sweeps: &[Sweep]) -> String {
    let shown = sweeps.iter().take(MAX_BARS);
    let most = shown.clone().map(|it| it.up + it.down).max().unwrap_or(0);
    let most = most.max(1) as f64;
    let width = 100.0 / shown.len().max(24) as f64;
    let mut out = String::from(
        "<svg class=\"bars\" width=\"100%\" height=\"64\" role=\"img\" aria-label=\"Targets reached by sweep\">",
    );
    for (number, sweep) in shown.enumerate() {
        let x = 100.0 - (number + 1) as f64 * width;
        let (up, down) = (sweep.up as f64 / most, sweep.down as f64 / most);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<g><title>{}: {} of {} reached</title>\
             <rect class=\"ok\" x=\"{x:.2}%\" y=\"{:.1}%\" width=\"{:.2}%\" height=\"{:.1}%\"/>\
             <rect class=\"bad\" x=\"{x:.2}%\" y=\"{:.1}%\" width=\"{:.2}%\" height=\"{:.1}%\"/></g>",
            minute(sweep.at_seconds),
            sweep.up,
            sweep.up + sweep.down,
            100.0 - up * 100.0,
            width * 0.8,
            up * 100.0,
            100.0 - (up + down) * 100.0,
            width * 0.8,
            down * 100.0,
        );
    }
    out.push_str("</svg>");
    out
}
