//! A lock that its holder locks again.

use gorphan_model::{Operation, Verdict};

use super::held::Touch;
use super::{Context, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{At, FuncId, InstrId, Mode, ObjectKind, Op, PlaceId, Shape, VarKind};
use crate::summary::{EffectKind, Step, Trace, Visit};

/// See `GR2022.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2022",
    name: "double-lock",
    check,
};

/// A lock locked again by who holds it.
#[derive(Debug, Clone)]
pub(super) struct Again {
    /// Which.
    pub(super) lock: PlaceId,
    /// Where it was locked, and how.
    pub(super) first: (InstrId, Mode),
    /// The instruction that locks it again: the operation itself or a call.
    pub(super) second: InstrId,
    /// The operation itself, and how.
    pub(super) inner: (At, Mode),
    /// Whether the call always comes to it.
    pub(super) always: bool,
    /// The way there.
    pub(super) trace: Trace,
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (func, _) in context.ir().funcs() {
        for lock in context.locks_of(func) {
            let bad = |held: Mode, wanted: Mode| held == Mode::Write || wanted == Mode::Write;
            if let Some(again) = again(context, func, lock, bad) {
                found.push(report(context, func, &again));
            }
        }
    }
    check_once(context, found);
}

/// The first time on some way that a lock is locked by who holds it, in modes that are asked for.
pub(super) fn again(
    context: &Context<'_>,
    func: FuncId,
    lock: PlaceId,
    is_bad: impl Fn(Mode, Mode) -> bool,
) -> Option<Again> {
    let ir = context.ir();
    // What a call gives back is another name each time.
    let is_given = ir[ir.base(lock)].kind == VarKind::Temp;
    if !context.is_exact(lock) || is_given {
        return None;
    }
    let mut hit = None;
    let entry = ir[func].entry();
    let answer = context.analysis.search(func, entry, None, |held: &mut Option<(InstrId, Mode)>, step| {
        let Some(instr) = Context::step_instr(step) else {
            return Visit::On;
        };
        // The next one of a range: another lock by the same name.
        if matches!(ir[func][instr].op, Op::Assign { to, .. } if to == lock) {
            *held = None;
            return Visit::On;
        }
        match context.touch(func, step, lock) {
            Some(Touch::Lock(at, mode, always) | Touch::Both(at, mode, always)) => match held {
                Some((first, before)) if is_bad(*before, mode) => {
                    hit = Some(((*first, *before), instr, (at, mode), always));
                    return Visit::Found;
                }
                Some(_) => {}
                None if !matches!(context.touch(func, step, lock), Some(Touch::Both(..))) => {
                    *held = Some((instr, mode));
                }
                None => {}
            },
            Some(Touch::Unlock(mode)) if held.is_none_or(|(_, before)| before == mode) => *held = None,
            Some(Touch::Unlock(_) | Touch::Lost) => return Visit::Cut,
            None => {}
        }
        Visit::On
    });
    let trace = answer.trace()?;
    let (first, second, inner, always) = hit?;
    // Another goroutine may unlock what this one has locked.
    if is_unlocked_elsewhere(context, func, lock) {
        return None;
    }
    // A function that comes to itself again mostly sees to it that it does not get so far.
    if inner.0.func == func && inner.0.instr != second {
        return None;
    }
    Some(Again { lock, first, second, inner, always, trace })
}

/// The operation in which a lock blocks.
pub(super) fn operation(context: &Context<'_>, lock: PlaceId, mode: Mode) -> Operation {
    let ir = context.ir();
    let is_rw = context.objects(lock).iter().any(|object| {
        matches!(ir[*object].kind, ObjectKind::Value { shape: Shape::RwMutex, .. })
    });
    match (is_rw || mode == Mode::Read, mode) {
        (false, _) => Operation::MutexLock,
        (true, Mode::Write) => Operation::RwMutexLock,
        (true, Mode::Read) => Operation::RwMutexRLock,
    }
}

