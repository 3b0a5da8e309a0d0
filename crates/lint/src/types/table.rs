//! What was found out of the expressions of a file.

use crate::syntax::ast::{ClauseId, ExprId, FunctionId};

use super::Map;
use super::checker::{SelectionId, Use};
use super::constant::Const;
use super::object::ObjectId;
use super::typ::TypeId;

/// One file of the package that is checked.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By the index of the expression; made when the first is typed.
    entries: Vec<Entry>,
    constants: Vec<Const>,
    /// By the offset of the declaring name.
    pub(super) definitions: Map<u32, ObjectId>,
    pub(super) clauses: Map<ClauseId, ObjectId>,
    /// Functions whose bodies are typed.
    pub(super) checked: Map<FunctionId, ()>,
}

/// What is kept of an expression.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    typ: u32,
    /// A tag in the upper bits, a number below.
    what: u32,
}

/// Bits of the number.
const NUMBER_BITS: u32 = 29;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;

const TYPE: u32 = 1 << NUMBER_BITS;
const OBJECT: u32 = 2 << NUMBER_BITS;
const SELECTION: u32 = 3 << NUMBER_BITS;
const CONSTANT: u32 = 4 << NUMBER_BITS;

impl Table {
    /// Keeps what an expression is. The constant is kept where nothing else tells of it.
    pub(super) fn record(
        &mut self,
        count: usize,
        expr: ExprId,
        typ: TypeId,
        what: Use,
        constant: Option<&Const>,
    ) {
        if self.entries.is_empty() {
            self.entries = vec![Entry::default(); count];
        }
        let what = match (what, constant) {
            (Use::None, None) => 0,
            (Use::None, Some(value)) => {
                self.constants.push(value.clone());
                let number = u32::try_from(self.constants.len() - 1).unwrap_or(u32::MAX);
                CONSTANT | number & NUMBER_MASK
            }
            (Use::Type, _) => TYPE,
            (Use::Object(object), _) => OBJECT | object.0 & NUMBER_MASK,
            (Use::Selection(selection), _) => SELECTION | selection.0 & NUMBER_MASK,
        };
        if let Some(entry) = self.entries.get_mut(expr.index()) {
            *entry = Entry { typ: typ.0, what };
        }
    }

    /// Gives an expression that is kept another type.
    pub(super) fn set_type(&mut self, expr: ExprId, typ: TypeId) {
        if let Some(entry) = self.entries.get_mut(expr.index()) {
            entry.typ = typ.0;
        }
    }

    fn entry(&self, expr: ExprId) -> Entry {
        self.entries.get(expr.index()).copied().unwrap_or_default()
    }

    pub(super) fn typ(&self, expr: ExprId) -> TypeId {
        TypeId(self.entry(expr).typ)
    }

    pub(super) fn what(&self, expr: ExprId) -> Use {
        let what = self.entry(expr).what;
        let number = what & NUMBER_MASK;
        match what & !NUMBER_MASK {
            TYPE => Use::Type,
            OBJECT => Use::Object(ObjectId(number)),
            SELECTION => Use::Selection(SelectionId(number)),
            _ => Use::None,
        }
    }

    pub(super) fn constant(&self, expr: ExprId) -> Option<&Const> {
        let what = self.entry(expr).what;
        if what & !NUMBER_MASK != CONSTANT {
            return None;
        }
        self.constants.get((what & NUMBER_MASK) as usize)
    }
}
