//! Changes that mend what rules find. Each keeps to the simplest forms of source; where it does not fit there is none. That it mends the
//! finding, and makes no other, is tried behind ([`crate::repair`]).

use super::abandoned_sender::block_location;
use super::context::location;
use super::crowd::Crowd;
use super::edit::Spot;
use super::{ChanUse, Context, Role, Uses};
use crate::finding::{Edit, Fix};
use crate::ir::{
    Amount, At, BlockId, FuncId, InstrId, Mode, ObjectId, ObjectKind, Op, Place, PlaceId, VarId,
    VarKind,
};
use crate::summary::{EffectKind, Step};
use crate::syntax::ast::{AssignKind, ExprId, ExprKind, Node, StmtKind};
use crate::syntax::{File, Name, Span};

fn fix(title: impl Into<String>, edits: Vec<Edit>) -> Option<Fix> {
    Some(Fix {
        title: title.into(),
        edits,
    })
}

/// A `return` behind the first of two sends, where it ends its block and the other one stands in another.
pub(super) fn return_after(context: &Context<'_>, first: At, second: At) -> Option<Fix> {
    let ir = context.ir();
    let spot = context.spot(context.location(first))?;
    let other = context.spot(context.location(second))?;
    let is_last =
        spot.next().is_none() && spot.around != other.around && !is_body(context, first.func, spot);
    let is_plain = matches!(spot.kind(), StmtKind::Send { .. });
    let is_free = ir[first.func].results.is_empty() && !leaves_undone(context, first.func, true);
    if !is_last || !is_plain || !is_free || first.func != second.func {
        return None;
    }
    fix("Return after the first send", vec![spot.after("return")?])
}

/// Whether returning earlier from a function would leave something undone that it does at its end without `defer`.
fn leaves_undone(context: &Context<'_>, func: FuncId, closes: bool) -> bool {
    context.index().instrs(func).any(|(instr, _, role)| {
        role == Role::Plain
            && match context.ir()[func][instr].op {
                Op::WgAdd { .. } | Op::Unlock { .. } | Op::Release { .. } | Op::Cancel { .. } => {
                    true
                }
                Op::Close { .. } => closes,
                _ => false,
            }
    })
}

/// Whether the list of a statement is that of the function's body.
fn is_body(context: &Context<'_>, func: FuncId, spot: Spot<'_>) -> bool {
    context.ir()[func].site.span.end == spot.around.end
}

/// A case for the end of the context over which alone the maker leaves its senders.
pub(super) fn context_case(context: &Context<'_>, crowd: &Crowd, send: At) -> Option<Fix> {
    let ir = context.ir();
    let ended = ended_context(context, crowd)?;
    let is_end = |step: Step| matches!(step, Step::Arm(instr) if waits_for(context, crowd.func, instr, ended));
    if crowd.left_unless(context, &is_end).is_some() {
        return None;
    }
    let name = ir[ended].name;
    let is_hidden = ir
        .vars
        .iter()
        .any(|var| var.func == Some(send.func) && var.name == name);
    let body = &ir[send.func];
    if body.parent != Some(crowd.func)
        || is_hidden
        || !body.results.is_empty()
        || leaves_undone(context, send.func, false)
    {
        return None;
    }
    let spot = context.spot(context.location(send))?;
    if !matches!(spot.kind(), StmtKind::Send { .. }) {
        return None;
    }
    let name = context.names.text(name);
    let (value, end) = (
        format!("case {}:", spot.text()),
        format!("case <-{name}.Done():"),
    );
    let lines = ["select {", &value, &end, "\treturn", "}"];
    fix(
        format!("Give up sending when {name} ends"),
        vec![spot.replaced(&lines)?],
    )
}

/// The parameter of the maker whose end one of its selects waits for.
fn ended_context(context: &Context<'_>, crowd: &Crowd) -> Option<VarId> {
    let ir = context.ir();
    let params = ir[crowd.func].params.iter();
    let mut waited = params.filter(|param| {
        let arms = context
            .index()
            .instrs(crowd.func)
            .filter(|(.., role)| matches!(role, Role::Arm { .. }));
        let mut arms = arms.map(|(instr, ..)| instr);
        ir[**param].assignments == 1
            && arms.any(|instr| waits_for(context, crowd.func, instr, **param))
    });
    waited.next().copied()
}

