//! Rounds of requests: what grew with them, then every round, then every site that changed.

use std::io::Write;

use gorphan_model::load::{Course, Round, SiteLoad, Trend};

use super::ink::{BOLD, DIM, GREEN, PLAIN, RED, paint};
use super::table::{Cell, Kind, Row, table};
use super::{diagnostic, facts, function_cell, head, next_steps, place_cell, problems};
use crate::clean::clean;
use crate::{Error, LoadReport, Style, words};

/// Sites shown; the JSON report has all.
const MAX_SITES: usize = 40;
/// Heights of a sparkline, and what stands for them without Unicode.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_LEVELS: [char; 8] = ['_', '.', ',', '-', '~', '+', '*', '#'];

pub(super) fn render(
    report: &LoadReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let trend = report.trend;
    let rounds = trend
        .rounds
        .iter()
        .filter(|round| round.requests > 0)
        .count();
    let mut facts = facts(&report.target);
    facts.insert(0, words::count_usize(rounds, "round"));
    head(&report.target.name, &facts, style, out)?;
    writeln!(out, "{}\n", paint(style.colour, BOLD, &words::load(trend)))?;
    for finding in &trend.findings {
        let groups = trend.sites.iter().map(|site| &site.group);
        let group = words::group_of(finding, groups);
        writeln!(out, "{}", diagnostic(finding, group, style))?;
    }
    write!(out, "{}", rounds_table(report, style))?;
    writeln!(out)?;
    sites(&trend.sites, style, out)?;
    if let Some(heap) = &trend.heap {
        writeln!(out, "live heap: {}\n", measure(heap, "bytes", style))?;
    }
    problems(&report.problems, style, out)?;
    if trend.findings.is_empty() {
        let none = paint(style.colour, GREEN, "No leak found");
        writeln!(out, "{none}: no site grows with the requests.")?;
        return Ok(());
    }
    next_steps(&trend.findings, None, style, out)
}

/// One number over the rounds: a sparkline, its ends, its slope.
fn measure(trend: &Trend, unit: &str, style: &Style<'_>) -> String {
    let slope = trend.slope.as_ref().map_or(String::new(), |slope| {
        format!(", {} {unit} for each request", words::slope(slope))
    });
    format!(
        "{} {} to {}{slope}; {}",
        sparkline(&trend.values, style.ascii),
        trend.first(),
        trend.last(),
        words::course(trend.course)
    )
}

fn sparkline(values: &[u64], ascii: bool) -> String {
    let levels = if ascii { ASCII_LEVELS } else { LEVELS };
    let (low, high) = (values.iter().min(), values.iter().max());
    let (low, high) = (
        low.copied().unwrap_or_default(),
        high.copied().unwrap_or_default(),
    );
    let span = u128::from(high - low).max(1);
    let level = |value: &u64| {
        let height = u128::from(value - low) * (levels.len() as u128 - 1) / span;
        usize::try_from(height)
            .ok()
            .and_then(|height| levels.get(height).copied())
    };
    values.iter().filter_map(level).collect()
}

fn rounds_table(report: &LoadReport<'_>, style: &Style<'_>) -> String {
    let mut number = 0;
    let rows: Vec<Row> = report
        .trend
        .rounds
        .iter()
        .map(|round| {
            let name = match (round.requests, round.warm_up) {
                (0, _) => "before".to_owned(),
                (_, true) => "warm-up".to_owned(),
                _ => {
                    number += 1;
                    number.to_string()
                }
            };
            round_row(name, round)
        })
        .collect();
    let head = [
        ("round", Kind::Word),
        ("requests", Kind::Number),
        ("failed", Kind::Number),
        ("seconds", Kind::Number),
        ("at rest after", Kind::Number),
        ("goroutines", Kind::Number),
        ("live heap", Kind::Number),
    ];
    table(&head, rows, style)
}

fn round_row(name: String, round: &Round) -> Row {
    let none = round.requests == 0;
    let made = |value: String| if none { String::new() } else { value };
    let settled = match round.settled_seconds {
        Some(seconds) => format!("{seconds:.1} s"),
        None => "never".to_owned(),
    };
    Row {
        cells: vec![
            Cell::new(name),
            Cell::new(made(round.requests.to_string())),
            Cell::new(made(round.failed.to_string())),
            Cell::new(made(format!("{:.1}", round.seconds))),
            Cell::new(settled),
            Cell::new(round.goroutines.to_string()),
            Cell::new(round.heap_bytes.map_or(String::new(), words::bytes)),
        ],
        note: String::new(),
        below: Vec::new(),
    }
}

fn sites(sites: &[SiteLoad], style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    if sites.is_empty() {
        return Ok(());
    }
    let head = [
        ("goroutines", Kind::Word),
        ("before", Kind::Number),
        ("after", Kind::Number),
        ("per request", Kind::Word),
        ("course", Kind::Word),
        ("operation", Kind::Word),
        ("function", Kind::Name),
        ("place", Kind::Name),
    ];
    let rows = sites
        .iter()
        .take(MAX_SITES)
        .map(|site| site_row(site, style));
    write!(out, "{}", table(&head, rows.collect(), style))?;
    if sites.len() > MAX_SITES {
        let more = format!("{} more sites changed", sites.len() - MAX_SITES);
        writeln!(out, "{}", paint(style.colour, DIM, &more))?;
    }
    writeln!(out)?;
    Ok(())
}

fn site_row(site: &SiteLoad, style: &Style<'_>) -> Row {
    let trend = &site.trend;
    let ansi = match trend.course {
        Course::Grows => RED,
        Course::LevelledOff => GREEN,
        Course::Steady => PLAIN,
    };
    let slope = trend.slope.as_ref().map(words::slope);
    let dismissed = site.group.dismissed.is_some();
    let note = if dismissed {
        words::note(&site.group)
    } else {
        String::new()
    };
    Row {
        cells: vec![
            Cell::new(sparkline(&trend.values, style.ascii)).ansi(ansi),
            Cell::new(trend.first().to_string()),
            Cell::new(trend.last().to_string()),
            Cell::new(slope.unwrap_or_default()),
            Cell::new(words::course(trend.course)).ansi(ansi),
            Cell::new(site.group.site.operation.as_str()),
            function_cell(&site.group),
            place_cell(&site.group, style),
        ],
        note: clean(&note).into_owned(),
        below: Vec::new(),
    }
}
