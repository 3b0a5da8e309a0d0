//! Names of Go functions and files: the one form that is the same whatever the Go version, format and machine.
//!
//! What the compiler names and what people wrote differ: a `go f(x)` runs in a wrapper `main.main.gowrap1`, the body of a
//! range-over-func loop is `main.f-range1`, and a closure's name depends on where it was inlined. [`canonical`] names the
//! *source* function where the name alone tells it. Where it does not, the name is kept as Go spells it, and
//! [`closure`] gives what is still the same, to be used together with file and line.
//!
//! Facts: `closureName` in `cmd/compile/internal/ir/func.go` (Go 1.22 to 1.27), `objabi.PathToPrefix`, and the names
//! that the same program gets from Go 1.19 to 1.27; see the tables in the tests.

mod file;
mod scan;

use std::borrow::Cow;

pub use file::{file_key, file_tail};
use scan::{Segments, path_end};

/// The form of a function's name that is the same across Go versions, formats, inlining and vendoring.
///
/// | what | for example | becomes |
/// |---|---|---|
/// | type arguments | `main.Gen[go.shape.int]`, `main.Gen[...]` | `main.Gen[...]` |
/// | escapes, once or twice | `gopkg.in/yaml%2ev2.F`, `in%252ener.F` | `gopkg.in/yaml.v2.F`, `in.ner.F` |
/// | vendoring | `a/b/vendor/c/d.F`, `vendor/c/d.F` | `c/d.F` |
/// | method value | `main.(*T).M-fm`, `main.T.M·fm` | `main.(*T).M`, `main.T.M` |
/// | wrapper of `go` and `defer` | `main.f.gowrap1`, `main.f.deferwrap2`, `main.f·dwrap·1` | `main.f` |
/// | range-over-func body | `main.f.func1-range1-range2` | `main.f.func1` |
/// | closure of a package variable | `main.glob..func1` | `main.init.func1` |
/// | first closure level without a word | `main.Gen[...].1`, `main.f-range1.1` | `main.Gen[...].func1`, `main.f.func1` |
/// | the builtin in dumps | `panic` | `runtime.gopanic` |
///
/// `(*T).M` and `T.M`, `init.0` and `init.1`, closures with different numbers, `_Cfunc_x`: kept apart. A wrapper and a
/// loop body do collapse into the function they stand in: that is where their line is. A package `a/x.y` with a function
/// `F` and a package `a/x` with a method `y.F` get one name; their files differ.
///
/// Idempotent; any text is accepted.
///
/// ```
/// use gorphan_model::symbol::canonical;
/// assert_eq!(canonical("a/vendor/gopkg.in/x%2ev1.(*T[go.shape.int]).Run.gowrap1"), "gopkg.in/x.v1.(*T[...]).Run");
/// assert_eq!(canonical("net/http.(*Server).Serve"), "net/http.(*Server).Serve");
/// ```
pub fn canonical(name: &str) -> Cow<'_, str> {
    let mut name = Cow::Borrowed(name);
    // One pass reaches the fixed point for every name a compiler gives. Made-up names may need more, as stripping can
    // bring new patterns together; each pass that changes something shortens the name or ends, so the bound is never
    // felt but keeps hostile names linear.
    for _ in 0..MAX_PASSES {
        match scan::rewrite(&name) {
            Some(next) if next != *name => name = Cow::Owned(next),
            _ => return name,
        }
    }
    name
}

/// Passes of rewriting; compilers' names need two (`%252e`), the rest is for made-up names.
const MAX_PASSES: usize = 64;

/// A name without the path of what vendors it.
pub(crate) fn unvendored(name: &str) -> &str {
    scan::strip_vendor(name).unwrap_or(name)
}

/// The import path of a function, as spelled in `name`: `net/http` of `net/http.(*Server).Serve`.
///
/// Empty for a name without a package. Exact for escaped names. In a canonical name a dot in the last path element is
/// recognised where it starts a version (`gopkg.in/yaml.v2.F`), otherwise the path ends at the first such dot.
pub fn package(name: &str) -> &str {
    path_end(name).and_then(|end| name.get(..end)).unwrap_or("")
}

/// Whether a function is of a module or of a package below it: a prefix of its import path at a `/`.
///
/// A `main` package's functions do not name their module. They belong to whoever builds the program, so they belong to
/// every module asked for. External test packages (`a/b_test`) belong to the module of what they test.
///
/// ```
/// use gorphan_model::symbol::belongs_to;
/// assert!(belongs_to("example.com/shop/bus.(*Bus).read", "example.com/shop"));
/// assert!(!belongs_to("example.com/shopping.Buy", "example.com/shop"));
/// ```
pub fn belongs_to(name: &str, module: &str) -> bool {
    let name = canonical(name);
    let module = module.trim_end_matches('/');
    let path = package(&name);
    if path == "main" {
        return true;
    }
    let within = |path: &str| {
        path.strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if module.is_empty() || path.is_empty() {
        return false;
    }
    // A module's own last element may hold dots that a canonical name no longer marks: `example.com/a.b` of
    // `example.com/a.b.F`. The name then goes on with a dot right after the module.
    let dotted = module
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains('.'))
        && name
            .strip_prefix(module)
            .is_some_and(|rest| rest.starts_with('.'));
    within(path) || path.strip_suffix("_test").is_some_and(within) || dotted
}

/// The last path element with the function, for terminals: `http.(*Server).Serve`.
pub fn short(name: &str) -> &str {
    let end = path_end(name).unwrap_or(0);
    let slash = name.get(..end).and_then(|path| path.rfind('/'));
    slash.and_then(|at| name.get(at + 1..)).unwrap_or(name)
}

/// What identifies a closure whatever it was inlined into, given that file and line are the same.
///
/// One closure of `inner.Inl` is `inner.Inl.func1` (not inlined; always in Go 1.27), `main.main.Inl.func20` and
/// `main.main.func2.Inl.1` (Go 1.21 to 1.26, once for each caller). Innermost function and depth agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Closure<'a> {
    /// The named function or method that it is written in, without package and receiver.
    pub within: &'a str,
    /// 1 for a closure, 2 for a closure within a closure...
    pub depth: usize,
}

/// Reads a *canonical* name as a closure's; `None` for a named function, and for the names of Go 1.2 to 1.4, which number
/// closures by package (`main.func·001`).
///
/// Go 1.20 and earlier give a closure that was inlined into another function that function's name alone
/// (`main.main.func20`); nothing can be read off that, so such a name differs from what later versions give.
pub fn closure(canonical: &str) -> Option<Closure<'_>> {
    lexical(canonical).filter(|place| place.depth > 0)
}

/// [`closure`], with depth 0 for a named function.
pub(crate) fn lexical(canonical: &str) -> Option<Closure<'_>> {
    let end = path_end(canonical)?;
    let rest = canonical.get(end + 1..)?;
    let segments: Vec<&str> = Segments::new(rest).collect();
    let named = segments
        .iter()
        .rposition(|segment| !scan::is_closure_word(segment))?;
    let within = segments.get(named)?;
    let mut depth = segments.len() - named - 1;
    // `init.0` is a function, and its number is that of the file's place in the build.
    let is_numbered = |segment: &&str| segment.bytes().all(|byte| byte.is_ascii_digit());
    if *within == "init" && segments.get(named + 1).is_some_and(is_numbered) {
        depth -= 1;
    }
    Some(Closure { within, depth })
}

#[cfg(test)]
mod tests;
