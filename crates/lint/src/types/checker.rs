//! Types one package.

use crate::syntax::ast::{ClauseId, ExprId, ExprKind, FunctionId, Ident};
use crate::syntax::{Name, Names};

use super::constant::Const;
use super::declare::{Declarations, Entity, Source};
use super::describe::{Qualify, Writer};
use super::lookup::Memory;
use super::object::{Builtin, Key, Object, ObjectId, ObjectKind};
use super::program::{FileId, PackageId, Program};
use super::scope::Env;
use super::store::Store;
use super::table::Table;
use super::typ::{
    FieldList, Interface, InterfaceId, Member, Signature, SignatureId, Term, TermList, Type,
    TypeId, TypeList,
};
use super::universe::universe;

/// Bytes of the longest description of a type in a message.
const MAX_DESCRIPTION_BYTES: usize = 200;

/// Types one package, and of the packages it imports as much as is asked for.
///
/// Questions about types and objects take `&mut self`, because what they need may be resolved only then. Questions about
/// expressions take `&self` and know what [`Checker::check_function`] or [`Checker::check_variables`] has typed before. They are about
/// files of the package that is checked; for others they know nothing.
#[derive(Debug)]
pub struct Checker<'p> {
    pub(super) program: &'p Program,
    pub(super) names: &'p Names,
    pub(super) package: PackageId,
    pub(super) store: Store,
    pub(super) entities: Vec<Entity>,
    pub(super) declarations: Declarations,
    pub(super) memory: Memory,
    pub(super) tables: Vec<Table>,
    pub(super) env: Env<'p>,
    /// How many expressions, types, statements and declarations are open: bounded, because each takes room on the stack.
    pub(super) depth: u32,
    /// Whether something was called or received in the expression at hand: its length is no constant then.
    pub(super) effect: bool,
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
        let files = &program.package(package).files;
        let (store, entities, declarations) = universe(names);
        Self {
            program,
            names,
            package,
            store,
            entities,
            declarations,
            memory: Memory::default(),
            tables: files.iter().map(|_| Table::default()).collect(),
            env: Env::nowhere(),
            depth: 0,
            effect: false,
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
        self.type_function(file, function);
    }

    /// Types the initial values of the package's variables, with the closures inside. Once.
    pub fn check_variables(&mut self) {
        self.type_variables();
    }

    /// Types all declarations, initial values and bodies of the package.
    pub fn check_all(&mut self) {
        self.type_declarations();
        self.check_variables();
        for file in self.program.package(self.package).file_ids(self.package) {
            for (function, _) in self.program.file(file).ast.functions() {
                self.check_function(file, function);
            }
        }
    }

    // Expressions.

    /// The type of an expression, of what it denotes where it is a type, and of a function's name its signature; of a call of a generic
    /// function the function expression has the instantiated signature. A call with several results or none has a
    /// [`Type::Tuple`]. An untyped constant has an untyped type. Unknown where nothing is known or typed.
    pub fn type_of(&self, file: FileId, expr: ExprId) -> TypeId {
        self.table(file)
            .map_or(TypeId::UNKNOWN, |table| table.typ(expr))
    }

    /// What a name, selector or type expression was found to be. Parentheses are looked through.
    pub fn use_of(&self, file: FileId, expr: ExprId) -> Use {
        let Some(table) = self.table(file) else {
            return Use::None;
        };
        table.what(self.program.file(file).ast.unparen(expr))
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
        let ast = &self.program.file(file).ast;
        let expr = ast.unparen(expr);
        let table = self.table(file)?;
        match table.what(expr) {
            Use::Object(object) => self.entity(object).constant.clone(),
            _ => table.constant(expr).cloned(),
        }
    }

    /// Whether an expression is a type.
    pub fn is_type(&self, file: FileId, expr: ExprId) -> bool {
        match self.use_of(file, expr) {
            Use::Type => true,
            Use::Object(object) => matches!(
                self.object(object).kind,
                ObjectKind::PredeclaredType | ObjectKind::Type(_) | ObjectKind::TypeParam(_)
            ),
            Use::None | Use::Selection(_) => false,
        }
    }

    /// What a call calls.
    pub fn callee(&self, file: FileId, call: ExprId) -> Callee {
        let ast = &self.program.file(file).ast;
        let ExprKind::Call { function, .. } = ast[ast.unparen(call)].kind else {
            return Callee::Unknown;
        };
        let mut function = ast.unparen(function);
        if self.is_type(file, function) {
            return Callee::Conversion(self.type_of(file, function));
        }
        if let ExprKind::Index { operand, .. } = ast[function].kind
            && self.is_function_name(file, operand)
        {
            function = ast.unparen(operand);
        }
        match self.use_of(file, function) {
            Use::Object(object) => match self.object(object).kind {
                ObjectKind::Builtin(builtin) => Callee::Builtin(builtin),
                ObjectKind::Function { .. } => Callee::Function(object),
                ObjectKind::Var(_) => Callee::Value(function),
                _ => Callee::Unknown,
            },
            Use::Selection(id) => match self.selection(id).kind {
                SelectionKind::Field => Callee::Value(function),
                SelectionKind::Method { method, .. } => Callee::Method(method, id),
                SelectionKind::Interface { .. } => Callee::Interface(id),
            },
            Use::Type | Use::None => match ast[function].kind {
                ExprKind::Closure { .. } => Callee::Closure(function),
                _ if matches!(self.typ(self.type_of(file, function)), Type::Unknown) => {
                    Callee::Unknown
                }
                _ => Callee::Value(function),
            },
        }
    }

    /// The object that a declaring name in a body, parameter list or package-level declaration makes: of `var x`, `x :=` (where `x`
    /// is new), parameters, local types and constants. Of the left side of `:=` and `range` [`Checker::object_of`] knows it too.
    pub fn definition(&self, file: FileId, ident: Ident) -> Option<ObjectId> {
        self.table(file)?
            .definitions
            .get(&ident.span.start)
            .copied()
    }

    /// The variable that `switch x := y.(type)` declares in a clause: each clause has its own.
    pub fn clause_variable(&self, file: FileId, clause: ClauseId) -> Option<ObjectId> {
        self.table(file)?.clauses.get(&clause).copied()
    }

    // Objects.

    /// An object.
    ///
    /// # Panics
    ///
    /// With the id of another checker.
    pub fn object(&self, id: ObjectId) -> &Object {
        &self.entity(id).object
    }

    /// The type of a variable, constant or function; of a type itself.
    pub fn object_type(&mut self, id: ObjectId) -> TypeId {
        self.resolve_object(id)
    }

    /// The value of a constant.
    pub fn object_constant(&mut self, id: ObjectId) -> Option<Const> {
        self.resolve_object(id);
        self.entity(id).constant.clone()
    }

    /// What a package declares under a name, unexported ones included.
    pub fn lookup(&mut self, package: PackageId, name: Name) -> Option<ObjectId> {
        self.package_object(package, name)
    }

    /// The object of a declared function or method; `None` for an id that its file does not have.
    pub fn function(&mut self, file: FileId, function: FunctionId) -> Option<ObjectId> {
        let count = self.program.file(file).ast.functions_count();
        (function.index() < count).then(|| self.function_object(file, function))
    }

    /// What names a function, method, type or package-level variable in all packages; `None` for what is local.
    pub fn key(&self, id: ObjectId) -> Option<Key> {
        let entity = self.entity(id);
        let package = entity.object.package()?;
        let receiver = match (entity.source, entity.object.kind) {
            (Source::Function(_), ObjectKind::Function { receiver, .. }) => {
                receiver.map(|receiver| self.names.text(self.object(receiver).name).to_owned())
            }
            (Source::Spec(..), _) => None,
            _ => return None,
        };
        Some(Key {
            package: self.program.package(package).path.clone(),
            receiver,
            name: self.names.text(entity.object.name).to_owned(),
        })
    }

    // Types.

    /// What a type is.
    pub fn typ(&self, id: TypeId) -> Type {
        self.store.typ(id)
    }

    /// The types of a list.
    pub fn list(&self, list: TypeList) -> &[TypeId] {
        self.store.list(list)
    }

    /// The fields of a struct in the order of the source.
    pub fn fields(&self, list: FieldList) -> &[Member] {
        self.store.fields(list)
    }

    /// The terms of a union.
    pub fn terms(&self, list: TermList) -> &[Term] {
        self.store.terms(list)
    }

    /// A signature.
    pub fn signature(&self, id: SignatureId) -> Signature {
        self.store.signature(id)
    }

    /// An interface.
    pub fn interface(&self, id: InterfaceId) -> &Interface {
        self.store.interface(id)
    }

    /// A selection.
    pub fn selection(&self, id: SelectionId) -> &Selection {
        &self.memory.selections[id.0 as usize]
    }

    /// What a type is behind its name: never a [`Type::Named`]. Of a type parameter its constraint, an interface.
    pub fn underlying(&mut self, id: TypeId) -> Type {
        let under = self.under(id);
        self.store.typ(under)
    }

    /// As [`Checker::underlying`], but of a type parameter (or interface with a union) what all its types have in common: its core
    /// type. Unknown where there is none. Ask this for channels, slices, maps, pointers and functions.
    pub fn core(&mut self, id: TypeId) -> Type {
        let core = self.core_id(id);
        self.store.typ(core)
    }

    /// The package and name of a named type, pointers taken off: `sync.Mutex` of `*sync.Mutex`.
    pub fn type_key(&self, id: TypeId) -> Option<Key> {
        match self.typ(id) {
            Type::Named { object, .. } => self.key(object),
            Type::Pointer(to) => match self.typ(to) {
                Type::Named { object, .. } => self.key(object),
                _ => None,
            },
            _ => None,
        }
    }

    /// What `x.name` would select for an `x` of this type that can be addressed, written in a package.
    pub fn find(&mut self, typ: TypeId, name: Name, package: PackageId) -> Option<SelectionId> {
        self.find_selection(typ, name, package)
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
        self.has_methods(typ, interface)
    }

    /// The declared methods that a call of an interface's method may reach, among the types of the package and of those that it
    /// imports directly. Types of other packages may implement the interface too.
    pub fn implementations(&mut self, interface: TypeId, method: Name) -> Vec<ObjectId> {
        self.implementing(interface, method).to_vec()
    }

    /// Whether two types are the same.
    pub fn is_identical(&mut self, a: TypeId, b: TypeId) -> bool {
        self.same_types(a, b)
    }

    /// A type as Go would write it, with package names before the names; for messages. Cut where it is very long.
    pub fn describe(&self, id: TypeId) -> String {
        Writer::new(self, Qualify::Name, MAX_DESCRIPTION_BYTES).write(id)
    }

    /// A type with import paths before the names and nothing left out: the same text for the same type in all checkers.
    pub fn describe_exactly(&self, id: TypeId) -> String {
        Writer::new(self, Qualify::Path, usize::MAX).write(id)
    }

    fn table(&self, file: FileId) -> Option<&Table> {
        let is_own = file.package == self.package;
        self.tables.get(file.index as usize).filter(|_| is_own)
    }

    /// Whether an expression is the name of a function or method, not of a variable.
    fn is_function_name(&self, file: FileId, expr: ExprId) -> bool {
        match self.use_of(file, expr) {
            Use::Object(object) => matches!(self.object(object).kind, ObjectKind::Function { .. }),
            Use::Selection(id) => !matches!(self.selection(id).kind, SelectionKind::Field),
            Use::None | Use::Type => false,
        }
    }
}
