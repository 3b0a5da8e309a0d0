//! A wait for something that only the waiting goroutine itself would do, later.

use gorphan_model::{Operation, Verdict};

use super::context::location;
use super::{ChanUse, Context, Role, Rule, Uses, verdict};
use crate::finding::Finding;
use crate::ir::{At, FuncId, ObjectId, VarKind};
use crate::summary::Visit;

/// See `GR2010.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2010",
    name: "self-wait",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (object, uses) in context.own_channels() {
        let live = |at: &At| context.live().is_live(at.func);
        let sends = uses.sends.iter().map(|send| send.at);
        let feeds: Vec<At> = sends.chain(uses.closes.iter().copied()).filter(live).collect();
        let Some(first) = feeds.first().copied() else {
            continue;
        };
        let is_late = |at: &At| at.func == first.func && context.index().role(*at) == Role::Deferred;
        if !feeds.iter().all(is_late) || context.is_global(object) {
            continue;
        }
        if let Some(finding) = wait(context, object, &uses, first) {
            found.push(finding);
        }
    }
}

/// A receive that comes before what is deferred by a function that is still running.
fn wait(context: &Context<'_>, object: ObjectId, uses: &Uses, feed: At) -> Option<Finding> {
    let ir = context.ir();
    let feeder = feed.func;
    let runs = context.live().runs(feeder);
    let naked = uses.receives.iter().filter(|receive| {
        receive.is_naked && context.is_only(receive.place, object) && context.live().is_live(receive.at.func)
    });
    for receive in naked {
        let is_own = receive.at.func == feeder;
        if is_own && ir[object].func != Some(feeder) {
            // Another call of the function may close it.
            continue;
        }
        if !is_own && (!runs.contains(&receive.at.func) || !is_same(context, feeder, feed, receive)) {
            continue;
        }
        if is_own && !defers_before(context, feeder, feed, receive.at) {
            continue;
        }
        let name = context.text(receive.place, "the channel");
        let function = &ir[feeder].name;
        let verdict = match is_own {
            true => verdict(context.guesses_to(receive.at)),
            false => Verdict::Suspect,
        };
        let message = match is_own {
            true => format!("this waits for {name}, which {function} itself serves only when it returns"),
            false => format!("this waits for {name}, which {function} serves when it returns, and {function} may be what calls this"),
        };
        let finding = context
            .finding(&RULE, Operation::ChanReceive, receive.at, verdict, message)
            .help("Do not wait for the end of a function from within it: signal it and return, or wait in another goroutine.")
            .related(context.location(feed), "it is served here, at the end")
            .related(location(ir[object].site), "the channel is made here");
        return Some(finding);
    }
    None
}

/// Whether the instance that is waited for may be the one that is served: it must not be another one for sure.
fn is_same(context: &Context<'_>, feeder: FuncId, feed: At, receive: &ChanUse) -> bool {
    let ir = context.ir();
    let Some(served) = super::context::place_of(&ir.instr(feed).op) else {
        return false;
    };
    let instrs = context.index().instrs(feeder);
    // What is left out of a call's effects may be what waits, of whichever instance.
    let mut instrs = instrs.map(|(instr, ..)| At { func: feeder, instr });
    if instrs.any(|at| context.analysis.is_cut(at)) {
        return false;
    }
    let instrs = context.index().instrs(feeder);
    let mut others = false;
    for (instr, _, role) in instrs {
        if role == Role::Spawned {
            continue;
        }
        for effect in context.analysis.effects(At { func: feeder, instr }) {
            if effect.at == receive.at && !effect.spawned {
                if effect.place == served {
                    return true;
                }
                others = true;
            }
        }
    }
    // Not seen from here: then it must be a field of something, as a variable has as many instances as its function has calls.
    let base = ir[ir.base(served)].kind;
    !others && matches!(base, VarKind::Receiver | VarKind::Param(_))
}

/// Whether the close is deferred on every way to the receive.
fn defers_before(context: &Context<'_>, func: FuncId, feed: At, receive: At) -> bool {
    let ir = context.ir();
    let entry = ir[func].entry();
    let answer = context.analysis.search(func, entry, (), |(), step| {
        let Some(instr) = Context::step_instr(step) else {
            return Visit::On;
        };
        if matches!(ir[func][instr].op, crate::ir::Op::Defer { run } if run == feed.instr) {
            return Visit::Cut;
        }
        if instr == receive.instr { Visit::Found } else { Visit::On }
    });
    answer.trace().is_none()
}
