//! Types one package.

use crate::syntax::ast::{ClauseId, ExprId, FunctionId, Ident};
use crate::syntax::{Name, Names};

use super::constant::Const;
use super::object::{Builtin, Key, Object, ObjectId};
use super::program::{FileId, PackageId, Program};
use super::typ::{
    FieldList, Interface, InterfaceId, Member, Signature, SignatureId, Term, TermList, Type,
    TypeId, TypeList,
};

/// Types one package, and of the packages it imports as much as is asked for.
///
/// Questions about types and objects take `&mut self`, because what they need may be resolved only then. Questions about
/// expressions take `&self` and know what [`Checker::check_function`] or [`Checker::check_variables`] has typed before. They are about
/// files of the package that is checked; for others they know nothing.
#[derive(Debug)]
pub struct Checker<'p> {
    program: &'p Program,
    names: &'p Names,
    package: PackageId,
}

/// What a name, selector or type expression was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Nothing is known, or it is a value that has no name: a call, an operation, a literal.
    None,
    /// A type that is written out: `[]int`, `List[T]`, `*T`. The name of a type is an [`Use::Object`].
    Type,
    /// A name, or a name of another package (`pkg.Name`): variable, constant, function, type, package, builtin, `nil`.
    Object(ObjectId),
    /// `x.f`: a field or method, also of a type (`T.f`); and the key `f` in a struct literal `T{f: x}`.
    Selection(SelectionId),
}

/// The number of a [`Selection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SelectionId(pub(super) u32);

/// What `x.f` selects, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// What is selected.
    pub kind: SelectionKind,
    /// The type of `x`.
    pub receiver: TypeId,
    /// The fields gone through: the embedded ones that were left out in the source, and behind them, where a field is
    /// selected, that field.
    pub steps: Vec<Step>,
    /// The type of `x.f`; of a method without its receiver. Of a method expression with the receiver as the first parameter.
    pub typ: TypeId,
}

/// What is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectionKind {
    /// A field of a struct.
    Field,
    /// A declared method.
    Method {
        /// The method, an [`ObjectKind::Function`](super::ObjectKind::Function).
        method: ObjectId,
        /// Whether its receiver is a pointer.
        pointer_receiver: bool,
        /// Whether it is a method expression `T.f`: a function that takes the receiver as its first parameter.
        expression: bool,
    },
    /// A method of an interface, or of a type parameter.
    Interface {
        /// The interface that has it: a named one or an interface type, or a type parameter.
        interface: TypeId,
        /// Its name.
        name: Name,
        /// Whether it is a method expression `T.f`.
        expression: bool,
    },
}

/// A field on the way of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The type that has the field: a named type or a struct, without a pointer. With the name it is the field's identity.
    pub owner: TypeId,
    /// Which of its fields.
    pub index: u32,
    /// The field's name.
    pub name: Name,
    /// The field's type.
    pub typ: TypeId,
    /// Whether a pointer was followed to get at it.
    pub through_pointer: bool,
}

/// What a call calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callee {
    /// Not known: may do anything.
    Unknown,
    /// A declared function.
    Function(ObjectId),
    /// A declared method: `x.f()`; the way to its receiver is the selection. With `expression` the receiver is the first argument.
    Method(ObjectId, SelectionId),
    /// A method of an interface or type parameter. [`Checker::implementations`] tells what it may be.
    Interface(SelectionId),
    /// A closure that is called where it is written.
    Closure(ExprId),
    /// A value of a function type: variable, parameter, field, result. The expression that gives it, without parentheses.
    Value(ExprId),
    /// A predeclared function.
    Builtin(Builtin),
    /// No call but a conversion to this type.
    Conversion(TypeId),
}

impl<'p> Checker<'p> {
    /// A checker for one package. Nothing is resolved yet.
    pub fn new(program: &'p Program, names: &'p Names, package: PackageId) -> Self {
        Self {
            program,
            names,
            package,
        }
    }

