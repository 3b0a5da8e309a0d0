//! Expressions.

use super::assign::{Dests, follows};
use super::body::How;
use super::{Lower, MAX_DEPTH, types};
use crate::ir::{
    Const, Declared, Escape, Node, ObjectKind, Op, Place, PlaceId, RecvKind, Shape, Unknown, Value,
};
use crate::syntax::ast::{ExprId, ExprKind, List};
use crate::syntax::{Span, Token};
use crate::types::{SelectionKind, Step, Type, TypeId};

impl Lower<'_, '_> {
    /// Goes through an expression; gives what it is.
    pub(super) fn value(&mut self, expr: ExprId) -> Value {
        self.value_into(expr, None)
    }

    /// Goes through an expression. Where it makes something, that is made at `dest`, and the value is that place.
    pub(super) fn value_into(&mut self, expr: ExprId, dest: Option<PlaceId>) -> Value {
        let expr = self.ast().unparen(expr);
        if self.depth >= MAX_DEPTH {
            let span = self.span_of(expr);
            self.unknown(Unknown::TooLarge, span);
            return Value::Unknown;
        }
        self.depth += 1;
        let value = self.any_value(expr, dest);
        self.depth -= 1;
        value
    }

    fn any_value(&mut self, expr: ExprId, dest: Option<PlaceId>) -> Value {
        let node = self.ast()[expr];
        match node.kind {
            ExprKind::Literal(_) => self.constant(expr).unwrap_or(Value::Unknown),
            ExprKind::Name(_) => self.name(expr),
            ExprKind::Selector { .. } => self.selector(expr),
            ExprKind::Composite { elements, .. } => self.composite(expr, elements, dest, false),
            ExprKind::Closure { signature, body } => {
                Value::Func(self.declare_closure(signature, body, node.span))
            }
            ExprKind::Call { .. } => match dest {
                Some(dest) => {
                    let dests = [Some(dest)];
                    self.call(expr, How::Now, Dests::List(&dests))
                }
                None => self.call(expr, How::Now, Dests::Want),
            },
            ExprKind::Index { operand, indices } => self.index(expr, operand, indices),
            ExprKind::Slice {
                operand,
                low,
                high,
                max,
            } => {
                let value = self.value(operand);
                for bound in [low, high, max].into_iter().flatten() {
                    self.value(bound);
                }
                value
            }
            ExprKind::Assert { operand, .. } => self.value(operand),
            ExprKind::Star(_) => self.place_of(expr).map_or(Value::Unknown, Value::Place),
            ExprKind::Unary { operator, operand } => self.unary(expr, operator, operand, dest),
            ExprKind::Binary {
                operator,
                left,
                right,
                ..
            } => self.binary(expr, operator, left, right),
            ExprKind::KeyValue { value, .. } => self.value(value),
            ExprKind::Bad => {
                self.unknown(Unknown::Syntax, node.span);
                Value::Unknown
            }
            // Types.
            _ => Value::Unknown,
        }
    }

    /// The value of an expression that is constant.
    pub(super) fn constant(&self, expr: ExprId) -> Option<Value> {
        let value = self.checker.constant_of(self.file, expr)?;
        Some(match value {
            types::Const::Bool(value) => Value::Const(Const::Bool(value)),
            types::Const::Int(value) => Value::Const(match i64::try_from(value) {
                Ok(value) => Const::Int(value),
                Err(_) => Const::Other(hash(&value.to_le_bytes())),
            }),
            types::Const::Text(text) => Value::Const(Const::Other(hash(&text))),
            types::Const::Unknown | types::Const::Float(_) => Value::Unknown,
        })
    }

    fn name(&mut self, expr: ExprId) -> Value {
        let Some(object) = self.checker.object_of(self.file, expr) else {
            return Value::Unknown;
        };
        self.object_value(expr, object)
    }

    fn object_value(&mut self, expr: ExprId, object: types::ObjectId) -> Value {
        match self.checker.object(object).kind {
            types::ObjectKind::Var(_) => match self.var(object) {
                Some(var) => Value::Place(self.var_place(var)),
                None => Value::Unknown,
            },
            types::ObjectKind::Const => self.constant(expr).unwrap_or(Value::Unknown),
            types::ObjectKind::Nil => Value::Const(Const::Nil),
            types::ObjectKind::Function { .. } => match self.funcs.get(&object) {
                Some(func) => Value::Func(*func),
                None => Value::Unknown,
            },
            _ => Value::Unknown,
        }
    }

