//! `GODEBUG=gctrace=1` logs, old and new.
//!
//! Sources: `gc` in `runtime/mgc0.c` (Go 1.2 to 1.4; 1.0 and 1.1 print three times instead of four, and objects before
//! and after), which is `gc781(1): 1+2385+17891+0 us, 60 -> 60 MB, 21971 (3503906-3481935) objects, ...`, from Go 1.4
//! with `N goroutines` next; `gcMarkTermination` in `runtime/mgc.go` (Go 1.5 on), which is `gc 1 @0.007s 16%: ... ms
//! clock, ... ms cpu, 4->4->1 MB, 5 MB goal, ... 2 P`, from Go 1.18 with stacks and globals before the `P`.

use std::io::{BufRead, Read};

use gorphan_model::Problem;
use gorphan_model::gc::{Collection, GcTrace};
use memchr::memmem;

use crate::pprof::Problems;
use crate::{Error, Limits, input};

/// Collections kept. Past it every second one is left out, again and again, so that any log fits in some 10 MB and what
/// is kept stays evenly spread.
pub const MAX_COLLECTIONS: usize = 1 << 16;

/// Bytes of a line looked at; a collection takes some 200, and what a log puts in front of it is short.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Reads the collections of a log, whatever stands between and in front of them; unpacks it if it is compressed.
///
/// # Errors
/// When reading fails, the input is no text, or no collection is found.
pub fn read(input: impl Read) -> Result<GcTrace, Error> {
    read_within(input, &Limits::default())
}

/// As [`read`], within `limits` (bytes of input, problems).
///
/// # Errors
/// As [`read`].
pub fn read_within(input: impl Read, limits: &Limits) -> Result<GcTrace, Error> {
    input::read_log(input, limits, |text| {
        let mut log = Log::new(limits.problems, MAX_COLLECTIONS);
        log.read(text)?;
        log.finish()
    })
}

/// A log as it is read.
struct Log {
    trace: GcTrace,
    problems: Problems,
    max_collections: usize,
    /// Of the collections met, one in `stride` is kept.
    stride: u64,
    met: u64,
    lines: u64,
    process: u32,
    last: Option<(u64, f64)>,
}

impl Log {
    fn new(max_problems: usize, max_collections: usize) -> Self {
        Self {
            trace: GcTrace::default(),
            problems: Problems::new(max_problems),
            max_collections,
            stride: 1,
            met: 0,
            lines: 0,
            process: 0,
            last: None,
        }
    }

