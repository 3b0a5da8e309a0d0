//! More values are sent than are ever received and fit into the channel.

use gorphan_model::{Operation, Verdict};

use super::abandoned_sender::{is_too_few, room_for};
use super::context::location;
use super::crowd::crowd;
use super::{Context, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{Amount, At, FuncId, ObjectId, Op};
use crate::summary::{EffectKind, Visit};

/// Channels with more room than this are not counted through.
const MOST_ROOM: u8 = 16;

/// See `GR2002.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2002",
    name: "more-sends-than-room",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (object, uses) in context.own_channels() {
        if !uses.receives.is_empty() {
            found.extend(filled(context, object));
        }
    }
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

/// The maker itself sends more than there is room for, before anybody can receive.
fn filled(context: &Context<'_>, object: ObjectId) -> Option<Finding> {
    let ir = context.ir();
    let func = ir[object].func?;
    let Amount::Const(room) = context.capacity(object) else {
        return None;
    };
    let room = u8::try_from(room).ok().filter(|room| *room < MOST_ROOM)?;
    let mut hit = None;
    let entry = ir[func].entry();
    let mut first = None;
    // The second part is how often the channel was made: a second one starts anew.
    let answer = context.analysis.search(func, entry, None, |sent: &mut Option<u8>, step| {
        let Some(instr) = Context::step_instr(step) else {
            return Visit::On;
        };
        let at = At { func, instr };
        if ir[func][instr].op == Op::Make(object) {
            *sent = Some(0);
            return Visit::On;
        }
        let Some(count) = sent else {
            return Visit::On;
        };
        let effects: Vec<_> = context
            .effects(func, step)
            .into_iter()
            .filter(|effect| context.objects(effect.place).contains(&object))
            .collect();
        let others: Vec<At> = effects
            .iter()
            .filter(|effect| effect.kind != EffectKind::Send || effect.spawned)
            .map(|effect| effect.at)
            .collect();
        let mut has_sent = false;
        for effect in &effects {
            let is_sent = effect.kind == EffectKind::Send
                && !effect.spawned
                && effect.always
                && !effect.in_select
                && !effect.passing
                && context.is_only(effect.place, object)
                && context.comes_before(at, effect.at, &others, 6);
            if is_sent {
                first.get_or_insert(effect.at);
                // Of several sends of a call one may exclude the other.
                *count = count.saturating_add(u8::from(!has_sent));
                has_sent = true;
            }
            if *count > room {
                hit = Some(effect.at);
                return Visit::Found;
            }
        }
        match others.is_empty() {
            true => Visit::On,
            false => Visit::Cut,
        }
    });
    let trace = answer.trace()?;
    let (send, first) = (hit?, first?);
    if room > 0 && context.index().is_in_loop(ir, send) {
        return None;
    }
    if !sees_receivers(context, func, object) || may_have_receiver(context, func, object, send) {
        return None;
    }
    let place = super::context::place_of(&ir.instr(send).op)?;
    let name = context.text(place, "the channel");
    let function = &ir[func].name;
    let message = format!("this waits for somebody to receive from {name}, and {function} starts nobody before who would");
    let mut finding = context
        .finding(&RULE, Operation::ChanSend, send, verdict(trace.guesses), message)
        .help("Start who receives before, or give the channel more room.")
        .related(location(ir[object].site), "the channel is made here");
    if first != send {
        finding = finding.related(context.location(first), "its room is taken here");
    }
    Some(finding)
}

/// Whether on some way to the send something was run or started that receives: that it was not would be a guess.
fn may_have_receiver(context: &Context<'_>, func: FuncId, object: ObjectId, send: At) -> bool {
    let entry = context.ir()[func].entry();
    let answer = context.analysis.search(func, entry, false, |has, step| {
        let effects = context.effects(func, step);
        if *has && effects.iter().any(|effect| effect.at == send) {
            return Visit::Found;
        }
        *has |= effects.iter().any(|effect| {
            !matches!(effect.kind, EffectKind::Send) && context.objects(effect.place).contains(&object)
        });
        Visit::On
    });
    answer.trace().is_some()
}

/// Whether all that may receive is run or started by the maker.
fn sees_receivers(context: &Context<'_>, func: FuncId, object: ObjectId) -> bool {
    let instrs = context.index().instrs(func);
    let seen: Vec<At> = instrs
        .flat_map(|(instr, ..)| context.analysis.effects(At { func, instr }))
        .map(|effect| effect.at)
        .collect();
    let receives = context.uses(object).receives;
    receives.iter().all(|receive| seen.contains(&receive.at))
}
