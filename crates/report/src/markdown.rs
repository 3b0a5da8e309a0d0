//! Markdown as GitHub and GitLab show it, for a comment on a pull request or a job's summary.

use std::io::Write;

use gorphan_model::diff::Change;
use gorphan_model::{Finding, Frame, Group, Problem};

mod fleet;
mod lint;

use crate::clean::clean;
use crate::place::{place, short_place};
use crate::{
    DiffReport, Document, Error, Format, GcTraceReport, LoadReport, Report, Style, TargetInfo,
    proof, words,
};

/// Findings with details: a comment on GitHub may have 65,536 characters.
const MAX_DETAILS: usize = 10;
/// Rows of a table.
const MAX_ROWS: usize = 30;
/// Frames of a stack.
const MAX_FRAMES: usize = 16;
/// Problems told.
const MAX_PROBLEMS: usize = 10;
/// Characters of one name or message; real ones are far shorter.
const MAX_TEXT: usize = 600;

/// Writes the report.
pub(crate) fn render(
    document: &Document<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match document {
        Document::Inspect(report) => inspect(report, style, out),
        Document::Why(_) => Err(document.unsupported(Format::Markdown)),
        Document::Diff(report) => diff(report, style, out),
        Document::GcTrace(report) => gctrace(report, out),
        Document::Load(report) => load(report, style, out),
        Document::Lint(report) => lint::render(report, style, out),
        Document::Fleet(report) => fleet::render(report, style, out),
    }
}

fn inspect(report: &Report<'_>, style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let snapshot = report.snapshot;
    writeln!(out, "## gorphan: {}\n", words::tally(report.findings))?;
    let goroutines = words::count_of(snapshot.goroutines(), "goroutine");
    let groups = words::count_usize(report.groups_total, "group");
    let cut = if snapshot.truncated {
        ", cut off before its end"
    } else {
        ""
    };
    writeln!(
        out,
        "{}: {} profile ({}){cut}, {goroutines} in {groups}\n",
        target(&report.target),
        words::profile(snapshot.profile),
        snapshot.format.as_str()
    )?;
    for told in proof::summary(snapshot)
        .into_iter()
        .chain(proof::holdings(snapshot))
    {
        writeln!(out, "{}\n", text(&told))?;
    }
    findings(report.findings, style, out)?;
    details(report.findings, report.groups.iter().collect(), style, out)?;
    let others = report
        .groups
        .iter()
        .filter(|group| !words::is_finding(group, report.findings));
    let others: Vec<&Group> = others.collect();
    if !others.is_empty() {
        let title = format!("Other groups ({})", others.len());
        open(&title, out)?;
        other_groups(&others, style, out)?;
        close(out)?;
    }
    problems(&report.problems, out)
}

fn target(target: &TargetInfo) -> String {
    let version = target.go_version.as_deref();
    let version = version.map_or(String::new(), |version| format!(", {}", text(version)));
    format!("{}{version}", code(&target.name))
}

/// The findings in a table.
fn findings(findings: &[Finding], style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "| code | verdict | goroutines | blocked in | function | place |"
    )?;
    writeln!(out, "|---|---|---:|---|---|---|")?;
    for finding in findings.iter().take(MAX_ROWS) {
        let at = &finding.place;
        writeln!(
            out,
            "| {} | **{}** | {} | {} | {} | {} |",
            finding.code,
            finding.verdict.as_str(),
            finding.count,
            finding.operation,
            cell(&code(&at.function)),
            cell(&code(&place(&at.file, at.line, style.root)))
        )?;
    }
    more(findings.len(), MAX_ROWS, "findings", out)?;
    writeln!(out)?;
    Ok(())
}

/// What a table or list leaves out.
fn more(count: usize, shown: usize, nouns: &str, out: &mut dyn Write) -> Result<(), Error> {
    let left_out = count.saturating_sub(shown);
    if left_out > 0 {
        writeln!(out, "\n... and {left_out} more {nouns}")?;
    }
    Ok(())
}

/// Each finding, folded: message, evidence, fix and stack.
fn details(
    findings: &[Finding],
    groups: Vec<&Group>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    for finding in findings.iter().take(MAX_DETAILS) {
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
        let group = words::group_of(finding, groups.iter().copied());
        for (name, fact) in facts(finding, group) {
            writeln!(out, "- **{name}**: {}", text(&fact))?;
        }
        if let Some(group) = group {
            writeln!(out, "\n{}", stack(group, style))?;
        }
        close(out)?;
    }
    more(findings.len(), MAX_DETAILS, "findings without details", out)
}

