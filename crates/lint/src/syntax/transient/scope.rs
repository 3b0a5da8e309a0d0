//! What a name means at a place of a file, as far as the file shows.

use std::cell::{Cell, RefCell};

use super::{given_to, is_name};
use crate::syntax::ast::{
    Ast, ClauseKind, DeclKind, ExprId, ExprKind, FieldId, List, Node, SpecId, SpecKind, StmtId,
    StmtKind,
};
use crate::syntax::{File, Name, Names};

/// Where the value of a variable comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// It was set to this.
    Value {
        /// The value, or a call with several results.
        value: ExprId,
        /// Which of the results.
        result: usize,
    },
    /// It was declared to be of this type: a parameter, or a variable without a value.
    Type(ExprId),
    /// Something else.
    Unknown,
}

/// What is known of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Timer,
    Ticker,
    Struct(List<FieldId>),
}

/// Statements judged for one wait before giving up: in real code there are a handful.
const MAX_JUDGED: u32 = 200;

/// A file seen from one of its nodes.
pub(super) struct Scope<'f> {
    file: &'f File,
    names: &'f Names,
    /// Where the node starts.
    place: u32,
    /// Starts of the statements whose values are being judged. If each keeps what holds before it, all hold: such a value may
    /// depend on itself, as in `ctx, cancel = context.WithCancel(ctx)`.
    judging: RefCell<Vec<u32>>,
    judged: Cell<u32>,
}

impl<'f> Scope<'f> {
    /// The scope of a node.
    pub(super) fn new(file: &'f File, names: &'f Names, node: Node) -> Self {
        Self {
            file,
            names,
            place: file.ast.span(node).start,
            judging: RefCell::default(),
            judged: Cell::new(0),
        }
    }

    /// The nodes around an offset, outermost first.
    fn path(&self, at: u32) -> Vec<Node> {
        let ast = self.ast();
        let is_around = |node: &Node| {
            let span = ast.span(*node);
            span.start <= at && at < span.end
        };
        let roots = self.file.decls.iter().map(|decl| Node::Decl(*decl));
        let mut here = roots.into_iter().find(|root| is_around(root));
        let mut path = Vec::new();
        let mut children = Vec::new();
        while let Some(node) = here {
            path.push(node);
            children.clear();
            ast.children(node, &mut children);
            here = children.iter().copied().find(|child| is_around(child));
        }
        path
    }

