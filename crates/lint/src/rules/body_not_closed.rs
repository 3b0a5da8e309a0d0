//! An HTTP response whose body is not closed on some way.

use gorphan_model::{Operation, Verdict};

use super::abandoned_sender::block_location;
use super::resource::{left_open, of_kind};
use super::{Context, Rule};
use crate::finding::Finding;
use crate::ir::At;
use crate::summary::Step;

/// See `GR2051.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2051",
    name: "body-not-closed",
    check,
};

/// The call that asks for no body.
const HEAD: &[u8] = b".Head(";

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for resource in of_kind(ir, "response body") {
        // A test ends, and its connections with it.
        // Answers to HEAD have none.
        let at = At { func: resource.func, instr: resource.make };
        let is_head = || {
            let location = context.location(at);
            let file = context.files.get(location.file.0 as usize);
            let has = |span, wanted: &[u8]| {
                file.is_some_and(|file| file.bytes(span).windows(wanted.len()).any(|part| part == wanted))
            };
            has(location.span, HEAD) || has(ir[resource.func].site.span, b"\"HEAD\"")
        };
        if context.is_test(resource.func) || is_head() {
            continue;
        }
        let Some(trace) = left_open(context, resource) else {
            continue;
        };
        let message = "the response's body stays open on one way out: two goroutines of its connection wait for the rest to be read";
        let mut finding = context
            .finding(&RULE, Operation::IoWait, at, Verdict::Suspect, message)
            .help("Call defer response.Body.Close() right behind the check of the error.");
        if let Step::Exit(block, _) = trace.last {
            let end = block_location(context, resource.func, block);
            finding = finding.related(end, "it returns here without closing it");
        }
        found.push(finding.fix_by(super::remedy::defer_body_close(context, at)));
    }
}
