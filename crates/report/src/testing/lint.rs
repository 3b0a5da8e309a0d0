//! A run over source.

use std::sync::Arc;

use gorphan_model::source::{Cause, Edit, Fix, Ledger, Related, Step};
use gorphan_model::{Evidence, Finding, Operation, Place, Problem, Verdict};

use super::HOSTILE;
use crate::{Document, LintReport, TargetInfo};

const SOURCE: &str = "package shop

func quote(ctx context.Context, item string) (Quote, error) {
\tresult := make(chan Quote)
\tgo func() {
\t\tresult <- fetch(item)
\t}()
\tselect {
\tcase quote := <-result:
\t\treturn quote, nil
\tcase <-ctx.Done():
\t\treturn Quote{}, ctx.Err()
\t}
}
";

/// All that a renderer's test needs, owned.
pub(crate) struct Lint {
    pub(crate) findings: Vec<Finding>,
    ledger: Ledger,
}

impl Lint {
    pub(crate) fn document(&self) -> Document<'_> {
        Document::Lint(LintReport {
            target: target(),
            ledger: &self.ledger,
            findings: &self.findings,
            suppressed: 2,
            problems: vec![Problem::new(
                "no package for example.org/missing: no module that go.mod requires has it",
            )],
        })
    }

    pub(crate) fn quiet(&self) -> Document<'_> {
        Document::Lint(LintReport {
            target: target(),
            ledger: &self.ledger,
            findings: &[],
            suppressed: 0,
            problems: Vec::new(),
        })
    }

    #[allow(clippy::unused_self)] // as a method it is at hand where it is wanted
    pub(crate) fn text(&self, file: &str) -> Option<String> {
        (file == "/src/shop/quote.go").then(|| SOURCE.to_owned())
    }
}

fn target() -> TargetInfo {
    TargetInfo {
        kind: "source",
        name: "./...".to_owned(),
        go_version: Some("go1.27.3".to_owned()),
        taken_at_unix_nanos: None,
        pause_seconds: None,
        method: None,
        bytes_read: None,
    }
}

fn at(file: &str, line: u32, column: u32) -> Place {
    Place {
        function: Arc::from("example.com/shop.quote.func1"),
        file: Arc::from(file),
        line,
        column: Some(column),
    }
}

pub(crate) fn sample_lint() -> Lint {
    let file = "/src/shop/quote.go";
    let offset = |text: &str| {
        u32::try_from(SOURCE.find(text).expect("in the source") + text.len()).expect("small")
    };
    let cause = Cause {
        related: vec![
            Related {
                place: at(file, 4, 12),
                label: "the channel is made here, without room".to_owned(),
            },
            Related {
                place: at(file, 12, 3),
                label: "returns here, and nobody receives any more".to_owned(),
            },
            Related {
                place: at("/src/shop/other.go", 7, 1),
                label: HOSTILE.to_owned(),
            },
        ],
        witness: vec![
            Step {
                goroutine: "quote".to_owned(),
                place: at(file, 5, 2),
                action: "starts quote.func1".to_owned(),
            },
            Step {
                goroutine: "quote".to_owned(),
                place: at(file, 12, 3),
                action: "returns, as ctx is done".to_owned(),
            },
            Step {
                goroutine: "quote.func1".to_owned(),
                place: at(file, 6, 3),
                action: "sends to result and waits for ever".to_owned(),
            },
        ],
        fix: Some(Fix {
            title: "Give the channel room for one value".to_owned(),
            edits: vec![Edit {
                file: Arc::from(file),
                start: offset("make(chan Quote"),
                end: offset("make(chan Quote"),
                text: ", 1".to_owned(),
            }],
        }),
        end: Some((6, 24)),
        fingerprint: "00000000000000ff".to_owned(),
    };
    let leak = Finding {
        code: "GR1001",
        verdict: Verdict::Leak,
        operation: Operation::ChanSend,
        place: at(file, 6, 3),
        count: 0,
        retained_bytes: None,
        message: "nobody receives from result once quote returned at its deadline".to_owned(),
        help: "Give the channel room for one value, so that a late answer is dropped.".to_owned(),
        evidence: vec![Evidence::Source {
            rule: "abandoned-sender".into(),
        }],
        pattern: None,
        package: None,
        test: None,
        cause: Some(Arc::new(cause)),
    };
    let hostile = Finding {
        verdict: Verdict::Suspect,
        message: HOSTILE.to_owned(),
        place: Place {
            function: Arc::from(HOSTILE),
            file: Arc::from("/src/shop/gone.go"),
            line: 3,
            column: None,
        },
        cause: Some(Arc::new(Cause {
            fingerprint: "0000000000000001".to_owned(),
            ..Cause::default()
        })),
        ..leak.clone()
    };
    let mut ledger = Ledger {
        packages: 4,
        files: 31,
        lines: 12_345,
        files_unparsed: 1,
        scopes_proved: 40,
        scopes_leaking: 2,
        ..Ledger::default()
    };
    for _ in 0..3 {
        ledger.undecided("it is passed to code that is not known");
    }
    ledger.undecided("too many states");
    Lint {
        findings: vec![leak, hostile],
        ledger,
    }
}
