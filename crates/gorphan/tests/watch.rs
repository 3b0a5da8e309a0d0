//! `gorphan watch` as a whole program: sweeps on its interval, what its pages know, how it ends, and how it goes on.

#![cfg(unix)]

#[allow(dead_code)] // not everything of it is needed here
#[path = "support/run.rs"]
mod run;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use run::{captured, folder, gorphan, text};
use serde_json::Value;
use tempfile::TempDir;

/// Time for what must come; a machine may be busy.
const DEADLINE: Duration = Duration::from_secs(120);
/// Time for the program to end: its last words to readers and a margin, far less than a target may take.
const PROMPTLY: Duration = Duration::from_secs(20);

/// A service with two hundred goroutines that wait to send.
struct Service {
    address: String,
    /// Told of each request before it is answered.
    asked: Receiver<()>,
    /// Requests are not answered.
    hangs: Arc<AtomicBool>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (tell, asked) = channel();
        let hangs = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&hangs);
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                // The test may be over.
                let _ = tell.send(());
                if shared.load(Ordering::SeqCst) {
                    held.push(stream);
                } else {
                    serve(stream);
                }
            }
        });
        Self {
            address,
            asked,
            hangs,
        }
    }
}

fn serve(mut stream: TcpStream) {
    let mut first = String::new();
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if first.is_empty() {
            first.clone_from(&line);
        }
        line.clear();
    }
    let (status, body) = match first.split(' ').nth(1) {
        Some("/debug/pprof/goroutine") => (
            "200 OK",
            "goroutine profile: total 201\n200 @ 0x1 0x2\n#\t0x1\truntime.chansend1+0x1\t/go/src/runtime/chan.go:1\n\
             #\t0x2\texample.com/shop/bus.send+0x1\texample.com/shop/bus/bus.go:3\n\n1 @ 0x3\n\
             #\t0x3\tmain.main+0x1\t/src/main.go:9\n\n",
        ),
        _ => ("404 Not Found", ""),
    };
    let length = body.len();
    // Whoever asked may be gone.
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
}

/// The program while it runs.
struct Watch {
    child: Child,
    /// Lines of standard error.
    lines: Receiver<String>,
    seen: Vec<String>,
    address: String,
}

impl Watch {
    fn start(folder: &TempDir, yaml: &str) -> Self {
        fs::write(folder.path().join("gorphan.yaml"), yaml).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_gorphan"))
            .args(["watch", "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (tell, lines) = channel();
        let stderr = child.stderr.take().expect("piped");
        std::thread::spawn(move || read_lines(BufReader::new(stderr), &tell));
        let mut greeting = String::new();
        let stdout = child.stdout.take().expect("piped");
        let read = BufReader::new(stdout).read_line(&mut greeting);
        read.expect("a line");
        let address = greeting.trim().split("http://").nth(1);
        let Some(address) = address.map(|it| it.trim_end_matches('/').to_owned()) else {
            panic!("{greeting:?}: {:?}", lines.iter().collect::<Vec<_>>());
        };
        Self {
            child,
            lines,
            seen: Vec::new(),
            address,
        }
    }

    /// Waits for a line of standard error that has the words.
    fn said(&mut self, words: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|why| panic!("{words:?} ({why}): {:?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    fn get(&self, path: &str) -> Vec<u8> {
        self.ask("GET", path, b"")
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        // HTTP/1.0: no chunks, and the server closes.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("a request");
        stream.write_all(body).expect("its body");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.expect("headers") + 4);
        assert!(
            answer.starts_with(b"HTTP/1.0 200"),
            "{path}: {} {}",
            text(&answer),
            text(&body)
        );
        body
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path)).expect("JSON")
    }

