//! What types are, as far as the rules care.

use super::{Lower, types};
use crate::ir::Shape;
use crate::types::{Basic, Key, ObjectKind, Type, TypeId};

/// Types gone through, from a slice to its elements and so on, before giving up.
const MAX_STEPS: u32 = 16;

/// What a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// What values of it are; see [`Shape`].
    pub(super) shape: Shape,
    /// Whether it holds the thing itself, not a pointer: a variable of it is one.
    pub(super) in_place: bool,
    /// Whether values of it are followed.
    pub(super) is_tracked: bool,
}

const UNTRACKED: Kind = Kind {
    shape: Shape::Other,
    in_place: false,
    is_tracked: false,
};

impl Lower<'_, '_> {
    pub(super) fn kind(&mut self, typ: TypeId) -> Kind {
        if let Some(kind) = self.shapes.get(&typ) {
            return *kind;
        }
        let kind = self.find_kind(typ);
        self.shapes.insert(typ, kind);
        kind
    }

    fn find_kind(&mut self, typ: TypeId) -> Kind {
        let mut in_place = true;
        let mut typ = self.checker.typ(typ);
        // The declared type that a struct has.
        let mut is_own = true;
        for _ in 0..MAX_STEPS {
            let shape = match typ {
                Type::Unknown => Shape::Unknown,
                Type::Basic(basic) => return of_basic(basic),
                Type::Named { object, .. } => {
                    if let Some(shape) = self.special_shape(object) {
                        return Kind {
                            shape,
                            in_place: in_place && is_value(shape),
                            is_tracked: true,
                        };
                    }
                    if object_is_error(self.checker.object(object)) {
                        return Kind {
                            shape: Shape::Error,
                            ..UNTRACKED
                        };
                    }
                    let declared = self.checker.object(object).package();
                    is_own = declared == Some(self.package);
                    let named = self.checker.object_type(object);
                    let under = self.checker.underlying(named);
                    if matches!(under, Type::Named { .. }) {
                        return UNTRACKED;
                    }
                    typ = under;
                    continue;
                }
                Type::TypeParam(object) => {
                    let param = self.checker.object_type(object);
                    match self.checker.core(param) {
                        Type::Unknown | Type::TypeParam(_) => Shape::Interface,
                        core => {
                            typ = core;
                            continue;
                        }
                    }
                }
                Type::Pointer(element)
                | Type::Slice(element)
                | Type::Map { value: element, .. } => {
                    in_place = in_place && matches!(typ, Type::Slice(_));
                    typ = self.checker.typ(element);
                    continue;
                }
                Type::Array { element, .. } => {
                    typ = self.checker.typ(element);
                    continue;
                }
                Type::Chan { .. } => Shape::Chan,
                Type::Struct(_) => {
                    return Kind {
                        shape: Shape::Struct,
                        in_place,
                        is_tracked: is_own,
                    };
                }
                Type::Func(_) => Shape::Func,
                Type::Interface(_) => Shape::Interface,
                Type::Tuple(_) => return UNTRACKED,
            };
            return Kind {
                shape,
                in_place: false,
                is_tracked: true,
            };
        }
        Kind {
            shape: Shape::Unknown,
            in_place: false,
            is_tracked: true,
        }
    }

    /// What a declared type is if it is one that the rules know.
    fn special_shape(&mut self, object: types::ObjectId) -> Option<Shape> {
        if let Some(shape) = self.special.get(&object) {
            return *shape;
        }
        let shape = match self.checker.object(object).package() {
            Some(package) if package != self.package || self.is_standard() => {
                self.checker.key(object).and_then(|key| special(&key))
            }
            _ => None,
        };
        self.special.insert(object, shape);
        shape
    }

    /// Whether the package at hand is itself one of those whose types are known.
    fn is_standard(&self) -> bool {
        matches!(
            self.ir.path.as_str(),
            "sync" | "context" | "time" | "net/http" | "io"
        )
    }
}

fn object_is_error(object: &types::Object) -> bool {
    object.kind == ObjectKind::PredeclaredType
}

fn is_value(shape: Shape) -> bool {
    use Shape::{Cond, ErrGroup, Mutex, Once, RwMutex, WaitGroup};
    matches!(shape, Mutex | RwMutex | WaitGroup | ErrGroup | Cond | Once)
}

fn special(key: &Key) -> Option<Shape> {
    if key.receiver.is_some() {
        return None;
    }
    Some(match (key.package.as_str(), key.name.as_str()) {
        ("sync", "Mutex") => Shape::Mutex,
        ("sync", "RWMutex") => Shape::RwMutex,
        ("sync", "Locker") => Shape::Locker,
        ("sync", "WaitGroup") => Shape::WaitGroup,
        ("sync", "Cond") => Shape::Cond,
        ("sync", "Once") => Shape::Once,
        ("golang.org/x/sync/errgroup", "Group") => Shape::ErrGroup,
        ("context", "Context") => Shape::Context,
        ("context", "CancelFunc" | "CancelCauseFunc") => Shape::Cancel,
        ("time", "Timer") => Shape::Timer,
        ("time", "Ticker") => Shape::Ticker,
        ("net/http", "Response") | ("io", "PipeReader" | "PipeWriter") => Shape::Resource,
        _ => return None,
    })
}

fn of_basic(basic: Basic) -> Kind {
    use Basic::*;
    let shape = match basic {
        Bool | UntypedBool => Shape::Bool,
        Int | Int8 | Int16 | Int32 | Int64 | Uint | Uint8 | Uint16 | Uint32 | Uint64 | Uintptr
        | UntypedInt | UntypedRune => Shape::Int,
        String | UntypedString => Shape::String,
        _ => Shape::Other,
    };
    Kind { shape, ..UNTRACKED }
}
