//! Findings as cards, and what cards and tables share: badges, stacks, labels, evidence.

use std::fmt::{self, Display, Formatter, Write};

use gorphan_model::source::Cause;
use gorphan_model::{Finding, Frame, Group, Labels, Stack, Verdict, Waits, symbol};

use super::escape::{Count, Function, Minutes, Num, Position, Share, Text};
use crate::{Style, proof, words};

/// Findings that get a card; the rest is in the table, and counted.
const MAX_CARDS: usize = 200;
/// Lines of source shown on either side of the blocked one.
const SNIPPET_MARGIN: usize = 3;
/// Characters of a line of source.
const SNIPPET_CHARS: usize = 200;
/// Goroutine numbers shown with a finding.
const MAX_IDS: usize = 20;
/// Frames of one stack in the markup; the runtime prints at most 100.
const MAX_FRAMES: usize = 128;
/// Places and steps of one cause.
const MAX_PLACES: usize = 50;
/// Label keys shown with a group, and values of each.
const MAX_LABELS: usize = 8;

/// A verdict as a badge.
pub(super) struct Badge(pub(super) Verdict);

impl Display for Badge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = self.0.as_str();
        write!(f, "<span class=\"badge {word}\">{word}</span>")
    }
}

/// Writes the section of findings. `group_of` finds the group that a finding is about.
pub(super) fn cards<'a>(
    out: &mut String,
    findings: &[Finding],
    style: &Style<'_>,
    group_of: impl Fn(&Finding) -> Option<&'a Group>,
) -> fmt::Result {
    out.push_str("<section id=findings><h2>Findings</h2>\n");
    if findings.is_empty() {
        out.push_str("<p class=empty>Nothing here looks like a leak.</p>\n");
    }
    for finding in findings.iter().take(MAX_CARDS) {
        card(out, finding, group_of(finding), style)?;
    }
    if let Some(more) = findings.len().checked_sub(MAX_CARDS).filter(|n| *n > 0) {
        writeln!(
            out,
            "<p class=note>{} left out here; their groups are in the table.</p>",
            Count(more as u64, "more finding")
        )?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn card(
    out: &mut String,
    finding: &Finding,
    group: Option<&Group>,
    style: &Style<'_>,
) -> fmt::Result {
    let place = &finding.place;
    let pattern = finding.pattern.map_or_else(String::new, |pattern| {
        format!(" <span class=label>{}</span>", pattern.name())
    });
    writeln!(
        out,
        "<article class=\"card {}\">\n<header><p class=kicker>{} <span class=code>{}</span> <span class=op>{}</span>{}</p>\
         {}</header>",
        finding.verdict.as_str(),
        Badge(finding.verdict),
        Text(finding.code),
        Text(finding.operation.as_str()),
        pattern,
        count(finding),
    )?;
    writeln!(
        out,
        "<h3>{}</h3>\n<p class=place>{}</p>\n<p class=message>{}</p>",
        Function(&place.function),
        Position(&place.file, place.line),
        Text(&finding.message)
    )?;
    snippet(out, &place.file, place.line, style)?;
    if !finding.help.is_empty() {
        writeln!(out, "<p class=help><b>Help</b> {}</p>", Text(&finding.help))?;
    }
    out.push_str("<dl class=facts>\n");
    for evidence in &finding.evidence {
        let told = proof::facts(evidence, group.map_or(finding.count, |group| group.count));
        if told.is_empty() {
            let sentence = Text(&words::evidence(evidence)).to_string();
            fact(out, "evidence", &sentence)?;
        }
        for one in told {
            fact(out, one.name, &lines(&one.lines))?;
        }
    }
    if let Some(cause) = &finding.cause {
        cause_facts(out, cause)?;
    }
    if let Some(test) = words::test(finding) {
        fact(out, "test", &Text(&test).to_string())?;
    }
    match (
        group.and_then(|group| group.retained.as_ref()),
        finding.retained_bytes,
    ) {
        (Some(retained), Some(_)) => fact(out, "retained", &lines(&proof::retained(retained)))?,
        (None, Some(bytes)) => fact(out, "retained", &words::bytes(bytes))?,
        (_, None) => {}
    }
    if let Some(group) = group {
        group_facts(out, group)?;
    }
    out.push_str("</dl>\n");
    if let Some(group) = group {
        write!(
            out,
            "<details><summary>Full stack <span class=muted>{}</span></summary>",
            Count(group.stack.frames.len() as u64, "frame")
        )?;
        stack(out, &group.stack)?;
        out.push_str("</details>\n");
    }
    out.push_str("</article>\n");
    Ok(())
}

/// Goroutines; source tells none.
fn count(finding: &Finding) -> String {
    let goroutines = if finding.count == 1 {
        "goroutine"
    } else {
        "goroutines"
    };
    match finding.cause {
        None => format!(
            "<p class=count><b>{}</b> {goroutines}</p>",
            Num(finding.count)
        ),
        Some(_) => String::new(),
    }
}

/// The places of a cause, how it comes to it, and the fix.
fn cause_facts(out: &mut String, cause: &Cause) -> fmt::Result {
    let related = cause.related.iter().map(|related| {
        let place = &related.place;
        format!(
            "{} {}",
            Position(&place.file, place.line),
            Text(&related.label)
        )
    });
    let related: Vec<String> = related.take(MAX_PLACES).collect();
    if !related.is_empty() {
        fact(out, "places", &related.join("<br>"))?;
    }
    let steps = (1..)
        .zip(&cause.witness)
        .take(MAX_PLACES)
        .map(|(number, step): (usize, _)| {
            let place = &step.place;
            format!(
                "{number}. <b>{}</b> {} {}",
                Text(&step.goroutine),
                Text(&step.action),
                Position(&place.file, place.line)
            )
        });
    let steps: Vec<String> = steps.collect();
    if !steps.is_empty() {
        fact(out, "how", &steps.join("<br>"))?;
    }
    if let Some(fix) = &cause.fix {
        fact(out, "fix", &Text(&fix.title).to_string())?;
    }
    Ok(())
}

fn lines(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| Text(line).to_string());
    lines.collect::<Vec<_>>().join("<br>")
}

/// A term with its value, which is markup already.
fn fact(out: &mut String, term: &str, markup: &str) -> fmt::Result {
    writeln!(out, "<div><dt>{term}</dt><dd>{markup}</dd></div>")
}

/// What a group knows beyond its site and count.
pub(super) fn group_facts(out: &mut String, group: &Group) -> fmt::Result {
    if let Some(waits) = &group.waits {
        fact(out, "waiting", &waits_sentence(waits, group.count))?;
    }
    if let Some(creator) = &group.created_by {
        let function = symbol::canonical(&creator.function);
        let markup = format!(
            "{} {}",
            Function(&function),
            Position(&creator.file, creator.line)
        );
        fact(out, "created by", &markup)?;
    }
    if let Some(orphans) = group.orphans.filter(|orphans| *orphans > 0) {
        let markup = format!("{} whose creator is gone", Num(orphans));
        fact(out, "orphans", &markup)?;
    }
    if !group.labels.is_empty() {
        fact(out, "labels", &labels(&group.labels)?)?;
    }
    if !group.identities.known.is_empty() {
        fact(out, "goroutines", &identities(group)?)?;
    }
    if let Some(dismissed) = &group.dismissed {
        fact(out, "not a finding", &Text(&dismissed.reason).to_string())?;
    }
    Ok(())
}

fn waits_sentence(waits: &Waits, count: u64) -> String {
    let Some((min, max)) = waits.range() else {
        return "unknown".to_owned();
    };
    if max == 0 {
        return "less than a minute".to_owned();
    }
    if min == max {
        return format!("{} or longer", Minutes(max));
    }
    let half = max.div_ceil(2);
    let old = waits.at_least(half);
    format!(
        "{} to {}; {} of them at least {}",
        Minutes(min),
        Minutes(max),
        Share(old, count),
        Minutes(half)
    )
}

fn labels(labels: &Labels) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let mut left_out = 0;
    for (index, (key, values)) in labels.iter().enumerate() {
        if index >= MAX_LABELS {
            left_out += 1;
            continue;
        }
        let distinct = values.counts.len();
        if distinct > MAX_LABELS || values.others > 0 {
            let more = if values.others > 0 { "more than " } else { "" };
            write!(
                out,
                "<span class=label>{}: <i>{more}{distinct} values</i></span> ",
                Text(key)
            )?;
            continue;
        }
        for (value, count) in values.counts.iter() {
            write!(out, "<span class=label>{}: {}", Text(key), Text(value))?;
            if distinct > 1 {
                write!(out, " <i>×{}</i>", Num(count))?;
            }
            out.push_str("</span> ");
        }
    }
    if left_out > 0 {
        write!(out, "<i>and {left_out} more keys</i>")?;
    }
    Ok(out)
}

