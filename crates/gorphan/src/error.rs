//! A failure as the user sees it: what was attempted and found, and apart from it what to try.

use std::fmt;

/// What ends a run with status 2.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What was attempted and what was found.
    pub(crate) message: String,
    /// What to try.
    pub(crate) advice: Option<String>,
}

impl Failure {
    /// A failure that says all itself.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: None,
        }
    }

    /// Adds what to try.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<gorphan_capture::Error> for Failure {
    fn from(error: gorphan_capture::Error) -> Self {
        Self {
            message: error.to_string(),
            advice: error.advice(),
        }
    }
}

/// What commands return.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Says on standard error what went wrong.
pub(crate) fn report(failure: &Failure) {
    anstream::eprintln!("{ERROR}error:{ERROR:#} {failure}");
    if let Some(advice) = &failure.advice {
        anstream::eprintln!("{HELP}  try:{HELP:#} {advice}");
    }
}

const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
const HELP: anstyle::Style = anstyle::AnsiColor::Cyan.on_default().bold();
