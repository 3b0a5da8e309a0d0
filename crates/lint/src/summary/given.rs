//! What constants that a caller gives decide in the function it calls: which blocks it comes to, and which numbers it counts with.

use super::known::Known;
use crate::ir::{
    Amount, BlockId, Call, Const, End, Func, FuncId, Package, Place, TermId, TermKind, Value,
    VarKind,
};

/// Blocks of a function that is looked at anew for what it is given.
const MAX_BLOCKS: usize = 512;

/// Terms of a function's parameters that a call decides, sorted.
pub(super) type Given = Vec<(TermId, Const)>;

/// What a call decides of the function that it calls.
pub(super) fn given(ir: &Package, target: FuncId, call: &Call) -> Given {
    let func = &ir[target];
    let mut given = Given::new();
    for (param, arg) in func.params.iter().zip(&call.args) {
        let value = match *arg {
            Value::Const(value) => value,
            Value::Func(_) | Value::Object(_) => Const::NonNil,
            _ => continue,
        };
        let var = &ir[*param];
        // Arguments behind the last parameter are elements of it.
        let is_last = func.params.last() == Some(param) && call.args.len() != func.params.len();
        if let (Some(term), false) = (ir.term_of(*param), is_last)
            && var.assignments <= 1
            && !var.is_volatile
        {
            given.push((term, value));
        }
    }
    given
}

/// Which blocks of a function are come to with what it is given; none where that decides nothing.
pub(super) fn reached(func: &Func, given: &Given) -> Option<Vec<bool>> {
    if given.is_empty() || func.blocks.len() > MAX_BLOCKS {
        return None;
    }
    let mut known = Known::default();
    given
        .iter()
        .for_each(|(term, value)| known.set(*term, *value));
    let mut reached = vec![false; func.blocks.len()];
    let mut is_decided = false;
    let mut work = vec![BlockId(0)];
    while let Some(block) = work.pop() {
        match reached.get_mut(block.index()) {
            Some(reached) if !*reached => *reached = true,
            _ => continue,
        }
        match &func[block].exit {
            End::Branch(edges) => {
                for edge in edges {
                    match edge.facts.iter().all(|fact| known.allows(fact)) {
                        true => work.push(edge.to),
                        false => is_decided = true,
                    }
                }
            }
            _ => work.extend(func.successors(block).into_iter().map(|(to, _)| to)),
        }
    }
    is_decided.then_some(reached)
}

/// A number of a function in terms of its caller.
pub(super) fn amount(ir: &Package, target: FuncId, call: &Call, amount: Amount) -> Amount {
    let Amount::Term(term) = amount else {
        return amount;
    };
    let TermKind::Var(var) = ir[term].kind else {
        return amount;
    };
    let (VarKind::Param(number), true) = (ir[var].kind, ir[var].func == Some(target)) else {
        return amount;
    };
    if ir[var].assignments > 1 {
        return Amount::Unknown;
    }
    match call.args.get(number as usize) {
        Some(Value::Const(Const::Int(number))) => Amount::Const(*number),
        Some(Value::Term(term)) => Amount::Term(*term),
        Some(Value::Place(place)) => match ir[*place] {
            Place::Var(var) => ir.term_of(var).map_or(Amount::Unknown, Amount::Term),
            _ => Amount::Unknown,
        },
        _ => Amount::Unknown,
    }
}
