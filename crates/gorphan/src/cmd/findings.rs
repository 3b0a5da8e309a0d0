//! `gorphan findings`, `gorphan ack`, `gorphan silence`: what the ledger knows, and what people do about it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use gorphan_fleet::FleetConfig;
use gorphan_fleet::alert::deliver;
use gorphan_fleet::ledger::{Delivery, Entry, Filter, Happening, Ledger, LedgerError, Scope, Who};
use gorphan_model::fleet::Status;
use serde_json::{Value, json};

use super::Outcome;
use super::ps::clean;
use super::sweep::configuration;
use crate::args::findings::{Ack, Findings, FleetArgs, SilenceArgs, WhoArgs};
use crate::args::options::PsFormat;
use crate::error::{Failure, Result};
use crate::output;

/// Time to tell receivers of an acknowledgement; what is not told then is told by the next sweep.
const DELIVERY: Duration = Duration::from_secs(20);

/// Runs `gorphan findings`.
pub(crate) fn list(args: &Findings) -> Result<Outcome> {
    let now = now();
    let (ledger, _) = existing(&args.fleet)?;
    if let Some(fingerprint) = &args.fingerprint {
        let entry = ledger.finding(fingerprint, now).map_err(failure)?;
        let print = entry.notice.fingerprint.clone();
        let events = ledger.events(&print).map_err(failure)?;
        let deliveries = ledger.deliveries(&print).map_err(failure)?;
        let text = match args.format {
            PsFormat::Terminal => shown(&entry, &events, &deliveries),
            PsFormat::Json => pretty(&one_json(&entry, &events, &deliveries)),
        };
        output::print(&text)?;
        return Ok(Outcome::Clean);
    }
    let status = args.status.as_deref().map(status).transpose()?;
    let filter = Filter {
        service: args.service.clone(),
        owner: args.owner.clone(),
        status,
        resolved: args.all,
    };
    let entries = ledger.findings(&filter, now).map_err(failure)?;
    let text = match args.format {
        PsFormat::Terminal => table(&entries),
        PsFormat::Json => {
            let findings: Vec<Value> = entries.iter().map(entry_json).collect();
            pretty(&json!({"version": 1, "findings": findings}))
        }
    };
    output::print(&text)?;
    Ok(Outcome::Clean)
}

/// Runs `gorphan ack`.
pub(crate) fn acknowledge(args: &Ack) -> Result<Outcome> {
    let (mut ledger, fleet) = existing(&args.fleet)?;
    let name = name(&args.who)?;
    let who = Who {
        name: &name,
        at: now(),
    };
    let print = &args.fingerprint;
    let entry = if args.undo {
        ledger.unacknowledge(print, who)
    } else {
        ledger.acknowledge(print, who, &args.note, fleet.alerting.telling())
    };
    let entry = entry.map_err(failure)?;
    let (word, place) = (entry.status.as_str(), entry.notice.place());
    let print = &entry.notice.fingerprint;
    output::print(&format!("{print} is {word}: {}\n", clean(&place)))?;
    tell(ledger, &fleet)?;
    Ok(Outcome::Clean)
}

/// Runs `gorphan silence`.
pub(crate) fn silence(args: &SilenceArgs) -> Result<Outcome> {
    let at = now();
    let (mut ledger, _) = existing(&args.fleet)?;
    if let Some(id) = args.end {
        let name = name(&args.who)?;
        let who = Who { name: &name, at };
        let ended = ledger.unsilence(id, who).map_err(failure)?;
        let (kind, value) = (ended.scope.kind(), clean(ended.scope.value()));
        output::print(&format!("silence {id} of {kind} {value} has ended\n"))?;
        return Ok(Outcome::Clean);
    }
    let Some(scope) = scope(args) else {
        output::print(&silences(&ledger, at)?)?;
        return Ok(Outcome::Clean);
    };
    let until = match (args.lasts, args.until) {
        (Some(lasts), _) => at.saturating_add_unsigned(lasts.as_secs()),
        (None, Some(until)) => until.as_second(),
        (None, None) => {
            let failed = Failure::new("cannot silence: it is not said for how long");
            return Err(failed.advise("give --for 7d, or --until"));
        }
    };
    let reason = args.reason.as_deref().ok_or_else(|| {
        Failure::new("cannot silence: there is no reason").advise("give --reason TEXT")
    })?;
    let name = name(&args.who)?;
    let who = Who { name: &name, at };
    let id = ledger.silence(scope, until, reason, who).map_err(failure)?;
    output::print(&format!("silence {id} holds until {}\n", time(until)))?;
    Ok(Outcome::Clean)
}

