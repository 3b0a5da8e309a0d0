//! Tables that fit: columns shrink in the middle of names, notes move below their row, and nothing is cut in a pipe.

use anstyle::Style as Ansi;

use super::ink::{BOLD, DIM, PLAIN, columns, cut_middle, paint, wrap};
use crate::Style;

/// Spaces between columns.
const GAP: usize = 2;
/// No column shrinks below this.
const MIN_WIDTH: usize = 10;
/// A name cut below this tells little.
const LEGIBLE: usize = 24;

/// How a column behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Right-aligned, never cut.
    Number,
    /// Left-aligned, never cut.
    Word,
    /// Left-aligned, cut in the middle.
    Name,
}

/// One cell; the text is clean.
pub(super) struct Cell {
    pub(super) text: String,
    /// A shorter form for when the table does not fit.
    pub(super) short: Option<String>,
    pub(super) ansi: Ansi,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            short: None,
            ansi: PLAIN,
        }
    }

    pub(super) fn or_short(self, short: impl Into<String>) -> Self {
        Self {
            short: Some(short.into()),
            ..self
        }
    }

    pub(super) fn ansi(self, ansi: Ansi) -> Self {
        Self { ansi, ..self }
    }
}

/// A row with what is to be said of it.
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// Stands after the last column, or below the row where that does not fit.
    pub(super) note: String,
    /// Further lines below the row, cut in the middle where they are too long.
    pub(super) below: Vec<String>,
}

/// Writes head and rows, each line with a line feed.
pub(super) fn table(head: &[(&str, Kind)], mut rows: Vec<Row>, style: &Style<'_>) -> String {
    let note_width = rows.iter().map(|row| columns(&row.note)).max().unwrap_or(0);
    let mut widths = widths_of(head, &rows);
    if style
        .width
        .is_some_and(|width| total(&widths) + room(note_width) > width)
    {
        for cell in rows.iter_mut().flat_map(|row| &mut row.cells) {
            if let Some(short) = cell.short.take() {
                cell.text = short;
            }
        }
        widths = widths_of(head, &rows);
    }
    let mut head = head.to_vec();
    if style
        .width
        .is_some_and(|width| cramped(&head, &widths, width))
    {
        head.pop();
        for row in &mut rows {
            row.cells.truncate(head.len() + 1);
            let last = row.cells.pop().map(|cell| cell.text).unwrap_or_default();
            row.note = match row.note.as_str() {
                "" => last,
                note => format!("{last}  {note}"),
            };
        }
        widths = widths_of(&head, &rows);
    }
    let head = head.as_slice();
    if let Some(width) = style.width {
        shrink(head, &mut widths, width);
    }
    let mut lines = String::new();
    let titles = head.iter().map(|(title, _)| Cell::new(*title).ansi(BOLD));
    line(
        head,
        &widths,
        &titles.collect::<Vec<_>>(),
        style,
        &mut lines,
    );
    end(&mut lines);
    let indent = note_indent(head, &widths);
    for row in rows {
        line(head, &widths, &row.cells, style, &mut lines);
        let taken = total(&widths) + room(columns(&row.note));
        let beside = style.width.is_none_or(|width| taken <= width);
        if !row.note.is_empty() && beside {
            lines.push_str(&" ".repeat(GAP));
            lines.push_str(&paint(style.colour, DIM, &row.note));
        }
        end(&mut lines);
        let room = style
            .width
            .map(|width| width.saturating_sub(indent).max(MIN_WIDTH));
        let mut extras = Vec::new();
        if !beside && !row.note.is_empty() {
            extras.extend(wrap(&row.note, room).lines().map(str::to_owned));
        }
        for extra in row.below {
            let room = room.unwrap_or(usize::MAX);
            extras.push(cut_middle(&extra, room, style.ascii).into_owned());
        }
        for extra in extras {
            lines.push_str(&" ".repeat(indent));
            lines.push_str(&paint(style.colour, DIM, &extra));
            end(&mut lines);
        }
    }
    lines
}

/// Whether names would be cut so far that they tell nothing, while the last of them could move into the note.
fn cramped(head: &[(&str, Kind)], widths: &[usize], width: usize) -> bool {
    let mut shrunk = widths.to_vec();
    shrink(head, &mut shrunk, width);
    let several = head.iter().filter(|(_, kind)| *kind == Kind::Name).count() > 1;
    let cut = |((shrunk, natural), (_, kind)): ((&usize, &usize), &(&str, Kind))| {
        *kind == Kind::Name && shrunk < natural && *shrunk < LEGIBLE
    };
    several && shrunk.iter().zip(widths).zip(head).any(cut)
}

fn room(note_width: usize) -> usize {
    if note_width == 0 { 0 } else { note_width + GAP }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

fn widths_of(head: &[(&str, Kind)], rows: &[Row]) -> Vec<usize> {
    let mut widths: Vec<usize> = head.iter().map(|(title, _)| columns(title)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = columns(&cell.text).max(*width);
        }
    }
    widths
}

/// Takes from the widest name until all fits, or nothing more can be taken.
fn shrink(head: &[(&str, Kind)], widths: &mut [usize], width: usize) {
    while total(widths) > width {
        let names = widths.iter_mut().zip(head);
        let widest = names
            .filter(|(wide, (_, kind))| *kind == Kind::Name && **wide > MIN_WIDTH)
            .max_by_key(|(wide, _)| **wide);
        match widest {
            Some((wide, _)) => *wide -= 1,
            None => break,
        }
    }
}

/// Notes below a row start under its first name.
fn note_indent(head: &[(&str, Kind)], widths: &[usize]) -> usize {
    let before = head.iter().take_while(|(_, kind)| *kind != Kind::Name);
    widths
        .iter()
        .take(before.count())
        .map(|wide| wide + GAP)
        .sum()
}

fn line(
    head: &[(&str, Kind)],
    widths: &[usize],
    cells: &[Cell],
    style: &Style<'_>,
    lines: &mut String,
) {
    for (index, ((cell, wide), (_, kind))) in cells.iter().zip(widths).zip(head).enumerate() {
        if index > 0 {
            lines.push_str(&" ".repeat(GAP));
        }
        let text = cut_middle(&cell.text, *wide, style.ascii);
        let padding = " ".repeat(wide.saturating_sub(columns(&text)));
        let painted = paint(style.colour, cell.ansi, &text);
        if *kind == Kind::Number {
            lines.push_str(&padding);
            lines.push_str(&painted);
        } else {
            lines.push_str(&painted);
            lines.push_str(&padding);
        }
    }
}

/// Ends a line without spaces before its end.
fn end(lines: &mut String) {
    lines.truncate(lines.trim_end_matches(' ').len());
    lines.push('\n');
}
