//! `cargo xtask layouts GO_BINARY`: the tables of struct offsets of one Go version, for each processor.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, output};

/// Uses what keeps the debug information of every struct that is read in the program.
const PROGRAM: &str = r#"package main

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"
)

func main() {
	condition := sync.NewCond(&sync.Mutex{})
	time.AfterFunc(0, condition.Broadcast)
	condition.L.Lock()
	condition.Wait()
	runtime.SetFinalizer(new(int), func(*int) {})
	time.AfterFunc(time.Hour, func() {})
	fmt.Println(net.Listen("tcp", "127.0.0.1:0"))
}
"#;

/// As Go calls what programs run on.
const PROCESSORS: [&str; 2] = ["amd64", "arm64"];

/// Builds a small program with that toolchain for each processor and writes what its debug information says.
pub(crate) fn run(root: &Path, go: &str) -> Outcome {
    let mut all = PROCESSORS.iter();
    all.try_for_each(|processor| write(root, go, processor))
}

fn write(root: &Path, go: &str, processor: &str) -> Outcome {
    let folder = root.join("target/layouts");
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(fail)?;
    std::fs::write(folder.join("main.go"), PROGRAM).map_err(fail)?;
    let environment = [
        ("GOTOOLCHAIN", "local"),
        ("GOFLAGS", ""),
        ("GOWORK", "off"),
        ("GOOS", "linux"),
        ("GOARCH", processor),
        ("CGO_ENABLED", "0"),
    ];
    let mut version = Command::new(go);
    version
        .args(["env", "GOVERSION"])
        .current_dir(&folder)
        .envs(environment);
    let version = output(&mut version)?;
    let minor = version.trim().strip_prefix("go1.").map(|rest| {
        rest.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    });
    let minor = minor.ok_or_else(|| format!("{go} says it is {version}; wanted go1.N"))?;
    let mut build = Command::new(go);
    build.args(["build", "-o", "program", "main.go"]);
    output(build.current_dir(&folder).envs(environment))?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut read = Command::new(cargo);
    read.args(["run", "--quiet", "-p", "gorphan-goruntime"]);
    read.args(["--example", "layouts", "--"]);
    let table = output(read.arg(folder.join("program")).current_dir(root))?;
    let file = format!("crates/goruntime/src/layout/generated/go1_{minor}_{processor}.rs");
    std::fs::write(root.join(&file), table).map_err(|error| format!("{file}: {error}"))?;
    eprintln!("{file} written from {}", version.trim());
    Ok(())
}
