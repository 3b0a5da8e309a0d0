//! `cargo xtask editor [NVIM]`: a real editor as the client of `gorphan lsp`. By hand: it needs Neovim.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Outcome, run};

/// A goroutine that stays when the other case is taken.
const LEAK: &str = "package shop

func Ask(stop chan bool, ask func() int) int {
\tanswer := make(chan int)
\tgo func() {
\t\tanswer <- ask()
\t}()
\tselect {
\tcase one := <-answer:
\t\treturn one
\tcase <-stop:
\t\treturn 0
\t}
}
";

pub(crate) fn check(root: &Path, editor: &str) -> Outcome {
    run(Command::new("cargo")
        .args(["build", "--quiet", "--package", "gorphan"])
        .current_dir(root))?;
    let folder = root.join("target/editor");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    write("go.mod", "module example.com/shop\n\ngo 1.21\n")?;
    write("shop.go", LEAK)?;
    let mut command = Command::new(editor);
    command.args(["--headless", "-u", "NONE", "-n", "-c"]);
    command.arg(format!(
        "luafile {}",
        root.join("integrations/neovim/check.lua").display()
    ));
    command
        .env("GORPHAN", root.join("target/debug/gorphan"))
        .env("GORPHAN_FILE", folder.join("shop.go"));
    let shown = format!("{command:?}");
    // In headless mode print writes to standard error.
    let ended = command
        .output()
        .map_err(|error| format!("cannot run {shown}: {error}"))?;
    let told = String::from_utf8_lossy(&ended.stderr).replace('\r', "");
    print!("{told}");
    println!();
    let is_fixed = told.contains("make(chan int, 1)");
    match ended.status.success() && is_fixed {
        true => Ok(()),
        false => Err(format!("{shown}: {}", ended.status)),
    }
}
