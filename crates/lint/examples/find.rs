//! Prints what is found, one line each: `find [-tests] PATTERN...`, with patterns as the go command's.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of its own: it reads files and its environment"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;

use gorphan_lint::load::{Environment, Request, Settings, Wishes, load};
use gorphan_lint::session::{Forgetful, Run, run};
use gorphan_lint::syntax::Names;

fn main() -> Result<(), Box<dyn Error>> {
    let mut patterns: Vec<String> = std::env::args().skip(1).collect();
    let tests = patterns.first().is_some_and(|first| first == "-tests");
    if tests {
        patterns.remove(0);
    }
    let environment = Environment {
        variable: &|name| std::env::var(name).ok(),
        home: std::env::home_dir(),
        configuration: None,
        working: std::env::current_dir()?,
    };
    let settings = Settings::detect(&support::Disk, &environment, &Wishes::default());
    let request = Request {
        patterns: &patterns,
        tests,
        threads: 2,
    };
    let loaded = load(&support::Disk, &settings, &request)?;
    let names = Names::new();
    let outcome = run(
        &loaded,
        Run {
            names: &names,
            store: &Forgetful,
            threads: 2,
            salt: "",
        },
    );
    let mut lines = 0;
    for (_, report) in &outcome.reports {
        lines += report.ledger.lines;
        for finding in &report.findings {
            let place = &finding.place;
            println!(
                "{}:{} {} {} {} {}",
                place.file,
                place.line,
                finding.code,
                finding.verdict.as_str(),
                place.function,
                finding.message
            );
            for related in finding.cause.iter().flat_map(|cause| &cause.related) {
                println!(
                    "    {}:{} {}",
                    related.place.file, related.place.line, related.label
                );
            }
        }
    }
    eprintln!("{lines} lines in {} packages", outcome.reports.len());
    Ok(())
}
