//! A program that runs until it is let go, and says on standard output where it is.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::expectations::Expected;

/// Longer than any program needs to get where it should be, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Characters of standard error that a complaint quotes.
const QUOTED: usize = 3000;

/// A running program.
pub(crate) struct Play {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Play {
    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{shown}: {error}"))?;
        let stdout = child.stdout.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read so far is what there is.
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Self {
            stdin: child.stdin.take(),
            child,
            lines,
            errors: Some(errors),
        })
    }

    /// Starts a scene of a program of `fixtures/proof`, and waits until it stands.
    pub(crate) fn scene(program: &Path, words: &[&str]) -> Result<(Self, Vec<Expected>), String> {
        let mut command = Command::new(program);
        // More processors than this machine may have: threads are interrupted anywhere.
        command.arg("play").args(words).env("GOMAXPROCS", "4");
        command.env("PLUGIN", program.with_file_name("plug.so"));
        Self::scene_of(&mut command)
    }

    /// As [`Play::scene`], with a command of one's own.
    pub(crate) fn scene_of(command: &mut Command) -> Result<(Self, Vec<Expected>), String> {
        let mut play = Self::start(command)?;
        let said = play.until("ready")?;
        let expected = said.iter().map(|line| Expected::parse(line));
        let expected = expected.collect::<Result<_, String>>()?;
        Ok((play, expected))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines up to the one that is exactly `last`.
    pub(crate) fn until(&mut self, last: &str) -> Result<Vec<String>, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line == last => return Ok(lines),
                Ok(line) => lines.push(line),
                Err(why) => {
                    let said = self.kill();
                    return Err(format!("it never said {last:?} ({why}): {said}"));
                }
            }
        }
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        // If it is gone, waiting for its answer will tell.
        let _ = writeln!(stdin, "{line}");
    }

    /// Lets it go; it must end well.
    pub(crate) fn end(mut self) -> Result<(), String> {
        drop(self.stdin.take());
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() {
            return Ok(());
        }
        Err(format!("it ended with {status}: {}", self.kill()))
    }

    /// Waits until it ends, however it does.
    pub(crate) fn wait(mut self) -> Result<(), String> {
        self.child.wait().map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Ends it and gives what it wrote to standard error.
    fn kill(&mut self) -> String {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let errors = self.errors.take().map(JoinHandle::join);
        let said = errors.and_then(Result::ok).unwrap_or_default();
        said.chars().take(QUOTED).collect()
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a scene is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It keeps the runtime busy, and leaks nothing.
    Busy,
    /// It leaks.
    Leak,
    /// It has the forms `held`, which leaks nothing, and `free`.
    Twin,
}

/// The scenes of a program.
pub(crate) fn scenes(program: &Path) -> Result<Vec<(String, Kind)>, String> {
    let output = Command::new(program).arg("list").output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let scenes = text.lines().map(|line| {
        let mut words = line.split('\t');
        let name = words.next().unwrap_or_default().to_owned();
        let kind = match words.next() {
            Some("busy") => Kind::Busy,
            Some("leak") => Kind::Leak,
            Some("twin") => Kind::Twin,
            _ => return Err(format!("{}: {line:?} is no scene", program.display())),
        };
        Ok((name, kind))
    });
    let scenes: Vec<_> = scenes.collect::<Result<_, String>>()?;
    if scenes.is_empty() {
        return Err(format!("{} lists no scenes", program.display()));
    }
    Ok(scenes)
}
