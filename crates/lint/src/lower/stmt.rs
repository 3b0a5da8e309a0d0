//! Statements.

use super::assign::{Dests, follows};
use super::body::{How, Target};
use super::{Lower, MAX_DEPTH, Pending, types};
use crate::ir::{Const, End, Escape, Op, Place, PlaceId, RecvKind, Shape, Unknown, Value, VarId};
use crate::syntax::ast::{
    AssignKind, BlockId as AstBlock, BranchKind, DeclKind, ExprId, ExprKind, Ident, List, SpecId,
    SpecKind, StmtId, StmtKind,
};
use crate::syntax::{Name, Span, Token};
use crate::types::{FileId, Type};

impl Lower<'_, '_> {
    /// Lowers the body of a function.
    pub(super) fn function(&mut self, pending: Pending) {
        self.file = pending.file;
        self.begin(pending.func);
        self.depth = 0;
        let block = self.ast()[pending.body];
        self.stmts(block.stmts);
        let end = Span::new(block.span.end.saturating_sub(1), block.span.end);
        self.done(end);
    }

    /// The initial values of package variables, as one function.
    pub(super) fn variables(&mut self, files: &[FileId]) {
        let func = self.made_function("init".to_owned(), Span::default());
        if let Some(func) = self.ir.funcs.get_mut(func.index()) {
            func.parent = None;
        }
        for file in files {
            // Spans are of one file: each has a function of its own, but that the first is there already.
            let func = if *file == files[0] {
                func
            } else {
                let func = self.made_function("init".to_owned(), Span::default());
                if let Some(func) = self.ir.funcs.get_mut(func.index()) {
                    func.parent = None;
                }
                func
            };
            self.file = *file;
            if let Some(func) = self.ir.funcs.get_mut(func.index()) {
                func.site.file = file.index;
            }
            self.begin(func);
            self.in_initialiser = true;
            let source = self.program.file(*file);
            for decl in &source.decls {
                if let DeclKind::Var(specs) = source.ast[*decl].kind {
                    self.specs(specs);
                }
            }
            self.done(Span::default());
            self.in_initialiser = false;
        }
    }

    pub(super) fn stmts(&mut self, stmts: List<StmtId>) {
        for stmt in &self.ast()[stmts] {
            self.stmt(*stmt);
        }
    }

    pub(super) fn block(&mut self, block: AstBlock) {
        self.stmts(self.ast()[block].stmts);
    }

    pub(super) fn stmt(&mut self, stmt: StmtId) {
        if self.depth >= MAX_DEPTH {
            let span = self.ast()[stmt].span;
            self.unknown(Unknown::TooLarge, span);
            return;
        }
        self.depth += 1;
        // Only what stands directly behind a label has it.
        let label = self.body.label.take();
        self.any_stmt(stmt, label);
        self.depth -= 1;
    }

    fn any_stmt(&mut self, stmt: StmtId, label: Option<Name>) {
        let node = self.ast()[stmt];
        match node.kind {
            StmtKind::Bad => self.unknown(Unknown::Syntax, node.span),
            StmtKind::Empty => {}
            StmtKind::Decl(decl) => {
                if let DeclKind::Var(specs) = self.ast()[decl].kind {
                    self.specs(specs);
                }
            }
            StmtKind::Labeled { label, stmt } => self.labeled(label.name, stmt),
            StmtKind::Expr(expr) => self.discard(expr),
            StmtKind::Send { channel, value } => {
                let (channel, _) = self.send_operands(channel, value);
                self.emit(Op::Send { channel }, node.span);
            }
            StmtKind::Step { operand, .. } => {
                if let Some(to) = self.target(operand) {
                    self.assign(to, Value::Unknown, node.span);
                }
            }
            StmtKind::Assign { kind, left, right } => self.assignment(node.span, kind, left, right),
            StmtKind::Go(call) => {
                self.call(call, How::Go, Dests::None);
            }
            StmtKind::Defer(call) => {
                self.call(call, How::Defer, Dests::None);
            }
            StmtKind::Return(values) => self.return_(node.span, values),
            StmtKind::Branch { kind, label } => self.branch_stmt(node.span, kind, label),
            StmtKind::Block(block) => self.block(block),
            StmtKind::If { .. } => self.if_(stmt),
            StmtKind::Switch { init, tag, clauses } => {
                self.switch(node.span, label, init, tag, clauses)
            }
            StmtKind::TypeSwitch {
                init,
                binding,
                guard,
                clauses,
            } => {
                let _ = binding;
                self.type_switch(node.span, label, init, guard, clauses);
            }
            StmtKind::Select(clauses) => self.select(node.span, label, clauses),
            StmtKind::For {
                init,
                condition,
                post,
                body,
            } => {
                self.for_(node.span, label, init, condition, post, body);
            }
            StmtKind::Range {
                key,
                value,
                operand,
                body,
                ..
            } => {
                self.range(node.span, label, [key, value], operand, body);
            }
        }
    }