    /// Asks until the answer is as it is to be.
    fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let answer = self.json(path);
            if holds(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "{path}: {answer}");
            std::thread::yield_now();
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// How it ends, and how long that takes.
    fn end(mut self, signal: &str) -> (ExitStatus, Duration) {
        let begin = Instant::now();
        self.signal(signal);
        (self.child.wait().expect("it ends"), begin.elapsed())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(reader: impl BufRead, tell: &Sender<String>) {
    for line in reader.lines().map_while(Result::ok) {
        if tell.send(line).is_err() {
            break;
        }
    }
}

fn yaml(address: &str, interval: &str, further: &str) -> String {
    format!(
        "global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}
detection: {{threshold: 10}}
sweep: {{spread: 1ms}}
{further}
scrape_configs:
  - job_name: shops
    static_configs:
      - targets: ['{address}']
        labels: {{service: shop, version: 1.10, owner: team-a}}
"
    )
}

fn ids(captures: &Value) -> Vec<&str> {
    let all = captures["captures"].as_array().expect("a list");
    all.iter().filter_map(|one| one["id"].as_str()).collect()
}

#[test]
fn what_was_known_is_shown_after_a_kill_and_a_hanging_target_holds_up_no_exit() {
    let (service, folder) = (Service::start(), folder());
    let mut watch = Watch::start(&folder, &yaml(&service.address, "1s", ""));
    watch.said("swept 1 targets");
    watch.said("swept 1 targets");
    let findings = watch.json("/api/v1/findings");
    let finding = findings["findings"][0].clone();
    assert_eq!(
        (&finding["service"], &finding["owner"]),
        (&"shop".into(), &"team-a".into())
    );
    assert_eq!(finding["goroutines"], 200);
    let metrics = text(&watch.get("/metrics"));
    assert!(
        metrics.contains("gorphan_findings{service=\"shop\",verdict=\"suspect\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("gorphan_history_waiting_sweeps 0"),
        "{metrics}"
    );
    let sites = watch.json("/api/v1/services/shop/sites");
    let captures = watch.json("/api/v1/captures");
    let id = ids(&captures)[0].to_owned();
    let profile = watch.get(&format!("/api/v1/captures/{id}"));
    let (status, _) = watch.end("-KILL");
    assert_eq!(status.code(), None, "it was killed: {status}");

    service.hangs.store(true, Ordering::SeqCst);
    service.asked.try_iter().for_each(drop);
    let watch = Watch::start(&folder, &yaml(&service.address, "10m", ""));
    // It is in the middle of its first sweep, which will not end.
    service
        .asked
        .recv_timeout(DEADLINE)
        .expect("the target is asked");
    let again = watch.json("/api/v1/findings");
    let mut expected = finding.clone();
    // Nothing new is known of it but that it is not new any more.
    expected["status"] = again["findings"][0]["status"].clone();
    assert_eq!(again["findings"][0], expected);
    assert_eq!(watch.json("/api/v1/services/shop/sites"), sites);
    assert_eq!(watch.json("/api/v1/captures"), captures);
    let sweeps = watch.json("/api/v1/sweeps");
    assert!(
        sweeps["sweeps"]
            .as_array()
            .is_some_and(|all| all.len() >= 2),
        "{sweeps}"
    );
    let print = finding["fingerprint"].as_str().expect("a fingerprint");
    let series = watch.json(&format!("/api/v1/findings/{print}/series"));
    assert!(
        series["lines"][0]["points"]
            .as_array()
            .is_some_and(|all| all.len() >= 2),
        "{series}"
    );
    assert_eq!(
        watch.get(&format!("/api/v1/captures/{id}")),
        profile,
        "read from the history"
    );
    for (path, words) in [
        ("/", "bus.send"),
        (&format!("/captures/{id}"), "all goroutines"),
        (
            &format!("/compare?before={id}&after={id}"),
            "before and after",
        ),
        ("/state", "last sweep"),
        ("/readyz", "ready"),
    ] {
        let page = text(&watch.get(path));
        assert!(page.contains(words), "{path}: {page}");
    }
    let metrics = text(&watch.get("/metrics"));
    assert!(
        metrics.contains("gorphan_sweeps_total 0"),
        "what is remembered is no sweep: {metrics}"
    );
    let (status, took) = watch.end("-TERM");
    assert_eq!(status.code(), Some(0));
    assert!(took < PROMPTLY, "{took:?}");
}

#[test]
fn sweeps_wait_for_a_history_that_is_away_and_those_that_are_too_many_are_told() {
    let (service, folder) = (Service::start(), folder());
    // A sweep takes some twenty kilobytes.
    let further = "history: {buffer_bytes: 60000, ledger: ledger.sqlite}";
    let mut watch = Watch::start(&folder, &yaml(&service.address, "1s", further));
    watch.said("swept 1 targets");
    let (history, away) = (folder.path().join("history"), folder.path().join("away"));
    fs::rename(&history, &away).expect("moved away");
    fs::write(&history, "").expect("something in its place");
    watch.said("sweeps that wait in memory until it can be written again: 1");
    let waiting = watch.until("/api/v1/sweeps", |it| it["history"]["waiting"] != 0);
    assert!(waiting["history"]["since"].is_string(), "{waiting}");
    let page = text(&watch.get("/sweeps"));
    assert!(page.contains("The history cannot be written"), "{page}");
    assert!(text(&watch.get("/state")).contains("for the history"));
    watch.said("are lost to the history");
    watch.until("/api/v1/sweeps", |it| it["history"]["lost"] != 0);
    let metrics = text(&watch.get("/metrics"));
    for zero in [
        "gorphan_history_waiting_sweeps 0",
        "gorphan_history_lost_sweeps_total 0",
    ] {
        assert!(!metrics.contains(&format!("{zero}\n")), "{zero}: {metrics}");
    }
    fs::remove_file(&history).expect("removed");
    fs::rename(&away, &history).expect("moved back");
    let back = watch.until("/api/v1/sweeps", |it| it["history"]["waiting"] == 0);
    let swept = back["sweeps"].as_array().expect("a list").len() as u64;
    let lost = back["history"]["lost"].as_u64().expect("a number");
    let (status, took) = watch.end("-TERM");
    assert_eq!(status.code(), Some(0));
    assert!(took < PROMPTLY, "{took:?}");
    let mut query = gorphan(&folder);
    query.args([
        "query",
        "--format",
        "csv",
        "SELECT count(DISTINCT at) FROM sweeps",
    ]);
    let output = query.output().expect("it runs");
    let stored = text(&output.stdout);
    let stored: u64 = stored
        .lines()
        .nth(1)
        .and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("{output:?}"));
    // One more may have come meanwhile.
    assert!(
        (swept - lost..=swept - lost + 1).contains(&stored),
        "{stored} of {swept}, {lost} lost"
    );
}

#[test]
fn profiles_that_are_pushed_become_a_finding() {
    let (service, folder) = (Service::start(), folder());
    let watch = Watch::start(&folder, &yaml(&service.address, "1s", ""));
    let profile = captured("patterns", "conditional-premature-return.pb.gz");
    let profile = fs::read(profile).expect("a capture");
    let begin = Instant::now();
    let found = loop {
        // As clients do, again and again.
        for instance in ["a", "b"] {
            let path =
                format!("/ingest?name=cart%7Binstance={instance},version=2.1%7D&format=pprof");
            watch.ask("POST", &path, &profile);
        }
        let findings = watch.json("/api/v1/findings?service=cart");
        if let Some(finding) = findings["findings"].get(0) {
            break finding.clone();
        }
        assert!(begin.elapsed() < DEADLINE, "{findings}");
    };
    assert_eq!(found["verdict"], "suspect");
    assert_eq!(found["operation"], "chan send");
    let (status, _) = watch.end("-INT");
    assert_eq!(status.code(), Some(0));
}
