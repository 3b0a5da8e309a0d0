//! Ways through a function.

use std::hash::Hash;

use hashbrown::HashSet;

use super::known::Known;
use super::{Analysis, Returns};
use crate::ir::{
    BlockId, Callee, End, Fact, FieldId, Func, FuncId, InstrId, Node, ObjectId, ObjectKind, Op,
    Place, PlaceId, Point, TermId, TermKind, Test, Value,
};

/// States looked at before a search gives up. Functions of real code take tens; a switch in a loop over many flags takes
/// thousands.
pub const MAX_STATES: usize = 4096;

/// Deferred instructions kept on one way; those of a loop's further rounds count once.
const MAX_DEFERRED: usize = 32;

/// What happens next on a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An instruction runs. Of `go` and `defer` it is that instruction, not what they run.
    Run(InstrId),
    /// A deferred instruction runs at the function's end.
    Deferred(InstrId),
    /// An arm of a select is taken: its send or receive has happened.
    Arm(InstrId),
    /// The default of the select at the end of this block is taken.
    Default(BlockId),
    /// A block begins.
    Enter(BlockId),
    /// The function ends in this block, deferred instructions have run: [`End::Return`], or a panic or the goroutine's end, also
    /// of a callee.
    Exit(BlockId, Exit),
    /// A select without arms and default: nothing happens any more.
    Forever(BlockId),
}

/// How a function ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returns.
    Return,
    /// It panics, or the goroutine ends.
    Panic,
    /// The process ends; nothing deferred has run.
    Process,
}

/// What to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Go on.
    On,
    /// This way is not one that is looked for.
    Cut,
    /// This is it.
    Found,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is no such way.
    No,
    /// There is one.
    Yes(Trace),
    /// It was given up.
    Unknown(Limit),
}

impl Answer {
    /// The way, if there is one.
    pub fn trace(self) -> Option<Trace> {
        match self {
            Self::Yes(trace) => Some(trace),
            Self::No | Self::Unknown(_) => None,
        }
    }
}

/// Why a search gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// More states than [`MAX_STATES`].
    States,
}

/// A way that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The blocks it goes through.
    pub blocks: Vec<BlockId>,
    /// The step that was looked for.
    pub last: Step,
    /// Branches on the way whose outcome was not known: 0 means that it is taken whenever its start is reached.
    pub guesses: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State<S> {
    at: Point,
    known: Known,
    deferred: Vec<InstrId>,
    user: S,
}

/// A state with the way to it.
struct Visited<S> {
    state: State<S>,
    before: Option<usize>,
    guesses: u32,
}

struct Search<'a, S, V> {
    analysis: &'a Analysis,
    func: &'a Func,
    visit: V,
    all: Vec<Visited<S>>,
    seen: HashSet<State<S>, foldhash::fast::RandomState>,
}

/// How one block went on.
enum Went {
    /// To its exit.
    On,
    /// No further.
    Stopped,
    Found(Step),
}

impl Analysis {
    /// Looks for a way through a function, from a point on, on which `visit` says [`Visit::Found`]; on the ways where it says
    /// [`Visit::Cut`] before, it looks no further. Branches that contradict what is known are not taken.
    ///
    /// `visit` gets every step in order with a state of its own, which is copied where ways part: a count, a set of locks.
    /// Ways that meet at a block with equal states go on as one, so a state must not grow without end.
    pub fn search<S: Clone + Eq + Hash>(
        &self,
        func: FuncId,
        from: Point,
        state: S,
        visit: impl FnMut(&mut S, Step) -> Visit,
    ) -> Answer {
        let state = State {
            at: from,
            known: Known::default(),
            deferred: Vec::new(),
            user: state,
        };
        let mut search = Search {
            analysis: self,
            func: &self.ir[func],
            visit,
            all: Vec::new(),
            seen: HashSet::default(),
        };
        search.push(state, None, 0);
        search.run()
    }
}

