//! One test binary under watch: what is left of its goroutines when it is about to exit.

use std::collections::HashMap;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use gorphan_capture::process::watch::{self, Event, Started, Watch};
use gorphan_goruntime::{Address, Depth, Details, GoVersion};
use gorphan_model::group::group;
use gorphan_model::query::GroupBy;
use gorphan_model::{Sample, Snapshot};

use super::left::{self, Kind};
use super::names::{self, EXAMPLE, EXIT, MAX_NAME_BYTES, POINTS, is_name, name_offset};
use super::record::{Frame, Left, Record, Unwatched};
use super::wrapper::{Ending, ExecOptions};

/// The first pause that goroutines get to end in; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_millis(100);
/// Goroutine numbers kept for one stack; a report shows at most 100.
const MAX_IDS: usize = 1000;
/// Tests whose names are kept; fuzzing runs one for each input.
const MAX_TESTS: usize = 100_000;

/// Runs a test binary to its end.
pub(super) fn watched(
    launcher: &mut Command,
    options: &ExecOptions,
    record: &mut Record,
) -> io::Result<Ending> {
    let ending = match watch::start(launcher, &POINTS)? {
        Started::Unwatched(pid, why) => {
            record.unwatched = Some(Unwatched::Failed(why.to_string()));
            watch::wait(pid)?
        }
        Started::Ended(ending) => {
            record.unwatched = Some(Unwatched::Crashed);
            ending
        }
        Started::Watched(watch) => Run::new(watch, options).follow(record)?,
    };
    Ok(match ending {
        watch::Ending::Exited(status) => Ending::Exited(status),
        watch::Ending::Killed(signal) => Ending::Killed(signal),
    })
}

/// A test binary under watch.
struct Run<'a> {
    watch: Box<Watch>,
    options: &'a ExecOptions,
    /// Whether the exit status is an argument there: from Go 1.20. Before, only a status of 0 comes by.
    tells_status: bool,
    name_offset: Option<u64>,
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    /// Tests by the number of the goroutine that ran them: what the test starts under labels of its own has no mark.
    by_goroutine: HashMap<u64, usize>,
    exiting: Option<Exiting>,
    /// What is left is known, or is not to be looked for.
    decided: bool,
}

/// The goroutine that called `os.Exit`, while the others get time to end.
struct Exiting {
    g: Address,
    since: Instant,
    pause: Duration,
}

impl<'a> Run<'a> {
    fn new(watch: Box<Watch>, options: &'a ExecOptions) -> Self {
        let version = GoVersion::parse(watch.go_version());
        Self {
            tells_status: version.is_none_or(|version| version.minor >= 20),
            name_offset: version.and_then(|version| name_offset(version.minor)),
            watch,
            options,
            names: Vec::new(),
            numbers: HashMap::new(),
            by_goroutine: HashMap::new(),
            exiting: None,
            decided: false,
        }
    }

    fn follow(mut self, record: &mut Record) -> io::Result<watch::Ending> {
        record.go_version = Some(self.watch.go_version().to_owned());
        if self.name_offset.is_none() {
            record.problems.push(format!(
                "where {} keeps the names of tests is not known; what is left is told without its test",
                self.watch.go_version()
            ));
        }
        record.unwatched = Some(Unwatched::Crashed);
        let ending = loop {
            match self.watch.go_on()? {
                Event::At {
                    point: EXIT,
                    thread,
                    again,
                } => self.exits(thread, again, record)?,
                Event::At { point, thread, .. } => {
                    self.test_starts(thread, point == EXAMPLE)?;
                }
                Event::Replaced => {
                    record.unwatched = Some(Unwatched::Replaced);
                    let pid = self.watch.pid();
                    drop(self.watch);
                    return watch::wait(pid);
                }
                Event::Ended(ending) => break ending,
            }
        };
        record.tests = self.names;
        Ok(ending)
    }

    /// Marks the goroutine of a test, so that all it starts can be told.
    fn test_starts(&mut self, thread: u32, example: bool) -> io::Result<()> {
        let (g, test) = self.watch.entry(thread)?;
        let name = if example {
            self.watch.text_argument(thread, MAX_NAME_BYTES)?
        } else {
            let at = self.name_offset.and_then(|offset| test.checked_add(offset));
            at.and_then(|at| self.watch.text(at, MAX_NAME_BYTES))
        };
        let Some(name) = name.filter(|name| is_name(name)) else {
            return Ok(());
        };
        let number = match self.numbers.get(&name) {
            Some(number) => *number,
            None if self.names.len() < MAX_TESTS => {
                self.names.push(name.clone());
                self.numbers.insert(name, self.names.len() - 1);
                self.names.len() - 1
            }
            None => return Ok(()),
        };
        self.watch.mark(thread, g, number as u64)?;
        // Examples all run on the main goroutine, which has started others before.
        if !example
            && self.by_goroutine.len() < MAX_TESTS
            && let Some(id) = self.watch.goroutine_id(g)
        {
            self.by_goroutine.insert(id, number);
        }
        Ok(())
    }