fn identities(group: &Group) -> Result<String, fmt::Error> {
    let known = &group.identities.known;
    let mut out = String::new();
    for (index, identity) in known.iter().take(MAX_IDS).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(out, "{comma}{}", identity.id)?;
    }
    let more = (known.len().saturating_sub(MAX_IDS) as u64).saturating_add(group.identities.elided);
    if more > 0 {
        write!(out, " and {} more", Num(more))?;
    }
    Ok(out)
}

/// The blocked line with its neighbours, if the source is at hand.
fn snippet(out: &mut String, file: &str, line: u32, style: &Style<'_>) -> fmt::Result {
    let wanted = line as usize;
    if file.is_empty() || wanted == 0 {
        return Ok(());
    }
    let Some(text) = (style.source)(file) else {
        return Ok(());
    };
    let first = wanted.saturating_sub(SNIPPET_MARGIN).max(1);
    let last = wanted.saturating_add(SNIPPET_MARGIN);
    let lines: Vec<(usize, &str)> = (1..)
        .zip(text.lines())
        .skip(first - 1)
        .take(last - first + 1)
        .collect();
    // A file that is shorter than the line is not the file that was built.
    if !lines.iter().any(|(number, _)| *number == wanted) {
        return Ok(());
    }
    out.push_str("<pre class=snippet tabindex=0>");
    for (number, line) in lines {
        let mut cut = line.chars();
        let shown: String = cut.by_ref().take(SNIPPET_CHARS).collect();
        let more = if cut.next().is_some() { "…" } else { "" };
        let tag = if number == wanted { "mark" } else { "span" };
        // No line feed: each is a block of its own.
        write!(
            out,
            "<{tag}><i>{number:>5}</i> {}{more}</{tag}>",
            Text(&shown)
        )?;
    }
    out.push_str("</pre>\n");
    Ok(())
}

