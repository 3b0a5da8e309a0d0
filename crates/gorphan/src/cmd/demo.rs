//! `gorphan demo`: a simulated fleet, some days of sweeps over it in seconds, and the pages on what was found.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gorphan_fleet::config::WebConfig;
use gorphan_fleet::config::web::DEFAULT_LISTEN;
use gorphan_fleet::demo::{Demo, Progress, source};
use gorphan_fleet::pass::{Fleet, Manner};
use gorphan_fleet::watch::watch;
use gorphan_fleet::web::view::Finding;
use gorphan_fleet::web::{App, Board, Outside, People};
use gorphan_model::verdict::Policy;
use tokio::runtime::Runtime;
use tokio::sync::watch::Receiver;

use super::Outcome;
use super::serving::{clock, guard, listen, runtime, serve, stopped, stopping};
use crate::args::Demo as Args;
use crate::error::{Failure, Result};
use crate::output;

/// Seconds from one sweep to the next once the days are over.
const INTERVAL_SECONDS: i64 = 30;
/// How long requests may take once it is time to stop.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::new(format!("cannot make a scratch folder: {error}")))?;
    let stopping = stopping()?;
    let web = WebConfig {
        listen: args.listen.unwrap_or(DEFAULT_LISTEN),
        ..WebConfig::default()
    };
    let (guard, _) = guard(&web)?;
    // Opened before anything that takes time, so that a port that is taken is told at once.
    let listener = match args.once {
        true => None,
        false => Some(listen(web.listen)?),
    };
    let runtime = runtime()?;
    let folder: PathBuf = scratch.path().to_owned();
    let demo = runtime.block_on(Demo::start(clock(), &folder));
    let demo = demo.map_err(Failure::new)?;
    let mut fleet = demo.open(&folder).map_err(Failure::new)?;
    let outside = Outside {
        source: Box::new(source),
        clock,
        guard,
        people: Some(People {
            ledger: Arc::clone(fleet.ledger()),
            alerting: demo.config.alerting.clone(),
        }),
        history: fleet.history().reader().ok(),
    };
    let app = App::new("a simulated fleet", INTERVAL_SECONDS, outside);
    let policy = Policy {
        own: vec!["main".to_owned()],
        ..Policy::default()
    };
    let manner = Manner {
        policy: &policy,
        source: &source,
        root: None,
        place: &|_| None,
        rehearsal: false,
    };
    let ended = days(&runtime, &demo, &mut fleet, &manner, &app, stopping.clone())?;
    if ended && let Some(listener) = listener {
        let url = serve(&runtime, listener, &app, None, stopping.clone())?;
        output::print(&format!(
            "Pages: {url}\nThe fleet is swept every {INTERVAL_SECONDS} seconds now; Ctrl-C ends it.\n"
        ))?;
        let stop = stopped(stopping);
        runtime.block_on(async {
            tokio::select! {
                () = watch(&demo.config, &mut fleet, &manner, &app, clock, |_| {}, stop) => {}
                () = demo.go_on(clock) => {}
            }
        });
    }
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(Outcome::Clean)
}

/// Sweeps through the simulated days and says what was found; false if somebody said stop meanwhile.
fn days(
    runtime: &Runtime,
    demo: &Demo,
    fleet: &mut Fleet,
    manner: &Manner<'_>,
    app: &Arc<App>,
    stopping: Receiver<bool>,
) -> Result<bool> {
    let started = Instant::now();
    let shows = io::stderr().is_terminal();
    output::print("A simulated fleet of Go services is swept, some days in as many seconds ...\n")?;
    let lapse = runtime.block_on(async {
        tokio::select! {
            done = demo.lapse(fleet, manner, app, |progress| {
                if shows {
                    show(&progress);
                }
            }) => Some(done),
            () = stopped(stopping) => None,
        }
    });
    if shows {
        // A terminal that cannot be written to only costs the line.
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let Some(done) = lapse else {
        return Ok(false);
    };
    let last = done.map_err(Failure::new)?;
    output::print(&told(&app.board(), started.elapsed()))?;
    drop(last);
    Ok(true)
}

fn show(progress: &Progress) {
    let at = jiff::Timestamp::from_second(progress.at).map_or(String::new(), |at| {
        at.strftime("%A, %B %-d, %H:%M").to_string()
    });
    let _ = write!(
        io::stderr(),
        "\r\x1b[K{at}: sweep {} of {}",
        progress.sweeps,
        progress.all
    );
}

/// What was found, in a table.
fn told(board: &Board, took: Duration) -> String {
    let up = board.targets.iter().filter(|it| it.state == "up").count();
    let days = board.sweeps.last().zip(board.sweeps.first());
    let days = days.map_or(0.0, |(first, last)| {
        (last.at_seconds - first.at_seconds) as f64 / 86_400.0
    });
    let mut out = format!(
        "{} sweeps over {} instances of {} services, {days:.1} days in {:.0} seconds\n\n",
        board.sweeps.len(),
        up,
        board.services.len(),
        took.as_secs_f64()
    );
    let head = [
        "VERDICT",
        "SERVICE",
        "BLOCKED IN",
        "AT",
        "GOROUTINES",
        "GROWTH",
        "SINCE",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(board.findings.iter().map(row));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells: Vec<String> = cells
            .map(|(column, (cell, width))| match column {
                4 | 5 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    let mut beside = Vec::new();
    if !board.dismissed.is_empty() {
        beside.push(format!(
            "{} more looked like leaks and were dismissed; the pages say why",
            board.dismissed.len()
        ));
    }
    let down = board.targets.len() - up;
    if down > 0 {
        beside.push(format!("{down} target could not be reached"));
    }
    out.push_str(&format!("\n{}.\n", beside.join("; ")));
    out
}

fn row(finding: &Finding) -> [String; 7] {
    let since = finding.first_version.as_ref();
    let growth = finding.rate.as_ref();
    [
        finding.verdict.to_owned(),
        finding.service.clone(),
        finding.operation.to_owned(),
        finding.function.clone(),
        finding.goroutines.to_string(),
        growth.map_or(String::new(), |rate| format!("{:.0}/h", rate.per_hour)),
        since.map_or(String::new(), |version| format!("version {version}")),
    ]
}
