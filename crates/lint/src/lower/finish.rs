//! What can be said only when all bodies are lowered.

use super::assign::follows;
use super::{Lower, Lowered};
use crate::ir::{
    Block, End, Func, FuncKind, InstrId, Node, Op, Package, Place, PlaceId, TermId, TermKind,
    VarId, VarKind, node_of,
};

impl Lower<'_, '_> {
    pub(super) fn finish(mut self) -> Lowered {
        let targets = self.resolve();
        self.ir.kept = self.kept();
        let mut ir = self.ir;
        volatile_terms(&mut ir);
        let mut terms_of = vec![Vec::new(); ir.vars.len()];
        for (place, term) in ir.terms.iter().enumerate() {
            for var in &term.vars {
                if let Some(terms) = terms_of.get_mut(var.index()) {
                    terms.push(TermId::at(place));
                }
            }
        }
        ir.terms_of = terms_of;
        let keep = Keep::new(&ir);
        let mut funcs = std::mem::take(&mut ir.funcs);
        for func in &mut funcs {
            func.find_homes();
            // What nothing leads to is left out altogether.
            let homes = std::mem::take(&mut func.homes);
            let is_alive = |id: InstrId| homes.get(id.index()).is_some_and(Option::is_some);
            prune(func, |id, op| is_alive(id) && keep.op(&ir, op));
            func.find_homes();
        }
        recovering(&mut funcs, &ir);
        ir.funcs = funcs;
        Lowered { ir, targets }
    }
}

impl Lower<'_, '_> {
    /// The parameters of exported functions that may be kept.
    fn kept(&self) -> Vec<VarId> {
        // A closure that goes about as a value keeps what it uses of the function around it.
        let mut captured = vec![false; self.ir.vars.len()];
        for func in self.func_objects.keys() {
            for var in &self.ir[*func].captures {
                if let Some(slot) = captured.get_mut(var.index()) {
                    *slot = true;
                }
            }
        }
        let keeps = |var: VarId| {
            let is_global = matches!(
                self.ir[var].kind,
                VarKind::Package { .. } | VarKind::Foreign
            );
            is_global || captured.get(var.index()).copied().unwrap_or(false)
        };
        let mut kept = Vec::new();
        for func in &self.ir.funcs {
            if !matches!(func.kind, FuncKind::Declared { exported: true, .. }) {
                continue;
            }
            for var in func.receiver.iter().chain(&func.params) {
                if follows(self.ir[*var].shape) && self.flow.is_kept(*var, keeps) {
                    kept.push(*var);
                }
            }
        }
        kept.sort_unstable();
        kept
    }
}

/// Calls and waits may change what a term reads only if something assigns it.
fn volatile_terms(ir: &mut Package) {
    let mut terms = std::mem::take(&mut ir.terms);
    for term in &mut terms {
        let of_var = term.vars.iter().any(|var| {
            let var = &ir[*var];
            var.is_volatile || var.kind == VarKind::Foreign
        });
        let of_memory = match term.kind {
            TermKind::Var(_) => false,
            TermKind::Place(place) => is_changing(ir, place),
            // Elements come and go without an assignment of what holds them.
            TermKind::Len(_) | TermKind::Expr(_) => term.is_volatile,
        };
        term.is_volatile = of_var || of_memory;
    }
    ir.terms = terms;
}

fn is_changing(ir: &Package, place: PlaceId) -> bool {
    ir.places.steps(place).any(|step| match step {
        Place::Var(_) => false,
        Place::Field(_, field) => ir[field].is_reassigned || !ir[field].is_own,
        Place::Element(_) => true,
    })
}

/// Which assignments mean anything to anybody.
struct Keep {
    /// By variable: whether a term reads it.
    vars: Vec<bool>,
    /// By field: whether a term reads it.
    fields: Vec<bool>,
}

impl Keep {
    fn new(ir: &Package) -> Self {
        let mut keep = Self {
            vars: ir.terms_of.iter().map(|terms| !terms.is_empty()).collect(),
            fields: vec![false; ir.fields.len()],
        };
        for term in &ir.terms {
            let (TermKind::Place(place) | TermKind::Len(place)) = term.kind else {
                continue;
            };
            for step in ir.places.steps(place) {
                if let Place::Field(_, field) = step
                    && let Some(slot) = keep.fields.get_mut(field.index())
                {
                    *slot = true;
                }
            }
        }
        keep
    }

    fn op(&self, ir: &Package, op: &Op) -> bool {
        let Op::Assign { to, .. } = op else {
            return true;
        };
        let is_read = |list: &[bool], place: usize| list.get(place).copied().unwrap_or(false);
        let shape = match node_of(&ir.places, *to) {
            Node::Var(var) => ir[var].shape,
            Node::Field(field) => ir[field].shape,
        };
        follows(shape)
            || match ir[*to] {
                Place::Var(var) => is_read(&self.vars, var.index()),
                Place::Field(_, field) => is_read(&self.fields, field.index()),
                Place::Element(_) => false,
            }
    }
}

/// Leaves out instructions, and numbers the rest anew.
fn prune(func: &mut Func, keep: impl Fn(InstrId, &Op) -> bool) {
    let mut numbers = Vec::with_capacity(func.instrs.len() + 1);
    let mut kept = Vec::with_capacity(func.instrs.len());
    let mut count = 0;
    for (id, instr) in func.instrs() {
        numbers.push(InstrId(count));
        let is_kept = keep(id, &instr.op);
        kept.push(is_kept);
        count += u32::from(is_kept);
    }
    numbers.push(InstrId(count));
    if numbers.len() == count as usize + 1 {
        return;
    }
    let renumber = |id: &mut InstrId| {
        if let Some(number) = numbers.get(id.index()) {
            *id = *number;
        }
    };
    let mut kept = kept.into_iter();
    func.instrs.retain(|_| kept.next().unwrap_or(true));
    for instr in &mut func.instrs {
        if let Op::Spawn { run, .. } | Op::Defer { run } = &mut instr.op {
            renumber(run);
        }
    }
    for Block {
        start, end, exit, ..
    } in &mut func.blocks
    {
        renumber(start);
        renumber(end);
        if let End::Select { arms, .. } = exit {
            arms.iter_mut().for_each(|arm| renumber(&mut arm.instr));
        }
    }
}

/// A function that defers one that recovers, recovers.
fn recovering(funcs: &mut [Func], ir: &Package) {
    let recovers: Vec<bool> = funcs.iter().map(|func| func.recovers).collect();
    for func in funcs {
        let defers = func.instrs.iter().any(|instr| match &instr.op {
            Op::Defer { run } => match func.instrs.get(run.index()).map(|run| &run.op) {
                Some(Op::Call(call)) => match ir[*call].callee {
                    crate::ir::Callee::Func(deferred) => {
                        recovers.get(deferred.index()).copied().unwrap_or(false)
                    }
                    _ => false,
                },
                _ => false,
            },
            _ => false,
        });
        func.recovers |= defers;
    }
}
