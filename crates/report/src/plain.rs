//! One line a finding, as compilers and editors have it: `file:line:column: verdict: message [CODE]`.

use std::io::Write;

use crate::clean::clean;
use crate::place::place;
use crate::{Document, Error, Format, Style};

/// Writes one line per finding, and nothing when there are none.
pub(crate) fn render(
    document: &Document<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let Document::Lint(report) = document else {
        return Err(document.unsupported(Format::Plain));
    };
    for finding in report.findings {
        let at = &finding.place;
        let place = place(&at.file, at.line, style.root);
        let column = at
            .column
            .map_or_else(String::new, |column| format!(":{column}"));
        let verdict = finding.verdict.as_str();
        let message = clean(&finding.message);
        writeln!(
            out,
            "{}{column}: {verdict}: {message} [{}]",
            clean(&place),
            finding.code
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, sample_lint};
    use crate::{Format, Style};

    #[test]
    fn every_finding_is_one_line() {
        let style = Style {
            root: Some("/src/shop"),
            ..Style::default()
        };
        let sample = sample_lint();
        let text = check(&sample.document(), Format::Plain, &style);
        assert_eq!(text.lines().count(), sample.findings.len());
        insta::assert_snapshot!("lint", text);
    }
}
