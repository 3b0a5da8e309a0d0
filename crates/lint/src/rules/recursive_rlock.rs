//! A read lock taken again by who holds it, while somebody may ask for the write lock.

use gorphan_model::{Operation, Verdict};

use super::double_lock::again;
use super::{Context, Rule};
use crate::finding::Finding;
use crate::ir::{At, Mode, Op, PlaceId, Shape, VarKind};

/// See `GR2023.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2023",
    name: "recursive-rlock",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (func, _) in context.ir().funcs() {
        for lock in context.locks_of(func) {
            let both = |held: Mode, wanted: Mode| held == Mode::Read && wanted == Mode::Read;
            let Some(again) = again(context, func, lock, both) else {
                continue;
            };
            let Some(writer) = writer(context, lock) else {
                continue;
            };
            // Nobody else has what lies in a variable that nothing else uses.
            let base = &context.ir()[context.ir().base(lock)];
            if base.kind == VarKind::Local && !base.is_captured && !base.is_volatile && base.shape == Shape::Struct {
                continue;
            }
            let name = context.text(lock, "the lock");
            let at = At { func, instr: again.second };
            let message = format!(
                "the goroutine holds the read lock of {name} and asks for it again: if a writer asks in between, \
                 the writer waits for the first and the second waits for the writer"
            );
            let mut finding = context
                .finding(&RULE, Operation::RwMutexRLock, at, Verdict::Suspect, message)
                .help("Split what is called into a part that expects the lock to be held.")
                .related(
                    context.location(At { func, instr: again.first.0 }),
                    format!("{name} is locked for reading here"),
                );
            if again.inner.0 != at {
                finding = finding.related(context.location(again.inner.0), "and again here");
            }
            found.push(finding.related(context.location(writer), "a writer may come from here"));
        }
    }
}

/// Where somebody asks for the write lock.
fn writer(context: &Context<'_>, lock: PlaceId) -> Option<At> {
    let ir = context.ir();
    let objects = context.objects(lock).iter();
    let mut operations = objects.flat_map(|object| context.analysis.operations(*object));
    let writes = |at: &&At| {
        matches!(ir.instr(**at).op, Op::Lock { mode: Mode::Write, is_try: false, .. })
            && context.live().is_live(at.func)
    };
    operations.find(writes).copied()
}
