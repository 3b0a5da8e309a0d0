//! One goroutine: where it is, what it waits for, whether anything can still wake it and why, and what it holds.

use std::io::Write;

use anstyle::Style as Ansi;
use gorphan_model::operation::classify;
use gorphan_model::proof::{Waiting, Why};
use gorphan_model::{Frame, GoroutineId, Operation, Proof, Sample};

use super::ink::{BOLD, GREEN, PLAIN, RED, YELLOW, hang, paint, wrap};
use super::{facts, head, less, problems};
use crate::clean::clean;
use crate::place::place;
use crate::{Error, Style, WhyReport, proof, words};

/// Other goroutines listed by number.
const MAX_OTHERS: usize = 20;
/// Goroutines of the wait-for graph; the JSON report has all.
const MAX_WAITS: usize = 20;
/// What is said of a goroutine that nobody need wake.
const NO_WAIT: &str = "it does not wait for another goroutine";
/// Columns before a section's lines.
const INDENT: usize = 2;

/// Writes the page.
pub(super) fn render(
    report: &WhyReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut facts = facts(&report.target);
    facts.insert(0, report.snapshot.format.as_str().to_owned());
    head(&report.target.name, &facts, style, out)?;
    let mut page = Page { style, out };
    let sample = report.sample();
    page.title(report.goroutine, sample)?;
    if let Some(why) = report.why {
        page.verdict(why, report)?;
    } else {
        let told = sample.and_then(|sample| sample.proof.as_deref());
        let operation = sample.map(|it| classify(it.state.as_ref(), &it.stack));
        let text = match told {
            Some(Proof::Inconclusive(why)) => format!("not decided: {why}"),
            _ if !operation.is_some_and(Operation::waits_for_goroutine) => NO_WAIT.to_owned(),
            _ => "what it waits for can only be read from memory: give a process or a core file"
                .to_owned(),
        };
        page.line(YELLOW, &text)?;
        writeln!(page.out)?;
    }
    if let Some(sample) = sample {
        page.stack(sample, report.goroutine)?;
    }
    problems(&report.problems, style, out)
}

struct Page<'a> {
    style: &'a Style<'a>,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn line(&mut self, ansi: Ansi, text: &str) -> Result<(), Error> {
        let text = wrap(&clean(text), self.style.width);
        writeln!(self.out, "{}", paint(self.style.colour, ansi, &text))?;
        Ok(())
    }

    fn title(&mut self, id: GoroutineId, sample: Option<&Sample>) -> Result<(), Error> {
        let mut text = format!("goroutine {id}");
        if let Some(sample) = sample {
            let operation = classify(sample.state.as_ref(), &sample.stack).as_str();
            let state = sample.state.as_ref().map_or(operation, |it| it.as_str());
            text.push_str(&format!(" [{state}"));
            if let Some(waits) = words::waits(sample.waits.as_ref()) {
                text.push_str(&format!(", {waits}"));
            }
            text.push(']');
        }
        self.line(BOLD, &text)?;
        let Some(sample) = sample else {
            return Ok(());
        };
        let labels = sample.labels.common(sample.count);
        let labels: Vec<String> = labels
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        if !labels.is_empty() {
            self.line(PLAIN, &format!("labels {}", labels.join(", ")))?;
        }
        if sample.count > 1 {
            let others = words::count_of(sample.count - 1, "other");
            self.line(PLAIN, &format!("{others} with the same stack and state"))?;
        }
        Ok(())
    }

    fn verdict(&mut self, why: &Why, report: &WhyReport<'_>) -> Result<(), Error> {
        let (ansi, sentence) = match &why.proof {
            Some(Proof::Unreachable(_)) => {
                (RED, "leak: nothing that runs can ever wake it".to_owned())
            }
            Some(Proof::Reachable(_)) => (
                GREEN,
                "it may still be woken: something that runs reaches what it waits for".to_owned(),
            ),
            Some(Proof::Inconclusive(reason)) => (YELLOW, format!("not decided: {reason}")),
            None => (PLAIN, NO_WAIT.to_owned()),
        };
        self.line(ansi, &sentence)?;
        writeln!(self.out)?;
        let mut objects: Vec<String> = why.objects.iter().map(proof::object).collect();
        if !why.others.is_empty() {
            objects.push(format!("also waiting: {}", numbers(&why.others)));
        }
        self.section("waits for", &objects)?;
        match &why.proof {
            Some(Proof::Reachable(way)) => {
                self.section("reached through", &proof::steps(way))?;
            }
            Some(Proof::Unreachable(leak)) => {
                let links = leak.cause.iter().map(|blame| {
                    let is = report.whereabouts(blame.goroutine);
                    is.map_or_else(|| blame.to_string(), |is| format!("{blame}: {is}"))
                });
                self.section("root cause", &links.collect::<Vec<_>>())?;
            }
            Some(Proof::Inconclusive(_)) | None => {}
        }
        self.section("who waits for whom", &graph(&why.waits, report))?;
        match &why.retained {
            Some(retained) => self.section("it alone holds", &proof::retained(retained)),
            None => Ok(()),
        }
    }

    /// A title and its lines, indented; nothing without lines.
    fn section(&mut self, title: &str, lines: &[String]) -> Result<(), Error> {
        if lines.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "{}", paint(self.style.colour, BOLD, title))?;
        let indent = " ".repeat(INDENT);
        for line in lines {
            let text = wrap(&clean(line), less(self.style.width, INDENT * 2));
            writeln!(self.out, "{indent}{}", hang(&text, INDENT * 2))?;
        }
        writeln!(self.out)?;
        Ok(())
    }

    fn stack(&mut self, sample: &Sample, id: GoroutineId) -> Result<(), Error> {
        let root = self.style.root;
        let frame = |frame: &Frame| {
            let place = place(&frame.file, frame.line, root);
            format!("{} ({place})", frame.function)
        };
        let mut lines: Vec<String> = sample.stack.frames.iter().map(frame).collect();
        if let Some(created) = &sample.stack.created_by {
            let mut known = sample.identities.known.iter();
            let parent = known.find(|one| one.id == id).and_then(|one| one.parent);
            let parent = parent.map_or(String::new(), |id| format!(" in goroutine {id}"));
            lines.push(format!("created by {}{parent}", frame(created)));
        }
        self.section("stack", &lines)
    }
}

fn numbers(ids: &[GoroutineId]) -> String {
    let shown = ids.iter().take(MAX_OTHERS).map(GoroutineId::to_string);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(MAX_OTHERS) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// One line a goroutine, then one for each that is to blame. A graph of one alone says nothing that was not said.
fn graph(waits: &[Waiting], report: &WhyReport<'_>) -> Vec<String> {
    let edges = waits.iter().any(|one| !one.blames.is_empty());
    if !edges {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for one in waits.iter().take(MAX_WAITS) {
        let is = report.whereabouts(one.goroutine).unwrap_or_default();
        let objects = one.objects.iter().map(ToString::to_string);
        let objects = objects.collect::<Vec<_>>().join(", ");
        lines.push(format!("goroutine {}: {is}: {objects}", one.goroutine));
        for blame in &one.blames {
            lines.push(format!("-> {blame}"));
        }
    }
    let more = waits.len().saturating_sub(MAX_WAITS);
    if more > 0 {
        lines.push(format!("... and {more} more (--format json has all)"));
    }
    lines
}
