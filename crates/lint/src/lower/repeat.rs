//! Loops.

use super::Lower;
use super::assign::follows;
use super::body::{How, Target};
use crate::ir::{
    Amount, BlockId, Edge, End, Fact, Loop, LoopId, LoopKind, Op, Place, RecvKind, Test, Value,
};
use crate::syntax::ast::{AssignKind, BlockId as AstBlock, ExprId, ExprKind, StmtId, StmtKind};
use crate::syntax::{Name, Span, Token};
use crate::types::Type;

impl Lower<'_, '_> {
    fn new_loop(
        &mut self,
        head: BlockId,
        after: BlockId,
        span: Span,
        kind: LoopKind,
        rounds: Amount,
    ) -> LoopId {
        let id = LoopId::at(self.body.loops.len());
        let parent = self.body.around.last().copied();
        self.body.loops.push(Loop {
            head,
            after,
            parent,
            span,
            kind,
            rounds,
        });
        id
    }

    fn enter(&mut self, id: LoopId, label: Option<Name>, after: BlockId, again: BlockId) {
        self.body.around.push(id);
        self.body.targets.push(Target {
            label,
            after,
            again: Some(again),
        });
    }

    fn leave(&mut self) {
        self.body.around.pop();
        self.body.targets.pop();
    }

    pub(super) fn for_(
        &mut self,
        span: Span,
        label: Option<Name>,
        init: Option<StmtId>,
        condition: Option<ExprId>,
        post: Option<StmtId>,
        body: AstBlock,
    ) {
        let (head, round, again, after) = (
            self.new_block(),
            self.new_block(),
            self.new_block(),
            self.new_block(),
        );
        let rounds = self.rounds(init, condition, post);
        // The counter belongs to the loop: each round has its own.
        let id = self.new_loop(head, after, span, LoopKind::Forever, rounds);
        self.body.around.push(id);
        if let Some(init) = init {
            self.stmt(init);
        }
        self.body.around.pop();
        self.enter(id, label, after, again);
        self.start(head);
        let kind = match condition {
            None => LoopKind::Forever,
            Some(_) if rounds != Amount::Unknown => LoopKind::Counted,
            Some(condition) => {
                let has_effect = self.has_effect(condition);
                LoopKind::While(if has_effect {
                    None
                } else {
                    self.term_of(condition)
                })
            }
        };
        if let Some(inner) = self.body.loops.get_mut(id.index()) {
            inner.kind = kind;
        }
        if let Some(condition) = condition {
            self.condition(condition, round, after);
            self.start(round);
        }
        self.block(body);
        self.start(again);
        if let Some(post) = post {
            self.stmt(post);
        }
        self.jump(head, span);
        self.leave();
        self.start(after);
    }

    /// How often `for i := a; i < b; i++` goes round.
    fn rounds(
        &mut self,
        init: Option<StmtId>,
        condition: Option<ExprId>,
        post: Option<StmtId>,
    ) -> Amount {
        let ast = self.ast();
        let (Some(init), Some(condition), Some(post)) = (init, condition, post) else {
            return Amount::Unknown;
        };
        let StmtKind::Assign {
            kind: AssignKind::Define,
            left,
            right,
        } = ast[init].kind
        else {
            return Amount::Unknown;
        };
        let StmtKind::Step { operand, up: true } = ast[post].kind else {
            return Amount::Unknown;
        };
        let ([counter], [first]) = (&ast[left], &ast[right]) else {
            return Amount::Unknown;
        };
        let ExprKind::Binary {
            operator,
            left: tested,
            right: bound,
            ..
        } = ast[ast.unparen(condition)].kind
        else {
            return Amount::Unknown;
        };
        let object = |expr| self.checker.object_of(self.file, expr);
        let counter = object(*counter);
        let is_counter =
            counter.is_some() && object(tested) == counter && object(operand) == counter;
        let (true, Some(first)) = (is_counter, self.integer(*first)) else {
            return Amount::Unknown;
        };
        let more = match operator {
            Token::Less | Token::NotEqual => 0,
            Token::LessEqual => 1,
            _ => return Amount::Unknown,
        };
        match (self.amount(bound), first) {
            (Amount::Const(bound), _) => {
                let rounds = bound
                    .checked_sub(first)
                    .and_then(|rounds| rounds.checked_add(more));
                rounds.map_or(Amount::Unknown, |rounds| Amount::Const(rounds.max(0)))
            }
            (Amount::Term(bound), 0) if more == 0 => Amount::Term(bound),
            _ => Amount::Unknown,
        }
    }

