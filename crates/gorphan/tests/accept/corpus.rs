//! The corpus of the Go tree: programs with leaks that its own tests expect of the runtime's profile of leaked goroutines.
//!
//! It is read from GOROOT when the tests run, changed so that each program stops where it takes the profile, and built in
//! the target folder. At that moment the process is inspected; then the runtime takes its profile, where it has one; then the
//! process is inspected again, because the program runs meanwhile: what was alive at first may have come to leak since.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use regex_lite::Regex;

use crate::go::{Build, Go};
use crate::play::Play;
use crate::seen::{Reading, Seen};
use crate::{conclude, jobs};

const FOLDER: &str = "src/runtime/testdata/testgoroutineleakprofile";
const EXPECTATIONS: &str = "src/runtime/goroutineleakprofile_test.go";
/// The first version whose runtime has the profile, as an experiment.
const FIRST_PROFILE: u32 = 26;
/// How often a program is run until all of its sites have been seen: those whose leaks depend on luck more often.
const REPETITIONS: [usize; 2] = [3, 11];
/// Versions before this one do not build the corpus.
const FIRST_VERSION: u32 = 22;

/// Stands in for the package that takes profiles.
const HOOK: &str = r#"package main

import (
	"io"
	"os"
	real "runtime/pprof"
	"syscall"
)

type hookedPackage struct{}

type hookedProfile struct{ real *real.Profile }

var pprof hookedPackage

func (hookedPackage) Lookup(name string) *hookedProfile {
	return &hookedProfile{real.Lookup(name)}
}

func (p *hookedProfile) WriteTo(w io.Writer, debug int) error {
	shown := w == io.Writer(os.Stdout)
	if shown {
		stop("look\n")
	}
	if p.real != nil {
		p.real.WriteTo(w, debug)
	}
	if shown {
		stop("\nlook again\n")
	}
	return nil
}

func stop(why string) {
	os.Stdout.WriteString(why)
	var one [1]byte
	for {
		if n, err := syscall.Read(0, one[:]); n > 0 || err != syscall.EINTR {
			return
		}
	}
}
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Micro,
    Stress,
    Pattern,
    Goker,
}

/// One program of the corpus.
#[derive(Debug)]
struct Case {
    kind: Kind,
    name: String,
    /// Whether its leaks depend on luck.
    flaky: bool,
    sites: Vec<Regex>,
}

/// The expectations, from the source of the tests.
fn cases(root: &Path) -> Result<Vec<Case>, String> {
    let path = root.join(EXPECTATIONS);
    let source =
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let token =
        Regex::new(r#"(\w+) :?= \[\]testCase\{|(makeTest|makeFlakyTest)\("(\w+)"|`([^`]*)`"#);
    let token = token.expect("a pattern");
    let mut kind = None;
    let mut cases: Vec<Case> = Vec::new();
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    for found in code.flat_map(|line| token.captures_iter(line)) {
        if let Some(list) = found.get(1) {
            kind = match list.as_str() {
                "microTests" => Some(Kind::Micro),
                "stressTestCases" => Some(Kind::Stress),
                "patternTestCases" => Some(Kind::Pattern),
                "gokerTestCases" => Some(Kind::Goker),
                other => return Err(format!("{}: {other} is not known", path.display())),
            };
        } else if let (Some(make), Some(name), Some(kind)) = (found.get(2), found.get(3), kind) {
            cases.push(Case {
                kind,
                name: name.as_str().to_owned(),
                flaky: make.as_str() == "makeFlakyTest",
                sites: Vec::new(),
            });
        } else if let (Some(site), Some(case)) = (found.get(4), cases.last_mut()) {
            let site = Regex::new(site.as_str()).map_err(|error| error.to_string())?;
            case.sites.push(site);
        }
    }
    if cases.is_empty() {
        return Err(format!("{} has no expectations", path.display()));
    }
    Ok(cases)
}

/// The corpus, ready to be built.
struct Corpus {
    folder: PathBuf,
    cases: Vec<Case>,
}

impl Corpus {
    fn of(go: &Go) -> Result<Self, String> {
        // One at a time: tests that run side by side share the folder.
        static WRITES: Mutex<()> = Mutex::new(());
        let _writes = WRITES.lock().expect("not poisoned");
        let cases = cases(&go.root)?;
        let folder = go.folder().join("corpus");
        for part in ["", "goker"] {
            let from = go.root.join(FOLDER).join(part);
            let to = folder.join(part);
            hook(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
        }
        fs::write(folder.join("go.mod"), "module example.com/proof\n")
            .map_err(|it| it.to_string())?;
        Ok(Self { folder, cases })
    }

    /// Of the first of these versions that has it.
    fn of_any(versions: &[Go]) -> Result<Self, String> {
        let with = versions
            .iter()
            .filter(|go| go.root.join(EXPECTATIONS).is_file());
        let newest = with.max_by_key(|go| go.minor);
        let newest =
            newest.ok_or("no Go of these has the corpus: give one of 1.26 or later, too")?;
        Self::of(newest)
    }
}

/// Writes the programs of a folder with a place to stop at.
fn hook(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "go") {
            let source = fs::read_to_string(&path)?;
            // An empty line in its place: line numbers stay.
            let source = source.replace("\t\"runtime/pprof\"\n", "\n");
            write(&to.join(path.file_name().unwrap_or_default()), &source)?;
        }
    }
    write(&to.join("hook.go"), HOOK)
}

