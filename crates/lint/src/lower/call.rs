//! Calls.

use super::assign::{Dests, follows};
use super::body::How;
use super::known::{Known, is_harmless_interface, known, leaves_open};
use super::{Lower, types};
use crate::ir::End;
use crate::ir::{
    Amount, Call, CallId, Callee, Const, Escape, Extern, ExternId, FuncId, Node, ObjectKind, Op,
    Place, PlaceId, Shape, Unknown, Value,
};
use crate::syntax::Span;
use crate::syntax::ast::{ExprId, ExprKind, List};
use crate::types::{Builtin, SelectionId, SelectionKind, Type, TypeId};

/// A call of source.
#[derive(Clone, Copy)]
pub(super) struct Site<'d> {
    pub(super) span: Span,
    pub(super) function: ExprId,
    pub(super) args: List<ExprId>,
    pub(super) spread: bool,
    pub(super) how: How,
    pub(super) dests: Dests<'d>,
    /// The type of the call.
    pub(super) typ: TypeId,
}

impl Lower<'_, '_> {
    /// Lowers a call.
    pub(super) fn call(&mut self, expr: ExprId, how: How, dests: Dests<'_>) -> Value {
        let ast = self.ast();
        let expr = ast.unparen(expr);
        let node = ast[expr];
        let ExprKind::Call {
            function,
            args,
            spread,
        } = node.kind
        else {
            return self.value(expr);
        };
        let typ = self.type_of(expr);
        let site = Site {
            span: node.span,
            function,
            args,
            spread,
            how,
            dests,
            typ,
        };
        match self.checker.callee(self.file, expr) {
            types::Callee::Conversion(_) => match ast[args].first() {
                Some(value) => {
                    let value = self.value(*value);
                    self.give(dests, 0, value, Shape::Interface, node.span)
                }
                None => Value::Unknown,
            },
            types::Callee::Builtin(builtin) => self.builtin(site, builtin),
            types::Callee::Function(object) => self.call_declared(site, object, None),
            types::Callee::Method(method, selection) => {
                let receiver = match self.checker.selection(selection).kind {
                    SelectionKind::Method {
                        expression: true, ..
                    } => None,
                    _ => self.receiver_of(function),
                };
                self.call_declared(site, method, receiver)
            }
            types::Callee::Interface(selection) => self.call_interface(site, selection),
            types::Callee::Closure(closure) => {
                let args = self.args(site);
                match self.value(closure) {
                    Value::Func(func) => self.emit_call(site, Callee::Func(func), None, args),
                    _ => Value::Unknown,
                }
            }
            types::Callee::Value(value) => self.call_value(site, value),
            types::Callee::Unknown => {
                self.value(function);
                let args = self.args(site);
                self.emit_call(site, Callee::Unknown(Unknown::Callee), None, args)
            }
        }
    }

    /// The values of the arguments, in order.
    pub(super) fn args(&mut self, site: Site<'_>) -> Vec<Value> {
        let ast = self.ast();
        let list = &ast[site.args];
        if let [only] = list
            && let Type::Tuple(types) = self.checker.typ(self.type_of(*only))
        {
            // f(g()), where g gives several.
            let types = self.checker.list(types).to_vec();
            let places: Vec<Option<PlaceId>> = types
                .into_iter()
                .map(|typ| {
                    let shape = self.kind(typ).shape;
                    Some(self.temp(shape, site.span))
                })
                .collect();
            self.call(*only, How::Now, Dests::List(&places));
            return places.into_iter().flatten().map(Value::Place).collect();
        }
        list.iter().map(|arg| self.value(*arg)).collect()
    }

    fn call_declared(
        &mut self,
        site: Site<'_>,
        object: types::ObjectId,
        receiver: Option<PlaceId>,
    ) -> Value {
        if let Some(func) = self.funcs.get(&object).copied() {
            let mut args = self.args(site);
            let mut receiver = receiver.map(Value::Place);
            if receiver.is_none() && self.ir[func].receiver.is_some() && !args.is_empty() {
                // T.m(x, ...)
                receiver = Some(args.remove(0));
            }
            return self.emit_call(site, Callee::Func(func), receiver, args);
        }
        if let Some(known) = self.known(object) {
            return self.known_call(site, known, receiver);
        }
        let args = self.args(site);
        let callee = match self.extern_of(object) {
            Some(callee) => Callee::Extern(callee),
            None => Callee::Unknown(Unknown::Callee),
        };
        self.emit_call(site, callee, receiver.map(Value::Place), args)
    }

