//! Fixtures that run, and their memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gorphan_goruntime::{
    Address, Bias, Depth, Details, Image, Limits, Memory, Moment, Runtime, Unreadable,
};
use gorphan_model::Snapshot;
use gorphan_model::symbol::canonical;

/// The `go` command: `$PROJECT_GO`, else the one on the path. There is no test without.
pub(crate) fn go() -> PathBuf {
    let go = std::env::var_os("PROJECT_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let version = Command::new(&go).arg("version").output();
    assert!(
        version.is_ok_and(|output| output.status.success()),
        "these tests run Go programs: install Go (https://go.dev/dl) so that `go` is on the path, or set PROJECT_GO"
    );
    go
}

/// Builds a fixture with further arguments of `go build`.
pub(crate) fn build(name: &str, mode: &str, arguments: &[&str]) -> PathBuf {
    build_in("../../fixtures/go", name, mode, arguments)
}

/// Builds a program of a module.
pub(crate) fn build_in(module: &str, name: &str, mode: &str, arguments: &[&str]) -> PathBuf {
    let cgo = arguments.contains(&"-race") || mode.starts_with("cgo");
    // Tests within the crate are told of no folder of their own.
    let folder = option_env!("CARGO_TARGET_TMPDIR");
    let folder = folder.unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tmp"));
    let out = Path::new(folder).join(mode).join(name);
    let built = Command::new(go())
        .args(["build", "-trimpath", "-o"])
        .arg(&out)
        .args(arguments)
        .arg(format!("./{name}"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(module))
        .envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", "")])
        .env("CGO_ENABLED", if cgo { "1" } else { "0" })
        .output()
        .expect("go runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{name} {mode}: {said}");
    out
}

/// A program that has become ready.
pub(crate) struct Target {
    child: Child,
    path: PathBuf,
    /// What followed `ready`.
    pub(crate) said: String,
}

impl Target {
    pub(crate) fn start(path: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .env_remove("GOTRACEBACK")
            .env_remove("GODEBUG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a fixture starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let said = line.trim().strip_prefix("ready").expect("ready").trim();
        Self {
            child,
            path: path.to_owned(),
            said: said.to_owned(),
        }
    }

    /// The body of an answer; HTTP/1.0, so that there are no chunks and the server closes.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let address = self.said.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the fixture listens");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        answer.split_off(end.expect("headers") + 4)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn runtime(&self) -> Runtime {
        let bytes = fs::read(&self.path).expect("the executable");
        Runtime::of(Image::parse(bytes).expect("a Go program")).expect("a supported one")
    }

    pub(crate) fn memory(&self) -> ProcessMemory {
        let path = format!("/proc/{}/mem", self.child.id());
        ProcessMemory(File::open(path).expect("the memory of a child"))
    }

    pub(crate) fn bias(&self, runtime: &Runtime) -> Bias {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.child.id())).expect("maps");
        let path = fs::canonicalize(&self.path).expect("a path");
        let line = maps
            .lines()
            .find(|line| line.ends_with(path.to_str().expect("UTF-8")));
        let (start, _) = line.expect("mapped").split_once('-').expect("a range");
        let start = u64::from_str_radix(start, 16).expect("a number");
        let page = runtime.image().lowest_address().0 & !0xfff;
        Bias(start - page)
    }

    /// The threads that goroutines run on or are locked to.
    pub(crate) fn threads_of_goroutines(&self, runtime: &Runtime) -> Vec<u64> {
        let (_, details) = self.read(runtime);
        details
            .goroutines
            .iter()
            .filter_map(|one| one.tid)
            .collect()
    }

    pub(crate) fn has_thread(&self, tid: u64) -> bool {
        Path::new(&format!("/proc/{}/task/{tid}", self.child.id())).exists()
    }

    /// What its memory says; it waits, so it is not stopped for this.
    pub(crate) fn snapshot(&self, runtime: &Runtime) -> Snapshot {
        self.read(runtime).0
    }

    fn read(&self, runtime: &Runtime) -> (Snapshot, Details) {
        let moment = Moment {
            threads: &[],
            now_nanos: 0,
            depth: Depth::Goroutines,
            limits: Limits::default(),
            may_go_on: &|| true,
        };
        let frozen = runtime
            .copy(self.bias(runtime), &self.memory(), &moment)
            .expect("a copy");
        let (snapshot, details) = runtime.snapshot(&frozen).expect("a snapshot");
        assert_eq!(details.goroutines.len() as u64, snapshot.goroutines());
        (snapshot, details)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The memory of a child.
pub(crate) struct ProcessMemory(File);

impl Memory for ProcessMemory {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let length = buffer.len() as u64;
        let read = self.0.read_exact_at(buffer, address.0);
        read.map_err(|_| Unreadable { address, length })
    }
}

/// One dump.
pub(crate) fn dump(text: &[u8]) -> Snapshot {
    let read = gorphan_decode::read(text, &gorphan_decode::Options::default());
    read.expect("a dump").pop().expect("one snapshot")
}

/// All that is compared of a goroutine, as lines: what differs can be seen at once.
#[derive(Debug)]
pub(crate) struct Seen {
    /// State, frames, creator.
    pub(crate) lines: Vec<String>,
    /// The line before which a dump leaves frames out.
    elided: Option<usize>,
}

impl Seen {
    /// Whether the whole stack `own` is what this dump shows a part of.
    pub(crate) fn agrees(&self, own: &Self) -> bool {
        // Up to Go 1.20 a dump ends after 100 frames, hidden ones counted, and then does not say so.
        let silently = self.lines.len().checked_sub(1).filter(|at| *at > 90);
        let Some(elided) = self.elided.or(silently) else {
            return self.lines == own.lines;
        };
        let (head, tail) = self.lines.split_at(elided);
        own.lines.starts_with(head) && own.lines.ends_with(tail)
    }
}

/// The goroutines by number.
pub(crate) fn by_id(snapshot: &Snapshot) -> BTreeMap<u64, Seen> {
    let mut all = BTreeMap::new();
    for sample in &snapshot.samples {
        let state = sample.state.as_ref().expect("both know it");
        let frame = |frame: &gorphan_model::Frame| {
            let (function, file) = (canonical(&frame.function), &frame.file);
            format!("{function} {file}:{}", frame.line)
        };
        let stack = &sample.stack;
        for identity in &sample.identities.known {
            let mut lines = vec![format!("{state} durable={}", sample.durable)];
            lines.extend(stack.frames.iter().map(frame));
            if let Some(creator) = &stack.created_by {
                let parent = identity.parent.map_or(0, |parent| parent.0);
                lines.push(format!("created by {} in {parent}", frame(creator)));
            }
            let elided = stack.elided.map(|elided| elided.at + 1);
            all.insert(identity.id.0, Seen { lines, elided });
        }
    }
    all
}
