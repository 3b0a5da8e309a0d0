//! All services, and one of them.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::captures::{Row as CaptureRow, rows_of};
use super::overview::Row as FindingRow;
use super::targets::Row as TargetRow;
use super::{Figure, Shared, Shell, finding_href, missing, render, service_href};
use crate::web::view::{Service, Site, Target};
use crate::web::words::{bytes, grouped, place, short};

/// Versions named in a row.
const MAX_VERSIONS: usize = 3;
/// Instances listed of one service.
const MAX_INSTANCES: usize = 200;
/// Sites listed of one service.
const MAX_SITES: usize = 40;

#[derive(Template)]
#[template(path = "services.html")]
struct All {
    shell: Shell,
    rows: Vec<Row>,
}

struct Row {
    href: String,
    service: String,
    verdict: &'static str,
    findings: usize,
    memory: String,
    goroutines: String,
    instances: usize,
    failed: usize,
    versions: String,
    owner: String,
}

pub(crate) async fn all(State(app): Shared) -> Response {
    let board = app.board();
    let mut services: Vec<&Service> = board.services.iter().collect();
    services.sort_by(|a, b| {
        let by_cost = b.cost_bytes.cmp(&a.cost_bytes);
        by_cost.then_with(|| a.service.cmp(&b.service))
    });
    let rows = services.into_iter().map(|service| Row {
        href: service_href(&service.service),
        service: service.service.clone(),
        verdict: service.verdict,
        findings: service.findings,
        memory: match service.cost_bytes {
            0 => "–".to_owned(),
            cost => bytes(cost),
        },
        goroutines: grouped(service.goroutines),
        instances: service.instances,
        failed: service.failed,
        versions: versions(service),
        owner: service.owner.clone().unwrap_or_default(),
    });
    render(&All {
        rows: rows.collect(),
        shell: Shell::of(&app, &board, "/services"),
    })
}

fn versions(service: &Service) -> String {
    let named = service.versions.iter().take(MAX_VERSIONS).map(|it| {
        let version = it.version.as_deref().unwrap_or("?");
        format!("{version} ({})", it.instances)
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    if service.versions.len() > MAX_VERSIONS {
        text.push_str(", …");
    }
    text
}

#[derive(Template)]
#[template(path = "service.html")]
struct One {
    shell: Shell,
    service: Service,
    figures: Vec<Figure>,
    rows: Vec<FindingRow>,
    sites: Vec<SiteRow>,
    targets: Vec<TargetRow>,
    left_out: usize,
    captures: Vec<CaptureRow>,
}

struct SiteRow {
    href: String,
    function: String,
    place: String,
    operation: &'static str,
    goroutines: String,
    share: String,
    max: String,
    instances: u64,
}

impl SiteRow {
    fn of(site: &Site, all: u64) -> Self {
        let share = site.goroutines as f64 * 100.0 / all.max(1) as f64;
        Self {
            href: site
                .fingerprint
                .as_deref()
                .map_or(String::new(), finding_href),
            function: site.function.clone(),
            place: site
                .file
                .as_ref()
                .map_or(String::new(), |file| place(file, site.line)),
            operation: site.operation,
            goroutines: grouped(site.goroutines),
            share: format!(
                "<svg width=\"100%\" height=\"4\" aria-hidden=\"true\"><rect width=\"{share:.1}%\" height=\"4\"/></svg>"
            ),
            max: grouped(site.max),
            instances: site.instances,
        }
    }
}

pub(crate) async fn one(State(app): Shared, Path(name): Path<String>) -> Response {
    let board = app.board();
    let Some(service) = board.services.iter().find(|it| it.service == name) else {
        return missing(
            &app,
            "There is no such service",
            "The last sweep found no target of that name.",
        );
    };
    let findings = board.findings.iter().filter(|it| it.service == name);
    let mut targets: Vec<&Target> = board
        .targets
        .iter()
        .filter(|it| it.service == name)
        .collect();
    // What is not up first, then the one with the most.
    targets.sort_by_key(|target| (target.state == "up", std::cmp::Reverse(target.goroutines)));
    let now = (app.clock)();
    let left_out = targets.len().saturating_sub(MAX_INSTANCES);
    let sites = board.sites.get(&name).map_or(&[][..], Vec::as_slice);
    let page = One {
        figures: figures(service),
        rows: findings.map(|it| FindingRow::of(it, &board)).collect(),
        sites: sites
            .iter()
            .take(MAX_SITES)
            .map(|site| SiteRow::of(site, service.goroutines))
            .collect(),
        targets: targets
            .into_iter()
            .take(MAX_INSTANCES)
            .map(|target| super::targets::row(target, now))
            .collect(),
        left_out,
        captures: rows_of(&board, &name),
        shell: Shell::of(&app, &board, "/services"),
        service: service.clone(),
    };
    render(&page)
}

fn figures(service: &Service) -> Vec<Figure> {
    let mut figures = vec![
        Figure::counting("Findings", service.findings, service.verdict),
        Figure::new("Goroutines", short(service.goroutines as f64)),
        Figure::new("Instances", service.instances.to_string()).beside(format!(
            "of {}",
            service.instances.saturating_add(service.failed)
        )),
        Figure::new("Versions", versions(service)),
    ];
    if service.cost_bytes > 0 {
        figures.insert(1, Figure::new("Memory in leaks", bytes(service.cost_bytes)));
    }
    if let Some(owner) = &service.owner {
        figures.push(Figure::new("Owner", owner.clone()));
    }
    figures
}