/// Whether a receive waits for the end of the context in a variable.
fn waits_for(context: &Context<'_>, func: FuncId, instr: InstrId, ended: VarId) -> bool {
    let ir = context.ir();
    let Op::Recv { channel, .. } = ir[func][instr].op else {
        return false;
    };
    let objects = context.objects(channel);
    let is_it = |object: &ObjectId| match ir[*object].kind {
        ObjectKind::Done { context } => ir[context] == Place::Var(ended),
        _ => false,
    };
    !objects.is_empty() && objects.iter().all(is_it)
}

/// The lock given back on every way: with `defer`, where it was given back right before returns; else before the return that keeps it.
pub(super) fn unlock(
    context: &Context<'_>,
    lock_at: At,
    lock: PlaceId,
    mode: Mode,
    end: Option<BlockId>,
) -> Vec<Fix> {
    let unlock = match mode {
        Mode::Write => "Unlock()",
        Mode::Read => "RUnlock()",
    };
    let Some(spot) = context.spot(context.location(lock_at)) else {
        return Vec::new();
    };
    let Some((owner, _)) = spot.text().rsplit_once('.') else {
        return Vec::new();
    };
    if !matches!(spot.kind(), StmtKind::Expr(_)) {
        return Vec::new();
    }
    let call = format!("{owner}.{unlock}");
    let deferred = defer_unlock(context, lock_at, lock, spot, &call);
    let before = end.and_then(|end| unlock_before(context, lock_at.func, end, &call));
    deferred.into_iter().chain(before).collect()
}

fn defer_unlock(
    context: &Context<'_>,
    lock_at: At,
    lock: PlaceId,
    spot: Spot<'_>,
    call: &str,
) -> Option<Fix> {
    let ir = context.ir();
    let func = lock_at.func;
    if !is_body(context, func, spot) {
        return None;
    }
    let mut edits = vec![spot.after(&format!("defer {call}"))?];
    for (instr, _, role) in context.index().instrs(func) {
        let at = At { func, instr };
        match ir[func][instr].op {
            Op::Lock { lock: other, .. } if other == lock && at != lock_at => return None,
            Op::Unlock { lock: other, .. } if other == lock => {
                let unlock = context.spot(context.location(at))?;
                let ends = match unlock.next() {
                    Some(next) => {
                        matches!(next.kind(), StmtKind::Return(_)) && !waits_in(next, false)
                    }
                    None => is_body(context, func, unlock),
                };
                if role != Role::Plain || !ends {
                    return None;
                }
                edits.push(unlock.removed()?);
            }
            _ => {}
        }
    }
    fix(format!("Call {call} with defer"), edits)
}

fn unlock_before(context: &Context<'_>, func: FuncId, end: BlockId, call: &str) -> Option<Fix> {
    let spot = context.spot(block_location(context, func, end))?;
    let is_simple = matches!(spot.kind(), StmtKind::Return(_)) && !waits_in(spot, true);
    if !is_simple {
        return None;
    }
    fix(
        format!("Call {call} before this return"),
        vec![spot.before(call)?],
    )
}

/// Whether a statement calls or receives; and, where that is asked, reads what a lock may guard. A new error does neither.
fn waits_in(spot: Spot<'_>, reads: bool) -> bool {
    let ast = &spot.file.ast;
    let StmtKind::Return(values) = spot.kind() else {
        return true;
    };
    let is_error = |expr: ExprId| match ast[ast.unparen(expr)].kind {
        ExprKind::Call { function, .. } => matches!(
            spot.file.text(ast[function].span),
            "errors.New" | "fmt.Errorf"
        ),
        _ => false,
    };
    let is_simple = |value: &ExprId| {
        ast.walk(Node::Expr(*value)).all(|(_, node)| match node {
            Node::Expr(id) => match ast[id].kind {
                ExprKind::Call { .. } => is_error(id),
                ExprKind::Selector { .. } => {
                    !reads || matches!(spot.file.text(ast[id].span), "errors.New" | "fmt.Errorf")
                }
                ExprKind::Name(_) | ExprKind::Literal(_) | ExprKind::Paren(_) => true,
                ExprKind::Binary { .. } | ExprKind::Index { .. } => !reads,
                _ => false,
            },
            Node::Ident(_) => true,
            _ => false,
        })
    };
    !ast[values].iter().all(is_simple)
}

