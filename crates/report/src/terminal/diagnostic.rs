//! One finding, shown as a compiler shows an error: what, where, the blocked line, why, and what to do.

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Level, Message, Origin, Renderer, Snippet,
};
use gorphan_model::{Evidence, Finding, Frame, Group, Verdict};

use super::ink::{columns, cut_middle, wrap};
use super::less;
use crate::clean::clean;
use crate::place::{located, place, short_place};
use crate::{Style, proof, words};

/// Callers shown under the blocked function; [`Style::stacks`] shows all.
const CALLERS: usize = 4;
/// Source files larger than this are not shown, in bytes: no one writes them by hand, and each finding reads its own.
const MAX_SOURCE_BYTES: usize = 4 << 20;
/// Columns before the text of a note: a line number of four digits and ` = `.
const MARGIN: usize = 8;
/// Columns that the renderer may use in a pipe, where nothing is to be cut.
const UNCUT: usize = 100_000;

/// The finding with what its group adds; ends in a line feed.
pub(super) fn diagnostic(finding: &Finding, group: Option<&Group>, style: &Style<'_>) -> String {
    let level = match finding.verdict {
        Verdict::Leak => Level::ERROR,
        Verdict::Growing | Verdict::Suspect => Level::WARNING,
        Verdict::Normal => Level::NOTE,
    };
    let word = finding.verdict.as_str();
    let margin = word.len() + finding.code.len() + 4;
    let message = wrap(&clean(&finding.message), less(style.width, margin));
    let title = level
        .with_name(word)
        .secondary_title(message)
        .id(finding.code);
    let (place, shows_creation) = where_it_is(finding, group, style);
    let report = [title
        .element(place)
        .elements(notes(finding, group, shows_creation, style))];
    let renderer = if style.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = renderer
        .term_width(style.width.unwrap_or(UNCUT))
        .render(&report);
    text.push('\n');
    text
}

/// The blocked line, or only its place when the source is not at hand; and whether the `go` statement is shown, too.
fn where_it_is<'a>(
    finding: &Finding,
    group: Option<&Group>,
    style: &Style<'_>,
) -> (Element<'a>, bool) {
    let at = &finding.place;
    let path = if at.file.is_empty() {
        "?".to_owned()
    } else {
        let file = located(&at.file, style).unwrap_or_else(|| at.file.to_string());
        clean(&file).into_owned()
    };
    let source = (at.line > 0).then(|| (style.source)(&at.file)).flatten();
    let blocked = source
        .filter(|text| text.len() <= MAX_SOURCE_BYTES)
        .and_then(|text| {
            let text: Vec<String> = text.lines().map(shown_line).collect();
            let goroutines = words::count_of(finding.count, "goroutine");
            let label = format!("{goroutines} blocked in {}", finding.operation);
            let here = annotation(&text, at.line, AnnotationKind::Primary, label)?;
            let created = group.and_then(|group| group.created_by.as_ref());
            let start = created
                .filter(|frame| frame.file == at.file && frame.line != at.line && frame.line > 0)
                .and_then(|frame| {
                    let label = "created here".to_owned();
                    annotation(&text, frame.line, AnnotationKind::Context, label)
                });
            let snippet = Snippet::source(text.join("\n")).path(path.clone());
            let shows_creation = start.is_some();
            Some((snippet.annotation(here).annotations(start), shows_creation))
        });
    match (blocked, at.line) {
        (Some((snippet, shows_creation)), _) => (snippet.into(), shows_creation),
        (None, 0) => (Origin::path(path).into(), false),
        (None, line) => {
            let line = usize::try_from(line).unwrap_or(usize::MAX);
            (Origin::path(path).line(line).into(), false)
        }
    }
}

/// A source line with its tabs, and what acts made visible.
fn shown_line(line: &str) -> String {
    line.split('\t').map(clean).collect::<Vec<_>>().join("\t")
}

/// Marks a line from its first to its last letter; `None` where the file has no such line, or it is blank: then it is not
/// the file that was compiled.
fn annotation<'a>(
    lines: &[String],
    number: u32,
    kind: AnnotationKind,
    label: String,
) -> Option<Annotation<'a>> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let line = lines.get(index)?;
    let text = without_comment(line).trim();
    if text.is_empty() {
        return None;
    }
    let before: usize = lines.iter().take(index).map(|line| line.len() + 1).sum();
    let start = before + (line.len() - line.trim_start().len());
    Some(kind.span(start..start + text.len()).label(label))
}

