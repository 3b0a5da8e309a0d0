//! Conditions: what is known behind a branch.

use super::expr::hash;
use super::{Lower, MAX_DEPTH, types};
use crate::ir::{
    Amount, BlockId, Compare, Const, Edge, Fact, Op, Place, PlaceId, Term, TermId, TermKind, Test,
    Value, VarId,
};
use crate::syntax::Token;
use crate::syntax::ast::{ExprId, ExprKind};

/// Levels of an expression that is told from others as a whole.
const MAX_DIGEST: u32 = 8;

/// What a condition tests, and whether it holds when that is so.
type Tested = (TermId, Test, bool);

impl Lower<'_, '_> {
    /// Ends the block at hand: goes on at `yes` where the condition holds and at `no` where not.
    pub(super) fn condition(&mut self, expr: ExprId, yes: BlockId, no: BlockId) {
        let ast = self.ast();
        let (mut expr, mut yes, mut no) = (ast.unparen(expr), yes, no);
        while let ExprKind::Unary {
            operator: Token::Not,
            operand,
        } = ast[expr].kind
        {
            (yes, no) = (no, yes);
            expr = ast.unparen(operand);
        }
        if self.depth >= MAX_DEPTH {
            self.leaf(expr, yes, no);
            return;
        }
        self.depth += 1;
        match ast[expr].kind {
            ExprKind::Binary { operator, .. }
                if matches!(operator, Token::AndAnd | Token::OrOr) =>
            {
                // a && b && c leans to the left.
                let mut parts = Vec::new();
                let mut left = expr;
                while let ExprKind::Binary {
                    operator: same,
                    left: next,
                    right,
                    ..
                } = ast[left].kind
                    && same == operator
                {
                    parts.push(right);
                    left = ast.unparen(next);
                }
                parts.push(left);
                while let Some(part) = parts.pop() {
                    if parts.is_empty() {
                        self.condition(part, yes, no);
                        break;
                    }
                    let next = self.new_block();
                    match operator {
                        Token::AndAnd => self.condition(part, next, no),
                        _ => self.condition(part, yes, next),
                    }
                    self.start(next);
                }
            }
            _ => self.leaf(expr, yes, no),
        }
        self.depth -= 1;
    }

    fn leaf(&mut self, expr: ExprId, yes: BlockId, no: BlockId) {
        let span = self.span_of(expr);
        if let Some(Value::Const(Const::Bool(value))) = self.constant(expr) {
            self.jump(if value { yes } else { no }, span);
            return;
        }
        let tested = if self.has_effect(expr) {
            self.effect_test(expr)
        } else {
            self.test(expr)
        };
        let edges = |holds: bool| {
            let fact = |(term, test, when): Tested| Fact {
                term,
                test,
                holds: holds == when,
            };
            tested.map(fact).into_iter().collect::<Vec<Fact>>()
        };
        let edges = vec![
            Edge {
                to: yes,
                facts: edges(true),
            },
            Edge {
                to: no,
                facts: edges(false),
            },
        ];
        self.branch(edges, span);
    }

    /// A condition with a call or receive in it.
    fn effect_test(&mut self, expr: ExprId) -> Option<Tested> {
        let ast = self.ast();
        match ast[expr].kind {
            ExprKind::Binary { left, right, .. } => {
                if self.has_effect(left) && !self.is_length(left)
                    || self.has_effect(right) && !self.is_length(right)
                {
                    self.value(left);
                    self.value(right);
                    return None;
                }
                self.test(expr)
            }
            ExprKind::Call { .. } => {
                let span = ast[expr].span;
                let result = self.temp(crate::ir::Shape::Bool, span);
                let term = self.place_term(result);
                let dests = [Some(result)];
                self.call(
                    expr,
                    super::body::How::Now,
                    super::assign::Dests::List(&dests),
                );
                Some((term, Test::True, true))
            }
            _ => {
                self.value(expr);
                None
            }
        }
    }

    /// `len(x)` and `cap(x)` without anything else to run.
    fn is_length(&self, expr: ExprId) -> bool {
        let ast = self.ast();
        let expr = ast.unparen(expr);
        let ExprKind::Call { args, .. } = ast[expr].kind else {
            return false;
        };
        let is_builtin = matches!(
            self.checker.callee(self.file, expr),
            types::Callee::Builtin(types::Builtin::Len | types::Builtin::Cap)
        );
        is_builtin && ast[args].iter().all(|arg| !self.has_effect(*arg))
    }