/// Writes a file unless it is there as it should be: somebody may be compiling it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    match fs::read_to_string(path) {
        Ok(there) if there == text => Ok(()),
        _ => fs::write(path, text),
    }
}

/// A leaked goroutine as the runtime reports it.
#[derive(Debug)]
struct Reported {
    id: u64,
    line: String,
}

impl Reported {
    /// The function alone: `f.func1` of `f.func1(0x7, ...) [chan send]:`.
    fn function(&self) -> &str {
        let call = self.line.split(" [").next().unwrap_or_default();
        let arguments = call.rfind('(');
        arguments.map_or(call, |at| &call[..at])
    }
}

/// Reads a profile as the tests of Go do: the header, and the function two lines above the creator.
fn reported(profile: &[String]) -> Vec<Reported> {
    let text = profile.join("\n");
    let blocks = text.split("\n\n").filter_map(|block| {
        let lines: Vec<&str> = block.trim_start().lines().collect();
        let header = lines.first()?.strip_prefix("goroutine ")?;
        let (id, state) = header.split_once(" [")?;
        let created = lines
            .iter()
            .position(|line| line.starts_with("created by"))?;
        let function = lines.get(created.checked_sub(2)?)?;
        if !state.contains("(leaked)") {
            return None;
        }
        let state = state.replace(" (leaked)", "");
        Some(Reported {
            id: id.parse().ok()?,
            line: format!(
                "{} [{state}",
                function.strip_prefix("main.").unwrap_or(function)
            ),
        })
    });
    blocks.collect()
}

/// What was found in all runs of a program.
#[derive(Debug, Default)]
struct Found {
    /// Indices of sites, by gorphan and by the runtime.
    ours: BTreeSet<usize>,
    theirs: BTreeSet<usize>,
    /// Goroutines that the runtime reported, and how many of them were found before it did, and only after.
    reported: usize,
    shared: usize,
    later: usize,
    complaints: Vec<String>,
}