/// The code of a line: what stands before `//`, unless that stands in a string.
fn without_comment(line: &str) -> &str {
    let closed = |before: &str, quote| before.matches(quote).count().is_multiple_of(2);
    let outside = |before: &str| closed(before, '"') && closed(before, '`');
    let mut starts = line.match_indices("//").map(|(at, _)| at);
    let comment = starts.find(|at| line.get(..*at).is_some_and(outside));
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

fn notes<'a>(
    finding: &Finding,
    group: Option<&Group>,
    shows_creation: bool,
    style: &Style<'_>,
) -> Vec<Message<'a>> {
    let mut notes = Notes {
        style: *style,
        messages: Vec::new(),
    };
    // A message that names the function has said what is done there, too.
    if !finding.message.contains(&*finding.place.function) {
        let operation = finding.operation.as_str();
        notes.say(
            "blocked",
            &format!("{operation} in {}", finding.place.function),
        );
    }
    if let Some(group) = group {
        notes.callers(group);
        // What the snippet shows and the message names need not be said a third time.
        let told = |frame: &&Frame| shows_creation && finding.message.contains(&*frame.function);
        if let Some(created) = group.created_by.as_ref().filter(|frame| !told(frame)) {
            notes.frames("created by", std::iter::once(created));
        }
        notes.group(group);
    }
    if let Some(test) = words::test(finding) {
        notes.say("test", &test);
    }
    for evidence in &finding.evidence {
        match evidence {
            Evidence::Proof { .. } => {
                let all = group.map_or(finding.count, |group| group.count);
                for fact in proof::facts(evidence, all) {
                    notes.lines(fact.name, &fact.lines);
                }
            }
            Evidence::Threshold { rule, reason, .. } if finding.message.contains(&**reason) => {
                notes.say("rule", rule);
            }
            evidence => notes.say("evidence", &words::evidence(evidence)),
        }
    }
    match (
        group.and_then(|group| group.retained.as_ref()),
        finding.retained_bytes,
    ) {
        (Some(retained), Some(_)) => notes.lines("retained", &proof::retained(retained)),
        (None, Some(bytes)) => notes.say("retained", &words::bytes(bytes)),
        (_, None) => {}
    }
    if let Some(pattern) = finding.pattern {
        notes.say(
            "pattern",
            &format!("{}: {}", pattern.name(), words::pattern(pattern)),
        );
    }
    if !finding.help.is_empty() {
        let text = wrap(&clean(&finding.help), less(style.width, MARGIN + 6));
        notes.messages.push(Level::HELP.message(text));
    }
    notes.messages
}

struct Notes<'s, 'a> {
    style: Style<'s>,
    messages: Vec<Message<'a>>,
}

impl Notes<'_, '_> {
    fn say(&mut self, name: &'static str, text: &str) {
        let text = wrap(
            &clean(text),
            less(self.style.width, MARGIN + name.len() + 2),
        );
        self.messages
            .push(Level::NOTE.with_name(name).message(text));
    }

    /// Several lines, each wrapped by itself.
    fn lines(&mut self, name: &'static str, lines: &[String]) {
        let room = less(self.style.width, MARGIN + name.len() + 2);
        let lines = lines.iter().map(|line| wrap(&clean(line), room));
        let text = lines.collect::<Vec<_>>().join("\n");
        self.messages
            .push(Level::NOTE.with_name(name).message(text));
    }

    fn group(&mut self, group: &Group) {
        if let Some(waits) = words::waits(group.waits.as_ref()) {
            let median = group.waits.as_ref().and_then(words::median_wait);
            let median = match median {
                Some(minutes) => format!(", half of them {minutes} min or longer"),
                None => String::new(),
            };
            self.say("waiting", &format!("{waits}{median}"));
        }
        let labels = words::common_labels(group);
        if !labels.is_empty() {
            self.say("labels", &labels);
        }
    }

    /// Who called the blocked function; all of the stack when asked for.
    fn callers(&mut self, group: &Group) {
        let frames = &group.stack.frames;
        if self.style.stacks {
            self.frames("stack", frames.iter());
            return;
        }
        let blocked = frames
            .iter()
            .position(|frame| frame.line == group.site.line && frame.file == group.site.file);
        let Some(blocked) = blocked else {
            return;
        };
        // Every stack ends in the runtime's start-up.
        let runtime = |frame: &&Frame| frame.function.starts_with("runtime.");
        let start_up = frames.iter().rev().take_while(runtime).count();
        let callers = frames.len().saturating_sub(blocked + 1 + start_up);
        let nearest = callers.min(CALLERS);
        self.frames("called by", frames.iter().skip(blocked + 1).take(nearest));
        if callers > nearest {
            self.append(&format!("... {} more", callers - nearest));
        }
    }

    /// One line a frame, each cut to fit.
    fn frames<'f>(&mut self, name: &'static str, frames: impl Iterator<Item = &'f Frame>) {
        let room = less(self.style.width, MARGIN + name.len() + 2);
        let lines: Vec<String> = frames.map(|frame| self.frame(frame, room)).collect();
        if lines.is_empty() {
            return;
        }
        self.messages
            .push(Level::NOTE.with_name(name).message(lines.join("\n")));
    }

    fn frame(&self, frame: &Frame, room: Option<usize>) -> String {
        let file = located(&frame.file, &self.style).unwrap_or_else(|| frame.file.to_string());
        let place = place(&file, frame.line, None);
        let place = clean(&place);
        let function = clean(&frame.function);
        let Some(room) = room else {
            return format!("{function} ({place})");
        };
        if columns(&function) + columns(&place) + 3 <= room {
            return format!("{function} ({place})");
        }
        // The end of a path tells the most: the name of the file and the line.
        let base = short_place(&frame.file, frame.line);
        let base = clean(&base);
        let base = cut_middle(&base, room / 2, self.style.ascii);
        let left = room.saturating_sub(columns(&base) + 3);
        let function = cut_middle(&function, left, self.style.ascii);
        format!("{function} ({base})")
    }

    /// A further line of the last note.
    fn append(&mut self, text: &str) {
        self.messages
            .push(Level::NOTE.no_name().message(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_not_underlined_and_a_string_is() {
        for (line, code) in [
            ("\tc <- 1 // blocks", "\tc <- 1 "),
            (r#"get("http://a") // b"#, r#"get("http://a") "#),
            ("get(`http://a`)", "get(`http://a`)"),
            ("// all", ""),
        ] {
            assert_eq!(without_comment(line), code);
        }
    }
}
