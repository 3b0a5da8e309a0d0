//! Operators.

use crate::syntax::Token;
use crate::syntax::ast::{ExprId, ExprKind};

use super::checker::Checker;
use super::constant::Const;
use super::expr::{Mode, Operand};
use super::typ::{Basic, Type, TypeId};

impl Checker<'_> {
    pub(super) fn unary(&mut self, operator: Token, expr: ExprId) -> Operand {
        let operand = self.operand(expr);
        match operator {
            Token::And => Operand::of_value(match operand.typ {
                TypeId::UNKNOWN => TypeId::UNKNOWN,
                typ => self.pointer(typ),
            }),
            Token::Arrow => {
                self.effect = true;
                match self.core(operand.typ) {
                    Type::Chan { element, .. } => Operand::comma_ok(element),
                    _ => Operand::comma_ok(TypeId::UNKNOWN),
                }
            }
            Token::Tilde => Operand::UNKNOWN,
            _ => {
                let basic = match self.underlying(operand.typ) {
                    Type::Basic(basic) => Some(basic),
                    _ => None,
                };
                let value = operand
                    .value
                    .as_ref()
                    .map(|value| Const::unary(operator, value, basic));
                Operand {
                    value,
                    ..Operand::of_value(operand.typ)
                }
            }
        }
    }

    /// A tree of binary operators, which leans to the left.
    pub(super) fn binary(&mut self, expr: ExprId) -> Operand {
        let ast = self.env.ast();
        let mut chain = Vec::new();
        let mut first = expr;
        while let ExprKind::Binary {
            operator,
            left,
            right,
            ..
        } = ast[first].kind
        {
            chain.push((first, operator, right));
            first = left;
        }
        let mut left = self.operand(first);
        while let Some((node, operator, right)) = chain.pop() {
            let right = self.operand(right);
            left = self.combined(operator, &left, &right);
            if node != expr {
                self.record(node, &left);
            }
        }
        left
    }

    fn combined(&mut self, operator: Token, left: &Operand, right: &Operand) -> Operand {
        if left.mode == Mode::Type || right.mode == Mode::Type {
            return Operand::UNKNOWN;
        }
        let is_comparison = operator.precedence() == Token::Equal.precedence();
        let is_shift = matches!(operator, Token::ShiftLeft | Token::ShiftRight);
        let typ = if is_comparison {
            TypeId::basic(Basic::UntypedBool)
        } else if is_shift {
            match left.typ {
                typ if left.value.is_some() && self.is_untyped(typ) => {
                    TypeId::basic(Basic::UntypedInt)
                }
                typ => typ,
            }
        } else {
            self.common_type(left.typ, right.typ)
        };
        let value = match (&left.value, &right.value) {
            (Some(a), Some(b)) => {
                let whole = !is_float(self.underlying(typ));
                let value = Const::binary(operator, a, b, whole);
                Some(match operator {
                    _ if is_comparison => value,
                    _ => self.convert_constant(&value, typ),
                })
            }
            _ => None,
        };
        Operand {
            value,
            ..Operand::of_value(typ)
        }
    }

    /// The type of an operation on values of two types, one of which may be untyped.
    fn common_type(&mut self, left: TypeId, right: TypeId) -> TypeId {
        match (self.store.typ(left), self.store.typ(right)) {
            (Type::Basic(a), Type::Basic(b)) if a.is_untyped() && b.is_untyped() => {
                TypeId::basic(a.max(b))
            }
            (Type::Basic(a), _) if a.is_untyped() => right,
            (Type::Unknown, Type::Basic(b)) if b.is_untyped() => TypeId::UNKNOWN,
            (Type::Unknown, _) => right,
            _ => left,
        }
    }

    /// A constant converted to a type.
    pub(super) fn convert_constant(&mut self, value: &Const, typ: TypeId) -> Const {
        match self.underlying(typ) {
            Type::Basic(basic) => value.convert(basic),
            _ => Const::Unknown,
        }
    }
}

fn is_float(typ: Type) -> bool {
    use Basic::{Complex64, Complex128, Float32, Float64, UntypedComplex, UntypedFloat};
    matches!(
        typ,
        Type::Basic(Float32 | Float64 | Complex64 | Complex128 | UntypedFloat | UntypedComplex)
    )
}
