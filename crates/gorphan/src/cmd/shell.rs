//! `gorphan completions` and `gorphan man`, both from the command line's own definition.

use clap::CommandFactory;

use super::Outcome;
use crate::args::{Cli, Completions};
use crate::error::{Failure, Result};
use crate::output;

/// Prints a completion script.
pub(crate) fn completions(args: &Completions) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gorphan", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Clean)
}

/// Prints the manual page.
pub(crate) fn man() -> Result<Outcome> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Failure::new(format!("cannot write the manual page: {error}")))?;
    output::print(&String::from_utf8_lossy(&page))?;
    Ok(Outcome::Clean)
}
