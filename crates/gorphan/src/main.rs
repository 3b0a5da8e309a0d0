//! `gorphan`: finds goroutine leaks in Go programs. Parses arguments, runs a command, and turns what comes back into an
//! exit status: 0 nothing found, 1 findings at or above `--fail-on`, 2 could not do the job.

#![forbid(unsafe_code)]

mod args;
mod capture;
mod cmd;
mod config;
mod error;
mod growth;
mod lint;
mod output;
mod progress;
mod settings;
mod source;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use cmd::Outcome;

const FINDINGS: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(request) = lint::vet::Request::of(&arguments) {
        return ended(lint::vet::run(&request));
    }
    // Exits with 2 on bad usage, with 0 after --help and --version.
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Test(args) => return ended(cmd::test::run(args)),
        Command::ExecTest(args) => return ended(cmd::test::exec(args)),
        Command::BecomeTest(args) => return ended(cmd::test::become_test(args)),
        Command::Lsp(args) => return ended(cmd::lint::serve(args)),
        Command::Lint(args) => return ended(cmd::lint::run(args)),
        Command::Inspect(args) => cmd::inspect::run(args),
        Command::Load(args) => cmd::load::run(args),
        #[cfg(feature = "fleet")]
        Command::Sweep(args) => cmd::sweep::run(args),
        #[cfg(feature = "fleet")]
        Command::Findings(args) => cmd::findings::list(args),
        #[cfg(feature = "fleet")]
        Command::Ack(args) => cmd::findings::acknowledge(args),
        #[cfg(feature = "fleet")]
        Command::Silence(args) => cmd::findings::silence(args),
        #[cfg(feature = "fleet")]
        Command::Query(args) => cmd::query::run(args),
        #[cfg(feature = "fleet")]
        Command::History(args) => cmd::history::run(args),
        #[cfg(feature = "fleet")]
        Command::Watch(args) => cmd::watch::run(args),
        #[cfg(feature = "fleet")]
        Command::Demo(args) => cmd::demo::run(args),
        Command::Ps(args) => cmd::ps::run(args),
        Command::Diff(args) => cmd::diff::run(args),
        Command::Gctrace(args) => cmd::gctrace::run(args),
        Command::Explain(args) => cmd::explain::run(args),
        Command::Completions(args) => cmd::shell::completions(args),
        Command::Man => cmd::shell::man(),
    };
    ended(outcome.map(|outcome| match outcome {
        Outcome::Clean => ExitCode::SUCCESS,
        Outcome::Findings => ExitCode::from(FINDINGS),
    }))
}

fn ended(result: error::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|failure| {
        error::report(&failure);
        ExitCode::from(FAILED)
    })
}
