//! Text: goroutine dumps of every dialect (`debug=2`, panics, SIGQUIT), `debug=1`, also inside of logs.
//!
//! Bytes go through one buffer, in whole lines, to one parser ([`parser`]); lines of a log are taken out of their dress
//! first ([`clean`]). Stacks are kept once ([`stacks`]), goroutines are counted as they pass ([`build`]).

mod build;
mod clean;
mod counted;
mod header;
mod intern;
mod lines;
mod parser;
mod prefix;
mod quote;
mod stacks;
mod states;
mod wrap;

use std::io::{BufRead, BufReader, ErrorKind, Read};

use gorphan_model::Snapshot;

use crate::{Error, Options};
use clean::Log;
use parser::{Dressed, Parser, Shared};

/// Bytes looked at together, and read at once where this module reads; see `input::source`.
const CHUNK_BYTES: usize = 128 << 10;
/// The longest line that is looked at. A JSON log line may hold a whole dump; past this it is left out.
const MAX_LINE_BYTES: usize = 8 << 20;

/// Reads every snapshot of a text, decompressed.
///
/// Snapshots come in the order in which they start. Dumps of several sources in one log are told apart by what stands
/// before their lines.
///
/// # Errors
/// When reading fails or no goroutine is found.
pub fn read(input: impl Read, options: &Options) -> Result<Vec<Snapshot>, Error> {
    read_buffered(BufReader::with_capacity(CHUNK_BYTES, input), options)
}

/// As [`read`]; what the input lends is not copied.
pub(crate) fn read_buffered(
    mut input: impl BufRead,
    options: &Options,
) -> Result<Vec<Snapshot>, Error> {
    let mut shared = Shared::new(options);
    let mut text = Text::default();
    let mut left_bytes = options.limits.input_bytes;
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let most = usize::try_from(left_bytes).unwrap_or(usize::MAX);
        let taken = chunk.len().min(most).min(CHUNK_BYTES);
        if taken == 0 {
            return text.end(&mut shared, !chunk.is_empty());
        }
        text.cut(&mut shared, chunk.get(..taken).unwrap_or_default());
        left_bytes -= taken as u64;
        input.consume(taken);
    }
}

/// The decoder's state between chunks.
struct Text {
    mode: Mode,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    /// The rest of a line that is too long is passed over.
    skipping: bool,
    lines: u64,
    /// The first line that is not empty, to say what was found in place of goroutines.
    first: Vec<u8>,
    bytes: u64,
}

enum Mode {
    Clean(Box<Parser>),
    Log(Box<Log>),
}

impl Default for Text {
    fn default() -> Self {
        Self {
            mode: Mode::Clean(Box::new(Parser::new(true))),
            partial: Vec::new(),
            skipping: false,
            lines: 0,
            first: Vec::new(),
            bytes: 0,
        }
    }
}

/// Bytes of the first line that an error shows.
const EXCERPT_BYTES: usize = 120;

impl Text {
    /// Cuts a stream into whole lines.
    fn cut(&mut self, shared: &mut Shared<'_>, chunk: &[u8]) {
        let mut rest = chunk;
        if self.skipping || !self.partial.is_empty() {
            let end = memchr::memchr(b'\n', chunk).map(|at| at + 1);
            let (line, after) = chunk.split_at(end.unwrap_or(chunk.len()));
            self.keep(line);
            if end.is_none() {
                return;
            }
            if std::mem::take(&mut self.skipping) {
                self.skip_line(shared);
            } else {
                let mut line = std::mem::take(&mut self.partial);
                self.feed(shared, &line);
                line.clear();
                self.partial = line;
            }
            rest = after;
        }
        let whole = memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1);
        let (lines, partial) = rest.split_at(whole);
        if !lines.is_empty() {
            self.feed(shared, lines);
        }
        self.keep(partial);
    }

    /// Keeps a part of a line until its end comes.
    fn keep(&mut self, part: &[u8]) {
        self.skipping |= self.partial.len() + part.len() > MAX_LINE_BYTES;
        if self.skipping {
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(part);
        }
    }

    fn feed(&mut self, shared: &mut Shared<'_>, chunk: &[u8]) {
        if self.first.is_empty() {
            let line = chunk.trim_ascii_start();
            let end = memchr::memchr(b'\n', line)
                .unwrap_or(line.len())
                .min(EXCERPT_BYTES);
            self.first
                .extend_from_slice(line.get(..end).unwrap_or_default());
        }
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        match &mut self.mode {
            Mode::Clean(parser) => {
                if let Err(Dressed(at)) = parser.feed(shared, chunk) {
                    let number = parser.line;
                    let parser = std::mem::replace(&mut **parser, Parser::new(false));
                    let mut log = Log::new(parser);
                    let rest = chunk.get(at..).unwrap_or_default();
                    self.lines = number - 1;
                    feed_log(&mut log, shared, rest, &mut self.lines);
                    self.mode = Mode::Log(Box::new(log));
                } else {
                    self.lines = parser.line - 1;
                }
            }
            Mode::Log(log) => feed_log(log, shared, chunk, &mut self.lines),
        }
    }

    /// A line was too long to look at.
    fn skip_line(&mut self, shared: &mut Shared<'_>) {
        self.lines += 1;
        let message = format!("a line of more than {MAX_LINE_BYTES} bytes was left out");
        match &mut self.mode {
            Mode::Clean(parser) => parser.skip_line(shared, &message),
            Mode::Log(log) => log.skip_line(shared, &message),
        }
    }

    fn end(mut self, shared: &mut Shared<'_>, over_limit: bool) -> Result<Vec<Snapshot>, Error> {
        if self.skipping {
            self.skip_line(shared);
        } else if !self.partial.is_empty() {
            shared.partial = true;
            let mut line = std::mem::take(&mut self.partial);
            line.push(b'\n');
            self.feed(shared, &line);
        }
        let (mut parsers, problem) = match self.mode {
            Mode::Clean(parser) => (vec![*parser], None),
            Mode::Log(log) => {
                let problem = log.problem();
                (log.into_parsers(shared), problem)
            }
        };
        let mut snapshots = Vec::new();
        for parser in &mut parsers {
            parser.end(shared);
            snapshots.append(&mut parser.done);
        }
        snapshots.sort_by_key(|snapshot| snapshot.first_line);
        if let (Some(problem), Some(last)) = (problem, snapshots.last_mut()) {
            last.problems.push(problem);
        }
        if over_limit && let Some(last) = snapshots.last_mut() {
            last.truncated = true;
            last.problems.push(gorphan_model::Problem::new(format!(
                "the input is larger than the limit of {} bytes; the rest was not read",
                shared.options.limits.input_bytes
            )));
        }
        match snapshots.is_empty() {
            false => Ok(snapshots),
            true if self.bytes == 0 => Err(Error::Empty),
            true => Err(Error::NoGoroutines {
                found: found(&self.first, self.lines),
            }),
        }
    }
}

fn feed_log(log: &mut Log, shared: &mut Shared<'_>, text: &[u8], lines: &mut u64) {
    log.feed(shared, text, *lines + 1);
    *lines += memchr::memchr_iter(b'\n', text).count() as u64;
}

/// Says what stands in place of goroutines.
fn found(first: &[u8], lines: u64) -> String {
    let text = String::from_utf8_lossy(first);
    let shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let shown = shown.trim_end();
    let plural = if lines == 1 { "" } else { "s" };
    format!("{lines} line{plural} of text that starts with {shown:?}")
}
