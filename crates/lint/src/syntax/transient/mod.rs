//! Whether a wait ends by itself: the test with which LeakProf drops goroutines that only look stuck.
//!
//! [`waits`] looks at one line of one file, as a goroutine's stack names it. It decides from the source alone, without
//! types and without other files, and calls transient only what it sees to be:
//!
//! - a `select` of which one case receives from a channel that time closes or feeds, or that has a `default`;
//! - a receive from such a channel, outside of a `select`;
//! - a `range` over such a channel.
//!
//! Such channels are `time.After(...)`, `time.Tick(...)`, `t.C` of a timer or ticker (made by `time.NewTimer` or
//! `time.NewTicker`, or declared as `*time.Timer` or `*time.Ticker`: a variable, parameter or field of a struct of the same
//! file), and `ctx.Done()` of a context that got a deadline from `context.WithTimeout` or `context.WithDeadline` in the
//! function at hand, also below `WithCancel` and `WithValue`. A variable counts if what it was set to last before the wait
//! counts, and everything it may be set to later.
//!
//! A context that comes in as a parameter, a channel of times from elsewhere, a variable that is nil at first, and whatever
//! else is not seen through are lasting. That a timer was stopped is not noticed.

mod scope;

use self::scope::{Kind, Origin, Scope};
use super::ast::{
    AssignKind, Ast, ClauseKind, Expr, ExprId, ExprKind, List, Node, Stmt, StmtId, StmtKind,
};
use super::{File, Name, Names, Span, Token};

/// Why a wait ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The `select` has a `default` and does not wait at all.
    Default,
    /// `time.After`.
    After,
    /// `time.Tick`.
    Tick,
    /// The channel of a `time.Timer`.
    Timer,
    /// The channel of a `time.Ticker`.
    Ticker,
    /// A context with a deadline.
    Deadline,
}

/// What a line waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There is no select, receive, send or range on the line that could wait on a channel.
    None,
    /// Nothing on the line says that the wait ends by itself.
    Lasting,
    /// The wait ends by itself. Of several waits on the line all do, and this is the first one's reason.
    Transient {
        /// Why.
        reason: Reason,
        /// What shows it: the channel's expression, or the `default`.
        span: Span,
    },
}

/// What the goroutine whose stack names this line, from 1, waits for. A `select` is on the line of its keyword and on those
/// of the heads of its cases, a range on that of its head, a receive or send on all lines it covers.
pub fn waits(file: &File, names: &Names, line: u32) -> Wait {
    let Some(line) = file.lines().span(line) else {
        return Wait::None;
    };
    let mut found = Wait::None;
    for decl in &file.decls {
        let root = Node::Decl(*decl);
        if !touches(file.ast.span(root), line) {
            continue;
        }
        let mut walk = file.ast.walk(root);
        // Operations in the heads of cases are the select's.
        let mut of_select: Vec<Span> = Vec::new();
        while let Some((_, node)) = walk.next() {
            if !touches(file.ast.span(node), line) {
                walk.skip_children();
                continue;
            }
            let Some(wait) = wait_of(&file.ast, node, line, &mut of_select) else {
                continue;
            };
            let scope = Scope::new(file, names, node);
            let outcome = match wait {
                Operation::Select(clauses) => select(&scope, clauses),
                Operation::Channel(channel) => scope.wait_on(channel),
                Operation::Send => Wait::Lasting,
            };
            found = match (found, outcome) {
                (Wait::None, outcome) => outcome,
                (Wait::Lasting, _) | (_, Wait::Lasting) => Wait::Lasting,
                (first, _) => first,
            };
        }
    }
    found
}

/// Whether a span has a byte of a line.
fn touches(span: Span, line: Span) -> bool {
    span.start < line.end && line.start < span.end
}

enum Operation {
    Select(List<super::ast::ClauseId>),
    /// A receive from this channel.
    Channel(ExprId),
    Send,
}

