//! An iterator that is pulled from and never stopped.

use gorphan_model::{Operation, Verdict};

use super::resource::of_kind;
use super::{Context, Rule};
use crate::finding::Finding;
use crate::ir::{At, Op, Value};

/// See `GR2053.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2053",
    name: "pull-not-stopped",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for resource in of_kind(ir, "pulled iterator") {
        // What is kept is called by somebody, or the compiler complains.
        let mut instrs = ir[resource.func].instrs();
        let is_kept = instrs.any(|(_, instr)| {
            matches!(instr.op, Op::Assign { value: Value::Object(object), .. } if object == resource.object)
        });
        if is_kept || ir.aliases.escape(resource.object).is_some() || context.is_test(resource.func) {
            continue;
        }
        let at = At { func: resource.func, instr: resource.make };
        let message = "the iterator is pulled from and never stopped: unless it is drained, its goroutine stays suspended";
        let finding = context
            .finding(&RULE, Operation::Other, at, Verdict::Suspect, message)
            .help("Keep the second result of iter.Pull and defer it: defer stop().");
        let site = ir[resource.object].site;
        let remedy = super::remedy::defer_second(context, resource.func, site.span, site.file, "stop");
        found.push(finding.fix_by(remedy));
    }
}
