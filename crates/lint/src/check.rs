//! One package at a time: what blocks in it, what was decided, and what importers need to know.

use std::sync::Arc;

use crate::finding::{Finding, Ledger};
use crate::ir::{ObjectKind, Shape};
use crate::lower::lower;
use crate::repair;
use crate::rules;
pub use crate::summary::Facts;
use crate::summary::{Analysis, analyse};
use crate::syntax::Names;
use crate::types::{Checker, PackageId, Program};

/// What came of a package.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// What blocks, in the order of the source. Nothing is suppressed yet.
    pub findings: Vec<Finding>,
    /// The scopes and what was decided; packages, files and lines are counted by [`crate::session`].
    pub ledger: Ledger,
    /// For importers.
    pub facts: Facts,
}

/// What a check goes by, besides the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// The minor release of Go whose language the package is written in, which tells how timers work.
    pub go_minor: u32,
}

/// Checks a package. `facts_of` tells what is known of packages that it imports; of one for which it has nothing, nothing is known.
/// Fixes are tried: one after which the package has the finding still, or another one, is left out.
pub fn check(
    program: &Program,
    names: &Names,
    package: PackageId,
    _circumstances: Circumstances,
    facts_of: &dyn Fn(PackageId) -> Option<Arc<Facts>>,
) -> Checked {
    let mut checked = find(program, names, package, facts_of);
    let again = |program: &Program| find(program, names, package, facts_of).findings;
    repair::keep_sound(program, names, package, &mut checked.findings, &again);
    checked
}

fn find(
    program: &Program,
    names: &Names,
    package: PackageId,
    facts_of: &dyn Fn(PackageId) -> Option<Arc<Facts>>,
) -> Checked {
    let mut checker = Checker::new(program, names, package);
    checker.check_all();
    let analysis = analyse(lower(&mut checker, facts_of));
    let files = &program.package(package).files;
    let context = rules::Context::new(&analysis, names, files);
    let findings = rules::check(&context);
    let ledger = ledger(&analysis, &findings);
    let mut facts = Facts::of(&analysis);
    rules::contracts(&context, &mut facts);
    Checked {
        findings,
        ledger,
        facts,
    }
}

/// What became of the channels, locks, wait groups and conditions that the package makes.
fn ledger(analysis: &Analysis, findings: &[Finding]) -> Ledger {
    let mut ledger = Ledger::default();
    let ir = &analysis.ir;
    for (id, object) in ir.objects() {
        let is_waited_on = match &object.kind {
            ObjectKind::Chan { .. } | ObjectKind::Cond { .. } => true,
            ObjectKind::Value { shape, .. } => {
                matches!(shape, Shape::Mutex | Shape::RwMutex | Shape::WaitGroup)
            }
            _ => false,
        };
        let operations = analysis.operations(id);
        if !is_waited_on || operations.is_empty() {
            continue;
        }
        let is_told_of = operations.iter().any(|at| {
            let site = ir.site(*at);
            let at = |finding: &Finding| (finding.at.file.0, finding.at.span);
            findings
                .iter()
                .any(|finding| at(finding) == (site.file, site.span))
        });
        let is_vague = operations.iter().any(|at| !ir[at.func].unknowns.is_empty());
        if is_told_of {
            ledger.scopes_leaking += 1;
        } else if ir.aliases.escape(id).is_some() {
            ledger.undecided("other packages can reach it");
        } else if is_vague {
            ledger.undecided("a function that uses it was not understood");
        } else {
            ledger.scopes_proved += 1;
        }
    }
    ledger
}