    fn selector(&mut self, expr: ExprId) -> Value {
        match self.checker.use_of(self.file, expr) {
            types::Use::Object(object) => self.object_value(expr, object),
            types::Use::Selection(selection) => match self.checker.selection(selection).kind {
                SelectionKind::Field => self.place_of(expr).map_or(Value::Unknown, Value::Place),
                SelectionKind::Method {
                    method, expression, ..
                } => self.method_value(expr, method, expression),
                // Who gets the method may do with what it is of whatever the method does.
                SelectionKind::Interface { .. } => self.operand_of(expr),
            },
            types::Use::None | types::Use::Type => {
                self.operand_of(expr);
                Value::Unknown
            }
        }
    }

    /// `x.m` without a call.
    fn method_value(&mut self, expr: ExprId, method: types::ObjectId, expression: bool) -> Value {
        let Some(func) = self.funcs.get(&method).copied() else {
            return match self.known(method) {
                Some(known) if !expression => self.known_method_value(expr, known),
                _ => {
                    self.operand_of(expr);
                    Value::Unknown
                }
            };
        };
        if !expression
            && let Some(place) = self.receiver_of(expr)
            && let Some(var) = self.ir[func].receiver
        {
            let shape = self.ir[var].shape;
            self.flow_to_node(Node::Var(var), shape, Value::Place(place));
        }
        Value::Func(func)
    }

    fn operand_of(&mut self, expr: ExprId) -> Value {
        match self.ast()[expr].kind {
            ExprKind::Selector { operand, .. } => self.value(operand),
            _ => Value::Unknown,
        }
    }

    /// The place of the receiver in `x.m`: that of `x` and the embedded fields on the way.
    pub(super) fn receiver_of(&mut self, function: ExprId) -> Option<PlaceId> {
        let ast = self.ast();
        let ExprKind::Selector { operand, .. } = ast[ast.unparen(function)].kind else {
            return None;
        };
        let selection = self
            .checker
            .selection_of(self.file, ast.unparen(function))?;
        let (steps, receiver) = (selection.steps.clone(), selection.receiver);
        let place = self.operand_place(operand, receiver);
        Some(self.walk(place, &steps))
    }

    /// A place for what stands before a dot.
    fn operand_place(&mut self, operand: ExprId, typ: TypeId) -> PlaceId {
        let value = self.value(operand);
        let shape = self.kind(typ).shape;
        let span = self.span_of(operand);
        self.placed(value, shape, span)
    }

    /// Goes from a place along fields.
    fn walk(&mut self, mut place: PlaceId, steps: &[Step]) -> PlaceId {
        for step in steps {
            let owner = self.kind(step.owner).shape;
            place = match owner {
                // `t.C` is what the timer is for.
                Shape::Timer | Shape::Ticker => place,
                Shape::Cond => {
                    let node = self.node(place);
                    let field = self.lock_field(node);
                    self.ir.places.intern(Place::Field(place, field))
                }
                _ => {
                    let field = self.field(step.owner, step.name, step.typ);
                    self.ir.places.intern(Place::Field(place, field))
                }
            };
        }
        place
    }

    /// The place that an expression names, if it does.
    pub(super) fn place_of(&mut self, expr: ExprId) -> Option<PlaceId> {
        let ast = self.ast();
        let expr = ast.unparen(expr);
        match ast[expr].kind {
            ExprKind::Name(_) => {
                let object = self.checker.object_of(self.file, expr)?;
                let var = self.var(object)?;
                Some(self.var_place(var))
            }
            ExprKind::Selector { operand, .. } => match self.checker.use_of(self.file, expr) {
                types::Use::Object(object) => {
                    let var = self.var(object)?;
                    Some(self.var_place(var))
                }
                types::Use::Selection(selection) => {
                    let selection = self.checker.selection(selection);
                    let (steps, receiver) = (selection.steps.clone(), selection.receiver);
                    let place = self.operand_place(operand, receiver);
                    Some(self.walk(place, &steps))
                }
                _ => {
                    self.value(operand);
                    None
                }
            },
            ExprKind::Index { operand, indices } => {
                let place = self.value(operand);
                for index in &ast[indices] {
                    let span = self.span_of(*index);
                    let key = self.value(*index);
                    // A channel that is a key of a map is come by when its keys are gone through.
                    if matches!(key, Value::Place(place) if self.shape_at(place) == Shape::Chan) {
                        self.leak(key, Escape::Unknown(self.site(span)), span);
                    }
                }
                match place {
                    Value::Place(place) => Some(self.ir.places.intern(Place::Element(place))),
                    _ => None,
                }
            }
            ExprKind::Star(operand) => match self.value(operand) {
                Value::Place(place) => Some(place),
                _ => None,
            },
            _ => match self.value(expr) {
                Value::Place(place) => Some(place),
                _ => None,
            },
        }
    }

