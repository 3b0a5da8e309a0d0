//! The frame of every page: head, content policy, masthead, problems, scripts.

use std::fmt::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gorphan_model::Problem;
use sha2::{Digest, Sha256};

use super::escape::{Count, Name, Num, Text, Time};
use crate::{TOOL, TargetInfo, words};

/// Problems that a page lists; the rest is counted.
const MAX_PROBLEMS: usize = 100;

const STYLE: &str = include_str!("page.css");

/// A page that is written into memory; pages are bounded by the limits of their parts.
pub(super) struct Page {
    pub(super) out: String,
    scripts: &'static [&'static str],
}

/// The hash by which the content policy admits an inline style or script.
fn hash(content: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content)))
}

impl Page {
    /// Starts a page about `what` of `target`. Nothing may be loaded, and only our own style and scripts run.
    pub(super) fn new(
        what: &'static str,
        target: &str,
        scripts: &'static [&'static str],
    ) -> Result<Self, fmt::Error> {
        let mut out = String::with_capacity(1 << 16);
        let hashes: Vec<String> = scripts.iter().map(|script| hash(script)).collect();
        let hashes = if hashes.is_empty() {
            "'none'".to_owned()
        } else {
            hashes.join(" ")
        };
        write!(
            out,
            "<!doctype html>\n<html lang=en dir=ltr>\n<head>\n<meta charset=utf-8>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {hashes}; \
             img-src data:; base-uri 'none'; form-action 'none'\">\n\
             <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
             <meta name=color-scheme content=\"light dark\">\n<meta name=referrer content=no-referrer>\n\
             <meta name=generator content=\"{TOOL} {}\">\n\
             <title>{} · {what} · {TOOL}</title>\n<link rel=icon href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n",
            hash(STYLE),
            env!("CARGO_PKG_VERSION"),
            Text(target)
        )?;
        Ok(Self { out, scripts })
    }

    /// Ends the page.
    pub(super) fn finish(mut self) -> Result<String, fmt::Error> {
        writeln!(
            self.out,
            "</main>\n<footer>Written by {TOOL} {}. This file loads nothing and sends nothing.</footer>",
            env!("CARGO_PKG_VERSION")
        )?;
        for script in self.scripts {
            writeln!(self.out, "<script>{script}</script>")?;
        }
        self.out.push_str("</body>\n</html>\n");
        Ok(self.out)
    }
}

/// Opens the masthead with the name of what was looked at.
pub(super) fn open_masthead(out: &mut String, what: &str, name: &str) -> fmt::Result {
    writeln!(
        out,
        "<header class=masthead>\n<p class=eyebrow>{TOOL} <b>{what}</b></p>\n<h1>{}</h1>",
        Name(name)
    )
}

/// One number of the masthead.
pub(super) fn figure(out: &mut String, number: u64, label: &str, class: &str) -> fmt::Result {
    writeln!(
        out,
        "<div class=\"figure {class}\"><dd>{}</dd><dt>{label}</dt></div>",
        Num(number)
    )
}

/// What is known of a target besides its name, each part as a term with its value.
pub(super) fn target_facts(out: &mut String, target: &TargetInfo) -> fmt::Result {
    let mut fact =
        |term: &str, value: String| writeln!(out, "<div><dt>{term}</dt><dd>{value}</dd></div>");
    fact("source", Text(target.kind).to_string())?;
    if let Some(version) = &target.go_version {
        fact("Go version", Text(version).to_string())?;
    }
    if let Some(nanos) = target.taken_at_unix_nanos {
        fact("taken at", Time(nanos).to_string())?;
    }
    if let Some(bytes) = target.bytes_read {
        fact("read", words::bytes(bytes))?;
    }
    if let Some(seconds) = target.pause_seconds {
        fact("target stopped for", format!("{:.1} ms", seconds * 1000.0))?;
    }
    Ok(())
}

/// Closes the masthead and opens the main part.
pub(super) fn close_masthead(out: &mut String) {
    out.push_str("</header>\n<main>\n");
}

/// What could not be read.
pub(super) fn problems(out: &mut String, problems: &[Problem]) -> fmt::Result {
    if problems.is_empty() {
        return Ok(());
    }
    let open = if problems.len() <= 3 { " open" } else { "" };
    writeln!(
        out,
        "<details class=problems{open}><summary>{} while reading</summary><ul>",
        Count(problems.len() as u64, "problem")
    )?;
    for problem in problems.iter().take(MAX_PROBLEMS) {
        write!(out, "<li>{}", Text(&problem.message))?;
        if let Some(line) = problem.line {
            write!(out, " <span class=muted>line {}</span>", Num(line))?;
        }
        if let Some(address) = problem.address {
            write!(out, " <span class=muted>at {address:#x}</span>")?;
        }
        out.push_str("</li>\n");
    }
    if let Some(more) = problems.len().checked_sub(MAX_PROBLEMS).filter(|n| *n > 0) {
        writeln!(out, "<li class=muted>and {} more</li>", Num(more as u64))?;
    }
    out.push_str("</ul></details>\n");
    Ok(())
}
