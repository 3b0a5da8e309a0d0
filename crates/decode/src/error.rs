//! Why an input could not be decoded.

/// Why an input gave no snapshot. Each message says what was found and what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading failed.
    #[error("cannot read the input: {0}")]
    Io(#[from] std::io::Error),
    /// There was nothing.
    #[error("the input is empty; a goroutine dump or profile was expected")]
    Empty,
}
