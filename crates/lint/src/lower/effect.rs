//! Calls of functions that are known by name.

use super::Lower;
use super::assign::Dests;
use super::body::How;
use super::call::Site;
use super::known::Known;
use crate::ir::{
    Amount, Call, Callee, Const, Edge, End, Escape, Mode, ObjectKind, Op, Parent, Place, PlaceId,
    Shape, SpawnKind, Unknown, Value,
};
use crate::syntax::Span;
use crate::syntax::ast::{ExprId, List};

impl Lower<'_, '_> {
    /// Lowers a call of a known function.
    pub(super) fn known_call(
        &mut self,
        site: Site<'_>,
        known: Known,
        receiver: Option<PlaceId>,
    ) -> Value {
        let mut args = self.args(site);
        let receiver = match receiver {
            Some(receiver) => Some(receiver),
            // (*sync.Mutex).Lock(&mu)
            None if needs_receiver(known) && !args.is_empty() => {
                let value = args.remove(0);
                Some(self.placed(value, Shape::Interface, site.span))
            }
            None => None,
        };
        match receiver {
            Some(receiver) if needs_receiver(known) => self.method(site, known, receiver, &args),
            _ => self.known_function(site, known, &args),
        }
    }

    fn method(&mut self, site: Site<'_>, known: Known, place: PlaceId, args: &[Value]) -> Value {
        let op = match known {
            Known::Lock(mode) => {
                let (lock, mode) = self.seen_through(place, mode);
                Op::Lock {
                    lock,
                    mode,
                    tried: None,
                    is_try: false,
                }
            }
            Known::TryLock(mode) => {
                let (lock, mode) = self.seen_through(place, mode);
                Op::Lock {
                    lock,
                    mode,
                    tried: None,
                    is_try: true,
                }
            }
            Known::Unlock(mode) => {
                let (lock, mode) = self.seen_through(place, mode);
                Op::Unlock { lock, mode }
            }
            Known::WgAdd => {
                let delta = match args.first() {
                    Some(value) => self.amount_of(*value),
                    None => Amount::Unknown,
                };
                Op::WgAdd {
                    group: place,
                    delta,
                }
            }
            Known::WgDone => Op::WgAdd {
                group: place,
                delta: Amount::Const(-1),
            },
            Known::WgWait | Known::GroupWait => Op::WgWait { group: place },
            Known::CondWait => Op::CondWait { cond: place },
            Known::CondSignal => Op::CondWake {
                cond: place,
                all: false,
            },
            Known::CondBroadcast => Op::CondWake {
                cond: place,
                all: true,
            },
            Known::Stop => Op::Stop {
                timer: place,
                reset: false,
            },
            Known::Reset => Op::Stop {
                timer: place,
                reset: true,
            },
            Known::PipeClose => Op::Release { resource: place },
            _ => return self.special_method(site, known, place, args),
        };
        let results = match site.dests {
            Dests::List(list) => list.to_vec(),
            Dests::None | Dests::Want => Vec::new(),
        };
        let mut op = op;
        if let (Op::Lock { is_try: true, .. }, Some(Some(result))) = (&op, results.first()) {
            self.tried(&mut op, *result);
        }
        self.emit_how(op, site.span, site.how);
        // `err := group.Wait()`, `ok := mu.TryLock()`
        for to in results.into_iter().flatten() {
            self.assign(to, Value::Unknown, site.span);
        }
        Value::Unknown
    }

    fn special_method(
        &mut self,
        site: Site<'_>,
        known: Known,
        place: PlaceId,
        args: &[Value],
    ) -> Value {
        let last = args.last().copied().unwrap_or(Value::Unknown);
        match known {
            Known::RLocker => self.rlocker(site, place),
            Known::WgGo => self.group_go(site, place, last, SpawnKind::WaitGroup),
            Known::GroupGo | Known::GroupTryGo => {
                self.group_go(site, place, last, SpawnKind::ErrGroup)
            }
            Known::OnceDo => {
                self.emit(Op::OnceBegin { once: place }, site.span);
                self.call_given(site, last, How::Now);
                self.emit(Op::OnceEnd { once: place }, site.span);
                Value::Unknown
            }
            Known::Done => {
                let site_of = self.site(site.span);
                let object = self.new_object(ObjectKind::Done { context: place }, site_of);
                self.give(site.dests, 0, Value::Object(object), Shape::Chan, site.span)
            }
            _ => self.known_function(site, known, args),
        }
    }

