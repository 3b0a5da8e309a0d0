//! Takes lines out of what a log puts around them, and tells the sources of a log apart.
//!
//! The text of each source goes to a parser of its own, so that dumps of two containers in one file stay two dumps. A
//! source is known by its prefix (see [`super::prefix`]), or by the field of a JSON line with what names its container.

use gorphan_model::Problem;
use memchr::{memchr, memchr_iter, memmem};
use serde_json::Value;

use super::counted;
use super::header::{self, Parsed};
use super::lines::{self, Guess};
use super::parser::{Parser, Shared};
use super::prefix::Template;
use super::wrap::{self, Path};

/// Sources that are told apart; lines of further ones are other text. A log of more is better split by its collector.
const MAX_SOURCES: usize = 64;
/// Lines that may pass until it is clear whether a prefix stands on each line or on the first alone.
const MAX_UNCLEAR_LINES: u32 = 64;

/// Where in a line a dump's or profile's first words are; `None` without them.
pub(super) fn start_in(line: &[u8]) -> Option<usize> {
    memmem::find_iter(line, b"goroutine").find(|at| {
        let rest = line.get(at + b"goroutine".len()..).unwrap_or_default();
        let before = line.get(..*at).unwrap_or_default();
        // A word's end, unless it is that of an escaped newline or of a colour.
        let word = before.last().is_some_and(u8::is_ascii_alphanumeric);
        if word && !before.ends_with(b"\\n") && memchr(0x1b, before).is_none() {
            return false;
        }
        if rest.starts_with(b" profile: total ") || rest.starts_with(b"leak profile: total ") {
            return true;
        }
        let Some(number) = rest.strip_prefix(b" ") else {
            return false;
        };
        let digits = number
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let rest = number.get(digits..).unwrap_or_default();
        digits > 0 && (rest.starts_with(b" [") || rest.starts_with(b" gp="))
    })
}

/// Whether a line holds the start of a dump that something stands before or after.
pub(super) fn is_dressed(line: &[u8]) -> bool {
    match start_in(line) {
        None => false,
        Some(0) => header::parse(line) == Parsed::Dressed || line.ends_with(b"\r"),
        Some(_) => true,
    }
}

/// Whether a line, now bare, starts a goroutine or a profile.
fn is_start(line: &[u8]) -> bool {
    matches!(header::parse(line), Parsed::Header(_)) || counted::total(line).is_some()
}

/// Whether a profile's first line is followed by an escaped newline, so that the rest is in the same line.
fn is_escaped_profile(line: &[u8]) -> bool {
    let first = memmem::find(line, b"\\n").and_then(|end| line.get(..end));
    first.is_some_and(|first| counted::total(first).is_some())
}

/// What marks the lines of one source.
#[derive(Clone, PartialEq, Eq)]
struct Mark {
    prefix: Template,
    /// The field of a JSON object after the prefix, and the object's source.
    field: Option<(Path, String)>,
    /// A prefix of the text within that field.
    inner: Template,
}

struct Source {
    mark: Mark,
    parser: Parser,
}

/// A prefix seen on one line, which may or may not be on the next.
struct Candidate {
    mark: Mark,
    header: Vec<u8>,
    line: u64,
    waited: u32,
}

/// The sources of a log.
pub(super) struct Log {
    /// The first is the one without any mark.
    sources: Vec<Source>,
    candidates: Vec<Candidate>,
    last: usize,
    /// The first line of a source past the limit.
    left_out: Option<u64>,
    plain: Vec<u8>,
    text: Vec<u8>,
}

