//! A receive from a channel that nobody sends to or closes.

use gorphan_model::Operation;

use super::context::location;
use super::{Context, Role, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{At, BlockId, End, FuncId, ObjectId, ObjectKind, Op, PlaceId, Site, VarKind};

/// See `GR2004.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2004",
    name: "never-fed",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        // In `main` a wait for ever is a way to stay.
        if context.is_main(func) || !context.live().is_live(func) {
            continue;
        }
        for (instr, one) in body.instrs() {
            let at = At { func, instr };
            let Op::Recv { channel, .. } = one.op else {
                continue;
            };
            if matches!(context.index().role(at), Role::Arm { choice: true, .. }) {
                continue;
            }
            if let Some(object) = dead(context, channel, is_fed) {
                found.push(report(context, at, channel, object));
            }
        }
        for (id, block) in body.blocks() {
            if let End::Select { arms, default: None } = &block.exit
                && arms.len() > 1
            {
                found.extend(select(context, func, id));
            }
        }
    }
}

/// Of a place that can only be channels with nobody on the other side, one.
pub(super) fn dead(
    context: &Context<'_>,
    place: PlaceId,
    is_served: fn(&Context<'_>, ObjectId) -> bool,
) -> Option<ObjectId> {
    let ir = context.ir();
    if !ir.aliases.is_known(&ir.places, place) {
        return None;
    }
    let objects = context.objects(place);
    let is_dead = |object: &ObjectId| {
        matches!(ir[*object].kind, ObjectKind::Chan { .. })
            && ir.aliases.escape(*object).is_none()
            && !context.is_global(*object)
            && !context.is_used_in_vain(*object)
            && !context.is_sent_away(*object)
            && !is_served(context, *object)
    };
    objects.iter().all(is_dead).then(|| objects.first().copied())?
}

/// Whether anybody who may run sends to a channel or closes it.
fn is_fed(context: &Context<'_>, channel: ObjectId) -> bool {
    let uses = context.uses(channel);
    // Those who wait may be run by somebody who is not seen: then so may those who send.
    let is_certain = uses.receives.iter().any(|receive| context.live().is_live(receive.at.func));
    let live = |at: At| match is_certain {
        true => context.live().is_live(at.func),
        false => context.live().may_be_live(at.func),
    };
    uses.sends.iter().any(|send| live(send.at)) || uses.closes.iter().any(|at| live(*at))
}

fn is_received(context: &Context<'_>, channel: ObjectId) -> bool {
    let uses = context.uses(channel);
    let room = context.capacity(channel);
    room != crate::ir::Amount::Const(0) || uses.receives.iter().any(|receive| context.live().is_live(receive.at.func))
}

fn report(context: &Context<'_>, at: At, channel: PlaceId, object: ObjectId) -> Finding {
    let ir = context.ir();
    let name = context.text(channel, "the channel");
    let uses = context.uses(object);
    let guesses = context.guesses_to(at);
    let message = match uses.closes.is_empty() && uses.sends.is_empty() {
        true => format!("the goroutine waits for {name}, and nothing in the package sends to it or closes it"),
        false => format!("the goroutine waits for {name}, and nothing that runs sends to it or closes it"),
    };
    let mut finding = context
        .finding(&RULE, Operation::ChanReceive, at, verdict(guesses), message)
        .help("Send to the channel or close it on every way, or leave the wait out.")
        .related(location(ir[object].site), "the channel is made here");
    let dead = uses.sends.iter().map(|send| send.at).chain(uses.closes.iter().copied());
    for at in dead.take(2) {
        finding = finding.related(context.location(at), "this would end the wait, and nothing calls it");
    }
    finding
}

/// A select none of whose arms anybody serves.
fn select(context: &Context<'_>, func: FuncId, block: BlockId) -> Option<Finding> {
    let ir = context.ir();
    let body = &ir[func];
    let End::Select { arms, .. } = &body[block].exit else {
        return None;
    };
    let mut objects = Vec::new();
    for arm in arms {
        let object = match body[arm.instr].op {
            Op::Recv { channel, .. } => dead(context, channel, is_fed),
            Op::Send { channel } => dead(context, channel, is_received),
            _ => None,
        };
        objects.push(object?);
    }
    let message = "the goroutine waits in a select, and nobody is on the other side of any of its cases";
    let at = At { func, instr: arms.first()?.instr };
    let guesses = context.guesses_to(at);
    let mut finding = context
        .finding(&RULE, Operation::Select, at, verdict(guesses), message)
        .help("Add a case that ends the wait, as <-ctx.Done(), or serve one of those there are.");
    finding.at = location(Site {
        file: body.site.file,
        span: body[block].span,
    });
    for object in objects {
        finding = finding.related(location(ir[object].site), "this channel has no other side");
    }
    Some(finding)
}

/// Whether a place is a variable of a function that never gets a value: nil.
pub(super) fn is_nil(context: &Context<'_>, place: PlaceId) -> bool {
    let ir = context.ir();
    let crate::ir::Place::Var(var) = ir[place] else {
        return false;
    };
    let var = &ir[var];
    var.kind == VarKind::Local && var.assignments == 0 && context.objects(place).is_empty()
}
