//! Things that must be closed or stopped, along a way through a function.

use super::Context;
use crate::ir::{
    Callee, Compare, End, FuncId, InstrId, ObjectId, ObjectKind, Op, Package, Place, PlaceId,
    Shape, Test, Value, VarId, VarKind,
};
use crate::summary::{EffectKind, Exit, Step, Trace, Visit};

/// Functions of the standard library that read what they are given, and leave it open.
const READERS: [&str; 5] = ["io", "io/ioutil", "bufio", "encoding/json", "encoding/xml"];

/// Statuses of answers that have no body: No Content, Not Modified.
const NO_BODY: [i64; 2] = [204, 304];

/// Something that is made in a function and must be closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource {
    /// The object.
    pub(super) object: ObjectId,
    /// Who makes it.
    pub(super) func: FuncId,
    /// Where.
    pub(super) make: InstrId,
}

/// All of a kind.
pub(super) fn of_kind(ir: &Package, kind: &str) -> Vec<Resource> {
    let mut all = Vec::new();
    for (func, body) in ir.funcs() {
        for (make, instr) in body.instrs() {
            if let Op::Make(object) = instr.op
                && ir[object].kind == ObjectKind::Resource(known(kind))
            {
                all.push(Resource { object, func, make });
            }
        }
    }
    all
}

/// The kinds are few and known; this gives the one of that name.
fn known(kind: &str) -> &'static str {
    match kind {
        "response body" => "response body",
        "pulled iterator" => "pulled iterator",
        _ => "",
    }
}

/// What one way knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct State {
    made: bool,
    before: Option<crate::ir::BlockId>,
}

/// A way on which a function returns with something neither closed nor given to anybody.
pub(super) fn left_open(context: &Context<'_>, resource: Resource) -> Option<Trace> {
    let ir = context.ir();
    let body = &ir[resource.func];
    let place = place_of(ir, resource)?;
    let error = error_of(ir, resource);
    let answer = context.analysis.search(
        resource.func,
        body.entry(),
        State::default(),
        |state, step| {
            if let Step::Enter(block) = step {
                if state.made
                    && let Some(before) = state.before
                    && fails(ir, resource.func, before, block, error, place)
                {
                    return Visit::Cut;
                }
                state.before = Some(block);
                return Visit::On;
            }
            if step == Step::Run(resource.make) {
                state.made = true;
                return Visit::On;
            }
            if !state.made {
                return Visit::On;
            }
            match step {
                Step::Exit(_, Exit::Return) => Visit::Found,
                Step::Run(instr) | Step::Deferred(instr) | Step::Arm(instr)
                    if is_given(context, resource, instr, place) =>
                {
                    Visit::Cut
                }
                _ => Visit::On,
            }
        },
    );
    answer.trace()
}

/// The variable that gets it.
fn place_of(ir: &Package, resource: Resource) -> Option<PlaceId> {
    let mut places = ir[resource.func]
        .instrs()
        .filter_map(|(_, instr)| match instr.op {
            Op::Assign {
                to,
                value: Value::Object(object),
            } if object == resource.object => Some(to),
            _ => None,
        });
    let place = places.next()?;
    // What is returned right away is the caller's.
    let is_local = matches!(ir[place], Place::Var(var) if ir[var].kind == VarKind::Local);
    is_local.then_some(place)
}

/// The error that is assigned together with it.
fn error_of(ir: &Package, resource: Resource) -> Option<VarId> {
    let body = &ir[resource.func];
    let block = body.block_of(resource.make)?;
    let behind = body[block]
        .instrs()
        .skip_while(|instr| *instr != resource.make)
        .skip(1)
        .take(3);
    let mut errors = behind.filter_map(|instr| match body[instr].op {
        Op::Assign { to, .. } => match ir[to] {
            // What was declared together with something that is not known has no known type either.
            Place::Var(var) if matches!(ir[var].shape, Shape::Error | Shape::Unknown) => Some(var),
            _ => None,
        },
        _ => None,
    });
    errors.next()
}

/// Whether between two blocks it turns out that there was an error, or that there is nothing.
pub(super) fn fails(
    ir: &Package,
    func: FuncId,
    from: crate::ir::BlockId,
    to: crate::ir::BlockId,
    error: Option<VarId>,
    place: PlaceId,
) -> bool {
    let End::Branch(edges) = &ir[func][from].exit else {
        return false;
    };
    let base = ir.base(place);
    edges
        .iter()
        .filter(|edge| edge.to == to)
        .flat_map(|edge| &edge.facts)
        .any(|fact| {
            let vars = &ir[fact.term].vars;
            let of_error = error.is_some_and(|error| vars.contains(&error));
            let is_error = match fact.test {
                Test::Nil => !fact.holds,
                Test::Equals(_) | Test::True => fact.holds,
                _ => false,
            };
            let is_nothing = match fact.test {
                Test::Nil => fact.holds,
                Test::Int(Compare::Equal, status) => fact.holds && NO_BODY.contains(&status),
                _ => false,
            };
            (of_error && is_error) || (vars.contains(&base) && is_nothing)
        })
}

/// Whether an instruction closes it, or gives it to somebody who may.
fn is_given(context: &Context<'_>, resource: Resource, instr: InstrId, place: PlaceId) -> bool {
    let ir = context.ir();
    let base = ir.base(place);
    let is_it = |other: PlaceId| {
        ir.base(other) == base || context.objects(other).contains(&resource.object)
    };
    let op = &ir[resource.func][instr].op;
    match op {
        Op::Release { resource } => is_it(*resource),
        Op::Assign {
            value: Value::Place(from),
            ..
        } => is_it(*from),
        Op::Call(call) => {
            let call = &ir[*call];
            // Read to its end it is as good as closed.
            let reads = match call.callee {
                Callee::Extern(callee) => {
                    let key = &ir[callee].key;
                    READERS.contains(&key.package.as_str())
                        && !matches!(key.name.as_str(), "ReadAll" | "Copy")
                }
                _ => false,
            };
            let mut given = call.args.iter().chain(&call.receiver);
            let is_arg = given.any(|arg| matches!(*arg, Value::Place(place) if is_it(place)));
            let effects = context.effects(resource.func, Step::Run(instr));
            (is_arg && !reads)
                || effects
                    .iter()
                    .any(|effect| effect.kind == EffectKind::Release && is_it(effect.place))
                || captures(ir, call, base)
        }
        Op::Spawn { run, .. } | Op::Defer { run } => match &ir[resource.func][*run].op {
            Op::Release { resource } => is_it(*resource),
            Op::Call(call) => {
                let call = &ir[*call];
                let mut given = call.args.iter().chain(&call.receiver);
                given.any(|arg| matches!(*arg, Value::Place(place) if is_it(place)))
                    || captures(ir, call, base)
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether a closure that is called, or given to somebody, has the variable.
fn captures(ir: &Package, call: &crate::ir::Call, base: VarId) -> bool {
    let has = |func: FuncId| ir[func].captures.contains(&base);
    let direct = matches!(call.callee, Callee::Func(func) if has(func));
    direct
        || call
            .args
            .iter()
            .any(|arg| matches!(*arg, Value::Func(func) if has(func)))
}
