//! A drain of a timer whose value another case has received.

use gorphan_model::{Operation, Verdict};

use super::{Context, Role, Rule};
use crate::finding::Finding;
use crate::ir::{At, BlockId, End, FuncId, InstrId, ObjectKind, Op, Place, PlaceId};
use crate::summary::{Step, Visit};

/// See `GR2044.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2044",
    name: "timer-drained-twice",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        for (instr, block, role) in context.index().instrs(func) {
            let Op::Recv { channel, .. } = body[instr].op else {
                continue;
            };
            if matches!(role, Role::Arm { choice: true, .. }) || !is_timer(context, channel) {
                continue;
            }
            let drain = At { func, instr };
            let Some(stop) = stop_before(context, func, block, channel) else {
                continue;
            };
            let Some(arm) = received_before(context, func, stop, channel, drain) else {
                continue;
            };
            let name = context.text(channel, "the timer's channel");
            let message = format!(
                "when the timer has fired and its value was received, Stop says false and this waits for {name} for ever"
            );
            let finding = context
                .finding(&RULE, Operation::ChanReceive, drain, Verdict::Suspect, message)
                .help("Drain in a select with a default, or remember that the value was received. With go 1.23 in go.mod no drain is needed.")
                .related(context.location(arm), "the value may be received here")
                .related(context.location(At { func, instr: stop }), "the timer is stopped here");
            found.push(finding.fix_by(super::remedy::drain_without_wait(context, drain)));
        }
    }
}

fn is_timer(context: &Context<'_>, place: PlaceId) -> bool {
    let ir = context.ir();
    let objects = context.objects(place);
    !objects.is_empty()
        && objects.iter().all(|object| matches!(ir[*object].kind, ObjectKind::Timer { repeats: false }))
}

/// Whether a channel is that of a timer.
fn is_of(context: &Context<'_>, channel: PlaceId, timer: PlaceId) -> bool {
    channel == timer || matches!(context.ir()[channel], Place::Field(of, _) if of == timer)
}

/// The `Stop` on whose outcome a block is entered.
fn stop_before(context: &Context<'_>, func: FuncId, block: BlockId, channel: PlaceId) -> Option<InstrId> {
    let body = &context.ir()[func];
    body.blocks().find_map(|(id, one)| {
        let End::Branch(edges) = &one.exit else {
            return None;
        };
        let leads = edges.iter().any(|edge| edge.to == block);
        let stops = |instr: &InstrId| matches!(body[*instr].op, Op::Stop { timer, reset: false } if is_of(context, channel, timer));
        let last = one.instrs().rev().find(stops)?;
        (leads && id != block).then_some(last)
    })
}

/// An arm that receives from the same timer, from which a way leads to the `Stop` without the timer being set again.
fn received_before(
    context: &Context<'_>,
    func: FuncId,
    stop: InstrId,
    channel: PlaceId,
    drain: At,
) -> Option<At> {
    let body = &context.ir()[func];
    for (instr, _, role) in context.index().instrs(func) {
        let at = At { func, instr };
        let is_same = matches!(body[instr].op, Op::Recv { channel: other, .. } if other == channel);
        if !is_same || at == drain || !matches!(role, Role::Arm { .. }) {
            continue;
        }
        let to = body.blocks().find_map(|(_, block)| match &block.exit {
            End::Select { arms, .. } => arms.iter().find(|arm| arm.instr == instr).map(|arm| arm.to),
            _ => None,
        });
        let from = body.start_of(to?);
        let answer = context.analysis.search(func, from, (), |(), step| match step {
            Step::Run(other) if other == stop => Visit::Found,
            Step::Run(other) => match body[other].op {
                Op::Stop { timer, reset: true } if is_of(context, channel, timer) => Visit::Cut,
                Op::Assign { to, .. } if is_of(context, channel, to) => Visit::Cut,
                _ => Visit::On,
            },
            _ => Visit::On,
        });
        if answer.trace().is_some() {
            return Some(at);
        }
    }
    None
}
