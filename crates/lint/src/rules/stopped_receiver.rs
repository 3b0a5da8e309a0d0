//! A send that waits for nothing else, to a loop that may have been told to stop.

use gorphan_model::{Operation, Verdict};

use super::abandoned_sender::block_location;
use super::context::location;
use super::{ChanUse, Context, Rule, Uses};
use crate::finding::Finding;
use crate::ir::{Amount, At, BlockId, End, ObjectId, Op, Place, PlaceId};
use crate::summary::{EffectKind, Exit, Step, Visit};

/// See `GR2011.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2011",
    name: "stopped-receiver",
    check,
};

/// How a receiver leaves.
#[derive(Debug, Clone)]
struct Leave {
    /// The arm that it leaves by.
    arm: At,
    /// What it calls the channel it receives from.
    place: PlaceId,
    /// The channels of that arm.
    by: Vec<ObjectId>,
    /// Where it returns.
    end: BlockId,
    /// Channels that it closes when it leaves.
    closes: Vec<ObjectId>,
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (object, uses) in context.own_channels() {
        if context.capacity(object) != Amount::Const(0) || context.is_global(object) || uses.receives.is_empty() {
            continue;
        }
        let leaves: Option<Vec<Leave>> = uses
            .receives
            .iter()
            .filter(|receive| context.live().is_live(receive.at.func))
            .map(|receive| leave(context, receive))
            .collect();
        let Some(leave) = leaves.and_then(|leaves| leaves.into_iter().next()) else {
            continue;
        };
        for send in uses.sends.iter().filter(|send| send.is_naked && context.is_only(send.place, object)) {
            let Some(why) = why(context, send, &leave, &uses) else {
                continue;
            };
            let name = context.text(send.place, "the channel");
            let receiver = &ir[leave.arm.func].name;
            let message = format!("this waits for {receiver} to receive from {name}, and {receiver} may have stopped: {why}");
            let finding = context
                .finding(&RULE, Operation::ChanSend, send.at, Verdict::Suspect, message)
                .help("Send in a select that also waits for what stops the receiver.")
                .related(context.location(leave.arm), "this makes the receiver stop")
                .related(block_location(context, leave.arm.func, leave.end), "it returns here")
                .related(location(ir[object].site), "the channel is made here");
            found.push(finding);
        }
    }
}

/// How a receive's function can return by another arm of its select, without receiving again.
fn leave(context: &Context<'_>, receive: &ChanUse) -> Option<Leave> {
    if receive.is_naked || !receive.waits {
        return None;
    }
    let ir = context.ir();
    let func = &ir[receive.at.func];
    let (block, _) = context.index().get(receive.at)?;
    let End::Select { arms, .. } = &func[block].exit else {
        return None;
    };
    func[block].in_loop?;
    arms.iter().filter(|arm| arm.instr != receive.at.instr).find_map(|arm| {
        let Op::Recv { channel, .. } = func[arm.instr].op else {
            return None;
        };
        let mut closes = Vec::new();
        // From the start: what a round has to have received before the loop ends is known then, and what is deferred is run.
        let answer = context.analysis.search(receive.at.func, func.entry(), false, |is_leaving, step| {
            if step == Step::Arm(arm.instr) {
                *is_leaving = true;
                return Visit::On;
            }
            if !*is_leaving {
                return Visit::On;
            }
            for effect in context.effects(receive.at.func, step) {
                match effect.kind {
                    EffectKind::Close if is_of_same(context, effect.place, receive.place) => {
                        closes.extend(context.objects(effect.place));
                    }
                    EffectKind::Recv(_) if context.objects(effect.place).iter().any(|object| context.objects(receive.place).contains(object)) => {
                        return Visit::Cut;
                    }
                    _ => {}
                }
            }
            match step {
                Step::Enter(other) if other == block => Visit::Cut,
                Step::Exit(_, Exit::Return) => Visit::Found,
                _ => Visit::On,
            }
        });
        let Step::Exit(end, _) = answer.trace()?.last else {
            return None;
        };
        // What is deferred closes as well, wherever it was deferred.
        for (instr, one) in func.instrs() {
            if let Op::Defer { run } = one.op {
                let at = At { func: receive.at.func, instr: run };
                let effects = context.analysis.effects(at);
                let closed = effects.iter().filter(|effect| effect.kind == EffectKind::Close);
                let closed = closed.filter(|effect| is_of_same(context, effect.place, receive.place));
                closed.for_each(|effect| closes.extend(context.objects(effect.place)));
                let _ = instr;
            }
        }
        Some(Leave {
            arm: At { func: receive.at.func, instr: arm.instr },
            place: receive.place,
            by: context.objects(channel).to_vec(),
            end,
            closes,
        })
    })
}

/// Why the send is taken to have overlooked that, in words; none where who sends may well know better.
fn why(context: &Context<'_>, send: &ChanUse, leave: &Leave, uses: &Uses) -> Option<&'static str> {
    let ir = context.ir();
    let func = &ir[send.at.func];
    // It looks at the same signal itself, but not while it sends.
    let looks = func.blocks().any(|(_, block)| match &block.exit {
        End::Select { arms, default: Some(_) } => arms.iter().any(|arm| match func[arm.instr].op {
            Op::Recv { channel, .. } => context.objects(channel).iter().any(|object| leave.by.contains(object)),
            _ => false,
        }),
        _ => false,
    });
    if looks {
        return Some("the sender looks whether it has before it sends, and not while it does");
    }
    let leavers = context.live().runs(leave.arm.func);
    if leavers.contains(&send.at.func) {
        return None;
    }
    // The receiver says that it has left, and others listen to that.
    let is_same_field = match (ir[send.place], ir[leave.place]) {
        (Place::Field(_, one), Place::Field(_, two)) => one == two,
        _ => false,
    };
    let is_told = is_same_field && leave.closes.iter().any(|object| {
        let listeners = context.uses(*object).receives;
        listeners.iter().any(|listener| !listener.is_naked && listener.at.func != send.at.func)
            && listeners.iter().all(|listener| listener.at.func != send.at.func)
    });
    if is_told && uses.sends.len() == 1 {
        return Some("it says so by closing a channel that others listen to and the sender does not");
    }
    // A goroutine that was started to send and does nothing else, and that nobody waits for.
    let blocks_once = func
        .instrs()
        .filter(|(_, instr)| matches!(instr.op, Op::Send { .. } | Op::Recv { .. } | Op::Lock { .. } | Op::Close { .. }))
        .count()
        == 1;
    let is_done_after = func.instrs().any(|(_, instr)| matches!(instr.op, Op::WgAdd { .. }));
    let made_here = |object: &ObjectId| ir[*object].func == Some(send.at.func);
    let is_maker = context.objects(send.place).iter().any(made_here);
    if context.live().is_spawned(send.at.func) && blocks_once && !context.is_test(send.at.func) && !is_maker && !is_done_after && func[send_block(context, send.at)?].in_loop.is_none() {
        return Some("then the goroutine that was started to send stays");
    }
    None
}

fn send_block(context: &Context<'_>, at: At) -> Option<BlockId> {
    context.index().get(at).map(|(block, _)| block)
}

/// Whether two channels are fields of one thing.
fn is_of_same(context: &Context<'_>, one: PlaceId, two: PlaceId) -> bool {
    let ir = context.ir();
    match (ir[one], ir[two]) {
        (Place::Field(one, _), Place::Field(two, _)) => one == two,
        _ => false,
    }
}
