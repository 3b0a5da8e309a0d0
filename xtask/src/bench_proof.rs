//! `cargo xtask bench proof GO`: proving leaks side by side with what else tells of goroutines, on a service with very many.
//!
//! Rounds alternate between all of them. The best round of each is printed, as a Markdown table for BENCHMARKS.md: on a machine
//! that others use as well, the best is the nearest to what the work takes.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::{Outcome, SHIPPED, SHIPPED_FOLDER, WITHOUT_FLEET, output, run};

/// Rounds of each.
const ROUNDS: usize = 3;
/// (goroutines, one of how many is leaked, size of what each holds): a gigabyte in all, and a million.
const CROWDS: [(u32, u32, u32); 2] = [(100_000, 10, 5), (1_000_000, 10, 0)];
/// Seconds after which a debugger is given up.
const DEBUGGER_SECONDS: u32 = 120;
/// The debugger that is tried, as a module.
const DELVE: &str = "github.com/go-delve/delve/cmd/dlv@latest";

/// A program that runs, and is ended with this.
struct Crowd {
    child: Child,
    address: String,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is compared, with the seconds of its best round and what else is to be told.
#[derive(Default)]
struct Row {
    name: String,
    best: Option<f64>,
    told: String,
}

/// Runs all rounds; `go` is a Go command from 1.27 on, for its own detector of leaks.
pub(crate) fn run_all(root: &Path, go: &str) -> Outcome {
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for package in [
        &["--package", "gorphan", WITHOUT_FLEET][..],
        &["--package", "gorphan-goruntime", "--example", "time_read"],
    ] {
        let mut cargo = Command::new("cargo");
        cargo.args(SHIPPED).args(package);
        run(cargo.current_dir(root))?;
    }
    let crowd = folder.join("crowd");
    let mut build = Command::new(go);
    build
        .args(["build", "-trimpath", "-o"])
        .arg(&crowd)
        .arg(".");
    run(build.current_dir(root.join("xtask/bench/crowd")))?;
    let root_of_go = output(Command::new(go).args(["env", "GOROOT"]))?;
    let debuggers = Debuggers {
        // The words of gdb for goroutines come with Go.
        script: Path::new(root_of_go.trim()).join("src/runtime/runtime-gdb.py"),
        delve: delve(&folder, go),
    };
    for (goroutines, leaked, depth) in CROWDS {
        let numbers = [goroutines, leaked, depth].map(|number| number.to_string());
        let crowd = start(&crowd, &numbers)?;
        let pid = crowd.child.id().to_string();
        println!(
            "\n{goroutines} goroutines, {} resident, {}; load {}\n",
            memory(&pid, "VmRSS:"),
            output(Command::new(go).arg("version"))?.trim(),
            fs::read_to_string("/proc/loadavg")
                .unwrap_or_default()
                .trim()
        );
        compare(root, &crowd, &pid, &debuggers);
    }
    Ok(())
}

/// What the debuggers need.
struct Debuggers {
    script: PathBuf,
    delve: Option<PathBuf>,
}

/// Delve, if it builds.
fn delve(folder: &Path, go: &str) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let mut install = Command::new(go);
    install.args(["install", DELVE]).env("GOBIN", &folder);
    match run(&mut install) {
        Ok(()) => Some(folder.join("dlv")),
        Err(error) => {
            eprintln!("without delve: {error}");
            None
        }
    }
}

fn start(binary: &Path, numbers: &[String]) -> Result<Crowd, String> {
    let failed = |what: &str| format!("{} {numbers:?}: {what}", binary.display());
    let mut command = Command::new(binary);
    let command = command.args(numbers).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    let stdout = child.stdout.take().ok_or_else(|| failed("no output"))?;
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line);
    read.map_err(|error| failed(&error.to_string()))?;
    let address = line.split(' ').next().unwrap_or_default().to_owned();
    Ok(Crowd { child, address })
}

fn compare(root: &Path, crowd: &Crowd, pid: &str, debuggers: &Debuggers) {
    let release = root.join(SHIPPED_FOLDER);
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .to_string();
    let mut rows: Vec<Row> = Vec::new();
    for round in 0..ROUNDS {
        let mut results = vec![
            (
                "gorphan inspect PID",
                inspect(&release.join("gorphan"), pid),
            ),
            (
                "... of it proving",
                proving(&release.join("examples/time_read"), pid, &threads),
            ),
            (
                "goroutineleak profile",
                fetch(&crowd.address, "goroutineleak?debug=1"),
            ),
            ("debug=2 dump", fetch(&crowd.address, "goroutine?debug=2")),
        ];
        // Debuggers keep the program stopped for all their time, so one round says enough.
        if round == 0 {
            results.push(("gdb `info goroutines`", gdb(&debuggers.script, pid)));
            let delve = debuggers
                .delve
                .as_deref()
                .ok_or("it did not build".to_owned());
            results.push((
                "delve `goroutines`",
                delve.and_then(|delve| dlv(delve, pid)),
            ));
        }
        for (name, result) in results {
            let at = rows
                .iter()
                .position(|row| row.name == name)
                .unwrap_or(rows.len());
            if at == rows.len() {
                let name = name.to_owned();
                rows.push(Row {
                    name,
                    ..Row::default()
                });
            }
            rows[at].add(result);
        }
    }
    println!("| what | seconds | |\n|---|---|---|");
    for row in rows {
        let seconds = row
            .best
            .map_or("-".to_owned(), |seconds| format!("{seconds:.2}"));
        println!("| {} | {seconds} | {} |", row.name, row.told);
    }
}

