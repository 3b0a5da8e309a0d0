//! Which instructions of a function can come before which.

use super::{Context, Role};
use crate::ir::{At, BlockId, End, InstrId, LoopId, LoopKind, ObjectId, ObjectKind, Op, Point};
use crate::summary::{Step, Visit};

/// Whether an instruction stands in a loop that goes round as often as it receives something: over a channel, or with a receive
/// of its own.
pub(super) fn is_driven(context: &Context<'_>, at: At) -> bool {
    let ir = context.ir();
    let func = &ir[at.func];
    let first = func
        .block_of(at.instr)
        .and_then(|block| func[block].in_loop);
    let mut around = std::iter::successors(first, |id| func[*id].parent);
    // Time and the end of a context give nothing.
    let gives = |object: &ObjectId| {
        !matches!(
            ir[*object].kind,
            ObjectKind::Timer { .. } | ObjectKind::Done { .. }
        )
    };
    let receives = |instr: InstrId| match func[instr].op {
        Op::Recv { channel, .. } => {
            let objects = context.objects(channel);
            objects.is_empty() || objects.iter().any(gives)
        }
        _ => false,
    };
    around.any(|id| {
        let mut blocks = func.blocks().filter(|(_, block)| block.in_loop == Some(id));
        matches!(func[id].kind, LoopKind::Chan(_))
            || blocks.any(|(_, block)| match &block.exit {
                End::Select {
                    arms,
                    default: None,
                } => arms.iter().any(|arm| receives(arm.instr)),
                _ => block.instrs().any(receives),
            })
    })
}

/// Whether a round of the loop in which an instruction stands may pass without it.
pub(super) fn may_pass(context: &Context<'_>, at: At) -> bool {
    let func = &context.ir()[at.func];
    let block = func.block_of(at.instr);
    let Some(id) = block.and_then(|block| func[block].in_loop) else {
        return false;
    };
    let head = func[id].head;
    let mut is_first = true;
    let answer = context
        .analysis
        .search(at.func, func.start_of(head), (), |(), step| match step {
            Step::Enter(block) if block == head => match std::mem::take(&mut is_first) {
                true => Visit::On,
                false => Visit::Found,
            },
            Step::Enter(block) if !is_within(func, block, id) => Visit::Cut,
            _ if Context::step_instr(step) == Some(at.instr) => Visit::Cut,
            _ => Visit::On,
        });
    answer.trace().is_some()
}

/// Whether one instruction can come before another one of its function.
pub(super) fn comes_first(context: &Context<'_>, one: At, other: At) -> bool {
    let func = &context.ir()[one.func];
    let Some((block, _)) = context.index().get(one) else {
        return true;
    };
    let from = Point {
        block,
        instr: one.instr,
    };
    let from = if func[block].instrs().any(|instr| instr == one.instr) {
        from
    } else {
        func.entry()
    };
    let answer = context.analysis.search(one.func, from, (), |(), step| {
        match Context::step_instr(step) == Some(other.instr) {
            true => Visit::Found,
            false => Visit::On,
        }
    });
    answer.trace().is_some()
}

/// Whether a block lies in a loop or in one inside it.
pub(super) fn is_within(func: &crate::ir::Func, block: BlockId, outer: LoopId) -> bool {
    let mut inner = func[block].in_loop;
    while let Some(id) = inner {
        if id == outer {
            return true;
        }
        inner = func[id].parent;
    }
    false
}

/// Whether some way leads from one instruction of a function to another one.
pub(super) fn follows(context: &Context<'_>, one: At, other: At) -> bool {
    let func = &context.ir()[one.func];
    let Some((block, role)) = context.index().get(one) else {
        return true;
    };
    let from = match (&func[block].exit, role) {
        (End::Select { arms, .. }, Role::Arm { .. }) => {
            let arm = arms.iter().find(|arm| arm.instr == one.instr);
            arm.map_or_else(|| func.entry(), |arm| func.start_of(arm.to))
        }
        _ => Point {
            block,
            instr: one.instr,
        },
    };
    let answer = context.analysis.search(one.func, from, (), |(), step| {
        match Context::step_instr(step) == Some(other.instr) {
            true => Visit::Found,
            false => Visit::On,
        }
    });
    answer.trace().is_some()
}
