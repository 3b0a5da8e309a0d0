//! The example service, and what runs its tests at GitHub, at GitLab and before a push, as far as that can be had here: the
//! steps' own commands, with a release in a folder.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "support/toolchain.rs"]
mod toolchain;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use toolchain::{go, root};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).expect(path);
    serde_saphyr::from_str(&text).expect(path)
}

/// A release of this program in a folder, as the repository has it: the URL below which releases are.
struct Release {
    folder: TempDir,
}

impl Release {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let of_version = folder.path().join(format!("releases/download/v{VERSION}"));
        let name = format!("gorphan-{VERSION}-x86_64-unknown-linux-gnu");
        let scripts = folder.path().join(format!("raw/v{VERSION}/integrations"));
        for folder in [&of_version.join(&name), &scripts] {
            fs::create_dir_all(folder).expect("a folder");
        }
        let install = root().join("integrations/install.sh");
        fs::copy(install, scripts.join("install.sh")).expect("copied");
        // The program itself would take seconds to pack.
        let program = of_version.join(&name).join("gorphan");
        let start = format!(
            "#!/bin/sh\nexec '{}' \"$@\"\n",
            env!("CARGO_BIN_EXE_gorphan")
        );
        fs::write(&program, start).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        let pack = format!(
            "tar -czf {name}.tar.gz {name} && sha256sum {name}.tar.gz > {name}.tar.gz.sha256"
        );
        let mut shell = Command::new("sh");
        let packed = shell.args(["-c", &pack]).current_dir(&of_version).status();
        assert!(packed.expect("it runs").success());
        Self { folder }
    }

    fn url(&self) -> String {
        format!("file://{}/releases/download", self.folder.path().display())
    }
}

/// Where Go keeps what it compiled; else it would be where XDG_CACHE_HOME says.
fn cache() -> String {
    let output = Command::new(go()).args(["env", "GOCACHE"]).output();
    let text = output.expect("it runs").stdout;
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// Runs a command of the shell in the example.
fn shell(command: &str, variables: &[(String, String)]) -> (Output, String) {
    let mut path = vec![];
    if let Some(folder) = go()
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        path.push(folder.to_owned());
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    path.extend(std::env::split_paths(&paths));
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", command])
        .current_dir(root().join("examples/shop"))
        .env("PATH", std::env::join_paths(path).expect("paths"))
        .envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", "")])
        .env("GOCACHE", cache())
        .envs(variables.iter().cloned())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

/// The value of what stands between `${{` and `}}`: the first of several that is not empty.
fn value(expression: &str, inputs: &Value, action: &Value, release: &Release) -> String {
    let one = |word: &str| match word.split_once('.') {
        Some(("inputs", name)) => {
            let given = inputs[name].as_str();
            let default = action["inputs"][name]["default"].as_str();
            given.or(default).expect(name).to_owned()
        }
        Some(("github", "action_path")) => root().display().to_string(),
        Some(("github", "action_ref")) => format!("v{VERSION}"),
        Some(("runner", "temp")) => release.folder.path().join("runner").display().to_string(),
        _ if word.starts_with("format('{0}/{1}/releases/download'") => release.url(),
        _ => panic!("{word} is not known"),
    };
    let mut words = expression.split("||").map(|word| one(word.trim()));
    words.find(|word| !word.is_empty()).unwrap_or_default()
}

fn filled(text: &str, inputs: &Value, action: &Value, release: &Release) -> String {
    let mut parts = text.split("${{");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once("}}").expect("it ends");
        whole.push_str(&value(expression, inputs, action, release));
        whole.push_str(rest);
    }
    whole
}

#[test]
fn the_workflow_annotates_the_leak() {
    let release = Release::new();
    let (workflow, action) = (
        yaml("examples/shop/.github/workflows/leaks.yml"),
        yaml("action.yml"),
    );
    let steps = workflow["jobs"]["leaks"]["steps"]
        .as_array()
        .expect("steps");
    let uses = |step: &&Value| {
        step["uses"]
            .as_str()
            .is_some_and(|it| it.starts_with("OWNER/gorphan@"))
    };
    let inputs = &steps.iter().find(uses).expect("the action")["with"];
    for name in inputs.as_object().expect("inputs").keys() {
        assert!(action["inputs"][name].is_object(), "{name} is no input");
    }
    let mut ended = None;
    for step in action["runs"]["steps"].as_array().expect("steps") {
        let variables = step["env"].as_object().expect("variables").iter();
        let variables: Vec<(String, String)> = variables
            .map(|(name, text)| {
                let text = text.as_str().expect("text");
                (name.clone(), filled(text, inputs, &action, &release))
            })
            .collect();
        ended = Some(shell(step["run"].as_str().expect("a command"), &variables));
    }
    let (output, text) = ended.expect("steps");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("::error file=search.go,line=22"), "{text}");
    assert!(text.contains("TestSearchGivesUp/1ms"), "{text}");
}

