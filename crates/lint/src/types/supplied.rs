//! Declarations of packages that most programs import, for where they are missing: on a machine without Go, or with the modules not
//! downloaded. They have what concurrency stands on, not all; what they lack is unknown, as everything of a missing package.
//! The real package is taken wherever it is.

use std::sync::Arc;

use crate::syntax::{Bodies, Interner, Names, parse};

use super::program::{Package, Program};

/// Import paths, and files without bodies.
pub(super) const SUPPLIED: [(&str, &str); 16] = [
    ("context", include_str!("supplied/context.go")),
    ("errors", include_str!("supplied/errors.go")),
    ("fmt", include_str!("supplied/fmt.go")),
    (
        "golang.org/x/sync/errgroup",
        include_str!("supplied/errgroup.go"),
    ),
    (
        "golang.org/x/sync/semaphore",
        include_str!("supplied/semaphore.go"),
    ),
    ("io", include_str!("supplied/io.go")),
    ("iter", include_str!("supplied/iter.go")),
    ("log", include_str!("supplied/log.go")),
    ("net/http", include_str!("supplied/http.go")),
    ("os", include_str!("supplied/os.go")),
    ("os/signal", include_str!("supplied/signal.go")),
    ("runtime", include_str!("supplied/runtime.go")),
    ("sync", include_str!("supplied/sync.go")),
    ("sync/atomic", include_str!("supplied/atomic.go")),
    ("testing", include_str!("supplied/testing.go")),
    ("time", include_str!("supplied/time.go")),
];

impl Program {
    /// Adds what is known of packages that are imported and missing, behind all others, and links it. Call it when all packages are
    /// there and linked. How many were added.
    pub fn supply(&mut self, names: &Names) -> usize {
        let mut interner = None;
        let mut added = Vec::new();
        loop {
            let is_missing = |path: &str| {
                let mut packages = self.packages();
                let lacks = |package: &Package| {
                    package.imports_path(path) && package.imported(path).is_none()
                };
                packages.any(|(_, package)| lacks(package))
                    && !self.packages().any(|(_, package)| package.path == path)
            };
            let Some((path, source)) = SUPPLIED.iter().find(|(path, _)| is_missing(path)) else {
                // What these import may be the real package, or another one that was added.
                for id in &added {
                    self.link_package_by_path(*id);
                }
                return added.len();
            };
            let interner = interner.get_or_insert_with(|| Interner::new(names));
            let file = parse(source.as_bytes().to_vec(), interner, Bodies::Skip);
            let id = self.add(Package::new(path, vec![Arc::new(file)]));
            self.link_missing(path, id);
            added.push(id);
        }
    }
}