fn scope(args: &SilenceArgs) -> Option<Scope> {
    let of = |value: &Option<String>, scope: fn(String) -> Scope| value.clone().map(scope);
    of(&args.fingerprint, Scope::Fingerprint)
        .or_else(|| of(&args.service, Scope::Service))
        .or_else(|| of(&args.function, Scope::Function))
}

/// The ledger of a fleet: the one that is configured, else the one in the folder of the history, `folder`.
pub(crate) fn ledger_path(fleet: &FleetConfig, folder: &Path) -> PathBuf {
    gorphan_fleet::pass::ledger_path(fleet, folder)
}

/// A ledger that is there: looking something up must not make one.
fn existing(args: &FleetArgs) -> Result<(Ledger, FleetConfig)> {
    let (path, fleet) = configuration(args.config.as_deref())?;
    let folder = super::sweep::history_folder(&path, &fleet);
    let ledger = ledger_path(&fleet, &folder);
    if !ledger.exists() {
        let shown = ledger.display();
        let failed = Failure::new(format!("cannot read the ledger {shown}: there is none yet"));
        return Err(failed.advise("gorphan sweep makes it"));
    }
    Ok((Ledger::open(&ledger).map_err(failure)?, fleet))
}

/// Brings what waits to its receivers; what they do wrong is said and no failure.
fn tell(ledger: Ledger, fleet: &FleetConfig) -> Result<()> {
    if fleet.alerting.receivers.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start network access: {error}")))?;
    let ledger = Mutex::new(ledger);
    let delivered = runtime.block_on(deliver(&ledger, &fleet.alerting, now(), DELIVERY));
    runtime.shutdown_background();
    for problem in delivered.map_err(failure)?.problems {
        anstream::eprintln!("warning: {}", clean(&problem));
    }
    Ok(())
}

pub(crate) fn failure(error: LedgerError) -> Failure {
    let advice = match &error {
        LedgerError::Unknown { .. } => Some("gorphan findings --all lists them"),
        LedgerError::Refused { .. } => {
            Some("give another file with history.ledger, or move this one away")
        }
        _ => None,
    };
    let failure = Failure::new(error.to_string());
    match advice {
        Some(advice) => failure.advise(advice),
        None => failure,
    }
}

fn name(args: &WhoArgs) -> Result<String> {
    let given = args.by.clone().filter(|name| !name.trim().is_empty());
    given.ok_or_else(|| {
        Failure::new("cannot tell who does this: USER is not set").advise("give --by NAME")
    })
}

fn status(word: &str) -> Result<Status> {
    let mut all = Status::ALL.into_iter();
    all.find(|status| status.as_str() == word).ok_or_else(|| {
        let words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        Failure::new(format!("there is no status {word:?}"))
            .advise(format!("give one of {}", words.join(", ")))
    })
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or("?".to_owned(), |time| {
        time.strftime("%Y-%m-%d %H:%M UTC").to_string()
    })
}

fn rows(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no findings\n".to_owned();
    }
    let lines: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let notice = &entry.notice;
            vec![
                notice.fingerprint.clone(),
                entry.status.as_str().to_owned(),
                clean(&notice.verdict),
                clean(&notice.service),
                notice.total.to_string(),
                time(entry.first_seen),
                clean(notice.owner.as_deref().unwrap_or("-")),
                clean(&notice.place()),
            ]
        })
        .collect();
    let head = [
        "FINGERPRINT",
        "STATUS",
        "VERDICT",
        "SERVICE",
        "GOROUTINES",
        "FIRST SEEN",
        "OWNER",
        "SITE",
    ];
    rows(&head, &lines)
}

fn silences(ledger: &Ledger, at: i64) -> Result<String> {
    let silences = ledger.silences(at).map_err(failure)?;
    if silences.is_empty() {
        return Ok("nothing is silent\n".to_owned());
    }
    let lines: Vec<Vec<String>> = silences
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                format!("{} {}", one.scope.kind(), clean(one.scope.value())),
                time(one.until),
                clean(&one.by),
                clean(&one.reason),
            ]
        })
        .collect();
    Ok(rows(&["N", "WHAT", "UNTIL", "BY", "REASON"], &lines))
}