#[test]
fn the_job_for_gitlab_writes_a_junit_report() {
    let release = Release::new();
    let (job, template) = (
        yaml("examples/shop/.gitlab-ci.yml"),
        yaml("integrations/gitlab-ci.yml"),
    );
    assert_eq!(job["leaks"]["extends"], ".gorphan-test");
    let template = &template[".gorphan-test"];
    let mut variables = template["variables"].as_object().expect("some").clone();
    variables.extend(job["leaks"]["variables"].as_object().expect("some").clone());
    variables.insert("GORPHAN_RELEASES".into(), release.url().into());
    let project = release.folder.path().display().to_string();
    variables.insert("CI_PROJECT_DIR".into(), project.into());
    let variables = variables.iter().map(|(name, text)| {
        let text = text
            .as_str()
            .map_or_else(|| text.to_string(), str::to_owned);
        (name.clone(), text)
    });
    let variables: Vec<(String, String)> = variables.collect();
    let lines = ["before_script", "script"].map(|key| template[key].as_array().expect("lines"));
    let lines = lines
        .into_iter()
        .flatten()
        .map(|line| line.as_str().expect("text"));
    let report = release.folder.path().join("leaks.xml");
    let command = lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("leaks.xml", &report.display().to_string());
    let (output, text) = shell(&command, &variables);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let report = fs::read_to_string(report).expect("a report");
    assert!(
        report.contains("failures=\"2\"") && report.contains("search.go"),
        "{report}"
    );
}

#[test]
fn the_hook_runs_the_tests_of_the_repository_it_is_in() {
    let release = Release::new();
    let (hooks, config) = (
        yaml(".pre-commit-hooks.yaml"),
        yaml("examples/shop/.pre-commit-config.yaml"),
    );
    let hook = &hooks[0];
    assert_eq!(hook["id"], config["repos"][0]["hooks"][0]["id"]);
    let entry = root().join(hook["entry"].as_str().expect("a path"));
    let variables = [
        ("GORPHAN_RELEASES".to_owned(), release.url()),
        (
            "XDG_CACHE_HOME".to_owned(),
            release.folder.path().display().to_string(),
        ),
    ];
    // The second time it is there already.
    for releases in [release.url(), "file:///nowhere".to_owned()] {
        let mut variables = variables.to_vec();
        variables[0].1 = releases;
        let (output, text) = shell(&entry.display().to_string(), &variables);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("search.go:22"), "{text}");
    }
}

#[test]
fn a_release_that_is_not_what_its_sum_says_is_not_installed() {
    let release = Release::new();
    let name =
        format!("releases/download/v{VERSION}/gorphan-{VERSION}-x86_64-unknown-linux-gnu.tar.gz");
    fs::write(release.folder.path().join(name), "something else").expect("written");
    let folder: PathBuf = release.folder.path().join("bin");
    let install = root().join("integrations/install.sh");
    let install = format!(
        "sh {} {} {VERSION} {}",
        install.display(),
        release.url(),
        folder.display()
    );
    let (output, text) = shell(&install, &[]);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("not what its sum says") && !folder.join("gorphan").exists(),
        "{text}"
    );
}