    /// A function, or a method whose receiver does not matter.
    fn known_function(&mut self, site: Site<'_>, known: Known, args: &[Value]) -> Value {
        let span = site.span;
        let first = args.first().copied().unwrap_or(Value::Unknown);
        let last = args.last().copied().unwrap_or(Value::Unknown);
        match known {
            Known::NewCond => self.new_cond(site, first),
            Known::OnceFunc => self.give(site.dests, 0, first, Shape::Func, span),
            Known::Background => self.new_context(site, Parent::Never, false, false),
            Known::WithCancel { deadline } => {
                let parent = self.parent(first);
                self.new_context(site, parent, deadline, true)
            }
            Known::WithValue => self.give(site.dests, 0, first, Shape::Context, span),
            Known::WithoutCancel => self.new_context(site, Parent::Never, false, false),
            Known::GroupWithContext => self.group_with_context(site, first),
            Known::After | Known::NewTimer => self.new_timer(site, false),
            Known::Tick | Known::NewTicker => self.new_timer(site, true),
            Known::AfterFunc | Known::ContextAfterFunc => {
                self.spawn_given(site, last, SpawnKind::Later);
                match known {
                    Known::AfterFunc => self.new_timer(site, false),
                    _ => Value::Unknown,
                }
            }
            Known::Handler => {
                self.spawn_given(site, last, SpawnKind::Handler);
                Value::Unknown
            }
            Known::Sleep => {
                self.emit_how(Op::Sleep, span, site.how);
                Value::Unknown
            }
            Known::Goexit => self.no_return(site, End::Goexit),
            Known::Exit => self.no_return(site, End::Exit),
            Known::Panic => self.no_return(site, End::Panic),
            Known::RunTest => {
                self.call_given(site, last, site.how);
                self.unknown_results(site);
                Value::Unknown
            }
            Known::Cleanup if self.is_in_test() => {
                self.call_given(site, last, How::Defer);
                Value::Unknown
            }
            // The test that calls this function runs it when it ends.
            Known::Cleanup => {
                self.leak(last, Escape::Argument(self.site(site.span)), site.span);
                Value::Unknown
            }
            Known::Callback => self.callback(site, args),
            Known::Response => self.response(site),
            Known::Pipe => self.pipe(site),
            Known::Pull => self.pull(site, first),
            _ => {
                self.unknown_results(site);
                Value::Unknown
            }
        }
    }

    /// Results that hold nothing that is followed.
    fn unknown_results(&mut self, site: Site<'_>) {
        if let Dests::List(list) = site.dests {
            for to in list.iter().flatten() {
                self.assign(*to, Value::Unknown, site.span);
            }
        }
    }

    fn no_return(&mut self, site: Site<'_>, exit: End) -> Value {
        if site.how == How::Now {
            self.stop(exit, site.span);
        }
        Value::Unknown
    }

    /// The lock behind an `RLocker()`.
    fn seen_through(&self, place: PlaceId, mode: Mode) -> (PlaceId, Mode) {
        let view = match self.ir[place] {
            Place::Var(var) => self.views.get(&var).copied(),
            _ => None,
        };
        view.map_or((place, mode), |lock| (lock, Mode::Read))
    }

    fn rlocker(&mut self, site: Site<'_>, lock: PlaceId) -> Value {
        let place = self.dest(site.dests, 0, Shape::Locker, site.span);
        if let Place::Var(var) = self.ir[place] {
            self.views.insert(var, lock);
        }
        self.assign(place, Value::Place(lock), site.span);
        Value::Place(place)
    }

    fn new_cond(&mut self, site: Site<'_>, lock: Value) -> Value {
        let at = match lock {
            Value::Place(place) => Some(place),
            Value::Object(_) => Some(self.placed(lock, Shape::Locker, site.span)),
            _ => None,
        };
        let object = self.make(ObjectKind::Cond { lock: at }, site.span);
        let place = self.dest(site.dests, 0, Shape::Cond, site.span);
        self.assign(place, Value::Object(object), site.span);
        let node = self.node(place);
        let field = self.lock_field(node);
        let to = self.ir.places.intern(Place::Field(place, field));
        let value = at.map_or(lock, Value::Place);
        self.flow_to(to, value);
        self.emit(Op::Assign { to, value }, site.span);
        Value::Place(place)
    }

    fn parent(&mut self, value: Value) -> Parent {
        match value {
            Value::Place(place) => Parent::Place(place),
            _ => Parent::Unknown,
        }
    }

