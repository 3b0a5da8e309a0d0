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
mod wrap;

use std::io::Read;

use gorphan_model::Snapshot;

use crate::{Error, Options};
use clean::Log;
use parser::{Dressed, Parser, Shared};

/// Bytes read at once. Go's own lines are under 1 KB but for labels and long lists of program counters; this
/// amortises the calls and stays within the second-level cache.
const BUFFER_BYTES: usize = 128 << 10;
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
    let mut shared = Shared::new(options);
    let mut text = Text::default();
    let mut reader = Chunks::new(input, options.limits.input_bytes);
    while let Some(chunk) = reader.next(&mut text, &mut shared)? {
        text.feed(&mut shared, chunk);
    }
    text.end(&mut shared, reader.over_limit)
}

/// The decoder's state between chunks.
struct Text {
    mode: Mode,
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
            lines: 0,
            first: Vec::new(),
            bytes: 0,
        }
    }
}

/// Bytes of the first line that an error shows.
const EXCERPT_BYTES: usize = 120;

impl Text {
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

    fn end(self, shared: &mut Shared<'_>, over_limit: bool) -> Result<Vec<Snapshot>, Error> {
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

/// Cuts a stream into chunks of whole lines.
struct Chunks<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes given out by the last call.
    given: usize,
    filled: usize,
    left: u64,
    over_limit: bool,
    ended: bool,
    /// The rest of a line that is too long is passed over.
    skipping: bool,
}

impl<R: Read> Chunks<R> {
    fn new(input: R, limit_bytes: u64) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER_BYTES],
            given: 0,
            filled: 0,
            left: limit_bytes,
            over_limit: false,
            ended: false,
            skipping: false,
        }
    }

    /// The next whole lines; the last one gets a newline if it has none.
    fn next(&mut self, text: &mut Text, shared: &mut Shared<'_>) -> Result<Option<&[u8]>, Error> {
        self.buffer.copy_within(self.given..self.filled, 0);
        self.filled -= self.given;
        self.given = 0;
        loop {
            if self.ended {
                return Ok(self.last(shared));
            }
            if self.filled == self.buffer.len() {
                if self.buffer.len() < MAX_LINE_BYTES {
                    self.buffer.resize(self.buffer.len() * 2, 0);
                } else {
                    self.skipping = true;
                    self.filled = 0;
                }
            }
            let start = self.filled;
            let got = self.fill()?;
            self.ended = got == 0;
            let new = self.buffer.get(start..start + got).unwrap_or_default();
            if self.skipping {
                let Some(at) = memchr::memchr(b'\n', new) else {
                    self.filled = 0;
                    if self.ended {
                        text.skip_line(shared);
                    }
                    continue;
                };
                text.skip_line(shared);
                self.skipping = false;
                self.buffer.copy_within(start + at + 1..start + got, 0);
                self.filled = got - at - 1;
            } else {
                self.filled += got;
            }
            let filled = self.buffer.get(..self.filled).unwrap_or_default();
            if let Some(at) = memchr::memrchr(b'\n', filled) {
                self.given = at + 1;
                return Ok(self.buffer.get(..self.given));
            }
        }
    }

    /// What is left after the last newline.
    fn last(&mut self, shared: &mut Shared<'_>) -> Option<&[u8]> {
        if self.filled == 0 {
            return None;
        }
        shared.partial = true;
        self.buffer.truncate(self.filled);
        self.buffer.push(b'\n');
        self.given = self.filled;
        self.buffer.get(..)
    }

    fn fill(&mut self) -> Result<usize, Error> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let most = room
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 && !room.is_empty() {
            // At the limit; whether anything follows decides whether something was left out.
            let mut one = [0];
            self.over_limit = read_some(&mut self.input, &mut one)? > 0;
            return Ok(0);
        }
        let got = read_some(&mut self.input, room.get_mut(..most).unwrap_or_default())?;
        self.left -= got as u64;
        Ok(got)
    }
}

fn read_some(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
