//! Going through the tree without recursion.

use super::{
    Ast, BlockId, Body, ClauseId, ClauseKind, DeclId, DeclKind, ExprId, ExprKind, FieldId,
    FunctionId, Ident, SignatureId, SpecId, SpecKind, StmtId, StmtKind,
};
use crate::syntax::Span;

/// A node of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the kind of node it is named after")]
pub enum Node {
    Decl(DeclId),
    Spec(SpecId),
    Function(FunctionId),
    Signature(SignatureId),
    Field(FieldId),
    /// A name that is declared, selected or jumped to; a name that is used is an expression.
    Ident(Ident),
    Block(BlockId),
    Stmt(StmtId),
    Clause(ClauseId),
    Expr(ExprId),
}

impl Ast {
    /// The span of a node.
    pub fn span(&self, node: Node) -> Span {
        match node {
            Node::Decl(id) => self[id].span,
            Node::Spec(id) => self[id].span,
            Node::Function(id) => self[id].span,
            Node::Signature(id) => self[id].span,
            Node::Field(id) => self[id].span,
            Node::Ident(ident) => ident.span,
            Node::Block(id) => self[id].span,
            Node::Stmt(id) => self[id].span,
            Node::Clause(id) => self[id].span,
            Node::Expr(id) => self[id].span,
        }
    }

    /// Adds the children of a node to `children`, in the order of the source.
    pub fn children(&self, node: Node, children: &mut Vec<Node>) {
        match node {
            Node::Decl(id) => self.decl_children(id, children),
            Node::Spec(id) => self.spec_children(id, children),
            Node::Function(id) => {
                let function = &self[id];
                let receiver = function.receiver.map_or(&[][..], |list| &self[list]);
                children.extend(receiver.iter().map(|id| Node::Field(*id)));
                children.push(Node::Ident(function.name));
                children.push(Node::Signature(function.signature));
                if let Body::Block(block) = function.body {
                    children.push(Node::Block(block));
                }
            }
            Node::Signature(id) => {
                let signature = &self[id];
                for list in [signature.type_params, signature.params, signature.results] {
                    children.extend(self[list].iter().map(|id| Node::Field(*id)));
                }
            }
            Node::Field(id) => {
                let field = &self[id];
                children.extend(self[field.names].iter().map(|ident| Node::Ident(*ident)));
                children.push(Node::Expr(field.typ));
                children.extend(field.tag.map(Node::Expr));
            }
            Node::Ident(_) => {}
            Node::Block(id) => {
                children.extend(self[self[id].stmts].iter().map(|id| Node::Stmt(*id)))
            }
            Node::Stmt(id) => self.stmt_children(id, children),
            Node::Clause(id) => {
                let clause = &self[id];
                match clause.kind {
                    ClauseKind::Default => {}
                    ClauseKind::Case(list) => {
                        children.extend(self[list].iter().map(|id| Node::Expr(*id)))
                    }
                    ClauseKind::Comm(stmt) => children.push(Node::Stmt(stmt)),
                }
                children.extend(self[clause.body].iter().map(|id| Node::Stmt(*id)));
            }
            Node::Expr(id) => self.expr_children(id, children),
        }
    }

    fn decl_children(&self, id: DeclId, children: &mut Vec<Node>) {
        match self[id].kind {
            DeclKind::Bad => {}
            DeclKind::Import(specs)
            | DeclKind::Const(specs)
            | DeclKind::Var(specs)
            | DeclKind::Type(specs) => {
                children.extend(self[specs].iter().map(|id| Node::Spec(*id)));
            }
            DeclKind::Function(function) => children.push(Node::Function(function)),
        }
    }

    fn spec_children(&self, id: SpecId, children: &mut Vec<Node>) {
        match self[id].kind {
            SpecKind::Import { name, path } => {
                children.extend(name.map(Node::Ident));
                children.push(Node::Expr(path));
            }
            SpecKind::Value {
                names, typ, values, ..
            } => {
                children.extend(self[names].iter().map(|ident| Node::Ident(*ident)));
                children.extend(typ.map(Node::Expr));
                children.extend(self[values].iter().map(|id| Node::Expr(*id)));
            }
            SpecKind::Type {
                name,
                type_params,
                typ,
                ..
            } => {
                children.push(Node::Ident(name));
                children.extend(self[type_params].iter().map(|id| Node::Field(*id)));
                children.push(Node::Expr(typ));
            }
        }
    }