    pub(super) fn known(&mut self, object: types::ObjectId) -> Option<Known> {
        if let Some(known) = self.known.get(&object) {
            return *known;
        }
        let key = self.checker.key(object);
        let found = key.and_then(|key| {
            known(
                &key.package,
                key.receiver.as_deref().unwrap_or_default(),
                &key.name,
            )
        });
        self.known.insert(object, found);
        found
    }

    fn extern_of(&mut self, object: types::ObjectId) -> Option<ExternId> {
        if let Some(known) = self.externs.get(&object) {
            return Some(*known);
        }
        let key = self.checker.key(object)?;
        let package = self.checker.object(object).package();
        let facts = package.and_then(|package| (self.facts_of)(package));
        let facts = facts.and_then(|facts| facts.get(&key).cloned());
        let id = ExternId::at(self.ir.externs.len());
        self.ir.externs.push(Extern {
            leaves_open: leaves_open(&key.package),
            key,
            implementations: Vec::new(),
            is_complete: false,
            is_harmless: false,
            facts,
        });
        self.externs.insert(object, id);
        Some(id)
    }

    fn call_value(&mut self, site: Site<'_>, function: ExprId) -> Value {
        let shape = {
            let typ = self.type_of(function);
            self.kind(typ).shape
        };
        let callee = self.value(function);
        match callee {
            Value::Func(func) => {
                let args = self.args(site);
                self.emit_call(site, Callee::Func(func), None, args)
            }
            Value::Place(place) => {
                let args = self.args(site);
                if shape == Shape::Cancel || self.shape_at(place) == Shape::Cancel {
                    self.emit_how(Op::Cancel { cancel: place }, site.span, site.how);
                    return Value::Unknown;
                }
                self.emit_call(site, Callee::Value(place), None, args)
            }
            _ => {
                let args = self.args(site);
                self.emit_call(site, Callee::Unknown(Unknown::Callee), None, args)
            }
        }
    }

    fn call_interface(&mut self, site: Site<'_>, selection: SelectionId) -> Value {
        let SelectionKind::Interface {
            interface,
            name,
            expression,
        } = self.checker.selection(selection).kind
        else {
            return Value::Unknown;
        };
        let mut receiver = match expression {
            true => None,
            false => self.receiver_of(site.function),
        };
        let key = self.checker.type_key(interface);
        let (package, owner) = match &key {
            Some(key) => (key.package.as_str(), key.name.as_str()),
            None => ("", ""),
        };
        let text = self.text(name);
        if let Some(known) = known(package, owner, text)
            && matches!(package, "context" | "sync")
        {
            return self.known_call(site, known, receiver);
        }
        if let Some(place) = receiver
            && text == "Close"
            && let Place::Field(of, _) = self.ir[place]
            && self.shape_at(of) == Shape::Resource
        {
            self.emit_how(Op::Release { resource: of }, site.span, site.how);
            return Value::Unknown;
        }
        let is_harmless = is_harmless_interface(package, owner);
        let mut args = self.args(site);
        if expression && !args.is_empty() {
            let value = args.remove(0);
            receiver = Some(self.placed(value, Shape::Interface, site.span));
        }
        let method = self.interface_method(interface, name, key, is_harmless);
        self.emit_call(
            site,
            Callee::Interface(method),
            receiver.map(Value::Place),
            args,
        )
    }

    fn interface_method(
        &mut self,
        interface: TypeId,
        name: crate::syntax::Name,
        key: Option<types::Key>,
        is_harmless: bool,
    ) -> ExternId {
        if let Some(known) = self.methods.get(&(interface, name)) {
            return *known;
        }
        let methods = self.checker.implementations(interface, name);
        let mut implementations = Vec::new();
        let mut is_closed = true;
        for method in methods {
            match self.funcs.get(&method) {
                Some(func) => implementations.push(*func),
                None => is_closed = false,
            }
        }
        let is_own = key.as_ref().is_some_and(|key| key.package == self.ir.path);
        let is_hidden = !self.is_importable
            || key
                .as_ref()
                .is_some_and(|key| !super::declare::is_exported(&key.name));
        let is_complete = is_closed && is_own && is_hidden;
        let key = types::Key {
            package: key
                .as_ref()
                .map_or(String::new(), |key| key.package.clone()),
            receiver: Some(key.map_or(String::new(), |key| key.name)),
            name: self.text(name).to_owned(),
        };
        let id = ExternId::at(self.ir.externs.len());
        self.ir.externs.push(Extern {
            key,
            implementations,
            is_complete,
            is_harmless,
            leaves_open: false,
            facts: None,
        });
        self.methods.insert((interface, name), id);
        id
    }