/// All of one finding, for people.
fn shown(entry: &Entry, events: &[Happening], deliveries: &[Delivery]) -> String {
    let notice = &entry.notice;
    let mut text = format!("{}\n{}\n\n", clean(&notice.place()), clean(&notice.message));
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:13} {}", clean(value));
    };
    line("fingerprint", &notice.fingerprint);
    line("status", entry.status.as_str());
    if let Some(by) = &entry.acknowledged {
        line(
            "acknowledged",
            &format!("{} by {} {}", time(by.at), by.by, by.note),
        );
    }
    if let Some(silence) = &entry.silence {
        let (until, by) = (time(silence.until), &silence.by);
        line(
            "silenced",
            &format!("until {until} by {by}: {}", silence.reason),
        );
    }
    line("service", &notice.service);
    line("owner", notice.owner.as_deref().unwrap_or("-"));
    line(
        "goroutines",
        &format!("{}, {} in {}", notice.total, notice.max, notice.worst),
    );
    line("first seen", &time(entry.first_seen));
    line("last seen", &time(entry.last_seen));
    line("help", &notice.help);
    for frame in &notice.stack {
        let _ = write!(text, "\n  {}", clean(&frame.function));
        if !frame.file.is_empty() {
            let _ = write!(text, "\n      {}:{}", clean(&frame.file), frame.line);
        }
    }
    text.push_str("\n\n");
    for event in events {
        let who = event.who.as_deref().map(|who| format!(" by {who}"));
        let (kind, who) = (&event.kind, who.unwrap_or_default());
        let line = format!("{}  {kind}{who}  {}", time(event.at), event.text);
        text.push_str(clean(&line).trim_end());
        text.push('\n');
    }
    for one in deliveries.iter().rev() {
        let (state, event) = (one.state.as_str(), one.event.as_str());
        let line = format!(
            "{}  {event} to {}: {state}  {}",
            time(one.created),
            one.receiver,
            one.remark
        );
        text.push_str(clean(&line).trim_end());
        text.push('\n');
    }
    text
}

fn entry_json(entry: &Entry) -> Value {
    let stamp = |seconds: i64| {
        jiff::Timestamp::from_second(seconds)
            .ok()
            .map(|it| it.to_string())
    };
    let mut finding = entry.notice.finding.clone();
    finding["status"] = json!(entry.status.as_str());
    finding["owner"] = json!(entry.notice.owner);
    finding["first_seen"] = json!(stamp(entry.first_seen));
    finding["last_seen"] = json!(stamp(entry.last_seen));
    finding["resolved_at"] = json!(entry.resolved.and_then(stamp));
    finding["acknowledged"] = match &entry.acknowledged {
        None => Value::Null,
        Some(it) => json!({"at": stamp(it.at), "by": it.by, "note": it.note}),
    };
    finding["silenced"] = match &entry.silence {
        None => Value::Null,
        Some(it) => {
            json!({"number": it.id, "until": stamp(it.until), "by": it.by, "reason": it.reason})
        }
    };
    finding
}

fn one_json(entry: &Entry, events: &[Happening], deliveries: &[Delivery]) -> Value {
    let stamp = |seconds: i64| {
        jiff::Timestamp::from_second(seconds)
            .ok()
            .map(|it| it.to_string())
    };
    let events: Vec<Value> = events
        .iter()
        .map(|it| json!({"at": stamp(it.at), "kind": it.kind, "by": it.who, "text": it.text}))
        .collect();
    let deliveries: Vec<Value> = deliveries
        .iter()
        .map(|it| {
            json!({
                "at": stamp(it.created), "receiver": it.receiver, "event": it.event.as_str(),
                "state": it.state.as_str(), "attempts": it.attempts, "remark": it.remark,
            })
        })
        .collect();
    let stack: Vec<Value> = entry
        .notice
        .stack
        .iter()
        .map(|it| json!({"function": it.function, "file": it.file, "line": it.line}))
        .collect();
    json!({
        "version": 1,
        "finding": entry_json(entry),
        "stack": stack,
        "events": events,
        "deliveries": deliveries,
    })
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    // Valid in JSON, and not for a terminal.
    text = text.replace(|c: char| c.is_control() && c != '\n', " ");
    text.push('\n');
    text
}
