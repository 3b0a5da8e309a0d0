//! Types, each kept once: the same type has the same number.

use crate::syntax::Name;
use crate::syntax::ast::ChanDir;

use super::object::ObjectId;
use super::program::PackageId;

/// The number of a type in its [`Checker`](super::Checker). Identical types have the same number, but for interfaces and structs
/// that are written twice in different words: [`Checker::is_identical`](super::Checker::is_identical) knows these too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(super) u32);

/// What a type is. Copied out freely; lists are read through the checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Could not be resolved: may be anything.
    Unknown,
    /// A predeclared type but `error`, `any` and `comparable`; also those of untyped constants.
    Basic(Basic),
    /// A declared type, `error` and `comparable` included, with type arguments where it is generic.
    Named {
        /// Its declaration.
        object: ObjectId,
        /// Its type arguments; inside its own declaration its type parameters. Empty where it is not generic, and where a
        /// generic type stands without arguments.
        args: TypeList,
    },
    /// A type parameter.
    TypeParam(ObjectId),
    /// `*T`.
    Pointer(TypeId),
    /// `[]T`.
    Slice(TypeId),
    /// `[n]T`.
    Array {
        /// The length, if it is known.
        length: Option<u64>,
        /// The type of the elements.
        element: TypeId,
    },
    /// `map[K]V`.
    Map {
        /// The type of the keys.
        key: TypeId,
        /// The type of the values.
        value: TypeId,
    },
    /// A channel.
    Chan {
        /// Which ways it can be used.
        direction: ChanDir,
        /// The type of what is sent.
        element: TypeId,
    },
    /// `struct { ... }`.
    Struct(FieldList),
    /// The values of a call with several results, or with none ([`TypeId::VOID`]).
    Tuple(TypeList),
    /// `func(...) ...`.
    Func(SignatureId),
    /// `interface { ... }`, `any` included.
    Interface(InterfaceId),
}

/// Predeclared types and the types of untyped constants. `byte` is `uint8` and `rune` is `int32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the type it is named after")]
#[repr(u8)]
pub enum Basic {
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    String,
    /// `unsafe.Pointer`.
    UnsafePointer,
    UntypedBool,
    UntypedInt,
    UntypedRune,
    UntypedFloat,
    UntypedComplex,
    UntypedString,
    UntypedNil,
}

impl Basic {
    /// All of them, in order: the type of each has the number behind [`TypeId::UNKNOWN`].
    pub(super) const ALL: [Self; 25] = [
        Self::Bool,
        Self::Int,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Uintptr,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
        Self::Complex128,
        Self::String,
        Self::UnsafePointer,
        Self::UntypedBool,
        Self::UntypedInt,
        Self::UntypedRune,
        Self::UntypedFloat,
        Self::UntypedComplex,
        Self::UntypedString,
        Self::UntypedNil,
    ];

    /// Whether it is the type of untyped constants or of `nil`.
    pub fn is_untyped(self) -> bool {
        self >= Self::UntypedBool
    }
}

#[expect(missing_docs, reason = "each is the type it is named after")]
impl TypeId {
    /// Not resolved.
    pub const UNKNOWN: Self = Self(0);
    pub const BOOL: Self = Self::basic(Basic::Bool);
    pub const INT: Self = Self::basic(Basic::Int);
    pub const STRING: Self = Self::basic(Basic::String);
    pub const UNTYPED_NIL: Self = Self::basic(Basic::UntypedNil);
    /// What a call without results gives.
    pub const VOID: Self = Self(26);
    /// `interface{}`.
    pub const ANY: Self = Self(27);
    pub const ERROR: Self = Self(28);
    pub const COMPARABLE: Self = Self(29);

    /// A basic type.
    pub const fn basic(basic: Basic) -> Self {
        Self(1 + basic as u32)
    }

    /// Whether the type could not be resolved.
    pub fn is_unknown(self) -> bool {
        self == Self::UNKNOWN
    }

    /// For tables beside the checker's: rises by one from type to type, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Types one behind the other; [`Checker::list`](super::Checker::list) is the slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeList(pub(super) u32);

impl TypeList {
    /// No types.
    pub const EMPTY: Self = Self(0);
}

/// The fields of a struct; [`Checker::fields`](super::Checker::fields) is the slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldList(pub(super) u32);

/// The terms of a union; [`Checker::terms`](super::Checker::terms) is the slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TermList(pub(super) u32);

/// A signature; [`Checker::signature`](super::Checker::signature) reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignatureId(pub(super) u32);

/// An interface; [`Checker::interface`](super::Checker::interface) reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfaceId(pub(super) u32);

/// A field of a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name; of an embedded field that of its type.
    pub name: Name,
    /// The package that wrote the struct: an unexported name is another one in another package.
    pub package: PackageId,
    /// Its type.
    pub typ: TypeId,
    /// Whether it is embedded.
    pub embedded: bool,
}

/// What a function takes and gives. Without a receiver: the type of the method value, as `x.f` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The type parameters that are not instantiated yet, each a [`Type::TypeParam`].
    pub type_params: TypeList,
    /// The types of the parameters; of a variadic one a slice.
    pub params: TypeList,
    /// The types of the results.
    pub results: TypeList,
    /// Whether the last parameter is `...T`.
    pub variadic: bool,
}

/// A method that an interface writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method {
    /// Its name.
    pub name: Name,
    /// The package that wrote it: an unexported name is another one in another package.
    pub package: PackageId,
    /// Its type, a [`Type::Func`].
    pub typ: TypeId,
}

/// What an interface demands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Interface {
    /// Its own methods in the order of the source.
    pub methods: Vec<Method>,
    /// Embedded interfaces and unions, in the order of the source. All must hold.
    pub embedded: Vec<TermList>,
}

/// A term of a union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term {
    /// Whether all types with this underlying type are meant (`~T`).
    pub tilde: bool,
    /// The type; a lone interface is an embedded one.
    pub typ: TypeId,
}