/// The operation that a node is, if it is one on the line and of no select above.
fn wait_of(ast: &Ast, node: Node, line: Span, of_select: &mut Vec<Span>) -> Option<Operation> {
    let span = ast.span(node);
    if of_select.iter().any(|head| head.contains(span)) {
        return None;
    }
    match node {
        Node::Stmt(id) => match ast[id].kind {
            StmtKind::Select(clauses) => {
                let heads = ast[clauses]
                    .iter()
                    .filter_map(|clause| match ast[*clause].kind {
                        ClauseKind::Comm(stmt) => Some(ast[stmt].span),
                        _ => None,
                    });
                let heads: Vec<Span> = heads.collect();
                let keyword = Span::new(span.start, span.start + "select".len() as u32);
                let is_here =
                    touches(keyword, line) || heads.iter().any(|head| touches(*head, line));
                of_select.extend(heads);
                is_here.then_some(Operation::Select(clauses))
            }
            StmtKind::Range { operand, body, .. } => {
                let head = Span::new(span.start, ast[body].span.start);
                // Whether it is a channel that is ranged over, only its reason tells.
                touches(head, line).then_some(Operation::Channel(operand))
            }
            StmtKind::Send { .. } => Some(Operation::Send),
            _ => None,
        },
        Node::Expr(id) => match ast[id].kind {
            ExprKind::Unary {
                operator: Token::Arrow,
                operand,
            } => Some(Operation::Channel(operand)),
            _ => None,
        },
        _ => None,
    }
}

fn select(scope: &Scope<'_>, clauses: List<super::ast::ClauseId>) -> Wait {
    let ast = scope.ast();
    let mut outcome = Wait::Lasting;
    for clause in &ast[clauses] {
        let clause = &ast[*clause];
        let found = match clause.kind {
            ClauseKind::Comm(stmt) => {
                received_from(ast, stmt).map_or(Wait::Lasting, |channel| scope.wait_on(channel))
            }
            _ => {
                let span = Span::new(
                    clause.span.start,
                    clause.span.start + "default".len() as u32,
                );
                let reason = Reason::Default;
                Wait::Transient { reason, span }
            }
        };
        if outcome == Wait::Lasting {
            outcome = found;
        }
    }
    outcome
}

/// The channel that the head of a case receives from.
fn received_from(ast: &Ast, stmt: StmtId) -> Option<ExprId> {
    let value = match ast[stmt].kind {
        StmtKind::Expr(value) => value,
        StmtKind::Assign { right, .. } => *ast[right].first()?,
        _ => return None,
    };
    match ast[ast.unparen(value)].kind {
        ExprKind::Unary {
            operator: Token::Arrow,
            operand,
        } => Some(operand),
        _ => None,
    }
}

/// Variables, calls and fields followed from one to the next before giving up.
const MAX_STEPS: u32 = 16;

