//! One leak: its course, its code, what speaks for it, and what to do.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::captures::{Row as CaptureRow, rows_of};
use super::overview::{growth, limit, memory};
use super::{Figure, Shared, Shell, finding_href, missing, render, service_href};
use crate::ledger::{Entry, Happening};
use crate::web::App;
use crate::web::actions::{Action, Refused, Said, known, perform};
use crate::web::board::Board;
use crate::web::plot;
use crate::web::view::{Finding, Frame, Series};
use crate::web::words::{bytes, grouped, minute, short};

/// Lines shown before and after the one that matters.
const MARGIN: usize = 6;
/// Characters of a line.
const MAX_LINE: usize = 240;
/// Captures listed beside a finding.
const MAX_CAPTURES: usize = 6;
/// Versions that the legend names.
const MAX_LEGEND: usize = 8;
/// Events listed, newest first.
const MAX_EVENTS: usize = 12;

#[derive(Template)]
#[template(path = "finding.html")]
struct Page {
    shell: Shell,
    finding: Finding,
    help: String,
    service_href: String,
    figures: Vec<Figure>,
    course: String,
    legend: Vec<(String, String)>,
    snippet: Option<Snippet>,
    started: Option<Snippet>,
    facts: Vec<(&'static str, String)>,
    captures: Vec<CaptureRow>,
    compare: String,
    /// How it stands in the ledger, if there is one.
    stand: Option<Stand>,
    /// The secret of our own forms.
    form: String,
    /// The address of this page.
    here: String,
    /// Why what was wanted was not done.
    refused: String,
}

/// How a finding stands.
struct Stand {
    acknowledged: bool,
    silenced: bool,
    said: Vec<String>,
    events: Vec<(String, String)>,
}

/// Lines of source.
struct Snippet {
    file: String,
    lines: Vec<Line>,
}

struct Line {
    number: usize,
    text: String,
    marked: bool,
}

pub(crate) async fn page(State(app): Shared, Path(fingerprint): Path<String>) -> Response {
    show(&app, &fingerprint, String::new())
}

/// Does what a form asks for, and shows the page again.
pub(crate) async fn act(
    State(app): Shared,
    Path((fingerprint, word)): Path<(String, String)>,
    Form(said): Form<Said>,
) -> Response {
    let Some(action) = Action::named(&word) else {
        return missing(&app, "There is no such action", "Nothing was done.");
    };
    if said.form != app.guard.form() {
        let why = "The page was open for too long: it is of before the last start. Nothing was done; try again.";
        return (
            StatusCode::FORBIDDEN,
            show(&app, &fingerprint, why.to_owned()),
        )
            .into_response();
    }
    match perform(&app, action, &fingerprint, &said) {
        Ok(_) => Redirect::to(&finding_href(&fingerprint)).into_response(),
        Err(Refused::Unknown) => missing(&app, "There is no such finding", "Nothing was done."),
        Err(Refused::Wrong(why)) => {
            let page = show(&app, &fingerprint, format!("Nothing was done: {why}."));
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
        Err(Refused::Broken(why)) => {
            let page = show(&app, &fingerprint, format!("Nothing was done: {why}."));
            (StatusCode::INTERNAL_SERVER_ERROR, page).into_response()
        }
    }
}

fn show(app: &App, fingerprint: &str, refused: String) -> Response {
    let board = app.board();
    let Some(finding) = board.finding(fingerprint) else {
        return missing(
            app,
            "There is no such finding",
            "It may be over: the last sweep does not have it any more.",
        );
    };
    let series = board.series.get(fingerprint);
    let snippet = |file: Option<&str>, line: Option<u32>| {
        let (file, line) = (file?, line?);
        snippet(file, &(app.source)(file)?, line as usize)
    };
    let creator = finding.created_by.as_ref();
    let mut captures = rows_of(&board, &finding.service);
    let compare = match (captures.first(), captures.last()) {
        (Some(last), Some(first)) if captures.len() > 1 => {
            format!("/compare?before={}&after={}", first.id, last.id)
        }
        _ => String::new(),
    };
    captures.truncate(MAX_CAPTURES);
    render(&Page {
        help: help(finding),
        service_href: service_href(&finding.service),
        figures: figures(finding),
        course: series.map(plot::course).unwrap_or_default(),
        legend: series.map(legend).unwrap_or_default(),
        snippet: snippet(finding.file.as_deref(), finding.line),
        started: creator.and_then(|it: &Frame| snippet(it.file.as_deref(), it.line)),
        facts: facts(finding, &board),
        captures,
        compare,
        shell: Shell::of(app, &board, ""),
        stand: known(app, fingerprint).map(|(entry, events)| stand(&entry, &events)),
        form: app.guard.form(),
        here: finding_href(fingerprint),
        refused,
        finding: finding.clone(),
    })
}

fn stand(entry: &Entry, events: &[Happening]) -> Stand {
    let mut said = Vec::new();
    if let Some(one) = &entry.acknowledged {
        let note = match one.note.as_str() {
            "" => String::new(),
            note => format!(": {note}"),
        };
        let since = minute(one.at);
        said.push(format!("{} looks after it since {since} UTC{note}", one.by));
    }
    if let Some(one) = &entry.silence {
        let until = minute(one.until);
        said.push(format!(
            "Silenced by {} until {until} UTC: {}",
            one.by, one.reason
        ));
    }
    let newest = events.iter().rev().take(MAX_EVENTS).map(|event| {
        let who = event.who.as_ref();
        let who = who.map_or(String::new(), |who| format!(" by {who}"));
        let text = match event.text.as_str() {
            "" => String::new(),
            text => format!(": {text}"),
        };
        let kind = event.kind.replace('_', " ");
        (minute(event.at), format!("{kind}{who}{text}"))
    });
    Stand {
        acknowledged: entry.acknowledged.is_some(),
        silenced: entry.silence.is_some(),
        said,
        events: newest.collect(),
    }
}

/// The fix, without repeating what stands before it.
fn help(finding: &Finding) -> String {
    let Some(pattern) = &finding.pattern else {
        return finding.help.clone();
    };
    let known = format!("Looks like {}.", pattern.sentence);
    let rest = finding.help.strip_prefix(&known);
    rest.unwrap_or(&finding.help).trim().to_owned()
}

fn figures(finding: &Finding) -> Vec<Figure> {
    let instances = &finding.instances;
    let mut figures = vec![
        Figure::new("Goroutines", grouped(finding.goroutines)),
        Figure::new("In the worst instance", grouped(instances.max)),
        Figure::new("Instances", instances.count.to_string())
            .beside(format!("of {}", instances.all)),
        Figure::new("Growth of an instance", growth(finding)),
        Figure::new("Memory", memory(finding)),
    ];
    if let Some(limit) = limit(finding) {
        figures.push(Figure::new("Memory limit", limit));
    }
    if let Some(version) = &finding.first_version {
        figures.push(Figure::new("First bad version", version.clone()));
    }
    figures
}

fn legend(series: &Series) -> Vec<(String, String)> {
    let lines = series.lines.iter().enumerate().rev().take(MAX_LEGEND);
    let named = lines.map(|(number, line)| {
        let version = line.version.clone();
        (
            format!("v{}", number % 6),
            version.unwrap_or_else(|| "unknown version".to_owned()),
        )
    });
    let mut named: Vec<_> = named.collect();
    named.reverse();
    named
}

fn snippet(file: &str, text: &str, wanted: usize) -> Option<Snippet> {
    let first = wanted.saturating_sub(MARGIN).max(1);
    let lines: Vec<Line> = (1..)
        .zip(text.lines())
        .skip(first - 1)
        .take(wanted - first + MARGIN + 1)
        .map(|(number, line)| Line {
            number,
            text: line.chars().take(MAX_LINE).collect(),
            marked: number == wanted,
        })
        .collect();
    // A file that is shorter than the line is not the file that was built.
    let is_there = lines.iter().any(|line| line.marked);
    is_there.then(|| Snippet {
        file: format!("{file}:{wanted}"),
        lines,
    })
}

fn facts(finding: &Finding, board: &Board) -> Vec<(&'static str, String)> {
    let time = |text: &str| {
        let parsed = text.parse::<jiff::Timestamp>();
        parsed.map_or_else(|_| text.to_owned(), |time| minute(time.as_second()))
    };
    let instances = &finding.instances;
    let mut facts = vec![
        ("Operation", finding.operation.to_owned()),
        ("Code", finding.code.to_owned()),
        ("First seen", time(&finding.first_seen)),
        (
            "Owner",
            finding.owner.clone().unwrap_or("nobody".to_owned()),
        ),
        ("Worst instance", instances.worst.clone()),
        ("Root mean square", short(instances.rms)),
    ];
    if let Some(version) = &finding.version {
        facts.push(("Version there", version.clone()));
    }
    if let Some(waits) = &finding.waits {
        facts.push(("Waiting for", waits.clone()));
    }
    if let Some(rate) = &finding.rate {
        facts.push(("Growing since", time(&rate.since)));
        let days = short(rate.days_to_false_alarm);
        facts.push((
            "False alarm",
            format!("a healthy site looks like this once in {days} days"),
        ));
    }
    if let Some(heap) = finding.cost.heap_bytes {
        facts.push(("Live heap", format!("{} in that instance", bytes(heap))));
    }
    for top in finding.cost.heap_top.iter().take(3) {
        facts.push((
            "Allocated by",
            format!("{}: {}", top.function, bytes(top.bytes)),
        ));
    }
    let others = board
        .findings
        .iter()
        .filter(|it| it.function == finding.function);
    let others: Vec<&str> = others
        .filter(|it| it.fingerprint != finding.fingerprint)
        .map(|it| it.service.as_str())
        .collect();
    if !others.is_empty() {
        facts.push(("Also in", others.join(", ")));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_marks_its_line_and_knows_its_file() {
        let text = (1..=40).map(|n| format!("line {n}\n")).collect::<String>();
        let found = snippet("a.go", &text, 3).expect("it is there");
        let numbers: Vec<_> = found.lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
        let marked: Vec<_> = found.lines.iter().filter(|it| it.marked).collect();
        assert_eq!(marked[0].text, "line 3");
        assert!(snippet("a.go", &text, 41).is_none());
    }
}
