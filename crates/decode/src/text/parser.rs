//! The one parser of clean text: dumps, `debug=1`, and whatever stands around them.
//!
//! Where one dump ends and the next starts is not marked in the text. The rules:
//!
//! 1. A line `... profile: total N` starts a snapshot, always.
//! 2. A goroutine number that this snapshot has already starts the next one: within one dump numbers are unique.
//! 3. A goroutine that is running *and* shows its stack is the one that wrote the dump, and stands first in it. After
//!    other text, or right under another block without an empty line, it starts the next snapshot.
//! 4. `panic:`, `fatal error:` and `SIGQUIT:` announce a dump. A signal with its `PC=` line, a deadlock, and a running
//!    goroutine after any of these start the next snapshot. Other goroutines do not: the line came from elsewhere.
//! 5. With `GOTRACEBACK=crash` each thread adds its goroutine after a line of dashes; that still is the same dump.

use gorphan_model::query::Candidate;
use gorphan_model::{Format, ProfileKind, Snapshot, State, Status};

use super::build::{Builder, Goroutine, States};
use super::clean;
use super::header::{self, Header, LabelList, Parsed};
use super::lines::{self, Guess, Kind, Line};
use super::stacks::{Full, NodeId, StackId, Stacks};
use crate::Options;

/// Snapshots kept of one input. Past this, a log is better cut by time; further dumps are counted into the last one.
const MAX_SNAPSHOTS: usize = 4096;
/// Bytes at which `runtime/pprof` stops writing a dump (`writeGoroutineStacks` in `runtime/pprof/pprof.go`).
const RUNTIME_LIMIT_BYTES: u64 = 64 << 20;
/// Bytes of a line that may become a function's name once its place follows.
const MAX_PENDING_BYTES: usize = 4096;

/// What all streams of one input share.
pub(super) struct Shared<'a> {
    pub(super) options: &'a Options,
    pub(super) stacks: Stacks,
    pub(super) states: States,
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
            snapshots: 0,
            partial: false,
        }
    }
}

