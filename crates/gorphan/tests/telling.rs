//! What a sweep tells, to whom, once, and what people do about it.

#[allow(dead_code)] // not everything of it is needed here
#[path = "support/run.rs"]
mod run;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use run::{check_failure, folder, gorphan, text};
use serde_json::Value;
use tempfile::TempDir;

/// A service that leaks, and a receiver of webhooks beside it.
struct Place {
    address: String,
    /// Goroutines at the site.
    count: Arc<Mutex<u64>>,
    /// What arrived at `/hook`, before it is answered.
    hooks: Receiver<(Value, Sender<()>)>,
    /// Webhooks are not answered.
    held: Arc<AtomicBool>,
}

impl Place {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let count = Arc::new(Mutex::new(100));
        let (send, hooks) = channel();
        let held = Arc::new(AtomicBool::new(false));
        let shared = (Arc::clone(&count), Arc::clone(&held));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let ((count, held), send) = (shared.clone(), send.clone());
                std::thread::spawn(move || serve(stream, &count, &held, &send));
            }
        });
        Self {
            address,
            count,
            hooks,
            held,
        }
    }

    fn set(&self, count: u64) {
        *self.count.lock().expect("whole") = count;
    }

    /// The events of what has arrived; a sweep that has ended has sent all it will.
    fn told(&self) -> Vec<String> {
        let all = self.hooks.try_iter().map(|(body, answer)| {
            drop(answer);
            body
        });
        let event = |body: Value| body["events"][0]["event"].as_str().map(str::to_owned);
        all.filter_map(event).collect()
    }
}

fn serve(
    mut stream: TcpStream,
    count: &Mutex<u64>,
    held: &AtomicBool,
    hooks: &Sender<(Value, Sender<()>)>,
) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let (head, body) = loop {
        let read = stream.read(&mut piece).unwrap_or(0);
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&piece[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = text(&bytes[..end]).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |it| it.trim().parse().expect("a number"));
        if bytes.len() >= end + 4 + length {
            break (head, bytes[end + 4..].to_vec());
        }
    };
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, answer) = match path {
        "/debug/pprof/goroutine" => {
            let count = *count.lock().expect("whole");
            let profile = format!(
                "goroutine profile: total {}\n{count} @ 0x1 0x2\n#\t0x1\truntime.chansend1+0x1\t/go/src/runtime/chan.go:1\n#\t0x2\t\
                 example.com/shop/bus.send+0x1\texample.com/shop/bus/bus.go:3\n\n1 @ 0x3\n#\t0x3\tmain.main+0x1\t/src/main.go:9\n\n",
                count + 1
            );
            (
                "200 OK",
                if count == 0 {
                    profile.replacen("0 @ 0x1 0x2", "1 @ 0x4", 1)
                } else {
                    profile
                },
            )
        }
        "/hook" => {
            let (done, wait) = channel();
            let body = serde_json::from_slice(&body).expect("JSON");
            hooks.send((body, done)).expect("the test is there");
            if held.load(Ordering::SeqCst) {
                // Until the test lets go.
                let _ = wait.recv();
                return;
            }
            ("200 OK", String::new())
        }
        _ => ("404 Not Found", String::new()),
    };
    let length = answer.len();
    // Whoever asked may be gone.
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
    );
}

fn configured(place: &Place, further: &str) -> TempDir {
    let folder = folder();
    let address = &place.address;
    let yaml = format!(
        "detection: {{threshold: 2}}\nalerting: {{clean_sweeps: 1, webhooks: [{{url: 'http://{address}/hook'}}]}}\n{further}\n\
         scrape_configs:\n  - job_name: shops\n    static_configs:\n      - targets: ['{address}']\n        labels: {{service: \
         shop, owner: by-label}}\n"
    );
    fs::write(folder.path().join("gorphan.yaml"), yaml).expect("written");
    folder
}

