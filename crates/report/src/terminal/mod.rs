//! What a person reads: findings first, each as a good compiler shows an error, then the rest in a table, then what could
//! not be read, then what to do next.

use std::io::Write;

use gorphan_model::{Finding, GoroutineId, Group, Problem, Proof, Verdict};

use crate::clean::clean;
use crate::place::{place, short_place};
use crate::{Document, Error, Report, Style, TargetInfo, proof, words};

mod diagnostic;
mod diff;
mod fleet;
mod gctrace;
mod ink;
mod lint;
mod load;
mod plot;
mod table;
mod why;

use diagnostic::diagnostic;
use ink::{BOLD, DIM, GREEN, YELLOW, fill, hang, paint, wrap};
use table::{Cell, Kind, Row, table};

/// Problems shown; the JSON report has all.
const MAX_PROBLEMS: usize = 10;

/// The column of waits, which profiles do not know.
const WAITING: usize = 1;

/// Writes the report.
pub(crate) fn render(
    document: &Document<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match document {
        Document::Inspect(report) => inspect(report, style, out),
        Document::Why(report) => why::render(report, style, out),
        Document::Diff(report) => diff::render(report, style, out),
        Document::GcTrace(report) => gctrace::render(report, style, out),
        Document::Load(report) => load::render(report, style, out),
        Document::Lint(report) => lint::render(report, style, out),
        Document::Fleet(report) => fleet::render(report, style, out),
    }
}

fn inspect(report: &Report<'_>, style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let snapshot = report.snapshot;
    let mut facts = facts(&report.target);
    facts.insert(
        0,
        format!(
            "{} profile ({})",
            words::profile(snapshot.profile),
            snapshot.format.as_str()
        ),
    );
    if snapshot.truncated {
        facts.push("cut off before its end".to_owned());
    }
    head(&report.target.name, &facts, style, out)?;
    let looked_at = format!(
        "{} in {}",
        words::count_of(snapshot.goroutines(), "goroutine"),
        words::count_usize(report.groups_total, "group")
    );
    let tally = tally(report.findings, style);
    let at_least = if snapshot.truncated { "at least " } else { "" };
    writeln!(out, "{at_least}{looked_at}: {tally}")?;
    if let Some(proven) = proof::summary(snapshot) {
        let text = hang(&wrap(&proven, less(style.width, 2)), 2);
        writeln!(out, "{}", paint(style.colour, DIM, &text))?;
    }
    writeln!(out)?;
    for finding in report.findings {
        let group = words::group_of(finding, report.groups.iter());
        writeln!(out, "{}", diagnostic(finding, group, style))?;
    }
    if let Some(holdings) = proof::holdings(snapshot) {
        writeln!(out, "{}\n", wrap(&holdings, style.width))?;
    }
    others(report, style, out)?;
    problems(&report.problems, style, out)?;
    if report.findings.is_empty() {
        quiet(report, &looked_at, style, out)
    } else {
        next_steps(report.findings, leaked_one(report), style, out)
    }
}

fn less(width: Option<usize>, margin: usize) -> Option<usize> {
    width.map(|width| width.saturating_sub(margin).max(20))
}

/// The name of the target and what is known of it.
fn head(name: &str, facts: &[String], style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let name = clean(name);
    let last = facts.len().saturating_sub(1);
    let facts = facts.iter().enumerate().map(|(index, fact)| {
        let comma = if index < last { "," } else { "" };
        format!("{}{comma}", clean(fact))
    });
    let pieces: Vec<String> = std::iter::once(format!("{name}:")).chain(facts).collect();
    let text = fill(pieces.iter().map(String::as_str), style.width);
    let (name, facts) = text.split_at(name.len().min(text.len()));
    writeln!(out, "{}{}", paint(style.colour, BOLD, name), hang(facts, 2))?;
    Ok(())
}