    /// What a condition without effects tests.
    fn test(&mut self, expr: ExprId) -> Option<Tested> {
        let ast = self.ast();
        let ExprKind::Binary {
            operator,
            left,
            right,
            ..
        } = ast[expr].kind
        else {
            let term = self.term_of(expr)?;
            return Some((term, Test::True, true));
        };
        let holds = match operator {
            Token::Equal => return self.equality(expr, left, right, true),
            Token::NotEqual => return self.equality(expr, left, right, false),
            Token::Less | Token::GreaterEqual => operator == Token::Less,
            Token::LessEqual | Token::Greater => operator == Token::LessEqual,
            _ => return None,
        };
        // The number stands on the right; c < x is !(x <= c).
        if let Some(number) = self.integer(right) {
            let compare = match operator {
                Token::Less | Token::GreaterEqual => Compare::Less,
                _ => Compare::LessEqual,
            };
            let term = self.term_of(left)?;
            return Some((term, Test::Int(compare, number), holds));
        }
        if let Some(number) = self.integer(left) {
            let (compare, holds) = match operator {
                Token::Less => (Compare::LessEqual, false),
                Token::GreaterEqual => (Compare::LessEqual, true),
                Token::LessEqual => (Compare::Less, false),
                _ => (Compare::Less, true),
            };
            let term = self.term_of(right)?;
            return Some((term, Test::Int(compare, number), holds));
        }
        let term = self.whole(expr)?;
        Some((term, Test::True, true))
    }

    fn equality(
        &mut self,
        expr: ExprId,
        left: ExprId,
        right: ExprId,
        holds: bool,
    ) -> Option<Tested> {
        for (one, other) in [(left, right), (right, left)] {
            if self.is_nil(other) {
                return Some((self.term_of(one)?, Test::Nil, holds));
            }
            let test = match self.constant(other) {
                Some(Value::Const(Const::Bool(value))) => {
                    return Some((self.term_of(one)?, Test::True, holds == value));
                }
                Some(Value::Const(Const::Int(number))) => Test::Int(Compare::Equal, number),
                Some(Value::Const(Const::Other(hash))) => Test::Equals(hash),
                _ => continue,
            };
            return Some((self.term_of(one)?, test, holds));
        }
        // As one expression, so that `x == y` and `x != y` are each other's contrary.
        let (mut vars, mut reads) = (Vec::new(), false);
        let sides = [left, right].map(|side| self.digest(side, &mut vars, &mut reads, 0));
        let [Some(one), Some(two)] = sides else {
            return None;
        };
        let _ = expr;
        let (low, high) = (one.min(two), one.max(two));
        let number = mix(mix(hash(b"=="), low), high);
        let term = self.term(TermKind::Expr(number), vars, reads);
        Some((term, Test::True, holds))
    }

    fn is_nil(&self, expr: ExprId) -> bool {
        let object = self.checker.object_of(self.file, self.ast().unparen(expr));
        object.is_some_and(|object| self.checker.object(object).kind == types::ObjectKind::Nil)
    }

    /// The value of an integer constant.
    pub(super) fn integer(&self, expr: ExprId) -> Option<i64> {
        match self.constant(expr) {
            Some(Value::Const(Const::Int(number))) => Some(number),
            _ => None,
        }
    }

    /// A number in source.
    pub(super) fn amount(&mut self, expr: ExprId) -> Amount {
        if let Some(number) = self.integer(expr) {
            return Amount::Const(number);
        }
        if self.has_effect(expr) && !self.is_length(expr) {
            return Amount::Unknown;
        }
        match self.term_of(expr) {
            Some(term) => Amount::Term(term),
            None => Amount::Unknown,
        }
    }

    /// A number that was a value.
    pub(super) fn amount_of(&mut self, value: Value) -> Amount {
        match value {
            Value::Const(Const::Int(number)) => Amount::Const(number),
            Value::Term(term) => Amount::Term(term),
            Value::Place(place) => Amount::Term(self.place_term(place)),
            _ => Amount::Unknown,
        }
    }

    /// The term that an expression without effects is.
    pub(super) fn term_of(&mut self, expr: ExprId) -> Option<TermId> {
        let ast = self.ast();
        let expr = ast.unparen(expr);
        match ast[expr].kind {
            ExprKind::Name(_) | ExprKind::Selector { .. } => {
                let place = self.place_of(expr)?;
                Some(self.place_term(place))
            }
            ExprKind::Call { args, .. } if self.is_length(expr) => {
                let place = self.place_of(*ast[args].first()?)?;
                Some(self.length_term(place))
            }
            _ => self.whole(expr),
        }
    }

    /// The term of a place's value.
    pub(super) fn place_term(&mut self, place: PlaceId) -> TermId {
        match self.ir[place] {
            Place::Var(var) => self.term(TermKind::Var(var), vec![var], false),
            _ => {
                let base = self.ir.places.base(place);
                self.term(TermKind::Place(place), vec![base], true)
            }
        }
    }