fn sweep(folder: &TempDir, minute: u32, further: &[&str]) -> Output {
    let at = format!("2026-01-01T00:{minute:02}:00Z");
    let mut command = gorphan(folder);
    command.args(["sweep", "--format", "json", "--at", &at]);
    let output = command.args(further).output().expect("it runs");
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        text(&output.stderr)
    );
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn said(folder: &TempDir, arguments: &[&str]) -> String {
    let output = gorphan(folder).args(arguments).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_finding_is_told_acknowledged_silenced_and_resolved() {
    let place = Place::start();
    let folder = configured(&place, "owners: {default: everybody}\nsource: {root: src}");
    let source = folder.path().join("src");
    fs::create_dir_all(source.join("bus")).expect("made");
    fs::write(source.join("go.mod"), "module example.com/shop\n").expect("written");
    fs::write(
        source.join("bus/bus.go"),
        "package bus\n\nfunc send(c chan int) { c <- 1 }\n",
    )
    .expect("written");
    fs::write(
        source.join("CODEOWNERS"),
        "* @acme/all\n/bus/ @acme/bus\nbad line\n",
    )
    .expect("written");

    let dry = sweep(&folder, 0, &["--dry-run"]);
    let would = text(&dry.stderr);
    assert!(
        would.contains("to webhook-") && would.contains("\"event\": \"new\""),
        "{would}"
    );
    assert_eq!(place.told(), [""; 0]);

    let report = json(&sweep(&folder, 1, &[]));
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["status"], &finding["owner"]),
        (&"new".into(), &"@acme/bus".into())
    );
    let problems = report["problems"].to_string();
    assert!(problems.contains("CODEOWNERS:3"), "{problems}");
    assert_eq!(place.told(), ["new"]);
    place.set(300);
    assert_eq!(
        json(&sweep(&folder, 2, &[]))["findings"][0]["status"],
        "ongoing"
    );
    assert_eq!(place.told(), ["grown"]);

    let print = finding["fingerprint"].as_str().expect("a fingerprint");
    let list = said(&folder, &["findings", "--owner", "@acme/bus"]);
    assert!(
        list.contains(print) && list.contains("chan send at example.com/shop/bus.send (bus.go:3)"),
        "{list}"
    );
    assert_eq!(
        said(&folder, &["findings", "--service", "cart"]),
        "no findings\n"
    );

    let acknowledged = said(
        &folder,
        &["ack", &print[..6], "--by", "jane", "--note", "on it"],
    );
    assert!(
        acknowledged.contains(&format!("{print} is acknowledged")),
        "{acknowledged}"
    );
    assert_eq!(place.told(), ["acknowledged"]);
    place.set(900);
    assert_eq!(
        json(&sweep(&folder, 3, &[]))["findings"][0]["status"],
        "acknowledged"
    );
    assert_eq!(place.told(), [""; 0]);
    said(&folder, &["ack", print, "--undo", "--by", "jane"]);

    let silent = [
        "silence",
        "--service",
        "shop",
        "--for",
        "30d",
        "--reason",
        "known",
        "--by",
        "jane",
    ];
    assert!(said(&folder, &silent).starts_with("silence 1 holds until "));
    // The sweeps of this test are of a time before the silence, so that it holds in them all.
    let listed = said(&folder, &["silence"]);
    assert!(
        listed.contains("service shop") && listed.contains("known"),
        "{listed}"
    );
    assert_eq!(
        json(&sweep(&folder, 4, &[]))["findings"][0]["status"],
        "silenced"
    );
    assert_eq!(place.told(), [""; 0]);
    said(&folder, &["silence", "--end", "1", "--by", "jim"]);

    place.set(0);
    sweep(&folder, 5, &[]);
    assert_eq!(place.told(), ["resolved"]);
    assert_eq!(said(&folder, &["findings"]), "no findings\n");
    let one = said(&folder, &["findings", print]);
    for told in [
        "resolved",
        "acknowledged by jane",
        "grown to webhook-",
        "silenced by jane",
        "on it",
    ] {
        assert!(one.contains(told), "{told:?} is not in {one}");
    }
    let all = said(&folder, &["findings", "--all", "--format", "json"]);
    let all: Value = serde_json::from_str(&all).expect("JSON");
    assert_eq!(all["findings"][0]["status"], "resolved");
    place.set(5);
    assert_eq!(
        sweep(&folder, 6, &["--fail-on", "suspect"]).status.code(),
        Some(1),
        "what is back fails anew"
    );
    assert_eq!(place.told(), ["reopened"]);
    check_failure(
        gorphan(&folder).args(["findings", "ffff"]),
        &["there is no finding \"ffff\"", "findings --all"],
    );
    check_failure(
        gorphan(&folder).args(["silence", print, "--by", "jane", "--for", "1h"]),
        &["there is no reason", "--reason"],
    );
}

#[test]
fn without_a_sweep_there_is_no_ledger_and_none_is_made() {
    let place = Place::start();
    let folder = configured(&place, "");
    check_failure(
        gorphan(&folder).arg("findings"),
        &["there is none yet", "gorphan sweep makes it"],
    );
    assert!(!folder.path().join("history").exists());
    fs::create_dir(folder.path().join("history")).expect("made");
    fs::write(
        folder.path().join("history/ledger.sqlite"),
        "nonsense".repeat(100),
    )
    .expect("written");
    for command in ["findings", "sweep"] {
        check_failure(
            gorphan(&folder).arg(command),
            &["no SQLite database", "ledger.sqlite"],
        );
    }
}

/// Killed after the message has left and before that is noted: the worst moment there is.
#[test]
fn a_sweep_that_is_killed_while_it_tells_tells_nothing_twice() {
    let place = Place::start();
    let folder = configured(&place, "");
    place.held.store(true, Ordering::SeqCst);
    let mut killed = Command::new(env!("CARGO_BIN_EXE_gorphan"))
        .args(["sweep", "--at", "2026-01-01T00:00:00Z"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let (body, answer) = place.hooks.recv().expect("a message");
    assert_eq!(body["events"][0]["event"], "new");
    killed.kill().expect("killed");
    killed.wait().expect("ended");
    place.held.store(false, Ordering::SeqCst);
    drop(answer);

    place.set(1000);
    let after = sweep(&folder, 10, &[]);
    let report = json(&after);
    let problems = report["problems"].to_string();
    assert!(
        problems.contains("it may have arrived and is not sent again"),
        "{problems}"
    );
    assert_eq!(
        report["findings"][0]["status"], "ongoing",
        "the sweep that was killed counts"
    );
    assert_eq!(
        place.told(),
        ["grown"],
        "what came after is told, and nothing twice"
    );
    let print = report["findings"][0]["fingerprint"]
        .as_str()
        .expect("a fingerprint");
    let one = said(&folder, &["findings", print]);
    assert!(
        one.contains("unsure  gorphan ended while it was being sent"),
        "{one}"
    );
}