    /// The program it reads.
    pub fn program(&self) -> &'p Program {
        self.program
    }

    /// The texts of names.
    pub fn names(&self) -> &'p Names {
        self.names
    }

    /// The package it checks.
    pub fn package(&self) -> PackageId {
        self.package
    }

    // Typing bodies.

    /// Types the body of a function or method of the package, with the closures inside. Once; a second call does nothing.
    pub fn check_function(&mut self, file: FileId, function: FunctionId) {
        let _ = (file, function);
    }

    /// Types the initial values of the package's variables, with the closures inside. Once.
    pub fn check_variables(&mut self) {}

    /// Types all bodies and initial values of the package.
    pub fn check_all(&mut self) {}

    // Expressions.

    /// The type of an expression, of what it denotes where it is a type, and of a function's name its signature; of a call of a generic
    /// function the function expression has the instantiated signature. A call with several results or none has a
    /// [`Type::Tuple`]. An untyped constant has an untyped type. Unknown where nothing is known or typed.
    pub fn type_of(&self, file: FileId, expr: ExprId) -> TypeId {
        let _ = (file, expr);
        TypeId::UNKNOWN
    }

    /// What a name, selector or type expression was found to be. Parentheses are looked through.
    pub fn use_of(&self, file: FileId, expr: ExprId) -> Use {
        let _ = (file, expr);
        Use::None
    }

    /// The object that a name or `pkg.Name` stands for.
    pub fn object_of(&self, file: FileId, expr: ExprId) -> Option<ObjectId> {
        match self.use_of(file, expr) {
            Use::Object(object) => Some(object),
            _ => None,
        }
    }

    /// What a selector selects; `None` for `pkg.Name`, which is an object.
    pub fn selection_of(&self, file: FileId, expr: ExprId) -> Option<&Selection> {
        match self.use_of(file, expr) {
            Use::Selection(selection) => Some(self.selection(selection)),
            _ => None,
        }
    }

    /// The value of an expression if it is constant.
    pub fn constant_of(&self, file: FileId, expr: ExprId) -> Option<Const> {
        let _ = (file, expr);
        None
    }

    /// Whether an expression is a type.
    pub fn is_type(&self, file: FileId, expr: ExprId) -> bool {
        let _ = (file, expr);
        false
    }

    /// What a call calls.
    pub fn callee(&self, file: FileId, call: ExprId) -> Callee {
        let _ = (file, call);
        Callee::Unknown
    }

    /// The object that a declaring name in a body, parameter list or package-level declaration makes: of `var x`, `x :=` (where `x`
    /// is new), parameters, local types and constants. Of the left side of `:=` and `range` [`Checker::object_of`] knows it too.
    pub fn definition(&self, file: FileId, ident: Ident) -> Option<ObjectId> {
        let _ = (file, ident);
        None
    }

    /// The variable that `switch x := y.(type)` declares in a clause: each clause has its own.
    pub fn clause_variable(&self, file: FileId, clause: ClauseId) -> Option<ObjectId> {
        let _ = (file, clause);
        None
    }

    // Objects.

    /// An object.
    ///
    /// # Panics
    ///
    /// With the id of another checker.
    pub fn object(&self, id: ObjectId) -> &Object {
        let _ = id;
        unimplemented!("lands next")
    }

    /// The type of a variable, constant or function; of a type itself.
    pub fn object_type(&mut self, id: ObjectId) -> TypeId {
        let _ = id;
        TypeId::UNKNOWN
    }

    /// The value of a constant.
    pub fn object_constant(&mut self, id: ObjectId) -> Option<Const> {
        let _ = id;
        None
    }

    /// What a package declares under a name, unexported ones included.
    pub fn lookup(&mut self, package: PackageId, name: Name) -> Option<ObjectId> {
        let _ = (package, name);
        None
    }

    /// The object of a declared function or method.
    pub fn function(&mut self, file: FileId, function: FunctionId) -> Option<ObjectId> {
        let _ = (file, function);
        None
    }

    /// What names a function, method, type or package-level variable in all packages; `None` for what is local.
    pub fn key(&self, id: ObjectId) -> Option<Key> {
        let _ = id;
        None
    }

    // Types.

    /// What a type is.
    pub fn typ(&self, id: TypeId) -> Type {
        let _ = id;
        Type::Unknown
    }

    /// The types of a list.
    pub fn list(&self, list: TypeList) -> &[TypeId] {
        let _ = list;
        &[]
    }

    /// The fields of a struct in the order of the source.
    pub fn fields(&self, list: FieldList) -> &[Member] {
        let _ = list;
        &[]
    }

    /// The terms of a union.
    pub fn terms(&self, list: TermList) -> &[Term] {
        let _ = list;
        &[]
    }

    /// A signature.
    pub fn signature(&self, id: SignatureId) -> Signature {
        let _ = id;
        unimplemented!("lands next")
    }

    /// An interface.
    pub fn interface(&self, id: InterfaceId) -> &Interface {
        let _ = id;
        unimplemented!("lands next")
    }

    /// A selection.
    pub fn selection(&self, id: SelectionId) -> &Selection {
        let _ = id;
        unimplemented!("lands next")
    }

    /// What a type is behind its name: never a [`Type::Named`]. Of a type parameter its constraint, an interface.
    pub fn underlying(&mut self, id: TypeId) -> Type {
        let _ = id;
        Type::Unknown
    }

    /// As [`Checker::underlying`], but of a type parameter (or interface with a union) what all its types have in common: its core
    /// type. Unknown where there is none. Ask this for channels, slices, maps, pointers and functions.
    pub fn core(&mut self, id: TypeId) -> Type {
        let _ = id;
        Type::Unknown
    }

    /// The package and name of a named type, pointers taken off: `sync.Mutex` of `*sync.Mutex`.
    pub fn type_key(&self, id: TypeId) -> Option<Key> {
        let _ = id;
        None
    }

    /// What `x.name` would select for an `x` of this type that can be addressed, written in a package.
    pub fn find(&mut self, typ: TypeId, name: Name, package: PackageId) -> Option<SelectionId> {
        let _ = (typ, name, package);
        None
    }

    /// The signature of a type that is a function or whose core type is one.
    pub fn function_type(&mut self, typ: TypeId) -> Option<Signature> {
        match self.core(typ) {
            Type::Func(signature) => Some(self.signature(signature)),
            _ => None,
        }
    }

    /// Whether a type has all methods of an interface, with the same types. `None` where that is not known.
    pub fn implements(&mut self, typ: TypeId, interface: TypeId) -> Option<bool> {
        let _ = (typ, interface);
        None
    }

    /// The declared methods that a call of an interface's method may reach, among the types of the package and of those that it
    /// imports directly. Types of other packages may implement the interface too.
    pub fn implementations(&mut self, interface: TypeId, method: Name) -> Vec<ObjectId> {
        let _ = (interface, method);
        Vec::new()
    }

    /// Whether two types are the same.
    pub fn is_identical(&mut self, a: TypeId, b: TypeId) -> bool {
        a == b
    }

    /// A type as Go would write it, with package names before the names; for messages. Cut where it is very long.
    pub fn describe(&self, id: TypeId) -> String {
        let _ = id;
        "?".to_owned()
    }
}
