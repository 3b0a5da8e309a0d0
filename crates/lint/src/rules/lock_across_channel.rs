//! A channel is waited for with a lock held that the other side needs first.

use gorphan_model::{Operation, Verdict};

use super::asked::MAX_WAITS;
use super::waits::{Held, Wait, WaitKind, accused, is_staged};
use super::{Context, Rule};
use crate::finding::Finding;
use crate::ir::{Aliases, Amount, At, FuncId, Op};

/// See `GR2025.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2025",
    name: "lock-across-channel",
    check,
};

/// Room of a channel above which it is taken to suffice.
const MAX_ROOM: i64 = 4;

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let mut told: Vec<At> = Vec::new();
    for wait in &context.waits().all {
        if !matches!(wait.kind, WaitKind::Send | WaitKind::Recv) || told.contains(&wait.at) {
            continue;
        }
        let Some(partners) = partners(context, wait) else {
            continue;
        };
        // Room for a value is there at first: the other side must come again.
        let again = !has_no_room(context, wait);
        for held in accused(context, wait, &partners) {
            if let Some((partner, lock)) = all_need(context, held, &partners, wait, again) {
                told.push(wait.at);
                found.push(finding(context, wait, held, partner, lock));
                break;
            }
        }
    }
}

/// The operations that would end the wait, if all are known.
fn partners(context: &Context<'_>, wait: &Wait) -> Option<Vec<At>> {
    let ir = context.ir();
    let mut partners = Vec::new();
    for object in context.known_objects(wait.place)? {
        if *object == Aliases::OUTSIDE || ir.aliases.escape(*object).is_some() {
            return None;
        }
        let uses = context.uses(*object);
        match wait.kind {
            WaitKind::Send => partners.extend(uses.receives.iter().map(|other| other.at)),
            _ => {
                partners.extend(uses.sends.iter().map(|other| other.at));
                partners.extend(&uses.closes);
            }
        }
    }
    partners.retain(|at| context.live().is_live(at.func) && *at != wait.at);
    let may_wait = match wait.kind {
        WaitKind::Send => may_be_full(context, wait, &partners),
        // What was sent before may lie there.
        _ => has_no_room(context, wait),
    };
    if !may_wait {
        return None;
    }
    // Time feeds and closes its channels by itself.
    let is_made = context.objects(wait.place).iter().all(|object| {
        matches!(ir[*object].kind, crate::ir::ObjectKind::Chan { .. })
    });
    (is_made && !partners.is_empty()).then_some(partners)
}

/// Whether a send may find no room. A channel with room is sized for what is sent at once, unless it is small and somebody takes
/// from it again and again.
fn may_be_full(context: &Context<'_>, wait: &Wait, receives: &[At]) -> bool {
    let ir = context.ir();
    let is_served = || receives.iter().all(|at| ir[at.func].is_in_loop(at.instr));
    context
        .objects(wait.place)
        .iter()
        .all(|object| match context.capacity(*object) {
            Amount::Const(0) => true,
            // Where something is asked before, room may be what is asked for.
            Amount::Const(room) => room <= MAX_ROOM && is_served() && is_always(context, wait),
            Amount::Term(_) | Amount::Unknown => false,
        })
}

/// Whether what holds the lock always comes to the wait.
fn is_always(context: &Context<'_>, wait: &Wait) -> bool {
    let mut effects = context.analysis.summary(wait.func).effects.iter();
    effects.any(|effect| effect.at == wait.at && effect.always)
}

fn has_no_room(context: &Context<'_>, wait: &Wait) -> bool {
    let mut channels = context.objects(wait.place).iter();
    channels.all(|object| context.capacity(*object) == Amount::Const(0))
}

/// Where the first partner asks for the lock, if all must have it before they come.
fn all_need(
    context: &Context<'_>,
    held: &Held,
    partners: &[At],
    wait: &Wait,
    again: bool,
) -> Option<(At, At)> {
    let lock = context.known_objects(held.lock)?;
    let mut first = None;
    for partner in partners {
        let before = context.lock_before(*partner, lock, held.mode, (again, MAX_WAITS))?;
        // The very same call is no partner.
        if before == held.at && partner.func == held.at.func && partners.len() == 1 {
            return None;
        }
        if context.is_told_by(before, wait.func) || is_staged(context, wait, held, before) {
            return None;
        }
        // Who waits now with the lock has served it before.
        if before != *partner && is_served_by(context, before, wait.func) {
            return None;
        }
        first = first.or(Some((*partner, before)));
    }
    first
}

/// Whether an operation receives what a function sends or closes itself.
fn is_served_by(context: &Context<'_>, receive: At, func: FuncId) -> bool {
    let Op::Recv { channel, .. } = context.ir().instr(receive).op else {
        return false;
    };
    context.objects(channel).iter().any(|object| {
        let uses = context.uses(*object);
        let mut feeds = uses.sends.iter().map(|send| send.at).chain(uses.closes);
        feeds.any(|at| at.func == func)
    })
}

fn finding(context: &Context<'_>, wait: &Wait, held: &Held, partner: At, lock: At) -> Finding {
    let channel = context.text(wait.place, "the channel");
    let name = context.text(held.lock, "a lock");
    let (verb, operation) = match wait.kind {
        WaitKind::Send => ("sends to", Operation::ChanSend),
        _ => ("receives from", Operation::ChanReceive),
    };
    let other = match context.ir().instr(partner).op {
        Op::Send { .. } => "sends",
        Op::Close { .. } => "closes it",
        _ => "receives",
    };
    let message = format!(
        "this {verb} {channel} with {name} held, and whoever {other} needs {name} first: each waits for the other for ever"
    );
    context
        .finding(&RULE, operation, wait.at, Verdict::Suspect, message)
        .help("Unlock before the operation on the channel, or do not wait: a select with a default.")
        .related(context.location(held.at), format!("{name} is held from here"))
        .related(context.location(lock), "the other side asks for it here")
        .related(context.location(partner), format!("before it {other} here"))
}
