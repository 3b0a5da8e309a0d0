//! Statements: what they declare, and where it holds.

use crate::syntax::ast::{
    AssignKind, BlockId, ClauseId, ClauseKind, ExprId, ExprKind, List, StmtId, StmtKind,
};

use super::checker::Checker;
use super::declare::{Source, State};
use super::expr::{Mode, Operand};
use super::object::{Object, ObjectKind, VarKind};
use super::typ::{Basic, Type, TypeId};

impl Checker<'_> {
    // Statements.

    pub(super) fn statements(&mut self, stmts: List<StmtId>) {
        for stmt in &self.env.ast()[stmts] {
            self.statement(*stmt);
        }
    }

    fn block(&mut self, block: BlockId) {
        let mark = self.env.open();
        self.statements(self.env.ast()[block].stmts);
        self.env.close(mark);
    }

    fn statement(&mut self, stmt: StmtId) {
        self.deeper((), |checker| checker.read_statement(stmt));
    }

    fn read_statement(&mut self, stmt: StmtId) {
        let ast = self.env.ast();
        match ast[stmt].kind {
            StmtKind::Bad | StmtKind::Empty | StmtKind::Branch { .. } => {}
            StmtKind::Decl(decl) => self.local_declaration(decl),
            StmtKind::Labeled { stmt, .. } => self.statement(stmt),
            StmtKind::Expr(expr)
            | StmtKind::Go(expr)
            | StmtKind::Defer(expr)
            | StmtKind::Step { operand: expr, .. } => {
                self.operand(expr);
            }
            StmtKind::Send { channel, value } => {
                let channel = self.operand(channel);
                let element = match self.core(channel.typ) {
                    Type::Chan { element, .. } => element,
                    _ => TypeId::UNKNOWN,
                };
                let operand = self.operand(value);
                self.assigned(value, &operand, element);
            }
            StmtKind::Assign {
                kind: AssignKind::Define,
                left,
                right,
            } => self.define(&ast[left], &ast[right]),
            StmtKind::Assign { left, right, .. } => self.assign(&ast[left], &ast[right]),
            StmtKind::Return(values) => {
                for value in &ast[values] {
                    self.operand(*value);
                }
            }
            StmtKind::Block(block) => self.block(block),
            StmtKind::If { .. } => self.if_chain(stmt),
            StmtKind::Switch { init, tag, clauses } => self.switch(init, tag, clauses),
            StmtKind::TypeSwitch {
                init,
                binding,
                guard,
                clauses,
            } => self.type_switch(init, binding, guard, clauses),
            StmtKind::Select(clauses) => {
                for clause in &ast[clauses] {
                    let mark = self.env.open();
                    if let ClauseKind::Comm(stmt) = ast[*clause].kind {
                        self.statement(stmt);
                    }
                    self.statements(ast[*clause].body);
                    self.env.close(mark);
                }
            }
            StmtKind::For {
                init,
                condition,
                post,
                body,
            } => {
                let mark = self.env.open();
                self.optional(init);
                if let Some(condition) = condition {
                    self.operand(condition);
                }
                self.optional(post);
                self.block(body);
                self.env.close(mark);
            }
            StmtKind::Range {
                key,
                value,
                define,
                operand,
                body,
            } => self.range([key, value], define, operand, body),
        }
    }

    fn optional(&mut self, stmt: Option<StmtId>) {
        if let Some(stmt) = stmt {
            self.statement(stmt);
        }
    }

    /// A chain of `else if`, however long; what one declares holds in the later ones.
    fn if_chain(&mut self, first: StmtId) {
        let ast = self.env.ast();
        let (scopes, outer) = (self.env.scopes(), self.env.open());
        let mut next = Some(first);
        while let Some(stmt) = next.take() {
            let StmtKind::If {
                init,
                condition,
                then,
                otherwise,
            } = ast[stmt].kind
            else {
                self.statement(stmt);
                break;
            };
            // One scope inside the other, all closed at the end.
            self.env.open();
            self.optional(init);
            self.operand(condition);
            self.block(then);
            next = otherwise;
        }
        self.env.close_to(scopes, outer);
    }

    fn switch(&mut self, init: Option<StmtId>, tag: Option<ExprId>, clauses: List<ClauseId>) {
        let ast = self.env.ast();
        let mark = self.env.open();
        self.optional(init);
        if let Some(tag) = tag {
            self.operand(tag);
        }
        for clause in &ast[clauses] {
            if let ClauseKind::Case(values) = ast[*clause].kind {
                for value in &ast[values] {
                    self.operand(*value);
                }
            }
            let inner = self.env.open();
            self.statements(ast[*clause].body);
            self.env.close(inner);
        }
        self.env.close(mark);
    }

    fn type_switch(
        &mut self,
        init: Option<StmtId>,
        binding: Option<ExprId>,
        guard: ExprId,
        clauses: List<ClauseId>,
    ) {
        let ast = self.env.ast();
        let mark = self.env.open();
        self.optional(init);
        let guarded = match ast[ast.unparen(guard)].kind {
            ExprKind::Assert { operand, .. } => self.operand(operand).typ,
            _ => TypeId::UNKNOWN,
        };
        for clause in &ast[clauses] {
            let mut typ = guarded;
            if let ClauseKind::Case(cases) = ast[*clause].kind {
                let cases = &ast[cases];
                for case in cases {
                    let operand = self.operand(*case);
                    if cases.len() == 1 && operand.typ != TypeId::UNTYPED_NIL {
                        typ = if operand.mode == Mode::Type {
                            operand.typ
                        } else {
                            TypeId::UNKNOWN
                        };
                    }
                }
            }
            let inner = self.env.open();
            if let Some(binding) = binding
                && let ExprKind::Name(name) = ast[binding].kind
            {
                let object = Object {
                    kind: ObjectKind::Var(VarKind::Local),
                    name,
                    file: Some(self.env.id),
                    span: ast[binding].span,
                };
                let object = self.add_entity(object, Source::None, State::Done, typ);
                self.env.bind(name, object);
                if let Some(table) = self.tables.get_mut(self.env.id.index as usize) {
                    table.clauses.insert(*clause, object);
                }
            }
            self.statements(ast[*clause].body);
            self.env.close(inner);
        }
        self.env.close(mark);
    }

    fn range(
        &mut self,
        variables: [Option<ExprId>; 2],
        define: bool,
        operand: ExprId,
        body: BlockId,
    ) {
        let ranged = self.operand(operand);
        let types = self.ranged_types(&ranged);
        let mark = self.env.open();
        for (variable, typ) in variables.into_iter().zip(types) {
            let Some(variable) = variable else { continue };
            if define {
                self.define_one(variable, typ);
            } else {
                self.operand(variable);
            }
        }
        self.block(body);
        self.env.close(mark);
    }

    /// The types of the first and second variable of a loop over something.
    fn ranged_types(&mut self, ranged: &Operand) -> [TypeId; 2] {
        let none = TypeId::UNKNOWN;
        match self.core(ranged.typ) {
            Type::Basic(Basic::String | Basic::UntypedString) => {
                [TypeId::INT, TypeId::basic(Basic::Int32)]
            }
            Type::Basic(_) => [self.variable_type(ranged), none],
            Type::Slice(element) | Type::Array { element, .. } => [TypeId::INT, element],
            Type::Pointer(to) => match self.underlying(to) {
                Type::Array { element, .. } => [TypeId::INT, element],
                _ => [none, none],
            },
            Type::Map { key, value } => [key, value],
            Type::Chan { element, .. } => [element, none],
            Type::Func(signature) => {
                let signature = self.store.signature(signature);
                let push = self.store.list(signature.params).first().copied();
                let Some(push) = push.and_then(|push| self.signature_of(push)) else {
                    return [none, none];
                };
                let params = self.store.list(push.params);
                let at = |place: usize| params.get(place).copied().unwrap_or(none);
                [at(0), at(1)]
            }
            _ => [none, none],
        }
    }
}