    pub(super) fn range(
        &mut self,
        span: Span,
        label: Option<Name>,
        vars: [Option<ExprId>; 2],
        operand: ExprId,
        body: AstBlock,
    ) {
        let core = self.core_of(operand);
        match core {
            Type::Chan { .. } => self.range_channel(span, label, vars, operand, body),
            _ => self.range_other(span, label, vars, operand, body, core),
        }
    }

    fn range_channel(
        &mut self,
        span: Span,
        label: Option<Name>,
        vars: [Option<ExprId>; 2],
        operand: ExprId,
        body: AstBlock,
    ) {
        let (head, round, after) = (self.new_block(), self.new_block(), self.new_block());
        let typ = self.type_of(operand);
        let channel = self.channel(operand);
        let kind = LoopKind::Chan(channel);
        let id = self.new_loop(head, after, span, kind, Amount::Unknown);
        self.enter(id, label, after, head);
        self.start(head);
        let at = self.span_of(operand);
        let at = Span::new(span.start, at.end);
        self.emit(
            Op::Recv {
                channel,
                kind: RecvKind::Range,
                ok: None,
            },
            at,
        );
        let term = self.place_term(channel);
        let edge = |to, holds| {
            let facts = vec![Fact {
                term,
                test: Test::Closed,
                holds,
            }];
            Edge { to, facts }
        };
        self.branch(vec![edge(round, false), edge(after, true)], at);
        self.start(round);
        let value = self.received(channel, typ);
        self.range_vars(vars, [value, Value::Unknown], span);
        self.block(body);
        self.jump(head, span);
        self.leave();
        self.start(after);
    }

    fn range_other(
        &mut self,
        span: Span,
        label: Option<Name>,
        vars: [Option<ExprId>; 2],
        operand: ExprId,
        body: AstBlock,
        core: Type,
    ) {
        let (head, round, after) = (self.new_block(), self.new_block(), self.new_block());
        let at = self.span_of(operand);
        let rounds = match core {
            Type::Basic(basic) if basic != crate::types::Basic::String => self.amount(operand),
            Type::Array {
                length: Some(length),
                ..
            } => i64::try_from(length).map_or(Amount::Unknown, Amount::Const),
            Type::Slice(_) if !self.has_effect(operand) => match self.place_of(operand) {
                Some(place) => Amount::Term(self.length_term(place)),
                None => Amount::Unknown,
            },
            _ => Amount::Unknown,
        };
        let source = match core {
            Type::Func(_) => {
                self.range_func(operand);
                Value::Unknown
            }
            _ => self.value(operand),
        };
        let kind = match core {
            Type::Func(_) => LoopKind::Func,
            _ => LoopKind::Counted,
        };
        let id = self.new_loop(head, after, span, kind, rounds);
        self.enter(id, label, after, head);
        self.start(head);
        let facts = Vec::new;
        let out = Edge {
            to: after,
            facts: facts(),
        };
        self.end(
            End::Branch(vec![
                Edge {
                    to: round,
                    facts: facts(),
                },
                out,
            ]),
            at,
        );
        self.start(round);
        let element = match source {
            Value::Place(place) if follows(self.shape_at(place)) => {
                Value::Place(self.ir.places.intern(Place::Element(place)))
            }
            _ => Value::Unknown,
        };
        self.range_vars(vars, [Value::Unknown, element], span);
        self.block(body);
        self.jump(head, span);
        self.leave();
        self.start(after);
    }

    /// The function that is ranged over runs; it calls the loop's body.
    fn range_func(&mut self, operand: ExprId) {
        let span = self.span_of(operand);
        let callee = match self.value(operand) {
            Value::Func(func) => crate::ir::Callee::Func(func),
            Value::Place(place) => crate::ir::Callee::Value(place),
            _ => return,
        };
        let call = crate::ir::Call {
            callee,
            receiver: None,
            args: Vec::new(),
            results: Vec::new(),
        };
        let call = self.add_call(call, span);
        self.emit_how(Op::Call(call), span, How::Now);
    }

    fn range_vars(&mut self, vars: [Option<ExprId>; 2], values: [Value; 2], span: Span) {
        for (var, value) in vars.into_iter().zip(values) {
            let Some(to) = var.and_then(|var| self.target(var)) else {
                continue;
            };
            self.assign(to, value, span);
        }
    }
}
