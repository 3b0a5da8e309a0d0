//! `gorphan lsp`: findings in editors, by the language server protocol 3.17 over standard input and output. Diagnostics of
//! the packages of open files on open, change and save; fixes as code actions.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorphan_model::source::Fix;
use gorphan_model::{Finding, Verdict, code};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use serde_json::{Value, json};
use url::Url;

use super::disk::Disk;
use super::{Options, lint};
use crate::config::{self, Config};
use crate::error::{Failure, Result};

/// How long nothing must be typed before source is looked at.
const QUIET: Duration = Duration::from_millis(250);
/// Diagnostics of one file; an editor shows no more anyway.
const MAX_DIAGNOSTICS: usize = 500;
/// Files that may be open at a time.
const MAX_OPEN: usize = 2000;

/// Serves until the client ends it.
pub(crate) fn run(options: Options) -> Result<()> {
    let (connection, threads) = Connection::stdio();
    serve(&connection, options)?;
    drop(connection);
    threads
        .join()
        .map_err(|error| Failure::new(format!("the connection to the editor broke: {error}")))
}

fn serve(connection: &Connection, options: Options) -> Result<()> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::new(format!("the connection to the editor broke: {error}"))
    };
    let (id, parameters) = connection
        .initialize_start()
        .map_err(|error| broken(&error))?;
    let offered = &parameters["capabilities"]["general"]["positionEncodings"];
    let utf8 = offered
        .as_array()
        .is_some_and(|list| list.iter().any(|one| one == "utf-8"));
    let capabilities = json!({
        "capabilities": {
            "positionEncoding": if utf8 { "utf-8" } else { "utf-16" },
            "textDocumentSync": {"openClose": true, "change": 1, "save": {"includeText": false}},
            "codeActionProvider": {"codeActionKinds": ["quickfix"]},
        },
        "serverInfo": {"name": gorphan_report::TOOL, "version": env!("CARGO_PKG_VERSION")},
    });
    connection
        .initialize_finish(id, capabilities)
        .map_err(|error| broken(&error))?;
    let mut server = Server {
        connection,
        options,
        utf8,
        disk: Disk::default(),
        versions: HashMap::new(),
        found: BTreeMap::new(),
        stale: false,
    };
    loop {
        let message = if server.stale {
            match connection.receiver.recv_timeout(QUIET) {
                Ok(message) => message,
                Err(error) if error.is_timeout() => {
                    server.look();
                    continue;
                }
                Err(_) => return Ok(()),
            }
        } else {
            match connection.receiver.recv() {
                Ok(message) => message,
                Err(_) => return Ok(()),
            }
        };
        match message {
            Message::Request(request) => {
                if connection
                    .handle_shutdown(&request)
                    .map_err(|error| broken(&error))?
                {
                    return Ok(());
                }
                server.request(request);
            }
            Message::Notification(notification) => server.notification(&notification),
            Message::Response(_) => {}
        }
    }
}

struct Server<'s> {
    connection: &'s Connection,
    options: Options,
    utf8: bool,
    disk: Disk,
    versions: HashMap<PathBuf, i64>,
    /// What is shown, by file.
    found: BTreeMap<PathBuf, Vec<Finding>>,
    /// Something was opened or changed since it was looked at.
    stale: bool,
}

