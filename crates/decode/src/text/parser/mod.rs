//! The one parser of clean text: dumps, `debug=1`, and whatever stands around them.
//!
//! [`block`] reads the lines of one goroutine, [`dumps`] tells one dump from the next.

mod block;
mod dumps;

use gorphan_model::query::Candidate;
use gorphan_model::{Format, ProfileKind, Snapshot};

use super::build::{Builder, Goroutine};
use super::clean;
use super::header::{self, Header, LabelList, Parsed};
use super::stacks::{StackId, Stacks};
use super::states::{Headers, States};
use crate::Options;
pub(super) use block::Block;
use block::walk;

/// What all streams of one input share.
pub(super) struct Shared<'a> {
    pub(super) options: &'a Options,
    pub(super) stacks: Stacks,
    pub(super) states: States,
    headers: Headers,
    /// Snapshots so far.
    pub(super) snapshots: usize,
    /// The line being read is the last and has no newline: it may be cut.
    pub(super) partial: bool,
}

impl<'a> Shared<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self {
            options,
            stacks: Stacks::new(options.limits.stacks),
            states: States::default(),
            headers: Headers::default(),
            snapshots: 0,
            partial: false,
        }
    }
}

enum Phase {
    Outside,
    Goroutine(Block),
    Record(Block),
    /// The rest of a damaged block.
    Skip,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cue {
    None,
    Perhaps,
    Certain,
}

/// A running goroutine that may belong to the next snapshot.
struct Held {
    stack: StackId,
    one: Goroutine,
    labels: LabelList,
    line: u64,
}

/// Reads one stream of clean lines.
pub(super) struct Parser {
    state: Phase,
    pub(super) builder: Option<Builder>,
    held: Option<Held>,
    pub(super) done: Vec<Snapshot>,
    /// The line being read.
    pub(super) line: u64,
    bytes: u64,
    pub(super) labels: LabelList,
    pending: Vec<u8>,
    cue: Cue,
    apart: bool,
    signal: bool,
    dashes: bool,
    relay: bool,
    /// Whether lines come as they are in the input, so that dressed ones must be handed back.
    raw: bool,
}

/// A line that must be cleaned first, by its offset.
pub(super) struct Dressed(pub(super) usize);

impl Parser {
    pub(super) fn new(raw: bool) -> Self {
        Self {
            state: Phase::Outside,
            builder: None,
            held: None,
            done: Vec::new(),
            line: 1,
            bytes: 0,
            labels: LabelList::default(),
            pending: Vec::new(),
            cue: Cue::None,
            apart: false,
            signal: false,
            dashes: false,
            relay: false,
            raw,
        }
    }

    /// From here on lines come cleaned.
    pub(super) fn set_clean(&mut self) {
        self.raw = false;
    }

    /// Whether a goroutine or record is open.
    pub(super) fn in_block(&self) -> bool {
        matches!(self.state, Phase::Goroutine(_) | Phase::Record(_))
    }

