//! A channel that one function makes and receives from, and the goroutines it starts to send on it.

use super::order::{comes_first, follows, is_driven, is_within, may_pass};
use super::rounds::is_by_rounds;
use super::{ChanUse, Context, Role};
use crate::ir::{
    Amount, At, BlockId, End, FuncId, InstrId, LoopId, LoopKind, ObjectId, Op, Place, PlaceId,
    Test, Value, VarKind,
};
use crate::summary::{Effect, EffectKind, Exit, Step, Trace, Visit};

/// Sends and receives on one way are counted up to this; more are as good as that many.
pub(super) const MANY: u8 = 8;

/// Sends of one goroutine are told apart up to this.
pub(super) const COUNTED: u8 = 4;

/// A channel with its maker.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    /// The channel.
    pub(super) object: ObjectId,
    /// Who makes it and receives from it.
    pub(super) func: FuncId,
    /// What the maker calls it.
    pub(super) place: PlaceId,
    /// Its room.
    pub(super) room: Amount,
    /// The `make`.
    pub(super) make: InstrId,
    /// The goroutines that send.
    pub(super) senders: Vec<Sender>,
    /// The receives.
    pub(super) receives: Vec<ChanUse>,
}

/// A `go` whose goroutine sends.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    /// The `go`.
    pub(super) spawn: InstrId,
    /// The sends that wait for nothing else.
    pub(super) sends: Vec<Effect>,
    /// Whether the `go` stands in a loop that the `make` does not.
    pub(super) in_loop: Option<LoopId>,
    /// Whether each round receives what it sends before the next one.
    pub(super) by_rounds: bool,
    /// How many of its sends one goroutine comes to, at most.
    pub(super) most: u8,
    /// And at least.
    pub(super) least: u8,
}

/// What one way has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Count {
    sent: u8,
    got: u8,
    /// All is received, or nothing is known.
    drained: bool,
    /// The block that was left last.
    before: Option<BlockId>,
}

