//! Typed source to the concurrency IR.
//!
//! [`lower`] goes through all bodies of a package once. Statements become blocks ([`body`]), expressions become instructions
//! and values ([`expr`], [`call`]), conditions become facts on edges ([`cond`]); functions that the rules know by name become
//! operations ([`known`], [`effect`]). Beside the instructions the flow of values is collected ([`crate::ir::Flow`]), from which
//! [`resolve`] finds out what places may be and whom function values call.

mod assign;
mod body;
mod call;
mod choose;
mod cond;
mod declare;
mod effect;
mod expr;
mod finish;
mod known;
mod repeat;
mod resolve;
mod shape;
mod stmt;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::ir::{
    CallId, ExternId, FieldId, Flow, FuncId, Node, Object, ObjectId, ObjectKind, Package, PlaceId,
    Shape, Site, TermId, TermKind, VarId,
};
use crate::summary::Facts;
use crate::syntax::ast::{Ast, BlockId, ExprId};
use crate::syntax::{Name, Span};
use crate::types::{self, Checker, FileId, Program, TypeId};

use body::Body;

type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;

/// Levels of expressions and statements that are followed; the parser lets chains of selectors and calls be deeper. What lies
/// below is unknown. Each level takes some hundred bytes of stack, a few times over.
pub const MAX_DEPTH: u32 = 200;

/// Instructions of one function. Real ones stay below ten thousand; a generated table with more is not looked into.
pub const MAX_INSTRS: usize = 100_000;

/// Lowers a package whose bodies the checker has typed, and finds out what places may be.
/// `facts_of` tells what is known of functions of other packages.
pub fn lower(
    checker: &mut Checker<'_>,
    facts_of: &dyn Fn(types::PackageId) -> Option<Arc<Facts>>,
) -> Lowered {
    let mut lower = Lower::new(checker, facts_of);
    lower.package();
    lower.finish()
}

/// A package as IR, and who its calls call.
#[derive(Debug, Default)]
pub struct Lowered {
    /// The IR.
    pub ir: Package,
    /// By call.
    pub targets: Vec<crate::summary::Targets>,
}

/// What is being lowered.
struct Lower<'c, 'p> {
    facts_of: &'c dyn Fn(types::PackageId) -> Option<Arc<Facts>>,
    checker: &'c mut Checker<'p>,
    program: &'p Program,
    package: types::PackageId,
    /// Whether other packages can name what this one exports.
    is_importable: bool,
    ir: Package,
    flow: Flow,
    /// By object of the checker; the first of an object.
    vars: Map<types::ObjectId, VarId>,
    funcs: Map<types::ObjectId, FuncId>,
    fields: Map<(Owner, Name), FieldId>,
    externs: Map<types::ObjectId, ExternId>,
    methods: Map<(TypeId, Name), ExternId>,
    terms: Map<TermKind, TermId>,
    known: Map<types::ObjectId, Option<known::Known>>,
    shapes: Map<TypeId, shape::Kind>,
    special: Map<types::ObjectId, Option<Shape>>,
    func_objects: Map<FuncId, ObjectId>,
    /// What a lock that `RLocker` gave is, by the variable that has it.
    views: Map<VarId, PlaceId>,
    /// Variables that hold a struct made in the same function.
    fresh: hashbrown::HashSet<VarId, foldhash::fast::RandomState>,
    /// The loop a variable is declared in.
    declared_in: Vec<Option<crate::ir::LoopId>>,
    closure_counts: Map<FuncId, u32>,
    /// Parameters of package testing's types.
    test_params: hashbrown::HashSet<VarId, foldhash::fast::RandomState>,
    /// Whether what is lowered initialises the package's variables.
    in_initialiser: bool,
    /// `L`.
    lock_name: Name,
    /// Calls of function values and interfaces, to be resolved.
    open_calls: Vec<CallId>,
    /// By call: where it stands.
    call_sites: Vec<Site>,
    pending: Vec<Pending>,
    body: Body,
    file: FileId,
    /// Levels above the expression or statement at hand.
    depth: u32,
}

/// Whose field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    /// A declared type, whatever its arguments.
    Named(types::ObjectId),
    /// A struct without a name; also, with no name of a field, the elements of channels.
    Type(TypeId),
    /// What is at one node: the lock of a `sync.Cond`.
    Node(Node),
}

/// A function whose body is still to be lowered.
#[derive(Clone, Copy)]
struct Pending {
    func: FuncId,
    file: FileId,
    body: BlockId,
}

impl<'c, 'p> Lower<'c, 'p> {
    fn new(
        checker: &'c mut Checker<'p>,
        facts_of: &'c dyn Fn(types::PackageId) -> Option<Arc<Facts>>,
    ) -> Self {
        let (program, package) = (checker.program(), checker.package());
        let lock_name = checker.names().intern("L");
        let unit = program.package(package);
        let mut ir = Package {
            path: unit.path.clone(),
            ..Package::default()
        };
        let nowhere = Site {
            file: 0,
            span: Span::default(),
        };
        ir.objects.push(Object {
            kind: ObjectKind::Outside,
            site: nowhere,
            func: None,
            in_loop: false,
        });
        Self {
            facts_of,
            checker,
            program,
            package,
            is_importable: unit.name != Name::MAIN,
            ir,
            flow: Flow::default(),
            vars: Map::default(),
            funcs: Map::default(),
            fields: Map::default(),
            externs: Map::default(),
            methods: Map::default(),
            terms: Map::default(),
            known: Map::default(),
            shapes: Map::default(),
            special: Map::default(),
            func_objects: Map::default(),
            views: Map::default(),
            fresh: hashbrown::HashSet::default(),
            declared_in: Vec::new(),
            closure_counts: Map::default(),
            test_params: hashbrown::HashSet::default(),
            in_initialiser: false,
            lock_name,
            open_calls: Vec::new(),
            call_sites: Vec::new(),
            pending: Vec::new(),
            body: Body::default(),
            file: FileId::new(package, 0),
            depth: 0,
        }
    }

    /// Lowers everything.
    fn package(&mut self) {
        let unit = self.program.package(self.package);
        let files: Vec<FileId> = unit.file_ids(self.package).collect();
        for file in &files {
            self.declare_functions(*file);
        }
        self.variables(&files);
        let mut next = 0;
        while let Some(pending) = self.pending.get(next).copied() {
            self.function(pending);
            next += 1;
        }
    }

    fn names(&self) -> &'p crate::syntax::Names {
        self.checker.names()
    }

    fn site(&self, span: Span) -> Site {
        Site {
            file: self.file_index(),
            span,
        }
    }

    fn file_index(&self) -> u32 {
        self.file.index
    }

    fn text(&self, name: Name) -> &'p str {
        self.names().text(name)
    }

    fn type_of(&self, expr: ExprId) -> TypeId {
        self.checker.type_of(self.file, expr)
    }

    fn span_of(&self, expr: ExprId) -> Span {
        self.ast()[expr].span
    }

    /// The tree of the file at hand.
    fn ast(&self) -> &'p Ast {
        &self.program.file(self.file).ast
    }
}
