//! Two snapshots: what is worth telling, then each site that changed.

use std::io::Write;

use anstyle::Style as Ansi;
use gorphan_model::Verdict;
use gorphan_model::diff::{Change, IdentityChange, SiteChange};

use super::ink::{BOLD, DIM, GREEN, PLAIN, RED, YELLOW, paint};
use super::table::{Cell, Kind, Row, table};
use super::{diagnostic, facts, function_cell, head, next_steps, place_cell, problems};
use crate::clean::clean;
use crate::place::short_place;
use crate::{DiffReport, Error, Style, words};

/// Goroutine numbers listed below a row with [`Style::stacks`].
const MAX_IDS: usize = 20;

pub(super) fn render(
    report: &DiffReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    for (word, target, goroutines) in [
        ("before", &report.before, report.goroutines_before),
        ("after", &report.after, report.goroutines_after),
    ] {
        let mut facts = facts(target);
        facts.insert(0, words::count_of(goroutines, "goroutine"));
        write!(out, "{}", paint(style.colour, DIM, &format!("{word:>6} ")))?;
        let rest = Style {
            width: style.width.map(|width| width.saturating_sub(7)),
            ..*style
        };
        head(&target.name, &facts, &rest, out)?;
    }
    writeln!(out, "\n{}\n", total(report, style))?;
    for finding in report.findings {
        let groups = report.changes.iter().map(|change| &change.group);
        let group = words::group_of(finding, groups);
        writeln!(out, "{}", diagnostic(finding, group, style))?;
    }
    changes(report.changes, style, out)?;
    problems(&report.problems, style, out)?;
    if report.findings.is_empty() {
        let none = paint(style.colour, GREEN, "No leak found");
        let sites = u64::try_from(report.changes.len()).unwrap_or(u64::MAX);
        let sites = words::count_of(sites, "site");
        writeln!(out, "{none}: compared {sites}; none grew like a leak.")?;
        return Ok(());
    }
    next_steps(report.findings, None, style, out)
}

/// `71 -> 1338 goroutines (+1267): 1 new, 2 grown, ...`
fn total(report: &DiffReport<'_>, style: &Style<'_>) -> String {
    let (before, after) = (report.goroutines_before, report.goroutines_after);
    let kinds = [
        Change::New,
        Change::Grown,
        Change::Same,
        Change::Shrunk,
        Change::Gone,
    ];
    let counts = kinds.map(|kind| {
        let changes = report.changes.iter();
        let count = changes.filter(|change| change.change == kind).count();
        (count > 0).then(|| format!("{count} {}", words::change(kind)))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let counts = match counts.len() {
        0 => String::new(),
        _ => format!("; sites: {}", counts.join(", ")),
    };
    let count = format!("{before} {} {after} goroutines", arrow(style));
    let count = paint(style.colour, BOLD, &count);
    format!("{count} ({}){counts}", delta(before, after))
}

fn arrow(style: &Style<'_>) -> &'static str {
    if style.ascii { "->" } else { "→" }
}

fn delta(before: u64, after: u64) -> String {
    match after.checked_sub(before) {
        Some(more) => format!("+{more}"),
        None => format!("-{}", before.abs_diff(after)),
    }
}

fn colour(change: &SiteChange) -> Ansi {
    match change.change {
        Change::New | Change::Grown if change.verdict == Verdict::Leak => RED,
        Change::New | Change::Grown => YELLOW,
        Change::Same => PLAIN,
        Change::Shrunk | Change::Gone => GREEN,
    }
}

/// Every site that changed; those that did not are only counted, unless all is asked for.
fn changes(changes: &[SiteChange], style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let shown = |change: &&SiteChange| style.stacks || change.change != Change::Same;
    let rows: Vec<Row> = changes
        .iter()
        .filter(shown)
        .map(|one| row(one, style))
        .collect();
    let same = changes.len() - rows.len();
    if !rows.is_empty() {
        let head = [
            ("change", Kind::Word),
            ("before", Kind::Number),
            ("after", Kind::Number),
            ("delta", Kind::Number),
            ("operation", Kind::Word),
            ("function", Kind::Name),
            ("place", Kind::Name),
        ];
        write!(out, "{}", table(&head, rows, style))?;
    }
    if same > 0 {
        let same = u64::try_from(same).unwrap_or(u64::MAX);
        let text = format!("{} unchanged", words::count_of(same, "site"));
        writeln!(out, "{}", paint(style.colour, DIM, &text))?;
    }
    if !changes.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn row(change: &SiteChange, style: &Style<'_>) -> Row {
    let mut notes = Vec::new();
    if change.verdict > Verdict::Normal {
        notes.push(change.verdict.as_str().to_owned());
    }
    notes.extend(change.identity.as_ref().and_then(who_stayed));
    if let Some(site) = &change.moved_from {
        let place = short_place(&site.file, site.line);
        notes.push(format!("was at {}", clean(&place)));
    }
    if change.group.dismissed.is_some() {
        notes.push(clean(&words::note(&change.group)).into_owned());
    }
    Row {
        cells: vec![
            Cell::new(words::change(change.change)).ansi(colour(change)),
            Cell::new(change.before.to_string()),
            Cell::new(change.after.to_string()),
            Cell::new(delta(change.before, change.after)).ansi(colour(change)),
            Cell::new(change.group.site.operation.as_str()),
            function_cell(&change.group),
            place_cell(&change.group, style),
        ],
        note: notes.join(", "),
        below: below(change, style),
    }
}

/// `10 stayed, 1240 new`: a plus where some numbers were not kept. Nothing where all are new or all are gone.
fn who_stayed(identity: &IdentityChange) -> Option<String> {
    if identity.stayed == 0 && (identity.appeared.is_empty() || identity.vanished.is_empty()) {
        return None;
    }
    let plus = if identity.elided > 0 { "+" } else { "" };
    let mut words = vec![format!("{} stayed", identity.stayed)];
    for (ids, word) in [(&identity.appeared, "new"), (&identity.vanished, "gone")] {
        if !ids.is_empty() {
            words.push(format!("{}{plus} {word}", ids.len()));
        }
    }
    Some(words.join(", "))
}

fn below(change: &SiteChange, style: &Style<'_>) -> Vec<String> {
    if !style.stacks {
        return Vec::new();
    }
    let mut lines = super::stack_lines(&change.group, style);
    if let Some(identity) = &change.identity {
        for (word, ids) in [("new", &identity.appeared), ("gone", &identity.vanished)] {
            if !ids.is_empty() {
                lines.push(format!("{word}: {}", listed(ids)));
            }
        }
    }
    lines
}

fn listed(ids: &[u64]) -> String {
    let shown: Vec<String> = ids.iter().take(MAX_IDS).map(u64::to_string).collect();
    let more = ids.len().saturating_sub(MAX_IDS);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(" "))
}
