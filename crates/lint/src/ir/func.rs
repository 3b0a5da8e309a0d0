//! Functions and their flow.

use super::{
    Amount, Arm, BlockId, Fact, FuncId, Instr, InstrId, Key, LoopId, PlaceId, Site, TermId,
    Unknown, VarId,
};
use crate::syntax::Span;

/// A function, method or closure with a body.
#[derive(Debug, Clone)]
pub struct Func {
    /// For messages: `f`, `(*T).m`, `f.func1`.
    pub name: String,
    /// What declares it.
    pub kind: FuncKind,
    /// The function it stands in.
    pub parent: Option<FuncId>,
    /// From `func` to behind its body.
    pub site: Site,
    /// Its receiver.
    pub receiver: Option<VarId>,
    /// Its parameters; one without a name has a variable too.
    pub params: Vec<VarId>,
    /// Its results, likewise. `return x` assigns them first.
    pub results: Vec<VarId>,
    /// Variables of functions around it that it uses.
    pub captures: Vec<VarId>,
    /// Its blocks; the first is the entry.
    pub blocks: Vec<Block>,
    /// Its instructions. A block has a run of them; those outside of every run are of `go`, `defer` and `select`.
    pub instrs: Vec<Instr>,
    /// By instruction: its block.
    pub(crate) homes: Vec<Option<BlockId>>,
    /// Its loops, outer before inner.
    pub loops: Vec<Loop>,
    /// What was not understood, with its place; also in the instructions.
    pub unknowns: Vec<(Span, Unknown)>,
    /// Whether it has a `recover()`: a panic below may end in an ordinary return.
    pub recovers: bool,
}

/// What declares a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FuncKind {
    /// A function or method.
    Declared {
        /// Its name for other packages.
        key: Key,
        /// Whether other packages can call it by name.
        exported: bool,
        /// Whether it stands in a test file.
        in_test: bool,
    },
    /// A closure.
    Closure,
    /// Made: what `wg.Go(f)` runs, what initialises package variables.
    Made,
}

/// Instructions one after the other.
#[derive(Debug, Clone)]
pub struct Block {
    /// The first of its instructions.
    pub start: InstrId,
    /// The one behind the last.
    pub end: InstrId,
    /// What follows.
    pub exit: End,
    /// Where what follows stands: the condition, `select`, `return`.
    pub span: Span,
    /// The innermost loop around it that it can go round in; what always leaves a loop is not in it.
    pub in_loop: Option<LoopId>,
}

/// How a block ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// It goes on there.
    Jump(BlockId),
    /// It goes on at one of these; what is known then stands with each.
    Branch(Vec<Edge>),
    /// A select: waits until an arm can go on. With neither arms nor a default it waits for ever.
    Select {
        /// Sends and receives.
        arms: Vec<Arm>,
        /// Where it goes on if no arm can.
        default: Option<BlockId>,
    },
    /// The function returns; deferred instructions run first.
    Return,
    /// `panic`: deferred instructions run, then those of callers.
    Panic,
    /// The goroutine ends: `runtime.Goexit`, `t.Fatal`. Deferred instructions run.
    Goexit,
    /// The process ends: `os.Exit`, `log.Fatal`. Nothing runs any more.
    Exit,
}

/// A way out of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Where to.
    pub to: BlockId,
    /// What is known there: all of these.
    pub facts: Vec<Fact>,
}

/// A loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Loop {
    /// The block its rounds begin at; for a loop with a condition or a range, the one that decides.
    pub head: BlockId,
    /// Where it goes on when it is over.
    pub after: BlockId,
    /// The loop around it.
    pub parent: Option<LoopId>,
    /// Its statement.
    pub span: Span,
    /// What drives it.
    pub kind: LoopKind,
    /// How many rounds it makes unless it is left before.
    pub rounds: Amount,
}

/// What drives a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopKind {
    /// `for {}`.
    Forever,
    /// `for cond {}`.
    While(Option<TermId>),
    /// `for i := 0; i < n; i++ {}` or over an integer, slice, array, string or map.
    Counted,
    /// Over a channel.
    Chan(PlaceId),
    /// Over a function.
    Func,
}

