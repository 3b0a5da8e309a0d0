//! Other names for places: a variable that is assigned once, from a place that does not change, is that place.

use crate::ir::{Op, Package, Place, PlaceId, Value, VarId, VarKind};

/// Names that stand for names, followed one to the next.
const MAX_NAMES: usize = 8;

/// Steps of the longest place that is named anew; a list that is walked would give ever longer ones.
pub(super) const MAX_STEPS: usize = 6;

/// By variable: the place that it is another name for.
pub(super) fn names(ir: &mut Package) -> Vec<Option<PlaceId>> {
    let mut names: Vec<Option<PlaceId>> = vec![None; ir.vars.len()];
    for (_, func) in ir.funcs() {
        for (_, instr) in func.instrs() {
            let Op::Assign { to, value } = &instr.op else {
                continue;
            };
            let (Place::Var(var), Value::Place(from)) = (ir[*to], *value) else {
                continue;
            };
            let is_local = matches!(ir[var].kind, VarKind::Local | VarKind::Temp);
            if is_local && ir[var].assignments == 1 && stays(ir, from) && from != *to {
                names[var.index()] = Some(from);
            }
        }
    }
    names
}

/// Whether a place is the same thing from its base's assignment on.
fn stays(ir: &Package, place: PlaceId) -> bool {
    ir.places.steps(place).all(|step| match step {
        Place::Var(var) => ir[var].assignments <= 1,
        Place::Field(_, field) => !ir[field].is_reassigned && ir[field].is_own,
        Place::Element(_) => true,
    })
}

/// A place with the names in it looked through.
pub(super) fn canonical(
    ir: &mut Package,
    names: &[Option<PlaceId>],
    mut place: PlaceId,
) -> PlaceId {
    for _ in 0..MAX_NAMES {
        let base: VarId = ir.base(place);
        let Some(name) = names.get(base.index()).copied().flatten() else {
            break;
        };
        if ir.places.steps(place).count() + ir.places.steps(name).count() > MAX_STEPS + 1 {
            break;
        }
        place = ir.places.rebase(place, base, name);
    }
    place
}
