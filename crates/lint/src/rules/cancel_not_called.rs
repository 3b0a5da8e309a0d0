//! A goroutine that waits for the end of a context that nobody ends.

use gorphan_model::Operation;

use super::context::location;
use super::{Context, Role, Rule, verdict};
use crate::finding::Finding;
use crate::summary::Visit;
use crate::ir::{At, Callee, ObjectId, ObjectKind, Op, Parent};

/// See `GR2041.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2041",
    name: "cancel-not-called",
    check,
};

/// Contexts above a context that are looked at; longer chains are not decided.
const MAX_PARENTS: u32 = 16;

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        if context.is_main(func) || !context.live().is_live(func) {
            continue;
        }
        for (instr, one) in body.instrs() {
            let Op::Recv { channel, .. } = one.op else {
                continue;
            };
            let at = At { func, instr };
            if matches!(context.index().role(at), Role::Arm { choice: true, .. }) {
                continue;
            }
            if !ir.aliases.is_known(&ir.places, channel) {
                continue;
            }
            let ends = context.objects(channel).iter().map(|object| endless(context, *object, at));
            let Some(all) = ends.collect::<Option<Vec<ObjectId>>>() else {
                continue;
            };
            let Some(first) = all.first().copied() else {
                continue;
            };
            let verdict = verdict(context.guesses_to(at));
            let message = "the goroutine waits for a context to end, and nothing that runs ever calls its cancel function";
            let finding = context
                .finding(&RULE, Operation::ChanReceive, at, verdict, message)
                .help("Call the cancel function when the work is over, best with defer.")
                .related(location(ir[first].site), "the context is made here");
            found.push(finding.fix_by(super::remedy::defer_cancel(context, first, at)));
        }
    }
}

/// Of the channel of a context that never ends the context.
fn endless(context: &Context<'_>, done: ObjectId, wait: At) -> Option<ObjectId> {
    let ir = context.ir();
    let ObjectKind::Done { context: of } = ir[done].kind else {
        return None;
    };
    if !ir.aliases.is_known(&ir.places, of) {
        return None;
    }
    let objects = context.objects(of);
    let all = objects.iter().all(|object| never_ends(context, *object, wait, MAX_PARENTS));
    // One that never had an end is meant so.
    let has_cancel = |object: &&ObjectId| matches!(ir[**object].kind, ObjectKind::Context { has_cancel: true, .. });
    all.then(|| objects.iter().find(has_cancel).copied())?
}

fn never_ends(context: &Context<'_>, object: ObjectId, wait: At, depth: u32) -> bool {
    let ir = context.ir();
    let ObjectKind::Context { parent, has_deadline: false, .. } = ir[object].kind else {
        return false;
    };
    let mut cancels = ir.objects().filter(|(_, other)| other.kind == ObjectKind::Cancel { context: object });
    if cancels.any(|(cancel, _)| may_be_called(context, cancel, wait)) || depth == 0 {
        return false;
    }
    match parent {
        None | Some(Parent::Never) => true,
        Some(Parent::Unknown) => false,
        Some(Parent::Place(place)) => {
            ir.aliases.is_known(&ir.places, place)
                && context
                    .objects(place)
                    .iter()
                    // One variable may hold the context and what it is made from.
                    .all(|parent| *parent == object || never_ends(context, *parent, wait, depth - 1))
        }
    }
}

/// Whether anybody calls a cancel function but the waiting goroutine behind its wait.
fn may_be_called(context: &Context<'_>, cancel: ObjectId, wait: At) -> bool {
    let ir = context.ir();
    if ir.aliases.escape(cancel).is_some() {
        return true;
    }
    let operations = context.analysis.operations(cancel).iter();
    let calls = operations.filter(|at| matches!(ir.instr(**at).op, Op::Cancel { .. })).copied();
    let mut calls = calls.chain(calls_by_value(context, cancel));
    calls.any(|at| {
        let is_before = || {
            let entry = ir[wait.func].entry();
            let answer = context.analysis.search(wait.func, entry, (), |(), step| {
                let effects = context.effects(wait.func, step);
                if effects.iter().any(|effect| effect.at == at) || (at.func == wait.func && Context::step_instr(step) == Some(at.instr)) {
                    return Visit::Found;
                }
                match Context::step_instr(step) == Some(wait.instr) {
                    true => Visit::Cut,
                    false => Visit::On,
                }
            });
            answer.trace().is_some()
        };
        let is_elsewhere = at.func != wait.func && context.live().is_spawned(at.func);
        is_elsewhere || context.live().is_live_without(at.func, wait.func) || is_before()
    })
}

/// Calls of what a plain `func()` or `func(error)` holds, where that may be the cancel function.
fn calls_by_value<'c>(context: &'c Context<'_>, cancel: ObjectId) -> impl Iterator<Item = At> + 'c {
    let ir = context.ir();
    ir.funcs().flat_map(move |(func, body)| {
        body.instrs().filter_map(move |(instr, one)| match one.op {
            Op::Call(call) => match ir[call].callee {
                Callee::Value(place) if context.objects(place).contains(&cancel) => Some(At { func, instr }),
                _ => None,
            },
            _ => None,
        })
    })
}
