//! Workflow commands of GitHub Actions: one annotation a finding.
//!
//! `::error file=F,line=L,title=T::MESSAGE`. GitHub shows at most 10 errors, 10 warnings and 10 notices of a step;
//! findings come worst first, so the first of each level are the ones to see.

use std::io::Write;

use gorphan_model::{Finding, Verdict};

use crate::clean::clean;
use crate::place::located;
use crate::{Document, Error, Format, Style};

/// Writes one command per finding, and nothing when there are none.
pub(crate) fn render(
    document: &Document<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let findings = match document {
        Document::Inspect(report) => report.findings,
        Document::Diff(report) => report.findings,
        Document::Load(report) => &report.trend.findings,
        Document::Lint(report) => report.findings,
        Document::Fleet(report) => report.findings,
        Document::GcTrace(_) | Document::Why(_) => return Err(document.unsupported(Format::Github)),
    };
    for finding in findings {
        writeln!(out, "{}", command(finding, style))?;
    }
    Ok(())
}

fn command(finding: &Finding, style: &Style<'_>) -> String {
    let level = match finding.verdict {
        Verdict::Leak => "error",
        Verdict::Growing => "warning",
        Verdict::Suspect | Verdict::Normal => "notice",
    };
    let mut properties = Vec::new();
    let place = &finding.place;
    if !place.file.is_empty() {
        let file = located(&place.file, style).unwrap_or_else(|| place.file.to_string());
        properties.push(format!("file={}", property(&clean(&file))));
        if place.line > 0 {
            properties.push(format!("line={}", place.line));
        }
        if let Some(column) = place.column {
            properties.push(format!("col={column}"));
            if let Some((line, column)) = finding.cause.as_ref().and_then(|cause| cause.end) {
                properties.push(format!("endLine={line}"));
                properties.push(format!("endColumn={column}"));
            }
        }
    }
    let title = format!(
        "{} {}: {} in {}",
        finding.code,
        finding.verdict.as_str(),
        finding.operation,
        place.function
    );
    properties.push(format!("title={}", property(&clean(&title))));
    let mut message = clean(&finding.message).into_owned();
    if !finding.help.is_empty() {
        message.push_str("\nhelp: ");
        message.push_str(&clean(&finding.help));
    }
    format!("::{level} {}::{}", properties.join(","), data(&message))
}

/// Escapes as the runner's toolkit does for the text after the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes as the runner's toolkit does for a value between the `::`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, sample_proof, sample_quiet, sample_report};
    use crate::{Format, Style};

    #[test]
    fn every_finding_is_one_line() {
        let style = Style {
            root: Some("/src/shop"),
            ..Style::default()
        };
        let sample = sample_report();
        let text = check(&sample.inspect(), Format::Github, &style);
        assert_eq!(text.lines().count(), sample.findings.len());
        insta::assert_snapshot!("inspect", text);
        insta::assert_snapshot!("diff", check(&sample.diff(), Format::Github, &style));
        let proof = check(&sample_proof().inspect(), Format::Github, &style);
        insta::assert_snapshot!("proof", proof);
    }

    #[test]
    fn nothing_found_annotates_nothing() {
        let sample = sample_quiet();
        let text = check(&sample.inspect(), Format::Github, &Style::default());
        assert_eq!(text, "");
    }
}
