//! A wait for a condition that nobody signals.

use gorphan_model::Operation;

use super::context::location;
use super::{Context, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{ObjectKind, Op, Shape};

/// See `GR2032.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2032",
    name: "cond-never-signalled",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (object, made) in ir.objects() {
        let is_cond = matches!(
            made.kind,
            ObjectKind::Cond { .. } | ObjectKind::Value { shape: Shape::Cond, .. }
        );
        if !is_cond || ir.aliases.escape(object).is_some() {
            continue;
        }
        let operations = context.analysis.operations(object);
        let wakes = |op: &Op| matches!(op, Op::CondWake { .. });
        if operations.iter().any(|at| wakes(&ir.instr(*at).op)) {
            continue;
        }
        for at in operations {
            let Op::CondWait { cond } = ir.instr(*at).op else {
                continue;
            };
            if !context.is_only(cond, object) || !context.live().is_live(at.func) {
                continue;
            }
            let name = context.text(cond, "the condition");
            let message = format!("the goroutine waits for {name}, and nothing calls Signal or Broadcast on it");
            let finding = context
                .finding(&RULE, Operation::CondWait, *at, verdict(context.guesses_to(*at)), message)
                .help(format!("Call {name}.Broadcast() wherever what it waits for may have changed."))
                .related(location(made.site), "the condition is made here");
            found.push(finding);
        }
    }
}
