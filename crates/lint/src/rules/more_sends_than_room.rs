//! More values are sent than are ever received and fit into the channel.

use gorphan_model::{Operation, Verdict};

use super::abandoned_sender::{is_too_few, room_for};
use super::context::location;
use super::crowd::crowd;
use super::{Context, Rule, verdict};
use crate::finding::Finding;
use crate::ir::At;

/// See `GR2002.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2002",
    name: "more-sends-than-room",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (object, _) in context.own_channels() {
        let Some(crowd) = crowd(context, object) else {
            continue;
        };
        if crowd.has_room(context) {
            continue;
        }
        let Some(left) = crowd.left(context) else {
            continue;
        };
        if !is_too_few(context, &crowd, &left) || super::double_send::is_by_two(context, &crowd) {
            continue;
        }
        let name = context.text(crowd.place, "the channel");
        let function = &context.ir()[crowd.func].name;
        for sender in &crowd.senders {
            let verdict = match sender.in_loop.is_some() || sender.least == 0 {
                true => Verdict::Suspect,
                false => verdict(left.trace.guesses),
            };
            // Of several sends on one way the last is too much.
            let sends = sender.sends.iter().skip(usize::from(sender.most > 1));
            for send in sends {
                let message = format!(
                    "the goroutine waits for {function} to receive from {name}, and {function} takes fewer values than are sent"
                );
                let mut finding = context
                    .finding(&RULE, Operation::ChanSend, send.at, verdict, message)
                    .help("Give the channel room for every value that may be sent, or receive them all.")
                    .related(location(context.ir()[object].site), "the channel is made here")
                    .related(context.location(At { func: crowd.func, instr: sender.spawn }), "the goroutine is started here");
                for receive in crowd.receives.iter().take(2) {
                    finding = finding.related(context.location(receive.at), "one value is received here");
                }
                if let Some((title, edit)) = room_for(context, &crowd) {
                    finding = finding.fix(title, vec![edit]);
                }
                found.push(finding);
            }
        }
    }
}
