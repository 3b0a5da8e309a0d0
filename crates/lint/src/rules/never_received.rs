//! A send on a channel from which nobody ever receives.

use gorphan_model::Operation;

use super::{Context, Rule, context::location, verdict};
use crate::finding::Finding;
use crate::ir::Amount;

/// See `GR2003.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2003",
    name: "never-received",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (object, uses) in context.own_channels() {
        if !uses.receives.is_empty() || context.is_global(object) {
            continue;
        }
        let waiting: Vec<_> = uses.sends.iter().filter(|send| send.waits).collect();
        let room = context.capacity(object);
        // Into a buffer the first sends go through.
        let in_loop = |at| context.index().is_in_loop(ir, at);
        let fills = match room {
            Amount::Const(0) => true,
            Amount::Const(room) => {
                let room = usize::try_from(room).unwrap_or(usize::MAX);
                waiting.len() > room || waiting.iter().any(|send| in_loop(send.at))
            }
            Amount::Term(_) | Amount::Unknown => false,
        };
        if !fills {
            continue;
        }
        for send in waiting {
            if !send.is_naked || !context.is_only(send.place, object) || !context.live().is_live(send.at.func) {
                continue;
            }
            let name = context.text(send.place, "the channel");
            let guesses = match room {
                Amount::Const(0) => context.guesses_to(send.at),
                _ => 1,
            };
            let message = format!("the goroutine waits for somebody to receive from {name}, and nothing in the package ever does");
            let finding = context
                .finding(&RULE, Operation::ChanSend, send.at, verdict(guesses), message)
                .help("Receive from the channel, send in a select that can give up, or leave the send out.")
                .related(location(ir[object].site), "the channel is made here");
            found.push(finding);
        }
    }
}
