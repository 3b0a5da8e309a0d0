//! An end of an `io.Pipe` that is left, so that the other one waits.

use gorphan_model::{Operation, Verdict};

use super::abandoned_sender::block_location;
use super::{Context, Role, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{At, Call, Callee, FuncId, InstrId, ObjectId, ObjectKind, Op, PlaceId, Value, VarId};
use crate::summary::{Exit, Step, Trace, Visit};

/// See `GR2052.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2052",
    name: "pipe-not-closed",
    check,
};

/// A pipe that a function makes.
#[derive(Debug, Clone, Copy)]
struct Pipe {
    func: FuncId,
    reader: ObjectId,
    writer: ObjectId,
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        let mut reader = None;
        for (_, instr) in body.instrs() {
            let Op::Make(object) = instr.op else {
                continue;
            };
            match (&ir[object].kind, reader) {
                (ObjectKind::Resource("pipe reader"), _) => reader = Some(object),
                (ObjectKind::Resource("pipe writer"), Some(reader)) => {
                    let pipe = Pipe { func, reader, writer: object };
                    if !context.is_test(func) && context.live().is_live(func) {
                        found.extend(never_closed(context, pipe).or_else(|| not_read(context, pipe)));
                    }
                }
                _ => {}
            }
        }
    }
}

/// What is read to its end, and nothing ever closes the writing end.
fn never_closed(context: &Context<'_>, pipe: Pipe) -> Option<Finding> {
    let ir = context.ir();
    if ir.aliases.escape(pipe.writer).is_some() || is_closed(context, pipe.writer) || is_closed(context, pipe.reader) {
        return None;
    }
    let mut reads = ir.funcs().flat_map(|(func, body)| {
        context.index().instrs(func).filter_map(move |(instr, ..)| match body[instr].op {
            Op::Call(call) => Some((At { func, instr }, call)),
            _ => None,
        })
    });
    let (at, _) = reads.find(|(at, call)| context.live().is_live(at.func) && reads_all(context, &ir[*call], pipe.reader))?;
    let make = context.location(made(context, pipe.func, pipe.writer)?);
    let message = "this reads from the pipe to its end, and nothing closes the end that is written to: it waits for ever";
    let finding = context
        .finding(&RULE, Operation::Select, at, Verdict::Suspect, message)
        .help("Let who writes close its end when all is written, best with defer: defer writer.Close().")
        .related(make, "the pipe is made here");
    let writer = place_of(context, pipe.func, pipe.writer);
    let remedy = writer.and_then(|writer| super::remedy::defer_close_writer(context, pipe.func, writer));
    Some(finding.fix_by(remedy))
}

/// Whether anything closes one end.
fn is_closed(context: &Context<'_>, end: ObjectId) -> bool {
    let ir = context.ir();
    let released = context.analysis.operations(end).iter().any(|at| matches!(ir.instr(*at).op, Op::Release { .. }));
    // Also through an interface.
    released
        || ir.calls.iter().any(|call| {
            let Callee::Interface(method) = call.callee else {
                return false;
            };
            let is_it = |value: &Value| matches!(*value, Value::Place(place) if context.objects(place).contains(&end));
            ir[method].key.name.starts_with("Close") && call.receiver.iter().any(is_it)
        })
}

/// Whether a call comes back only when all is read.
fn reads_all(context: &Context<'_>, call: &Call, reader: ObjectId) -> bool {
    let ir = context.ir();
    let Callee::Extern(callee) = call.callee else {
        return false;
    };
    let key = &ir[callee].key;
    let which = match (key.package.as_str(), key.receiver.as_deref(), key.name.as_str()) {
        ("io" | "io/ioutil", None, "ReadAll") => 0,
        ("io", None, "Copy" | "CopyBuffer") => 1,
        ("bytes", Some("Buffer"), "ReadFrom") => 0,
        _ => return false,
    };
    let arg = call.args.get(which).copied();
    matches!(arg, Some(Value::Place(place)) if context.objects(place) == [reader])
}

/// A goroutine writes, and the function that made the pipe can return without having read from it or closed it.
fn not_read(context: &Context<'_>, pipe: Pipe) -> Option<Finding> {
    let ir = context.ir();
    let reader = place_of(context, pipe.func, pipe.reader)?;
    let writer = place_of(context, pipe.func, pipe.writer)?;
    let escapes = ir.aliases.escape(pipe.writer).is_some();
    for (start, _, role) in context.index().instrs(pipe.func) {
        if role != Role::Plain || !matches!(ir[pipe.func][start].op, Op::Spawn { .. }) || escapes {
            continue;
        }
        let Some(write) = writes(context, pipe, start, writer) else {
            continue;
        };
        let Some(trace) = left(context, pipe.func, start, [reader, writer]) else {
            continue;
        };
        let function = &ir[pipe.func].name;
        let message = format!("the goroutine waits for {function} to read what it writes, and {function} may have returned without reading or closing the pipe");
        let mut finding = context
            .finding(&RULE, Operation::Select, write, verdict(trace.guesses), message)
            .help("Close the end that is read from on every way out, best with defer: the writer then gets an error.")
            .related(context.location(At { func: pipe.func, instr: start }), "the goroutine is started here");
        if let Step::Exit(block, _) = trace.last {
            finding = finding.related(block_location(context, pipe.func, block), "it returns here");
        }
        return Some(finding);
    }
    None
}