impl Scope<'_> {
    fn wait_on(&self, channel: ExprId) -> Wait {
        match self.channel(channel, self.place(), MAX_STEPS) {
            Some(reason) => {
                let span = self.ast()[channel].span;
                Wait::Transient { reason, span }
            }
            None => Wait::Lasting,
        }
    }

    /// Why a channel, seen from an offset, is sure to be fed or closed.
    fn channel(&self, channel: ExprId, at: u32, steps: u32) -> Option<Reason> {
        let steps = steps.checked_sub(1)?;
        let ast = self.ast();
        let channel = ast.unparen(channel);
        match ast[channel].kind {
            ExprKind::Call { function, args, .. } => {
                if self.is_function(function, Name::TIME, Name::AFTER, at) {
                    return Some(Reason::After);
                }
                if self.is_function(function, Name::TIME, Name::TICK, at) {
                    return Some(Reason::Tick);
                }
                match ast[function].kind {
                    ExprKind::Selector { operand, field }
                        if field.name == Name::DONE && args.is_empty() =>
                    {
                        self.has_deadline(operand, at, steps)
                            .then_some(Reason::Deadline)
                    }
                    _ => None,
                }
            }
            ExprKind::Selector { operand, field } if field.name == Name::C => {
                match self.kind(operand, at, steps)? {
                    Kind::Timer => Some(Reason::Timer),
                    Kind::Ticker => Some(Reason::Ticker),
                    Kind::Struct(_) => None,
                }
            }
            ExprKind::Name(name) => self.every_value(name, at, |value, at| match value {
                Origin::Value {
                    value, result: 0, ..
                } => self.channel(value, at, steps),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Whether a context, seen from an offset, has a deadline.
    fn has_deadline(&self, context: ExprId, at: u32, steps: u32) -> bool {
        let Some(steps) = steps.checked_sub(1) else {
            return false;
        };
        let ast = self.ast();
        let context = ast.unparen(context);
        match ast[context].kind {
            ExprKind::Call { function, args, .. } => {
                let is = |name| self.is_function(function, Name::CONTEXT, name, at);
                let sets = [
                    Name::WITH_TIMEOUT,
                    Name::WITH_TIMEOUT_CAUSE,
                    Name::WITH_DEADLINE,
                    Name::WITH_DEADLINE_CAUSE,
                ];
                let keeps = [Name::WITH_CANCEL, Name::WITH_CANCEL_CAUSE, Name::WITH_VALUE];
                if sets.into_iter().any(is) {
                    return true;
                }
                let parent = ast[args].first();
                keeps.into_iter().any(is)
                    && parent.is_some_and(|parent| self.has_deadline(*parent, at, steps))
            }
            ExprKind::Name(name) => {
                let found = self.every_value(name, at, |value, at| match value {
                    Origin::Value {
                        value, result: 0, ..
                    } => self.has_deadline(value, at, steps).then_some(()),
                    _ => None,
                });
                found.is_some()
            }
            _ => false,
        }
    }

    /// Whether an expression names a function of a package.
    fn is_function(&self, function: ExprId, package: Name, name: Name, at: u32) -> bool {
        match self.ast()[function].kind {
            ExprKind::Selector { operand, field } => {
                field.name == name && self.is_package(operand, package, at)
            }
            _ => false,
        }
    }

    /// What a variable or field holds, seen from an offset.
    fn kind(&self, expr: ExprId, at: u32, steps: u32) -> Option<Kind> {
        let steps = steps.checked_sub(1)?;
        let ast = self.ast();
        let expr = ast.unparen(expr);
        match ast[expr].kind {
            ExprKind::Name(name) => self.every_value(name, at, |value, at| match value {
                Origin::Value {
                    value, result: 0, ..
                } => self.kind(value, at, steps),
                Origin::Type(typ) => self.kind_of_type(typ, steps),
                _ => None,
            }),
            ExprKind::Call { function, args, .. } => {
                if self.is_function(function, Name::TIME, Name::NEW_TIMER, at) {
                    return Some(Kind::Timer);
                }
                if self.is_function(function, Name::TIME, Name::NEW_TICKER, at) {
                    return Some(Kind::Ticker);
                }
                match (ast[function].kind, ast[args].first()) {
                    (ExprKind::Name(Name::NEW), Some(typ)) => self.kind_of_type(*typ, steps),
                    _ => None,
                }
            }
            ExprKind::Selector { operand, field } => match self.kind(operand, at, steps)? {
                Kind::Struct(fields) => self.kind_of_type(self.field(fields, field.name)?, steps),
                Kind::Timer | Kind::Ticker => None,
            },
            ExprKind::Composite { typ: Some(typ), .. } => self.kind_of_type(typ, steps),
            ExprKind::Star(operand)
            | ExprKind::Unary {
                operator: Token::And,
                operand,
            } => self.kind(operand, at, steps),
            _ => None,
        }
    }

    /// What values of a type are. A timer is known by pointers only: a plain `time.Timer` that nobody made has no channel.
    fn kind_of_type(&self, typ: ExprId, steps: u32) -> Option<Kind> {
        let steps = steps.checked_sub(1)?;
        let ast = self.ast();
        let typ = ast.unparen(typ);
        match ast[typ].kind {
            ExprKind::Star(base) => match ast[base].kind {
                ExprKind::Selector { operand, field }
                    if self.is_package(operand, Name::TIME, ast[typ].span.start) =>
                {
                    match field.name {
                        Name::TIMER => Some(Kind::Timer),
                        Name::TICKER => Some(Kind::Ticker),
                        _ => None,
                    }
                }
                _ => self.kind_of_type(base, steps),
            },
            ExprKind::Name(name) => self.kind_of_type(self.declared_type(name)?, steps),
            ExprKind::Index { operand, .. } => self.kind_of_type(operand, steps),
            ExprKind::Struct(fields) => Some(Kind::Struct(fields)),
            _ => None,
        }
    }
}

/// The values that a statement gives to a name, one for each time the name stands on the left.
fn given_to(ast: &Ast, stmt: &Stmt, name: Name) -> Option<Origin> {
    let StmtKind::Assign { kind, left, right } = stmt.kind else {
        return None;
    };
    let (left, right) = (&ast[left], &ast[right]);
    let place = left.iter().position(|expr| is_name(&ast[*expr], name))?;
    if let AssignKind::Operator(_) = kind {
        return Some(Origin::Unknown);
    }
    Some(match right {
        [only] if left.len() > 1 => Origin::Value {
            value: *only,
            result: place,
        },
        values => values
            .get(place)
            .map_or(Origin::Unknown, |value| Origin::Value {
                value: *value,
                result: 0,
            }),
    })
}

fn is_name(expr: &Expr, name: Name) -> bool {
    expr.kind == ExprKind::Name(name)
}

#[cfg(test)]
mod tests;
