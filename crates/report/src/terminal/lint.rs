//! Findings in source: each with its lines, the places of its cause, how it comes to it, and the fix as an edit.

use std::io::Write;

use annotate_snippets::{
    AnnotationKind, Element, Group, Level, Message, Origin, Padding, Patch, Renderer, Snippet,
};
use gorphan_model::source::{Cause, Fix};
use gorphan_model::{Finding, Operation, Place, Verdict};

use super::ink::{BOLD, DIM, GREEN, hang, paint, wrap};
use super::{head, less, problems, tally};
use crate::clean::clean;
use crate::place::{located, place};
use crate::{Error, LintReport, Style, words};

/// Source files larger than this are not shown, in bytes, as with other findings.
const MAX_SOURCE_BYTES: usize = 4 << 20;
/// Columns that the renderer may use in a pipe, where nothing is to be cut.
const UNCUT: usize = 100_000;
/// Places of a cause that are shown with their lines; the others are named.
const MAX_PLACES: usize = 8;
/// Columns before the text of a note.
const MARGIN: usize = 8;

pub(super) fn render(
    report: &LintReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let ledger = report.ledger;
    head(&report.target.name, &[words::looked_at(ledger)], style, out)?;
    writeln!(out, "{}\n", tally(report.findings, style))?;
    for finding in report.findings {
        writeln!(out, "{}", diagnostic(finding, style))?;
    }
    problems(&report.problems, style, out)?;
    let decided = words::decided(ledger, report.suppressed);
    if report.findings.is_empty() {
        writeln!(out, "{}", paint(style.colour, GREEN, "No leak found."))?;
        writeln!(
            out,
            "{}",
            paint(style.colour, DIM, &wrap(&decided, style.width))
        )?;
        return Ok(());
    }
    let count = words::count_usize(report.findings.len(), "finding");
    writeln!(
        out,
        "{}: {}",
        paint(style.colour, BOLD, &count),
        tally(report.findings, style)
    )?;
    let mut codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let fixes = report
        .findings
        .iter()
        .filter(|finding| {
            finding
                .cause
                .as_ref()
                .is_some_and(|cause| cause.fix.is_some())
        })
        .count();
    let mut steps = vec![decided];
    if fixes > 0 {
        let fixes = words::count_usize(fixes, "finding");
        steps.push(format!(
            "{fixes} can be fixed: gorphan lint --diff shows how, --fix does it."
        ));
    }
    if let Some((first, others)) = codes.split_first() {
        let others = if others.is_empty() {
            String::new()
        } else {
            format!(" (or {})", others.join(", "))
        };
        steps.push(format!(
            "gorphan explain {first}{others} tells what it means and how to mend it."
        ));
    }
    for step in steps {
        let text = hang(&wrap(&step, style.width.map(|width| width.max(20))), 2);
        writeln!(out, "{}", paint(style.colour, DIM, &text))?;
    }
    Ok(())
}

fn diagnostic(finding: &Finding, style: &Style<'_>) -> String {
    let level = match finding.verdict {
        Verdict::Leak => Level::ERROR,
        Verdict::Growing | Verdict::Suspect => Level::WARNING,
        Verdict::Normal => Level::NOTE,
    };
    let word = finding.verdict.as_str();
    let message = wrap(
        &clean(&finding.message),
        less(style.width, word.len() + finding.code.len() + 4),
    );
    let title = level
        .with_name(word)
        .secondary_title(message)
        .id(finding.code);
    let empty = Cause::default();
    let cause = finding.cause.as_deref().unwrap_or(&empty);
    let mut group = title
        .elements(places(finding, cause, style))
        .elements(notes(finding, cause, style));
    if !finding.help.is_empty() {
        let text = wrap(&clean(&finding.help), less(style.width, MARGIN + 6));
        group = group.element(Level::HELP.message(text));
    }
    let mut report = vec![group];
    report.extend(cause.fix.as_ref().and_then(|fix| fix_group(fix, style)));
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

/// A place with what is to be said of it.
struct Mark<'m> {
    place: &'m Place,
    end: Option<(u32, u32)>,
    label: String,
    kind: AnnotationKind,
}

/// The lines of the operation and of the other places, a snippet a file; a place alone where its source is not at hand.
fn places<'a>(finding: &Finding, cause: &Cause, style: &Style<'_>) -> Vec<Element<'a>> {
    let label = match finding.operation {
        Operation::Other => String::new(),
        operation => format!("{operation} blocks here"),
    };
    let mut marks = vec![Mark {
        place: &finding.place,
        end: cause.end,
        label,
        kind: AnnotationKind::Primary,
    }];
    marks.extend(cause.related.iter().take(MAX_PLACES).map(|related| Mark {
        place: &related.place,
        end: None,
        label: clean(&related.label).into_owned(),
        kind: AnnotationKind::Context,
    }));
    let mut files: Vec<&str> = Vec::new();
    for mark in &marks {
        if !files.contains(&&*mark.place.file) {
            files.push(&mark.place.file);
        }
    }
    let mut elements = Vec::new();
    for file in files {
        let here: Vec<&Mark<'_>> = marks
            .iter()
            .filter(|mark| *mark.place.file == *file)
            .collect();
        let path = clean(&located(file, style).unwrap_or_else(|| {
            if file.is_empty() {
                "?".to_owned()
            } else {
                file.to_owned()
            }
        }))
        .into_owned();
        let source = (style.source)(file).filter(|text| text.len() <= MAX_SOURCE_BYTES);
        let snippet = source.and_then(|text| snippet(&text, &path, &here));
        match snippet {
            Some(snippet) => elements.push(snippet.into()),
            None => elements.extend(here.iter().map(|mark| {
                let line = usize::try_from(mark.place.line).unwrap_or(usize::MAX);
                Element::from(Origin::path(path.clone()).line(line))
            })),
        }
    }
    elements
}

