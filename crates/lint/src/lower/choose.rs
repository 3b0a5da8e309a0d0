//! `switch` and `select`.

use super::body::Target;
use super::{Lower, types};
use crate::ir::{Arm, BlockId, Edge, End, Fact, Op, PlaceId, Value, VarId};
use crate::syntax::ast::{ClauseId, ClauseKind, ExprId, ExprKind, List, StmtId, StmtKind};
use crate::syntax::{Name, Span, Token};

impl Lower<'_, '_> {
    pub(super) fn switch(
        &mut self,
        span: Span,
        label: Option<Name>,
        init: Option<StmtId>,
        tag: Option<ExprId>,
        clauses: List<ClauseId>,
    ) {
        if let Some(init) = init {
            self.stmt(init);
        }
        let clauses = &self.ast()[clauses];
        let bodies: Vec<BlockId> = clauses.iter().map(|_| self.new_block()).collect();
        let after = self.new_block();
        let default = self.default_of(clauses, &bodies).unwrap_or(after);
        match tag {
            Some(tag) => self.tagged(tag, clauses, &bodies, default),
            None => self.tagless(clauses, &bodies, default),
        }
        self.clause_bodies(span, label, clauses, &bodies, after, |_, _| {});
    }

    fn default_of(&self, clauses: &[ClauseId], bodies: &[BlockId]) -> Option<BlockId> {
        let ast = self.ast();
        let is_default = |clause: &ClauseId| ast[*clause].kind == ClauseKind::Default;
        let place = clauses.iter().position(is_default)?;
        bodies.get(place).copied()
    }

    /// `switch x { case 1, 2: ... }`
    fn tagged(&mut self, tag: ExprId, clauses: &[ClauseId], bodies: &[BlockId], default: BlockId) {
        let ast = self.ast();
        let span = self.span_of(tag);
        let term = match self.has_effect(tag) {
            true => {
                self.value(tag);
                None
            }
            false => self.term_of(tag),
        };
        let mut edges = Vec::new();
        let mut others = Vec::new();
        for (clause, body) in clauses.iter().zip(bodies) {
            let ClauseKind::Case(values) = ast[*clause].kind else {
                continue;
            };
            let values = &ast[values];
            for value in values {
                if self.constant(*value).is_none() {
                    self.value(*value);
                }
            }
            for test in self.tag_tests(term, values) {
                let fact = |holds| test.map(|(term, test)| Fact { term, test, holds });
                edges.push(Edge {
                    to: *body,
                    facts: fact(true).into_iter().collect(),
                });
                others.extend(fact(false));
            }
        }
        edges.push(Edge {
            to: default,
            facts: others,
        });
        self.branch(edges, span);
    }

    /// `switch { case x > 1: ... }`
    fn tagless(&mut self, clauses: &[ClauseId], bodies: &[BlockId], default: BlockId) {
        let ast = self.ast();
        for (clause, body) in clauses.iter().zip(bodies) {
            let ClauseKind::Case(conditions) = ast[*clause].kind else {
                continue;
            };
            for condition in &ast[conditions] {
                let next = self.new_block();
                self.condition(*condition, *body, next);
                self.start(next);
            }
        }
        self.jump(default, Span::default());
    }

    /// The bodies of the clauses, each after what `begin` puts before it.
    fn clause_bodies(
        &mut self,
        span: Span,
        label: Option<Name>,
        clauses: &[ClauseId],
        bodies: &[BlockId],
        after: BlockId,
        mut begin: impl FnMut(&mut Self, usize),
    ) {
        self.body.targets.push(Target {
            label,
            after,
            again: None,
        });
        let outer = self.body.next_clause;
        for (place, (clause, body)) in clauses.iter().zip(bodies).enumerate() {
            self.body.next_clause = bodies.get(place + 1).copied();
            // Nothing falls into a clause but by `fallthrough`.
            self.body.current = None;
            self.start(*body);
            begin(self, place);
            self.stmts(self.ast()[*clause].body);
            self.jump(after, span);
        }
        self.body.next_clause = outer;
        self.body.targets.pop();
        self.start(after);
    }

