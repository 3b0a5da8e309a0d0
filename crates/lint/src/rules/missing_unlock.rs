//! A lock that one way out of a function keeps and another one gives back.

use gorphan_model::Operation;

use super::context::location;
use super::held::Touch;
use super::{Context, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{At, End, FuncId, InstrId, Mode, Op, PlaceId, Shape, Site};
use crate::summary::{Exit, Step, Trace, Visit};

/// See `GR2021.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2021",
    name: "missing-unlock",
    check,
};

/// Whether the lock is held, on one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Free,
    /// By the operation that is asked about.
    Held,
    /// By another one.
    Other,
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        for (instr, one) in body.instrs() {
            let Op::Lock { lock, mode, is_try: false, .. } = one.op else {
                continue;
            };
            // Who unlocks what it has not locked was called with the lock, and gives it back so.
            if is_given_first(context, func, lock) {
                continue;
            }
            if !context.is_exact(lock) || is_for_callers(context, func, lock) || is_matched(context, func, instr, lock) {
                continue;
            }
            let Some(trace) = kept(context, func, instr, lock, mode) else {
                continue;
            };
            if given_back(context, func, instr, lock, mode) && !is_handed_over(context, func, lock) {
                found.push(report(context, At { func, instr }, lock, mode, &trace));
            }
        }
    }
}

/// A way on which the function returns with the lock.
fn kept(context: &Context<'_>, func: FuncId, instr: InstrId, lock: PlaceId, mode: Mode) -> Option<Trace> {
    walk(context, func, instr, lock, mode, |state, step| {
        state == State::Held && matches!(step, Step::Exit(_, Exit::Return))
    })
}

/// Whether there is a way on which it is given back.
fn given_back(context: &Context<'_>, func: FuncId, instr: InstrId, lock: PlaceId, mode: Mode) -> bool {
    let back = walk(context, func, instr, lock, mode, |state, step| {
        state == State::Held && context.touch(func, step, lock) == Some(Touch::Unlock(mode))
    });
    back.is_some()
}

fn walk(
    context: &Context<'_>,
    func: FuncId,
    instr: InstrId,
    lock: PlaceId,
    mode: Mode,
    is_end: impl Fn(State, Step) -> bool,
) -> Option<Trace> {
    let entry = context.ir()[func].entry();
    let answer = context.analysis.search(func, entry, State::Free, |state, step| {
        if is_end(*state, step) {
            return Visit::Found;
        }
        if step == Step::Run(instr) {
            // Locking it twice is another rule's.
            if *state == State::Held {
                return Visit::Cut;
            }
            *state = State::Held;
            return Visit::On;
        }
        match context.touch(func, step, lock) {
            Some(Touch::Lost) => return Visit::Cut,
            Some(Touch::Lock(..)) if *state == State::Free => *state = State::Other,
            Some(Touch::Lock(..)) => return Visit::Cut,
            Some(Touch::Unlock(other)) if other == mode => *state = State::Free,
            Some(Touch::Unlock(_) | Touch::Both(..)) | None => {}
        }
        Visit::On
    });
    answer.trace()
}

/// Whether a function locks for those who call it, as its name tells.
fn is_for_callers(context: &Context<'_>, func: FuncId, lock: PlaceId) -> bool {
    let ir = context.ir();
    let name = ir[func].name.rsplit('.').next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    
    // A closure that unlocks and that the function does not run itself is given to somebody.
    let gives = ir.children(func).any(|child| {
        let mut instrs = ir[child].instrs();
        let unlocks = instrs.any(|(_, instr)| matches!(instr.op, Op::Unlock { lock: other, .. } if other == lock));
        unlocks && !context.live().callees(func).contains(&child)
    });
    gives || name.contains("lock")
}

/// Whether another function unlocks what it has not locked: then the lock may be given to it.
pub(super) fn is_handed_over(context: &Context<'_>, func: FuncId, lock: PlaceId) -> bool {
    let ir = context.ir();
    let mut objects = context.objects(lock).iter();
    objects.any(|object| {
        let mut operations = context.analysis.operations(*object).iter();
        operations.any(|at| {
            if at.func == func || ir[at.func].parent == Some(func) {
                return false;
            }
            let Op::Unlock { lock, mode } = ir.instr(*at).op else {
                return false;
            };
            unlocks_first(context, *at, lock, mode)
        })
    })
}