fn report(context: &Context<'_>, func: FuncId, again: &Again) -> Finding {
    let Again { lock, first: (first, _), second, inner: (inner, mode), .. } = *again;
    let name = context.text(lock, "the lock");
    let at = At { func, instr: second };
    let is_sure = again.always && context.is_settled(lock);
    let verdict = match is_sure {
        true => verdict(again.trace.guesses),
        false => Verdict::Suspect,
    };
    let message = match inner == at {
        true => format!("{name} is locked by the goroutine that holds it already: it waits for itself"),
        false => format!(
            "this calls {}, which locks {name}, and the caller holds it: the goroutine waits for itself",
            context.ir()[inner.func].name
        ),
    };
    let first = context.location(At { func, instr: first });
    let mut finding = context
        .finding(&RULE, operation(context, lock, mode), at, verdict, message)
        .help("Unlock before, or split what is called into a part that expects the lock to be held.")
        .related(first, format!("{name} is locked here"));
    if inner != at {
        finding = finding.related(context.location(inner), "and locked again here");
    }
    finding
}

/// `once.Do` within what the same once runs.
fn check_once(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        let onces = body.instrs().filter_map(|(instr, one)| match one.op {
            Op::OnceBegin { once } => Some((instr, once)),
            _ => None,
        });
        for (begin, once) in onces.filter(|(_, once)| context.is_exact(*once)) {
            let mut hit = None;
            let answer = context.analysis.search(func, body.entry(), false, |held, step| {
                let Some(instr) = Context::step_instr(step) else {
                    return Visit::On;
                };
                if matches!(step, Step::Run(instr) if instr == begin) {
                    *held = true;
                    return Visit::On;
                }
                let effects = context.effects(func, step);
                let own = |kind: EffectKind| {
                    effects.iter().find(|effect| effect.kind == kind && effect.place == once && !effect.spawned)
                };
                if *held && let Some(effect) = own(EffectKind::OnceBegin) {
                    hit = Some((instr, effect.at, effect.always));
                    return Visit::Found;
                }
                if own(EffectKind::OnceEnd).is_some() {
                    return Visit::Cut;
                }
                Visit::On
            });
            if let (Some(trace), Some((instr, inner, always))) = (answer.trace(), hit) {
                let name = context.text(once, "the once");
                let at = At { func, instr };
                let verdict = if always { verdict(trace.guesses) } else { Verdict::Suspect };
                let message = format!("what {name}.Do runs comes to {name}.Do again: the goroutine waits for itself");
                let finding = context
                    .finding(&RULE, Operation::MutexLock, at, verdict, message)
                    .help("Take what needs the result out of what makes it.")
                    .related(context.location(inner), "it waits here for the first call to return");
                found.push(finding);
            }
        }
    }
}

/// Whether what a function starts unlocks a lock that it has not locked itself.
pub(super) fn is_unlocked_elsewhere(context: &Context<'_>, func: FuncId, lock: PlaceId) -> bool {
    let ir = context.ir();
    let runs = context.live().runs(func);
    let by_child = ir.children(func).any(|child| {
        let has = |wanted: fn(&Op) -> Option<PlaceId>| {
            let mut instrs = ir[child].instrs();
            instrs.any(|(_, instr)| wanted(&instr.op) == Some(lock))
        };
        let unlocks = has(|op| match op {
            Op::Unlock { lock, .. } => Some(*lock),
            _ => None,
        });
        let locks = has(|op| match op {
            Op::Lock { lock, .. } => Some(*lock),
            _ => None,
        });
        let is_given = || {
            context.live().is_spawned(child)
                && super::missing_unlock::is_given_first(context, child, lock)
        };
        unlocks && (is_given() || (!locks && !runs.contains(&child)))
    });
    let by_parent = || {
        let around = std::iter::successors(ir[func].parent, |func| ir[*func].parent);
        around.into_iter().any(|parent| {
            let mut instrs = ir[parent].instrs();
            instrs.any(|(_, instr)| matches!(instr.op, Op::Unlock { lock: other, .. } if context.objects(other).iter().any(|object| context.objects(lock).contains(object))))
        })
    };
    by_child || by_parent()
}
