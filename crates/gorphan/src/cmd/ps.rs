//! `gorphan ps`: the Go processes of this machine.

use std::collections::BTreeMap;
use std::fmt::Write;

use gorphan_capture::process::{GoProcess, Processes, processes};
use serde::Serialize;

use super::Outcome;
use crate::args::Ps;
use crate::args::options::PsFormat;
use crate::error::{Failure, Result};
use crate::output;

/// Runs the command.
pub(crate) fn run(args: &Ps) -> Result<Outcome> {
    let found = processes().map_err(gorphan_capture::Error::from)?;
    let text = match args.format {
        PsFormat::Terminal => table(&found),
        PsFormat::Json => json(&found)?,
    };
    output::print(&text)?;
    Ok(Outcome::Clean)
}

/// A row a process, and below it what could not be read and why.
fn table(found: &Processes) -> String {
    let head = ["PID", "USER", "GO", "GOROUTINES", "EXECUTABLE", "MODULE"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(found.found.iter().map(row));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for [pid, user, go, goroutines, executable, module] in &rows {
        let [p, u, g, n, e, _] = widths;
        let line =
            format!("{pid:>p$}  {user:u$}  {go:g$}  {goroutines:>n$}  {executable:e$}  {module}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let mut obstacles: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for process in &found.found {
        if let Some(why) = &process.obstacle {
            let pids = obstacles.entry(why).or_default();
            pids.push(process.pid.to_string());
        }
    }
    if !obstacles.is_empty() {
        text.push('\n');
    }
    for (why, pids) in obstacles {
        // Writing to a string does not fail.
        let _ = writeln!(text, "not readable: {}: {}", pids.join(", "), clean(why));
    }
    if found.hidden > 0 {
        let _ = writeln!(
            text,
            "\nprocesses that gorphan may not look at, of Go or not: {} (sudo gorphan ps sees more)",
            found.hidden
        );
    }
    text
}

fn row(process: &GoProcess) -> [String; 6] {
    let user = process.user.as_deref().map(clean);
    let goroutines = process.goroutines.map(|count| count.to_string());
    [
        process.pid.to_string(),
        user.unwrap_or_else(|| process.uid.to_string()),
        clean(process.go_version.as_deref().unwrap_or("before go1.18")),
        goroutines.unwrap_or_else(|| "-".into()),
        clean(&process.executable.to_string_lossy()),
        clean(process.module.as_deref().unwrap_or("-")),
    ]
}

/// Names are the processes' own; none of them may move the cursor.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            cleaned.extend(c.escape_default());
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

/// The list as JSON, version 1.
#[derive(Serialize)]
struct List<'a> {
    version: u32,
    tool: Tool,
    processes: Vec<Row<'a>>,
    /// Processes that may be of Go or not, because gorphan may not look at them.
    hidden: u64,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Row<'a> {
    pid: u32,
    name: &'a str,
    user: Option<&'a str>,
    uid: u32,
    executable: String,
    go_version: Option<&'a str>,
    module: Option<&'a str>,
    container: Option<&'a str>,
    goroutines: Option<u64>,
    readable: bool,
    /// Why not, if not.
    why: Option<&'a str>,
}

fn wire(process: &GoProcess) -> Row<'_> {
    Row {
        pid: process.pid,
        name: &process.name,
        user: process.user.as_deref(),
        uid: process.uid,
        executable: process.executable.to_string_lossy().into_owned(),
        go_version: process.go_version.as_deref(),
        module: process.module.as_deref(),
        container: process.container.as_deref(),
        goroutines: process.goroutines,
        readable: process.obstacle.is_none(),
        why: process.obstacle.as_deref(),
    }
}

fn json(found: &Processes) -> Result<String> {
    let list = List {
        version: 1,
        tool: Tool {
            name: gorphan_report::TOOL,
            version: env!("CARGO_PKG_VERSION"),
        },
        processes: found.found.iter().map(wire).collect(),
        hidden: found.hidden,
    };
    let mut text = serde_json::to_string_pretty(&list)
        .map_err(|error| Failure::new(format!("cannot write the list: {error}")))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Processes {
        let process = GoProcess {
            pid: 4711,
            name: "shop".into(),
            uid: 1000,
            user: Some("ann".into()),
            executable: "/srv/shop".into(),
            go_version: Some("go1.26.8".into()),
            module: Some("example.com/shop".into()),
            container: Some("0123456789ab".into()),
            goroutines: Some(1250),
            obstacle: None,
        };
        let closed = GoProcess {
            pid: 99,
            name: "x\u{1b}[2J".into(),
            uid: 7,
            user: None,
            executable: "/tmp/x\u{1b}[2J".into(),
            go_version: None,
            module: None,
            container: None,
            goroutines: None,
            obstacle: Some("it is being traced by process 98 already".into()),
        };
        Processes {
            found: vec![closed, process],
            hidden: 3,
        }
    }

    #[test]
    fn the_table_names_obstacles_and_keeps_escapes_off_the_terminal() {
        insta::assert_snapshot!(table(&found()));
    }

    #[test]
    fn the_list_in_json() {
        insta::assert_snapshot!(json(&found()).unwrap());
    }
}
