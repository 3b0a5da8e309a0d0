//! A sweep over a fleet.

use std::io::Write;

use super::{MAX_DETAILS, cell, close, code, more, open, problems, text};
use crate::place::{place, short_place};
use crate::{Error, FleetReport, Style, fleet, words};

pub(super) fn render(
    report: &FleetReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    writeln!(out, "## gorphan: {}\n", words::tally(report.findings))?;
    let reached = report.targets.saturating_sub(report.targets_failed);
    let targets = words::count_usize(report.targets, "target");
    let goroutines = words::count_of(report.goroutines, "goroutine");
    writeln!(out, "{reached} of {targets} reached, {goroutines}\n")?;
    if !report.findings.is_empty() {
        writeln!(
            out,
            "| service | verdict | RMS | worst | blocked in | function | place | owner |"
        )?;
        writeln!(out, "|---|---|---:|---:|---|---|---|---|")?;
        for (finding, facts) in report.findings.iter().zip(report.facts) {
            let at = &finding.place;
            writeln!(
                out,
                "| {} | **{}** | {:.0} | {} | {} | {} | {} | {} |",
                cell(&code(&facts.service)),
                finding.verdict.as_str(),
                facts.instances.rms,
                facts.instances.max,
                finding.operation,
                cell(&code(&at.function)),
                cell(&code(&place(&at.file, at.line, style.root))),
                cell(&text(facts.owner.as_deref().unwrap_or_default()))
            )?;
        }
        writeln!(out)?;
    }
    for (finding, facts) in report.findings.iter().zip(report.facts).take(MAX_DETAILS) {
        let at = &finding.place;
        let title = format!(
            "{}: {} in {} ({})",
            facts.service,
            finding.operation,
            at.function,
            short_place(&at.file, at.line)
        );
        open(&title, out)?;
        writeln!(out, "{}\n", text(&finding.message))?;
        for (name, fact) in fleet::facts(facts) {
            writeln!(out, "- **{name}**: {}", text(&fact))?;
        }
        writeln!(out, "- **fix**: {}\n", text(&finding.help))?;
        close(out)?;
    }
    more(
        report.findings.len(),
        MAX_DETAILS,
        "findings without details",
        out,
    )?;
    problems(&report.problems, out)
}
