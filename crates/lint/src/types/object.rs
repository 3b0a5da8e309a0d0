//! What names stand for.

use crate::syntax::ast::{FieldId, FunctionId, SpecId};
use crate::syntax::{Name, Span};

use super::program::{FileId, PackageId};

/// The number of an object in its [`Checker`](super::Checker).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub(super) u32);

impl ObjectId {
    /// For tables beside the checker's: rises by one from object to object, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a name stands for. Each declaration makes one object: two names with the same [`ObjectId`] are the same variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name; `_` and [`Name::MISSING`] (a receiver, parameter or result without a name) happen.
    pub name: Name,
    /// The file that declares it; `None` for what Go predeclares.
    pub file: Option<FileId>,
    /// Where the declaration has its name, or, without a name, its type.
    pub span: Span,
}

impl Object {
    /// The package that declares it; `None` for what Go predeclares.
    pub fn package(&self) -> Option<PackageId> {
        self.file.map(|file| file.package)
    }
}

/// The kinds of objects. Struct fields and methods of interfaces are no objects: see [`Selection`](super::Selection).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A predeclared function, or one of package `unsafe`.
    Builtin(Builtin),
    /// `nil`.
    Nil,
    /// An imported package, or `None` where the import is missing.
    Package(Option<PackageId>),
    /// A constant.
    Const,
    /// A predeclared type.
    PredeclaredType,
    /// A declared type; an alias too.
    Type(SpecId),
    /// A type parameter: the field that declares it, or in `func (l *List[T]) ...` the receiver.
    TypeParam(FieldId),
    /// A variable.
    Var(VarKind),
    /// A function or method that is declared in [`Object::file`].
    Function {
        /// Its declaration.
        function: FunctionId,
        /// Of a method: the type it belongs to, an [`ObjectKind::Type`].
        receiver: Option<ObjectId>,
    },
}

/// The kinds of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VarKind {
    /// Declared outside functions.
    Package,
    /// Declared in a body.
    Local,
    /// The receiver of a method.
    Receiver,
    /// A parameter.
    Param,
    /// A result.
    Result,
}

/// Predeclared functions and those of package `unsafe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the function it is named after")]
pub enum Builtin {
    Append,
    Cap,
    Clear,
    Close,
    Complex,
    Copy,
    Delete,
    Imag,
    Len,
    Make,
    Max,
    Min,
    New,
    Panic,
    Print,
    Println,
    Real,
    Recover,
    /// `unsafe.Add`.
    UnsafeAdd,
    /// `unsafe.Alignof`, `unsafe.Offsetof` and `unsafe.Sizeof`.
    UnsafeSize,
    /// `unsafe.Slice`.
    UnsafeSlice,
    /// `unsafe.SliceData`.
    UnsafeSliceData,
    /// `unsafe.String`.
    UnsafeString,
    /// `unsafe.StringData`.
    UnsafeStringData,
}

/// What names a function, method, type or package-level variable in every package: the path of its package, the receiver's type
/// and its name. Local declarations have none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The import path of the package that declares it.
    pub package: String,
    /// Of a method the name of its receiver's type, without a star.
    pub receiver: Option<String>,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.receiver {
            Some(receiver) => write!(f, "{}.{receiver}.{}", self.package, self.name),
            None => write!(f, "{}.{}", self.package, self.name),
        }
    }
}