    /// Adds the call, and lets arguments and results flow.
    pub(super) fn emit_call(
        &mut self,
        site: Site<'_>,
        callee: Callee,
        receiver: Option<Value>,
        args: Vec<Value>,
    ) -> Value {
        let (results, value) = self.results(site);
        let call = Call {
            callee,
            receiver,
            args,
            results,
        };
        if let Callee::Extern(_) = callee
            && !self.matters(&call)
        {
            return value;
        }
        let id = self.add_call(call, site.span);
        self.emit_how(Op::Call(id), site.span, site.how);
        value
    }

    /// Whether a call of a function of another package can mean anything here.
    fn matters(&self, call: &Call) -> bool {
        let is_followed = |value: &Value| match value {
            Value::Place(place) => follows(self.shape_at(*place)),
            Value::Func(_) | Value::Object(_) => true,
            _ => false,
        };
        call.results.iter().any(Option::is_some)
            || call.receiver.iter().chain(&call.args).any(is_followed)
    }

    /// Adds a call to the table and binds it as far as it is known who is called.
    pub(super) fn add_call(&mut self, call: Call, span: Span) -> CallId {
        let id = CallId::at(self.ir.calls.len());
        for to in call.results.iter().flatten() {
            self.count(*to);
        }
        match call.callee {
            Callee::Func(func) => self.bind(&call, func),
            Callee::Value(_) | Callee::Interface(_) => self.open_calls.push(id),
            Callee::Extern(_) | Callee::Unknown(_) => self.bind_outside(&call, span),
        }
        self.ir.calls.push(call);
        self.call_sites.push(self.site(span));
        id
    }

    /// Arguments flow to parameters, results back.
    pub(super) fn bind(&mut self, call: &Call, func: FuncId) {
        let target = &self.ir[func];
        let (receiver, results) = (target.receiver, target.results.clone());
        let params = target.params.clone();
        if let (Some(value), Some(var)) = (call.receiver, receiver) {
            let shape = self.ir[var].shape;
            if follows(shape) {
                self.flow_to_node(Node::Var(var), shape, value);
            }
        }
        for (place, value) in call.args.iter().enumerate() {
            // Those behind the last parameter belong to it.
            let Some(var) = params.get(place).or(params.last()).copied() else {
                break;
            };
            let shape = self.ir[var].shape;
            if follows(shape) {
                self.flow_to_node(Node::Var(var), shape, *value);
            }
        }
        for (to, from) in call.results.iter().zip(results) {
            if let Some(to) = to
                && follows(self.shape_at(*to))
            {
                let to = self.node(*to);
                self.flow.edge(Node::Var(from), to);
            }
        }
    }

    /// Arguments leak, results may be anything.
    pub(super) fn bind_outside(&mut self, call: &Call, span: Span) {
        let escape = Escape::Argument(self.site(span));
        let receiver = call.receiver.iter().map(|value| (0, value));
        for (number, value) in receiver.chain((1..).zip(&call.args)) {
            if self.ir.may_keep(call.callee, number, *value) {
                self.leak(*value, escape, span);
            }
        }
        for to in call.results.iter().flatten() {
            if follows(self.shape_at(*to)) {
                let to = self.node(*to);
                self.admit(to);
            }
        }
    }

    /// The places of the results, and the value of the call.
    fn results(&mut self, site: Site<'_>) -> (Vec<Option<PlaceId>>, Value) {
        match site.dests {
            Dests::None => (Vec::new(), Value::Unknown),
            Dests::List(list) => {
                let first = list.first().copied().flatten();
                (list.to_vec(), first.map_or(Value::Unknown, Value::Place))
            }
            Dests::Want => {
                let shape = self.kind(site.typ).shape;
                if !follows(shape) {
                    return (Vec::new(), Value::Unknown);
                }
                let place = self.temp(shape, site.span);
                (vec![Some(place)], Value::Place(place))
            }
        }
    }