/// A stack, innermost frame first.
pub(super) fn stack(out: &mut String, stack: &Stack) -> fmt::Result {
    if stack.frames.is_empty() {
        out.push_str("<p class=note>The source has no stack for it.</p>");
        return Ok(());
    }
    out.push_str("<ol class=stack>");
    for (index, frame) in stack.frames.iter().enumerate().take(MAX_FRAMES) {
        if let Some(elision) = stack.elided.filter(|elision| elision.at == index) {
            match elision.count {
                Some(count) => write!(
                    out,
                    "<li class=gap>{} left out by the runtime</li>",
                    Count(u64::from(count), "frame")
                )?,
                None => out.push_str("<li class=gap>frames left out by the runtime</li>"),
            }
        }
        write_frame(out, frame, "")?;
    }
    if let Some(more) = stack
        .frames
        .len()
        .checked_sub(MAX_FRAMES)
        .filter(|n| *n > 0)
    {
        write!(
            out,
            "<li class=gap>{}</li>",
            Count(more as u64, "more frame")
        )?;
    }
    if let Some(creator) = &stack.created_by {
        write_frame(out, creator, "created by ")?;
    }
    for ancestor in &stack.ancestors {
        out.push_str("<li class=gap>the creator's stack at that moment</li>");
        for frame in ancestor.frames.iter().take(MAX_FRAMES) {
            write_frame(out, frame, "")?;
        }
        if let Some(creator) = &ancestor.created_by {
            write_frame(out, creator, "created by ")?;
        }
    }
    out.push_str("</ol>\n");
    Ok(())
}

/// Two plain elements per frame: a page holds thousands of them.
fn write_frame(out: &mut String, frame: &Frame, before: &str) -> fmt::Result {
    let function = symbol::canonical(&frame.function);
    write!(out, "<li>{before}<code>{}</code>", Text(&function))?;
    match (&*frame.file, frame.line) {
        ("", _) => {}
        (file, 0) => write!(out, "<code>{}</code>", Text(file))?,
        (file, line) => write!(out, "<code>{}:{line}</code>", Text(file))?,
    }
    out.push_str("</li>\n");
    Ok(())
}
