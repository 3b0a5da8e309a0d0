//! Something of another package that is started and not stopped before its only holder returns.

use gorphan_model::Operation;

use super::abandoned_sender::block_location;
use super::resource::fails;
use super::start_without_stop::RULE;
use super::{Context, Role, verdict};
use crate::finding::Finding;
use crate::ir::{
    At, BlockId, Call, Callee, FuncId, FuncKind, InstrId, ObjectKind, Op, Place, PlaceId, Shape,
    Value, VarId, VarKind,
};
use crate::summary::{Exit, FuncFacts, Step, Trace, Visit};
use crate::syntax::ast::{ExprId, ExprKind, Node, StmtKind};
use crate::syntax::{File, Name, Span};

/// Methods that may well stop what they are called on, whatever is known of them.
const STOPS: [&str; 9] = [
    "stop",
    "close",
    "shutdown",
    "cancel",
    "quit",
    "terminate",
    "kill",
    "wait",
    "done",
];

/// What is started by functions of other packages, as their facts tell.
pub(super) fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        if context.is_main(func) || context.is_test(func) || !context.live().is_live(func) {
            continue;
        }
        for (instr, _, role) in context.index().instrs(func) {
            let Op::Call(call) = body[instr].op else {
                continue;
            };
            let call = &ir[call];
            let Some(facts) = facts_of(context, call) else {
                continue;
            };
            if let (Some(stop), Role::Plain) = (&facts.stopped_by, role)
                && let Some(finding) = started(context, At { func, instr }, call, stop)
            {
                found.push(finding);
            }
        }
    }
}

fn facts_of<'a>(context: &Context<'a>, call: &Call) -> Option<&'a FuncFacts> {
    match call.callee {
        Callee::Extern(callee) => context.ir()[callee].facts.as_ref(),
        _ => None,
    }
}

fn started(context: &Context<'_>, start: At, call: &Call, stop: &str) -> Option<Finding> {
    let ir = context.ir();
    let held = match call.receiver {
        Some(Value::Place(place)) => place,
        Some(_) => return None,
        None => call.results.first().copied().flatten()?,
    };
    let Place::Var(holder) = ir[held] else {
        return None;
    };
    let var = &ir[holder];
    let is_own = var.kind == VarKind::Local
        && var.func == Some(start.func)
        && !var.is_captured
        && var.assignments <= 1;
    if !is_own
        || !is_fresh(context, start.func, holder)
        || !is_only_called(context, start.func, holder)
    {
        return None;
    }
    let error = call
        .results
        .iter()
        .flatten()
        .find_map(|place| match ir[*place] {
            Place::Var(var) if ir[var].shape == Shape::Error => Some(var),
            _ => None,
        });
    let trace = left(context, start, held, error)?;
    let name = context.text(held, "it");
    let Callee::Extern(callee) = call.callee else {
        return None;
    };
    let (called, function) = (&ir[callee].key.name, &ir[start.func].name);
    let message = format!(
        "{called} starts a goroutine that ends with {name}.{stop}, and {function} returns without that: nobody else holds {name}"
    );
    let mut finding = context
        .finding(&RULE, Operation::Select, start, verdict(trace.guesses), message)
        .help(format!("Stop what was started when it is no longer needed, best with defer: defer {name}.{stop}."));
    finding = finding.fix_by(super::remedy::defer_call(
        context,
        start,
        &format!("{name}.{stop}"),
    ));
    if let Step::Exit(block, _) = trace.last {
        finding = finding.related(
            block_location(context, start.func, block),
            "it returns here",
        );
    }
    Some(finding)
}

/// Whether a variable holds what was made in its function: a literal, or what a function gives that makes it anew.
fn is_fresh(context: &Context<'_>, func: FuncId, holder: VarId) -> bool {
    let ir = context.ir();
    ir[func].instrs().any(|(_, instr)| match &instr.op {
        Op::Assign {
            to,
            value: Value::Object(object),
        } => ir[*to] == Place::Var(holder) && matches!(ir[*object].kind, ObjectKind::Value { .. }),
        Op::Call(call) => {
            let call = &ir[*call];
            let gives = call
                .results
                .first()
                .copied()
                .flatten()
                .is_some_and(|to| ir[to] == Place::Var(holder));
            gives && facts_of(context, call).is_some_and(|facts| facts.fresh)
        }
        _ => false,
    })
}

