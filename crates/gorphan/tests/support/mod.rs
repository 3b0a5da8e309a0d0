//! The fixtures, built with a Go toolchain, and a fixture that runs.

mod toolchain;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;

pub(crate) use toolchain::{go, root};

/// The folder of the built fixtures; they are built once in a run.
pub(crate) fn fixtures() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures");
        fs::create_dir_all(&out).expect("a folder for the fixtures");
        let built = Command::new(go())
            .args(["build", "-trimpath", "-o"])
            .arg(&out)
            .arg("./...")
            .current_dir(root().join("fixtures/go"))
            .envs([
                ("GOTOOLCHAIN", "local"),
                ("GOFLAGS", ""),
                ("CGO_ENABLED", "0"),
            ])
            .output()
            .expect("go runs");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "the fixtures do not build: {said}");
        out
    })
}

/// A fixture that has become ready.
pub(crate) struct Fixture {
    child: Child,
    /// Open as long as the program is to run; `Child::wait` would close it if it were left in there.
    _stdin: Option<ChildStdin>,
    stderr: Option<JoinHandle<String>>,
    /// As `http://127.0.0.1:41234`.
    pub(crate) url: String,
}

impl Fixture {
    /// Starts `name` as `leak` or `fixed` and waits for the line that says it is ready.
    pub(crate) fn start(name: &str, mode: &str) -> Self {
        let mut child = Command::new(fixtures().join(name))
            .arg(mode)
            // More goroutines print than GOTRACEBACK's default for SIGQUIT would hide; be as a user without settings.
            .env_remove("GOTRACEBACK")
            .env_remove("GODEBUG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a fixture starts");
        let mut errors = child.stderr.take().expect("piped");
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            // What was read so far is what there is.
            let _ = errors.read_to_string(&mut text);
            text
        });
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let Some(url) = line.trim().strip_prefix("ready ") else {
            let _ = child.kill();
            panic!("{name} {mode} did not become ready: {:?}", stderr.join());
        };
        Self {
            url: url.to_owned(),
            _stdin: child.stdin.take(),
            child,
            stderr: Some(stderr),
        }
    }

    /// The number of its process.
    #[allow(dead_code)] // not every test of fixtures looks at the process
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The body of an answer.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the fixture listens");
        // HTTP/1.0: no chunks, and the server closes.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.expect("headers") + 4);
        assert!(
            answer.starts_with(b"HTTP/1.0 200"),
            "{path}: {}",
            String::from_utf8_lossy(&answer)
        );
        body
    }

    /// Ends it with SIGQUIT and gives what it wrote to standard error.
    pub(crate) fn quit(mut self) -> String {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-QUIT", &pid]).status();
        assert!(sent.expect("kill runs").success());
        let status = self.child.wait().expect("it ends");
        assert_eq!(
            status.code(),
            Some(2),
            "a Go program ends with 2 on SIGQUIT"
        );
        let stderr = self.stderr.take().expect("not taken before");
        stderr.join().expect("read to the end")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