/// One run of a program.
fn run(case: &Case, program: &Path, found: &mut Found) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg(&case.name).env("GODEBUG", "asyncpreemptoff=1");
    if !case.flaky {
        command.env("GOMAXPROCS", "1");
    }
    let mut play = Play::start(&mut command)?;
    play.until("look")?;
    let before = Seen::process(play.pid(), Reading::Copy)?;
    play.say("");
    let profile = reported(&play.until("look again")?);
    let after = if profile.is_empty() {
        None
    } else {
        Some(Seen::process(play.pid(), Reading::Copy)?)
    };
    let name = &case.name;
    let site = |line: &str| case.sites.iter().position(|site| site.is_match(line));
    for group in before.leaks().chain(after.iter().flat_map(Seen::leaks)) {
        match site(&group.line()) {
            Some(site) => {
                found.ours.insert(site);
            }
            None => found
                .complaints
                .push(format!("{name}: not expected: {}", group.summary())),
        }
    }
    found.reported += profile.len();
    let mut missed: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for one in &profile {
        found.theirs.extend(site(&one.line));
        let is_leaked = |seen: &Seen| seen.group_of(one.id).is_some_and(|it| it.leaked > 0);
        if is_leaked(&before) {
            found.shared += 1;
        } else if let Some(group) = after.as_ref().and_then(|it| it.group_of(one.id)) {
            if group.leaked > 0 {
                found.later += 1;
            } else {
                let (count, id) = missed.entry(group.summary()).or_default();
                *count += 1;
                *id = one.id;
            }
        }
        // Else its number is one of very many that are not listed: they are counted.
    }
    if let Some(after) = &after {
        found.complaints.extend(fewer(name, &profile, after));
    }
    found
        .complaints
        .extend(missed.iter().map(|(what, (count, id))| {
            format!("{name}: the runtime reports {count} more, as goroutine {id}, of {what}")
        }));
    Ok(())
}

/// Where the runtime reports more goroutines than were found after it.
fn fewer(name: &str, profile: &[Reported], after: &Seen) -> Vec<String> {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for one in profile {
        counts.entry(one.function()).or_default().0 += 1;
    }
    for group in after.leaks() {
        let last = group.functions.last().map_or("", String::as_str);
        let last = last.strip_prefix("main.").unwrap_or(last);
        if let Some(count) = counts.get_mut(last) {
            count.1 += group.leaked;
        }
    }
    let fewer = counts.iter().filter(|(_, (theirs, ours))| theirs > ours);
    fewer
        .map(|(function, (theirs, ours))| {
            format!("{name}: the runtime reports {theirs} goroutines of {function}, and {ours} were found")
        })
        .collect()
}

fn check(case: &Case, program: &Path) -> Found {
    let mut found = Found::default();
    for _ in 0..REPETITIONS[usize::from(case.flaky)] {
        if let Err(error) = run(case, program, &mut found) {
            found.complaints.push(format!("{}: {error}", case.name));
            break;
        }
        if found.ours.len() == case.sites.len() {
            break;
        }
    }
    if !case.flaky {
        for (index, site) in case.sites.iter().enumerate() {
            if !found.ours.contains(&index) {
                found
                    .complaints
                    .push(format!("{}: not found: {site}", case.name));
            }
        }
    }
    found
}

/// A way to build the corpus.
pub(crate) struct Way<'a> {
    pub(crate) name: &'a str,
    pub(crate) flags: &'a [&'a str],
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

const PLAIN: Way<'_> = Way {
    name: "",
    flags: &[],
    environment: &[],
};

/// Builds and runs some of the corpus with one version.
fn check_version(
    go: &Go,
    corpus: &Corpus,
    way: &Way<'_>,
    wanted: impl Fn(&Case) -> bool,
) -> Vec<String> {
    let mut environment = way.environment.to_vec();
    if go.minor == FIRST_PROFILE {
        environment.push(("GOEXPERIMENT", "goroutineleakprofile"));
    }
    let mut programs = Vec::new();
    for (package, name) in [(".", "corpus-simple"), ("./goker", "corpus-goker")] {
        let built = go.build(Build {
            module: &corpus.folder,
            package,
            name: &format!("{name}{}", way.name),
            flags: way.flags,
            environment: &environment,
        });
        match built {
            Ok(program) => programs.push(program),
            Err(error) => return vec![error],
        }
    }
    let cases: Vec<&Case> = corpus.cases.iter().filter(|case| wanted(case)).collect();
    let found = jobs::each(&cases, |case| {
        check(case, &programs[usize::from(case.kind == Kind::Goker)])
    });
    tell(go, way, &cases, &found);
    let complaints = found.into_iter().flat_map(|found| found.complaints);
    complaints
        .map(|it| format!("go{}{}: {it}", go.version, way.name))
        .collect()
}