    /// A context, and with it its cancel function.
    fn new_context(
        &mut self,
        site: Site<'_>,
        parent: Parent,
        has_deadline: bool,
        has_cancel: bool,
    ) -> Value {
        let kind = ObjectKind::Context {
            parent: Some(parent),
            has_deadline,
            has_cancel,
        };
        let context = self.make(kind, site.span);
        let value = self.give(
            site.dests,
            0,
            Value::Object(context),
            Shape::Context,
            site.span,
        );
        if has_cancel {
            let at = self.site(site.span);
            let cancel = self.new_object(ObjectKind::Cancel { context }, at);
            self.give(
                site.dests,
                1,
                Value::Object(cancel),
                Shape::Cancel,
                site.span,
            );
        }
        value
    }

    fn group_with_context(&mut self, site: Site<'_>, parent: Value) -> Value {
        let at = self.site(site.span);
        let kind = ObjectKind::Value {
            shape: Shape::ErrGroup,
            declared: None,
        };
        let group = self.new_object(kind, at);
        let value = self.give(
            site.dests,
            0,
            Value::Object(group),
            Shape::ErrGroup,
            site.span,
        );
        let parent = self.parent(parent);
        // `Wait` and the first error cancel it.
        let kind = ObjectKind::Context {
            parent: Some(parent),
            has_deadline: false,
            has_cancel: true,
        };
        let context = self.make(kind, site.span);
        self.give(
            site.dests,
            1,
            Value::Object(context),
            Shape::Context,
            site.span,
        );
        value
    }

    fn new_timer(&mut self, site: Site<'_>, repeats: bool) -> Value {
        let object = self.make(ObjectKind::Timer { repeats }, site.span);
        let shape = if repeats { Shape::Ticker } else { Shape::Timer };
        self.give(site.dests, 0, Value::Object(object), shape, site.span)
    }

    /// Calls a function that was given as a value.
    fn call_given(&mut self, site: Site<'_>, function: Value, how: How) {
        let Some(callee) = self.callee_of(function, site.span) else {
            return;
        };
        let call = Call {
            callee,
            receiver: None,
            args: Vec::new(),
            results: Vec::new(),
        };
        let call = self.add_call(call, site.span);
        self.emit_how(Op::Call(call), site.span, how);
    }

    fn spawn_given(&mut self, site: Site<'_>, function: Value, kind: SpawnKind) {
        let Some(callee) = self.callee_of(function, site.span) else {
            return;
        };
        let call = Call {
            callee,
            receiver: None,
            args: Vec::new(),
            results: Vec::new(),
        };
        let call = self.add_call(call, site.span);
        self.spawn(Op::Call(call), site.span, kind);
    }

    fn callee_of(&mut self, function: Value, span: Span) -> Option<Callee> {
        match function {
            Value::Func(func) => Some(Callee::Func(func)),
            // The function's shape tells; a handler that is a struct is called by others.
            Value::Place(place) => match self.shape_at(place) {
                Shape::Func | Shape::Cancel => Some(Callee::Value(place)),
                _ => {
                    self.leak(function, Escape::Argument(self.site(span)), span);
                    None
                }
            },
            Value::Unknown => Some(Callee::Unknown(Unknown::Callee)),
            _ => None,
        }
    }

    /// `group.Go(f)`: another goroutine runs a function that calls `f` and is done after.
    fn group_go(
        &mut self,
        site: Site<'_>,
        group: PlaceId,
        function: Value,
        kind: SpawnKind,
    ) -> Value {
        let span = site.span;
        let made = self.made_function(format!("{:?}.Go", self.shape_at(group)), span);
        if let Some(callee) = self.callee_of(function, span) {
            let call = Call {
                callee,
                receiver: None,
                args: Vec::new(),
                results: Vec::new(),
            };
            let call = self.add_call(call, span);
            self.fill_made(made, group, call, span);
        }
        let add = Op::WgAdd {
            group,
            delta: Amount::Const(1),
        };
        self.emit(add, span);
        let call = Call {
            callee: Callee::Func(made),
            receiver: None,
            args: Vec::new(),
            results: Vec::new(),
        };
        let call = self.add_call(call, span);
        self.spawn(Op::Call(call), span, kind);
        Value::Unknown
    }