/// The first write to the pipe in a goroutine that a function starts.
fn writes(context: &Context<'_>, pipe: Pipe, start: InstrId, writer: VarId) -> Option<At> {
    let ir = context.ir();
    let Op::Spawn { run, .. } = ir[pipe.func][start].op else {
        return None;
    };
    let Op::Call(call) = ir[pipe.func][run].op else {
        return None;
    };
    let Callee::Func(goroutine) = ir[call].callee else {
        return None;
    };
    let is_it = |value: &Value| matches!(*value, Value::Place(place) if ir.base(place) == writer);
    let mut writes = context.index().instrs(goroutine).filter(|(instr, ..)| match ir[goroutine][*instr].op {
        Op::Call(call) => {
            let call = &ir[call];
            let written = call.receiver.iter().any(is_it) || call.args.first().is_some_and(is_it);
            let Callee::Extern(callee) = call.callee else {
                return false;
            };
            let key = &ir[callee].key;
            written && key.package == "io" && matches!(key.name.as_str(), "Write" | "WriteString" | "Copy" | "CopyN" | "CopyBuffer")
        }
        _ => false,
    });
    let (instr, ..) = writes.next()?;
    Some(At { func: goroutine, instr })
}

/// A way from the start of the writer to a return on which nothing is done to the pipe.
fn left(context: &Context<'_>, func: FuncId, start: InstrId, ends: [VarId; 2]) -> Option<Trace> {
    let ir = context.ir();
    let answer = context.analysis.search(func, ir[func].entry(), false, |has, step| {
        let Some(instr) = Context::step_instr(step) else {
            return match step {
                Step::Exit(_, Exit::Return) if *has => Visit::Found,
                _ => Visit::On,
            };
        };
        if instr == start {
            *has = true;
            return Visit::On;
        }
        match touches(context, func, instr, ends) && !is_made(context, func, instr, ends) {
            true => Visit::Cut,
            false => Visit::On,
        }
    });
    answer.trace()
}

/// Whether an instruction makes the pipe.
fn is_made(context: &Context<'_>, func: FuncId, instr: InstrId, ends: [VarId; 2]) -> bool {
    let ir = context.ir();
    matches!(ir[func][instr].op, Op::Assign { to, value: Value::Object(_) } if ends.contains(&ir.base(to)))
}

/// Whether an instruction has anything to do with an end.
fn touches(context: &Context<'_>, func: FuncId, instr: InstrId, ends: [VarId; 2]) -> bool {
    let ir = context.ir();
    let is_end = |place: PlaceId| ends.contains(&ir.base(place));
    let of_call = |call: &Call| {
        let is_it = |value: &Value| match *value {
            Value::Place(place) => is_end(place),
            Value::Func(func) => ir[func].captures.iter().any(|var| ends.contains(var)),
            _ => false,
        };
        let direct = matches!(call.callee, Callee::Func(func) if ir[func].captures.iter().any(|var| ends.contains(var)));
        direct || call.args.iter().chain(&call.receiver).any(is_it)
    };
    match &ir[func][instr].op {
        Op::Release { resource } => is_end(*resource),
        Op::Assign { to, value } => {
            is_end(*to)
                || match *value {
                    Value::Place(from) => is_end(from),
                    Value::Func(func) => ir[func].captures.iter().any(|var| ends.contains(var)),
                    _ => false,
                }
        }
        Op::Call(call) => of_call(&ir[*call]),
        Op::Spawn { run, .. } | Op::Defer { run } => match &ir[func][*run].op {
            Op::Release { resource } => is_end(*resource),
            Op::Call(call) => of_call(&ir[*call]),
            _ => false,
        },
        Op::Unknown(_) => true,
        _ => false,
    }
}

/// The variable that gets an end.
fn place_of(context: &Context<'_>, func: FuncId, end: ObjectId) -> Option<VarId> {
    let ir = context.ir();
    let mut places = ir[func].instrs().filter_map(|(_, instr)| match instr.op {
        Op::Assign { to, value: Value::Object(object) } if object == end => Some(to),
        _ => None,
    });
    match ir[places.next()?] {
        crate::ir::Place::Var(var) if ir[var].assignments == 1 => Some(var),
        _ => None,
    }
}

fn made(context: &Context<'_>, func: FuncId, object: ObjectId) -> Option<At> {
    let mut instrs = context.ir()[func].instrs();
    let (instr, _) = instrs.find(|(_, one)| one.op == Op::Make(object))?;
    Some(At { func, instr })
}