    fn discard(&mut self, expr: ExprId) {
        let inner = self.ast().unparen(expr);
        match self.ast()[inner].kind {
            ExprKind::Call { .. } => self.call(inner, How::Now, Dests::None),
            _ => self.value(inner),
        };
    }

    /// The places of a send's channel and of what goes through it.
    pub(super) fn send_operands(&mut self, channel: ExprId, value: ExprId) -> (PlaceId, Value) {
        let typ = self.type_of(channel);
        let channel = self.channel(channel);
        let to = self.element(channel, typ);
        let sent = self.value(value);
        if let Some(to) = to {
            self.flow_to(to, sent);
        }
        (channel, sent)
    }

    fn labeled(&mut self, label: Name, stmt: StmtId) {
        let block = self.label_block(label);
        self.start(block);
        self.body.label = Some(label);
        self.stmt(stmt);
        self.body.label = None;
    }

    fn label_block(&mut self, label: Name) -> crate::ir::BlockId {
        if let Some(block) = self.body.labels.get(&label) {
            return *block;
        }
        let block = self.new_block();
        self.body.labels.insert(label, block);
        block
    }

    fn branch_stmt(&mut self, span: Span, kind: BranchKind, label: Option<Ident>) {
        let label = label.map(|label| label.name);
        let fits = |target: &&Target| label.is_none() || target.label == label;
        let mut targets = self.body.targets.iter().rev();
        let to = match kind {
            BranchKind::Break => targets.find(fits).map(|target| target.after),
            BranchKind::Continue => targets
                .filter(|target| target.again.is_some())
                .find(fits)
                .and_then(|target| target.again),
            BranchKind::Fallthrough => self.body.next_clause,
            BranchKind::Goto => label.map(|label| self.label_block(label)),
        };
        match to {
            Some(to) => self.stop(End::Jump(to), span),
            None => self.unknown(Unknown::Goto, span),
        }
    }

    fn return_(&mut self, span: Span, values: List<ExprId>) {
        let values = &self.ast()[values];
        let results = self.ir[self.body.id].results.clone();
        let places: Vec<Option<PlaceId>> = results
            .iter()
            .map(|var| Some(self.ir.places.intern(Place::Var(*var))))
            .collect();
        if let [only] = values
            && results.len() > 1
        {
            let inner = self.ast().unparen(*only);
            self.call(inner, How::Now, Dests::List(&places));
        } else {
            let mut given = Vec::with_capacity(values.len());
            for (value, to) in values.iter().zip(&places) {
                let shape = to.map_or(Shape::Other, |to| self.shape_at(to));
                let dest = to.filter(|_| follows(shape) && values.len() == 1);
                given.push(self.value_into(*value, dest));
            }
            for (value, to) in given.into_iter().zip(places) {
                if let Some(to) = to {
                    self.assign(to, value, span);
                }
            }
        }
        self.stop(End::Return, span);
    }

    fn if_(&mut self, mut stmt: StmtId) {
        let ast = self.ast();
        let after = self.new_block();
        // A chain of `else if` leans to the right.
        while let StmtKind::If {
            init,
            condition,
            then,
            otherwise,
        } = ast[stmt].kind
        {
            if let Some(init) = init {
                self.stmt(init);
            }
            let (yes, no) = (self.new_block(), self.new_block());
            self.condition(condition, yes, no);
            self.start(yes);
            self.block(then);
            self.jump(after, ast[stmt].span);
            self.start(no);
            match otherwise {
                None => break,
                Some(next) => {
                    if let StmtKind::Block(block) = ast[next].kind {
                        self.block(block);
                        break;
                    }
                    stmt = next;
                }
            }
        }
        self.start(after);
    }

    pub(super) fn specs(&mut self, specs: List<SpecId>) {
        let ast = self.ast();
        for spec in &ast[specs] {
            let SpecKind::Value { names, values, .. } = ast[*spec].kind else {
                continue;
            };
            let span = ast[*spec].span;
            let places: Vec<Option<PlaceId>> =
                ast[names].iter().map(|name| self.declared(*name)).collect();
            let values = &ast[values];
            match values {
                [] => {
                    // A variable without a value is nil, false or zero.
                    for place in places.iter().flatten() {
                        self.zero(*place, span);
                    }
                }
                [only] if places.len() > 1 => self.several(span, &places, *only),
                _ => {
                    for (place, value) in places.iter().zip(values) {
                        let dest = place.filter(|place| follows(self.shape_at(*place)));
                        let value = self.value_into(*value, dest);
                        if let Some(place) = place {
                            self.assign(*place, value, span);
                        }
                    }
                }
            }
        }
    }