/// Names that a statement `a, b := f()` declares.
fn declared(spot: Spot<'_>) -> Option<[ExprId; 2]> {
    let StmtKind::Assign {
        kind: AssignKind::Define,
        left,
        ..
    } = spot.kind()
    else {
        return None;
    };
    match spot.file.ast[left] {
        [first, second] => Some([first, second]),
        _ => None,
    }
}

/// The second result, thrown away as `_`, gets a name and is deferred: a cancel or stop function.
pub(super) fn defer_second(
    context: &Context<'_>,
    func: FuncId,
    made: Span,
    file: u32,
    name: &str,
) -> Option<Fix> {
    let ir = context.ir();
    let spot = context.spot(location(crate::ir::Site { file, span: made }))?;
    let [_, second] = declared(spot)?;
    let ast = &spot.file.ast;
    let is_free = !ir.vars.iter().any(|var| {
        context.names.text(var.name) == name && (var.func == Some(func) || var.func.is_none())
    });
    if spot.file.text(ast[second].span) != "_" || !is_free || !is_body(context, func, spot) {
        return None;
    }
    let edits = vec![
        spot.part(ast[second].span, name),
        spot.after(&format!("defer {name}()"))?,
    ];
    fix(format!("Call {name} with defer"), edits)
}

/// The cancel function called when its maker returns, which waits for nothing in between.
pub(super) fn defer_cancel(context: &Context<'_>, made: ObjectId, wait: At) -> Option<Fix> {
    let ir = context.ir();
    let func = ir[made].func.filter(|func| *func != wait.func)?;
    let waits = context.index().instrs(func).any(|(instr, ..)| {
        context
            .analysis
            .effects(At { func, instr })
            .iter()
            .any(|effect| {
                let waits = matches!(
                    effect.kind,
                    EffectKind::Recv(_)
                        | EffectKind::Send
                        | EffectKind::WgWait
                        | EffectKind::CondWait
                );
                waits && !effect.spawned
            })
    });
    let site = ir[made].site;
    match waits {
        true => None,
        false => defer_second(context, func, site.span, site.file, "cancel"),
    }
}

/// The channel closed: behind the wait for those who send, or when the one who sends returns.
pub(super) fn close_channel(
    context: &Context<'_>,
    object: ObjectId,
    uses: &Uses,
    range: At,
) -> Option<Fix> {
    let ir = context.ir();
    let maker = ir[object].func?;
    let (make, place) = super::crowd::made_at(context, maker, object)?;
    let Place::Var(var) = ir[place] else {
        return None;
    };
    let name = context.names.text(ir[var].name);
    if ir[var].assignments != 1 || ir[var].kind != VarKind::Local || !uses.closes.is_empty() {
        return None;
    }
    let mut waits = context
        .index()
        .instrs(maker)
        .filter_map(|(instr, _, role)| match ir[maker][instr].op {
            Op::WgWait { group } if role == Role::Plain => Some((At { func: maker, instr }, group)),
            _ => None,
        });
    let wait = waits.next();
    if waits.next().is_some() {
        return None;
    }
    let by_maker = |send: &ChanUse| send.at.func == maker;
    match wait {
        None if uses.sends.iter().all(by_maker) => {
            let spot = context.spot(context.location(At {
                func: maker,
                instr: make,
            }))?;
            let edit = is_body(context, maker, spot)
                .then(|| spot.after(&format!("defer close({name})")))??;
            fix(format!("Close {name} when all is sent"), vec![edit])
        }
        Some((wait, group)) => {
            let spot = context.spot(context.location(wait))?;
            let is_counted = is_in_group(context, maker, object, uses, group)
                && !is_member(context, range, group);
            let is_plain =
                matches!(spot.kind(), StmtKind::Expr(_)) && is_body(context, maker, spot);
            let edit =
                (is_counted && is_plain).then(|| spot.after(&format!("close({name})")))??;
            fix(
                format!("Close {name} when all who send are done"),
                vec![edit],
            )
        }
        None => None,
    }
}