    fn index(&mut self, expr: ExprId, operand: ExprId, indices: List<ExprId>) -> Value {
        if let Some(object) = self.checker.object_of(self.file, operand)
            && matches!(
                self.checker.object(object).kind,
                types::ObjectKind::Function { .. }
            )
        {
            // An instance of a generic function.
            return self.object_value(expr, object);
        }
        let _ = indices;
        let typ = self.type_of(expr);
        match self.place_of(expr) {
            Some(place) if follows(self.kind(typ).shape) => Value::Place(place),
            _ => Value::Unknown,
        }
    }

    fn unary(
        &mut self,
        expr: ExprId,
        operator: Token,
        operand: ExprId,
        dest: Option<PlaceId>,
    ) -> Value {
        let ast = self.ast();
        match operator {
            Token::Arrow => self.receive(expr, operand, None),
            Token::And => {
                let inner = ast.unparen(operand);
                match ast[inner].kind {
                    ExprKind::Composite { elements, .. } => {
                        self.composite(inner, elements, dest, true)
                    }
                    _ => self.address(inner, dest),
                }
            }
            _ => {
                if let Some(value) = self.constant(expr) {
                    return value;
                }
                self.value(operand);
                Value::Unknown
            }
        }
    }

    /// `&x`.
    fn address(&mut self, operand: ExprId, dest: Option<PlaceId>) -> Value {
        let typ = self.type_of(operand);
        let kind = self.kind(typ);
        let Some(place) = self.place_of(operand) else {
            return Value::Unknown;
        };
        let span = self.span_of(operand);
        if kind.in_place || kind.shape == Shape::Struct {
            return Value::Place(place);
        }
        // Whoever has the address may assign.
        self.count(place);
        self.count(place);
        if let Place::Var(var) = self.ir[place]
            && let Some(var) = self.ir.vars.get_mut(var.index())
        {
            var.is_volatile = true;
        }
        if !follows(kind.shape) {
            return Value::Unknown;
        }
        let pointer = match dest {
            Some(dest) => dest,
            None => {
                // Who gets the pointer may write through it.
                let node = self.node(place);
                self.admit(node);
                self.temp(kind.shape, span)
            }
        };
        let (to, from) = (self.node(pointer), self.node(place));
        self.flow.edge(from, to);
        self.flow.edge(to, from);
        self.count(pointer);
        Value::Place(pointer)
    }

    /// `<-c`.
    pub(super) fn receive(
        &mut self,
        expr: ExprId,
        channel: ExprId,
        ok: Option<crate::ir::VarId>,
    ) -> Value {
        let span = self.span_of(expr);
        let typ = self.type_of(channel);
        let channel = self.channel(channel);
        let kind = match ok {
            Some(_) => RecvKind::Ok,
            None => RecvKind::Plain,
        };
        self.emit(Op::Recv { channel, kind, ok }, span);
        self.received(channel, typ)
    }

    /// The place of a channel.
    pub(super) fn channel(&mut self, channel: ExprId) -> PlaceId {
        let value = self.value(channel);
        let span = self.span_of(channel);
        self.placed(value, Shape::Chan, span)
    }

    /// What comes out of a channel.
    pub(super) fn received(&mut self, channel: PlaceId, typ: TypeId) -> Value {
        match self.element(channel, typ) {
            Some(place) => Value::Place(place),
            None => Value::Unknown,
        }
    }

    /// The place of what goes through a channel, if that is followed.
    pub(super) fn element(&mut self, channel: PlaceId, typ: TypeId) -> Option<PlaceId> {
        let Type::Chan { element, .. } = self.checker.core(typ) else {
            return None;
        };
        if !follows(self.kind(element).shape) {
            return None;
        }
        let field = self.element_field(element);
        Some(self.ir.places.intern(Place::Field(channel, field)))
    }

    fn binary(&mut self, expr: ExprId, operator: Token, left: ExprId, right: ExprId) -> Value {
        if let Some(value) = self.constant(expr) {
            return value;
        }
        if matches!(operator, Token::AndAnd | Token::OrOr) {
            if self.has_effect(right) {
                let (yes, no, after) = (self.new_block(), self.new_block(), self.new_block());
                self.condition(expr, yes, no);
                let span = self.span_of(expr);
                for block in [yes, no] {
                    self.start(block);
                    self.jump(after, span);
                }
                self.start(after);
            } else {
                self.value(left);
            }
            return Value::Unknown;
        }
        // A long sum leans to the left.
        let ast = self.ast();
        let mut terms = vec![right];
        let mut left = left;
        while let ExprKind::Binary {
            left: next,
            right,
            operator,
            ..
        } = ast[ast.unparen(left)].kind
            && !matches!(operator, Token::AndAnd | Token::OrOr)
        {
            terms.push(right);
            left = next;
        }
        self.value(left);
        while let Some(term) = terms.pop() {
            self.value(term);
        }
        Value::Unknown
    }

