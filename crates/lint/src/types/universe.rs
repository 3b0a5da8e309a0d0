//! What Go predeclares, and package `unsafe`.

use crate::syntax::{Name, Names, Span};

use super::constant::Const;
use super::declare::{Declarations, Entity, Source, State};
use super::object::{Builtin, Object, ObjectId, ObjectKind};
use super::program::PackageId;
use super::store::{Store, Underlying};
use super::typ::{Basic, Interface, Method, Signature, Type, TypeId, TypeList};

/// The object of `error`, which its type names before it is made.
const ERROR: ObjectId = ObjectId(0);
/// The object of `comparable`.
const COMPARABLE: ObjectId = ObjectId(1);

const TYPES: [(Name, TypeId); 24] = [
    (Name::ERROR, TypeId::ERROR),
    (Name::COMPARABLE, TypeId::COMPARABLE),
    (Name::ANY, TypeId::ANY),
    (Name::BOOL, TypeId::BOOL),
    (Name::BYTE, TypeId::basic(Basic::Uint8)),
    (Name::COMPLEX64, TypeId::basic(Basic::Complex64)),
    (Name::COMPLEX128, TypeId::basic(Basic::Complex128)),
    (Name::FLOAT32, TypeId::basic(Basic::Float32)),
    (Name::FLOAT64, TypeId::basic(Basic::Float64)),
    (Name::INT, TypeId::INT),
    (Name::INT8, TypeId::basic(Basic::Int8)),
    (Name::INT16, TypeId::basic(Basic::Int16)),
    (Name::INT32, TypeId::basic(Basic::Int32)),
    (Name::INT64, TypeId::basic(Basic::Int64)),
    (Name::RUNE, TypeId::basic(Basic::Int32)),
    (Name::STRING, TypeId::STRING),
    (Name::UINT, TypeId::basic(Basic::Uint)),
    (Name::UINT8, TypeId::basic(Basic::Uint8)),
    (Name::UINT16, TypeId::basic(Basic::Uint16)),
    (Name::UINT32, TypeId::basic(Basic::Uint32)),
    (Name::UINT64, TypeId::basic(Basic::Uint64)),
    (Name::UINTPTR, TypeId::basic(Basic::Uintptr)),
    (Name::NIL, TypeId::UNTYPED_NIL),
    (Name::IOTA, TypeId::basic(Basic::UntypedInt)),
];

const BUILTINS: [(Name, Builtin); 18] = [
    (Name::APPEND, Builtin::Append),
    (Name::CAP, Builtin::Cap),
    (Name::CLEAR, Builtin::Clear),
    (Name::CLOSE, Builtin::Close),
    (Name::COMPLEX, Builtin::Complex),
    (Name::COPY, Builtin::Copy),
    (Name::DELETE, Builtin::Delete),
    (Name::IMAG, Builtin::Imag),
    (Name::LEN, Builtin::Len),
    (Name::MAKE, Builtin::Make),
    (Name::MAX, Builtin::Max),
    (Name::MIN, Builtin::Min),
    (Name::NEW, Builtin::New),
    (Name::PANIC, Builtin::Panic),
    (Name::PRINT, Builtin::Print),
    (Name::PRINTLN, Builtin::Println),
    (Name::REAL, Builtin::Real),
    (Name::RECOVER, Builtin::Recover),
];

const UNSAFE: [(&str, Builtin); 8] = [
    ("Add", Builtin::UnsafeAdd),
    ("Alignof", Builtin::UnsafeSize),
    ("Offsetof", Builtin::UnsafeSize),
    ("Sizeof", Builtin::UnsafeSize),
    ("Slice", Builtin::UnsafeSlice),
    ("SliceData", Builtin::UnsafeSliceData),
    ("String", Builtin::UnsafeString),
    ("StringData", Builtin::UnsafeStringData),
];

/// The types that have constants, and the objects of the universe.
pub(super) fn universe(names: &Names) -> (Store, Vec<Entity>, Declarations) {
    let named = |object| Type::Named {
        object,
        args: TypeList::EMPTY,
    };
    let mut store = Store::new(named(ERROR), named(COMPARABLE));
    let mut entities = Vec::new();
    let mut declarations = Declarations::default();
    let mut add = |name, kind, typ, constant| {
        let id = ObjectId(u32::try_from(entities.len()).unwrap_or(u32::MAX));
        let object = Object {
            kind,
            name,
            file: None,
            span: Span::default(),
        };
        entities.push(Entity {
            object,
            source: Source::None,
            state: State::Done,
            typ,
            constant,
        });
        id
    };
    let universe = &mut declarations.universe;
    for (name, typ) in TYPES {
        let kind = match name {
            Name::NIL => ObjectKind::Nil,
            Name::IOTA => ObjectKind::Const,
            _ => ObjectKind::PredeclaredType,
        };
        universe.insert(name, add(name, kind, typ, None));
    }
    for (name, value) in [(Name::TRUE, true), (Name::FALSE, false)] {
        let typ = TypeId::basic(Basic::UntypedBool);
        universe.insert(
            name,
            add(name, ObjectKind::Const, typ, Some(Const::Bool(value))),
        );
    }
    for (name, builtin) in BUILTINS {
        universe.insert(
            name,
            add(name, ObjectKind::Builtin(builtin), TypeId::UNKNOWN, None),
        );
    }
    for (text, builtin) in UNSAFE {
        // A name that no file has is not asked for.
        let Some(name) = names.find(text) else {
            continue;
        };
        let object = add(name, ObjectKind::Builtin(builtin), TypeId::UNKNOWN, None);
        declarations.unsafe_members.insert(name, object);
    }
    if let Some(name) = names.find("Pointer") {
        let typ = TypeId::basic(Basic::UnsafePointer);
        let object = add(name, ObjectKind::PredeclaredType, typ, None);
        declarations.unsafe_members.insert(name, object);
    }
    let error = error_interface(&mut store, names);
    store.set_underlying(TypeId::ERROR, Underlying::Known(error));
    store.set_underlying(TypeId::COMPARABLE, Underlying::Known(TypeId::ANY));
    (store, entities, declarations)
}

/// `interface{ Error() string }`.
fn error_interface(store: &mut Store, names: &Names) -> TypeId {
    let results = store.add_list(&[TypeId::STRING]);
    let signature = Signature {
        type_params: TypeList::EMPTY,
        params: TypeList::EMPTY,
        results,
        variadic: false,
    };
    let signature = store.add_signature(signature);
    let typ = store.add(Type::Func(signature));
    let method = Method {
        name: names.intern("Error"),
        package: PackageId::NONE,
        typ,
    };
    let interface = store.add_interface(Interface {
        methods: vec![method],
        embedded: Vec::new(),
    });
    store.add(Type::Interface(interface))
}
