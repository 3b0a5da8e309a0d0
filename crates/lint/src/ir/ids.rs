//! Numbers that name things of a package's IR.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $letter:literal,)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(pub(crate) u32);

            impl $name {
                /// The id of the thing at a place of its table.
                pub fn at(place: usize) -> Self {
                    Self(u32::try_from(place).unwrap_or(u32::MAX))
                }

                /// The place in its table.
                pub fn index(self) -> usize {
                    self.0 as usize
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, concat!($letter, "{}"), self.0)
                }
            }
        )*
    };
}

ids! {
    /// A function, method or closure of the package: a place in [`super::Package::funcs`].
    FuncId = "f",
    /// A block: a place in [`super::Func::blocks`].
    BlockId = "b",
    /// An instruction: a place in [`super::Func::instrs`].
    InstrId = "i",
    /// A loop: a place in [`super::Func::loops`].
    LoopId = "loop",
    /// A variable: a place in [`super::Package::vars`].
    VarId = "v",
    /// A field of a struct type: a place in [`super::Package::fields`].
    FieldId = "field",
    /// An access path: a place in [`super::Places`].
    PlaceId = "p",
    /// An abstract object: a place in [`super::Package::objects`].
    ObjectId = "o",
    /// A call: a place in [`super::Package::calls`].
    CallId = "c",
    /// A value that branches test: a place in [`super::Package::terms`].
    TermId = "t",
    /// A function of another package: a place in [`super::Package::externs`].
    ExternId = "x",
}