/// A goroutine or record being read.
pub(super) struct Block {
    pub(super) one: Goroutine,
    pub(super) node: NodeId,
    pub(super) line: u64,
    depth: usize,
    /// There is an announcement, or other text, between this block and the one before.
    apart: bool,
    /// Frames past the limit follow.
    cut: bool,
    full: bool,
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
                if let Parsed::Header(header) = header::parse(line) {
                    self.open(shared, &header);
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
                Parsed::Header(header) => return self.open(shared, &header),
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

    fn open(&mut self, shared: &mut Shared<'_>, header: &Header<'_>) {
        self.labels.clear();
        if !self.labels.parse(header.labels) {
            let line = self.line;
            self.builder(shared).problem(
                line,
                "labels of a goroutine could not be read; it is counted without them",
            );
        }
        self.pending.clear();
        self.state = Phase::Goroutine(Block {
            one: Goroutine {
                id: header.id,
                parent: None,
                state: Some(shared.states.get(header.words)),
                minutes: header.minutes,
                count: 1,
                leaked: header.leaked,
                durable: header.durable,
                locked: header.locked,
            },
            node: Stacks::DUMP,
            line: self.line,
            depth: 0,
            apart: std::mem::take(&mut self.apart),
            cut: false,
            full: false,
        });
    }

    /// A line of a goroutine that the walk did not expect.
    fn goroutine_line(&mut self, shared: &mut Shared<'_>, mut block: Block, line: &[u8]) {
        let kind = shared.stacks.kind(block.node);
        if block.cut {
            self.state = Phase::Goroutine(block);
            return;
        }
        if (kind.wants_place() || !self.pending.is_empty())
            && let Some(place) = lines::parse_place(line, kind == Kind::Creator)
        {
            if shared.partial && memchr::memmem::find(line, b" +0x").is_none() {
                return self.damaged(shared, &block, "its last line is cut");
            }
            if !kind.wants_place() {
                let pending = std::mem::take(&mut self.pending);
                let (Guess::Sure(name) | Guess::Perhaps(name)) = lines::parse_outer(&pending);
                self.follow(shared, &mut block, &name);
            }
            self.pending.clear();
            self.follow(shared, &mut block, &place);
            self.state = Phase::Goroutine(block);
            return;
        }
        let indented = line.first().is_some_and(u8::is_ascii_whitespace);
        if indented && !lines::is_unavailable(line) {
            if kind.wants_place() {
                return self.damaged(
                    shared,
                    &block,
                    "the line after a function is no place in a file",
                );
            }
            if kind == Kind::CreatorPlace {
                return self.leave(shared, block, line);
            }
            if self.pending.is_empty() && lines::parse_place(line, false).is_some() {
                return self.damaged(
                    shared,
                    &block,
                    "a place in a file has no function before it",
                );
            }
            self.stray(shared);
            self.state = Phase::Goroutine(block);
            return;
        }
        match lines::parse_outer(line) {
            Guess::Sure(found) => {
                if kind.wants_place() {
                    return self.damaged(shared, &block, "a function has no place in a file");
                }
                if kind == Kind::CreatorPlace && found.kind != Kind::Origin {
                    return self.leave(shared, block, line);
                }
                if !self.pending.is_empty() {
                    self.stray(shared);
                }
                self.follow(shared, &mut block, &found);
                if found.kind == Kind::Creator && block.one.parent.is_none() {
                    block.one.parent = creator_number(line);
                }
            }
            Guess::Perhaps(_) => {
                if kind == Kind::CreatorPlace {
                    return self.leave(shared, block, line);
                }
                if kind.wants_place() || !self.pending.is_empty() {
                    self.stray(shared);
                }
                if !kind.wants_place() {
                    self.pending.clear();
                    self.pending
                        .extend_from_slice(line.get(..MAX_PENDING_BYTES).unwrap_or(line));
                }
            }
        }
        self.state = Phase::Goroutine(block);
    }

    /// The stack is complete and something else follows without an empty line.
    fn leave(&mut self, shared: &mut Shared<'_>, block: Block, line: &[u8]) {
        self.finish(shared, block);
        self.outside(shared, line);
    }

    /// Another line stands within a goroutine.
    fn stray(&mut self, shared: &mut Shared<'_>) {
        self.pending.clear();
        let line = self.line;
        self.builder(shared).problem(
            line,
            "a line near here, in the middle of a goroutine, belongs to no stack and was skipped",
        );
    }

    pub(super) fn follow(&mut self, shared: &mut Shared<'_>, block: &mut Block, line: &Line<'_>) {
        if block.full {
            return;
        }
        block.depth += 1;
        match shared.stacks.follow(block.node, line) {
            Ok(node) => block.node = node,
            Err(Full) => block.full = true,
        }
        if block.depth >= max_lines(shared) && !line.kind.wants_place() {
            block.cut = true;
            let mark = b"...additional frames elided...";
            if let Guess::Sure(elided) = lines::parse_outer(mark)
                && let Ok(node) = shared.stacks.follow(block.node, &elided)
            {
                block.node = node;
            }
        }
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

    /// A goroutine is complete.
    fn finish(&mut self, shared: &mut Shared<'_>, block: Block) {
        self.pending.clear();
        let kind = shared.stacks.kind(block.node);
        if kind.wants_place() && !block.full {
            self.damaged(shared, &block, "a function has no place in a file");
            self.state = Phase::Outside;
            return;
        }
        let available = !matches!(kind, Kind::Start | Kind::Unavailable)
            && !self.is_unavailable(shared, &block);
        let running = block.one.state.and_then(|id| shared.states.state(id))
            == Some(&State::Status(Status::Running));
        let runner = running && available;
        if block.one.id == 0 {
            // The scheduler's own stack of a thread (g0): no goroutine, but the first thing in a signal's dump.
            if self.cue != Cue::None {
                self.cue = Cue::Certain;
            }
            return;
        }
        let cue = std::mem::replace(&mut self.cue, Cue::None);
        let again = self
            .builder
            .as_ref()
            .is_some_and(|builder| builder.has(block.one.id));
        if again && self.relay {
            let taken = self
                .builder
                .as_mut()
                .is_some_and(|builder| available && builder.take_unavailable(block.one.id));
            if !taken {
                return;
            }
        } else if again
            || self.counted()
            || cue == Cue::Certain
            || runner && (cue == Cue::Perhaps || block.apart && !self.relay)
        {
            if !again {
                self.release(shared);
            }
            self.split(shared, Format::Dump, ProfileKind::Goroutine, block.line);
        }
        if kind == Kind::Start {
            self.builder(shared).problem(
                block.line,
                format!("goroutine {} has no stack", block.one.id),
            );
        }
        self.count(shared, &block, runner, available);
    }

    fn is_unavailable(&self, shared: &Shared<'_>, block: &Block) -> bool {
        // `created by` may follow the mark.
        let mut node = block.node;
        for _ in 0..3 {
            if shared.stacks.kind(node) == Kind::Unavailable {
                return true;
            }
            node = shared.stacks.before(node);
        }
        false
    }

    fn count(&mut self, shared: &mut Shared<'_>, block: &Block, runner: bool, available: bool) {
        let stack = if block.full {
            Err(Full)
        } else {
            shared.stacks.end(block.node)
        };
        let first_line = block.line;
        if self.builder.is_none() {
            let line = std::mem::replace(&mut self.line, first_line);
            self.builder(shared);
            self.line = line;
        }
        self.release(shared);
        let Some(builder) = &mut self.builder else {
            return;
        };
        builder.met(block.one.id);
        if !wanted(shared, &block.one, &self.labels) {
            return;
        }
        let Ok(stack) = stack else {
            return builder.drop_goroutines(1, block.line);
        };
        if runner && builder.runner {
            // A second one cannot be of this dump. If the next number is known already, it opened the next dump.
            self.held = Some(Held {
                stack,
                one: block.one,
                labels: std::mem::take(&mut self.labels),
                line: block.line,
            });
            return;
        }
        builder.runner |= runner;
        builder.add(
            stack,
            &block.one,
            &self.labels,
            &shared.stacks,
            &shared.states,
        );
        if !available {
            builder.unavailable(block.one.id);
        }
    }

    /// Counts the goroutine that was held back.
    pub(super) fn release(&mut self, shared: &Shared<'_>) {
        if let (Some(held), Some(builder)) = (self.held.take(), &mut self.builder) {
            builder.met(held.one.id);
            builder.add(
                held.stack,
                &held.one,
                &held.labels,
                &shared.stacks,
                &shared.states,
            );
        }
    }

    /// Ends the snapshot being read and starts the next.
    pub(super) fn split(
        &mut self,
        shared: &mut Shared<'_>,
        format: Format,
        profile: ProfileKind,
        line: u64,
    ) {
        if shared.snapshots >= MAX_SNAPSHOTS {
            return;
        }
        let mut first_line = line;
        if self.builder.is_some() {
            let held = self.held.take();
            self.close(shared);
            if let Some(held) = &held {
                first_line = held.line;
            }
            self.held = held;
        }
        shared.snapshots += 1;
        self.relay = false;
        self.builder = Some(Builder::new(
            format,
            profile,
            first_line,
            &shared.options.limits,
        ));
    }

    fn close(&mut self, shared: &mut Shared<'_>) {
        self.release(shared);
        let Some(mut builder) = self.builder.take() else {
            return;
        };
        self.check_total(&mut builder, shared);
        let bytes = std::mem::take(&mut self.bytes);
        self.done
            .push(builder.finish(bytes, &shared.options.limits));
    }

    /// The input is at its end.
    pub(super) fn end(&mut self, shared: &mut Shared<'_>) {
        let dump = self
            .builder
            .as_ref()
            .is_none_or(|builder| builder.format() == Format::Dump);
        // The mark of a missing newline was added by the reader.
        let bytes = self.bytes - u64::from(shared.partial && self.bytes > 0);
        let limit = dump && bytes == RUNTIME_LIMIT_BYTES;
        match std::mem::replace(&mut self.state, Phase::Outside) {
            Phase::Goroutine(block) => {
                let kind = shared.stacks.kind(block.node);
                let cut = kind.wants_place() || kind == Kind::Start;
                if cut && !limit {
                    let id = block.one.id;
                    self.truncated(
                        shared,
                        format!(
                            "the text ends in the middle of goroutine {id}, which was left out"
                        ),
                    );
                } else if !limit {
                    self.finish(shared, block);
                }
            }
            Phase::Record(block) => self.finish_record(shared, block),
            Phase::Outside | Phase::Skip => {}
        }
        if limit {
            self.truncated(
                shared,
                "the dump is exactly 67,108,864 bytes: the Go runtime stops there (runtime/pprof, writeGoroutineStacks), \
                 so goroutines are missing and the last one was left out; use debug=0, which has no such limit",
            );
        }
        self.close(shared);
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

/// Lines of a block that are kept: two a frame, and a creator.
fn max_lines(shared: &Shared<'_>) -> usize {
    shared.options.limits.frames.saturating_mul(2)
}

/// Goes on as far as lines are as expected; gives the bytes.
fn walk(block: &mut Block, shared: &mut Shared<'_>, text: &[u8], line: &mut u64) -> usize {
    let mut at = 0;
    if block.cut || block.full {
        return 0;
    }
    let max = max_lines(shared);
    while let Some(rest) = text.get(at..) {
        if block.depth + 1 >= max || rest.first() == Some(&b'\n') {
            break;
        }
        let Some(step) = shared.stacks.expected(block.node, rest) else {
            break;
        };
        at += step.taken;
        block.node = step.node;
        block.depth += 1;
        *line += 1;
        if step.parent.is_some() {
            block.one.parent = step.parent;
        }
    }
    at
}

fn creator_number(line: &[u8]) -> Option<gorphan_model::GoroutineId> {
    let at = memchr::memmem::rfind(line, lines::IN_GOROUTINE)?;
    let digits = line.get(at + lines::IN_GOROUTINE.len()..)?;
    header::number_u64(digits).map(gorphan_model::GoroutineId)
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

impl Block {
    /// A record of `debug=1`.
    pub(super) fn record(count: u64, line: u64) -> Self {
        Self {
            one: Goroutine {
                id: 0,
                parent: None,
                state: None,
                minutes: 0,
                count,
                leaked: false,
                durable: false,
                locked: false,
            },
            node: Stacks::COUNTED,
            line,
            depth: 0,
            apart: false,
            cut: false,
            full: false,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }
}
