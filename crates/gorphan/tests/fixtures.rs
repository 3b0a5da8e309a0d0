//! Real Go programs, each with one leak pattern and its fixed twin: built, run, dumped in every format, and inspected by
//! the real binary. What must be seen is in each program's `expect.toml`.
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use serde::Deserialize;
use serde_json::Value;
use support::Fixture;

/// What an `expect.toml` says.
#[derive(Deserialize)]
struct Expect {
    #[serde(default)]
    pattern: String,
    #[serde(default)]
    leak: Vec<Site>,
    #[serde(default)]
    fixed_may_remain: Vec<Site>,
}

/// A blocked site.
#[derive(Deserialize)]
struct Site {
    operation: Option<String>,
    #[serde(default)]
    operation_any: Vec<String>,
    #[serde(default)]
    operation_in_profile_any: Vec<String>,
    function: String,
    file: Option<String>,
    line: Option<u64>,
    #[serde(default)]
    line_any: Vec<u64>,
    count: Option<u64>,
    created_by: Option<String>,
    suspect: Option<bool>,
    #[serde(default)]
    runtime_leak: bool,
    #[serde(default)]
    pattern: String,
    #[serde(default)]
    labels: Vec<BTreeMap<String, toml::Value>>,
}

/// How goroutines were taken from a program, and what that source can know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Profile,
    Counted,
    Dump,
    Sigquit,
    /// The process, read while it runs.
    Memory,
}

/// Processes are read on this system.
const READS_MEMORY: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

impl Source {
    const FILES: [Self; 4] = [Self::Profile, Self::Counted, Self::Dump, Self::Sigquit];

    fn file(self) -> &'static str {
        match self {
            Self::Profile => "pb.gz",
            Self::Counted => "debug1",
            Self::Dump => "dump",
            Self::Sigquit => "sigquit",
            Self::Memory => "memory.json",
        }
    }

    /// Ids, waits and creators are known.
    fn is_dump(self) -> bool {
        matches!(self, Self::Dump | Self::Sigquit | Self::Memory)
    }
}

/// The names of the programs: folders with an `expect.toml`.
fn names() -> Vec<String> {
    let folders = fs::read_dir(support::root().join("fixtures/go")).expect("the fixtures");
    let mut names: Vec<String> = folders
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("expect.toml").is_file())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Runs a program and takes its goroutines in every way; the files stay for who wants to look.
fn take(name: &str, mode: &str) -> BTreeMap<&'static str, PathBuf> {
    let fixture = Fixture::start(name, mode);
    let profile = "/debug/pprof/goroutine";
    let mut taken = vec![
        (Source::Profile, fixture.get(profile)),
        (Source::Counted, fixture.get(&format!("{profile}?debug=1"))),
        (Source::Dump, fixture.get(&format!("{profile}?debug=2"))),
    ];
    if READS_MEMORY {
        let report = inspect_process(fixture.pid(), mode == "leak");
        taken.push((Source::Memory, report));
    }
    taken.push((Source::Sigquit, fixture.quit().into_bytes()));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dumps");
    fs::create_dir_all(&folder).expect("a folder");
    let files = taken.into_iter().map(|(source, bytes)| {
        let path = folder.join(format!("{name}-{mode}.{}", source.file()));
        fs::write(&path, bytes).expect("a file");
        (source.file(), path)
    });
    files.collect()
}