/// Prints the figures of a version.
fn tell(go: &Go, way: &Way<'_>, cases: &[&Case], found: &[Found]) {
    let sum = |flaky: Option<bool>, count: &dyn Fn(&Case, &Found) -> usize| -> usize {
        let pairs = cases.iter().zip(found);
        let wanted = pairs.filter(|(case, _)| flaky.is_none_or(|flaky| case.flaky == flaky));
        wanted.map(|(case, found)| count(case, found)).sum()
    };
    let ours = |_: &Case, found: &Found| found.ours.len();
    let theirs = |_: &Case, found: &Found| found.theirs.len();
    let all = |case: &Case, _: &Found| case.sites.len();
    println!(
        "go{}{}: {} programs; sites: {} of {} found, the runtime {}; deterministic: {} of {}, the runtime {}; goroutines the \
         runtime reported: {}, of them listed by number and found at first: {}, and only then: {}; {} complaints",
        go.version,
        way.name,
        cases.len(),
        sum(None, &ours),
        sum(None, &all),
        sum(None, &theirs),
        sum(Some(false), &ours),
        sum(Some(false), &all),
        sum(Some(false), &theirs),
        sum(None, &|_, found| found.reported),
        sum(None, &|_, found| found.shared),
        sum(None, &|_, found| found.later),
        sum(None, &|_, found| found.complaints.len()),
    );
    for (case, found) in cases.iter().zip(found).filter(|(case, _)| case.flaky) {
        let missed = case.sites.iter().enumerate();
        for (index, site) in missed.filter(|(index, _)| !found.ours.contains(index)) {
            let theirs = found.theirs.contains(&index);
            let who = if theirs {
                "by the runtime only"
            } else {
                "by nobody"
            };
            println!("  flaky {}: found {who}: {site}", case.name);
        }
    }
}

/// The deterministic programs, built in a way of one's own.
pub(crate) fn check_deterministic(go: &Go, versions: &[Go], way: &Way<'_>) -> Vec<String> {
    match Corpus::of_any(versions) {
        Ok(corpus) => check_version(go, &corpus, way, |case| !case.flaky),
        Err(error) => vec![error],
    }
}

#[test]
fn deterministic_leaks_of_the_corpus_are_found() {
    let go = Go::on_path();
    let corpus = Corpus::of(&go).expect("Go 1.26 or later, whose sources have the corpus");
    // Those of goker that take long are left to the long test.
    let quick =
        |case: &Case| !case.flaky && (case.kind != Kind::Goker || case.name.starts_with('C'));
    conclude(&check_version(&go, &corpus, &PLAIN, quick));
}

#[test]
#[ignore = "minutes: cargo xtask accept corpus"]
fn full_corpus() {
    let versions = Go::chosen();
    let corpus = Corpus::of_any(&versions).expect("a corpus");
    let kinds = [Kind::Micro, Kind::Stress, Kind::Pattern, Kind::Goker];
    let counts = kinds.map(|kind| corpus.cases.iter().filter(|case| case.kind == kind).count());
    let sites: usize = corpus.cases.iter().map(|case| case.sites.len()).sum();
    println!("micro, stress, pattern, goker: {counts:?}, sites: {sites}");
    let possible = versions.iter().filter(|go| go.minor >= FIRST_VERSION);
    let complaints: Vec<String> = possible
        .flat_map(|go| check_version(go, &corpus, &PLAIN, |_| true))
        .collect();
    conclude(&complaints);
}

#[test]
fn the_runtimes_profile_is_read_as_its_tests_do() {
    let profile = "goroutine 7 [chan send (leaked), 2 minutes]:\nmain.f.func1()\n\t/x/a.go:3 +0x1d\ncreated by main.f in goroutine 1\n\
                   \t/x/a.go:2 +0x25\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/a.go:9 +0x1\n";
    let lines: Vec<String> = profile.lines().map(str::to_owned).collect();
    let found = reported(&lines);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].id, found[0].line.as_str()),
        (7, "f.func1() [chan send, 2 minutes]:")
    );
    let method = Reported {
        id: 1,
        line: "(*T).run(0x7, {0x1, ...}) [select]:".to_owned(),
    };
    assert_eq!(
        (found[0].function(), method.function()),
        ("f.func1", "(*T).run")
    );
}
