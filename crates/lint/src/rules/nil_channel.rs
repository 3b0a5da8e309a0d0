//! A send to or receive from a channel variable that never gets a channel.

use gorphan_model::Operation;

use super::never_fed::is_nil;
use super::{Context, Role, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{At, Op};

/// See `GR2007.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2007",
    name: "nil-channel",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        for (instr, one) in body.instrs() {
            let at = At { func, instr };
            let (channel, operation, does) = match one.op {
                Op::Send { channel } => (channel, Operation::NilChanSend, "sends to"),
                Op::Recv { channel, .. } => (channel, Operation::NilChanReceive, "receives from"),
                _ => continue,
            };
            // In a select with other cases nil switches a case off.
            let is_choice = matches!(context.index().role(at), Role::Arm { choice: true, .. });
            if is_choice || !is_nil(context, channel) {
                continue;
            }
            let name = context.text(channel, "the channel");
            let declared = ir[ir.base(channel)].site;
            let message = format!("this {does} {name}, which is nil: it is declared and never made");
            let finding = context
                .finding(&RULE, operation, at, verdict(context.guesses_to(at)), message)
                .help(format!("Make the channel: {name} = make(chan T)."))
                .related(super::context::location(declared), "it is declared here");
            found.push(finding);
        }
    }
}
