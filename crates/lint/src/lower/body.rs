//! The function being lowered: its blocks and instructions as they come.

use super::{Lower, MAX_INSTRS, Map};
use crate::ir::{
    Block, BlockId, Edge, End, FuncId, FuncKind, Instr, InstrId, Loop, LoopId, Op, SpawnKind,
    Unknown,
};
use crate::syntax::{Name, Span};

/// A function under construction.
#[derive(Default)]
pub(super) struct Body {
    pub(super) id: FuncId,
    pub(super) blocks: Vec<Block>,
    pub(super) instrs: Vec<Instr>,
    /// Instructions outside of blocks; their numbers have [`ASIDE`] added until the end.
    pub(super) aside: Vec<Instr>,
    /// The block that instructions go to.
    pub(super) current: Option<BlockId>,
    pub(super) loops: Vec<Loop>,
    /// The loops around what is at hand.
    pub(super) around: Vec<LoopId>,
    /// What `break` and `continue` leave, innermost last.
    pub(super) targets: Vec<Target>,
    /// Blocks of labels that `goto` names.
    pub(super) labels: Map<Name, BlockId>,
    /// The label of the statement at hand.
    pub(super) label: Option<Name>,
    /// Where `fallthrough` goes.
    pub(super) next_clause: Option<BlockId>,
    pub(super) unknowns: Vec<(Span, Unknown)>,
    pub(super) recovers: bool,
}

/// Added to the numbers of instructions outside of blocks while a function is built: above [`MAX_INSTRS`].
pub(super) const ASIDE: u32 = 1 << 30;

/// A statement that `break` or `continue` can leave.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) label: Option<Name>,
    pub(super) after: BlockId,
    /// Of a loop where its next round begins.
    pub(super) again: Option<BlockId>,
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Here and now.
    Now,
    /// By `go`.
    Go,
    /// By `defer`.
    Defer,
}

impl Lower<'_, '_> {
    /// Whether the function at hand is a test or stands in one.
    pub(super) fn is_in_test(&self) -> bool {
        const STARTS: [&str; 4] = ["Test", "Benchmark", "Fuzz", "Example"];
        let around = std::iter::successors(Some(self.body.id), |func| self.ir[*func].parent);
        around.into_iter().any(|func| match &self.ir[func].kind {
            FuncKind::Declared { key, .. } => {
                STARTS.iter().any(|start| key.name.starts_with(start))
            }
            _ => false,
        })
    }

    /// A block for later.
    pub(super) fn new_block(&mut self) -> BlockId {
        let id = BlockId::at(self.body.blocks.len());
        self.body.blocks.push(Block {
            start: InstrId(0),
            end: InstrId(0),
            exit: End::Exit,
            span: Span::default(),
            in_loop: None,
        });
        id
    }

    /// Instructions go to a block from now on. The block before, if it has no end yet, goes on there.
    pub(super) fn start(&mut self, block: BlockId) {
        if self.body.current.is_some() {
            self.end(End::Jump(block), Span::default());
        }
        let first = InstrId::at(self.body.instrs.len());
        let in_loop = self.body.around.last().copied();
        if let Some(block) = self.body.blocks.get_mut(block.index()) {
            (block.start, block.end, block.in_loop) = (first, first, in_loop);
        }
        self.body.current = Some(block);
    }

    /// The block at hand is over. Does nothing where nothing leads here.
    pub(super) fn end(&mut self, exit: End, span: Span) {
        let Some(block) = self.body.current.take() else {
            return;
        };
        let last = InstrId::at(self.body.instrs.len());
        if let Some(block) = self.body.blocks.get_mut(block.index()) {
            (block.end, block.exit, block.span) = (last, exit, span);
        }
    }

    /// Ends the block at hand and goes on at a new one that nothing leads to, for source behind a `return`.
    pub(super) fn stop(&mut self, exit: End, span: Span) {
        self.end(exit, span);
        let dead = self.new_block();
        self.start(dead);
    }

    pub(super) fn jump(&mut self, to: BlockId, span: Span) {
        self.end(End::Jump(to), span);
    }

    pub(super) fn branch(&mut self, edges: Vec<Edge>, span: Span) {
        self.end(End::Branch(edges), span);
    }

    /// Adds an instruction.
    pub(super) fn emit(&mut self, op: Op, span: Span) {
        if self.body.instrs.len() >= MAX_INSTRS {
            self.unknown(Unknown::TooLarge, span);
            return;
        }
        self.body.instrs.push(Instr { span, op });
    }

    /// Adds an instruction that runs now, in another goroutine, or at the end.
    pub(super) fn emit_how(&mut self, op: Op, span: Span, how: How) {
        match how {
            How::Now => self.emit(op, span),
            How::Go => self.spawn(op, span, SpawnKind::Go),
            How::Defer => {
                let run = self.aside(op, span);
                self.emit(Op::Defer { run }, span);
            }
        }
    }

    pub(super) fn spawn(&mut self, op: Op, span: Span, kind: SpawnKind) {
        let run = self.aside(op, span);
        self.emit(Op::Spawn { run, kind }, span);
    }

