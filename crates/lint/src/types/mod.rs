//! What the names and expressions of Go source are: objects, types, constants and callees.
//!
//! ```
//! use std::sync::Arc;
//!
//! use gorphan_lint::syntax::{Bodies, Interner, Names, parse};
//! use gorphan_lint::types::{Checker, FileId, Package, Program};
//!
//! let names = Names::new();
//! let source = b"package p\n\nvar c = make(chan int, 2)\n".to_vec();
//! let file = parse(source, &mut Interner::new(&names), Bodies::Parse);
//! let mut program = Program::new();
//! let package = program.add(Package::new("example.com/p", vec![Arc::new(file)]));
//!
//! let mut checker = Checker::new(&program, &names, package);
//! let c = checker.lookup(package, names.find("c").expect("it was read")).expect("it is declared");
//! let typ = checker.object_type(c);
//! assert_eq!(checker.describe(typ), "chan int");
//! ```
//!
//! - A [`Program`] holds parsed [`Package`]s and says which imports which. It does not change while packages are checked; any
//!   number of threads share it.
//! - A [`Checker`] types one package. Declarations, of this and of imported packages, are resolved when they are first asked for,
//!   into the checker's own arenas: nothing is shared and nothing is locked. Ids ([`TypeId`], [`ObjectId`]) mean nothing
//!   to another checker; [`Key`] is what names a function or type across packages.
//! - Bodies are typed on demand: [`Checker::check_function`] for one, [`Checker::check_variables`] for the initial values of
//!   package-level variables. Only then do [`Checker::type_of`], [`Checker::use_of`] and their like know the expressions inside.
//! - What can't be resolved is [`TypeId::UNKNOWN`] or [`Use::None`]. Sound source has next to none of these where all
//!   imports are at hand; unsound source and missing imports have many. Nothing here reports errors: that is the compiler's
//!   business.

mod call;
mod checker;
mod composite;
mod constant;
mod declare;
mod describe;
mod expr;
mod generic;
mod imports;
mod infer;
mod interface;
mod local;
mod lookup;
mod object;
mod operator;
mod params;
mod program;
mod scope;
mod stmt;
mod store;
mod supplied;
mod table;
#[cfg(test)]
mod tests;
mod typ;
mod universe;
pub mod verify;
mod whole;
mod written;

/// A hash table whose order differs from run to run: sort what comes out of it.
type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;

pub use checker::{Callee, Checker, Selection, SelectionId, SelectionKind, Step, Use};
pub use constant::Const;
pub use object::{Builtin, Key, Object, ObjectId, ObjectKind, VarKind};
pub use program::{FileId, Import, Package, PackageId, Program};
pub use typ::{
    Basic, FieldList, Interface, InterfaceId, Member, Method, Signature, SignatureId, Term,
    TermList, Type, TypeId, TypeList,
};