/// The report of the real binary, which must not say that anything is proven.
fn inspect(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_gorphan"))
        .args(["inspect", "--format", "json", "--colour", "never"])
        .args(arguments)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("gorphan runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The report on a process, in which leaks may be proven if it `leaks`.
fn inspect_process(pid: u32, leaks: bool) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_gorphan"))
        .args(["inspect", "--format", "json", &pid.to_string()])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("gorphan runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(code == Some(0) || (leaks && code == Some(1)), "{said}");
    output.stdout
}

impl Site {
    /// The operations that a source may show.
    fn operations(&self, source: Source) -> Vec<&str> {
        let mut all: Vec<&str> = self
            .operation
            .iter()
            .chain(&self.operation_any)
            .map(String::as_str)
            .collect();
        if !source.is_dump() {
            all.extend(self.operation_in_profile_any.iter().map(String::as_str));
        }
        // debug=1 leaves out the runtime's own frames, and with them what tells these apart; locks are sync's frames.
        let runtime_alone = |word: &str| {
            ["chan", "select", "sleep", "runn"]
                .iter()
                .any(|part| word.contains(part))
        };
        if source == Source::Counted && all.iter().any(|word| runtime_alone(word)) {
            all.push("other");
        }
        all
    }

    /// The groups at this site.
    fn groups<'a>(&self, report: &'a Value, source: Source) -> Vec<&'a Value> {
        let groups = report["groups"].as_array().expect("groups");
        let lines: Vec<u64> = self.line.iter().chain(&self.line_any).copied().collect();
        groups
            .iter()
            .filter(|group| {
                let site = &group["site"];
                let text = |key: &str| site[key].as_str().unwrap_or_default();
                let here = text("function") == self.function
                    && self
                        .file
                        .as_ref()
                        .is_none_or(|file| text("file").ends_with(file.as_str()))
                    && (lines.is_empty() || lines.iter().any(|line| site["line"] == *line));
                // SIGQUIT cannot show the stack of what runs on another thread; its creator is all there is.
                let unseen = source == Source::Sigquit
                    && text("operation") == "running"
                    && self.created_by.as_deref() == Some(text("function"));
                self.operations(source).contains(&text("operation")) && (here || unseen)
            })
            .collect()
    }
}

/// A dump leaves out what a generic function was made for; memory has it.
fn plain(function: &str) -> String {
    match (function.find('['), function.rfind(']')) {
        (Some(start), Some(end)) => {
            format!("{}[...]{}", &function[..start], &function[end + 1..])
        }
        _ => function.to_owned(),
    }
}

fn sum(groups: &[&Value]) -> u64 {
    groups
        .iter()
        .filter_map(|group| group["count"].as_u64())
        .sum()
}

fn is_suspect(group: &Value) -> bool {
    group["verdict"] != "normal"
}

/// Compares the report of a leaking program with what must be in it.
fn check_leak(expect: &Expect, source: Source, report: &Value, wrong: &mut String) {
    for site in &expect.leak {
        let mut complain = |what: String| {
            let _ = writeln!(wrong, "  {source:?}, {}: {what}", site.function);
        };
        let groups = site.groups(report, source);
        let Some(first) = groups.first() else {
            let seen: Vec<String> = report["groups"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|group| format!("{} {}", group["count"], group["site"]))
                .collect();
            complain(format!("not found among {seen:#?}"));
            continue;
        };
        if site.count.is_some_and(|count| sum(&groups) != count) {
            complain(format!("{} goroutines, not {:?}", sum(&groups), site.count));
        }
        let creator = &first["created_by"]["function"];
        if source.is_dump() {
            let shown = plain(creator.as_str().unwrap_or_default());
            if site.created_by.as_ref().is_some_and(|name| shown != *name) {
                complain(format!("created by {creator}"));
            }
            let ids = first["goroutines"].as_array().map_or(0, Vec::len) as u64;
            if Some(ids) != first["count"].as_u64().map(|count| count.min(100)) {
                complain(format!("{ids} ids"));
            }
            if first["wait_minutes"].is_null() {
                complain("no waits".into());
            }
        } else if !creator.is_null()
            || !first["wait_minutes"].is_null()
            || !first["state"].is_null()
        {
            complain(format!("what no profile knows is not null: {first}"));
        }
        if source == Source::Memory {
            check_proof(site, &groups, &mut complain);
        } else {
            check_verdict(expect, site, source, &groups, &mut complain);
        }
        if source == Source::Profile {
            check_labels(site, first, &mut complain);
        }
    }
}

