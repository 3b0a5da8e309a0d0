//! The first page: leaks, the most expensive first.

use askama::Template;
use axum::extract::{Query as Asked, State};
use axum::response::Response;

use super::{Figure, Query, Shared, Shell, Tab, finding_href, render, service_href};
use crate::web::board::Board;
use crate::web::plot;
use crate::web::view::{Dismissed, Finding};
use crate::web::words::{bytes, day, grouped, place, short, span};

/// Rows of a page.
const MAX_ROWS: usize = 200;
const PATH: &str = "/";

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    shell: Shell,
    figures: Vec<Figure>,
    troubles: Vec<String>,
    tabs: Vec<Tab>,
    query: Query,
    /// The address of this page as it is asked for.
    here: String,
    rows: Vec<Row>,
    left_out: usize,
    nothing: (&'static str, String),
    dismissed: Vec<Dismissed>,
}

/// A finding in a table.
pub(super) struct Row {
    pub(super) href: String,
    pub(super) function: String,
    pub(super) operation: &'static str,
    pub(super) place: String,
    pub(super) service: String,
    pub(super) service_href: String,
    pub(super) pattern: String,
    pub(super) verdict: &'static str,
    pub(super) status: String,
    pub(super) spark: String,
    pub(super) goroutines: String,
    pub(super) instances: String,
    pub(super) growth: String,
    pub(super) memory: String,
    pub(super) limit: String,
    pub(super) since: String,
    pub(super) since_version: String,
    pub(super) owner: String,
}

impl Row {
    pub(super) fn of(finding: &Finding, board: &Board) -> Self {
        let series = board.series.get(&finding.fingerprint);
        let instances = &finding.instances;
        let since = finding.first_seen.parse::<jiff::Timestamp>();
        Self {
            href: finding_href(&finding.fingerprint),
            function: finding.function.clone(),
            operation: finding.operation,
            place: finding
                .file
                .as_ref()
                .map_or("?".to_owned(), |file| place(file, finding.line)),
            service: finding.service.clone(),
            service_href: service_href(&finding.service),
            pattern: finding
                .pattern
                .as_ref()
                .map_or(String::new(), |it| it.name.to_owned()),
            verdict: finding.verdict,
            status: finding.status.clone(),
            spark: series.map(plot::sparkline).unwrap_or_default(),
            goroutines: grouped(finding.goroutines),
            instances: format!("{} of {}", instances.count, instances.all),
            growth: growth(finding),
            memory: memory(finding),
            limit: limit(finding).unwrap_or_default(),
            since: since.map_or_else(|_| String::new(), |time| day(time.as_second())),
            since_version: finding.first_version.clone().unwrap_or_default(),
            owner: finding.owner.clone().unwrap_or_default(),
        }
    }
}

/// `12.5/h`, of one instance.
pub(super) fn growth(finding: &Finding) -> String {
    let rate = finding.rate.as_ref();
    rate.map_or("–".to_owned(), |rate| {
        format!("+{}/h", short(rate.per_hour))
    })
}

/// Bytes in all instances; what was not measured is the least that it can be.
pub(super) fn memory(finding: &Finding) -> String {
    let about = if finding.cost.measured { "" } else { "≥ " };
    format!("{about}{}", bytes(finding.cost.bytes))
}

/// When memory runs out, if that is known.
pub(super) fn limit(finding: &Finding) -> Option<String> {
    let hours = finding.cost.hours_to_limit?;
    Some(format!("full in {}", span(hours * 3600.0)))
}

pub(crate) async fn page(State(app): Shared, Asked(query): Asked<Query>) -> Response {
    let board = app.board();
    let of = |verdict: &str| {
        board
            .findings
            .iter()
            .filter(|it| it.verdict == verdict)
            .count()
    };
    let tabs = [
        ("All", "", board.findings.len()),
        ("Leak", "leak", of("leak")),
        ("Growing", "growing", of("growing")),
        ("Suspect", "suspect", of("suspect")),
    ];
    let tabs = tabs.into_iter().map(|(name, show, count)| Tab {
        name,
        href: query.href(PATH, show),
        count,
        current: query.show == show,
    });
    let fits = |finding: &&Finding| {
        let shown = query.show.is_empty() || finding.verdict == query.show;
        shown && query.fits(texts(finding))
    };
    let fitting: Vec<&Finding> = board.findings.iter().filter(fits).collect();
    let rows = fitting.iter().take(MAX_ROWS);
    let page = Page {
        figures: figures(&board),
        troubles: board.troubles.clone(),
        tabs: tabs.collect(),
        here: query.href(PATH, &query.show),
        rows: rows.map(|finding| Row::of(finding, &board)).collect(),
        left_out: fitting.len().saturating_sub(MAX_ROWS),
        nothing: nothing(&board, &query),
        dismissed: board.dismissed.clone(),
        shell: Shell::of(&app, &board, PATH),
        query,
    };
    render(&page)
}

/// What a search looks through.
fn texts(finding: &Finding) -> impl Iterator<Item = &str> {
    let named = [&finding.owner, &finding.first_version, &finding.file];
    let named = named.into_iter().flatten().map(String::as_str);
    let pattern = finding.pattern.as_ref().map(|it| it.name);
    [
        finding.function.as_str(),
        &finding.service,
        finding.operation,
        &finding.status,
        finding.code,
    ]
    .into_iter()
    .chain(named)
    .chain(pattern)
}

fn figures(board: &Board) -> Vec<Figure> {
    let of = |verdict: &str| {
        board
            .findings
            .iter()
            .filter(|it| it.verdict == verdict)
            .count()
    };
    let cost = board.findings.iter().map(|it| it.cost.bytes);
    let cost = cost.fold(0, u64::saturating_add);
    let up = board.targets.iter().filter(|it| it.state == "up").count();
    let goroutines = board.sweeps.first().map_or(0, |sweep| sweep.goroutines);
    vec![
        Figure::counting("Leaks", of("leak"), "leak"),
        Figure::counting("Growing", of("growing"), "growing"),
        Figure::counting("Suspects", of("suspect"), "suspect"),
        Figure::new("Memory in them", bytes(cost)),
        Figure::new("Services", board.services.len().to_string()),
        Figure::new("Instances", up.to_string()).beside(format!("of {}", board.targets.len())),
        Figure::new("Goroutines", short(goroutines as f64)),
    ]
}

fn nothing(board: &Board, query: &Query) -> (&'static str, String) {
    if board.at.is_none() {
        let text = "This page shows what leaks as soon as the first sweep is over.";
        return ("The first sweep is running", text.to_owned());
    }
    let is_narrowed = !query.q.is_empty() || !query.show.is_empty();
    if is_narrowed && !board.findings.is_empty() {
        return ("Nothing fits", "Try fewer words.".to_owned());
    }
    let text = format!(
        "{} instances were looked at. Slow leaks take about four days to be sure of.",
        board.targets.len()
    );
    ("Nothing leaks", text)
}
