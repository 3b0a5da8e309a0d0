//! A wait for a group that is never complete.

use gorphan_model::{Operation, Verdict};

use super::{Context, Role, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{Amount, At, End, FuncId, InstrId, ObjectId, ObjectKind, Op, PlaceId, Shape, TermId, TermKind, Test, VarKind};
use crate::summary::{EffectKind, Exit, Step, Visit};

/// See `GR2031.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2031",
    name: "waitgroup-count",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (object, made) in ir.objects() {
        let is_group = matches!(made.kind, ObjectKind::Value { shape: Shape::WaitGroup, .. });
        if is_group && ir.aliases.escape(object).is_none() {
            never_done(context, object, found);
        }
    }
    for (func, body) in ir.funcs() {
        for (instr, one) in body.instrs() {
            if let Op::WgWait { group } = one.op {
                let wait = At { func, instr };
                if let Some(finding) = in_loop(context, wait, group).or_else(|| skipped(context, wait, group)) {
                    found.push(finding);
                }
            }
        }
    }
}

/// Something is added, and nothing anywhere is ever done.
fn never_done(context: &Context<'_>, object: ObjectId, found: &mut Vec<Finding>) {
    let ir = context.ir();
    let operations = context.analysis.operations(object);
    let live = |at: &&At| context.live().is_live(at.func);
    let adds = |at: &&At| matches!(ir.instr(**at).op, Op::WgAdd { delta: Amount::Const(1..) | Amount::Term(_), .. });
    // A number that is given may be less than nothing.
    let is_given = |term: TermId| matches!(ir[term].kind, TermKind::Var(var) if matches!(ir[var].kind, VarKind::Param(_)));
    let may_be_done = |at: &At| {
        let is_done = match ir.instr(*at).op {
            Op::WgAdd { delta: Amount::Const(..0) | Amount::Unknown, .. } => true,
            Op::WgAdd { delta: Amount::Term(term), .. } => is_given(term),
            _ => false,
        };
        is_done && context.live().is_live(at.func)
    };
    if operations.iter().any(may_be_done) {
        return;
    }
    let Some(add) = operations.iter().filter(live).find(adds) else {
        return;
    };
    for at in operations.iter().filter(live) {
        let Op::WgWait { group } = ir.instr(*at).op else {
            continue;
        };
        if !context.is_only(group, object) {
            continue;
        }
        let is_sure = add.func == at.func && context.guesses_to(*add) == 0;
        let verdict = match is_sure {
            true => verdict(context.guesses_to(*at)),
            false => Verdict::Suspect,
        };
        let name = context.text(group, "the group");
        let message = format!("the goroutine waits for {name}, to which something is added, and nothing ever calls Done on it");
        let finding = context
            .finding(&RULE, Operation::WaitGroup, *at, verdict, message)
            .help(format!("Let everyone who is added call {name}.Done(), best with defer, or start them with {name}.Go."))
            .related(context.location(*add), "it is added to here");
        found.push(finding);
    }
}

/// All are added before a loop that starts them, and the wait is in the loop.
fn in_loop(context: &Context<'_>, wait: At, group: PlaceId) -> Option<Finding> {
    let ir = context.ir();
    let func = wait.func;
    let body = &ir[func];
    let loop_of = |instr: InstrId| {
        let (block, _) = context.index().get(At { func, instr })?;
        body[block].in_loop
    };
    let id = loop_of(wait.instr)?;
    let mut adds = body.instrs().filter(|(_, one)| matches!(one.op, Op::WgAdd { group: other, .. } if other == group));
    let (add, one) = adds.next()?;
    let Op::WgAdd { delta, .. } = one.op else {
        return None;
    };
    let outer = loop_of(add);
    let is_before = outer != Some(id) && outer == body[id].parent && adds.next().is_none();
    let rounds = context.amount(body[id].rounds);
    let is_all = match (delta, rounds) {
        (Amount::Const(delta), _) => delta > 1,
        (Amount::Term(delta), Amount::Term(rounds)) => delta == rounds,
        _ => false,
    };
    // In each round one is done.
    let spawned: Vec<_> = starters(context, func, group)
        .into_iter()
        .filter(|(start, _)| loop_of(*start) == Some(id))
        .collect();
    let (start, done) = spawned.first().filter(|_| spawned.len() == 1)?;
    if !is_before || !is_all || context.ir()[done.func].instrs().any(|(instr, one)| {
        matches!(one.op, Op::WgAdd { .. }) && context.index().is_in_loop(ir, At { func: done.func, instr })
    }) {
        return None;
    }
    let name = context.text(group, "the group");
    let message = format!("the first round waits for all that were added to {name}, and the others are started in later rounds");
    let finding = context
        .finding(&RULE, Operation::WaitGroup, wait, Verdict::Suspect, message)
        .help("Wait behind the loop.")
        .related(context.location(At { func, instr: add }), "all are added here")
        .related(context.location(At { func, instr: *start }), "one is started in each round");
    Some(finding)
}