impl Server<'_> {
    fn notification(&mut self, notification: &Notification) {
        let document = &notification.params["textDocument"];
        let Some(path) = path_of(&document["uri"]) else {
            return;
        };
        let text = match notification.method.as_str() {
            "textDocument/didOpen" => document["text"].as_str(),
            // All of the text comes with every change.
            "textDocument/didChange" => {
                let changes = notification.params["contentChanges"].as_array();
                changes.and_then(|changes| changes.last()?["text"].as_str())
            }
            "textDocument/didSave" => {
                self.stale = true;
                return;
            }
            "textDocument/didClose" => {
                self.disk.open.remove(&path);
                self.versions.remove(&path);
                self.stale = true;
                return;
            }
            _ => return,
        };
        if let Some(text) = text
            && (self.disk.open.len() < MAX_OPEN || self.disk.open.contains_key(&path))
        {
            self.disk
                .open
                .insert(path.clone(), text.as_bytes().to_vec());
            if let Some(version) = document["version"].as_i64() {
                self.versions.insert(path, version);
            }
            self.stale = true;
        }
    }

    fn request(&mut self, request: Request) {
        let response = if request.method == "textDocument/codeAction" {
            // The places of fixes must be those of the text as it is.
            if self.stale {
                self.look();
            }
            Response::new_ok(request.id, self.actions(&request.params))
        } else {
            let what = format!("{} is not served", request.method);
            #[allow(clippy::as_conversions, reason = "the protocol's numbers")]
            Response::new_err(request.id, ErrorCode::MethodNotFound as i32, what)
        };
        self.send(Message::Response(response));
    }

    /// A client that is gone ends the loop at its next turn.
    fn send(&self, message: Message) {
        let _ = self.connection.sender.send(message);
    }

    fn tell(&self, method: &str, parameters: Value) {
        self.send(Message::Notification(Notification::new(
            method.to_owned(),
            parameters,
        )));
    }

    /// Looks at the packages of all open files, and shows what is found.
    fn look(&mut self) {
        self.stale = false;
        let mut folders: Vec<PathBuf> = self
            .disk
            .open
            .keys()
            .filter_map(|path| Some(path.parent()?.to_path_buf()))
            .collect();
        folders.sort();
        folders.dedup();
        let mut found: BTreeMap<PathBuf, Vec<Finding>> = self
            .disk
            .open
            .keys()
            .map(|path| (path.clone(), Vec::new()))
            .collect();
        // One by one: they may be of different modules, and one that cannot be read spoils no other.
        for folder in folders {
            let Some(pattern) = folder.to_str() else {
                continue;
            };
            let options = Options {
                patterns: vec![pattern.to_owned()],
                ..self.options.clone()
            };
            match self.look_at(&options, &folder) {
                Ok(findings) => {
                    for finding in findings {
                        found
                            .entry(PathBuf::from(&*finding.place.file))
                            .or_default()
                            .push(finding);
                    }
                }
                Err(failure) => self.tell(
                    "window/logMessage",
                    json!({"type": 2, "message": failure.to_string()}),
                ),
            }
        }
        // What is shown and no longer there is taken away.
        for path in self.found.keys().filter(|path| !found.contains_key(*path)) {
            self.publish(path, &[]);
        }
        for (path, findings) in &found {
            self.publish(path, findings);
        }
        self.found = found;
    }

    fn look_at(&self, options: &Options, folder: &Path) -> Result<Vec<Finding>> {
        let mut findings = lint(options, &self.disk)?.findings;
        let today = Some(config::date(jiff::Zoned::now().date()));
        let rules = Config::load(None, folder)?.ignore;
        findings.retain(|finding| {
            !rules
                .iter()
                .any(|rule| rule.applies(today, false) && rule.matches_source(finding))
        });
        Ok(findings)
    }

    fn publish(&self, path: &Path, findings: &[Finding]) {
        let Ok(uri) = Url::from_file_path(path) else {
            return;
        };
        let text = self.text(path);
        let list: Vec<Value> = findings
            .iter()
            .take(MAX_DIAGNOSTICS)
            .map(|finding| self.diagnostic(finding, &text))
            .collect();
        let mut parameters = json!({"uri": uri.as_str(), "diagnostics": list});
        if let Some(version) = self.versions.get(path) {
            parameters["version"] = json!(version);
        }
        self.tell("textDocument/publishDiagnostics", parameters);
    }

    fn text(&self, path: &Path) -> String {
        match self.disk.open.get(path) {
            Some(text) => String::from_utf8_lossy(text).into_owned(),
            None => std::fs::read_to_string(path).unwrap_or_default(),
        }
    }

    fn diagnostic(&self, finding: &Finding, text: &str) -> Value {
        let mut message = finding.message.clone();
        if !finding.help.is_empty() {
            message.push('\n');
            message.push_str(&finding.help);
        }
        let related = finding.cause.iter().flat_map(|cause| &cause.related);
        let related: Vec<Value> = related
            .filter_map(|related| {
                let place = &related.place;
                let uri = Url::from_file_path(&*place.file).ok()?;
                let other;
                let text = if place.file == finding.place.file {
                    text
                } else {
                    other = self.text(Path::new(&*place.file));
                    &other
                };
                let at = self.position(text, place.line, place.column.unwrap_or(1));
                Some(json!({"location": {"uri": uri.as_str(), "range": {"start": at, "end": at}}, "message": related.label}))
            })
            .collect();
        let title = code::find(finding.code).map_or("", |code| code.title);
        json!({
            "range": self.range(finding, text),
            "severity": if finding.verdict == Verdict::Leak { 1 } else { 2 },
            "code": finding.code,
            "source": gorphan_report::TOOL,
            "message": message,
            "relatedInformation": related,
            "data": {"title": title},
        })
    }

    fn range(&self, finding: &Finding, text: &str) -> Value {
        let place = &finding.place;
        let column = place.column.unwrap_or(1);
        let (end_line, end_column) = finding
            .cause
            .as_ref()
            .and_then(|cause| cause.end)
            .unwrap_or((place.line, column));
        json!({
            "start": self.position(text, place.line, column),
            "end": self.position(text, end_line, end_column),
        })
    }

    /// A line and a column in bytes, from 1, as the client counts, from 0.
    fn position(&self, text: &str, line: u32, column: u32) -> Value {
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let bytes = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        let line_text = text.split('\n').nth(index).unwrap_or_default();
        let before = line_text
            .get(..bytes.min(line_text.len()))
            .unwrap_or(line_text);
        let character = if self.utf8 {
            before.len()
        } else {
            before.encode_utf16().count()
        };
        json!({"line": line.saturating_sub(1), "character": character})
    }

    fn position_of(&self, text: &str, offset: u32) -> Option<Value> {
        let before = text.get(..usize::try_from(offset).ok()?)?;
        let line = before.matches('\n').count();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_text = before.get(start..)?;
        let character = if self.utf8 {
            line_text.len()
        } else {
            line_text.encode_utf16().count()
        };
        Some(json!({"line": line, "character": character}))
    }

    /// The fixes of findings that the range touches.
    fn actions(&self, parameters: &Value) -> Vec<Value> {
        let Some(path) = path_of(&parameters["textDocument"]["uri"]) else {
            return Vec::new();
        };
        let line = |end: &str| {
            parameters["range"][end]["line"]
                .as_u64()
                .unwrap_or(0)
                .saturating_add(1)
        };
        let asked = line("start")..=line("end");
        let text = self.text(&path);
        let findings = self.found.get(&path).into_iter().flatten();
        let touched = findings.filter(|finding| {
            let first = u64::from(finding.place.line);
            let last = finding
                .cause
                .as_ref()
                .and_then(|cause| cause.end)
                .map_or(first, |(line, _)| u64::from(line));
            first <= *asked.end() && *asked.start() <= last
        });
        let actions = touched.filter_map(|finding| {
            let fix = finding.cause.as_ref()?.fix.as_ref()?;
            Some(json!({
                "title": fix.title,
                "kind": "quickfix",
                "isPreferred": true,
                "diagnostics": [self.diagnostic(finding, &text)],
                "edit": {"changes": self.edits(fix)?},
            }))
        });
        actions.collect()
    }

    fn edits(&self, fix: &Fix) -> Option<Value> {
        let mut changes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for edit in &fix.edits {
            let uri = Url::from_file_path(&*edit.file).ok()?;
            let text = self.text(Path::new(&*edit.file));
            let range = json!({"start": self.position_of(&text, edit.start)?, "end": self.position_of(&text, edit.end)?});
            changes
                .entry(uri.to_string())
                .or_default()
                .push(json!({"range": range, "newText": edit.text}));
        }
        Some(json!(changes))
    }
}

/// The Go file that an address names.
fn path_of(uri: &Value) -> Option<PathBuf> {
    let path = Url::parse(uri.as_str()?).ok()?.to_file_path().ok()?;
    (path.extension()? == "go").then_some(path)
}
