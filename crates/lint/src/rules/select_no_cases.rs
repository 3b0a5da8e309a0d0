//! A `select {}` in a goroutine that the package starts.

use gorphan_model::Operation;

use super::context::location;
use super::{Context, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{At, End, InstrId, Site};
use crate::summary::{Step, Visit};

/// See `GR2008.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2008",
    name: "select-no-cases",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (func, body) in ir.funcs() {
        if !context.live().is_spawned(func) {
            continue;
        }
        for (id, block) in body.blocks() {
            let End::Select { arms, default: None } = &block.exit else {
                continue;
            };
            if !arms.is_empty() {
                continue;
            }
            let answer = context.analysis.search(func, body.entry(), (), |(), step| match step {
                Step::Forever(block) if block == id => Visit::Found,
                _ => Visit::On,
            });
            let Some(trace) = answer.trace() else {
                continue;
            };
            let at = At { func, instr: InstrId::at(0) };
            let message = "the goroutine ends up in a select without cases: it stays for ever";
            let mut finding = Finding::new(
                RULE.name,
                RULE.code,
                Operation::SelectNoCases,
                context.function(at.func),
                location(Site { file: body.site.file, span: block.span }),
                message,
            )
            .help("Let the goroutine return, or wait for what tells it to end: <-ctx.Done().");
            finding.verdict = verdict(trace.guesses);
            found.push(finding);
        }
    }
}