fn facts(target: &TargetInfo) -> Vec<String> {
    let mut facts = Vec::new();
    facts.extend(target.go_version.clone());
    facts.extend(taken_at(target));
    facts.extend(target.bytes_read.map(words::bytes));
    facts.extend(
        target
            .pause_seconds
            .map(|seconds| format!("stopped for {:.1} ms", seconds * 1000.0)),
    );
    facts
}

fn taken_at(target: &TargetInfo) -> Option<String> {
    let nanos = target.taken_at_unix_nanos?;
    let time = jiff::Timestamp::from_nanosecond(nanos.into()).ok()?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// The verdicts with their counts, or that there is none.
fn tally(findings: &[Finding], style: &Style<'_>) -> String {
    if findings.is_empty() {
        return paint(style.colour, GREEN, &words::tally(findings));
    }
    let counts = words::verdict_counts(findings).into_iter();
    let counts = counts.map(|(verdict, text)| paint(style.colour, ink::verdict(verdict), &text));
    counts.collect::<Vec<_>>().join(", ")
}

/// The groups that are no findings.
fn others(report: &Report<'_>, style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let rest: Vec<&Group> = report
        .groups
        .iter()
        .filter(|group| !words::is_finding(group, report.findings))
        .collect();
    let nothing = rest.is_empty();
    if !nothing {
        let title = if report.findings.is_empty() {
            "Groups"
        } else {
            "Other groups"
        };
        writeln!(out, "{}", paint(style.colour, BOLD, title))?;
        let head = [
            ("count", Kind::Number),
            ("waiting", Kind::Number),
            ("operation", Kind::Word),
            ("function", Kind::Name),
            ("place", Kind::Name),
        ];
        let mut rows: Vec<Row> = rest.into_iter().map(|group| row(group, style)).collect();
        let waits_known = report.groups.iter().any(|group| group.waits.is_some());
        if waits_known {
            write!(out, "{}", table(&head, rows, style))?;
        } else {
            for row in &mut rows {
                row.cells.remove(WAITING);
            }
            let head = head.iter().filter(|(title, _)| *title != "waiting");
            let head: Vec<_> = head.copied().collect();
            write!(out, "{}", table(&head, rows, style))?;
        }
    }
    let hidden = report.groups_total.saturating_sub(report.groups.len());
    if hidden > 0 {
        let hidden = words::count_usize(hidden, "more group");
        let text = format!("{hidden} (--top N shows more)");
        writeln!(out, "{}", paint(style.colour, DIM, &text))?;
    }
    if !nothing || hidden > 0 {
        writeln!(out)?;
    }
    Ok(())
}

fn row(group: &Group, style: &Style<'_>) -> Row {
    let site = &group.site;
    Row {
        cells: vec![
            Cell::new(group.count.to_string()),
            Cell::new(words::waits(group.waits.as_ref()).unwrap_or_default()),
            Cell::new(site.operation.as_str()),
            function_cell(group),
            place_cell(group, style),
        ],
        note: clean(&words::note(group)).into_owned(),
        below: stack_lines(group, style),
    }
}

fn function_cell(group: &Group) -> Cell {
    Cell::new(clean(&group.site.function)).ansi(ink::CYAN)
}

/// The whole place, or the file's name alone: the function already tells the package.
fn place_cell(group: &Group, style: &Style<'_>) -> Cell {
    let site = &group.site;
    let whole = place(&site.file, site.line, style.root);
    let short = short_place(&site.file, site.line);
    Cell::new(clean(&whole)).or_short(clean(&short))
}

/// The whole stack, when asked for.
fn stack_lines(group: &Group, style: &Style<'_>) -> Vec<String> {
    if !style.stacks {
        return Vec::new();
    }
    let frame = |frame: &gorphan_model::Frame| {
        let place = place(&frame.file, frame.line, style.root);
        clean(&format!("{} ({place})", frame.function)).into_owned()
    };
    let mut lines: Vec<String> = group.stack.frames.iter().map(frame).collect();
    if let Some(created) = &group.created_by {
        lines.push(format!("created by {}", frame(created)));
    }
    lines
}

/// What could not be read.
fn problems(problems: &[Problem], style: &Style<'_>, out: &mut dyn Write) -> Result<(), Error> {
    for problem in problems.iter().take(MAX_PROBLEMS) {
        let warning = paint(style.colour, YELLOW, "warning:");
        let room = style.width.map(|width| width.saturating_sub(9).max(20));
        let text = wrap(&clean(&words::problem(problem)), room);
        writeln!(out, "{warning} {}", hang(&text, 9))?;
    }
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    if more > 0 {
        writeln!(out, "... and {more} more problems (--format json has all)")?;
    }
    if !problems.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// Nothing found, and what that rests on.
fn quiet(
    report: &Report<'_>,
    looked_at: &str,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let waiting = report
        .groups
        .iter()
        .filter(|group| group.site.operation.waits_for_goroutine());
    let waiting = waiting.fold(0_u64, |sum, group| sum.saturating_add(group.count));
    let dismissed = report
        .groups
        .iter()
        .filter(|group| group.dismissed.is_some());
    let dismissed = dismissed.fold(0_u64, |sum, group| sum.saturating_add(group.count));
    let dismissed = match dismissed {
        0 => String::new(),
        count => format!(" ({count} of all are dismissed, each with its reason above)"),
    };
    let text = format!(
        "No leak found: looked at {looked_at}; {waiting} wait for another goroutine{dismissed}."
    );
    let text = wrap(&text, style.width);
    // The verdict's words are short enough never to be wrapped.
    let (found, rest) = text.split_at("No leak found".len().min(text.len()));
    writeln!(out, "{}{rest}", paint(style.colour, GREEN, found))?;
    let hint = "A slow leak shows in two snapshots: gorphan diff BEFORE AFTER.";
    writeln!(out, "{}", paint(style.colour, DIM, hint))?;
    Ok(())
}

/// A goroutine of the first finding that is proven leaked, where it can still be asked about: a test binary is gone.
fn leaked_one(report: &Report<'_>) -> Option<GoroutineId> {
    if report.target.kind == "tests" {
        return None;
    }
    let group = words::group_of(report.findings.first()?, report.groups.iter())?;
    let samples = group.samples.iter();
    let mut samples = samples.filter_map(|index| report.snapshot.samples.get(*index));
    let leaked =
        samples.find(|sample| matches!(sample.proof.as_deref(), Some(Proof::Unreachable(_))))?;
    Some(leaked.identities.known.first()?.id)
}

/// What to do with the findings; `one` is a leaked goroutine that can be asked about.
fn next_steps(
    findings: &[Finding],
    one: Option<GoroutineId>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let code = codes.first().copied().unwrap_or_default();
    let many = match codes.get(1..).unwrap_or_default() {
        [] => String::new(),
        rest => format!(" (or {})", rest.join(", ")),
    };
    let count = u64::try_from(findings.len()).unwrap_or(u64::MAX);
    let total = paint(style.colour, BOLD, &words::count_of(count, "finding"));
    writeln!(out, "{total}: {}", tally(findings, style))?;
    let mut steps = vec![format!(
        "gorphan explain {code}{many} tells what it means and how to mend it."
    )];
    if let Some(one) = one {
        steps.push(format!(
            "The same with --why {one} tells all of one of the leaked goroutines."
        ));
    }
    if findings.iter().any(|one| one.verdict == Verdict::Suspect) {
        steps.push(
            "A suspect is not proven: take a second snapshot later, and gorphan diff BEFORE AFTER tells whether it grows."
                .to_owned(),
        );
    }
    for step in steps {
        let text = hang(&wrap(&step, style.width.map(|width| width.max(20))), 2);
        writeln!(out, "{}", paint(style.colour, DIM, &text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
