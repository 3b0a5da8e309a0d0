//! A goroutine that goes round with a ticker, or sleeping, and that nothing ends.

use gorphan_model::{Operation, Verdict};

use super::context::location;
use super::{Context, Role, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{At, BlockId, End, FuncId, FuncKind, ObjectId, ObjectKind, Op, Place, PlaceId, Test, VarKind};
use crate::summary::Returns;

/// See `GR2043.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2043",
    name: "timed-loop",
    check,
};

/// What methods are called that end the life of what they are methods of.
const ENDS: [&str; 5] = ["close", "stop", "shutdown", "terminate", "quit"];

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        for (instr, _, role) in context.index().instrs(func) {
            let Op::Spawn { run, .. } = body[instr].op else {
                continue;
            };
            let start = At { func, instr };
            if role != Role::Plain || context.is_main(func) || context.is_test(func) || !context.live().is_live(func) {
                continue;
            }
            let Op::Call(call) = body[run].op else {
                continue;
            };
            if !context.analysis.is_sure(call) {
                continue;
            }
            for goroutine in &context.analysis.targets(call).funcs {
                found.extend(endless(context, start, *goroutine));
            }
        }
    }
}

/// A goroutine that never returns and waits for time alone.
fn endless(context: &Context<'_>, start: At, goroutine: FuncId) -> Option<Finding> {
    if may_end(context, goroutine) {
        return None;
    }
    let wait = timed_wait(context, goroutine)?;
    if let Some(stop) = stopped(context, wait, goroutine) {
        return Some(report_stopped(context, start, wait, stop));
    }
    let end = end_of(context, start, goroutine)?;
    (!runs_once(context, start)).then(|| report_endless(context, start, wait, end))
}

/// Whether some way leads out of a function, given that no channel it ranges over is ever closed: time closes none.
fn may_end(context: &Context<'_>, func: FuncId) -> bool {
    let body = &context.ir()[func];
    if !body.unknowns.is_empty() || body.blocks.is_empty() {
        return true;
    }
    let mut seen = vec![false; body.blocks.len()];
    let mut work = vec![BlockId(0)];
    while let Some(block) = work.pop() {
        match seen.get_mut(block.index()) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let calls = body[block].instrs().filter_map(|instr| match body[instr].op {
            Op::Call(call) => Some(context.analysis.returns(call)),
            _ => None,
        });
        let mut ends = calls.filter(|returns| *returns != Returns::Maybe);
        match (ends.next(), &body[block].exit) {
            (Some(Returns::Hangs), _) => {}
            (Some(_), _) | (None, End::Return | End::Panic | End::Goexit | End::Exit) => return true,
            (None, _) => {
                let ways = body.successors(block).into_iter();
                let ways = ways.filter(|(_, facts)| !facts.iter().any(|fact| fact.test == Test::Closed && fact.holds));
                work.extend(ways.map(|(to, _)| to));
            }
        }
    }
    false
}

/// The first wait of a goroutine that it comes to again and again, if it never waits for anything but time.
fn timed_wait(context: &Context<'_>, goroutine: FuncId) -> Option<At> {
    let ir = context.ir();
    let mut first = None;
    for func in context.live().runs(goroutine) {
        for (instr, _, role) in context.index().instrs(func) {
            let at = At { func, instr };
            let is_timed = match &ir[func][instr].op {
                Op::Sleep => true,
                Op::Recv { channel, .. } => match is_of_time(context, *channel) {
                    true => !matches!(role, Role::Arm { default: true, .. }),
                    false => return None,
                },
                Op::Send { .. } | Op::WgWait { .. } | Op::CondWait { .. } | Op::Unknown(_) => return None,
                _ => false,
            };
            if is_timed && first.is_none() && ir[func].is_in_loop(instr) {
                first = Some(at);
            }
        }
    }
    first
}

fn is_of_time(context: &Context<'_>, channel: PlaceId) -> bool {
    let ir = context.ir();
    let objects = context.objects(channel);
    !objects.is_empty() && objects.iter().all(|object| matches!(ir[*object].kind, ObjectKind::Timer { .. }))
}

/// Where the ticker that is waited for is stopped by somebody else, and never set again.
fn stopped(context: &Context<'_>, wait: At, goroutine: FuncId) -> Option<At> {
    let ir = context.ir();
    let Op::Recv { channel, .. } = ir.instr(wait).op else {
        return None;
    };
    let own = context.live().runs(goroutine);
    let mut stop = None;
    for object in context.objects(channel) {
        let mut here = None;
        for at in context.analysis.operations(*object) {
            match ir.instr(*at).op {
                Op::Stop { reset: true, .. } => return None,
                Op::Stop { .. } if !own.contains(&at.func) && context.live().is_live(at.func) => here = here.or(Some(*at)),
                _ => {}
            }
        }
        stop = Some(here?);
    }
    stop.filter(|at| !context.is_main(at.func) && !context.is_test(at.func))
}

