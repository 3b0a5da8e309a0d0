//! A send on a channel from which nobody ever receives.

use gorphan_model::Operation;

use super::{ChanUse, Context, Rule, Uses, context::location, verdict};
use crate::finding::Finding;
use crate::ir::{Amount, FuncId, FuncKind, ObjectId, Op, Place, PlaceId};
use crate::summary::{EffectKind, Visit};

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

/// Whether one way sends more values into a channel than it has room for: in a function that sends, or in one that calls or starts
/// such. What the name of the channel means may change on the way: then it is another one.
fn is_overfilled(context: &Context<'_>, object: ObjectId, sends: &[&ChanUse], room: u8) -> bool {
    /// Callers of callers that are looked at.
    const MAX_LEVELS: u32 = 4;
    let ir = context.ir();
    let mut funcs: Vec<(FuncId, u32)> = Vec::new();
    for send in sends {
        let around = std::iter::successors(Some(send.at.func), |func| ir[*func].parent);
        funcs.extend(around.map(|func| (func, 0)));
    }
    let mut next = 0;
    while let Some((func, level)) = funcs.get(next).copied() {
        next += 1;
        if funcs.iter().take(next - 1).any(|(known, _)| *known == func) {
            continue;
        }
        if overfills(context, object, func, room) {
            return true;
        }
        // Who is given a closure may know how often to call it.
        let is_named = !matches!(ir[func].kind, FuncKind::Closure);
        if level < MAX_LEVELS && is_named && ir[object].func != Some(func) {
            let callers = context.analysis.callers(func).iter();
            funcs.extend(callers.map(|caller| (caller.func, level + 1)));
        }
    }
    false
}

fn overfills(context: &Context<'_>, object: ObjectId, func: FuncId, room: u8) -> bool {
    let ir = context.ir();
    let entry = ir[func].entry();
    let answer = context.analysis.search(func, entry, 0_u8, |sent, step| {
        let Some(instr) = Context::step_instr(step) else {
            return Visit::On;
        };
        let effects = context.effects(func, step);
        let mut sends = effects.iter().filter(|effect| {
            effect.kind == EffectKind::Send
                && !effect.passing
                && !effect.in_select
                && (effect.always || effect.spawned || effect.at.func != func) && context.objects(effect.place).contains(&object)
        });
        match ir[func][instr].op {
            Op::Make(made) if made == object => *sent = 0,
            // Another value by the same name.
            Op::Assign { to, .. } if context.objects(to).contains(&object) || holds(context, to, object) => *sent = 0,
            _ if sends.next().is_some() => *sent += 1,
            _ => {}
        }
        match *sent > room {
            true => Visit::Found,
            false => Visit::On,
        }
    });
    answer.trace().is_some()
}

/// Whether a place holds what has the channel in a field: `message` of `message.answer`.
fn holds(context: &Context<'_>, place: PlaceId, object: ObjectId) -> bool {
    let ir = context.ir();
    let mut operations = context.analysis.operations(object).iter();
    let Place::Var(var) = ir[place] else {
        return false;
    };
    operations.any(|at| super::context::place_of(&ir.instr(*at).op).is_some_and(|place| ir.base(place) == var))
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
            let room = u8::try_from(room).ok()?;
            is_overfilled(context, object, &waiting, room).then_some(false)
        }
        Amount::Const(_) => None,
        Amount::Term(_) | Amount::Unknown => None,
    }
}