    /// Someone calls `os.Exit`: looks what is left, and gives it time as long as there is some.
    fn exits(&mut self, thread: u32, again: bool, record: &mut Record) -> io::Result<()> {
        let (g, code) = self.watch.entry(thread)?;
        if self.decided || self.exiting.is_some() && !again {
            return Ok(());
        }
        // The exit status is an int: the lower half is sent, and only whether it is zero matters.
        if code != 0 && self.tells_status && !self.options.on_failure {
            self.decide(record, Some(Unwatched::TestsFailed));
            return Ok(());
        }
        let exiting = self.exiting.get_or_insert(Exiting {
            g,
            since: Instant::now(),
            pause: FIRST_PAUSE,
        });
        let (g, waited) = (exiting.g, exiting.since.elapsed());
        let pause = exiting.pause.min(self.options.grace.saturating_sub(waited));
        exiting.pause = (exiting.pause * 2).min(MAX_PAUSE);
        let seen = match self.watch.snapshot(Depth::Goroutines) {
            Ok(seen) => seen,
            Err(why) => {
                self.decide(record, Some(Unwatched::Failed(why.to_string())));
                return Ok(());
            }
        };
        if is_mid_test(&seen.0, &seen.1, g) {
            self.decide(record, Some(Unwatched::MidTest));
        } else if self.left(&seen, g).is_empty() {
            self.decide(record, None);
        } else if !pause.is_zero() && self.let_sleep(thread, pause, record) {
        } else {
            let proven = self.watch.snapshot(Depth::Proof);
            let seen = proven.unwrap_or(seen);
            record.left = self.records(&seen, g);
            self.decide(record, None);
        }
        Ok(())
    }

    /// Puts a sleep before the exit. (`time.Sleep` parks the goroutine, so others run even on one processor.)
    fn let_sleep(&mut self, thread: u32, pause: Duration, record: &mut Record) -> bool {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        match self.watch.call_before(thread, "time.Sleep", nanos) {
            Ok(()) => true,
            Err(why) => {
                let text = format!("its goroutines got no time to end: {why}");
                if !record.problems.contains(&text) {
                    record.problems.push(text);
                }
                false
            }
        }
    }

    fn decide(&mut self, record: &mut Record, unwatched: Option<Unwatched>) {
        record.unwatched = unwatched;
        self.decided = true;
    }

    /// Indexes of the goroutines that were left behind and that no rule ignores.
    fn left(&self, seen: &(Snapshot, Details), exiting: Address) -> Vec<usize> {
        let (snapshot, details) = seen;
        let mut samples: Vec<bool> = snapshot.samples.iter().map(is_left).collect();
        if !self.options.ignore.is_empty() {
            for group in group(snapshot, GroupBy::Site) {
                if self.options.ignore.iter().any(|rule| rule.matches(&group)) {
                    for sample in group.samples {
                        if let Some(left) = samples.get_mut(sample) {
                            *left = false;
                        }
                    }
                }
            }
        }
        let goroutines = details.goroutines.iter().enumerate();
        goroutines
            .filter(|(_, one)| one.g != exiting && samples.get(one.sample) == Some(&true))
            .map(|(index, _)| index)
            .collect()
    }

    fn records(&self, seen: &(Snapshot, Details), exiting: Address) -> Vec<Left> {
        let (snapshot, details) = seen;
        let parents: HashMap<u64, u64> = details
            .goroutines
            .iter()
            .filter_map(|one| Some((one.id.0, one.parent?.0)))
            .collect();
        type Key = (usize, Option<usize>, bool);
        let mut found: Vec<(Key, Left)> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for index in self.left(seen, exiting) {
            let Some(one) = details.goroutines.get(index) else {
                continue;
            };
            let Some(sample) = snapshot.samples.get(one.sample) else {
                continue;
            };
            let test = self.test_of(one.labels, one.id.0, &parents);
            let test = test.or_else(|| names::test_in(sample, &self.numbers));
            // Go before 1.21 does not keep who started a goroutine.
            let hidden = test.is_none() && one.labels != 0 && one.parent.is_none();
            let key = (one.sample, test, hidden);
            let place = *places.entry(key).or_insert_with(|| {
                found.push((key, self.record(sample, test, hidden)));
                found.len() - 1
            });
            if let Some((_, left)) = found.get_mut(place) {
                left.count += 1;
                if left.ids.len() < MAX_IDS {
                    left.ids.push(one.id.0);
                }
            }
        }
        found.into_iter().map(|(_, left)| left).collect()
    }

    fn record(&self, sample: &Sample, test: Option<usize>, hidden: bool) -> Left {
        let state = sample.state.as_ref();
        Left {
            test: test.and_then(|number| self.names.get(number).cloned()),
            hidden,
            count: 0,
            ids: Vec::new(),
            state: state.map(ToString::to_string).unwrap_or_default(),
            stack: sample.stack.frames.iter().map(Frame::from).collect(),
            created_by: sample.stack.created_by.as_ref().map(Frame::from),
            proof: sample.proof.as_deref().map(Into::into),
        }
    }

    /// The test that a goroutine comes from: by its mark, else by the goroutines that started it.
    fn test_of(&self, labels: u64, id: u64, parents: &HashMap<u64, u64>) -> Option<usize> {
        if let Some(number) = self.watch.mark_of(labels) {
            return usize::try_from(number).ok();
        }
        let mut id = id;
        // Parents have smaller numbers, so this ends; foreign memory is not believed in that.
        for _ in 0..=parents.len() {
            if let Some(test) = self.by_goroutine.get(&id) {
                return Some(*test);
            }
            id = *parents.get(&id)?;
        }
        None
    }
}

fn is_left(sample: &Sample) -> bool {
    left::kind(sample) == Kind::Left
}

/// Whether tests still run: not the main goroutine, which runs them all, but another one called `os.Exit`.
fn is_mid_test(snapshot: &Snapshot, details: &Details, exiting: Address) -> bool {
    let exiting = details.goroutines.iter().find(|one| one.g == exiting);
    let sample = exiting.and_then(|one| snapshot.samples.get(one.sample));
    let first = sample.and_then(|sample| sample.stack.frames.iter().next_back());
    first.is_some_and(|frame| &*frame.function != "main.main")
}