    pub(super) fn type_switch(
        &mut self,
        span: Span,
        label: Option<Name>,
        init: Option<StmtId>,
        guard: ExprId,
        clauses: List<ClauseId>,
    ) {
        if let Some(init) = init {
            self.stmt(init);
        }
        let ast = self.ast();
        let clauses = &ast[clauses];
        let operand = match ast[ast.unparen(guard)].kind {
            ExprKind::Assert { operand, .. } => self.value(operand),
            _ => Value::Unknown,
        };
        let bodies: Vec<BlockId> = clauses.iter().map(|_| self.new_block()).collect();
        let after = self.new_block();
        let default = self.default_of(clauses, &bodies).unwrap_or(after);
        let to = bodies
            .iter()
            .copied()
            .filter(|body| *body != default)
            .chain([default]);
        let edges = to
            .map(|to| Edge {
                to,
                facts: Vec::new(),
            })
            .collect();
        self.branch(edges, span);
        self.clause_bodies(span, label, clauses, &bodies, after, |this, place| {
            let object = clauses
                .get(place)
                .and_then(|clause| this.checker.clause_variable(this.file, *clause));
            if let Some(var) = object.and_then(|object| this.var(object)) {
                let to = this.var_place(var);
                this.assign(to, operand, span);
            }
        });
    }

    pub(super) fn select(&mut self, span: Span, label: Option<Name>, clauses: List<ClauseId>) {
        let clauses = &self.ast()[clauses];
        let bodies: Vec<BlockId> = clauses.iter().map(|_| self.new_block()).collect();
        let after = self.new_block();
        let default = self.default_of(clauses, &bodies);
        let mut arms = Vec::new();
        // By clause: what its receive gives, and where that goes.
        let mut received: Vec<Option<Received>> = Vec::new();
        for (clause, body) in clauses.iter().zip(&bodies) {
            let clause = self.ast()[*clause];
            let ClauseKind::Comm(stmt) = clause.kind else {
                received.push(None);
                continue;
            };
            match self.arm(stmt) {
                Some((op, from)) => {
                    let instr = self.aside(op, self.ast()[stmt].span);
                    arms.push(Arm { instr, to: *body });
                    received.push(from);
                }
                None => received.push(None),
            }
        }
        let head = Span::new(span.start, span.start.saturating_add(SELECT));
        self.end(End::Select { arms, default }, head);
        self.clause_bodies(span, label, clauses, &bodies, after, |this, place| {
            let Some(Some(received)) = received.get(place).copied() else {
                return;
            };
            if let Some(to) = received.to {
                let value = this.received(received.channel, received.typ);
                this.assign(to, value, received.span);
            }
            if let Some(ok) = received.ok {
                this.count(ok);
            }
        });
    }

    /// The operation of a select's case.
    fn arm(&mut self, stmt: StmtId) -> Option<(Op, Option<Received>)> {
        let ast = self.ast();
        match ast[stmt].kind {
            StmtKind::Send { channel, value } => {
                let (channel, _) = self.send_operands(channel, value);
                Some((Op::Send { channel }, None))
            }
            StmtKind::Expr(value) => self.receive_arm(value, None, None),
            StmtKind::Assign { left, right, .. } => {
                let value = *ast[right].first()?;
                let left: Vec<Option<PlaceId>> =
                    ast[left].iter().map(|to| self.target(*to)).collect();
                let to = left.first().copied().flatten();
                self.receive_arm(value, to, left.get(1).copied())
            }
            _ => None,
        }
    }

    fn receive_arm(
        &mut self,
        value: ExprId,
        to: Option<PlaceId>,
        ok: Option<Option<PlaceId>>,
    ) -> Option<(Op, Option<Received>)> {
        let ast = self.ast();
        let value = ast.unparen(value);
        let ExprKind::Unary {
            operator: Token::Arrow,
            operand,
        } = ast[value].kind
        else {
            return None;
        };
        let typ = self.type_of(operand);
        let channel = self.channel(operand);
        let ok_place = ok.flatten();
        let ok: Option<VarId> = match ok {
            None => None,
            Some(place) => {
                let var = place.and_then(|place| self.ok_var(place));
                Some(var.unwrap_or_else(|| self.nothing()))
            }
        };
        let kind = Self::recv_kind(ok);
        let span = self.span_of(value);
        let received = Received {
            channel,
            typ,
            to,
            ok: ok_place,
            span,
        };
        Some((Op::Recv { channel, kind, ok }, Some(received)))
    }
}

/// Length of the keyword.
const SELECT: u32 = 6;

/// What a receive in a select's case gives.
#[derive(Clone, Copy)]
struct Received {
    channel: PlaceId,
    typ: types::TypeId,
    to: Option<PlaceId>,
    ok: Option<PlaceId>,
    span: Span,
}
