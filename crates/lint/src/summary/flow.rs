//! What a function does in which of its blocks, and ways around blocks.

use crate::ir::{BlockId, End, Func, InstrId, Op};

/// Who does something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Plain,
    Spawned,
}

/// The instructions of a function that do something, those that `go` and `defer` run and arms of selects included; only those in blocks
/// that are reached, where that is given.
pub(super) fn work(func: &Func, reached: Option<&[bool]>) -> Vec<(InstrId, BlockId, How)> {
    let mut work: Vec<(InstrId, BlockId, How)> = Vec::new();
    let is_reached =
        |block: BlockId| reached.is_none_or(|all| all.get(block.index()).copied().unwrap_or(false));
    for (place, block) in func.blocks().filter(|(place, _)| is_reached(*place)) {
        for instr in block.instrs() {
            match &func[instr].op {
                Op::Spawn { run, .. } => work.push((*run, place, How::Spawned)),
                Op::Defer { run } => work.push((*run, place, How::Plain)),
                _ => work.push((instr, place, How::Plain)),
            }
        }
        if let End::Select { arms, .. } = &block.exit {
            // Done only where the arm is taken.
            let arms = arms.iter().filter(|arm| is_reached(arm.to));
            work.extend(arms.map(|arm| (arm.instr, arm.to, How::Plain)));
        }
    }
    work
}

/// Whether some way from the entry to a return goes through none of the blocks that are marked.
pub(super) fn avoids(func: &Func, blocks: &[bool]) -> bool {
    let mut seen = blocks.to_vec();
    let mut work = vec![BlockId(0)];
    while let Some(block) = work.pop() {
        match seen.get_mut(block.index()) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        match &func[block].exit {
            End::Return => return true,
            End::Jump(to) => work.push(*to),
            End::Branch(edges) => work.extend(edges.iter().map(|edge| edge.to)),
            End::Select { arms, default } => {
                work.extend(arms.iter().map(|arm| arm.to));
                work.extend(*default);
            }
            End::Panic | End::Goexit | End::Exit => {}
        }
    }
    false
}