fn facts(finding: &Finding, group: Option<&Group>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if !finding.help.is_empty() {
        facts.push(("fix", finding.help.clone()));
    }
    if let Some(pattern) = finding.pattern {
        facts.push((
            "pattern",
            format!("{}: {}", pattern.name(), words::pattern(pattern)),
        ));
    }
    if let Some(test) = words::test(finding) {
        facts.push(("test", test));
    }
    for evidence in &finding.evidence {
        let told = proof::facts(evidence, group.map_or(finding.count, |group| group.count));
        if told.is_empty() {
            facts.push(("evidence", words::evidence(evidence)));
        }
        facts.extend(told.into_iter().map(|one| (one.name, one.lines.join("; "))));
    }
    if let Some(waits) = group.and_then(|group| words::waits(group.waits.as_ref())) {
        facts.push(("waiting", waits));
    }
    let labels = group.map(words::common_labels).unwrap_or_default();
    if !labels.is_empty() {
        facts.push(("labels", labels));
    }
    match (
        group.and_then(|group| group.retained.as_ref()),
        finding.retained_bytes,
    ) {
        (Some(retained), Some(_)) => {
            facts.push(("retained", proof::retained(retained).join("; ")));
        }
        (None, Some(bytes)) => facts.push(("retained", words::bytes(bytes))),
        (_, None) => {}
    }
    facts
}

/// The stack in a fence that no name can close.
fn stack(group: &Group, style: &Style<'_>) -> String {
    let line = |frame: &Frame| {
        let place = place(&frame.file, frame.line, style.root);
        clean(&format!("{}\n\t{place}", frame.function)).replace("\\n\\t", "\n    ")
    };
    let frames = &group.stack.frames;
    let mut lines: Vec<String> = frames.iter().take(MAX_FRAMES).map(line).collect();
    if frames.len() > MAX_FRAMES {
        lines.push(format!("... {} more frames", frames.len() - MAX_FRAMES));
    }
    if let Some(created) = &group.created_by {
        lines.push(format!("created by {}", line(created)));
    }
    let body = lines.join("\n");
    let fence = "`".repeat(longest_run(&body).max(2) + 1);
    format!("{fence}text\n{body}\n{fence}")
}

fn other_groups(groups: &[&Group], style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    writeln!(
        out,
        "| goroutines | waiting | operation | function | place | note |"
    )?;
    writeln!(out, "|---:|---:|---|---|---|---|")?;
    for group in groups.iter().take(MAX_ROWS) {
        let site = &group.site;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            group.count,
            text(&words::waits(group.waits.as_ref()).unwrap_or_default()),
            site.operation,
            cell(&code(&site.function)),
            cell(&code(&place(&site.file, site.line, style.root))),
            text(&words::note(group))
        )?;
    }
    more(groups.len(), MAX_ROWS, "groups", out)
}

fn diff(report: &DiffReport<'_>, style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    writeln!(out, "## gorphan diff: {}\n", words::tally(report.findings))?;
    writeln!(
        out,
        "{} → {}: {} → {} goroutines\n",
        target(&report.before),
        target(&report.after),
        report.goroutines_before,
        report.goroutines_after
    )?;
    let changed: Vec<_> = report
        .changes
        .iter()
        .filter(|change| change.change != Change::Same)
        .collect();
    if changed.is_empty() {
        writeln!(out, "No site changed.\n")?;
    } else {
        writeln!(
            out,
            "| change | before → after | operation | function | place | verdict |"
        )?;
        writeln!(out, "|---|---:|---|---|---|---|")?;
    }
    for change in changed.iter().take(MAX_ROWS) {
        let site = &change.group.site;
        writeln!(
            out,
            "| {} | {} → {} | {} | {} | {} | {} |",
            words::change(change.change),
            change.before,
            change.after,
            site.operation,
            cell(&code(&site.function)),
            cell(&code(&place(&site.file, site.line, style.root))),
            change.verdict.as_str()
        )?;
    }
    more(changed.len(), MAX_ROWS, "sites", out)?;
    writeln!(out)?;
    let groups = report.changes.iter().map(|change| &change.group).collect();
    details(report.findings, groups, style, out)?;
    problems(&report.problems, out)
}

fn gctrace(report: &GcTraceReport<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let trend = report.trend;
    let hourly_told = words::tells_hourly(report.trace, trend);
    let collections = words::count_usize(report.trace.collections.len(), "collection");
    writeln!(
        out,
        "## gorphan gctrace: {}\n",
        words::growth(trend.growth).1
    )?;
    writeln!(
        out,
        "{}: {collections}. {}\n",
        code(&report.target.name),
        text(&trend.message)
    )?;
    if !trend.measures.is_empty() {
        writeln!(
            out,
            "| measure | verdict | per collection | per hour | median | significance |"
        )?;
        writeln!(out, "|---|---|---:|---:|---:|---:|")?;
    }
    for measure in &trend.measures {
        let (_, name, unit) = words::measure(measure.measure);
        let hourly = measure
            .per_hour
            .filter(|_| hourly_told)
            .map_or(String::new(), |slope| format!("{:+.2}", slope.estimate));
        writeln!(
            out,
            "| {name}, {unit} | {} | {:+.2} | {hourly} | {:.1} | {} |",
            words::growth(measure.growth).1,
            measure.per_collection.estimate,
            measure.median,
            text(&words::p_value(measure.p_value))
        )?;
    }
    writeln!(out)?;
    problems(&report.trace.problems, out)
}

