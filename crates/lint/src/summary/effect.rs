//! What calls do.

use crate::ir::{Amount, At, End, Mode, ObjectKind, Op, Package, PlaceId, RecvKind};

/// What a call of a function does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Whether it comes back.
    pub returns: Returns,
    /// What it does before it returns, and what goroutines do that it starts.
    pub effects: Vec<Effect>,
    /// Whether effects are left out because there are too many or something was not understood: it may do anything to what it
    /// is given.
    pub is_partial: bool,
    /// Whether effects are left out for a limit's sake, or because source was not understood; not only because somebody is called who
    /// is not known.
    pub is_cut: bool,
}

/// Whether a function comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Returns {
    /// It may.
    #[default]
    Maybe,
    /// Never: every way ends in a panic or the goroutine's end. Deferred instructions of callers run.
    Panics,
    /// Never: the process ends.
    Exits,
    /// Never: it has a loop without an end, or waits for ever.
    Hangs,
}

/// One thing that is done to a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// What.
    pub kind: EffectKind,
    /// To what: of an instruction's effect in terms of its function, of a summary's in terms of parameters, receiver, captured
    /// and package variables.
    pub place: PlaceId,
    /// The operation itself, in whatever function it stands.
    pub at: At,
    /// Whether it is done on every way to the function's return; of an instruction's own operation true.
    pub always: bool,
    /// Whether it may be done more than once.
    pub many: bool,
    /// Whether a goroutine does it that is started on the way, and not the caller itself.
    pub spawned: bool,
    /// Whether it cannot wait long: it stands in a select with a default, or with another arm that time serves.
    pub passing: bool,
    /// Whether it stands in a select with other arms.
    pub in_select: bool,
    /// Whether every call on the way to it has one known callee: no choice among function values or implementations.
    pub direct: bool,
    /// Whether a call on the way to it says by a boolean argument whether it is done, perhaps: `match(subject, doLock)`.
    pub switched: bool,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the operation of the IR it is named after"
)]
pub enum EffectKind {
    Send,
    Recv(RecvKind),
    Close,
    Lock(Mode),
    TryLock(Mode),
    Unlock(Mode),
    WgAdd(Amount),
    WgWait,
    CondWait,
    CondWake {
        all: bool,
    },
    OnceBegin,
    OnceEnd,
    Cancel,
    Stop {
        reset: bool,
    },
    Release,
    /// Something not known gets hold of the place and may do anything to it, now or later.
    Escape,
}

/// What an operation does to which place.
pub(super) fn kind_of(op: &Op) -> Option<(EffectKind, PlaceId)> {
    Some(match op {
        Op::Send { channel } => (EffectKind::Send, *channel),
        Op::Recv { channel, kind, .. } => (EffectKind::Recv(*kind), *channel),
        Op::Close { channel } => (EffectKind::Close, *channel),
        Op::Lock {
            lock, mode, is_try, ..
        } => match is_try {
            true => (EffectKind::TryLock(*mode), *lock),
            false => (EffectKind::Lock(*mode), *lock),
        },
        Op::Unlock { lock, mode } => (EffectKind::Unlock(*mode), *lock),
        Op::WgAdd { group, delta } => (EffectKind::WgAdd(*delta), *group),
        Op::WgWait { group } => (EffectKind::WgWait, *group),
        Op::CondWait { cond } => (EffectKind::CondWait, *cond),
        Op::CondWake { cond, all } => (EffectKind::CondWake { all: *all }, *cond),
        Op::OnceBegin { once } => (EffectKind::OnceBegin, *once),
        Op::OnceEnd { once } => (EffectKind::OnceEnd, *once),
        Op::Cancel { cancel } => (EffectKind::Cancel, *cancel),
        Op::Stop { timer, reset } => (EffectKind::Stop { reset: *reset }, *timer),
        Op::Release { resource } => (EffectKind::Release, *resource),
        Op::Assign { .. }
        | Op::Make(_)
        | Op::Sleep
        | Op::Call(_)
        | Op::Spawn { .. }
        | Op::Defer { .. }
        | Op::Unknown(_) => return None,
    })
}

/// What an instruction does by itself.
pub(super) fn own(ir: &Package, at: At) -> Option<Effect> {
    let (kind, place) = kind_of(&ir.instr(at).op)?;
    let select = select_of(ir, at);
    Some(Effect {
        kind,
        place,
        at,
        always: true,
        many: kind == EffectKind::Recv(RecvKind::Range),
        spawned: false,
        passing: select.is_some_and(|select| select.passes),
        in_select: select.is_some_and(|select| select.is_choice),
        direct: true,
        switched: false,
    })
}

#[derive(Clone, Copy)]
struct Select {
    passes: bool,
    is_choice: bool,
}

/// The select that an instruction is an arm of.
fn select_of(ir: &Package, at: At) -> Option<Select> {
    let func = &ir[at.func];
    let block = func.block_of(at.instr)?;
    let End::Select { arms, default } = &func[block].exit else {
        return None;
    };
    if !arms.iter().any(|arm| arm.instr == at.instr) {
        return None;
    }
    let is_timed = |place: PlaceId| {
        let objects = ir.aliases.objects(&ir.places, place);
        let timed =
            |object: &crate::ir::ObjectId| matches!(ir[*object].kind, ObjectKind::Timer { .. });
        !objects.is_empty() && objects.iter().all(timed)
    };
    let others = arms.iter().filter(|arm| arm.instr != at.instr);
    let timed = others.map(|arm| &func[arm.instr].op);
    let mut timed = timed.filter(|op| matches!(op, Op::Recv { channel, .. } if is_timed(*channel)));
    Some(Select {
        passes: default.is_some() || timed.next().is_some(),
        is_choice: arms.len() + usize::from(default.is_some()) > 1,
    })
}