/// What the runtime's own detector finds must be proven, and nothing else; and what is leaked holds at least its stack.
fn check_proof(site: &Site, groups: &[&Value], complain: &mut impl FnMut(String)) {
    let evidence = groups
        .iter()
        .flat_map(|group| group["evidence"].as_array().into_iter().flatten());
    let leaked = evidence.filter(|one| one["kind"] == "proof" && one["result"] == "unreachable");
    let proven: u64 = leaked.filter_map(|one| one["count"].as_u64()).sum();
    let expected = if site.runtime_leak { sum(groups) } else { 0 };
    if proven != expected {
        complain(format!(
            "{proven} proven leaked, not {expected}: {}",
            groups[0]
        ));
    }
    for group in groups {
        let is_leak = group["verdict"] == "leak";
        let bytes = group["retained_bytes"].as_u64().unwrap_or_default();
        if is_leak != site.runtime_leak {
            complain(format!("is called {}", group["verdict"]));
        }
        if is_leak && bytes < 2048 * group["count"].as_u64().unwrap_or_default() {
            complain(format!("holds {bytes} bytes, less than its stacks"));
        }
    }
}

/// Verdict and pattern. Only a dump tells enough to be held to every expectation; the others may say less, never more.
fn check_verdict(
    expect: &Expect,
    site: &Site,
    source: Source,
    groups: &[&Value],
    complain: &mut impl FnMut(String),
) {
    let suspect = groups.iter().any(|group| is_suspect(group));
    if site.suspect == Some(false) && suspect {
        complain("is called suspect".into());
    }
    if !source.is_dump() {
        return;
    }
    if site.suspect == Some(true) && !suspect {
        complain(format!("is not suspect: {}", groups[0]));
    }
    let pattern = if site.pattern.is_empty() {
        &expect.pattern
    } else {
        &site.pattern
    };
    let hint = groups[0]["pattern"]
        .as_str()
        .unwrap_or_default()
        .replace('_', "-");
    // Whether the receiver left early or at a deadline stands in the source and not on a stack, unless a name says it; and
    // how many one call started is read off goroutine numbers, which each processor hands out in batches of its own.
    let left_behind = ["premature-return", "timeout-abandoned-sender", "n-cast"];
    let alike = left_behind.contains(&pattern.as_str()) && left_behind.contains(&hint.as_str());
    if suspect && site.suspect == Some(true) && !pattern.is_empty() && hint != *pattern && !alike {
        complain(format!("looks like {hint:?}, not {pattern:?}"));
    }
}

fn check_labels(site: &Site, group: &Value, complain: &mut impl FnMut(String)) {
    for labels in &site.labels {
        for (key, value) in labels.iter().filter(|(key, _)| *key != "count") {
            let same = site
                .labels
                .iter()
                .all(|other| other.get(key) == Some(value));
            let shown = &group["labels"][key];
            if same && shown.as_str() != value.as_str() {
                complain(format!("label {key} is {shown}, not {value:?}"));
            }
        }
    }
}

/// A fixed program has none of the leaks, and nothing of it is a finding.
fn check_fixed(expect: &Expect, source: Source, report: &Value, wrong: &mut String) {
    for finding in report["findings"].as_array().into_iter().flatten() {
        let _ = writeln!(
            wrong,
            "  {source:?}: a finding in the fixed program: {}",
            finding["message"]
        );
    }
    for site in &expect.leak {
        let left = sum(&site.groups(report, source));
        let remains = expect
            .fixed_may_remain
            .iter()
            .any(|kept| kept.function == site.function);
        // An idle connection of the HTTP client looks like one of the leaked ones; there is only one of it.
        let is_ordinary =
            site.suspect == Some(false) && site.count.is_some_and(|count| left < count);
        if left > 0 && !remains && !is_ordinary {
            let _ = writeln!(
                wrong,
                "  {source:?}: {left} goroutines left in {}",
                site.function
            );
        }
    }
}