fn load(report: &LoadReport<'_>, style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let trend = report.trend;
    writeln!(out, "## gorphan load: {}\n", words::tally(&trend.findings))?;
    writeln!(
        out,
        "{}: {}\n",
        target(&report.target),
        text(&words::load(trend))
    )?;
    findings(&trend.findings, style, out)?;
    let groups = trend.sites.iter().map(|site| &site.group).collect();
    details(&trend.findings, groups, style, out)?;
    if !trend.sites.is_empty() {
        writeln!(out, "| site | before | after | per request | course |")?;
        writeln!(out, "|---|---:|---:|---|---|")?;
    }
    for site in trend.sites.iter().take(MAX_ROWS) {
        let place = &site.group.site;
        let name = format!("{} in {}", place.operation, place.function);
        let slope = site.trend.slope.as_ref().map(words::slope);
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            code(&name),
            site.trend.first(),
            site.trend.last(),
            text(&slope.unwrap_or_default()),
            words::course(site.trend.course)
        )?;
    }
    more(trend.sites.len(), MAX_ROWS, "sites", out)?;
    writeln!(out)?;
    problems(&report.problems, out)
}

fn problems(problems: &[Problem], out: &mut dyn Write) -> Result<(), Error> {
    if problems.is_empty() {
        return Ok(());
    }
    writeln!(out, "**Not all could be read:**\n")?;
    for problem in problems.iter().take(MAX_PROBLEMS) {
        writeln!(out, "- {}", text(&words::problem(problem)))?;
    }
    more(problems.len(), MAX_PROBLEMS, "problems", out)
}

/// Opens a folded part. What stands in `summary` is HTML, not Markdown.
fn open(title: &str, out: &mut dyn Write) -> Result<(), Error> {
    let title = html(&short(&clean(title)));
    writeln!(out, "<details><summary>{title}</summary>\n")?;
    Ok(())
}

fn close(out: &mut dyn Write) -> Result<(), Error> {
    writeln!(out, "\n</details>\n")?;
    Ok(())
}

fn short(text: &str) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(MAX_TEXT).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// HTML's own characters as entities; a mention of a user is broken.
fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('@', "@<!-- -->")
}

/// Text in which nothing is Markdown, HTML, a mention or a cell's end.
fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in short(&clean(text)).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("@<!-- -->"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// A code span that no name can close.
fn code(name: &str) -> String {
    let name = short(&clean(name));
    let fence = "`".repeat(longest_run(&name) + 1);
    if name.is_empty() {
        String::new()
    } else if name.starts_with('`') || name.ends_with('`') {
        format!("{fence} {name} {fence}")
    } else {
        format!("{fence}{name}{fence}")
    }
}

/// A table takes a bar for the end of a cell even in code.
fn cell(code: &str) -> String {
    code.replace('|', "\\|")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, sample_proof, sample_quiet, sample_report};

    #[test]
    fn load() {
        let trend = crate::testing::sample_load();
        insta::assert_snapshot!("markdown_load", markdown(&crate::testing::load(&trend)));
    }

    fn markdown(document: &Document<'_>) -> String {
        let style = Style {
            root: Some("/src/shop"),
            ..Style::default()
        };
        check(document, Format::Markdown, &style)
    }

    #[test]
    fn each_document() {
        let sample = sample_report();
        insta::assert_snapshot!("inspect", markdown(&sample.inspect()));
        insta::assert_snapshot!("diff", markdown(&sample.diff()));
        insta::assert_snapshot!("gctrace", markdown(&sample.gctrace()));
        insta::assert_snapshot!("quiet", markdown(&sample_quiet().inspect()));
        insta::assert_snapshot!("proof", markdown(&sample_proof().inspect()));
    }

    #[test]
    fn names_can_neither_close_code_nor_open_html() {
        for (name, shown) in [
            ("main.f", "`main.f`"),
            ("a`b", "``a`b``"),
            ("`a``", "``` `a`` ```"),
            ("", ""),
        ] {
            assert_eq!(code(name), shown);
        }
        assert_eq!(
            text("<b> *a* @you | `c`"),
            r"&lt;b&gt; \*a\* @<!-- -->you \| \`c\`"
        );
        let report = markdown(&sample_report().inspect());
        let mut fenced = false;
        for line in report.lines() {
            fenced ^= line.starts_with("```");
            let outside: String = line.split("``").step_by(2).collect();
            assert!(fenced || !outside.contains("<script"), "{line}");
        }
        for line in report.lines().filter(|line| line.starts_with("| GR")) {
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(bars, 7, "{line}");
        }
    }

    #[test]
    fn thousands_of_findings_fit_into_a_comment() {
        let mut sample = sample_report();
        sample.findings = vec![sample.findings[0].clone(); 5000];
        let report = markdown(&sample.inspect());
        assert!(report.len() < 65_536, "{}", report.len());
        assert!(report.contains("... and 4970 more findings"), "{report}");
    }
}
