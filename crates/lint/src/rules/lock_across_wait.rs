//! A wait group or condition is waited for with a lock held that those need who would end the wait.

use gorphan_model::{Operation, Verdict};

use super::waits::{Held, Wait, WaitKind, accused, is_staged};
use super::{Context, Rule};
use crate::finding::Finding;
use crate::ir::{Amount, At, ObjectId, Op};
use crate::summary::EffectKind;

/// See `GR2026.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2026",
    name: "lock-across-wait",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let mut told: Vec<At> = Vec::new();
    for wait in &context.waits().all {
        if told.contains(&wait.at) {
            continue;
        }
        let reported = match wait.kind {
            WaitKind::Group => group(context, wait),
            WaitKind::Cond => cond(context, wait),
            _ => None,
        };
        if let Some(finding) = reported {
            told.push(wait.at);
            found.push(finding);
        }
    }
}

/// Some goroutine that is waited for needs the lock before it is done.
fn group(context: &Context<'_>, wait: &Wait) -> Option<Finding> {
    let ends = ends(context, wait, |op| {
        matches!(op, Op::WgAdd { delta: Amount::Const(delta), .. } if *delta < 0)
    })?;
    for held in accused(context, wait, &ends) {
        // Another goroutine gives it back meanwhile.
        if super::double_lock::is_unlocked_elsewhere(context, wait.at.func, held.lock) {
            continue;
        }
        let lock = context.known_objects(held.lock)?;
        for done in &ends {
            if adds_itself(context, *done) {
                continue;
            }
            // It was done once before it asks, and that was what is waited for.
            let mut others = ends.iter().filter(|other| other.func == done.func && *other != done);
            if others.any(|other| context.lock_before(*other, lock, held.mode, (false, 0)).is_none()) {
                continue;
            }
            if let Some(before) = context.lock_before(*done, lock, held.mode, (false, 0))
                && !context.is_told_by(before, wait.func)
                && !is_staged(context, wait, held, before)
            {
                let what = "is done";
                return Some(finding(context, wait, held, (*done, before), what));
            }
        }
    }
    None
}

/// Whether what is done was added by the same function before: it takes back what it has added where nothing was started.
fn adds_itself(context: &Context<'_>, done: At) -> bool {
    let Op::WgAdd { group, .. } = context.ir().instr(done).op else {
        return false;
    };
    let instrs = context.index().instrs(done.func);
    let mut effects = instrs.flat_map(|(instr, ..)| {
        let at = At { func: done.func, instr };
        context.analysis.effects(at)
    });
    effects.any(|effect| {
        !effect.spawned
            && matches!(effect.kind, EffectKind::WgAdd(Amount::Const(1..)))
            && context.may_be_same(effect.place, group)
    })
}

/// All who would wake the waiter need another lock first than that of the condition.
fn cond(context: &Context<'_>, wait: &Wait) -> Option<Finding> {
    let ends = ends(context, wait, |op| matches!(op, Op::CondWake { .. }))?;
    let own: Vec<ObjectId> = context.cond_locks(wait.place);
    for held in accused(context, wait, &ends) {
        let lock = context.known_objects(held.lock)?;
        // The condition gives up its own lock meanwhile.
        if own.is_empty() || lock.iter().any(|object| own.contains(object)) {
            continue;
        }
        let befores: Option<Vec<At>> =
            ends.iter().map(|wake| context.lock_before(*wake, lock, held.mode, (false, 0))).collect();
        if let (Some(befores), Some(wake)) = (befores, ends.first())
            && let Some(before) = befores.first()
            && !context.is_told_by(*before, wait.func)
            && !is_staged(context, wait, held, *before)
        {
            return Some(finding(context, wait, held, (*wake, *before), "wakes it"));
        }
    }
    None
}

/// The operations that end a wait, if all are known.
fn ends(context: &Context<'_>, wait: &Wait, is_end: impl Fn(&Op) -> bool) -> Option<Vec<At>> {
    let ir = context.ir();
    let mut ends: Vec<At> = Vec::new();
    for object in context.known_objects(wait.place)? {
        if ir.aliases.escape(*object).is_some() {
            return None;
        }
        let operations = context.analysis.operations(*object).iter();
        ends.extend(operations.filter(|at| is_end(&ir.instr(**at).op)));
    }
    ends.retain(|at| context.live().is_live(at.func));
    (!ends.is_empty()).then_some(ends)
}

fn finding(
    context: &Context<'_>,
    wait: &Wait,
    held: &Held,
    (end, before): (At, At),
    what: &str,
) -> Finding {
    let name = context.text(held.lock, "a lock");
    let (whom, operation) = match wait.kind {
        WaitKind::Group => ("the wait group", Operation::WaitGroup),
        _ => ("the condition", Operation::CondWait),
    };
    let whom = context.text(wait.place, whom);
    let message = format!(
        "this waits for {whom} with {name} held, and whoever {what} needs {name} first: each waits for the other for ever"
    );
    context
        .finding(&RULE, operation, wait.at, Verdict::Suspect, message)
        .help("Unlock before the wait.")
        .related(context.location(held.at), format!("{name} is held from here"))
        .related(context.location(before), "the other side asks for it here")
        .related(context.location(end), format!("before it {what} here"))
}
