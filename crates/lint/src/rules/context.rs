//! What rules ask.

use std::cell::OnceCell;
use std::sync::Arc;

use gorphan_model::{Operation, Verdict};

use super::waits::Waits;
use super::{Index, Live, Role, Rule};
use crate::finding::{FileId, Finding, Location};
use crate::ir::{
    Amount, At, Callee, FieldId, FuncId, FuncKind, LoopId, LoopKind, Node, ObjectId, ObjectKind,
    Op, Package, Place, PlaceId, RecvKind, Site, TermKind, Value, VarId, VarKind,
};
use crate::summary::{Analysis, Effect, Returns, Step};
use crate::syntax::{File, Name, Names};

/// A package, for rules.
#[derive(Debug)]
pub struct Context<'a> {
    /// What it does.
    pub analysis: &'a Analysis,
    /// The names of its source.
    pub names: &'a Names,
    /// Its files, in the order of the sites.
    pub files: &'a [Arc<File>],
    index: OnceCell<Index>,
    live: OnceCell<Live>,
    waits: OnceCell<Waits>,
    /// Whether something is sent on a channel that others may have.
    sends_out: OnceCell<bool>,
    /// By object: whether code that is never reached works on it.
    vain: OnceCell<Vec<bool>>,
}

/// An operation on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChanUse {
    /// Which.
    pub at: At,
    /// On what, as its function calls it.
    pub place: PlaceId,
    /// Whether it waits for nothing else: no select, or one without other arms.
    pub is_naked: bool,
    /// Whether it waits at all: not in a select with a default.
    pub waits: bool,
    /// Whether it is a range.
    pub is_range: bool,
}

/// The operations on a channel.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    /// Sends.
    pub sends: Vec<ChanUse>,
    /// Receives.
    pub receives: Vec<ChanUse>,
    /// Closes.
    pub closes: Vec<At>,
}

impl<'a> Context<'a> {
    /// Of a package.
    pub fn new(analysis: &'a Analysis, names: &'a Names, files: &'a [Arc<File>]) -> Self {
        Self {
            analysis,
            names,
            files,
            index: OnceCell::new(),
            live: OnceCell::new(),
            sends_out: OnceCell::new(),
            vain: OnceCell::new(),
            waits: OnceCell::new(),
        }
    }