    pub(super) fn ast(&self) -> &'f Ast {
        &self.file.ast
    }

    /// The offset of the node at hand.
    pub(super) fn place(&self) -> u32 {
        self.place
    }

    /// What a judgement says of the value that a name has at an offset, if it says something of every value that the name may
    /// get afterwards, too. The judgement gets a value and the offset where it was evaluated.
    pub(super) fn every_value<T>(
        &self,
        name: Name,
        at: u32,
        judge: impl Fn(Origin, u32) -> Option<T>,
    ) -> Option<T> {
        let path = self.path(at);
        let (origin, from) = match self.local_origin(&path, name, at) {
            Some(local) => local,
            None => self.in_package(name)?,
        };
        let judged = judge(origin, from)?;
        // Later in a loop, in a closure, in a branch on the way: all count. Every function may set what is the package's.
        let ast = self.ast();
        let own = path.first().copied();
        let is_local = own.is_some_and(|own| ast.span(own).start <= from && from <= at);
        let roots = self.file.decls.iter().map(|decl| Node::Decl(*decl));
        for root in roots.filter(|root| !is_local || Some(*root) == own) {
            for (_, node) in ast.walk(root) {
                let Node::Stmt(id) = node else { continue };
                if is_local && ast[id].span.start <= from {
                    continue;
                }
                self.judge_later(id, name, &judge)?;
            }
        }
        Some(judged)
    }

    /// Judges what a statement sets a name to, if it does.
    fn judge_later<T>(
        &self,
        id: StmtId,
        name: Name,
        judge: impl Fn(Origin, u32) -> Option<T>,
    ) -> Option<()> {
        if self.changes_otherwise(id, name) {
            return None;
        }
        let stmt = &self.ast()[id];
        let start = stmt.span.start;
        let Some(later) = given_to(self.ast(), stmt, name) else {
            return Some(());
        };
        if self.judging.borrow().contains(&start) {
            return Some(());
        }
        self.judged.set(self.judged.get() + 1);
        if self.judged.get() > MAX_JUDGED {
            return None;
        }
        self.judging.borrow_mut().push(start);
        let outcome = judge(later, start);
        self.judging.borrow_mut().pop();
        outcome.map(|_| ())
    }

    /// Whether a statement sets a name to something that is no expression: in a range.
    fn changes_otherwise(&self, stmt: StmtId, name: Name) -> bool {
        match self.ast()[stmt].kind {
            StmtKind::Range {
                key, value, define, ..
            } => {
                let names = [key, value].into_iter().flatten();
                !define
                    && names
                        .into_iter()
                        .any(|expr| is_name(&self.ast()[expr], name))
            }
            _ => false,
        }
    }

    /// What a name was declared as or set to last before an offset, inside of functions and on every way there, and the offset
    /// where that was.
    fn local_origin(&self, path: &[Node], name: Name, at: u32) -> Option<(Origin, u32)> {
        let ast = self.ast();
        for node in path.iter().rev() {
            let found = match *node {
                Node::Block(id) => self.in_stmts(&ast[ast[id].stmts], name, at),
                Node::Clause(id) => {
                    let clause = &ast[id];
                    let inside = self.in_stmts(&ast[clause.body], name, at);
                    inside.or_else(|| match clause.kind {
                        ClauseKind::Comm(stmt) if ast[stmt].span.end <= at => {
                            self.in_stmt(stmt, name)
                        }
                        _ => None,
                    })
                }
                Node::Stmt(id) => self.in_head(id, name, at),
                Node::Function(id) => {
                    let function = &ast[id];
                    let receiver = function
                        .receiver
                        .and_then(|receiver| self.in_fields(receiver, name));
                    receiver.or_else(|| self.in_signature(function.signature, name))
                }
                Node::Expr(id) => match ast[id].kind {
                    ExprKind::Closure { signature, .. } => self.in_signature(signature, name),
                    _ => None,
                },
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The last of some statements, before an offset, that sets the name.
    fn in_stmts(&self, stmts: &[StmtId], name: Name, at: u32) -> Option<(Origin, u32)> {
        let before = stmts
            .iter()
            .rev()
            .filter(|stmt| self.ast()[**stmt].span.end <= at);
        before.filter_map(|stmt| self.in_stmt(*stmt, name)).next()
    }

    /// What a statement sets a name to, on every way through it.
    fn in_stmt(&self, stmt: StmtId, name: Name) -> Option<(Origin, u32)> {
        let ast = self.ast();
        let mut id = stmt;
        while let StmtKind::Labeled { stmt, .. } = ast[id].kind {
            id = stmt;
        }
        let start = ast[id].span.start;
        if let StmtKind::Decl(decl) = ast[id].kind {
            let DeclKind::Var(specs) = ast[decl].kind else {
                return None;
            };
            return self.in_specs(&ast[specs], name);
        }
        given_to(ast, &ast[id], name).map(|origin| (origin, start))
    }

    /// What the head of a statement declares for what is inside it.
    fn in_head(&self, stmt: StmtId, name: Name, at: u32) -> Option<(Origin, u32)> {
        let ast = self.ast();
        let start = ast[stmt].span.start;
        let init = match ast[stmt].kind {
            StmtKind::If { init, .. }
            | StmtKind::For { init, .. }
            | StmtKind::Switch { init, .. } => init,
            StmtKind::TypeSwitch { init, binding, .. } => {
                if binding.is_some_and(|binding| is_name(&ast[binding], name)) {
                    return Some((Origin::Unknown, start));
                }
                init
            }
            StmtKind::Range {
                key, value, body, ..
            } if ast[body].span.start <= at => {
                let mut names = [key, value].into_iter().flatten();
                let is_set = names.any(|expr| is_name(&ast[expr], name));
                return is_set.then_some((Origin::Unknown, start));
            }
            _ => None,
        };
        let init = init.filter(|init| ast[*init].span.end <= at)?;
        self.in_stmt(init, name)
    }

    fn in_signature(
        &self,
        signature: crate::syntax::ast::SignatureId,
        name: Name,
    ) -> Option<(Origin, u32)> {
        let signature = &self.ast()[signature];
        let params = self.in_fields(signature.params, name);
        params.or_else(|| self.in_fields(signature.results, name))
    }

    fn in_fields(&self, fields: List<FieldId>, name: Name) -> Option<(Origin, u32)> {
        let start = |id: &FieldId| self.ast()[*id].span.start;
        let mut fields = self.ast()[fields].iter();
        let found = fields.find(|id| self.names_field(**id, name))?;
        let typ = self.ast()[*found].typ;
        Some((Origin::Type(typ), start(found)))
    }

    fn names_field(&self, field: FieldId, name: Name) -> bool {
        let names = &self.ast()[self.ast()[field].names];
        names.iter().any(|ident| ident.name == name)
    }

    /// The type of a field of a struct.
    pub(super) fn field(&self, fields: List<FieldId>, name: Name) -> Option<ExprId> {
        let mut fields = self.ast()[fields].iter();
        let found = fields.find(|id| self.names_field(**id, name))?;
        Some(self.ast()[*found].typ)
    }

    fn in_specs(&self, specs: &[SpecId], name: Name) -> Option<(Origin, u32)> {
        let ast = self.ast();
        specs.iter().find_map(|spec| {
            let SpecKind::Value {
                names, typ, values, ..
            } = ast[*spec].kind
            else {
                return None;
            };
            let place = ast[names].iter().position(|ident| ident.name == name)?;
            let origin = match (&ast[values], typ) {
                ([], Some(typ)) => Origin::Type(typ),
                ([only], _) if names.len() > 1 => Origin::Value {
                    value: *only,
                    result: place,
                },
                (values, _) => match values.get(place) {
                    Some(value) => Origin::Value {
                        value: *value,
                        result: 0,
                    },
                    None => Origin::Unknown,
                },
            };
            Some((origin, ast[*spec].span.start))
        })
    }

    /// What a name is at package level.
    fn in_package(&self, name: Name) -> Option<(Origin, u32)> {
        let ast = self.ast();
        self.file
            .decls
            .iter()
            .find_map(|decl| match ast[*decl].kind {
                DeclKind::Var(specs) | DeclKind::Const(specs) => self.in_specs(&ast[specs], name),
                DeclKind::Function(id) => {
                    let function = &ast[id];
                    let is_it = function.receiver.is_none() && function.name.name == name;
                    is_it.then_some((Origin::Unknown, function.span.start))
                }
                _ => None,
            })
    }

    /// The type that a name stands for at package level.
    pub(super) fn declared_type(&self, wanted: Name) -> Option<ExprId> {
        let ast = self.ast();
        self.file.decls.iter().find_map(|decl| {
            let DeclKind::Type(specs) = ast[*decl].kind else {
                return None;
            };
            ast[specs].iter().find_map(|spec| match ast[*spec].kind {
                SpecKind::Type { name, typ, .. } if name.name == wanted => Some(typ),
                _ => None,
            })
        })
    }

    /// Whether an expression is the name under which the file imports a package of the standard library.
    pub(super) fn is_package(&self, expr: ExprId, package: Name, at: u32) -> bool {
        let ExprKind::Name(name) = self.ast()[expr].kind else {
            return false;
        };
        self.imports(name, package)
            && self.local_origin(&self.path(at), name, at).is_none()
            && self.in_package(name).is_none()
    }

    fn imports(&self, name: Name, package: Name) -> bool {
        let ast = self.ast();
        let path = self.names.text(package);
        let mut specs = self
            .file
            .decls
            .iter()
            .filter_map(|decl| match ast[*decl].kind {
                DeclKind::Import(specs) => Some(&ast[specs]),
                _ => None,
            });
        specs.any(|specs| {
            specs.iter().any(|spec| match ast[*spec].kind {
                SpecKind::Import {
                    name: own,
                    path: literal,
                } => {
                    let known_as = own.map_or(package, |own| own.name);
                    known_as == name && self.file.plain_string(ast[literal].span) == Some(path)
                }
                _ => false,
            })
        })
    }
}