    fn read(&mut self, mut text: impl BufRead) -> Result<(), Error> {
        let mut line = Vec::new();
        while read_line(&mut text, &mut line)? {
            self.lines = self.lines.saturating_add(1);
            self.line(&line);
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) {
        let number = self.lines;
        match collection(line) {
            Found::Other => self.trace.other_lines = self.trace.other_lines.saturating_add(1),
            Found::Damaged(what) => self.problems.add_problem(|| {
                Problem::at_line(
                    number,
                    format!("a collection cannot be read: {what}; it is left out"),
                )
            }),
            Found::Collection(collection) => self.add(Collection {
                line: number,
                ..collection
            }),
        }
    }

    fn add(&mut self, mut collection: Collection) {
        let at_seconds = collection.at_seconds.unwrap_or_default();
        // Numbers and times of a process only grow, so that a smaller one is another process.
        let restarted = self
            .last
            .is_some_and(|(number, at)| collection.number <= number || at_seconds < at);
        self.process = self.process.saturating_add(u32::from(restarted));
        self.last = Some((collection.number, at_seconds));
        collection.process = self.process;
        let keep = self.met.is_multiple_of(self.stride);
        self.met = self.met.saturating_add(1);
        if keep {
            self.trace.collections.push(collection);
        }
        if self.trace.collections.len() >= self.max_collections {
            let mut index = 0_u64;
            self.trace.collections.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride = self.stride.saturating_mul(2);
        }
    }

    fn finish(mut self) -> Result<GcTrace, Error> {
        self.trace.problems = self.problems.finish();
        self.trace.elided = self.met.saturating_sub(self.trace.collections.len() as u64);
        if self.met == 0 && self.trace.problems.is_empty() {
            return Err(Error::NoCollections { lines: self.lines });
        }
        Ok(self.trace)
    }
}

/// Reads the next line without its end; of a line longer than [`MAX_LINE_BYTES`], its beginning.
fn read_line(text: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let chunk = match text.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = memchr::memchr(b'\n', chunk);
        let piece = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or(chunk);
        let room = MAX_LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(piece.get(..room).unwrap_or(piece));
        let consumed = piece.len() + usize::from(end.is_some());
        text.consume(consumed);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// What a line is.
#[derive(Debug, PartialEq)]
enum Found {
    Collection(Collection),
    /// It starts like a collection.
    Damaged(&'static str),
    Other,
}

/// Finds a collection in a line, after whatever a log puts in front.
fn collection(line: &[u8]) -> Found {
    for at in memmem::find_iter(line, "gc") {
        // "scvg" and words that end in "gc" are something else.
        let before = at.checked_sub(1).and_then(|before| line.get(before));
        if before.is_some_and(u8::is_ascii_alphanumeric) {
            // JSON escapes a line end as `\n`, so that an `n` may stand there.
            continue;
        }
        let rest = String::from_utf8_lossy(line.get(at + 2..).unwrap_or_default());
        // JSON writers escape `>`.
        let rest = rest.replace("\\u003e", ">");
        let found = match rest.strip_prefix(' ') {
            Some(rest) => modern(rest),
            None => old(&rest),
        };
        match found {
            Some(Ok(collection)) => return Found::Collection(collection),
            Some(Err(what)) => return Found::Damaged(what),
            None => {}
        }
    }
    Found::Other
}

/// What stands after `gc `, Go 1.5 on. `None` when it is not the beginning of a collection.
fn modern(text: &str) -> Option<Result<Collection, &'static str>> {
    let (number, rest) = split_number(text)?;
    let (at_seconds, rest) = split_decimal(rest.strip_prefix(" @")?)?;
    let rest = rest.strip_prefix("s ")?;
    Some(modern_fields(number, at_seconds, rest))
}

fn modern_fields(number: u64, at_seconds: f64, rest: &str) -> Result<Collection, &'static str> {
    let (head, fields) = rest.split_once(": ").ok_or("it has no figures")?;
    let mut collection = Collection {
        number,
        at_seconds: Some(at_seconds),
        leak_check: head.contains("(checking for goroutine leaks)"),
        forced: fields.contains("(forced)"),
        ..Collection::default()
    };
    let mut heap = None;
    let mut whole = false;
    for field in fields.split(", ") {
        if let Some((value, unit)) = field.split_once(" MB") {
            let unit = unit.trim_start();
            if value.contains("->") {
                let mut sizes = value.split("->").map(|size| decimal(size.trim()));
                let (before, _, live) = (sizes.next(), sizes.next(), sizes.next());
                heap = before.flatten().zip(live.flatten());
            } else if unit.starts_with("goal") {
                collection.goal_mb = decimal(value);
            } else if unit.starts_with("stacks") {
                collection.stacks_mb = decimal(value);
            } else if unit.starts_with("globals") {
                collection.globals_mb = decimal(value);
            }
        } else if let Some((_, rest)) = split_number(field) {
            whole |= rest.starts_with(" P");
        }
    }
    let (before, live) = heap.ok_or("it has no heap sizes")?;
    collection.heap_before_mb = before;
    collection.heap_live_mb = live;
    if whole {
        Ok(collection)
    } else {
        Err("it is cut off")
    }
}

/// What stands after `gc`, Go 1.0 to 1.4. `None` when it is not the beginning of a collection.
fn old(text: &str) -> Option<Result<Collection, &'static str>> {
    let (number, rest) = split_number(text)?;
    let (_threads, rest) = split_number(rest.strip_prefix('(')?)?;
    let rest = rest.strip_prefix("): ")?;
    Some(old_fields(number, rest).ok_or("its figures are not those of a collection"))
}

/// `A+B+C[+D] us, BEFORE -> LIVE MB[,] [OBJECTS ->] OBJECTS (ALLOCATED-FREED) objects[, N goroutines], ...`
fn old_fields(number: u64, rest: &str) -> Option<Collection> {
    let (_times, rest) = rest.split_once(" us, ")?;
    let (before, rest) = split_number(rest)?;
    let (live, rest) = split_number(rest.strip_prefix(" -> ")?)?;
    let rest = rest.strip_prefix(" MB")?;
    let rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    let (objects, rest) = split_number(rest)?;
    let (objects, rest) = match rest.strip_prefix(" -> ") {
        Some(rest) => split_number(rest)?,
        None => (objects, rest),
    };
    let (_, rest) = rest.split_once(") objects")?;
    let goroutines = rest.strip_prefix(", ").and_then(split_number);
    let goroutines = goroutines.filter(|(_, unit)| unit.starts_with(" goroutines"));
    Some(Collection {
        number,
        heap_before_mb: before as f64,
        heap_live_mb: live as f64,
        objects: Some(objects),
        goroutines: goroutines.map(|(count, _)| count),
        ..Collection::default()
    })
}

/// A whole number at the start of a text, and the rest.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// A decimal number at the start of a text, and the rest.
fn split_decimal(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((decimal(digits)?, rest))
}

/// A number without sign or exponent.
fn decimal(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse()
        .ok()
        .filter(|number: &f64| plain && number.is_finite())
}
