//! Running the binary, and dumps to run it on.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

pub(crate) const DUMP: &str = "goroutine 7 [chan send, 3 minutes]:\nmain.f()\n\t/src/main.go:3 +0x1d\ncreated by main.main in \
                    goroutine 1\n\t/src/main.go:9 +0x25\n\n";

/// The binary in a folder of its own, without the settings of whoever runs the tests.
pub(crate) fn gorphan(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gorphan"));
    command.current_dir(folder.path());
    for name in [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "GORPHAN_BEARER_TOKEN",
        "GORPHAN_BASIC_AUTH",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub(crate) fn captured(version: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/captured")
        .join(version)
        .join(name)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `count` goroutines that wait to send, with numbers from 10 and started by goroutine 1, beside the main goroutine.
pub(crate) fn senders(count: u64) -> String {
    let mut dump =
        String::from("goroutine 1 [select (no cases)]:\nmain.main()\n\t/src/main.go:9 +0x1d\n\n");
    for id in 10..10 + count {
        dump.push_str(&DUMP.replace("goroutine 7", &format!("goroutine {id}")));
    }
    dump
}

/// Holds that a run fails with status 2, nothing on standard output, and all of `words` on standard error.
#[track_caller]
pub(crate) fn check_failure(command: &mut Command, words: &[&str]) {
    let output = command.output().expect("it runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(text(&output.stdout), "");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains('\x1b'), "colours in a pipe: {said}");
}
