//! What must be known of the standard library, for machines without a Go tree: declarations without bodies of the packages that
//! goroutines wait by. The rest of the library is not known there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where the tree seems to be: a place that no file is at.
const ROOT: &str = if cfg!(windows) {
    r"C:\gorphan:standard"
} else {
    "/dev/null/gorphan-standard"
};

/// Packages with their declarations.
const PACKAGES: [(&str, &str); 13] = [
    ("context", include_str!("std/context.go")),
    ("errors", include_str!("std/errors.go")),
    ("fmt", include_str!("std/fmt.go")),
    ("io", include_str!("std/io.go")),
    ("iter", include_str!("std/iter.go")),
    ("log", include_str!("std/log.go")),
    ("net/http", include_str!("std/net_http.go")),
    ("os", include_str!("std/os.go")),
    ("os/signal", include_str!("std/os_signal.go")),
    ("runtime", include_str!("std/runtime.go")),
    ("sync", include_str!("std/sync.go")),
    ("testing", include_str!("std/testing.go")),
    ("time", include_str!("std/time.go")),
];

/// The root of the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(ROOT)
}

/// The files of the tree. The runtime's is named as in a real one, by which a tree is known.
pub(crate) fn files() -> HashMap<PathBuf, Vec<u8>> {
    let files = PACKAGES.iter().map(|(package, text)| {
        let name = if *package == "runtime" {
            "proc.go"
        } else {
            "declarations.go"
        };
        (
            root().join("src").join(package).join(name),
            text.as_bytes().to_vec(),
        )
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorphan_lint::syntax::{Bodies, Interner, Names, parse};

    #[test]
    fn declarations_are_sound_go_of_their_package() {
        for (package, text) in PACKAGES {
            let names = Names::new();
            let file = parse(
                text.as_bytes().to_vec(),
                &mut Interner::new(&names),
                Bodies::Parse,
            );
            assert_eq!(file.errors, [], "{package}");
            let last = package.rsplit('/').next();
            assert_eq!(Some(names.text(file.package.name)), last);
        }
    }
}
