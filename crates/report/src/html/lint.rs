//! The page of a run over source.

use std::fmt::{self, Write};

use super::escape::Text;
use super::finding::cards;
use super::shell::{Page, close_masthead, figure, open_masthead, problems, target_facts};
use crate::{LintReport, Style, words};

/// Writes the page.
pub(super) fn page(report: &LintReport<'_>, style: &Style<'_>) -> Result<String, fmt::Error> {
    let mut page = Page::new("lint", &report.target.name, &[])?;
    let out = &mut page.out;
    let ledger = report.ledger;
    open_masthead(out, "lint", &report.target.name)?;
    writeln!(
        out,
        "<p class=verdict-line>{}: {}</p>",
        Text(&words::looked_at(ledger)),
        Text(&words::tally(report.findings))
    )?;
    out.push_str("<dl class=figures>\n");
    figure(out, ledger.scopes_leaking, "scopes leaking", "")?;
    figure(out, ledger.scopes_proved, "proved", "")?;
    figure(out, ledger.scopes_unknown(), "unknown", "")?;
    figure(out, ledger.files_unparsed, "files not read", "")?;
    out.push_str("</dl>\n<dl class=target>\n");
    target_facts(out, &report.target)?;
    out.push_str("</dl>\n");
    close_masthead(out);
    problems(out, &report.problems)?;
    cards(out, report.findings, style, |_| None)?;
    writeln!(
        out,
        "<p class=note>{}</p>",
        Text(&words::decided(ledger, report.suppressed))
    )?;
    page.finish()
}
