//! A send on a channel from which nobody ever receives.

use gorphan_model::Operation;

use super::{ChanUse, Context, Rule, Uses, context::location, verdict};
use crate::finding::Finding;
use crate::ir::{Amount, FuncKind, ObjectId};

/// Room of a channel above which it is taken to suffice.
const MAX_ROOM: i64 = 16;

/// See `GR2003.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2003",
    name: "never-received",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (object, uses) in context.own_channels() {
        let Some(certain) = is_filled(context, object, &uses) else {
            continue;
        };
        for send in uses.sends.iter().filter(|send| send.is_naked && send.waits) {
            let all_filled = context.objects(send.place).iter().all(|other| {
                *other == object || ir.aliases.escape(*other).is_none() && is_filled(context, *other, &context.uses(*other)).is_some()
            });
            if !all_filled || !ir.aliases.is_known(&ir.places, send.place) || !context.live().may_be_live(send.at.func) {
                continue;
            }
            // Sending to a closed channel panics.
            if uses.closes.iter().any(|close| close.func == send.at.func) {
                continue;
            }
            let name = context.text(send.place, "the channel");
            let guesses = match certain {
                true => context.guesses_to(send.at),
                false => 1,
            };
            let message = match uses.receives.is_empty() {
                true => format!("the goroutine waits for somebody to receive from {name}, and nothing in the package ever does"),
                false => format!("the goroutine waits for somebody to receive from {name}, and nothing that runs ever does"),
            };
            let finding = context
                .finding(&RULE, Operation::ChanSend, send.at, verdict(guesses), message)
                .help("Receive from the channel, send in a select that can give up, or leave the send out.")
                .related(location(ir[object].site), "the channel is made here");
            found.push(finding);
        }
    }
}

/// Whether something is sent again and again, by what is called by name or loops itself.
fn is_again(context: &Context<'_>, object: ObjectId, send: &ChanUse) -> bool {
    let ir = context.ir();
    match ir[send.at.func].kind {
        FuncKind::Closure => context.index().is_in_loop(ir, send.at),
        _ => context.live().is_repeated(context, send.at, ir[object].func),
    }
}

/// Whether nobody receives from a channel and more may be sent than it has room for; whether that is certain.
fn is_filled(context: &Context<'_>, object: ObjectId, uses: &Uses) -> Option<bool> {
    let is_certain = uses.sends.iter().any(|send| context.live().is_live(send.at.func));
    let live = |receive: &ChanUse| match is_certain {
        true => context.live().is_live(receive.at.func),
        false => context.live().may_be_live(receive.at.func),
    };
    if uses.receives.iter().any(live) || context.is_global(object) {
        return None;
    }
    let waiting: Vec<_> = uses.sends.iter().filter(|send| send.waits).collect();
    match context.capacity(object) {
        Amount::Const(0) => Some(true),
        // Into a buffer the first sends go through. A large one is as large as what is sent.
        Amount::Const(room) if room <= MAX_ROOM => {
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let is_more = waiting.len() > room
                || waiting.iter().any(|send| is_again(context, object, send));
            is_more.then_some(false)
        }
        Amount::Const(_) => None,
        Amount::Term(_) | Amount::Unknown => None,
    }
}