/// Whether all sends stand in goroutines that the maker starts and that are done with a group only at their ends.
fn is_in_group(
    context: &Context<'_>,
    maker: FuncId,
    object: ObjectId,
    uses: &Uses,
    group: PlaceId,
) -> bool {
    let ir = context.ir();
    let mut known: Vec<At> = Vec::new();
    for (instr, _, role) in context.index().instrs(maker) {
        if role != Role::Plain || !matches!(ir[maker][instr].op, Op::Spawn { .. }) {
            continue;
        }
        let effects = context.analysis.effects(At { func: maker, instr });
        let is_done = effects.iter().any(|effect| {
            let is_one = effect.place == group
                && matches!(effect.kind, EffectKind::WgAdd(Amount::Const(-1)));
            is_one && context.index().role(effect.at) == Role::Deferred
        });
        let sends = effects.iter().filter(|effect| {
            effect.kind == EffectKind::Send && context.objects(effect.place).contains(&object)
        });
        if is_done {
            known.extend(sends.map(|send| send.at));
        }
    }
    uses.sends.iter().all(|send| known.contains(&send.at))
}

/// Whether a goroutine is one that a group counts.
fn is_member(context: &Context<'_>, at: At, group: PlaceId) -> bool {
    let ir = context.ir();
    let objects = context.objects(group);
    let counts = |func: FuncId| {
        ir[func].instrs().any(|(_, instr)| {
            matches!(instr.op, Op::WgAdd { group, .. } if context.objects(group).iter().any(|object| objects.contains(object)))
        })
    };
    counts(at.func)
        || context.analysis.callers(at.func).iter().any(|caller| {
            caller.func != at.func
                && ir[caller.func].kind == crate::ir::FuncKind::Made
                && counts(caller.func)
        })
}

/// A drain that does not wait.
pub(super) fn drain_without_wait(context: &Context<'_>, drain: At) -> Option<Fix> {
    let spot = context.spot(context.location(drain))?;
    if !matches!(spot.kind(), StmtKind::Expr(_)) {
        return None;
    }
    let case = format!("case {}:", spot.text());
    let lines = ["select {", &case, "default:", "}"];
    fix(
        "Drain only if there is something",
        vec![spot.replaced(&lines)?],
    )
}

/// The response's body closed with `defer`, behind the check of the error.
pub(super) fn defer_body_close(context: &Context<'_>, make: At) -> Option<Fix> {
    let spot = context.spot(context.location(make))?;
    let [response, error] = declared(spot)?;
    let (file, ast) = (spot.file, &spot.file.ast);
    let (response, error) = (file.text(ast[response].span), file.text(ast[error].span));
    let check = spot.next()?;
    let StmtKind::If {
        init: None,
        condition,
        then,
        otherwise: None,
    } = check.kind()
    else {
        return None;
    };
    let leaves = ast[ast[then].stmts]
        .last()
        .is_some_and(|last| matches!(ast[*last].kind, StmtKind::Return(_)));
    let is_check = file.text(ast[condition].span) == format!("{error} != nil");
    let is_given = is_handed_on(
        file,
        context.ir()[make.func].site.span,
        context.names.find(response)?,
    );
    if !is_check || !leaves || is_given || !is_body(context, make.func, spot) {
        return None;
    }
    fix(
        "Close the body with defer",
        vec![check.after(&format!("defer {response}.Body.Close()"))?],
    )
}

