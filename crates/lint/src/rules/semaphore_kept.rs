//! A channel that counts places, of which one way does not give its place back.

use gorphan_model::{Operation, Verdict};

use super::abandoned_sender::block_location;
use super::context::location;
use super::{ChanUse, Context, Role, Rule, Uses, verdict};
use crate::finding::Finding;
use crate::ir::{Amount, At, FuncId, ObjectId, Op};
use crate::summary::{Effect, EffectKind, Exit, Step, Trace, Visit};

/// See `GR2012.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2012",
    name: "semaphore-kept",
    check,
};

/// How the `make` of a channel that only counts is written.
const COUNTS: &[u8] = b"make(chan struct{}";

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (object, uses) in context.own_channels() {
        if !is_semaphore(context, object, &uses) {
            continue;
        }
        for take in &uses.sends {
            found.extend(kept(context, object, take.at));
        }
    }
}

/// Whether whoever sends receives later, and whoever receives has sent, so that the channel's room is places that are taken and given
/// back.
fn is_semaphore(context: &Context<'_>, object: ObjectId, uses: &Uses) -> bool {
    let ir = context.ir();
    let site = ir[object].site;
    let counts = context.files.get(site.file as usize).is_some_and(|file| file.bytes(site.span).starts_with(COUNTS));
    if !counts || context.capacity(object) == Amount::Const(0) || !uses.closes.is_empty() {
        return false;
    }
    let waits = |one: &ChanUse| one.waits && !one.is_range;
    if uses.sends.is_empty() || uses.receives.is_empty() || !uses.sends.iter().all(waits) {
        return false;
    }
    let takes = |func: FuncId| uses.sends.iter().any(|send| send.at.func == func);
    // Who gives back has taken: itself, or around, or who started it.
    let gives_own = |give: &ChanUse| {
        let mut around = std::iter::successors(Some(give.at.func), |func| ir[*func].parent);
        around.any(takes) && !give.is_range
    };
    uses.receives.iter().all(gives_own) && uses.sends.iter().all(|take| gives_later(context, object, take.at))
}

/// Whether some way leads from taking a place to giving one back, in this function or a goroutine it starts.
fn gives_later(context: &Context<'_>, object: ObjectId, take: At) -> bool {
    walk(context, object, take, |gives, _| gives).is_some()
}

/// A way from the place's taking to a step that is looked for; where it is given back and that is not looked for, no further.
fn walk(
    context: &Context<'_>,
    object: ObjectId,
    take: At,
    is_end: impl Fn(bool, Step) -> bool,
) -> Option<Trace> {
    let entry = context.ir()[take.func].entry();
    let answer = context.analysis.search(take.func, entry, false, |has, step| {
        if Context::step_instr(step) == Some(take.instr) && !matches!(step, Step::Deferred(_)) {
            *has = true;
            return Visit::On;
        }
        if !*has {
            return Visit::On;
        }
        let gives = context.effects(take.func, step).iter().any(|effect| gives(context, object, effect));
        match is_end(gives, step) {
            true => Visit::Found,
            false if gives => Visit::Cut,
            false => Visit::On,
        }
    });
    answer.trace()
}

fn gives(context: &Context<'_>, object: ObjectId, effect: &Effect) -> bool {
    matches!(effect.kind, EffectKind::Recv(_) | EffectKind::Escape) && context.objects(effect.place).contains(&object)
}

/// A place that is taken and not given back on some way.
fn kept(context: &Context<'_>, object: ObjectId, take: At) -> Option<Finding> {
    let ir = context.ir();
    if !context.live().is_live(take.func) {
        return None;
    }
    if let Some((goroutine, start, trace)) = kept_by_goroutine(context, object, take) {
        let message = "a goroutine that has this place can return without giving it back: when all places are gone, this waits for ever";
        let finding = context
            .finding(&RULE, Operation::ChanSend, take, Verdict::Suspect, message)
            .help("Give the place back with defer at the start of the goroutine.")
            .related(context.location(start), "the goroutine is started here");
        return Some(ends(context, finding, goroutine, &trace).related(location(ir[object].site), "the places are made here"));
    }
    // Where the channel ends with the function, so do its places.
    if ir[object].func == Some(take.func) {
        return None;
    }
    let trace = walk(context, object, take, |gives, step| !gives && matches!(step, Step::Exit(_, Exit::Return)))?;
    let message = "a place is taken here and one way out of the function keeps it: when all places are gone, this waits for ever";
    let finding = context
        .finding(&RULE, Operation::ChanSend, take, verdict(trace.guesses.max(1)), message)
        .help("Give the place back on every way out, best with defer right behind its taking.");
    Some(ends(context, finding, take.func, &trace).related(location(ir[object].site), "the places are made here"))
}

/// Adds where a way ends.
fn ends(context: &Context<'_>, finding: Finding, func: FuncId, trace: &Trace) -> Finding {
    match trace.last {
        Step::Exit(block, _) => finding.related(block_location(context, func, block), "it returns here with the place"),
        _ => finding,
    }
}

/// The goroutine that is started with a place and is to give it back, its start, and a way on which it does not.
fn kept_by_goroutine(context: &Context<'_>, object: ObjectId, take: At) -> Option<(FuncId, At, Trace)> {
    let ir = context.ir();
    for (instr, _, role) in context.index().instrs(take.func) {
        let start = At { func: take.func, instr };
        let Op::Spawn { run, .. } = ir[take.func][instr].op else {
            continue;
        };
        let Op::Call(call) = ir[take.func][run].op else {
            continue;
        };
        let targets = &context.analysis.targets(call).funcs;
        let effects = context.analysis.effects(start);
        let is_given = effects.iter().any(|effect| gives(context, object, effect) && effect.kind != EffectKind::Escape);
        let ([goroutine], true, Role::Plain) = (targets.as_slice(), is_given, role) else {
            continue;
        };
        // Only where the place is taken for it.
        let follows = walk(context, object, take, |_, step| step == Step::Run(instr)).is_some();
        if !follows || takes_itself(context, object, *goroutine) {
            continue;
        }
        let answer = context.analysis.search(*goroutine, ir[*goroutine].entry(), (), |(), step| {
            let effects = context.effects(*goroutine, step);
            match step {
                _ if effects.iter().any(|effect| gives(context, object, effect)) => Visit::Cut,
                Step::Exit(_, Exit::Return) => Visit::Found,
                _ => Visit::On,
            }
        });
        if let Some(trace) = answer.trace() {
            return Some((*goroutine, start, trace));
        }
    }
    None
}

/// Whether a goroutine takes places of its own.
fn takes_itself(context: &Context<'_>, object: ObjectId, goroutine: FuncId) -> bool {
    let runs = context.live().runs(goroutine);
    let operations = context.analysis.operations(object).iter();
    let mut takes = operations.filter(|at| matches!(context.ir().instr(**at).op, Op::Send { .. }));
    takes.any(|at| runs.contains(&at.func))
}