impl Log {
    /// A log that started as clean text.
    pub(super) fn new(mut parser: Parser) -> Self {
        parser.set_clean();
        let mark = Mark {
            prefix: Template::default(),
            field: None,
            inner: Template::default(),
        };
        Self {
            sources: vec![Source { mark, parser }],
            candidates: Vec::new(),
            last: 0,
            left_out: None,
            plain: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Reads whole lines, the first of which is number `number`.
    pub(super) fn feed(&mut self, shared: &mut Shared<'_>, text: &[u8], mut number: u64) {
        let mut start = 0;
        for end in memchr_iter(b'\n', text) {
            self.line(shared, text.get(start..end).unwrap_or_default(), number);
            number += 1;
            start = end + 1;
        }
    }

    /// Passes over a line that is too long to look at.
    pub(super) fn skip_line(&mut self, shared: &mut Shared<'_>, message: &str) {
        if let Some(source) = self.sources.first_mut() {
            source.parser.skip_line(shared, message);
        }
    }

    /// What to say of the sources that were too many.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.left_out.map(|line| {
            let message = format!(
                "the log has dumps of more than {MAX_SOURCES} sources, told apart by what stands before their lines; \
                 further ones were left out; decode the sources one by one"
            );
            Problem::at_line(line, message)
        })
    }

    /// All parsers, at the end.
    pub(super) fn into_parsers(mut self, shared: &mut Shared<'_>) -> Vec<Parser> {
        for candidate in std::mem::take(&mut self.candidates) {
            self.give(shared, 0, &candidate.header, candidate.line);
        }
        self.sources
            .into_iter()
            .map(|source| source.parser)
            .collect()
    }

    fn line(&mut self, shared: &mut Shared<'_>, line: &[u8], number: u64) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if memchr(0x1b, line).is_none() {
            return self.plain_line(shared, line, number);
        }
        let mut plain = std::mem::take(&mut self.plain);
        wrap::without_colours(line, &mut plain);
        self.plain_line(shared, plain.strip_suffix(b"\r").unwrap_or(&plain), number);
        self.plain = plain;
    }

    fn plain_line(&mut self, shared: &mut Shared<'_>, line: &[u8], number: u64) {
        if self.candidates.is_empty() && self.known(shared, line, number) {
            return;
        }
        if !self.candidates.is_empty() {
            self.decide(shared, line);
            if self.known(shared, line, number) {
                return;
            }
        }
        let start = start_in(line);
        let learnt = start.is_some_and(|at| self.learn(shared, line, at, number));
        if !learnt {
            self.give(shared, 0, line, number);
        }
    }

    /// Gives a line to the source whose mark it has.
    fn known(&mut self, shared: &mut Shared<'_>, line: &[u8], number: u64) -> bool {
        let count = self.sources.len();
        let mut json: Option<(usize, Option<Value>)> = None;
        for turn in 0..count {
            // Lines of one source mostly come together.
            let at = (self.last + turn) % count;
            let Some(source) = self.sources.get(at).filter(|_| at != 0) else {
                continue;
            };
            let Some(taken) = source.mark.prefix.strip(line) else {
                continue;
            };
            let rest = line.get(taken..).unwrap_or_default();
            let Some((path, from)) = &source.mark.field else {
                self.last = at;
                self.give(shared, at, rest, number);
                return true;
            };
            if json.as_ref().is_none_or(|(offset, _)| *offset != taken) {
                json = Some((taken, parse_object(rest)));
            }
            let Some((_, Some(value))) = &json else {
                continue;
            };
            if wrap::source(value) != *from {
                continue;
            }
            let Some(text) = wrap::string_at(value, path) else {
                continue;
            };
            self.last = at;
            self.give_text(shared, at, text.as_bytes(), number);
            return true;
        }
        false
    }

    /// Settles which of the prefixes just seen stand on each line.
    fn decide(&mut self, shared: &mut Shared<'_>, line: &[u8]) {
        let bare =
            matches!(lines::parse_outer(line), Guess::Sure(_)) || lines::is_unavailable(line);
        for mut candidate in std::mem::take(&mut self.candidates) {
            candidate.waited += 1;
            if candidate.mark.prefix.strip(line).is_some() {
                let at = self.source(candidate.mark, candidate.line);
                self.give(shared, at, &candidate.header, candidate.line);
            } else if bare || candidate.waited > MAX_UNCLEAR_LINES {
                self.give(shared, 0, &candidate.header, candidate.line);
            } else {
                self.candidates.push(candidate);
            }
        }
    }

    /// The source with this mark, new if there is none.
    fn source(&mut self, mark: Mark, number: u64) -> usize {
        if let Some(at) = self.sources.iter().position(|source| source.mark == mark) {
            return at;
        }
        if self.sources.len() >= MAX_SOURCES {
            self.left_out = self.left_out.or(Some(number));
            return 0;
        }
        self.sources.push(Source {
            mark,
            parser: Parser::new(false),
        });
        self.sources.len() - 1
    }

    /// Learns the mark of a line in which a dump or profile starts; false where it only looks so.
    fn learn(&mut self, shared: &mut Shared<'_>, line: &[u8], at: usize, number: u64) -> bool {
        let (before, rest) = line.split_at(at);
        if let Some(brace) = memchr(b'{', before)
            && self.learn_json(shared, line, brace, number)
        {
            return true;
        }
        let octal = memmem::find(rest, b"#012").is_some();
        if octal || header::parse(rest) == Parsed::Dressed || is_escaped_profile(rest) {
            // The whole dump in one line. A `panic:` before it, in the same quotes, is left aside.
            let mut text = Vec::new();
            if octal {
                wrap::without_octal(rest, &mut text);
            } else {
                wrap::unescaped(rest, &mut text);
            }
            let Some(prefix) = Template::learn(before) else {
                return false;
            };
            let mark = Mark {
                prefix,
                field: None,
                inner: Template::default(),
            };
            // Its text is all in this line, so that no later line need have the mark.
            let at = self
                .sources
                .iter()
                .position(|source| source.mark == mark)
                .unwrap_or(0);
            self.give_text(shared, at, &text, number);
            return true;
        }
        if at == 0 || !is_start(rest) {
            return false;
        }
        let Some(prefix) = Template::learn(before) else {
            return false;
        };
        let mark = Mark {
            prefix,
            field: None,
            inner: Template::default(),
        };
        if self.sources.len() + self.candidates.len() >= MAX_SOURCES {
            self.left_out = self.left_out.or(Some(number));
            return false;
        }
        self.candidates.push(Candidate {
            mark,
            header: rest.to_vec(),
            line: number,
            waited: 0,
        });
        true
    }

    fn learn_json(
        &mut self,
        shared: &mut Shared<'_>,
        line: &[u8],
        brace: usize,
        number: u64,
    ) -> bool {
        let (before, object) = line.split_at(brace);
        let Some(value) = parse_object(object) else {
            return false;
        };
        let starts = |text: &str| inner_prefix(text.as_bytes()).is_some();
        let Some(path) = wrap::find_string(&value, &starts) else {
            return false;
        };
        let Some(text) = wrap::string_at(&value, &path).map(str::as_bytes) else {
            return false;
        };
        let inner = inner_prefix(text).and_then(Template::learn);
        let (Some(inner), Some(prefix)) = (inner, Template::learn(before)) else {
            return false;
        };
        let mark = Mark {
            prefix,
            field: Some((path, wrap::source(&value))),
            inner,
        };
        let at = self.source(mark, number);
        self.give_text(shared, at, text, number);
        true
    }

    /// Gives the text of a field or a quoted string, one line or many, to a source.
    fn give_text(&mut self, shared: &mut Shared<'_>, at: usize, text: &[u8], number: u64) {
        let inner = self
            .sources
            .get(at)
            .map(|source| source.mark.inner.clone())
            .unwrap_or_default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mut several = false;
        let mut start = 0;
        for end in memchr_iter(b'\n', text).chain([text.len()]) {
            several |= start > 0;
            let line = text.get(start..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let taken = if inner.is_empty() {
                0
            } else {
                inner.strip(line).unwrap_or(0)
            };
            self.give(shared, at, line.get(taken..).unwrap_or_default(), number);
            start = end + 1;
        }
        if several {
            // What comes next is another message.
            self.give(shared, at, b"", number);
        }
    }

    /// Gives a bare line to a source.
    fn give(&mut self, shared: &mut Shared<'_>, at: usize, line: &[u8], number: u64) {
        let mut text = std::mem::take(&mut self.text);
        if memmem::find(line, b"#01").is_some() {
            wrap::without_octal(line, &mut text);
        } else {
            text.clear();
            text.extend_from_slice(line);
        }
        text.push(b'\n');
        if let Some(source) = self.sources.get_mut(at) {
            source.parser.line = number;
            // A parser of clean lines hands none back.
            let _ = source.parser.feed(shared, &text);
        }
        self.text = text;
    }
}

/// What stands before the start of a dump on its line.
fn inner_prefix(text: &[u8]) -> Option<&[u8]> {
    let at = start_in(text)?;
    let before = text.get(..at)?;
    let line = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let end = memchr(b'\n', text.get(at..)?).map_or(text.len(), |newline| at + newline);
    is_start(text.get(at..end)?.trim_ascii_end()).then_some(before.get(line..)?)
}

fn parse_object(text: &[u8]) -> Option<Value> {
    if text.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(text.trim_ascii_end()).ok()
}