impl<S: Clone + Eq + Hash, V: FnMut(&mut S, Step) -> Visit> Search<'_, S, V> {
    fn push(&mut self, state: State<S>, before: Option<usize>, guesses: u32) {
        if self.seen.insert(state.clone()) {
            self.all.push(Visited {
                state,
                before,
                guesses,
            });
        }
    }

    fn run(&mut self) -> Answer {
        // Breadth first: the way that is found is a short one.
        let mut next = 0;
        while let Some(visited) = self.all.get(next) {
            if next >= MAX_STATES {
                return Answer::Unknown(Limit::States);
            }
            let state = visited.state.clone();
            if let Some(step) = self.block(next, state) {
                return Answer::Yes(self.trace(next, step));
            }
            next += 1;
        }
        Answer::No
    }

    fn trace(&self, mut place: usize, last: Step) -> Trace {
        let guesses = self.all.get(place).map_or(0, |visited| visited.guesses);
        let mut blocks = Vec::new();
        while let Some(visited) = self.all.get(place) {
            blocks.push(visited.state.at.block);
            let Some(before) = visited.before else {
                break;
            };
            place = before;
        }
        blocks.reverse();
        Trace {
            blocks,
            last,
            guesses,
        }
    }

    fn visit(&mut self, user: &mut S, step: Step) -> Went {
        match (self.visit)(user, step) {
            Visit::On => Went::On,
            Visit::Cut => Went::Stopped,
            Visit::Found => Went::Found(step),
        }
    }

    /// Goes through a block and on to those behind it. Gives the step that was looked for.
    fn block(&mut self, place: usize, mut state: State<S>) -> Option<Step> {
        let func = self.func;
        let id = state.at.block;
        let block = &func[id];
        if state.at.instr == block.start {
            match self.visit(&mut state.user, Step::Enter(id)) {
                Went::On => {}
                Went::Stopped => return None,
                Went::Found(step) => return Some(step),
            }
        }
        let first = state.at.instr;
        for instr in block.instrs().filter(|instr| *instr >= first) {
            match self.visit(&mut state.user, Step::Run(instr)) {
                Went::On => {}
                Went::Stopped => return None,
                Went::Found(step) => return Some(step),
            }
            match self.apply(&mut state, instr) {
                Returns::Maybe => {}
                Returns::Panics => return self.unwind(state, Exit::Panic),
                Returns::Exits => return self.leave(state, Exit::Process),
                Returns::Hangs => return None,
            }
        }
        self.exits(place, state)
    }

    fn exits(&mut self, place: usize, mut state: State<S>) -> Option<Step> {
        let func = self.func;
        let id = state.at.block;
        let guesses = self.all.get(place).map_or(0, |visited| visited.guesses);
        match &func[id].exit {
            End::Jump(to) => {
                state.at = func.start_of(*to);
                self.push(state, Some(place), guesses);
            }
            End::Branch(edges) => {
                let known = &state.known;
                let can = |facts: &[Fact]| {
                    let mut facts = facts.iter();
                    facts.all(|fact| known.allows(fact) && !self.is_never(fact))
                };
                let open: Vec<_> = edges.iter().filter(|edge| can(&edge.facts)).collect();
                let guesses = guesses.saturating_add(u32::from(open.len() > 1));
                for edge in open {
                    let mut state = state.clone();
                    edge.facts.iter().for_each(|fact| state.known.learn(*fact));
                    state.at = func.start_of(edge.to);
                    self.push(state, Some(place), guesses);
                }
            }
            End::Select { arms, default } => {
                if arms.is_empty() && default.is_none() {
                    return match self.visit(&mut state.user, Step::Forever(id)) {
                        Went::Found(step) => Some(step),
                        Went::On | Went::Stopped => None,
                    };
                }
                let others = u32::from(arms.len() + usize::from(default.is_some()) > 1);
                let guesses = guesses.saturating_add(others);
                let steps = arms.iter().map(|arm| (Step::Arm(arm.instr), arm.to));
                let steps = steps.chain(default.map(|to| (Step::Default(id), to)));
                for (step, to) in steps {
                    let mut state = state.clone();
                    match self.visit(&mut state.user, step) {
                        Went::On => {}
                        Went::Stopped => continue,
                        Went::Found(step) => return Some(step),
                    }
                    if let Step::Arm(instr) = step {
                        self.apply(&mut state, instr);
                    }
                    state.at = func.start_of(to);
                    self.push(state, Some(place), guesses);
                }
            }
            End::Return => return self.unwind(state, Exit::Return),
            End::Panic | End::Goexit => return self.unwind(state, Exit::Panic),
            End::Exit => return self.leave(state, Exit::Process),
        }
        None
    }

    /// Whether a fact cannot be: the channel of a timer or ticker is never closed.
    fn is_never(&self, fact: &Fact) -> bool {
        let ir = &self.analysis.ir;
        if fact.test != Test::Closed || !fact.holds {
            return false;
        }
        let objects = match ir[fact.term].kind {
            TermKind::Var(var) => ir.aliases.at_node(Node::Var(var)),
            TermKind::Place(place) => ir.aliases.objects(&ir.places, place),
            TermKind::Len(_) | TermKind::Expr(_) => &[],
        };
        let is_timer = |object: &ObjectId| matches!(ir[*object].kind, ObjectKind::Timer { .. });
        !objects.is_empty() && objects.iter().all(is_timer)
    }

    /// Runs what is deferred, and ends.
    fn unwind(&mut self, mut state: State<S>, exit: Exit) -> Option<Step> {
        for instr in std::mem::take(&mut state.deferred).into_iter().rev() {
            match self.visit(&mut state.user, Step::Deferred(instr)) {
                Went::On => {}
                Went::Stopped => return None,
                Went::Found(step) => return Some(step),
            }
            match self.apply(&mut state, instr) {
                Returns::Maybe | Returns::Panics => {}
                Returns::Exits => return self.leave(state, Exit::Process),
                Returns::Hangs => return None,
            }
        }
        self.leave(state, exit)
    }

    fn leave(&mut self, mut state: State<S>, exit: Exit) -> Option<Step> {
        let step = Step::Exit(state.at.block, exit);
        match self.visit(&mut state.user, step) {
            Went::Found(step) => Some(step),
            Went::On | Went::Stopped => None,
        }
    }

    /// What an instruction changes of what is known, and whether it comes back.
    fn apply(&self, state: &mut State<S>, instr: InstrId) -> Returns {
        let ir = &self.analysis.ir;
        match &self.func[instr].op {
            Op::Assign { to, value } => self.assign(state, *to, *value),
            Op::Recv { ok, .. } => {
                state.known.forget_volatile(ir);
                if let Some(ok) = ok {
                    state.known.forget_var(ir, *ok);
                }
            }
            // Whoever had the lock before may have changed what it guards. Outside of loops the first look counts: taking a
            // way that another one's change opens in between is rarely what is meant.
            Op::Lock { .. } if self.func[state.at.block].in_loop.is_some() => {
                state.known.forget_volatile(ir);
            }
            Op::Send { .. }
            | Op::WgWait { .. }
            | Op::CondWait { .. }
            | Op::OnceBegin { .. }
            | Op::Sleep
            | Op::Unknown(_) => state.known.forget_volatile(ir),
            Op::Defer { run }
                if !state.deferred.contains(run) && state.deferred.len() < MAX_DEFERRED =>
            {
                state.deferred.push(*run);
            }
            Op::Call(call) => {
                let call_id = *call;
                let call = &ir[call_id];
                // Functions of other packages change nothing here, unless they call back.
                match call.callee {
                    Callee::Extern(_) => {}
                    Callee::Func(_) | Callee::Interface(_) => {
                        let assigns =
                            |fields: &[FieldId]| self.analysis.may_assign(call_id, fields);
                        state.known.forget_assigned(ir, assigns);
                    }
                    Callee::Value(_) | Callee::Unknown(_) => state.known.forget_volatile(ir),
                }
                for to in call.results.iter().flatten() {
                    self.assign(state, *to, Value::Unknown);
                }
                return self.analysis.returns(call_id);
            }
            _ => {}
        }
        Returns::Maybe
    }

    fn assign(&self, state: &mut State<S>, to: PlaceId, value: Value) {
        let ir = &self.analysis.ir;
        let source = match value {
            Value::Term(term) => Some(term),
            Value::Place(place) => self.term_at(place),
            _ => None,
        };
        let value = match value {
            Value::Const(value) => Some(value),
            Value::Object(_) | Value::Func(_) => Some(crate::ir::Const::NonNil),
            _ => None,
        };
        let Place::Var(var) = ir[to] else {
            // Another path may lead to the same field.
            let Place::Field(_, field) = ir[to] else {
                return;
            };
            state.known.forget_field(ir, field);
            if let (Some(term), Some(value)) = (self.term_at(to), value) {
                state.known.set(term, value);
            }
            return;
        };
        let mut known = state.known.clone();
        known.assign(ir, var, value);
        if let (Some(from), Some(term)) = (source, ir.term_of(var))
            && from != term
            && !ir[from].vars.contains(&var)
        {
            known.copy(from, term);
        }
        state.known = known;
    }

    /// The term that the value at a place is.
    fn term_at(&self, place: PlaceId) -> Option<TermId> {
        let ir = &self.analysis.ir;
        match ir[place] {
            Place::Var(var) => ir.term_of(var),
            _ => {
                let terms = ir.terms_of(ir.base(place)).iter().copied();
                let mut terms = terms.filter(|term| ir[*term].kind == TermKind::Place(place));
                terms.next()
            }
        }
    }
}
