//! Values getting to places: the instruction, and the flow of objects.

use super::Lower;
use crate::ir::{Escape, Node, ObjectId, ObjectKind, Op, Place, PlaceId, Shape, Value, node_of};
use crate::syntax::Span;
use crate::syntax::ast::ExprId;

/// Whether objects may be at a place of this shape.
pub(super) fn follows(shape: Shape) -> bool {
    !matches!(
        shape,
        Shape::Error | Shape::Bool | Shape::Int | Shape::String | Shape::Other
    )
}

impl Lower<'_, '_> {
    /// The shape of what is at a place.
    pub(super) fn shape_at(&self, place: PlaceId) -> Shape {
        match self.node(place) {
            Node::Var(var) => self.ir[var].shape,
            Node::Field(field) => self.ir[field].shape,
        }
    }

    pub(super) fn node(&self, place: PlaceId) -> Node {
        node_of(&self.ir.places, place)
    }

    /// A place gets a value.
    pub(super) fn assign(&mut self, to: PlaceId, value: Value, span: Span) {
        if value == Value::Place(to) {
            return;
        }
        self.count(to);
        self.flow_to(to, value);
        self.emit(Op::Assign { to, value }, span);
    }

    /// Notes that a place is assigned.
    pub(super) fn count(&mut self, to: PlaceId) {
        match *self.ir.places.get(to) {
            Place::Var(var) => {
                let here = self.body.id;
                let around = &self.body.around;
                let declared_in = self.declared_in.get(var.index()).copied().flatten();
                let in_deeper_loop = around.last().copied() != declared_in
                    && around.iter().any(|inner| Some(*inner) > declared_in);
                let Some(found) = self.ir.vars.get_mut(var.index()) else {
                    return;
                };
                let is_elsewhere = found.func.is_some_and(|func| func != here);
                let is_initial = found.func.is_none() && self.in_initialiser;
                found.is_volatile |= is_elsewhere || found.func.is_none() && !is_initial;
                let again = is_elsewhere || in_deeper_loop;
                found.assignments = found.assignments.saturating_add(if again { 2 } else { 1 });
            }
            Place::Field(of, field) => {
                let base = self.ir.places.base(of);
                if !self.fresh.contains(&base)
                    && let Some(field) = self.ir.fields.get_mut(field.index())
                {
                    field.is_reassigned = true;
                }
            }
            Place::Element(_) => {}
        }
    }

    /// Objects of a value may be at a place.
    pub(super) fn flow_to(&mut self, to: PlaceId, value: Value) {
        let shape = self.shape_at(to);
        if !follows(shape) {
            return;
        }
        let node = self.node(to);
        self.flow_to_node(node, shape, value);
    }

    pub(super) fn flow_to_node(&mut self, to: Node, shape: Shape, value: Value) {
        match value {
            Value::Place(from) => {
                let from = self.node(from);
                self.flow.edge(from, to);
                if shape == Shape::Cond && from != to {
                    let (from, to) = (self.lock_field(from), self.lock_field(to));
                    self.flow.edge(Node::Field(from), Node::Field(to));
                }
            }
            Value::Object(object) => self.flow.start(to, object),
            Value::Func(func) => {
                let object = self.func_object(func);
                self.flow.start(to, object);
            }
            Value::Const(_) => {}
            // What has no objects says nothing of those of others: a number in an `any`.
            Value::Term(_) => {}
            Value::Unknown => {
                if shape != Shape::Struct {
                    self.admit(to);
                }
            }
        }
    }

    /// A value gets where it is not followed.
    pub(super) fn leak(&mut self, value: Value, escape: Escape, span: Span) {
        let node = match value {
            Value::Place(place) => {
                if !follows(self.shape_at(place)) {
                    return;
                }
                self.node(place)
            }
            Value::Object(_) | Value::Func(_) => {
                let temp = self.temp(Shape::Interface, span);
                self.flow_to(temp, value);
                self.node(temp)
            }
            Value::Const(_) | Value::Term(_) | Value::Unknown => return,
        };
        self.flow.leak(node, escape);
    }

    /// A place that holds a value.
    pub(super) fn placed(&mut self, value: Value, shape: Shape, span: Span) -> PlaceId {
        match value {
            Value::Place(place) => place,
            _ => {
                let temp = self.temp(shape, span);
                self.assign(temp, value, span);
                temp
            }
        }
    }

    /// What an expression of source is assigned to; `None` for `_` and for what cannot be told.
    pub(super) fn target(&mut self, expr: ExprId) -> Option<PlaceId> {
        let expr = self.ast().unparen(expr);
        if let crate::syntax::ast::ExprKind::Name(name) = self.ast()[expr].kind
            && name.is_blank()
        {
            return None;
        }
        self.place_of(expr)
    }

    /// An object made here, with its instruction.
    pub(super) fn make(&mut self, kind: ObjectKind, span: Span) -> ObjectId {
        let site = self.site(span);
        let object = self.new_object(kind, site);
        self.emit(Op::Make(object), span);
        object
    }
}

/// Where the results of a call go.
#[derive(Clone, Copy)]
pub(super) enum Dests<'d> {
    /// Nowhere.
    None,
    /// The only one is wanted as a value.
    Want,
    /// To these places.
    List(&'d [Option<PlaceId>]),
}

impl Lower<'_, '_> {
    /// A result of a call that is known goes where it should. Gives it back as a value.
    pub(super) fn give(
        &mut self,
        dests: Dests<'_>,
        place: usize,
        value: Value,
        shape: Shape,
        span: Span,
    ) -> Value {
        match dests {
            Dests::None => value,
            Dests::Want if place > 0 => value,
            Dests::Want => match value {
                Value::Object(_) => Value::Place(self.placed(value, shape, span)),
                _ => value,
            },
            Dests::List(list) => match list.get(place).copied().flatten() {
                Some(to) => {
                    self.assign(to, value, span);
                    Value::Place(to)
                }
                None => value,
            },
        }
    }

    /// The place a result goes to, made where there is none.
    pub(super) fn dest(
        &mut self,
        dests: Dests<'_>,
        place: usize,
        shape: Shape,
        span: Span,
    ) -> PlaceId {
        match dests {
            Dests::List(list) => match list.get(place).copied().flatten() {
                Some(to) => to,
                None => self.temp(shape, span),
            },
            Dests::None | Dests::Want => self.temp(shape, span),
        }
    }
}