    fn builtin(&mut self, site: Site<'_>, builtin: Builtin) -> Value {
        let ast = self.ast();
        let args = &ast[site.args];
        match builtin {
            Builtin::Make => self.builtin_make(site),
            Builtin::New => {
                let kind = self.kind(site.typ);
                let inner = args.first().map(|arg| self.type_of(*arg));
                let inner = inner.map(|typ| self.kind(typ));
                if let Some(arg) = args.first()
                    && !self.checker.is_type(self.file, *arg)
                {
                    // new(expr)
                    return self.value(*arg);
                }
                match inner {
                    Some(inner) if inner.in_place && inner.is_tracked => {
                        let what = match inner.shape {
                            Shape::Cond => ObjectKind::Cond { lock: None },
                            shape => ObjectKind::Value {
                                shape,
                                declared: None,
                            },
                        };
                        let object = self.make(what, site.span);
                        let value =
                            self.give(site.dests, 0, Value::Object(object), kind.shape, site.span);
                        if let Value::Place(place) = value
                            && let Place::Var(var) = self.ir[place]
                        {
                            self.fresh.insert(var);
                        }
                        value
                    }
                    _ => self.give(
                        site.dests,
                        0,
                        Value::Const(Const::NonNil),
                        kind.shape,
                        site.span,
                    ),
                }
            }
            Builtin::Close => {
                if let Some(channel) = args.first() {
                    let channel = self.channel(*channel);
                    self.emit_how(Op::Close { channel }, site.span, site.how);
                }
                Value::Unknown
            }
            Builtin::Append => self.append(site),
            Builtin::Copy => {
                let values: Vec<Value> = args.iter().map(|arg| self.value(*arg)).collect();
                if let [Value::Place(to), from] = values.as_slice() {
                    self.flow_to(*to, *from);
                }
                Value::Unknown
            }
            Builtin::Panic => {
                self.args(site);
                if site.how == How::Now {
                    self.stop(End::Panic, site.span);
                }
                Value::Unknown
            }
            Builtin::Recover => {
                self.body.recovers = true;
                Value::Unknown
            }
            Builtin::Len => match args.first().map(|arg| self.value(*arg)) {
                Some(Value::Place(place)) => Value::Term(self.length_term(place)),
                _ => Value::Unknown,
            },
            _ => {
                args.iter().for_each(|arg| {
                    self.value(*arg);
                });
                Value::Unknown
            }
        }
    }

    fn builtin_make(&mut self, site: Site<'_>) -> Value {
        let ast = self.ast();
        let args = &ast[site.args];
        for arg in args.iter().skip(1) {
            if self.constant(*arg).is_none() {
                self.value(*arg);
            }
        }
        match self.checker.core(site.typ) {
            Type::Chan { .. } => {
                let capacity = match args.get(1) {
                    Some(size) => self.amount(*size),
                    None => Amount::Const(0),
                };
                let object = self.make(ObjectKind::Chan { capacity }, site.span);
                self.give(site.dests, 0, Value::Object(object), Shape::Chan, site.span)
            }
            _ => {
                let shape = self.kind(site.typ).shape;
                let place = self.dest(site.dests, 0, shape, site.span);
                self.count(place);
                // Elements of a slice of locks are made here.
                let kind = self.kind(site.typ);
                if kind.in_place && kind.is_tracked {
                    let what = ObjectKind::Value {
                        shape,
                        declared: None,
                    };
                    let object = self.make(what, site.span);
                    let node = self.node(place);
                    self.flow.start(node, object);
                }
                if let Place::Var(var) = self.ir[place] {
                    self.fresh.insert(var);
                }
                Value::Place(place)
            }
        }
    }

    /// `append(s, x...)`: what is in `s`, and the rest.
    fn append(&mut self, site: Site<'_>) -> Value {
        let shape = self.kind(site.typ).shape;
        if !follows(shape) {
            self.args(site);
            return Value::Unknown;
        }
        let place = self.dest(site.dests, 0, shape, site.span);
        self.count(place);
        let element = self.ir.places.intern(Place::Element(place));
        let ast = self.ast();
        for (index, arg) in ast[site.args].iter().enumerate() {
            let value = self.value(*arg);
            if index == 0 || site.spread && index + 1 == ast[site.args].len() {
                self.flow_to(place, value);
                if value != Value::Place(place) {
                    self.emit(Op::Assign { to: place, value }, site.span);
                }
            } else {
                self.flow_to(element, value);
                self.emit(Op::Assign { to: element, value }, site.span);
            }
        }
        Value::Place(place)
    }
}