/// How senders are left behind.
#[derive(Debug, Clone)]
pub(super) struct Left {
    /// The way.
    pub(super) trace: Trace,
    /// How many values were received on it.
    pub(super) got: u8,
    /// The last `go` on it.
    pub(super) spawn: InstrId,
    /// How it ends: with a return, with another `make`, with a wait for the senders.
    pub(super) end: LeftBy,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftBy {
    /// The maker returns.
    Return(BlockId),
    /// The next round of a loop makes the next channel.
    Round(InstrId),
    /// The maker waits for the senders to be done before it receives.
    Wait(InstrId),
}

/// The channel's maker and its goroutines, if nobody else sends or receives.
pub(super) fn crowd(context: &Context<'_>, object: ObjectId) -> Option<Crowd> {
    let ir = context.ir();
    let func = ir[object].func?;
    let uses = context.uses(object);
    if uses.sends.is_empty() || uses.receives.is_empty() || context.is_global(object) {
        return None;
    }
    let (make, place) = made_at(context, func, object)?;
    let runs = context.live().runs(func);
    let is_own = |at: At| {
        at.func == func || (runs.contains(&at.func) && !context.live().is_spawned(at.func))
    };
    if !uses.receives.iter().all(|receive| is_own(receive.at))
        || uses.sends.iter().any(|send| is_own(send.at) && send.waits)
    {
        return None;
    }
    let uses_room = context.capacity(object) != Amount::Const(0);
    let mut senders = Vec::new();
    let mut known = Vec::new();
    for (instr, _, role) in context.index().instrs(func) {
        if role != Role::Plain || !matches!(ir[func][instr].op, Op::Spawn { .. }) {
            continue;
        }
        let effects = context.analysis.effects(At { func, instr });
        let sends = effects
            .into_iter()
            .filter(|effect| effect.kind == EffectKind::Send && effect.place == place);
        let sends: Vec<Effect> = sends.collect();
        known.extend(sends.iter().map(|effect| effect.at));
        // One of several functions, whichever is called, sends: how often is not known.
        if sends.iter().any(|effect| !effect.direct) {
            return None;
        }
        let mut sends: Vec<Effect> = sends
            .into_iter()
            .filter(|effect| !effect.in_select && !effect.passing)
            .collect();
        sends.sort_by_key(|send| (send.at.func, ir.site(send.at)));
        // One for each that it is given: into a buffer as many may fit as it is given.
        // Or for each that is so: how many are is not known.
        let is_vague = |send: &Effect| is_driven(context, send.at) || may_pass(context, send.at);
        if uses_room && sends.iter().any(is_vague) {
            return None;
        }
        if !sends.is_empty() {
            let mut sender = sender(context, func, make, instr, sends);
            sender.by_rounds =
                sender.in_loop.is_some() && is_by_rounds(context, func, instr, object);
            senders.push(sender);
        }
    }
    // A sender that is not started here may take the place of another one's receiver.
    let unseen = uses
        .sends
        .iter()
        .any(|send| send.waits && !known.contains(&send.at));
    // Of many goroutines perhaps only some send; and a test knows how many values one sends that answers what it is sent.
    let is_vague = senders.iter().any(|sender: &Sender| {
        sender.in_loop.is_some() && sender.least == 0 || context.is_test_answer(func, sender)
    });
    (!senders.is_empty() && !unseen && !is_vague).then(|| Crowd {
        object,
        func,
        place,
        room: context.capacity(object),
        make,
        senders,
        receives: uses.receives,
    })
}

/// The `make` in a function and the variable that gets the channel.
pub(super) fn made_at(
    context: &Context<'_>,
    func: FuncId,
    object: ObjectId,
) -> Option<(InstrId, PlaceId)> {
    let ir = context.ir();
    let make = ir[func]
        .instrs()
        .find(|(_, instr)| instr.op == Op::Make(object))?
        .0;
    let mut places = ir[func].instrs().filter_map(|(_, instr)| match instr.op {
        Op::Assign {
            to,
            value: Value::Object(other),
        } if other == object => Some(to),
        _ => None,
    });
    let mut place = places.next()?;
    let is_alone = places.next().is_none();
    // In an assignment of several values it goes through a variable that has no name.
    if ir[ir.base(place)].kind == VarKind::Temp {
        let mut copies = ir[func].instrs().filter_map(|(_, instr)| match instr.op {
            Op::Assign {
                to,
                value: Value::Place(from),
            } if from == place => Some(to),
            _ => None,
        });
        place = copies.next().unwrap_or(place);
    }
    let is_variable = matches!(ir[place], Place::Var(_)) && context.is_only(place, object);
    (is_variable && is_alone).then_some((make, place))
}

fn sender(
    context: &Context<'_>,
    func: FuncId,
    make: InstrId,
    spawn: InstrId,
    sends: Vec<Effect>,
) -> Sender {
    let loops = |instr| {
        let block = context.index().get(At { func, instr });
        block.and_then(|(block, _)| context.ir()[func][block].in_loop)
    };
    let in_loop = loops(spawn).filter(|inner| Some(*inner) != loops(make));
    let direct = match context.ir()[func][spawn].op {
        Op::Spawn { run, .. } => match context.ir()[func][run].op {
            Op::Call(call) => context.analysis.targets(call).funcs.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    let is_direct = sends.iter().all(|send| direct == [send.at.func]);
    let most = match !is_direct && sends.iter().any(|send| send.many) {
        true => MANY,
        false => most_sends(context, &sends),
    };
    let least = u8::from(sends.iter().any(|send| send.always));
    Sender {
        spawn,
        sends,
        in_loop,
        by_rounds: false,
        most,
        least,
    }
}

/// How many of some sends one way can come to; exact where all stand in one function.
fn most_sends(context: &Context<'_>, sends: &[Effect]) -> u8 {
    let Some(first) = sends.first() else {
        return 0;
    };
    let func = first.at.func;
    if sends.iter().any(|send| send.at.func != func) {
        // Perhaps one excludes the other.
        return 1;
    }
    let entry = context.ir()[func].entry();
    let reaches = |count: u8| {
        let answer = context.analysis.search(func, entry, 0_u8, |sent, step| {
            if let Some(instr) = Context::step_instr(step)
                && sends.iter().any(|send| send.at == At { func, instr })
            {
                *sent += 1;
            }
            if *sent >= count {
                Visit::Found
            } else {
                Visit::On
            }
        });
        answer.trace().is_some()
    };
    match (1..=COUNTED).rev().find(|count| reaches(*count)) {
        Some(COUNTED) => MANY,
        Some(count) => count,
        None => 1,
    }
}

impl Crowd {
    /// Of one whose only goroutine starts once: the same if it sent so many values at most.
    pub(super) fn up_to(&self, most: u8) -> Option<Self> {
        let [sender] = self.senders.as_slice() else {
            return None;
        };
        if sender.in_loop.is_some() || sender.most <= most {
            return None;
        }
        let mut fewer = self.clone();
        fewer
            .senders
            .iter_mut()
            .for_each(|sender| sender.most = most);
        Some(fewer)
    }

    /// The room, if it is a number.
    fn places(&self) -> Option<u8> {
        match self.room {
            Amount::Const(room) => Some(u8::try_from(room).unwrap_or(MANY).min(MANY)),
            Amount::Term(_) | Amount::Unknown => None,
        }
    }

    /// Whether there is room for all that is ever sent.
    pub(super) fn has_room(&self, context: &Context<'_>) -> bool {
        let ir = context.ir();
        let all_fit = |sender: &Sender| match (sender.in_loop, self.room) {
            (Some(id), room) => {
                let rounds = context.amount(ir[self.func][id].rounds);
                sender.most <= 1
                    && room != Amount::Unknown
                    && (rounds == room
                        // So much room is there for as many as are started.
                        || (!matches!(rounds, Amount::Const(_)) && matches!(room, Amount::Const(2..)))
                        || matches!((rounds, room), (Amount::Const(a), Amount::Const(b)) if a <= b))
            }
            (None, Amount::Const(_)) => false,
            (None, _) => true,
        };
        if self.senders.iter().any(|sender| sender.in_loop.is_some()) {
            return self.senders.iter().all(all_fit);
        }
        let all: u64 = self
            .senders
            .iter()
            .map(|sender| u64::from(sender.most))
            .sum();
        let many = self.senders.iter().any(|sender| sender.most >= MANY);
        match self.room {
            Amount::Const(room) => !many && all <= u64::try_from(room).unwrap_or(0),
            Amount::Term(_) | Amount::Unknown => true,
        }
    }

    /// Whether some receive stands in a loop that the `make` does not stand in.
    pub(super) fn receives_in_loop(&self, context: &Context<'_>) -> bool {
        let ir = context.ir();
        let make = context.index().get(At {
            func: self.func,
            instr: self.make,
        });
        let outer = make.and_then(|(block, _)| ir[self.func][block].in_loop);
        self.receives.iter().any(|receive| {
            let block = context.index().get(receive.at);
            let inner = block.and_then(|(block, _)| ir[receive.at.func][block].in_loop);
            receive.is_range
                || (inner.is_some() && (receive.at.func != self.func || inner != outer))
        })
    }

    /// A way on which senders are left with nobody to receive.
    pub(super) fn left(&self, context: &Context<'_>) -> Option<Left> {
        self.left_unless(context, &|_| false)
    }

    /// Without the ways that come to a step.
    pub(super) fn left_unless(
        &self,
        context: &Context<'_>,
        is_out: &dyn Fn(Step) -> bool,
    ) -> Option<Left> {
        let room = self.places()?;
        let ir = context.ir();
        let mut hit = None;
        let entry = ir[self.func].entry();
        let mut spawn = None;
        let answer = context
            .analysis
            .search(self.func, entry, Count::default(), |count, step| {
                if is_out(step) {
                    return Visit::Cut;
                }
                let stuck = !count.drained && count.sent > count.got.saturating_add(room);
                match step {
                    Step::Run(instr) if instr == self.make => {
                        if stuck {
                            // Kept by another name, it is received from later.
                            if self.receives.iter().any(|one| one.place != self.place) {
                                return Visit::Cut;
                            }
                            hit = Some((count.got, LeftBy::Round(instr)));
                            return Visit::Found;
                        }
                        *count = Count::default();
                        return Visit::On;
                    }
                    Step::Exit(block, Exit::Return) => {
                        if stuck {
                            hit = Some((count.got, LeftBy::Return(block)));
                            return Visit::Found;
                        }
                        return Visit::On;
                    }
                    Step::Enter(block) => {
                        self.enter(context, count, block);
                        return Visit::On;
                    }
                    _ => {}
                }
                if let Step::Run(instr) = step
                    && let Some(sender) = self.senders.iter().find(|sender| sender.spawn == instr)
                {
                    if sender.by_rounds && count.got >= count.sent {
                        (count.sent, count.got) = (0, 0);
                    }
                    let more = if sender.in_loop.is_some() && !sender.by_rounds {
                        MANY
                    } else {
                        sender.most
                    };
                    count.sent = count.sent.saturating_add(more).min(MANY + MANY);
                    spawn = Some(instr);
                }
                if stuck
                    && let Step::Run(instr) = step
                    && self.waits_for_senders(context, instr)
                {
                    hit = Some((count.got, LeftBy::Wait(instr)));
                    return Visit::Found;
                }
                self.receive(context, count, step)
            });
        let trace = answer.trace()?;
        if self.is_counted(context, &trace) {
            return None;
        }
        let (got, end) = hit?;
        let spawn = spawn.or_else(|| self.senders.first().map(|sender| sender.spawn))?;
        Some(Left {
            trace,
            got,
            spawn,
            end,
        })
    }

    /// Whether the way ends on a number that is tested: the maker counts by itself.
    fn is_counted(&self, context: &Context<'_>, trace: &Trace) -> bool {
        let func = &context.ir()[self.func];
        let in_loop = self.senders.iter().any(|sender| sender.in_loop.is_some());
        let mut branches = trace
            .blocks
            .iter()
            .rev()
            .zip(trace.blocks.iter().rev().skip(1));
        let last = branches.find_map(|(to, from)| match &func[*from].exit {
            End::Branch(edges) => edges.iter().find(|edge| edge.to == *to),
            _ => None,
        });
        in_loop
            && last.is_some_and(|edge| {
                edge.facts
                    .iter()
                    .any(|fact| matches!(fact.test, Test::Int(..)))
            })
    }

    fn receive(&self, context: &Context<'_>, count: &mut Count, step: Step) -> Visit {
        if let Some(instr) = Context::step_instr(step) {
            let func = self.func;
            count.drained |= context.analysis.is_cut(At { func, instr });
        }
        for effect in context.effects(self.func, step) {
            if effect.spawned {
                continue;
            }
            let is_it =
                effect.place == self.place || context.objects(effect.place).contains(&self.object);
            if !is_it {
                count.drained |= self.is_farewell(context, &effect);
                continue;
            }
            match effect.kind {
                // The last of many is waited for.
                EffectKind::Recv(_)
                    if matches!(step, Step::Run(_))
                        && count.sent >= MANY
                        && !context.index().is_in_loop(context.ir(), effect.at) =>
                {
                    let one_by_one = self.senders.iter().all(|sender| sender.in_loop.is_none());
                    count.drained = one_by_one || count.got > 0;
                    count.got = count.got.saturating_add(1).min(MANY);
                }
                EffectKind::Recv(_) if effect.at.func == self.func => {
                    count.got = count.got.saturating_add(1).min(MANY);
                }
                EffectKind::Recv(_) if effect.many || !effect.always => count.drained = true,
                EffectKind::Recv(_) => count.got = count.got.saturating_add(1).min(MANY),
                EffectKind::Escape => return Visit::Cut,
                // Who sends then panics.
                EffectKind::Close => count.drained = true,
                _ => {}
            }
        }
        Visit::On
    }

    /// Whether something is received that the senders send or close when they have no more to send.
    fn is_farewell(&self, context: &Context<'_>, effect: &Effect) -> bool {
        if !matches!(effect.kind, EffectKind::Recv(_)) {
            return false;
        }
        let funcs: Vec<FuncId> = self
            .senders
            .iter()
            .flat_map(|sender| sender.sends.iter().map(|send| send.at.func))
            .collect();
        let sends: Vec<At> = self
            .senders
            .iter()
            .flat_map(|sender| sender.sends.iter().map(|send| send.at))
            .collect();
        let objects = context.objects(effect.place);
        !objects.is_empty()
            && objects.iter().all(|object| {
                let uses = context.uses(*object);
                let feeds: Vec<At> = uses
                    .sends
                    .iter()
                    .map(|send| send.at)
                    .chain(uses.closes)
                    .collect();
                !feeds.is_empty()
                    && feeds.iter().all(|feed| {
                        let is_last = context.index().role(*feed) == Role::Deferred
                            || sends.iter().all(|send| {
                                send.func != feed.func || !follows(context, *feed, *send)
                            });
                        funcs.contains(&feed.func) && is_last
                    })
            })
    }

    /// Notes what entering a block tells: a loop that receives is over as it should be, the channel was found closed.
    fn enter(&self, context: &Context<'_>, count: &mut Count, block: BlockId) {
        let ir = context.ir();
        let func = &ir[self.func];
        if let Some(before) = count.before {
            let receives = |id: LoopId| {
                self.receives.iter().any(|receive| {
                    let at = context.index().get(receive.at);
                    at.is_some_and(|(block, _)| {
                        receive.at.func == self.func && is_within(func, block, id)
                    })
                })
            };
            let ends = func.loops.iter().enumerate().any(|(place, one)| {
                let leaves = one.head == before
                    || (matches!(one.kind, LoopKind::While(_))
                        && matches!(func[before].exit, End::Branch(_))
                        && is_within(func, before, LoopId::at(place)));
                leaves
                    && one.after == block
                    && matches!(
                        one.kind,
                        LoopKind::Counted | LoopKind::Chan(_) | LoopKind::While(_) | LoopKind::Func
                    )
                    && receives(LoopId::at(place))
            });
            let closed = matches!(&func[before].exit, End::Branch(edges) if edges.iter().any(|edge| {
                edge.to == block && edge.facts.iter().any(|fact| {
                    let is_ok = func.instrs().any(|(_, instr)| {
                        matches!(instr.op, Op::Recv { channel, ok: Some(ok), .. }
                            if channel == self.place && ir.term_of(ok) == Some(fact.term))
                    });
                    (fact.test == Test::Closed && fact.holds) || (is_ok && fact.test == Test::True && !fact.holds)
                })
            }));
            if ends || closed {
                count.drained = true;
            }
        }
        count.before = Some(block);
    }

    /// Whether an instruction waits for a group whose members are the senders, each done only when it has sent.
    fn waits_for_senders(&self, context: &Context<'_>, instr: InstrId) -> bool {
        let ir = context.ir();
        let Op::WgWait { group } = ir[self.func][instr].op else {
            return false;
        };
        self.senders.iter().any(|sender| {
            let effects = context.analysis.effects(At {
                func: self.func,
                instr: sender.spawn,
            });
            let done = effects.iter().find(|effect| {
                effect.place == group && matches!(effect.kind, EffectKind::WgAdd(Amount::Const(-1)))
            });
            let Some(done) = done else {
                return false;
            };
            sender.least > 0
                && sender.sends.iter().any(|send| {
                    // Deferred, it comes last; else it must not come before the send.
                    let is_late = context.index().role(done.at) == Role::Deferred;
                    is_late
                        || (done.at.func == send.at.func && !comes_first(context, done.at, send.at))
                })
        })
    }
}
