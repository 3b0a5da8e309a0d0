//! `gorphan lint`, the tool of `go vet`, and the language server, with the real binary.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/run.rs"]
mod run;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/toolchain.rs"]
mod toolchain;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStdout, Output, Stdio};

use run::{check_failure, folder, gorphan, text};
use serde_json::{Value, json};
use tempfile::TempDir;

const LEAK: &str =
    "package shop\n\nfunc Quote() {\n\tc := make(chan int)\n\tgo func() {\n\t\tc <- 1\n\t}()\n}\n";
const SOUND: &str = "package shop\n\nfunc Quote() int {\n\tc := make(chan int)\n\tgo func() {\n\t\tc <- 1\n\t}()\n\treturn <-c\n}\n";
const GO_MOD: &str = "module example.com/shop\n\ngo 1.21\n";

fn module(files: &[(&str, &str)]) -> TempDir {
    let folder = folder();
    write(&folder, "go.mod", GO_MOD);
    for (name, text) in files {
        write(&folder, name, text);
    }
    folder
}

fn write(folder: &TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// Runs lint with a cache of its own.
fn lint(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = gorphan(folder);
    command.env("GORPHAN_CACHE", folder.path().join("cache"));
    command
        .arg("lint")
        .args(arguments)
        .output()
        .expect("it runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[track_caller]
fn check(folder: &TempDir, arguments: &[&str], status: i32, lines: &[&str]) {
    let arguments = [&["--format", "plain"], arguments].concat();
    let output = lint(folder, &arguments);
    let said = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{said}{}",
        text(&output.stderr)
    );
    assert_eq!(said.lines().count(), lines.len(), "{said}");
    for (said, start) in said.lines().zip(lines) {
        assert!(
            said.starts_with(start),
            "{said} does not start with {start}"
        );
    }
}

#[test]
fn a_leak_is_told_with_its_place_and_what_is_sound_is_not() {
    let folder = module(&[("a.go", LEAK), ("sub/b.go", SOUND)]);
    check(&folder, &["./..."], 1, &["a.go:6:3: leak: "]);
    check(&folder, &["./sub"], 0, &[]);
    check(&folder, &["a.go"], 1, &["a.go:6:3: leak: "]);
    check(&folder, &["example.com/shop"], 1, &["a.go:6:3: leak: "]);
    check(&folder, &["--fail-on", "never"], 0, &["a.go:6:3: leak: "]);
    let report = json(&lint(&folder, &["--format", "json", "./..."]));
    let summary = &report["summary"];
    assert_eq!(
        (summary["packages"].as_u64(), summary["files"].as_u64()),
        (Some(2), Some(2))
    );
    assert_eq!(
        report["findings"][0]["function"],
        "example.com/shop.Quote.func1"
    );
    assert_eq!(report["findings"][0]["count"], Value::Null);
}

#[test]
fn the_second_run_remembers_and_a_change_is_seen() {
    let folder = module(&[("a.go", LEAK)]);
    let first = lint(&folder, &["--format", "json"]);
    assert_eq!(json(&first), json(&lint(&folder, &["--format", "json"])));
    let kept = walk(&folder.path().join("cache"));
    assert!(!kept.is_empty(), "something is kept");
    write(&folder, "a.go", SOUND);
    check(&folder, &[], 0, &[]);
    write(&folder, "a.go", LEAK);
    for file in kept {
        fs::write(file, "damaged").expect("a file");
    }
    assert_eq!(json(&first), json(&lint(&folder, &["--format", "json"])));
    assert_eq!(
        json(&first),
        json(&lint(&folder, &["--format", "json", "--no-cache"]))
    );
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn comments_configuration_and_baselines_suppress() {
    let code = "GR2003";
    let ignored = LEAK.replace(
        "c <- 1",
        &format!("c <- 1 //gorphan:ignore {code} a device reads it"),
    );
    let folder = module(&[("a.go", &ignored)]);
    check(&folder, &[], 0, &[]);
    assert_eq!(
        json(&lint(&folder, &["--format", "json"]))["summary"]["suppressed"],
        1
    );

    let bare = LEAK.replace("c <- 1", &format!("c <- 1 //gorphan:ignore {code}"));
    write(&folder, "a.go", &bare);
    let output = lint(&folder, &["--format", "plain"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("has no reason"), "{output:?}");

    write(
        &folder,
        "a.go",
        &LEAK.replace("c <- 1", "c <- 1 //nolint:gorphan"),
    );
    check(&folder, &[], 0, &[]);

    write(&folder, "a.go", LEAK);
    check(&folder, &["--own", "example.com/other"], 0, &[]);
    check(&folder, &["--own", "example.com/shop"], 1, &["a.go:6:3"]);
    write(
        &folder,
        "gorphan.yaml",
        "ignore: [{function: \"example.com/shop.Quote*\", reason: known}]\n",
    );
    check(&folder, &[], 0, &[]);
    fs::remove_file(folder.path().join("gorphan.yaml")).expect("removed");

    check(
        &folder,
        &["--write-baseline", "known.json"],
        1,
        &["a.go:6:3"],
    );
    write(
        &folder,
        "a.go",
        &LEAK.replace("\n\nfunc", "\n\n// Moved.\n\nfunc"),
    );
    check(&folder, &["--baseline", "known.json"], 0, &[]);
    write(&folder, "b.go", &LEAK.replace("Quote", "Another"));
    check(&folder, &["--baseline", "known.json"], 1, &["b.go:6:3"]);
    check_failure(
        gorphan(&folder).args(["lint", "--baseline", "go.mod"]),
        &["cannot read the baseline", "--write-baseline"],
    );
}

const FIXABLE: &str = "package shop\n\nfunc Ask(stop chan bool, ask func() int) int {\n\tanswer := make(chan int)\n\tgo func() {\n\t\tanswer <- ask()\n\t}()\n\t\
                       select {\n\tcase one := <-answer:\n\t\treturn one\n\tcase <-stop:\n\t\treturn 0\n\t}\n}\n";

#[test]
fn fixes_are_shown_and_made() {
    let folder = module(&[("a.go", FIXABLE)]);
    let every = ["--fail-on", "suspect"];
    check(&folder, &every, 1, &["a.go:6:3: suspect: "]);
    let output = lint(&folder, &[&every[..], &["--diff"]].concat());
    let diff = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        diff.starts_with("--- a/a.go\n+++ b/a.go\n@@ -1,7 +1,7 @@\n"),
        "{diff}"
    );
    assert!(
        diff.contains("\n-\tanswer := make(chan int)\n+\tanswer := make(chan int, 1)\n"),
        "{diff}"
    );
    let path = folder.path().join("a.go");
    assert_eq!(fs::read_to_string(&path).expect("a file"), FIXABLE);
    check(&folder, &[&every[..], &["--fix"]].concat(), 0, &[]);
    let fixed = FIXABLE.replace("make(chan int)", "make(chan int, 1)");
    assert_eq!(fs::read_to_string(&path).expect("a file"), fixed);
    let left = fs::read_dir(folder.path()).expect("a folder").flatten();
    assert!(
        left.into_iter()
            .all(|entry| !entry.file_name().to_string_lossy().starts_with(".gorphan")),
        "nothing is left behind"
    );
}

#[test]
fn systems_tags_and_tests_choose_files() {
    let other = LEAK.replace("Quote", "Other");
    let test = LEAK.replace("Quote", "TestIt");
    let tagged = format!(
        "//go:build integration\n\n{}",
        LEAK.replace("Quote", "Tagged")
    );
    let folder = module(&[
        ("a.go", SOUND),
        ("b_plan9.go", &other),
        ("c.go", &tagged),
        ("a_test.go", &test),
    ]);
    check(&folder, &[], 0, &[]);
    check(
        &folder,
        &["--goos", "plan9", "--goarch", "386"],
        1,
        &["b_plan9.go:6:3"],
    );
    check(&folder, &["--tags", "x,integration"], 1, &["c.go:8:3"]);
    check(&folder, &["--tests"], 1, &["a_test.go:6:3"]);
}

#[test]
fn what_cannot_be_read_is_status_2() {
    let folder = module(&[("a.go", "package shop\n\nfunc {\n")]);
    let output = lint(&folder, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stdout).contains("a.go:3: read in part only"),
        "{output:?}"
    );
    check_failure(
        gorphan(&folder).args(["lint", "./nowhere"]),
        &["./nowhere", "try:"],
    );
    check_failure(
        gorphan(&folder).args(["lint", "example.org/none"]),
        &["no package example.org/none", "go mod tidy"],
    );
    write(&folder, "go.mod", "module\n");
    check_failure(
        gorphan(&folder).arg("lint"),
        &["go.mod", "line 1", "`module` takes one path"],
    );
    let empty = self::folder();
    check_failure(gorphan(&empty).arg("lint"), &["has no Go files"]);
}

#[test]
fn without_a_go_tree_locks_and_contexts_are_known_still() {
    let source = "package shop\n\nimport (\n\t\"strings\"\n\t\"sync\"\n)\n\nfunc Twice(name string) {\n\tvar mu sync.Mutex\n\tmu.Lock()\n\t_ = \
                  strings.ToUpper(name)\n\tmu.Lock()\n\tmu.Unlock()\n}\n";
    let folder = module(&[("a.go", source)]);
    let mut command = gorphan(&folder);
    command.args([
        "lint",
        "--no-cache",
        "--format",
        "json",
        "--fail-on",
        "never",
    ]);
    let output = command
        .env("GOROOT", folder.path().join("none"))
        .output()
        .expect("it runs");
    let report = json(&output);
    assert_eq!(report["findings"][0]["line"], 12, "{report}");
    let problems = report["problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 1, "{report}");
    assert!(
        problems[0]["message"]
            .as_str()
            .expect("a text")
            .starts_with("no Go tree was found"),
        "{report}"
    );
}

#[test]
fn go_vet_runs_it_as_its_tool() {
    let go = toolchain::go();
    let test = LEAK.replace("Quote", "helper");
    let folder = module(&[
        ("a.go", LEAK),
        ("a_test.go", &test),
        ("sub/b.go", &SOUND.replace("shop", "sub")),
    ]);
    let vet = |arguments: &[&str]| vet(go, &folder, arguments);
    let output = vet(&["./..."]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("a.go:6:3: ") && said.contains("a_test.go:6:3: ") && !said.contains("b.go"),
        "{said}"
    );
    let output = vet(&["./sub"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let output = vet(&["-json", "."]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("\"category\": \"GR2003\""), "{said}");
}

const POLLER: &str = "package poll\n\ntype Poller struct{ in, quit chan int }\n\nfunc New() *Poller { return &Poller{in: make(chan int), quit: make(chan int)} }\n\n\
                      func (p *Poller) Start() { go p.run() }\n\nfunc (p *Poller) run() {\n\tfor {\n\t\tselect {\n\t\tcase <-p.in:\n\t\tcase <-p.quit:\n\t\t\treturn\n\t\t}\n\t}\n}\n\n\
                      func (p *Poller) Stop() { close(p.quit) }\n";
const POLLS: &str = "package shop\n\nimport \"example.com/shop/poll\"\n\nfunc Leaves() {\n\tp := poll.New()\n\tp.Start()\n}\n\nfunc Stops() {\n\tp := poll.New()\n\tp.Start()\n\t\
                     defer p.Stop()\n}\n\nfunc Hands() *poll.Poller {\n\tp := poll.New()\n\tp.Start()\n\treturn p\n}\n";

#[test]
fn what_another_package_starts_must_be_stopped() {
    let go = toolchain::go();
    let folder = module(&[("poll/poll.go", POLLER), ("a.go", POLLS)]);
    check(&folder, &["./..."], 1, &["a.go:7:2: leak: Start starts"]);
    // What is remembered of the other package does as well.
    check(&folder, &["."], 1, &["a.go:7:2: leak: Start starts"]);
    let output = vet(go, &folder, &["./..."]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("[GR2042]").count(), 1, "{said}");
    assert!(said.contains("a.go:7:2: Start starts"), "{said}");
    check(&folder, &["--fix", "."], 0, &[]);
    let mended = fs::read_to_string(folder.path().join("a.go")).expect("a file");
    assert!(
        mended
            .starts_with(&POLLS.replacen("p.Start()\n", "p.Start()\n\tdefer p.Stop()\n", 1)[..120]),
        "{mended}"
    );
}

#[test]
fn go_vet_prints_suspects_where_asked() {
    let go = toolchain::go();
    let folder = module(&[("a.go", FIXABLE)]);
    let run = |arguments: &[&str]| {
        let output = vet(go, &folder, arguments);
        let said = text(&output.stdout) + &text(&output.stderr);
        (output.status.code(), said)
    };
    let (status, said) = run(&["."]);
    assert_eq!((status, said.contains("a.go")), (Some(0), false), "{said}");
    let (status, said) = run(&["-fail-on=suspect", "."]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("a.go:6:3: suspect: "), "{said}");
    let (status, said) = run(&["-json", "-fail-on=suspect", "."]);
    assert!(said.contains("\"suspect: "), "{said}");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("\"suggested_fixes\""), "{said}");
}

/// Runs `go vet` with the real binary as its tool.
fn vet(go: &Path, folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(go);
    let tool = format!("-vettool={}", env!("CARGO_BIN_EXE_gorphan"));
    command.args(["vet", &tool]).args(arguments);
    command.current_dir(folder.path()).envs([
        ("GOTOOLCHAIN", "local"),
        ("GOFLAGS", ""),
        ("GOWORK", "off"),
    ]);
    command.output().expect("go runs")
}

/// The next message of a server.
fn message(server: &mut BufReader<ChildStdout>) -> Value {
    let mut length = 0;
    loop {
        let mut line = String::new();
        server.read_line(&mut line).expect("a header");
        match line.trim().split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse().expect("a number"),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    server.read_exact(&mut body).expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

#[test]
fn an_editor_is_told_of_open_files() {
    let folder = module(&[("a.go", SOUND)]);
    let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_gorphan"))
        .args(["lsp", "--no-cache"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut to = server.stdin.take().expect("a pipe");
    let mut from = BufReader::new(server.stdout.take().expect("a pipe"));
    let mut send = |value: Value| {
        let body = value.to_string();
        write!(to, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("written");
    };
    send(
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}}),
    );
    assert_eq!(
        message(&mut from)["result"]["capabilities"]["positionEncoding"],
        "utf-16"
    );
    send(json!({"jsonrpc": "2.0", "method": "initialized", "params": {}}));
    let path = folder
        .path()
        .canonicalize()
        .expect("it is there")
        .join("a.go");
    let uri = format!("file://{}", path.display());
    // What the editor has counts, not what is on disk.
    let open = LEAK.replace("c <- 1", "/* é😀 */ c <- 1");
    send(
        json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {
        "textDocument": {"uri": uri, "languageId": "go", "version": 1, "text": open}}}),
    );
    let told = message(&mut from);
    assert_eq!(told["method"], "textDocument/publishDiagnostics");
    assert_eq!(told["params"]["uri"], uri.as_str());
    let diagnostic = &told["params"]["diagnostics"][0];
    assert_eq!(diagnostic["code"], "GR2003");
    assert_eq!(
        diagnostic["range"]["start"],
        json!({"line": 5, "character": 12})
    );
    send(
        json!({"jsonrpc": "2.0", "id": 2, "method": "textDocument/codeAction", "params": {
        "textDocument": {"uri": uri}, "range": diagnostic["range"], "context": {"diagnostics": []}}}),
    );
    assert_eq!(message(&mut from)["result"], json!([]));
    // A fix comes as an action, in the client's columns.
    let twice = SOUND.replace("c <- 1\n", "/* é😀 */ c <- 1\n\t\tc <- 2\n");
    send(
        json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {
        "textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": twice}]}}),
    );
    let told = message(&mut from);
    let range = &told["params"]["diagnostics"][0]["range"];
    assert_eq!(range["start"]["line"], 6, "{told}");
    send(
        json!({"jsonrpc": "2.0", "id": 5, "method": "textDocument/codeAction", "params": {
        "textDocument": {"uri": uri}, "range": range, "context": {"diagnostics": []}}}),
    );
    let actions = message(&mut from);
    let edit = &actions["result"][0]["edit"]["changes"][uri.as_str()][0];
    assert_eq!(edit["newText"], ", 2", "{actions}");
    assert_eq!(edit["range"]["start"], json!({"line": 3, "character": 19}));
    send(json!({"jsonrpc": "2.0", "id": 3, "method": "textDocument/hover", "params": {}}));
    assert_eq!(message(&mut from)["error"]["code"], -32601);
    send(
        json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {
        "textDocument": {"uri": uri, "version": 3}, "contentChanges": [{"text": SOUND}]}}),
    );
    let told = message(&mut from);
    assert_eq!(
        (&told["params"]["version"], &told["params"]["diagnostics"]),
        (&json!(3), &json!([]))
    );
    send(json!({"jsonrpc": "2.0", "id": 4, "method": "shutdown"}));
    assert_eq!(message(&mut from)["id"], 4);
    send(json!({"jsonrpc": "2.0", "method": "exit"}));
    assert!(server.wait().expect("it ends").success());
}