/// Seconds, and what else is to be told.
type Timed = Result<(f64, String), String>;

impl Row {
    fn add(&mut self, result: Timed) {
        match result {
            Ok((seconds, told)) if self.best.is_none_or(|best| seconds < best) => {
                (self.best, self.told) = (Some(seconds), told);
            }
            Ok(_) => {}
            Err(error) if self.best.is_none() => self.told = error.replace('\n', " "),
            Err(_) => {}
        }
    }
}

/// Seconds of computing by the children of this process that have ended.
fn of_children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: f64 = fields
        .skip(13)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    // Hundredths of a second, as Linux counts them.
    ticks / 100.0
}

fn inspect(gorphan: &Path, pid: &str) -> Timed {
    let (start, before) = (Instant::now(), of_children());
    let mut command = Command::new(gorphan);
    command.args([
        "inspect",
        pid,
        "--format",
        "json",
        "--fail-on",
        "never",
        "--pause-budget",
        "1m",
    ]);
    let found = output(&mut command)?;
    let seconds = start.elapsed().as_secs_f64();
    let number = |key: &str| {
        let (_, rest) = found.split_once(&format!("\"{key}\":"))?;
        let end = rest.find([',', '}', '\n'])?;
        Some(rest[..end].trim().to_owned())
    };
    let mut told = format!("{:.2} s of processors", of_children() - before);
    if let Some(pause) = number("pause_seconds") {
        let _ = write!(told, ", the program stopped for {pause} s");
    }
    Ok((seconds, told))
}

/// Reads "... proven in N s, REST".
fn proving(time_read: &Path, pid: &str, threads: &str) -> Timed {
    let printed = output(Command::new(time_read).args([pid, threads]))?;
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("proven in "));
    let parts = line.and_then(|line| line.split_once(" s, "));
    let (seconds, told) = parts.ok_or_else(|| format!("{printed:?} says nothing of proofs"))?;
    let seconds = seconds
        .parse()
        .map_err(|error| format!("{seconds:?}: {error}"))?;
    Ok((seconds, told.to_owned()))
}

/// Gets one of the profiles that the program serves.
fn fetch(address: &str, profile: &str) -> Timed {
    let failed = |error: std::io::Error| format!("{address}: {error}");
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    let request = format!("GET /debug/pprof/{profile} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed)?;
    let seconds = start.elapsed().as_secs_f64();
    if !answer.starts_with(b"HTTP/1.0 200") {
        return Err(format!("{profile}: not served"));
    }
    Ok((seconds, format!("{:.1} MB", answer.len() as f64 / 1e6)))
}

fn gdb(script: &Path, pid: &str) -> Timed {
    let mut gdb = Command::new("timeout");
    gdb.args([
        &DEBUGGER_SECONDS.to_string(),
        "gdb",
        "-nx",
        "-batch",
        "-p",
        pid,
    ]);
    gdb.args(["-iex", "set auto-load no"]);
    gdb.arg("-ex").arg(format!("source {}", script.display()));
    debugger(gdb.args(["-ex", "info goroutines"]))
}

fn dlv(delve: &Path, pid: &str) -> Timed {
    let (script, answers) = (
        delve.with_extension("script"),
        delve.with_extension("answers"),
    );
    // It asks whether to end the program that it leaves.
    let written = fs::write(&script, "goroutines\n").and_then(|()| {
        fs::write(&answers, "exit\nn\n")?;
        fs::File::open(&answers)
    });
    let answers = written.map_err(|error| error.to_string())?;
    let mut dlv = Command::new("timeout");
    dlv.arg(DEBUGGER_SECONDS.to_string()).arg(delve);
    dlv.arg("--allow-non-terminal-interactive=true");
    dlv.args(["attach", pid, "--init"]).arg(&script);
    debugger(dlv.stdin(answers))
}

/// Runs a debugger to its end. It leaves the program running, for it detaches.
fn debugger(command: &mut Command) -> Timed {
    let start = Instant::now();
    let printed = output(command);
    let seconds = start.elapsed().as_secs_f64();
    let printed = printed.map_err(|error| {
        let last = error.lines().last().unwrap_or_default();
        format!("given up after {seconds:.0} s: {last}")
    })?;
    Ok((seconds, format!("{} lines", printed.lines().count())))
}

fn memory(pid: &str, what: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.unwrap_or_default().trim().to_owned()
}
