//! The lines of one goroutine, or of one record of `debug=1`.

use memchr::memmem;

use super::{Parser, Phase, Shared};
use crate::text::build::Goroutine;
use crate::text::header;
use crate::text::lines::{self, Guess, Kind, Line};
use crate::text::stacks::{Full, NodeId, Stacks};

/// Bytes of a line that may become a function's name once its place follows.
const MAX_PENDING_BYTES: usize = 4096;

/// A goroutine or record being read.
pub(in crate::text) struct Block {
    pub(in crate::text) one: Goroutine,
    pub(in crate::text) node: NodeId,
    pub(in crate::text) line: u64,
    pub(super) depth: usize,
    /// There is an announcement, or other text, between this block and the one before.
    pub(super) apart: bool,
    /// Frames past the limit follow.
    pub(super) cut: bool,
    pub(super) full: bool,
}

impl Block {
    /// A record of `debug=1`.
    pub(in crate::text) fn record(count: u64, line: u64) -> Self {
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

    pub(in crate::text) fn is_full(&self) -> bool {
        self.full
    }

    pub(in crate::text) fn is_cut(&self) -> bool {
        self.cut
    }
}

impl Parser {
    /// A line of a goroutine that the walk did not expect.
    pub(super) fn goroutine_line(
        &mut self,
        shared: &mut Shared<'_>,
        mut block: Block,
        line: &[u8],
    ) {
        let kind = shared.stacks.kind(block.node);
        if block.cut || block.full {
            self.state = Phase::Goroutine(block);
            return;
        }
        if (kind.wants_place() || !self.pending.is_empty())
            && let Some(place) = lines::parse_place(line, kind == Kind::Creator)
        {
            if shared.partial && memmem::find(line, b" +0x").is_none() {
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
    pub(super) fn leave(&mut self, shared: &mut Shared<'_>, block: Block, line: &[u8]) {
        self.finish(shared, block);
        self.outside(shared, line);
    }

    /// Another line stands within a goroutine.
    pub(super) fn stray(&mut self, shared: &mut Shared<'_>) {
        self.pending.clear();
        let line = self.line;
        self.builder(shared).problem(
            line,
            "a line near here, in the middle of a goroutine, belongs to no stack and was skipped",
        );
    }

    pub(in crate::text) fn follow(
        &mut self,
        shared: &mut Shared<'_>,
        block: &mut Block,
        line: &Line<'_>,
    ) {
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
}

/// Lines of a block that are kept: two a frame, and a creator.
fn max_lines(shared: &Shared<'_>) -> usize {
    shared.options.limits.frames.saturating_mul(2)
}

/// Goes on as far as lines are as in blocks before; gives the bytes.
#[inline]
pub(super) fn walk(
    block: &mut Block,
    shared: &mut Shared<'_>,
    text: &[u8],
    line: &mut u64,
) -> usize {
    if block.cut || block.full {
        return 0;
    }
    // One line less than the most, so that the limit itself is noticed by the slow way.
    let max = max_lines(shared).saturating_sub(block.depth + 1);
    let walk = shared.stacks.walk(block.node, text, max);
    block.node = walk.node;
    block.depth += walk.lines;
    *line += walk.lines as u64;
    if walk.parent.is_some() {
        block.one.parent = walk.parent;
    }
    walk.taken
}

fn creator_number(line: &[u8]) -> Option<gorphan_model::GoroutineId> {
    let at = memmem::rfind(line, lines::IN_GOROUTINE)?;
    let digits = line.get(at + lines::IN_GOROUTINE.len()..)?;
    header::number_u64(digits).map(gorphan_model::GoroutineId)
}