    /// Reads whole lines; `text` ends with a newline.
    pub(super) fn feed(&mut self, shared: &mut Shared<'_>, text: &[u8]) -> Result<(), Dressed> {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let taken = match &mut self.state {
                Phase::Goroutine(block) | Phase::Record(block) => {
                    let taken = walk(block, shared, rest, &mut self.line);
                    if taken > 0 {
                        self.pending.clear();
                    }
                    taken
                }
                _ => 0,
            };
            at += taken;
            self.bytes += taken as u64;
            let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            if !self.usual_line(shared, line) {
                if self.raw && self.is_dressed(line) {
                    return Err(Dressed(at));
                }
                self.one_line(shared, line);
            }
            self.line += 1;
            self.bytes += end as u64 + 1;
            at += end + 1;
        }
        Ok(())
    }

    /// Reads the lines that every block has, without a look at what else they might be: false where it is none.
    #[inline]
    fn usual_line(&mut self, shared: &mut Shared<'_>, line: &[u8]) -> bool {
        match &self.state {
            Phase::Goroutine(_) | Phase::Record(_) if line.is_empty() => {
                self.one_line(shared, line);
                true
            }
            Phase::Outside if line.is_empty() => true,
            Phase::Outside => {
                if let Some(one) = shared.headers.get(line) {
                    self.labels.clear();
                    self.open_goroutine(one);
                    return true;
                }
                if let Parsed::Header(header) = header::parse(line) {
                    self.open(shared, line, &header);
                    return true;
                }
                self.counted() && self.open_record(line)
            }
            Phase::Record(_) => self.labels_line(line),
            _ => false,
        }
    }

    fn is_dressed(&self, line: &[u8]) -> bool {
        if self.in_block() && (line.ends_with(b"\r") || memchr::memchr(0x1b, line).is_some()) {
            return true;
        }
        clean::is_dressed(line)
    }

    /// Reads one line without its newline, by the slow way.
    fn one_line(&mut self, shared: &mut Shared<'_>, line: &[u8]) {
        match std::mem::replace(&mut self.state, Phase::Outside) {
            Phase::Outside => self.outside(shared, line),
            Phase::Skip => {
                if !line.is_empty() {
                    self.state = Phase::Skip;
                    if line.starts_with(header::START) {
                        self.outside(shared, line);
                    }
                }
            }
            Phase::Record(block) => self.record_line(shared, block, line),
            Phase::Goroutine(block) => {
                if line.is_empty() {
                    self.finish(shared, block);
                } else if line.starts_with(header::START)
                    && !matches!(header::parse(line), Parsed::Other)
                {
                    self.finish(shared, block);
                    self.apart = true;
                    self.outside(shared, line);
                } else {
                    self.goroutine_line(shared, block, line);
                }
            }
        }
    }

    /// A line between blocks.
    fn outside(&mut self, shared: &mut Shared<'_>, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        if line.starts_with(header::START) {
            match header::parse(line) {
                Parsed::Header(header) => return self.open(shared, line, &header),
                Parsed::Damaged(what) => {
                    if shared.partial {
                        self.truncated(
                            shared,
                            "the text ends in the middle of a goroutine's first line",
                        );
                    } else {
                        let line = self.line;
                        self.builder(shared)
                            .problem(line, format!("a goroutine was left out: {what}"));
                        self.state = Phase::Skip;
                    }
                    return;
                }
                Parsed::Dressed | Parsed::Other => {}
            }
        }
        if let Some((kind, total)) = super::counted::total(line) {
            return self.open_counted(shared, kind, total);
        }
        if self.counted() && self.open_record(line) {
            return;
        }
        self.announcement(line);
    }

    /// Looks for what announces a dump.
    fn announcement(&mut self, line: &[u8]) {
        let signal = line.starts_with(b"SIG") && memchr::memmem::find(line, b": ").is_some();
        if signal && self.dashes {
            self.relay = true;
        }
        let pc = self.signal && line.starts_with(b"PC=0x");
        if !self.relay {
            if pc || line.starts_with(b"fatal error: all goroutines are asleep") {
                self.cue = Cue::Certain;
            } else if (signal || line.starts_with(b"panic: ") || line.starts_with(b"fatal error: "))
                && self.cue == Cue::None
            {
                self.cue = Cue::Perhaps;
            }
        }
        self.signal = signal;
        self.dashes = line == b"-----";
        self.apart = true;
    }

    fn open(&mut self, shared: &mut Shared<'_>, line: &[u8], header: &Header<'_>) {
        self.labels.clear();
        if !self.labels.parse(header.labels) {
            let line = self.line;
            self.builder(shared).problem(
                line,
                "labels of a goroutine could not be read; it is counted without them",
            );
        }
        let one = Goroutine {
            id: header.id,
            parent: None,
            state: Some(shared.states.get(header.words)),
            minutes: header.minutes,
            count: 1,
            leaked: header.leaked,
            durable: header.durable,
            locked: header.locked,
        };
        shared.headers.keep(line, header, &one);
        self.open_goroutine(one);
    }

    fn open_goroutine(&mut self, one: Goroutine) {
        self.pending.clear();
        self.state = Phase::Goroutine(Block {
            one,
            node: Stacks::DUMP,
            line: self.line,
            depth: 0,
            apart: std::mem::take(&mut self.apart),
            cut: false,
            full: false,
        });
    }

    /// Drops the goroutine or record being read and says why.
    pub(super) fn damaged(&mut self, shared: &mut Shared<'_>, block: &Block, what: &str) {
        let name = match block.one.id {
            0 => "goroutines were".to_owned(),
            id => format!("goroutine {id} was"),
        };
        if shared.partial {
            return self.truncated(
                shared,
                format!("the text ends in the middle of a stack; {name} left out"),
            );
        }
        let line = self.line;
        self.builder(shared)
            .problem(line, format!("{name} left out: {what}"));
        self.state = Phase::Skip;
    }

    fn truncated(&mut self, shared: &mut Shared<'_>, message: impl Into<String>) {
        let line = self.line;
        self.builder(shared).truncated(line, message);
    }

    /// Passes over a line that is too long to look at.
    pub(super) fn skip_line(&mut self, shared: &mut Shared<'_>, message: &str) {
        match std::mem::replace(&mut self.state, Phase::Outside) {
            Phase::Goroutine(block) | Phase::Record(block) => self.damaged(shared, &block, message),
            other => self.state = other,
        }
        self.line += 1;
    }

    /// The snapshot being read; a dump is started where there is none.
    pub(super) fn builder(&mut self, shared: &mut Shared<'_>) -> &mut Builder {
        if self.builder.is_none() {
            shared.snapshots += 1;
        }
        self.builder.get_or_insert_with(|| {
            Builder::new(
                Format::Dump,
                ProfileKind::Goroutine,
                self.line,
                &shared.options.limits,
            )
        })
    }

    /// Whether a `debug=1` profile is being read.
    fn counted(&self) -> bool {
        self.builder
            .as_ref()
            .is_some_and(|builder| builder.format() == Format::CountText)
    }
}

/// Whether the filter admits a goroutine.
pub(super) fn wanted(shared: &Shared<'_>, one: &Goroutine, labels: &LabelList) -> bool {
    let filter = &shared.options.filter;
    if filter.admits_all() {
        return true;
    }
    let labels: Vec<(&str, &str)> = labels.iter().collect();
    filter.admits(&Candidate {
        state: one.state.and_then(|id| shared.states.state(id)),
        wait_minutes: one.state.map(|_| one.minutes),
        labels: &labels,
    })
}

impl Parser {
    pub(super) fn start_record(&mut self, block: Block) {
        self.labels.clear();
        self.state = Phase::Record(block);
    }

    pub(super) fn resume_record(&mut self, block: Block) {
        self.state = Phase::Record(block);
    }

    pub(super) fn outside_line(&mut self, shared: &mut Shared<'_>, line: &[u8]) {
        self.outside(shared, line);
    }
}
