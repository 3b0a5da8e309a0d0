//! What gorphan says of a program.

use std::process::Command;

use serde_json::Value;

/// Goroutines with one stack.
#[derive(Debug)]
pub(crate) struct Group {
    /// The functions of the stack, innermost first.
    pub(crate) functions: Vec<String>,
    pub(crate) operation: String,
    pub(crate) state: String,
    pub(crate) verdict: String,
    pub(crate) ids: Vec<u64>,
    /// How many are proven leaked, proven held, and not decided.
    pub(crate) leaked: u64,
    pub(crate) held: u64,
    pub(crate) undecided: u64,
    /// Why, or what holds it.
    pub(crate) remarks: Vec<String>,
    /// Bytes of heap that only its leaked goroutines reach.
    pub(crate) heap: Option<u64>,
    /// Bytes of their stacks.
    pub(crate) stack: Option<u64>,
}

/// How a process is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Copied while it stands still.
    Copy,
    /// From a twin that it is made to leave behind.
    Twin,
}

/// A report.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) groups: Vec<Group>,
    pub(crate) problems: Vec<String>,
}

impl Seen {
    /// Inspects a process or a core.
    ///
    /// # Errors
    /// What it said when it refused.
    pub(crate) fn inspect(arguments: &[&str]) -> Result<Self, String> {
        let output = Command::new(env!("CARGO_BIN_EXE_gorphan"))
            .args(["inspect", "--format", "json", "--group-by", "stack"])
            .args(arguments)
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .output()
            .map_err(|error| error.to_string())?;
        if !matches!(output.status.code(), Some(0 | 1)) {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{}: {said}", output.status));
        }
        let report = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Ok(Self::read(&report))
    }

    pub(crate) fn process(pid: u32, way: Reading) -> Result<Self, String> {
        // Proofs are what is tried here, on machines that may have much else to do.
        let pid = pid.to_string();
        let mut arguments = vec![pid.as_str(), "--pause-budget", "30s"];
        if way == Reading::Twin {
            arguments.push("--snapshot");
        }
        Self::inspect(&arguments)
    }

    fn read(report: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let problems = list(&report["problems"]);
        Self {
            groups: list(&report["groups"]).iter().map(Group::read).collect(),
            problems: problems.iter().map(|it| text(&it["message"])).collect(),
        }
    }

    pub(crate) fn leaks(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.leaked > 0)
    }

    /// What is known of a goroutine.
    pub(crate) fn group_of(&self, id: u64) -> Option<&Group> {
        self.groups.iter().find(|group| group.ids.contains(&id))
    }

    /// Why nothing, or not everything, could be decided.
    pub(crate) fn doubts(&self) -> String {
        let undecided = self.groups.iter().filter(|group| group.undecided > 0);
        let mut doubts: Vec<&str> = undecided
            .flat_map(|group| group.remarks.iter().map(String::as_str))
            .collect();
        doubts.extend(self.problems.iter().map(String::as_str));
        doubts.sort_unstable();
        doubts.dedup();
        doubts.truncate(4);
        doubts.join("; ")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Group {
    fn read(group: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut read = Self {
            functions: list(&group["stack"])
                .iter()
                .map(|frame| text(&frame["function"]))
                .collect(),
            operation: text(&group["site"]["operation"]),
            state: text(&group["state"]),
            verdict: text(&group["verdict"]),
            ids: list(&group["goroutines"])
                .iter()
                .filter_map(Value::as_u64)
                .collect(),
            leaked: 0,
            held: 0,
            undecided: 0,
            remarks: Vec::new(),
            heap: group["retained"]["heap_bytes"].as_u64(),
            stack: group["retained"]["stack_bytes"].as_u64(),
        };
        for evidence in list(&group["evidence"]) {
            if evidence["kind"] != "proof" {
                continue;
            }
            let count = evidence["count"].as_u64().unwrap_or(1);
            match evidence["result"].as_str() {
                Some("unreachable") => {
                    read.leaked += count;
                    read.remarks.push(text(&evidence["object"]));
                }
                Some("reachable") => {
                    read.held += count;
                    read.remarks.push(evidence["path"].to_string());
                }
                _ => {
                    read.undecided += count;
                    read.remarks.push(text(&evidence["why"]));
                }
            }
        }
        read
    }

    /// The function that a dump shows last, and its wait reason, as the tests of Go write them: `f.func1() [chan send]`.
    /// Reasons that older versions do not tell apart are named by what was found out from the stack.
    pub(crate) fn line(&self) -> String {
        let last = self.functions.last().map_or("", String::as_str);
        let last = last.strip_prefix("main.").unwrap_or(last);
        let state = match (self.state.as_str(), self.operation.as_str()) {
            ("semacquire", "mutex lock") => "sync.Mutex.Lock",
            ("semacquire", "rwmutex lock") => "sync.RWMutex.Lock",
            ("semacquire", "rwmutex rlock") => "sync.RWMutex.RLock",
            ("semacquire", "wait group") => "sync.WaitGroup.Wait",
            (state, _) => state,
        };
        format!("{last}() [{state}]")
    }

    /// One line for a complaint.
    pub(crate) fn summary(&self) -> String {
        let frames: Vec<&str> = self.functions.iter().map(String::as_str).collect();
        format!(
            "{} leaked, {} held, {} undecided in {} ({}): {} | {}",
            self.leaked,
            self.held,
            self.undecided,
            self.state,
            self.verdict,
            frames.join(" < "),
            self.remarks.join("; ")
        )
    }
}
