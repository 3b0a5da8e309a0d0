//! Composite literals.

use crate::syntax::ast::{ExprId, ExprKind, List};

use super::checker::{Checker, Selection, SelectionKind, Step, Use};
use super::expr::Operand;
use super::typ::{Type, TypeId};

impl Checker<'_> {
    /// A literal; without a type of its own it has the one expected of it.
    pub(super) fn composite(
        &mut self,
        written: Option<ExprId>,
        elements: List<ExprId>,
        expected: TypeId,
    ) -> Operand {
        let ast = self.env.ast();
        let typ = match written {
            None => expected,
            Some(written) => match ast[ast.unparen(written)].kind {
                ExprKind::Array {
                    length: Some(length),
                    element,
                } if matches!(ast[length].kind, ExprKind::Ellipsis(None)) => {
                    let element = self.resolve_type(element);
                    let typ = self.counted_array(elements, element);
                    self.record(written, &Operand::of_type(typ, Use::Type));
                    typ
                }
                _ => self.resolve_type(written),
            },
        };
        let mut core = self.core(typ);
        let mut base = typ;
        if let (None, Type::Pointer(to)) = (written, core) {
            base = to;
            core = self.core(to);
        }
        match core {
            Type::Struct(_) => self.struct_elements(&ast[elements], base),
            Type::Slice(element) | Type::Array { element, .. } => {
                for expr in &ast[elements] {
                    let value = match ast[*expr].kind {
                        ExprKind::KeyValue { key, value } => {
                            self.operand(key);
                            value
                        }
                        _ => *expr,
                    };
                    self.element(value, element);
                }
            }
            Type::Map {
                key: key_type,
                value: value_type,
            } => {
                for expr in &ast[elements] {
                    if let ExprKind::KeyValue { key, value } = ast[*expr].kind {
                        self.element(key, key_type);
                        self.element(value, value_type);
                    }
                }
            }
            _ => self.unknown_elements(&ast[elements]),
        }
        Operand::of_value(typ)
    }

    /// `[...]T{...}`.
    fn counted_array(&mut self, elements: List<ExprId>, element: TypeId) -> TypeId {
        let ast = self.env.ast();
        let (mut next, mut length) = (0_u64, Some(0_u64));
        for expr in &ast[elements] {
            if let ExprKind::KeyValue { key, .. } = ast[*expr].kind {
                let key = self.operand(key).value.and_then(|value| value.int());
                match key.and_then(|key| u64::try_from(key).ok()) {
                    Some(key) => next = key,
                    None => length = None,
                }
            }
            next = next.saturating_add(1);
            length = length.map(|length| length.max(next));
        }
        self.store.add(Type::Array { length, element })
    }

    fn struct_elements(&mut self, elements: &[ExprId], base: TypeId) {
        let ast = self.env.ast();
        let Type::Struct(fields) = self.core(base) else {
            return;
        };
        let base = match self.store.typ(base) {
            Type::TypeParam(_) => self.core_id(base),
            _ => base,
        };
        for (place, expr) in elements.iter().enumerate() {
            let ExprKind::KeyValue { key, value } = ast[*expr].kind else {
                let typ = self
                    .store
                    .fields(fields)
                    .get(place)
                    .map_or(TypeId::UNKNOWN, |field| field.typ);
                self.element(*expr, typ);
                continue;
            };
            let ExprKind::Name(name) = ast[key].kind else {
                continue;
            };
            let found = self
                .store
                .fields(fields)
                .iter()
                .position(|field| field.name == name);
            let member = found.and_then(|index| self.store.fields(fields).get(index).copied());
            let (Some(index), Some(member)) = (found, member) else {
                self.element(value, TypeId::UNKNOWN);
                continue;
            };
            if self.env.record {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let step = Step {
                    owner: base,
                    index,
                    name,
                    typ: member.typ,
                    through_pointer: false,
                };
                let selection = Selection {
                    kind: SelectionKind::Field,
                    receiver: base,
                    steps: vec![step],
                    typ: member.typ,
                };
                let what = Use::Selection(self.add_selection(selection));
                self.record(
                    key,
                    &Operand {
                        what,
                        ..Operand::of_value(member.typ)
                    },
                );
            }
            self.element(value, member.typ);
        }
    }

    /// A value in a literal, which may leave out its type.
    fn element(&mut self, expr: ExprId, expected: TypeId) {
        if let ExprKind::Composite {
            typ: None,
            elements,
        } = self.env.ast()[expr].kind
        {
            let operand = self.deeper(Operand::UNKNOWN, |checker| {
                checker.composite(None, elements, expected)
            });
            self.record(expr, &operand);
            return;
        }
        let operand = self.operand(expr);
        self.assigned(expr, &operand, expected);
    }

    /// Elements of a literal of an unknown type: a key that is a name may be that of a field.
    fn unknown_elements(&mut self, elements: &[ExprId]) {
        let ast = self.env.ast();
        for expr in elements {
            match ast[*expr].kind {
                ExprKind::KeyValue { key, value } => {
                    if !matches!(ast[key].kind, ExprKind::Name(_)) {
                        self.element(key, TypeId::UNKNOWN);
                    }
                    self.element(value, TypeId::UNKNOWN);
                }
                _ => self.element(*expr, TypeId::UNKNOWN),
            }
        }
    }
}