    /// The package.
    pub fn ir(&self) -> &'a Package {
        &self.analysis.ir
    }

    /// Where instructions stand.
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(self.ir()))
    }

    /// What may run.
    pub fn live(&self) -> &Live {
        self.live.get_or_init(|| Live::new(self.analysis))
    }

    /// What is waited for with locks held.
    pub(super) fn waits(&self) -> &Waits {
        self.waits.get_or_init(|| Waits::new(self))
    }

    /// Where an instruction stands.
    pub fn location(&self, at: At) -> Location {
        location(self.ir().site(at))
    }

    /// The line of a place, for messages.
    pub fn line(&self, location: Location) -> u32 {
        let file = self.files.get(location.file.0 as usize);
        file.map_or(0, |file| file.position(location.span.start).line)
    }

    /// The name of a function as in stacks.
    pub fn function(&self, func: FuncId) -> Arc<str> {
        let ir = self.ir();
        format!("{}.{}", ir.path, ir[func].name).into()
    }

    /// A place as source has it, or what it is: `done`, `s.mu`, `the channel`.
    pub fn text(&self, place: PlaceId, otherwise: &str) -> String {
        let ir = self.ir();
        let base = &ir[ir.base(place)];
        if base.kind == VarKind::Temp || base.name == Name::MISSING {
            // A field is a name even without what it is a field of.
            return match ir[place] {
                Place::Field(_, field) => self.names.text(ir[field].name).to_owned(),
                _ => otherwise.to_owned(),
            };
        }
        ir.place_text(self.names, place)
    }

    /// A finding at an instruction.
    pub fn finding(
        &self,
        rule: &Rule,
        operation: Operation,
        at: At,
        verdict: Verdict,
        message: impl Into<String>,
    ) -> Finding {
        let function = self.function(at.func);
        let at = self.location(at);
        let mut finding = Finding::new(rule.name, rule.code, operation, function, at, message);
        finding.verdict = verdict;
        finding
    }

    /// The channels all of whose operations are in the package, with what is done to them.
    pub fn own_channels(&self) -> impl Iterator<Item = (ObjectId, Uses)> + '_ {
        let ir = self.ir();
        let objects = ir.objects().filter(move |(id, object)| {
            matches!(object.kind, ObjectKind::Chan { .. })
                && ir.aliases.escape(*id).is_none()
                && !self.is_sent_away(*id)
                && !self.is_used_in_vain(*id)
        });
        objects.map(|(id, _)| (id, self.uses(id)))
    }

    /// Whether code that is never reached works on an object: behind a `t.Skip` that is there for now, say.
    pub(super) fn is_used_in_vain(&self, object: ObjectId) -> bool {
        let ir = self.ir();
        let all = self.vain.get_or_init(|| {
            let mut all = vec![false; ir.objects.len()];
            let mut mark = |place: PlaceId| {
                for object in self.objects(place) {
                    if let Some(slot) = all.get_mut(object.index()) {
                        *slot = true;
                    }
                }
            };
            for (func, body) in ir.funcs() {
                let is_unreached = self.is_unreached(func);
                for (instr, one) in body.instrs() {
                    if is_unreached || self.index().get(At { func, instr }).is_none() {
                        place_of(&one.op).into_iter().for_each(&mut mark);
                    }
                }
            }
            // What is made behind a return never is.
            let mut made = vec![false; ir.objects.len()];
            for (_, one) in ir.funcs().flat_map(|(_, body)| body.instrs()) {
                if let Op::Make(object) = one.op
                    && let Some(slot) = made.get_mut(object.index())
                {
                    *slot = true;
                }
            }
            // What another package does with a channel is not followed everywhere it may keep it.
            for call in &ir.calls {
                if matches!(
                    call.callee,
                    Callee::Extern(_) | Callee::Interface(_) | Callee::Unknown(_)
                ) {
                    for arg in &call.args {
                        if let Value::Place(place) = *arg {
                            mark(place);
                        }
                    }
                }
            }
            for ((object, made), slot) in ir.objects.iter().zip(made).zip(&mut all) {
                *slot |= !made && matches!(object.kind, ObjectKind::Chan { .. });
            }
            all
        });
        all.get(object.index()).copied().unwrap_or(false)
    }

    /// Whether a closure is made in code alone that is never reached.
    fn is_unreached(&self, func: FuncId) -> bool {
        let ir = self.ir();
        let around = std::iter::successors(Some(func), |func| ir[*func].parent);
        around.into_iter().any(|inner| {
            let Some(parent) = ir[inner].parent else {
                return false;
            };
            // What stands behind a return is left out of a function altogether, with all that names the closure.
            let mut reached = ir[inner].kind != FuncKind::Closure;
            for (instr, one) in ir[parent].instrs() {
                let is_it = |value: &Value| *value == Value::Func(inner);
                let names = match &one.op {
                    Op::Assign { value, .. } => is_it(value),
                    Op::Call(call) => {
                        let call = &ir[*call];
                        call.callee == Callee::Func(inner)
                            || call.args.iter().chain(&call.receiver).any(is_it)
                    }
                    _ => false,
                };
                reached |= names
                    && self
                        .index()
                        .get(At {
                            func: parent,
                            instr,
                        })
                        .is_some();
            }
            !reached
        })
    }

    /// Whether a function stands in a test.
    pub(super) fn is_test(&self, func: FuncId) -> bool {
        let ir = self.ir();
        let mut around = std::iter::successors(Some(func), |func| ir[*func].parent);
        ir.path.ends_with("_test")
            || around.any(|func| matches!(ir[func].kind, FuncKind::Declared { in_test: true, .. }))
    }

    /// Whether a lock lies in things that are made in different places: of a connection here, of a server there. Two of such a
    /// lock are mostly not the same.
    pub(super) fn has_roles(&self, lock: ObjectId) -> bool {
        let ir = self.ir();
        let holders = match ir[lock].kind {
            ObjectKind::Value {
                declared: Some(crate::ir::Declared::Field(field)),
                ..
            } => self.holders(field),
            _ => vec![lock],
        };
        let mut makers: Vec<FuncId> = holders
            .iter()
            .filter_map(|object| ir[*object].func)
            .collect();
        makers.retain(|func| !self.is_test(*func));
        makers.sort_unstable();
        makers.dedup();
        match makers.as_slice() {
            [] => false,
            [maker] => {
                let callers = self.analysis.callers(*maker).iter();
                callers.filter(|at| !self.is_test(at.func)).count() > 1
            }
            _ => true,
        }
    }

    /// What has a field.
    fn holders(&self, field: FieldId) -> Vec<ObjectId> {
        let ir = self.ir();
        let mut holders: Vec<ObjectId> = Vec::new();
        for place in ir.places.all() {
            if let Place::Field(of, other) = *place
                && other == field
            {
                holders.extend(self.objects(of));
            }
        }
        holders.sort_unstable();
        holders.dedup();
        holders
    }

    /// Whether what makes an object is called from several places, or again and again: then two of it are mostly not the same.
    pub(super) fn is_made_often(&self, object: ObjectId) -> bool {
        let ir = self.ir();
        let Some(maker) = ir[object].func else {
            return false;
        };
        let mut callers = self.analysis.callers(maker).iter();
        let is_again = |at: &At| self.index().is_in_loop(ir, *at) || self.is_test(at.func);
        // Tests make it for themselves.
        let plain = callers.clone().filter(|at| !self.is_test(at.func)).count();
        ir[object].in_loop || plain > 1 || callers.any(|at| !self.is_test(at.func) && is_again(at))
    }

    /// Whether a function is a method of a type of tests that nothing calls by its name: a fake, which stands in for something
    /// behind an interface. Which of its methods come to be called, and how often, is up to each test.
    pub(super) fn is_fake(&self, func: FuncId) -> bool {
        let ir = self.ir();
        let mut around = std::iter::successors(Some(func), |func| ir[*func].parent);
        around.any(|func| match &ir[func].kind {
            FuncKind::Declared { key, .. } => {
                self.is_test(func) && key.receiver.is_some() && !self.is_called_by_name(func)
            }
            // The same as a function in a field of a fake.
            FuncKind::Closure => {
                let mut callers = self.analysis.callers(func).iter().peekable();
                let is_method = |at: &At| match &ir[at.func].kind {
                    FuncKind::Declared { key, .. } => key.receiver.is_some(),
                    _ => false,
                };
                self.is_test(func)
                    && callers.peek().is_some()
                    && callers.all(|at| {
                        is_method(at) && self.is_test(at.func) && !self.is_called_by_name(at.func)
                    })
            }
            FuncKind::Made => false,
        })
    }

    fn is_called_by_name(&self, func: FuncId) -> bool {
        let ir = self.ir();
        self.analysis.callers(func).iter().any(|caller| {
            let mut op = &ir.instr(*caller).op;
            if let Op::Spawn { run, .. } | Op::Defer { run } = op {
                op = &ir[caller.func][*run].op;
            }
            matches!(op, Op::Call(call) if ir[*call].callee == Callee::Func(func))
        })
    }

    /// Whether a channel may get to others as a value on a channel of theirs, or as what a function returns that somebody calls
    /// who is not seen.
    pub(super) fn is_sent_away(&self, channel: ObjectId) -> bool {
        let ir = self.ir();
        let is_in = |node| ir.aliases.at_node(node).contains(&channel);
        let by_value = *self.sends_out.get_or_init(|| {
            let mut instrs = ir.funcs().flat_map(|(_, func)| func.instrs());
            instrs.any(|(_, instr)| match instr.op {
                Op::Send { channel } => {
                    let mut objects = self.objects(channel).iter();
                    !ir.aliases.is_known(&ir.places, channel)
                        || objects.any(|object| ir.aliases.escape(*object).is_some())
                }
                _ => false,
            })
        }) && ir.fields.iter().enumerate().any(|(place, field)| {
            field.name == Name::MISSING && is_in(Node::Field(FieldId::at(place)))
        });
        let by_result = || {
            ir.funcs().any(|(id, func)| {
                let is_declared = matches!(func.kind, FuncKind::Declared { .. });
                is_declared
                    && self.analysis.callers(id).is_empty()
                    && func.results.iter().any(|result| is_in(Node::Var(*result)))
            })
        };
        by_value || by_result()
    }

    /// What is done to a channel.
    pub fn uses(&self, channel: ObjectId) -> Uses {
        let mut uses = Uses::default();
        for at in self.analysis.operations(channel) {
            let naked = |place| {
                let role = self.index().role(*at);
                ChanUse {
                    at: *at,
                    place,
                    is_naked: !matches!(role, Role::Arm { choice: true, .. }),
                    waits: !matches!(role, Role::Arm { default: true, .. }),
                    is_range: false,
                }
            };
            match &self.ir().instr(*at).op {
                Op::Send { channel } => uses.sends.push(naked(*channel)),
                Op::Recv { channel, kind, .. } => uses.receives.push(ChanUse {
                    is_range: *kind == RecvKind::Range,
                    ..naked(*channel)
                }),
                Op::Close { .. } => uses.closes.push(*at),
                _ => {}
            }
        }
        uses
    }

    /// Whether a place is one object and nothing else.
    pub fn is_only(&self, place: PlaceId, object: ObjectId) -> bool {
        let ir = self.ir();
        ir.aliases.objects(&ir.places, place) == [object]
    }

    /// The objects that a place may be.
    pub fn objects(&self, place: PlaceId) -> &'a [ObjectId] {
        let ir = self.ir();
        ir.aliases.objects(&ir.places, place)
    }

    /// Whether an object may lie in a variable of the package.
    pub fn is_global(&self, object: ObjectId) -> bool {
        let ir = self.ir();
        let operations = self.analysis.operations(object).iter();
        let mut places = operations.filter_map(|at| place_of(&ir.instr(*at).op));
        places.any(|place| matches!(ir[ir.base(place)].kind, VarKind::Package { .. }))
            || ir.vars.iter().enumerate().any(|(place, var)| {
                matches!(var.kind, VarKind::Package { .. })
                    && ir
                        .aliases
                        .at_node(Node::Var(VarId::at(place)))
                        .contains(&object)
            })
    }

    /// The room of a channel, seen through a parameter that every caller gives the same constant.
    pub fn capacity(&self, channel: ObjectId) -> Amount {
        match self.ir()[channel].kind {
            ObjectKind::Chan { capacity } => self.amount(capacity),
            _ => Amount::Unknown,
        }
    }

    /// A number, likewise.
    pub fn amount(&self, amount: Amount) -> Amount {
        let ir = self.ir();
        let Amount::Term(term) = amount else {
            return amount;
        };
        let TermKind::Var(var) = ir[term].kind else {
            return amount;
        };
        self.argument(var).map_or(amount, Amount::Const)
    }

    /// The constant that all callers give for a parameter, if no others can call its function.
    fn argument(&self, var: VarId) -> Option<i64> {
        let ir = self.ir();
        let (VarKind::Param(number), Some(func)) = (ir[var].kind, ir[var].func) else {
            return None;
        };
        if ir[var].assignments > 1 || self.is_called_from_outside(func) {
            return None;
        }
        let mut all = None;
        for caller in self.analysis.callers(func) {
            let mut op = &ir.instr(*caller).op;
            if let Op::Spawn { run, .. } | Op::Defer { run } = op {
                op = &ir[caller.func][*run].op;
            }
            let Op::Call(call) = op else {
                return None;
            };
            let Some(Value::Const(crate::ir::Const::Int(value))) =
                ir[*call].args.get(number as usize)
            else {
                return None;
            };
            if all.is_some_and(|known| known != *value) {
                return None;
            }
            all = Some(*value);
        }
        all
    }

    /// Whether somebody may call a function whom the package does not show.
    pub fn is_called_from_outside(&self, func: FuncId) -> bool {
        let ir = self.ir();
        let exported = matches!(ir[func].kind, FuncKind::Declared { exported: true, .. });
        exported
            || ir.objects().any(|(id, object)| {
                object.kind == ObjectKind::Func(func) && ir.aliases.escape(id).is_some()
            })
    }

    /// Whether a goroutine that a test starts sends as long as it is given something: for each value that it is sent, or until a
    /// call that it makes each round fails. The test knows how often that is.
    pub(super) fn is_test_answer(&self, test: FuncId, sender: &super::crowd::Sender) -> bool {
        self.is_test(test) && sender.sends.iter().all(|send| self.is_answer(send.at))
    }

    fn is_answer(&self, send: At) -> bool {
        let func = &self.ir()[send.func];
        let block = self.index().get(send).map(|(block, _)| block);
        let ends = self.analysis.summary(send.func).returns == Returns::Maybe;
        let is_asked = |kind: LoopKind| match kind {
            LoopKind::Chan(_) => true,
            LoopKind::Forever | LoopKind::While(_) => ends,
            LoopKind::Counted | LoopKind::Func => false,
        };
        let loops = (0..func.loops.len()).map(LoopId::at);
        let mut loops = loops.filter(|id| is_asked(func[*id].kind));
        loops.any(|id| block.is_some_and(|block| super::order::is_within(func, block, id)))
    }

    /// Whether a function is `main` or `init`, which nobody waits for.
    pub fn is_main(&self, func: FuncId) -> bool {
        match &self.ir()[func].kind {
            FuncKind::Declared { key, .. } => {
                key.receiver.is_none() && (key.name == "main" || key.name == "init")
            }
            _ => false,
        }
    }

    /// What a step does, callees included.
    pub fn effects(&self, func: FuncId, step: Step) -> Vec<Effect> {
        match step {
            Step::Run(instr) | Step::Deferred(instr) | Step::Arm(instr) => {
                self.analysis.effects(At { func, instr })
            }
            _ => Vec::new(),
        }
    }

    /// The least number of guesses with which a call of its function comes to an instruction.
    pub fn guesses_to(&self, at: At) -> u32 {
        let entry = self.ir()[at.func].entry();
        let answer = self
            .analysis
            .search(at.func, entry, (), |(), step| match step {
                Step::Run(instr) | Step::Arm(instr) | Step::Deferred(instr)
                    if instr == at.instr =>
                {
                    crate::summary::Visit::Found
                }
                _ => crate::summary::Visit::On,
            });
        // An arm is one of several: that it is tried is no guess, and that is all that is asked here.
        answer
            .trace()
            .map_or(1, |trace| match self.index().role(at) {
                Role::Arm { choice: true, .. } => trace.guesses.saturating_sub(1),
                _ => trace.guesses,
            })
    }
}

/// The place in the source of a site.
pub(super) fn location(site: Site) -> Location {
    Location {
        file: FileId(site.file),
        span: site.span,
    }
}

/// What an operation works on.
pub(super) fn place_of(op: &Op) -> Option<PlaceId> {
    match op {
        Op::Send { channel } | Op::Recv { channel, .. } | Op::Close { channel } => Some(*channel),
        Op::Lock { lock, .. } | Op::Unlock { lock, .. } => Some(*lock),
        Op::WgAdd { group, .. } | Op::WgWait { group } => Some(*group),
        Op::CondWait { cond } | Op::CondWake { cond, .. } => Some(*cond),
        Op::OnceBegin { once } | Op::OnceEnd { once } => Some(*once),
        Op::Cancel { cancel } => Some(*cancel),
        Op::Stop { timer, .. } => Some(*timer),
        Op::Release { resource } => Some(*resource),
        Op::Assign { to, .. } => Some(*to),
        Op::Make(_)
        | Op::Sleep
        | Op::Call(_)
        | Op::Spawn { .. }
        | Op::Defer { .. }
        | Op::Unknown(_) => None,
    }
}