    fn zero(&mut self, place: PlaceId, span: Span) {
        let value = match self.shape_at(place) {
            Shape::Bool => Const::Bool(false),
            Shape::Int => Const::Int(0),
            Shape::Error
            | Shape::Chan
            | Shape::Func
            | Shape::Context
            | Shape::Cancel
            | Shape::Interface => Const::Nil,
            _ => return,
        };
        // Not counted: a declaration without a value.
        let value = Value::Const(value);
        self.emit(Op::Assign { to: place, value }, span);
    }

    fn declared(&mut self, name: Ident) -> Option<PlaceId> {
        if name.name.is_blank() {
            return None;
        }
        let object = self.checker.definition(self.file, name)?;
        let var = self.var(object)?;
        Some(self.var_place(var))
    }

    fn assignment(
        &mut self,
        span: Span,
        kind: AssignKind,
        left: List<ExprId>,
        right: List<ExprId>,
    ) {
        let ast = self.ast();
        let (left, right) = (&ast[left], &ast[right]);
        if let AssignKind::Operator(_) = kind {
            for value in right {
                self.value(*value);
            }
            for expr in left {
                if let Some(to) = self.target(*expr) {
                    self.assign(to, Value::Unknown, span);
                }
            }
            return;
        }
        match (left, right) {
            ([to], [value]) => {
                let is_unseen = !self.is_blank(*to);
                let to = self.target(*to);
                let is_new = kind == AssignKind::Define;
                let dest = to.filter(|to| {
                    follows(self.shape_at(*to)) && (is_new || !self.names_itself(*value))
                });
                let value = self.value_into(*value, dest);
                match to {
                    Some(to) => self.assign(to, value, span),
                    // It lies where others may have it.
                    None if is_unseen => self.leak(value, Escape::Unknown(self.site(span)), span),
                    None => {}
                }
            }
            (_, [only]) => {
                let places: Vec<Option<PlaceId>> =
                    left.iter().map(|expr| self.target(*expr)).collect();
                self.several(span, &places, *only);
            }
            _ => {
                let places: Vec<Option<PlaceId>> =
                    left.iter().map(|expr| self.target(*expr)).collect();
                let values: Vec<Value> = right.iter().map(|value| self.value(*value)).collect();
                for (to, value) in places.into_iter().zip(values) {
                    if let Some(to) = to {
                        self.assign(to, value, span);
                    }
                }
            }
        }
    }

    fn is_blank(&self, expr: ExprId) -> bool {
        let ast = self.ast();
        matches!(ast[ast.unparen(expr)].kind, ExprKind::Name(name) if name.is_blank())
    }

    /// Whether a value is made of parts that may name what it is assigned to: `x = T{x.f}`. Then it is not made in place.
    fn names_itself(&self, value: ExprId) -> bool {
        let ast = self.ast();
        let value = ast.unparen(value);
        match ast[value].kind {
            ExprKind::Composite { elements, .. } => !elements.is_empty(),
            ExprKind::Unary {
                operator: Token::And,
                operand,
            } => self.names_itself(operand),
            _ => false,
        }
    }

    /// `a, b = f()`, `v, ok = <-c`, `m[k]`, `x.(T)`.
    fn several(&mut self, span: Span, places: &[Option<PlaceId>], value: ExprId) {
        let ast = self.ast();
        let value = ast.unparen(value);
        let ok = places.get(1).copied().flatten();
        let first = match ast[value].kind {
            ExprKind::Call { .. } => {
                self.call(value, How::Now, Dests::List(places));
                return;
            }
            ExprKind::Unary {
                operator: Token::Arrow,
                operand,
            } => {
                let ok = ok.and_then(|ok| self.ok_var(ok));
                let ok = match ok {
                    Some(ok) => ok,
                    None => self.nothing(),
                };
                self.receive(value, operand, Some(ok))
            }
            _ => self.value(value),
        };
        if let Some(to) = places.first().copied().flatten() {
            self.assign(to, first, span);
        }
        if let Some(ok) = ok {
            if let ExprKind::Unary { .. } = ast[value].kind {
                // The receive itself sets it.
                self.count(ok);
                return;
            }
            self.assign(ok, Value::Unknown, span);
        }
    }

    pub(super) fn ok_var(&self, place: PlaceId) -> Option<VarId> {
        match self.ir[place] {
            Place::Var(var) => Some(var),
            _ => None,
        }
    }

    /// A variable that nobody reads.
    pub(super) fn nothing(&mut self) -> VarId {
        let place = self.temp(Shape::Bool, Span::default());
        self.ir.places.base(place)
    }

    /// The kind of a receive in the head of a select's case.
    pub(super) fn recv_kind(ok: Option<VarId>) -> RecvKind {
        if ok.is_some() {
            RecvKind::Ok
        } else {
            RecvKind::Plain
        }
    }

    /// What a type is without its name.
    pub(super) fn core_of(&mut self, expr: ExprId) -> Type {
        let typ = self.type_of(expr);
        let core = self.checker.core(typ);
        match core {
            // Arrays are ranged over through pointers too.
            types::Type::Pointer(inner) => self.checker.core(inner),
            _ => core,
        }
    }
}