/// Before an instruction of a block, or, behind the last, before its exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point {
    /// The block.
    pub block: BlockId,
    /// The instruction; [`Block::end`] stands for the exit.
    pub instr: InstrId,
}

impl std::ops::Index<BlockId> for Func {
    type Output = Block;
    fn index(&self, id: BlockId) -> &Block {
        &self.blocks[id.index()]
    }
}

impl std::ops::Index<InstrId> for Func {
    type Output = Instr;
    fn index(&self, id: InstrId) -> &Instr {
        &self.instrs[id.index()]
    }
}

impl std::ops::Index<LoopId> for Func {
    type Output = Loop;
    fn index(&self, id: LoopId) -> &Loop {
        &self.loops[id.index()]
    }
}

impl Block {
    /// Its instructions, in order.
    pub fn instrs(&self) -> impl DoubleEndedIterator<Item = InstrId> + use<> {
        (self.start.0..self.end.0).map(InstrId)
    }
}

impl Func {
    /// Where it begins.
    pub fn entry(&self) -> Point {
        self.start_of(BlockId(0))
    }

    /// The start of a block.
    pub fn start_of(&self, block: BlockId) -> Point {
        let instr = self[block].start;
        Point { block, instr }
    }

    /// All blocks with their numbers.
    pub fn blocks(&self) -> impl Iterator<Item = (BlockId, &Block)> {
        self.blocks
            .iter()
            .enumerate()
            .map(|(place, block)| (BlockId::at(place), block))
    }

    /// All instructions with their numbers, those of `go`, `defer` and `select` too.
    pub fn instrs(&self) -> impl Iterator<Item = (InstrId, &Instr)> {
        self.instrs
            .iter()
            .enumerate()
            .map(|(place, instr)| (InstrId::at(place), instr))
    }

    /// The block in which an instruction lies; an arm lies in the block that ends in its select, what is spawned or deferred
    /// in that of its `go` or `defer`. None for what stands in source that nothing leads to.
    pub fn block_of(&self, instr: InstrId) -> Option<BlockId> {
        self.homes.get(instr.index()).copied().flatten()
    }

    /// Sets what [`Func::block_of`] tells.
    pub(crate) fn find_homes(&mut self) {
        let mut homes = vec![None; self.instrs.len()];
        let mut set = |instr: InstrId, block| {
            if let Some(home) = homes.get_mut(instr.index()) {
                *home = Some(block);
            }
        };
        for (id, block) in self.blocks() {
            for instr in block.instrs() {
                set(instr, id);
                if let super::Op::Spawn { run, .. } | super::Op::Defer { run } = self[instr].op {
                    set(run, id);
                }
            }
            if let End::Select { arms, .. } = &block.exit {
                arms.iter().for_each(|arm| set(arm.instr, id));
            }
        }
        self.homes = homes;
    }

    /// Whether an instruction can be done again and again in one call: it lies in a loop, and what follows it can come back.
    pub fn is_in_loop(&self, instr: InstrId) -> bool {
        let Some(block) = self.block_of(instr) else {
            return false;
        };
        if let End::Select { arms, .. } = &self[block].exit
            && let Some(arm) = arms.iter().find(|arm| arm.instr == instr)
        {
            return self[arm.to].in_loop.is_some();
        }
        self[block].in_loop.is_some()
    }

    /// Where a block can go on, with what is then known.
    pub fn successors(&self, block: BlockId) -> Vec<(BlockId, &[Fact])> {
        match &self[block].exit {
            End::Jump(to) => vec![(*to, &[][..])],
            End::Branch(edges) => edges
                .iter()
                .map(|edge| (edge.to, edge.facts.as_slice()))
                .collect(),
            End::Select { arms, default } => {
                let arms = arms.iter().map(|arm| arm.to);
                arms.chain(*default).map(|to| (to, &[][..])).collect()
            }
            End::Return | End::Panic | End::Goexit | End::Exit => Vec::new(),
        }
    }
}
