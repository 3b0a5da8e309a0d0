//! Where in its function each instruction stands.

use crate::ir::{At, BlockId, End, FuncId, InstrId, Op, Package};

/// What an instruction is in its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It stands in its block.
    Plain,
    /// An arm of the select at the end of the block; whether there are other arms, or a default.
    Arm {
        /// Other arms or a default.
        choice: bool,
        /// A default.
        default: bool,
    },
    /// What a `go` runs.
    Spawned,
    /// What a `defer` runs.
    Deferred,
}

/// By function and instruction: block and role.
#[derive(Debug)]
pub struct Index {
    funcs: Vec<Vec<Option<(BlockId, Role)>>>,
}

impl Index {
    /// Of a package.
    pub fn new(ir: &Package) -> Self {
        let funcs = ir.funcs().map(|(_, func)| {
            let mut all = vec![None; func.instrs.len()];
            let mut put = |instr: InstrId, block, role| {
                if let Some(slot) = all.get_mut(instr.index()) {
                    *slot = Some((block, role));
                }
            };
            for (id, block) in func.blocks() {
                for instr in block.instrs() {
                    put(instr, id, Role::Plain);
                    match func[instr].op {
                        Op::Spawn { run, .. } => put(run, id, Role::Spawned),
                        Op::Defer { run } => put(run, id, Role::Deferred),
                        _ => {}
                    }
                }
                if let End::Select { arms, default } = &block.exit {
                    let (choice, default) = (
                        arms.len() + usize::from(default.is_some()) > 1,
                        default.is_some(),
                    );
                    for arm in arms {
                        put(arm.instr, id, Role::Arm { choice, default });
                    }
                }
            }
            all
        });
        Self {
            funcs: funcs.collect(),
        }
    }

    /// The block of an instruction and what it is there.
    pub fn get(&self, at: At) -> Option<(BlockId, Role)> {
        let func = self.funcs.get(at.func.index())?;
        func.get(at.instr.index()).copied().flatten()
    }

    /// What it is; plain if it stands nowhere.
    pub fn role(&self, at: At) -> Role {
        self.get(at).map_or(Role::Plain, |(_, role)| role)
    }

    /// Whether it lies in a loop of its function.
    pub fn is_in_loop(&self, ir: &Package, at: At) -> bool {
        let block = self.get(at).map(|(block, _)| block);
        block.is_some_and(|block| ir[at.func][block].in_loop.is_some())
    }

    /// All instructions of a function that stand somewhere.
    pub fn instrs(&self, func: FuncId) -> impl Iterator<Item = (InstrId, BlockId, Role)> {
        let all = self.funcs.get(func.index());
        let all = all.map_or(&[][..], Vec::as_slice).iter().enumerate();
        all.filter_map(|(place, known)| {
            known.map(|(block, role)| (InstrId::at(place), block, role))
        })
    }
}