/// Whether source does nothing with a variable but to call methods of it and to ask whether it is nil.
fn is_only_called(context: &Context<'_>, func: FuncId, holder: VarId) -> bool {
    let ir = context.ir();
    let outer = std::iter::successors(Some(func), |func| ir[*func].parent)
        .last()
        .unwrap_or(func);
    let site = ir[outer].site;
    let Some(file) = context.files.get(site.file as usize) else {
        return false;
    };
    matches!(ir[outer].kind, FuncKind::Declared { .. })
        && only_called(file, site.span, ir[holder].name)
}

fn only_called(file: &File, within: Span, name: Name) -> bool {
    let ast = &file.ast;
    let is_it = |expr: ExprId| matches!(ast[ast.unparen(expr)].kind, ExprKind::Name(found) if found == name);
    let (mut uses, mut harmless) = (0_u32, 0_u32);
    for decl in &file.decls {
        let span = ast[*decl].span;
        if span.start > within.start || span.end < within.end {
            continue;
        }
        for (_, node) in ast.walk(Node::Decl(*decl)) {
            match node {
                Node::Expr(id) => match ast[id].kind {
                    ExprKind::Name(found) if found == name => uses += 1,
                    ExprKind::Call { function, .. } => {
                        let selector = ast[ast.unparen(function)].kind;
                        harmless += u32::from(
                            matches!(selector, ExprKind::Selector { operand, .. } if is_it(operand)),
                        );
                    }
                    ExprKind::Binary { left, right, .. } => {
                        let is_nil = |expr: ExprId| file.bytes(ast[expr].span) == b"nil";
                        harmless += u32::from(is_it(left) && is_nil(right));
                    }
                    _ => {}
                },
                Node::Stmt(id) => {
                    if let StmtKind::Assign { left, .. } = ast[id].kind {
                        harmless +=
                            u32::try_from(ast[left].iter().filter(|expr| is_it(**expr)).count())
                                .unwrap_or(0);
                    }
                }
                _ => {}
            }
        }
    }
    uses == harmless
}

/// What one way knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct State {
    started: bool,
    before: Option<BlockId>,
}

/// A way from the start to a return on which no method is called that may stop it.
fn left(context: &Context<'_>, start: At, held: PlaceId, error: Option<VarId>) -> Option<Trace> {
    let ir = context.ir();
    let func = start.func;
    let answer =
        context
            .analysis
            .search(func, ir[func].entry(), State::default(), |state, step| {
                if let Step::Enter(block) = step {
                    if state.started
                        && let Some(before) = state.before
                        && fails(ir, func, before, block, error, held)
                    {
                        return Visit::Cut;
                    }
                    state.before = Some(block);
                    return Visit::On;
                }
                match Context::step_instr(step) {
                    Some(instr) if instr == start.instr => state.started = true,
                    Some(instr) if may_stop(context, func, instr, held) => return Visit::Cut,
                    _ => {}
                }
                match step {
                    Step::Exit(_, Exit::Return) if state.started => Visit::Found,
                    _ => Visit::On,
                }
            });
    answer.trace()
}

/// Whether an instruction calls a method on it that may stop it.
fn may_stop(context: &Context<'_>, func: FuncId, instr: InstrId, held: PlaceId) -> bool {
    let ir = context.ir();
    let Op::Call(call) = ir[func][instr].op else {
        return false;
    };
    let call = &ir[call];
    if call.receiver != Some(Value::Place(held)) {
        return false;
    }
    let Callee::Extern(callee) = call.callee else {
        return true;
    };
    let name = ir[callee].key.name.to_ascii_lowercase();
    let by_name = STOPS.iter().any(|stop| name.contains(stop));
    by_name || facts_of(context, call).is_none_or(|facts| facts.stops)
}
