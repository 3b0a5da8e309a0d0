//! Values of constants.

use std::rc::Rc;

/// The value of a constant expression, as far as it is kept. Capacities, indices, flags and keys are all known; what does
/// not fit and what is neither whole, text nor truth is not.
#[derive(Debug, Clone, PartialEq)]
pub enum Const {
    /// Constant, but the value is not known.
    Unknown,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, of an integer, rune or whole floating-point constant.
    Int(i128),
    /// A string, of at most some kilobytes.
    Text(Rc<[u8]>),
}

impl Const {
    /// The whole number, if it is one.
    pub fn int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }
}
