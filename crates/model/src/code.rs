//! Finding codes: stable, never reused. `gorphan explain CODE` prints what stands here.

use crate::Operation;

/// What a code means, for people.
pub struct Code {
    /// As `GR1001`.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// Markdown: what it is, why it leaks, an example in Go, the fix.
    pub text: &'static str,
}

/// Every code, by id.
pub const CODES: &[Code] = &[];

/// The code of findings about goroutines blocked in `operation`.
pub fn for_operation(_operation: Operation) -> &'static str {
    "GR1001"
}
