//! Sends that come again: in each round of a loop, or behind each other.

use super::Context;
use super::crowd::{COUNTED, MANY};
use crate::ir::{At, FuncId, InstrId, ObjectId, Point};
use crate::summary::{Effect, EffectKind, Step, Visit};

/// Whether from a `go` every way to its next time receives from a channel.
pub(super) fn is_by_rounds(
    context: &Context<'_>,
    func: FuncId,
    spawn: InstrId,
    object: ObjectId,
) -> bool {
    let Some((block, _)) = context.index().get(At { func, instr: spawn }) else {
        return false;
    };
    let from = Point {
        block,
        instr: spawn,
    };
    let answer = context.analysis.search(func, from, false, |is_past, step| {
        if step == Step::Run(spawn) {
            return match std::mem::replace(is_past, true) {
                true => Visit::Found,
                false => Visit::On,
            };
        }
        let receives = context.effects(func, step).into_iter().any(|effect| {
            matches!(effect.kind, EffectKind::Recv(_))
                && !effect.spawned
                && effect.always
                && context.is_only(effect.place, object)
        });
        match receives {
            true => Visit::Cut,
            false => Visit::On,
        }
    });
    answer.trace().is_none()
}

/// As the how manieth of some sends of one function a way can come to one of them, at most.
pub(super) fn latest(context: &Context<'_>, sends: &[Effect], one: At) -> u8 {
    if sends.iter().any(|send| send.at.func != one.func) {
        return MANY;
    }
    let entry = context.ir()[one.func].entry();
    let mut latest = 0;
    context
        .analysis
        .search(one.func, entry, 0_u8, |sent, step| {
            if let Some(instr) = Context::step_instr(step) {
                let at = At {
                    func: one.func,
                    instr,
                };
                *sent = sent
                    .saturating_add(u8::from(sends.iter().any(|send| send.at == at)))
                    .min(COUNTED);
                if at == one {
                    latest = latest.max(*sent);
                }
            }
            Visit::On
        });
    match latest {
        0 | COUNTED => MANY,
        latest => latest,
    }
}
