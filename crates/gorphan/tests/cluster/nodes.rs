//! A Ballista cluster on this machine: a scheduler, and executors of one core each.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// For starting, and for whatever else is waited for: debug builds on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A process that ends with the test.
pub(crate) struct Node(Child);

impl Node {
    fn start(arguments: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_ballista-node"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("ballista-node runs"))
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An executor, and where it keeps what it has worked out.
pub(crate) struct Executor {
    pub(crate) node: Node,
    work: PathBuf,
}

impl Executor {
    /// Whether it has written something of a job.
    pub(crate) fn has_worked_for(&self, job: &str) -> bool {
        has_file(&self.work.join(job))
    }
}

fn has_file(folder: &Path) -> bool {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path| path.is_file() || has_file(&path))
}

pub(crate) struct Cluster {
    port: u16,
    _scheduler: Node,
    pub(crate) executors: Vec<Executor>,
}

impl Cluster {
    /// Starts a scheduler and so many executors, which work in `folder`.
    pub(crate) fn start(folder: &Path, executors: usize) -> Self {
        let port = free_port();
        let shown = port.to_string();
        let loopback = ["--bind-host", "127.0.0.1", "--external-host", "127.0.0.1"];
        // That an executor is gone is noticed sooner than by default.
        let mut options = vec!["scheduler", "--bind-port", &shown];
        options.extend(loopback);
        options.extend(["--expire-dead-executor-interval-seconds", "1"]);
        options.extend(["--executor-timeout-seconds", "15"]);
        let scheduler = Node::start(&options);
        let start = |number: usize| {
            let work = folder.join(format!("executor-{number}"));
            std::fs::create_dir(&work).expect("made");
            let ports = [free_port(), free_port()].map(|port| port.to_string());
            let mut options = vec!["executor", "--scheduler-port", &shown];
            options.extend(loopback);
            options.extend(["--scheduler-host", "127.0.0.1", "--vcores", "1"]);
            options.extend(["--bind-port", &ports[0], "--bind-grpc-port", &ports[1]]);
            options.extend(["--scheduler-connect-timeout-seconds", "300"]);
            options.extend(["--executor-heartbeat-interval-seconds", "1"]);
            options.extend(["--work-dir", work.to_str().expect("a text")]);
            Executor {
                node: Node::start(&options),
                work,
            }
        };
        let executors = (0..executors).map(start).collect();
        let cluster = Self {
            port,
            _scheduler: scheduler,
            executors,
        };
        let count = cluster.executors.len();
        cluster.wait("all executors are registered", || {
            let known = cluster.get("/api/executors")?;
            (known.as_array()?.len() == count).then_some(())
        });
        cluster
    }

    /// As `--engine` takes it.
    pub(crate) fn engine(&self) -> String {
        format!("ballista://127.0.0.1:{}", self.port)
    }

    /// Asks until there is an answer.
    pub(crate) fn wait<T>(&self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = condition() {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "in vain: {what}");
            std::thread::yield_now();
        }
    }

    /// The scheduler's JSON; `None` while it has none.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        // Of version 1.0, so that the answer comes in one piece.
        let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// The job that runs, if so many of its tasks do.
    pub(crate) fn running_job(&self, tasks: usize) -> Option<String> {
        let jobs = self.get("/api/jobs")?;
        let running = |job: &&Value| job["status"] == "Running";
        let job = jobs.as_array()?.iter().find(running)?;
        let id = job["job_id"].as_str()?;
        let stages = self.get(&format!("/api/job/{id}/stages"))?;
        let stages = stages["stages"].as_array()?;
        let all = stages.iter().filter_map(|stage| stage["tasks"].as_array());
        let running = all.flatten().filter(|task| task["status"] == "Running");
        (running.count() == tasks).then(|| id.to_owned())
    }
}

/// A port where nobody listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
