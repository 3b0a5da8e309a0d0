//! A sweep over a fleet: its findings in rank order, what was dismissed and why, and what was not reached.

use std::io::Write;

use gorphan_model::{Group, Verdict};

use super::ink::{BOLD, DIM, GREEN, hang, paint, wrap};
use super::{Cell, Kind, Row, diagnostic, function_cell, head, place_cell, problems, table, tally};
use crate::clean::clean;
use crate::{Error, FleetReport, Style, fleet, words};

/// Findings shown whole; the others are counted.
const MAX_FINDINGS: usize = 30;

pub(super) fn render(
    report: &FleetReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let reached = report.targets.saturating_sub(report.targets_failed);
    let facts = [
        format!(
            "{reached} of {} reached",
            words::count_usize(report.targets, "target")
        ),
        words::count_of(report.goroutines, "goroutine"),
    ];
    head(&report.target.name, &facts, style, out)?;
    writeln!(out, "{}\n", tally(report.findings, style))?;
    let all = report.findings.iter().zip(report.facts).zip(report.groups);
    for ((finding, facts), group) in all.take(MAX_FINDINGS) {
        write!(out, "{}", diagnostic(finding, Some(group), style))?;
        for (name, text) in fleet::facts(facts) {
            let name = paint(style.colour, BOLD, name);
            let room = style.width.map(|width| width.saturating_sub(16).max(20));
            let text = hang(&wrap(&clean(&text), room), 9);
            writeln!(out, "     = {name}: {text}")?;
        }
        writeln!(out)?;
    }
    let more = report.findings.len().saturating_sub(MAX_FINDINGS);
    if more > 0 {
        writeln!(
            out,
            "... and {more} more findings (--format json has all)\n"
        )?;
    }
    dismissed(report, style, out)?;
    problems(&report.problems, style, out)?;
    if report.findings.is_empty() {
        writeln!(out, "{}", paint(style.colour, GREEN, "No leak found."))?;
    }
    let hint = if report
        .findings
        .iter()
        .any(|one| one.verdict == Verdict::Suspect)
    {
        "A suspect is not proven: gorphan inspect at the worst instance tells more."
    } else {
        "Slow leaks show when sweeps have gone on for some days: run them from a timer."
    };
    writeln!(out, "{}", paint(style.colour, DIM, hint))?;
    Ok(())
}

fn dismissed(
    report: &FleetReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let groups: Vec<&Group> = report
        .groups
        .iter()
        .filter(|group| group.dismissed.is_some())
        .collect();
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", paint(style.colour, BOLD, "Dismissed"))?;
    let head = [
        ("count", Kind::Number),
        ("operation", Kind::Word),
        ("function", Kind::Name),
        ("place", Kind::Name),
    ];
    let rows = groups.into_iter().map(|group| Row {
        cells: vec![
            Cell::new(group.count.to_string()),
            Cell::new(group.site.operation.as_str()),
            function_cell(group),
            place_cell(group, style),
        ],
        note: clean(&words::note(group)).into_owned(),
        below: Vec::new(),
    });
    writeln!(out, "{}", table(&head, rows.collect(), style))?;
    Ok(())
}