    /// An instruction outside of blocks.
    pub(super) fn aside(&mut self, op: Op, span: Span) -> InstrId {
        let id = InstrId::at(self.body.aside.len());
        self.body.aside.push(Instr { span, op });
        InstrId(id.0.saturating_add(ASIDE))
    }

    /// Notes that something was not understood.
    pub(super) fn unknown(&mut self, why: Unknown, span: Span) {
        let is_first = self.body.unknowns.len() < MAX_UNKNOWNS;
        if is_first && !self.body.unknowns.contains(&(span, why)) {
            self.body.unknowns.push((span, why));
            self.body.instrs.push(Instr {
                span,
                op: Op::Unknown(why),
            });
        }
    }

    /// A function is about to be lowered.
    pub(super) fn begin(&mut self, id: FuncId) {
        self.body = Body {
            id,
            ..Body::default()
        };
        let entry = self.new_block();
        self.start(entry);
    }

    /// The function at hand is done: it returns at its end.
    pub(super) fn done(&mut self, span: Span) {
        self.end(End::Return, span);
        let mut body = std::mem::take(&mut self.body);
        let count = InstrId::at(body.instrs.len()).0;
        let place = |run: &mut InstrId| run.0 = run.0.wrapping_sub(ASIDE).wrapping_add(count);
        for instr in &mut body.instrs {
            if let Op::Spawn { run, .. } | Op::Defer { run } = &mut instr.op {
                place(run);
            }
        }
        for block in &mut body.blocks {
            if let End::Select { arms, .. } = &mut block.exit {
                arms.iter_mut().for_each(|arm| place(&mut arm.instr));
            }
        }
        body.instrs.append(&mut body.aside);
        drop_dead(&mut body.blocks);
        leave_loops(&mut body.blocks, &body.loops);
        let Some(func) = self.ir.funcs.get_mut(body.id.index()) else {
            return;
        };
        func.blocks = body.blocks;
        func.instrs = body.instrs;
        func.loops = body.loops;
        func.unknowns = body.unknowns;
        func.recovers = body.recovers;
    }
}

/// Blocks of a function times its loops up to which it is found out which blocks go round.
const MAX_ROUND: usize = 1 << 20;

/// What stands in a loop and always leaves it is done once, not again and again: it belongs to the loop around.
fn leave_loops(blocks: &mut [Block], loops: &[Loop]) {
    if blocks.len().saturating_mul(loops.len()) > MAX_ROUND {
        return;
    }
    let mut before: Vec<Vec<BlockId>> = vec![Vec::new(); blocks.len()];
    for (from, block) in blocks.iter().enumerate() {
        each_exit(&block.exit, |to| {
            if let Some(list) = before.get_mut(to.index()) {
                list.push(BlockId::at(from));
            }
        });
    }
    for (place, inner) in loops.iter().enumerate().rev() {
        let id = LoopId::at(place);
        let is_inside = |mut at: Option<LoopId>| {
            while let Some(here) = at {
                if here == id {
                    return true;
                }
                at = loops.get(here.index()).and_then(|here| here.parent);
            }
            false
        };
        let inside: Vec<bool> = blocks
            .iter()
            .map(|block| is_inside(block.in_loop))
            .collect();
        let mut goes_round = vec![false; blocks.len()];
        let mut work = vec![inner.head];
        while let Some(block) = work.pop() {
            let is_in = inside.get(block.index()).copied().unwrap_or(false);
            match goes_round.get_mut(block.index()) {
                Some(seen) if is_in && !*seen => *seen = true,
                _ => continue,
            }
            work.extend(before.get(block.index()).into_iter().flatten());
        }
        for (block, goes_round) in blocks.iter_mut().zip(goes_round) {
            if block.in_loop == Some(id) && !goes_round {
                block.in_loop = inner.parent;
            }
        }
    }
}

fn each_exit(exit: &End, mut visit: impl FnMut(BlockId)) {
    match exit {
        End::Jump(to) => visit(*to),
        End::Branch(edges) => edges.iter().for_each(|edge| visit(edge.to)),
        End::Select { arms, default } => {
            arms.iter().for_each(|arm| visit(arm.to));
            default.iter().for_each(|to| visit(*to));
        }
        End::Return | End::Panic | End::Goexit | End::Exit => {}
    }
}

/// Places of a function that are not understood and noted one by one.
const MAX_UNKNOWNS: usize = 16;

/// Empties blocks that nothing leads to, so that what stands there counts as not done.
fn drop_dead(blocks: &mut [Block]) {
    let mut is_alive = vec![false; blocks.len()];
    let mut work = vec![BlockId(0)];
    while let Some(block) = work.pop() {
        let (Some(alive), Some(block)) =
            (is_alive.get_mut(block.index()), blocks.get(block.index()))
        else {
            continue;
        };
        if std::mem::replace(alive, true) {
            continue;
        }
        each_exit(&block.exit, |to| work.push(to));
    }
    for (block, is_alive) in blocks.iter_mut().zip(is_alive) {
        if !is_alive {
            block.end = block.start;
            block.exit = End::Exit;
        }
    }
}