/// The method that ends the life of what a goroutine belongs to.
fn end_of(context: &Context<'_>, start: At, goroutine: FuncId) -> Option<FuncId> {
    let ir = context.ir();
    let owners = owners(context, start, goroutine);
    let starts = |receiver: &str| {
        ir.funcs().any(|(id, func)| match &func.kind {
            FuncKind::Declared { key, .. } => {
                id != start.func && key.receiver.as_deref() == Some(receiver) && key.name.eq_ignore_ascii_case("start")
            }
            _ => false,
        })
    };
    let mut ends = ir.funcs().filter(|(_, func)| match &func.kind {
        FuncKind::Declared { key, in_test: false, .. } => {
            let name = key.name.to_ascii_lowercase();
            key.receiver.as_ref().is_some_and(|receiver| owners.contains(&format!("{}.{receiver}", ir.path)))
                && ENDS.contains(&name.as_str())
                && !func.blocks.is_empty()
                // A pair of Start and Stop, of which Start does not start the goroutine, is about something else.
                && !(name == "stop" && key.receiver.as_deref().is_some_and(starts))
        }
        _ => false,
    });
    ends.next().map(|(id, _)| id)
}

/// The types that a goroutine works for: that of its receiver, else those of what it has from the method that starts it.
fn owners(context: &Context<'_>, start: At, goroutine: FuncId) -> Vec<String> {
    let ir = context.ir();
    let of_receiver = |func: FuncId| match &ir[func].kind {
        FuncKind::Declared { key, .. } => key.receiver.as_ref().map(|receiver| format!("{}.{receiver}", ir.path)),
        _ => None,
    };
    if let Some(owner) = of_receiver(goroutine) {
        let is_shared = ir[goroutine].receiver.is_some_and(|var| is_shared(context, var));
        return if is_shared { Vec::new() } else { vec![owner] };
    }
    let mut owners: Vec<String> = Vec::new();
    for var in &ir[goroutine].captures {
        let var = &ir[*var];
        if var.kind == VarKind::Receiver
            && let Some(owner) = var.func.and_then(of_receiver)
        {
            owners.push(owner);
        }
    }
    for place in ir.places.all() {
        if let Place::Field(of, field) = *place
            && matches!(ir[of], Place::Var(var) if ir[goroutine].captures.contains(&var) && !is_shared(context, var))
            && ir[of_base(context, of)].func == Some(start.func)
        {
            owners.push(ir[field].owner.clone());
        }
    }
    owners
}

fn of_base(context: &Context<'_>, place: PlaceId) -> crate::ir::VarId {
    context.ir().base(place)
}

/// Whether what a variable holds lies in a variable of the package: there is one of it, which lives as long as the program.
fn is_shared(context: &Context<'_>, var: crate::ir::VarId) -> bool {
    let ir = context.ir();
    let is_global = |object: &ObjectId| *object != crate::ir::Aliases::OUTSIDE && context.is_global(*object);
    ir.aliases.at_node(crate::ir::Node::Var(var)).iter().any(is_global)
}

/// Whether a start happens once in a program's life: under a `sync.Once`, or where the package is initialised.
fn runs_once(context: &Context<'_>, start: At) -> bool {
    let ir = context.ir();
    let has_once = |func: FuncId| ir[func].instrs().any(|(_, instr)| matches!(instr.op, Op::OnceBegin { .. }));
    let callers = context.analysis.callers(start.func);
    let is_initial = |func: FuncId| ir[func].kind == FuncKind::Made || context.is_main(func);
    has_once(start.func)
        || callers.iter().any(|at| has_once(at.func))
        || (!callers.is_empty() && !context.is_called_from_outside(start.func) && callers.iter().all(|at| is_initial(at.func)))
}

fn report_stopped(context: &Context<'_>, start: At, wait: At, stop: At) -> Finding {
    let ir = context.ir();
    let name = match ir.instr(wait).op {
        Op::Recv { channel, .. } => context.text(channel, "the ticker"),
        _ => "the ticker".to_owned(),
    };
    let guesses = context.guesses_to(wait).min(1) + context.guesses_to(stop).min(1) + context.guesses_to(start).min(1);
    let message = format!("the goroutine waits for {name}, which is stopped elsewhere: Stop does not close the channel, and nothing else ends the loop");
    context
        .finding(&RULE, Operation::ChanReceive, wait, verdict(guesses), message)
        .help("Give the loop a second case that ends it, as <-ctx.Done() or a channel that is closed where the ticker is stopped.")
        .related(context.location(stop), "the ticker is stopped here")
        .related(context.location(start), "the goroutine is started here")
}

fn report_endless(context: &Context<'_>, start: At, wait: At, end: FuncId) -> Finding {
    let ir = context.ir();
    let operation = match ir.instr(wait).op {
        Op::Sleep => Operation::Sleep,
        _ => Operation::ChanReceive,
    };
    let message = format!(
        "the goroutine goes round for ever: nothing ends its loop, {} does not either",
        ir[end].name
    );
    context
        .finding(&RULE, operation, wait, Verdict::Suspect, message)
        .help("Wait in a select with a second case that ends the loop, as <-ctx.Done() or a channel that is closed with the rest.")
        .related(context.location(start), "the goroutine is started here")
        .related(location(ir[end].site), "this ends the life of what it works for, and not the goroutine")
}