/// Whether a function unlocks a lock that it has not locked.
pub(super) fn is_given_first(context: &Context<'_>, func: FuncId, lock: PlaceId) -> bool {
    let mut instrs = context.ir()[func].instrs();
    instrs.any(|(instr, one)| match one.op {
        Op::Unlock { lock: other, mode } if other == lock => {
            unlocks_first(context, At { func, instr }, lock, mode)
        }
        _ => false,
    })
}

/// Whether a way through a function comes to an unlock with the lock not locked on it.
fn unlocks_first(context: &Context<'_>, at: At, lock: PlaceId, mode: Mode) -> bool {
    let ir = context.ir();
    let locks = |func: FuncId| {
        let mut instrs = ir[func].instrs();
        instrs.any(|(_, instr)| matches!(instr.op, Op::Lock { lock: other, .. } if other == lock))
    };
    let around = std::iter::successors(ir[at.func].parent, |func| ir[*func].parent);
    if !context.live().is_spawned(at.func) && around.into_iter().any(locks) {
        return false;
    }
    let entry = ir[at.func].entry();
    let answer = context.analysis.search(at.func, entry, (), |(), step| {
        let is_it = Context::step_instr(step) == Some(at.instr) && !matches!(step, Step::Arm(_));
        if is_it {
            return Visit::Found;
        }
        match context.touch(at.func, step, lock) {
            Some(Touch::Lock(_, other, _)) if other == mode => Visit::Cut,
            Some(Touch::Lost) => Visit::Cut,
            _ => Visit::On,
        }
    });
    answer.trace().is_some()
}

fn report(context: &Context<'_>, at: At, lock: PlaceId, mode: Mode, trace: &Trace) -> Finding {
    let ir = context.ir();
    let name = context.text(lock, "the lock");
    let is_rw = ir
        .aliases
        .objects(&ir.places, lock)
        .iter()
        .any(|object| matches!(ir[*object].kind, crate::ir::ObjectKind::Value { shape: Shape::RwMutex, .. }));
    let operation = match (is_rw, mode) {
        (false, _) => Operation::MutexLock,
        (true, Mode::Write) => Operation::RwMutexLock,
        (true, Mode::Read) => Operation::RwMutexRLock,
    };
    let unlock = match mode {
        Mode::Write => "Unlock",
        Mode::Read => "RUnlock",
    };
    let message = format!(
        "{name} is locked here and one way out of the function keeps it: whoever locks it next waits for ever"
    );
    let mut finding = context
        .finding(&RULE, operation, at, verdict(trace.guesses), message)
        .help(format!("Call {name}.{unlock}() on every way out, best with defer right behind the lock."));
    let end = match trace.last {
        Step::Exit(block, _) => Some(block),
        _ => None,
    };
    finding.fixes = super::remedy::unlock(context, at, lock, mode, end);
    if let Some(block) = end {
        let site = Site {
            file: ir[at.func].site.file,
            span: ir[at.func][block].span,
        };
        finding = finding.related(location(site), format!("it returns here without {name}.{unlock}()"));
    }
    finding
}

/// Whether the lock and an unlock stand under the same condition, asked twice: what happens in between does not change it.
fn is_matched(context: &Context<'_>, func: FuncId, instr: InstrId, lock: PlaceId) -> bool {
    let body = &context.ir()[func];
    let facts_before = |instr: InstrId| {
        let block = context.index().get(At { func, instr }).map(|(block, _)| block);
        let mut facts = Vec::new();
        for (_, from) in body.blocks() {
            if let End::Branch(edges) = &from.exit {
                let edges = edges.iter().filter(|edge| Some(edge.to) == block);
                facts.extend(edges.flat_map(|edge| edge.facts.iter().copied()));
            }
        }
        facts
    };
    let known = facts_before(instr);
    body.instrs().any(|(other, one)| {
        matches!(one.op, Op::Unlock { lock: unlocked, .. } if unlocked == lock)
            && facts_before(other).iter().any(|fact| known.contains(fact))
    })
}