    fn stmt_children(&self, id: StmtId, children: &mut Vec<Node>) {
        let optional = |stmt: Option<StmtId>| stmt.map(Node::Stmt);
        match self[id].kind {
            StmtKind::Bad | StmtKind::Empty => {}
            StmtKind::Decl(decl) => children.push(Node::Decl(decl)),
            StmtKind::Labeled { label, stmt } => {
                children.extend([Node::Ident(label), Node::Stmt(stmt)])
            }
            StmtKind::Expr(expr)
            | StmtKind::Go(expr)
            | StmtKind::Defer(expr)
            | StmtKind::Step { operand: expr, .. } => {
                children.push(Node::Expr(expr));
            }
            StmtKind::Send { channel, value } => {
                children.extend([Node::Expr(channel), Node::Expr(value)])
            }
            StmtKind::Assign { left, right, .. } => {
                children.extend(
                    self[left]
                        .iter()
                        .chain(&self[right])
                        .map(|id| Node::Expr(*id)),
                );
            }
            StmtKind::Return(values) => {
                children.extend(self[values].iter().map(|id| Node::Expr(*id)))
            }
            StmtKind::Branch { label, .. } => children.extend(label.map(Node::Ident)),
            StmtKind::Block(block) => children.push(Node::Block(block)),
            StmtKind::If {
                init,
                condition,
                then,
                otherwise,
            } => {
                children.extend(optional(init));
                children.extend([Node::Expr(condition), Node::Block(then)]);
                children.extend(optional(otherwise));
            }
            StmtKind::Switch { init, tag, clauses } => {
                children.extend(optional(init));
                children.extend(tag.map(Node::Expr));
                children.extend(self[clauses].iter().map(|id| Node::Clause(*id)));
            }
            StmtKind::TypeSwitch {
                init,
                binding,
                guard,
                clauses,
            } => {
                children.extend(optional(init));
                children.extend(binding.map(Node::Expr));
                children.push(Node::Expr(guard));
                children.extend(self[clauses].iter().map(|id| Node::Clause(*id)));
            }
            StmtKind::Select(clauses) => {
                children.extend(self[clauses].iter().map(|id| Node::Clause(*id)))
            }
            StmtKind::For {
                init,
                condition,
                post,
                body,
            } => {
                children.extend(optional(init));
                children.extend(condition.map(Node::Expr));
                children.extend(optional(post));
                children.push(Node::Block(body));
            }
            StmtKind::Range {
                key,
                value,
                operand,
                body,
                ..
            } => {
                children.extend([key, value].into_iter().flatten().map(Node::Expr));
                children.extend([Node::Expr(operand), Node::Block(body)]);
            }
        }
    }

    fn expr_children(&self, id: ExprId, children: &mut Vec<Node>) {
        let exprs = |list: super::List<ExprId>| self[list].iter().map(|id| Node::Expr(*id));
        match self[id].kind {
            ExprKind::Bad | ExprKind::Name(_) | ExprKind::Literal(_) => {}
            ExprKind::Composite { typ, elements } => {
                children.extend(typ.map(Node::Expr));
                children.extend(exprs(elements));
            }
            ExprKind::KeyValue { key, value } | ExprKind::Map { key, value } => {
                children.extend([Node::Expr(key), Node::Expr(value)]);
            }
            ExprKind::Closure { signature, body } => {
                children.extend([Node::Signature(signature), Node::Block(body)]);
            }
            ExprKind::Paren(inner)
            | ExprKind::Star(inner)
            | ExprKind::Unary { operand: inner, .. } => {
                children.push(Node::Expr(inner));
            }
            ExprKind::Selector { operand, field } => {
                children.extend([Node::Expr(operand), Node::Ident(field)])
            }
            ExprKind::Index { operand, indices } => {
                children.push(Node::Expr(operand));
                children.extend(exprs(indices));
            }
            ExprKind::Slice {
                operand,
                low,
                high,
                max,
            } => {
                children.push(Node::Expr(operand));
                children.extend([low, high, max].into_iter().flatten().map(Node::Expr));
            }
            ExprKind::Assert { operand, typ } => {
                children.push(Node::Expr(operand));
                children.extend(typ.map(Node::Expr));
            }
            ExprKind::Call { function, args, .. } => {
                children.push(Node::Expr(function));
                children.extend(exprs(args));
            }
            ExprKind::Binary { left, right, .. } => {
                children.extend([Node::Expr(left), Node::Expr(right)])
            }
            ExprKind::Ellipsis(typ) => children.extend(typ.map(Node::Expr)),
            ExprKind::Array { length, element } => {
                children.extend(length.map(Node::Expr));
                children.push(Node::Expr(element));
            }
            ExprKind::Chan { element, .. } => children.push(Node::Expr(element)),
            ExprKind::FuncType(signature) => children.push(Node::Signature(signature)),
            ExprKind::Struct(fields) | ExprKind::Interface(fields) => {
                children.extend(self[fields].iter().map(|id| Node::Field(*id)));
            }
        }
    }

    /// A node and all below it, parents before their children, in the order of the source.
    pub fn walk(&self, root: Node) -> Walk<'_> {
        Walk {
            ast: self,
            open: vec![(0, root)],
            children: Vec::new(),
            latest: None,
        }
    }
}

/// An iterator over nodes with their depth below the root. See [`Ast::walk`].
#[derive(Debug)]
pub struct Walk<'a> {
    ast: &'a Ast,
    /// Nodes still to come, the next one last.
    open: Vec<(u32, Node)>,
    children: Vec<Node>,
    /// The node given last, whose children come next.
    latest: Option<(u32, Node)>,
}

impl Walk<'_> {
    /// Leaves out what is below the node that was given last.
    pub fn skip_children(&mut self) {
        self.latest = None;
    }
}

impl Iterator for Walk<'_> {
    type Item = (u32, Node);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((depth, node)) = self.latest.take() {
            self.ast.children(node, &mut self.children);
            let children = self.children.drain(..).rev();
            self.open
                .extend(children.map(|child| (depth.saturating_add(1), child)));
        }
        self.latest = self.open.pop();
        self.latest
    }
}
