//! What a run over source found.

use std::io::Write;

use super::{MAX_DETAILS, MAX_ROWS, cell, close, code, more, open, problems, target, text};
use crate::place::{place, short_place};
use crate::{Error, LintReport, Style, words};

pub(super) fn render(
    report: &LintReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    writeln!(out, "## gorphan lint: {}\n", words::tally(report.findings))?;
    let ledger = report.ledger;
    writeln!(
        out,
        "{}: {}. {}\n",
        target(&report.target),
        words::looked_at(ledger),
        text(&words::decided(ledger, report.suppressed))
    )?;
    if !report.findings.is_empty() {
        writeln!(out, "| code | verdict | operation | function | place |")?;
        writeln!(out, "|---|---|---|---|---|")?;
    }
    for finding in report.findings.iter().take(MAX_ROWS) {
        let at = &finding.place;
        writeln!(
            out,
            "| {} | **{}** | {} | {} | {} |",
            finding.code,
            finding.verdict.as_str(),
            finding.operation,
            cell(&code(&at.function)),
            cell(&code(&place(&at.file, at.line, style.root)))
        )?;
    }
    more(report.findings.len(), MAX_ROWS, "findings", out)?;
    writeln!(out)?;
    for finding in report.findings.iter().take(MAX_DETAILS) {
        let at = &finding.place;
        let title = format!(
            "{} {}: {} in {} ({})",
            finding.code,
            finding.verdict.as_str(),
            finding.operation,
            at.function,
            short_place(&at.file, at.line)
        );
        open(&title, out)?;
        writeln!(out, "{}\n", text(&finding.message))?;
        if !finding.help.is_empty() {
            writeln!(out, "- **fix**: {}", text(&finding.help))?;
        }
        if let Some(cause) = &finding.cause {
            for related in &cause.related {
                let at = place(&related.place.file, related.place.line, style.root);
                writeln!(out, "- {}: {}", code(&at), text(&related.label))?;
            }
            if !cause.witness.is_empty() {
                writeln!(out, "\nHow it comes to this:\n")?;
            }
            for (number, step) in (1..).zip(&cause.witness) {
                let at = place(&step.place.file, step.place.line, style.root);
                writeln!(
                    out,
                    "{number}. **{}** {} ({})",
                    text(&step.goroutine),
                    text(&step.action),
                    code(&at)
                )?;
            }
        }
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

#[cfg(test)]
mod tests {
    use crate::testing::{check, sample_lint};
    use crate::{Format, Style};

    #[test]
    fn findings_in_source_are_told() {
        let style = Style {
            root: Some("/src/shop"),
            ..Style::default()
        };
        insta::assert_snapshot!(
            "lint",
            check(&sample_lint().document(), Format::Markdown, &style)
        );
    }
}