/// The `go` statements of a function whose goroutine is to be done, with the operation that says so.
fn starters(context: &Context<'_>, func: FuncId, group: PlaceId) -> Vec<(InstrId, At)> {
    let ir = context.ir();
    let mut all = Vec::new();
    for (instr, _, role) in context.index().instrs(func) {
        if role != Role::Plain || !matches!(ir[func][instr].op, Op::Spawn { .. }) {
            continue;
        }
        for effect in context.analysis.effects(At { func, instr }) {
            let done = matches!(effect.kind, EffectKind::WgAdd(Amount::Const(-1)));
            if done && effect.place == group {
                all.push((instr, effect.at));
            }
        }
    }
    all
}

/// One is added, and the goroutine that is started for it can return without being done.
fn skipped(context: &Context<'_>, wait: At, group: PlaceId) -> Option<Finding> {
    let ir = context.ir();
    let objects = context.objects(group);
    let object = *objects.first().filter(|_| objects.len() == 1)?;
    if ir.aliases.escape(object).is_some() {
        return None;
    }
    for (start, done) in starters(context, wait.func, group) {
        let goroutine = done.func;
        // Only where the goroutine itself is done and nobody else could be for it.
        let is_alone = context.analysis.callers(goroutine).iter().all(|at| {
            matches!(ir.instr(*at).op, Op::Spawn { .. }) || context.index().role(*at) == Role::Spawned
        });
        let at = At { func: goroutine, ..done };
        let place = match ir.instr(at).op {
            Op::WgAdd { group, .. } => group,
            _ => continue,
        };
        if !is_alone || !is_one_for_one(context, At { func: wait.func, instr: start }, group, done) {
            continue;
        }
        let answer = context.analysis.search(goroutine, ir[goroutine].entry(), (), |(), step| {
            let effects = context.effects(goroutine, step);
            let touches = effects.iter().any(|effect| {
                effect.place == place && matches!(effect.kind, EffectKind::WgAdd(_) | EffectKind::Escape)
            });
            match step {
                _ if touches => Visit::Cut,
                Step::Exit(_, Exit::Return) => Visit::Found,
                _ => Visit::On,
            }
        });
        let Some(trace) = answer.trace() else {
            continue;
        };
        let name = context.text(group, "the group");
        let message = format!("the goroutine waits for {name}, and one that is counted can return without calling Done");
        let mut finding = context
            .finding(&RULE, Operation::WaitGroup, wait, Verdict::Suspect, message)
            .help(format!("Call {name}.Done() with defer at the start of the goroutine, or start it with {name}.Go."))
            .related(context.location(At { func: wait.func, instr: start }), "the goroutine is started here");
        if let Step::Exit(block, _) = trace.last {
            let at = super::abandoned_sender::block_location(context, goroutine, block);
            finding = finding.related(at, "it returns here without Done");
        }
        return Some(finding);
    }
    None
}

/// Whether one is added right before a `go`, and its goroutine says once that it is done: not in a loop, not if it is given a
/// group at all.
fn is_one_for_one(context: &Context<'_>, start: At, group: PlaceId, done: At) -> bool {
    let ir = context.ir();
    let body = &ir[start.func];
    let Some((block, _)) = context.index().get(start) else {
        return false;
    };
    let before = body[block].instrs().take_while(|instr| *instr != start.instr);
    let mut adds = before.filter(|instr| {
        matches!(body[*instr].op, Op::WgAdd { group: other, delta: Amount::Const(1) } if other == group)
    });
    let Op::WgAdd { group: own, .. } = ir.instr(done).op else {
        return false;
    };
    let own = ir.base(own);
    let asks = ir[done.func].blocks().any(|(_, block)| match &block.exit {
        End::Branch(edges) => edges.iter().flat_map(|edge| &edge.facts).any(|fact| {
            fact.test == Test::Nil && ir[fact.term].vars.contains(&own)
        }),
        _ => false,
    });
    adds.next().is_some() && !asks && !context.index().is_in_loop(ir, done)
}