    /// `mu.Unlock` without a call: a function that does it.
    pub(super) fn known_method_value(&mut self, expr: ExprId, known: Known) -> Value {
        let Some(place) = self.receiver_of(expr) else {
            return Value::Unknown;
        };
        let is_plain = matches!(
            known,
            Known::Lock(_)
                | Known::Unlock(_)
                | Known::WgDone
                | Known::WgWait
                | Known::CondSignal
                | Known::CondBroadcast
        );
        if !is_plain {
            return Value::Place(place);
        }
        let span = self.span_of(expr);
        let made = self.made_function(format!("{known:?}"), span);
        let outer = std::mem::take(&mut self.body);
        self.begin(made);
        let base = self.ir.places.base(place);
        self.var_place(base);
        let site = Site {
            span,
            function: expr,
            args: List::EMPTY,
            spread: false,
            how: How::Now,
            dests: Dests::None,
            typ: crate::types::TypeId::VOID,
        };
        self.method(site, known, place, &[]);
        self.done(span);
        self.body = outer;
        Value::Func(made)
    }

    fn fill_made(
        &mut self,
        made: crate::ir::FuncId,
        group: PlaceId,
        call: crate::ir::CallId,
        span: Span,
    ) {
        let outer = std::mem::take(&mut self.body);
        self.begin(made);
        let done = Op::WgAdd {
            group,
            delta: Amount::Const(-1),
        };
        self.emit_how(done, span, How::Defer);
        self.emit(Op::Call(call), span);
        let base = self.ir.places.base(group);
        self.var_place(base);
        self.done(span);
        self.body = outer;
    }

    /// A function that calls functions given to it, any number of times.
    fn callback(&mut self, site: Site<'_>, args: &[Value]) -> Value {
        let span = site.span;
        let funcs: Vec<Value> = args
            .iter()
            .copied()
            .filter(|value| match value {
                Value::Func(_) => true,
                Value::Place(place) => self.shape_at(*place) == Shape::Func,
                _ => false,
            })
            .collect();
        if site.how == How::Now && !funcs.is_empty() {
            let (head, round, after) = (self.new_block(), self.new_block(), self.new_block());
            self.start(head);
            let edge = |to| Edge {
                to,
                facts: Vec::new(),
            };
            self.branch(vec![edge(round), edge(after)], span);
            self.start(round);
            for function in funcs {
                self.call_given(site, function, How::Now);
            }
            self.jump(head, span);
            self.start(after);
        }
        // What comes out is among what went in: sorted, cut, cloned.
        let shape = self.kind(site.typ).shape;
        if super::assign::follows(shape) && shape != Shape::Unknown {
            let place = self.dest(site.dests, 0, shape, span);
            for value in args {
                if let Value::Place(_) = value {
                    self.flow_to(place, *value);
                }
            }
            return Value::Place(place);
        }
        self.unknown_results(site);
        Value::Unknown
    }

    fn response(&mut self, site: Site<'_>) -> Value {
        let object = self.make(ObjectKind::Resource("response body"), site.span);
        if let Dests::List(list) = site.dests
            && let Some(error) = list.get(1).copied().flatten()
        {
            self.assign(error, Value::Unknown, site.span);
        }
        self.give(
            site.dests,
            0,
            Value::Object(object),
            Shape::Resource,
            site.span,
        )
    }

    fn pipe(&mut self, site: Site<'_>) -> Value {
        let reader = self.make(ObjectKind::Resource("pipe reader"), site.span);
        let writer = self.make(ObjectKind::Resource("pipe writer"), site.span);
        let value = self.give(
            site.dests,
            0,
            Value::Object(reader),
            Shape::Resource,
            site.span,
        );
        self.give(
            site.dests,
            1,
            Value::Object(writer),
            Shape::Resource,
            site.span,
        );
        value
    }

    fn pull(&mut self, site: Site<'_>, sequence: Value) -> Value {
        self.leak(sequence, Escape::Argument(self.site(site.span)), site.span);
        let next = self.give(
            site.dests,
            0,
            Value::Const(Const::NonNil),
            Shape::Func,
            site.span,
        );
        let stop = self.make(ObjectKind::Resource("pulled iterator"), site.span);
        self.give(site.dests, 1, Value::Object(stop), Shape::Func, site.span);
        next
    }
}

fn needs_receiver(known: Known) -> bool {
    use Known::*;
    matches!(
        known,
        Lock(_)
            | TryLock(_)
            | Unlock(_)
            | RLocker
            | WgAdd
            | WgDone
            | WgWait
            | WgGo
            | GroupGo
            | GroupTryGo
            | GroupWait
            | CondWait
            | CondSignal
            | CondBroadcast
            | OnceDo
            | Done
            | Stop
            | Reset
            | PipeClose
    )
}