/// The lines of a file with marks; `None` where a marked line is not there.
fn snippet<'a>(
    text: &str,
    path: &str,
    marks: &[&Mark<'_>],
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split('\t').map(clean).collect::<Vec<_>>().join("\t"))
        .collect();
    let mut starts = Vec::with_capacity(lines.len());
    let mut at = 0;
    for line in &lines {
        starts.push(at);
        at += line.len() + 1;
    }
    let mut annotations = Vec::new();
    for mark in marks {
        let range = range(text, &lines, &starts, mark)?;
        let annotation = mark.kind.span(range);
        annotations.push(if mark.label.is_empty() {
            annotation
        } else {
            annotation.label(mark.label.clone())
        });
    }
    Some(
        Snippet::source(lines.join("\n"))
            .path(path.to_owned())
            .annotations(annotations),
    )
}

/// The bytes of a mark in the text as shown. A line that is shown otherwise than it is written is marked whole.
fn range(
    text: &str,
    lines: &[String],
    starts: &[usize],
    mark: &Mark<'_>,
) -> Option<std::ops::Range<usize>> {
    let index = usize::try_from(mark.place.line).ok()?.checked_sub(1)?;
    let (line, start) = (lines.get(index)?, *starts.get(index)?);
    let indent = line.len() - line.trim_start().len();
    let whole = start + indent..start + line.trim_end().len().max(indent);
    let written = text.lines().nth(index)?;
    let column = mark
        .place
        .column
        .and_then(|column| usize::try_from(column).ok()?.checked_sub(1));
    let Some(from) =
        column.filter(|from| written == line && *from < line.len() && line.is_char_boundary(*from))
    else {
        return Some(whole);
    };
    let to = mark.end.and_then(|(end_line, end_column)| {
        let index = usize::try_from(end_line).ok()?.checked_sub(1)?;
        let column = usize::try_from(end_column).ok()?.checked_sub(1)?;
        let (line, start) = (lines.get(index)?, *starts.get(index)?);
        line.is_char_boundary(column)
            .then(|| start + column.min(line.len()))
    });
    // A block that is far from its end is marked by its first line.
    let to = to
        .filter(|to| *to > start + from && *to <= whole.end)
        .unwrap_or(whole.end);
    Some(start + from..to)
}

/// How it comes to it.
fn notes<'a>(finding: &Finding, cause: &Cause, style: &Style<'_>) -> Vec<Message<'a>> {
    let mut notes = Vec::new();
    let mut say = |name: &'static str, text: &str| {
        let text = wrap(&clean(text), less(style.width, MARGIN + name.len() + 2));
        notes.push(Level::NOTE.with_name(name).message(text));
    };
    if !finding.message.contains(&*finding.place.function) {
        say("in", &finding.place.function);
    }
    for related in cause.related.iter().skip(MAX_PLACES) {
        let at = place(&related.place.file, related.place.line, style.root);
        say("also", &format!("{} ({at})", related.label));
    }
    let steps: Vec<String> = (1..)
        .zip(&cause.witness)
        .map(|(number, step): (usize, _)| {
            let at = place(&step.place.file, step.place.line, style.root);
            let text = format!("{number}. {} {} ({at})", step.goroutine, step.action);
            wrap(&clean(&text), less(style.width, MARGIN + 4))
        })
        .collect();
    if !steps.is_empty() {
        notes.push(Level::NOTE.with_name("how").message(steps.join("\n")));
    }
    notes
}

/// The fix as an edit of the source.
fn fix_group<'a>(fix: &Fix, style: &Style<'_>) -> Option<Group<'a>> {
    let title = clean(&fix.title).into_owned();
    let mut files: Vec<&str> = fix.edits.iter().map(|edit| &*edit.file).collect();
    files.dedup();
    let mut elements: Vec<Element<'a>> = Vec::new();
    for file in files {
        let text = (style.source)(file).filter(|text| text.len() <= MAX_SOURCE_BYTES)?;
        // What acts on terminals would have to be shown otherwise, and offsets with it.
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r')) {
            return None;
        }
        let path = clean(&located(file, style).unwrap_or_else(|| file.to_owned())).into_owned();
        let patches: Option<Vec<Patch<'a>>> = fix
            .edits
            .iter()
            .filter(|edit| *edit.file == *file)
            .map(|edit| {
                let range = usize::try_from(edit.start).ok()?..usize::try_from(edit.end).ok()?;
                text.get(range.clone())?;
                Some(Patch::new(range, clean_lines(&edit.text)))
            })
            .collect();
        let patches = patches?;
        elements.push(Snippet::source(text).path(path).patches(patches).into());
    }
    if elements.is_empty() {
        return None;
    }
    elements.push(Padding.into());
    Some(
        Level::HELP
            .with_name("fix")
            .secondary_title(title)
            .elements(elements),
    )
}

fn clean_lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(clean).collect::<Vec<_>>().join("\t");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, sample_lint};
    use crate::{Format, Style};

    #[test]
    fn findings_show_their_lines_and_fixes() {
        let sample = sample_lint();
        let style = Style {
            root: Some("/src/shop"),
            source: &|file| sample.text(file),
            width: Some(100),
            ..Style::default()
        };
        insta::assert_snapshot!("lint", check(&sample.document(), Format::Terminal, &style));
        let style = Style {
            root: Some("/src/shop"),
            ..Style::default()
        };
        insta::assert_snapshot!(
            "lint without source",
            check(&sample.document(), Format::Terminal, &style)
        );
        insta::assert_snapshot!(
            "lint quiet",
            check(&sample.quiet(), Format::Terminal, &style)
        );
    }
}