    pub(super) fn length_term(&mut self, place: PlaceId) -> TermId {
        let base = self.ir.places.base(place);
        let reads = !matches!(self.ir[place], Place::Var(_));
        self.term(TermKind::Len(place), vec![base], reads)
    }

    /// The term of an expression as a whole.
    fn whole(&mut self, expr: ExprId) -> Option<TermId> {
        let (mut vars, mut reads) = (Vec::new(), false);
        let number = self.digest(expr, &mut vars, &mut reads, 0)?;
        if vars.is_empty() {
            return None;
        }
        Some(self.term(TermKind::Expr(number), vars, reads))
    }

    fn term(&mut self, kind: TermKind, mut vars: Vec<VarId>, reads: bool) -> TermId {
        if let Some(term) = self.terms.get(&kind) {
            return *term;
        }
        vars.sort_unstable();
        vars.dedup();
        let id = TermId::at(self.ir.terms.len());
        self.ir.terms.push(Term {
            kind,
            vars,
            is_volatile: reads,
        });
        self.terms.insert(kind, id);
        id
    }

    /// A number that tells an expression from others: equal ones have equal numbers. `None` for what has effects or is too
    /// large. Adds the variables it reads.
    fn digest(
        &mut self,
        expr: ExprId,
        vars: &mut Vec<VarId>,
        reads: &mut bool,
        depth: u32,
    ) -> Option<u64> {
        if depth > MAX_DIGEST {
            return None;
        }
        let ast = self.ast();
        let expr = ast.unparen(expr);
        if let Some(value) = self.constant(expr) {
            return match value {
                Value::Const(value) => Some(mix(hash(b"const"), const_number(value))),
                _ => None,
            };
        }
        match ast[expr].kind {
            ExprKind::Name(_) | ExprKind::Selector { .. } => {
                if self.is_nil(expr) {
                    return Some(hash(b"nil"));
                }
                if self.has_effect(expr) {
                    return None;
                }
                let place = self.place_of(expr)?;
                vars.push(self.ir.places.base(place));
                *reads |= !matches!(self.ir[place], Place::Var(_));
                Some(mix(hash(b"place"), u64::from(place.0)))
            }
            ExprKind::Binary {
                operator,
                left,
                right,
                ..
            } => {
                let left = self.digest(left, vars, reads, depth + 1)?;
                let right = self.digest(right, vars, reads, depth + 1)?;
                Some(mix(mix(hash(operator.text().as_bytes()), left), right))
            }
            ExprKind::Unary { operator, operand } if operator != Token::Arrow => {
                let operand = self.digest(operand, vars, reads, depth + 1)?;
                Some(mix(
                    hash(operator.text().as_bytes()).rotate_left(7),
                    operand,
                ))
            }
            ExprKind::Index { operand, indices } => {
                *reads = true;
                let mut number = self.digest(operand, vars, reads, depth + 1)?;
                for index in &ast[indices] {
                    number = mix(number, self.digest(*index, vars, reads, depth + 1)?);
                }
                Some(mix(hash(b"[]"), number))
            }
            ExprKind::Call { args, .. } if self.is_length(expr) => {
                let place = self.digest(*ast[args].first()?, vars, reads, depth + 1)?;
                Some(mix(hash(b"len"), place))
            }
            _ => None,
        }
    }

    /// The tests of a tag against the constants of a clause.
    pub(super) fn tag_tests(
        &mut self,
        tag: Option<TermId>,
        values: &[ExprId],
    ) -> Vec<Option<(TermId, Test)>> {
        let tests = values.iter().map(|value| {
            let term = tag?;
            let test = match self.constant(*value) {
                Some(Value::Const(Const::Int(number))) => Test::Int(Compare::Equal, number),
                Some(Value::Const(Const::Other(hash))) => Test::Equals(hash),
                _ if self.is_nil(*value) => Test::Nil,
                _ => return None,
            };
            Some((term, test))
        });
        tests.collect()
    }

    /// Notes that a `TryLock` succeeded where a place is true.
    pub(super) fn tried(&mut self, op: &mut Op, result: PlaceId) {
        let term = self.place_term(result);
        if let Op::Lock { tried, .. } = op {
            *tried = Some(term);
        }
    }
}

fn mix(one: u64, two: u64) -> u64 {
    let mixed = (one ^ two.rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

fn const_number(value: Const) -> u64 {
    match value {
        Const::Bool(value) => u64::from(value),
        Const::Int(value) => value.cast_unsigned(),
        Const::Nil => 2,
        Const::NonNil => 3,
        Const::Other(hash) => hash,
    }
}
