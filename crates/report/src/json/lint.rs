//! What a run over source tells, and what findings in source have besides.

use gorphan_model::source::{Cause, Fix};

use super::{document as base, finding, known, no_summary, wire};
use crate::LintReport;

pub(super) fn document<'a>(report: &'a LintReport<'_>) -> wire::Document<'a> {
    let ledger = report.ledger;
    wire::Document {
        summary: wire::Summary {
            findings: report.findings.len(),
            source: Some(wire::SourceSummary {
                packages: ledger.packages,
                files: ledger.files,
                lines: ledger.lines,
                files_unparsed: ledger.files_unparsed,
                scopes_proved: ledger.scopes_proved,
                scopes_leaking: ledger.scopes_leaking,
                scopes_unknown: ledger.scopes_unknown(),
                unknown: &ledger.unknown,
                suppressed: report.suppressed,
            }),
            ..no_summary()
        },
        findings: report.findings.iter().map(finding).collect(),
        ..base(&report.target, &report.problems)
    }
}

pub(super) fn witness(cause: &Cause) -> Vec<wire::Step<'_>> {
    let steps = cause.witness.iter().map(|step| wire::Step {
        goroutine: &step.goroutine,
        file: known(&step.place.file),
        line: (step.place.line > 0).then_some(step.place.line),
        action: &step.action,
    });
    steps.collect()
}

pub(super) fn fix(fix: &Fix) -> wire::Fix<'_> {
    let edits = fix.edits.iter().map(|edit| wire::Edit {
        file: &edit.file,
        start: edit.start,
        end: edit.end,
        text: &edit.text,
    });
    wire::Fix {
        title: &fix.title,
        edits: edits.collect(),
    }
}

pub(super) fn source(cause: &Cause) -> wire::Source<'_> {
    let related = cause.related.iter().map(|related| wire::Related {
        file: known(&related.place.file),
        line: (related.place.line > 0).then_some(related.place.line),
        column: related.place.column,
        label: &related.label,
    });
    wire::Source {
        end_line: cause.end.map(|(line, _)| line),
        end_column: cause.end.map(|(_, column)| column),
        related: related.collect(),
        fingerprint: &cause.fingerprint,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::testing::{check, sample_lint};
    use crate::{Format, Style};

    #[test]
    fn findings_in_source_have_places_witness_and_fix() {
        let sample = sample_lint();
        let text = check(&sample.document(), Format::Json, &Style::default());
        let value: Value = serde_json::from_str(&text).expect("JSON");
        insta::assert_json_snapshot!("lint", value);
    }
}
