//! A function that sends twice on one way where one value is taken.

use gorphan_model::{Operation, Verdict};

use super::context::location;
use super::crowd::{Crowd, crowd};
use super::{Context, Rule};
use crate::finding::Finding;
use crate::ir::{Amount, At};
use crate::summary::Visit;

/// See `GR2009.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2009",
    name: "double-send",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (object, _) in context.own_channels() {
        let Some(crowd) = crowd(context, object) else {
            continue;
        };
        if crowd.has_room(context) || crowd.left(context).is_none() || !is_by_two(context, &crowd) {
            continue;
        }
        // Where there is room for the other one, it is another way that leaves it.
        if crowd.room != Amount::Const(0) {
            continue;
        }
        for sender in crowd.senders.iter().filter(|sender| sender.most == 2) {
            let Some((first, second)) = pair(context, sender.sends.iter().map(|send| send.at)) else {
                continue;
            };
            let message = "this sends a second value on the same way, and whoever receives takes one: it waits for ever";
            let finding = context
                .finding(&RULE, Operation::ChanSend, second, Verdict::Suspect, message)
                .help("Return after the first send, or receive both.")
                .related(context.location(first), "the first value is sent here")
                .related(location(context.ir()[object].site), "the channel is made here")
                .related(
                    context.location(At { func: crowd.func, instr: sender.spawn }),
                    "the goroutine is started here",
                );
            let remedy = super::remedy::return_after(context, first, second);
            let mut finding = finding.fix_by(remedy);
            if let Some((title, edit)) = super::abandoned_sender::room_for(context, &crowd) {
                finding = finding.fix(title, vec![edit]);
            }
            found.push(finding);
        }
    }
}

/// Whether all values would be received if nobody sent twice.
pub(super) fn is_by_two(context: &Context<'_>, crowd: &Crowd) -> bool {
    if crowd.senders.iter().all(|sender| sender.most < 2) || crowd.senders.iter().any(|sender| sender.most > 2) {
        return false;
    }
    let mut once = crowd.clone();
    once.senders.iter_mut().for_each(|sender| sender.most = sender.most.min(1));
    once.has_room(context) || once.left(context).is_none()
}

/// Two of some operations that one way comes to, in order.
fn pair(context: &Context<'_>, ats: impl Iterator<Item = At>) -> Option<(At, At)> {
    let ats: Vec<At> = ats.collect();
    let func = ats.first()?.func;
    let mut hit = None;
    let entry = context.ir()[func].entry();
    let answer = context.analysis.search(func, entry, None, |first, step| {
        let Some(instr) = Context::step_instr(step) else {
            return Visit::On;
        };
        let at = At { func, instr };
        if !ats.contains(&at) {
            return Visit::On;
        }
        match *first {
            None => *first = Some(at),
            Some(first) => {
                hit = Some((first, at));
                return Visit::Found;
            }
        }
        Visit::On
    });
    answer.trace()?;
    hit
}