/// What is wrong with one program, in all formats and both forms.
fn check(name: &str) -> String {
    let path = support::root()
        .join("fixtures/go")
        .join(name)
        .join("expect.toml");
    let text = fs::read_to_string(path).expect("expectations");
    let expect: Expect = toml::from_str(&text).expect("expectations");
    let mut wrong = String::new();
    for mode in ["leak", "fixed"] {
        let files = take(name, mode);
        let memory = files.get(Source::Memory.file());
        let memory = memory.map(|path| fs::read(path).expect("a file"));
        let memory = memory.map(|json| serde_json::from_slice(&json).expect("JSON"));
        let of_file = |source: Source| {
            let path = files[source.file()].to_str().expect("a path");
            (source, inspect(&[path]))
        };
        let reports = Source::FILES.into_iter().map(of_file);
        for (source, report) in reports.chain(memory.map(|report| (Source::Memory, report))) {
            let mut complaints = String::new();
            if mode == "leak" {
                check_leak(&expect, source, &report, &mut complaints);
            } else {
                check_fixed(&expect, source, &report, &mut complaints);
            }
            if !complaints.is_empty() {
                let _ = write!(wrong, "{name} {mode}:\n{complaints}");
            }
        }
    }
    wrong
}

#[test]
fn every_program_is_seen_in_every_format_and_its_fixed_twin_is_silent() {
    support::fixtures();
    let names = names();
    assert!(names.len() >= 20, "only {names:?}");
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(String::new());
    // Programs wait for themselves to settle, so two for each core keep the cores busy.
    let workers = thread::available_parallelism().map_or(2, |cores| cores.get() * 2);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let complaints = check(name);
                    wrong.lock().expect("no panic before").push_str(&complaints);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic before");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_running_program_is_inspected_over_http() {
    let fixture = Fixture::start("mixed-service", "leak");
    // Few goroutines: the base gives debug=2, with ids and creators.
    let small = inspect(&[&fixture.url]);
    assert_eq!(small["target"]["kind"], "http");
    assert_eq!(small["target"]["format"], "debug=2");
    let price = &small["findings"][0];
    assert_eq!(price["function"], "main.(*shop).price.func1");
    assert_eq!(price["count"], 200);
    // Asked for, the profile alone, which is also an endpoint of its own.
    let endpoint = format!("{}/debug/pprof/goroutine", fixture.url);
    for arguments in [
        vec![fixture.url.as_str(), "--debug", "0"],
        vec![endpoint.as_str()],
    ] {
        let profile = inspect(&arguments);
        assert_eq!(profile["target"]["format"], "debug=0", "{arguments:?}");
        assert_eq!(profile["findings"][0]["count"], 200, "{arguments:?}");
    }
    // A filter shows fewer and judges among all.
    let arguments = [
        fixture.url.as_str(),
        "--function",
        r"\(\*stock\)\.count$",
        "--group-by",
        "stack",
    ];
    let filtered = inspect(&arguments);
    assert_eq!(filtered["summary"]["goroutines"], 80);
    assert_eq!(filtered["findings"].as_array().map(Vec::len), Some(1));
    assert_eq!(filtered["groups"][0]["verdict"], "suspect");
}

#[test]
fn the_runtimes_own_leak_profile_is_asked_for_or_its_lack_is_said() {
    let fixture = Fixture::start("n-cast", "leak");
    let output = Command::new(env!("CARGO_BIN_EXE_gorphan"))
        .args(["inspect", "--format", "json", "--leaks", &fixture.url])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("gorphan runs");
    let version = Command::new(support::go())
        .arg("version")
        .output()
        .expect("go runs");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let minor = version
        .split("go1.")
        .nth(1)
        .and_then(|rest| rest.split(['.', ' ']).next()?.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor >= 27) {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(report["findings"][0]["verdict"], "leak");
        assert_eq!(report["findings"][0]["count"], 19);
    } else {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("no goroutineleak profile") && said.contains("Go 1.27"),
            "{said}"
        );
    }
}