/// Whether a response, or its body, is used for more than its fields and to read from.
fn is_handed_on(file: &File, within: Span, name: Name) -> bool {
    const READERS: [&str; 6] = [
        "io.ReadAll",
        "ioutil.ReadAll",
        "io.Copy",
        "json.NewDecoder",
        "xml.NewDecoder",
        "bufio.NewScanner",
    ];
    let ast = &file.ast;
    let is_it = |expr: ExprId| matches!(ast[expr].kind, ExprKind::Name(found) if found == name);
    let is_body = |expr: ExprId| match ast[expr].kind {
        ExprKind::Selector { operand, field } => is_it(operand) && file.text(field.span) == "Body",
        _ => false,
    };
    let (mut uses, mut fields, mut bodies, mut read) = (0_u32, 0_u32, 0_u32, 0_u32);
    let count = |is: bool| u32::from(is);
    for decl in file
        .decls
        .iter()
        .filter(|decl| ast[**decl].span.start <= within.start && within.end <= ast[**decl].span.end)
    {
        for (_, node) in ast.walk(Node::Decl(*decl)) {
            match node {
                Node::Expr(id)
                    if within.start <= ast[id].span.start && ast[id].span.end <= within.end =>
                {
                    uses += count(is_it(id));
                    bodies += count(is_body(id));
                    match ast[id].kind {
                        ExprKind::Selector { operand, .. } => {
                            fields += count(is_it(operand));
                            read += count(is_body(operand));
                        }
                        ExprKind::Call { function, args, .. }
                            if READERS.contains(&file.text(ast[function].span)) =>
                        {
                            read += u32::try_from(
                                ast[args].iter().filter(|arg| is_body(**arg)).count(),
                            )
                            .unwrap_or(0);
                        }
                        _ => {}
                    }
                }
                Node::Stmt(id) => {
                    if let StmtKind::Assign { left, .. } = ast[id].kind
                        && within.start <= ast[id].span.start
                        && ast[id].span.end <= within.end
                    {
                        fields +=
                            u32::try_from(ast[left].iter().filter(|expr| is_it(**expr)).count())
                                .unwrap_or(0);
                    }
                }
                _ => {}
            }
        }
    }
    uses != fields || bodies != read
}

/// A call that stops what a statement starts, deferred behind it.
pub(super) fn defer_call(context: &Context<'_>, start: At, call: &str) -> Option<Fix> {
    let spot = context.spot(context.location(start))?;
    let is_plain = matches!(
        spot.kind(),
        StmtKind::Expr(_)
            | StmtKind::Assign {
                kind: AssignKind::Define,
                ..
            }
    );
    if !is_plain || !is_body(context, start.func, spot) || !call.ends_with("()") {
        return None;
    }
    // An error tells that there is nothing to stop: behind its check.
    let mut behind = spot;
    if let Some(next) = spot.next()
        && let StmtKind::If {
            init: None,
            condition,
            otherwise: None,
            ..
        } = next.kind()
        && next.file.text(next.file.ast[condition].span) == "err != nil"
    {
        behind = next;
    }
    fix(
        format!("Call {call} with defer"),
        vec![behind.after(&format!("defer {call}"))?],
    )
}

/// The end of a pipe closed by the one goroutine that writes to it.
pub(super) fn defer_close_writer(
    context: &Context<'_>,
    maker: FuncId,
    writer: VarId,
) -> Option<Fix> {
    let ir = context.ir();
    let mut users = ir
        .funcs()
        .filter(|(_, func)| func.captures.contains(&writer))
        .map(|(id, _)| id);
    let (Some(goroutine), None) = (users.next(), users.next()) else {
        return None;
    };
    let is_started = context
        .analysis
        .callers(goroutine)
        .iter()
        .all(|at| at.func == maker && matches!(ir.instr(*at).op, Op::Spawn { .. }));
    let first = context.index().instrs(goroutine).map(|(instr, ..)| {
        context.location(At {
            func: goroutine,
            instr,
        })
    });
    let first = first.min_by_key(|at| at.span.start)?;
    // The first statement of the body, not one inside of it.
    let body = ir[goroutine].site.span;
    let mut spot = context.spot(first)?;
    if spot.around.end != body.end || !is_started {
        return None;
    }
    spot = spot.first();
    let name = context.names.text(ir[writer].name);
    fix(
        format!("Close {name} with defer when all is written"),
        vec![spot.before(&format!("defer {name}.Close()"))?],
    )
}
