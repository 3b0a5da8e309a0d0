//! Where reports go: standard output, or a file that is written whole or not at all.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use gorphan_report::{Document, Format, SourceLookup, SourcePath, Style};

use crate::args::options::{ColourArg, ReportArgs};
use crate::error::{Failure, Result};
use crate::source::SourceRoot;

/// Where to write, and how it is to look.
#[derive(Clone, Copy)]
pub(crate) struct Sink<'s> {
    /// The format.
    pub(crate) format: Format,
    /// The file; standard output where there is none.
    pub(crate) output: Option<&'s Path>,
    /// When to colour.
    pub(crate) colour: ColourArg,
    /// Show whole stacks.
    pub(crate) stacks: bool,
}

/// Renders `document` as `args` ask.
pub(crate) fn write(
    document: &Document<'_>,
    args: &ReportArgs,
    root: Option<&SourceRoot>,
) -> Result<()> {
    let lookup = |name: &str| root.and_then(|root| root.text(name));
    let locate = |name: &str| root.and_then(|root| root.path(name));
    let sink = Sink {
        format: Format::from(args.format),
        output: args.output.as_deref(),
        colour: args.colour,
        stacks: args.stacks,
    };
    write_to(document, sink, &lookup, &locate)
}

/// Renders `document` to a sink, with the source that the caller has.
pub(crate) fn write_to(
    document: &Document<'_>,
    sink: Sink<'_>,
    lookup: &SourceLookup<'_>,
    locate: &SourcePath<'_>,
) -> Result<()> {
    let format = sink.format;
    let stdout = io::stdout();
    let to_terminal = sink.output.is_none() && stdout.is_terminal();
    if format == Format::Pprof && to_terminal {
        return Err(Failure::new("a pprof profile is binary and would garble the terminal")
            .advise("give --output FILE, or pipe it: gorphan inspect … --format pprof | go tool pprof -top /dev/stdin"));
    }
    let working = std::env::current_dir().ok();
    let style = Style {
        colour: format == Format::Terminal && colour(sink.colour, to_terminal),
        width: to_terminal.then(terminal_width).flatten(),
        source: lookup,
        locate,
        stacks: sink.stacks,
        root: working.as_deref().and_then(Path::to_str),
        ..Style::default()
    };
    let render = |out: &mut dyn Write| gorphan_report::render(document, format, &style, out);
    match sink.output {
        Some(path) => to_file(path, render),
        // Windows consoles of old need their colours translated; elsewhere this passes bytes through.
        None if style.colour => {
            let mut out = BufWriter::new(anstream::AutoStream::always(stdout.lock()));
            finish(
                render(&mut out).and_then(|()| Ok(out.flush()?)),
                "standard output",
            )
        }
        None => {
            let mut out = BufWriter::new(stdout.lock());
            finish(
                render(&mut out).and_then(|()| Ok(out.flush()?)),
                "standard output",
            )
        }
    }
}

/// Groups shown on a terminal unless `--top` or `--stacks` asks for more: about a screen. Elsewhere all are.
const GROUPS_AT_A_GLANCE: usize = 40;

/// How many groups to show when `--top` does not say.
pub(crate) fn default_top(args: &ReportArgs) -> usize {
    let on_terminal = args.output.is_none() && io::stdout().is_terminal();
    if on_terminal && Format::from(args.format) == Format::Terminal && !args.stacks {
        GROUPS_AT_A_GLANCE
    } else {
        usize::MAX
    }
}

/// A pipe that nobody reads any more is not our failure: `gorphan inspect … | head`.
fn finish(result: std::result::Result<(), gorphan_report::Error>, place: &str) -> Result<()> {
    match result {
        Err(gorphan_report::Error::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(())
        }
        Err(gorphan_report::Error::Io(error)) => Err(unwritable(place, &error)),
        Err(error) => Err(Failure::new(error.to_string())),
        Ok(()) => Ok(()),
    }
}

fn unwritable(place: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write the report to {place}: {error}"))
}

/// Writes a line or a text to standard output; a closed pipe is not a failure.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    finish(written.map_err(Into::into), "standard output")
}

/// Writes a file by way of another beside it, so that readers see the old or the new content and never a part.
pub(crate) fn to_file(
    path: &Path,
    render: impl FnOnce(&mut dyn Write) -> std::result::Result<(), gorphan_report::Error>,
) -> Result<()> {
    let shown = path.display().to_string();
    let failed = |error: &io::Error| unwritable(&shown, error);
    let target = followed(path);
    // A device or a pipe cannot be replaced, only written to.
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let file = fs::OpenOptions::new().write(true).open(&target);
        let mut out = BufWriter::new(file.map_err(|error| failed(&error))?);
        return finish(render(&mut out).and_then(|()| Ok(out.flush()?)), &shown);
    }
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".gorphan-");
    // Like any other new file, not private as temporary files are.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder.unwrap_or(Path::new(".")));
    let mut out = BufWriter::new(temporary.map_err(|error| failed(&error))?);
    match render(&mut out) {
        Ok(()) => {}
        Err(gorphan_report::Error::Io(error)) => return Err(failed(&error)),
        Err(error) => return Err(Failure::new(error.to_string())),
    }
    let temporary = out.into_inner().map_err(|error| failed(error.error()))?;
    temporary
        .persist(&target)
        .map(drop)
        .map_err(|error| failed(&error.error))
}

/// What a link leads to, so that the link stays and its target is replaced.
fn followed(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

fn colour(wanted: ColourArg, to_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match wanted {
        ColourArg::Always => true,
        ColourArg::Never => false,
        ColourArg::Auto if set("NO_COLOR").is_some() => false,
        ColourArg::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        ColourArg::Auto => {
            to_terminal
                && set("CLICOLOR").is_none_or(|value| value != "0")
                && set("TERM").is_none_or(|value| value != "dumb")
        }
    }
}