    /// Whether an expression calls, receives, or holds a closure.
    pub(super) fn has_effect(&self, expr: ExprId) -> bool {
        let ast = self.ast();
        for (_, node) in ast.walk(crate::syntax::ast::Node::Expr(expr)) {
            if let crate::syntax::ast::Node::Expr(expr) = node {
                match ast[expr].kind {
                    ExprKind::Call { .. } | ExprKind::Closure { .. } => return true,
                    ExprKind::Unary {
                        operator: Token::Arrow,
                        ..
                    } => return true,
                    _ => {}
                }
            }
        }
        false
    }

    fn composite(
        &mut self,
        expr: ExprId,
        elements: List<ExprId>,
        dest: Option<PlaceId>,
        is_pointer: bool,
    ) -> Value {
        let (span, typ) = (self.span_of(expr), self.type_of(expr));
        let kind = self.kind(typ);
        let place = match dest {
            Some(dest) => dest,
            None => self.temp(kind.shape, span),
        };
        self.composite_object(place, kind, span, is_pointer || dest.is_none());
        let ast = self.ast();
        // `[]*T{{...}}` and `map[K]*T{k: {...}}` leave out `&T`; the checker gives the type with its pointer.
        let holder = match self.checker.typ(typ) {
            Type::Pointer(inner) => inner,
            _ => typ,
        };
        let under = self.checker.core(holder);
        for (place_in, element) in ast[elements].iter().enumerate() {
            match (under, ast[*element].kind) {
                (Type::Struct(_), ExprKind::KeyValue { key, value }) => {
                    let Some(selection) = self.checker.selection_of(self.file, key) else {
                        self.unseen(value);
                        continue;
                    };
                    let steps = selection.steps.clone();
                    let to = self.walk(place, &steps);
                    self.initial(to, value);
                }
                (Type::Struct(fields), _) => {
                    let Some(member) = self.checker.fields(fields).get(place_in).copied() else {
                        self.value(*element);
                        continue;
                    };
                    let field = self.field(holder, member.name, member.typ);
                    let to = self.ir.places.intern(Place::Field(place, field));
                    self.initial(to, *element);
                }
                // Of what type it is, is not known, nor what that does with it.
                (Type::Unknown, ExprKind::KeyValue { value, .. }) => self.unseen(value),
                (Type::Unknown, _) => self.unseen(*element),
                (_, ExprKind::KeyValue { key, value }) => {
                    self.value(key);
                    let to = self.ir.places.intern(Place::Element(place));
                    self.initial(to, value);
                }
                (_, ExprKind::Literal(_)) => {}
                _ => {
                    let to = self.ir.places.intern(Place::Element(place));
                    self.initial(to, *element);
                }
            }
        }
        Value::Place(place)
    }

    /// A value that gets into something of which nothing is known.
    fn unseen(&mut self, value: ExprId) {
        let span = self.span_of(value);
        let value = self.value(value);
        self.leak(value, Escape::Unknown(self.site(span)), span);
    }

    /// A field or element of a composite literal.
    fn initial(&mut self, to: PlaceId, value: ExprId) {
        let shape = self.shape_at(to);
        let span = self.span_of(value);
        let dest = follows(shape).then_some(to);
        let value = self.value_into(value, dest);
        if !follows(shape) || value == Value::Place(to) {
            return;
        }
        self.flow_to(to, value);
        self.emit(Op::Assign { to, value }, span);
    }

    /// The object that a literal makes at its place.
    fn composite_object(
        &mut self,
        place: PlaceId,
        kind: super::shape::Kind,
        span: Span,
        is_new: bool,
    ) {
        // A variable or field that holds it in place is the object itself.
        if !kind.is_tracked || !kind.in_place || !is_new {
            if let Place::Var(var) = self.ir[place] {
                self.count(place);
                if kind.shape == Shape::Struct {
                    self.fresh.insert(var);
                }
            }
            return;
        }
        let what = match kind.shape {
            Shape::Cond => ObjectKind::Cond { lock: None },
            shape => ObjectKind::Value {
                shape,
                declared: None::<Declared>,
            },
        };
        let object = self.make(what, span);
        self.assign(place, Value::Object(object), span);
        if let Place::Var(var) = self.ir[place] {
            self.fresh.insert(var);
        }
    }
}

/// A number for a constant; equal constants have equal ones (FNV-1a).
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
