//! `cargo xtask precision LEDGER`: runs `gorphan lint` over the real code that a ledger names, and holds what it reports against
//! what was judged. By hand: it fetches the code with `go mod download` and `apt-get download`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, output, run};

/// What a ledger names and what it says.
#[derive(Debug, Default)]
struct Ledger {
    /// The version of Go whose standard library is looked at, if it is.
    go: Option<String>,
    /// Debian packages, `name=version`.
    debian: Vec<String>,
    /// Import paths of what these packages have.
    paths: Vec<String>,
    /// Go modules, `path@version`.
    modules: Vec<String>,
    /// Reports by package and place.
    reports: BTreeMap<(String, String), Report>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Report {
    code: String,
    verdict: String,
    judged: String,
}

/// What was found: reports by package and place, and the number of lines.
#[derive(Debug, Default)]
struct Found {
    reports: BTreeMap<(String, String), Report>,
    lines: u64,
}

pub(crate) fn run_all(root: &Path, file: &str) -> Outcome {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let ledger = parse(&text).map_err(|error| format!("{file}: {error}"))?;
    run(Command::new("cargo").current_dir(root).args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "gorphan-lint",
        "--example",
        "find",
    ]))?;
    let find = root.join("target/release/examples/find");
    let folder = root.join("target/precision");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found = Found::default();
    if let Some(go) = &ledger.go {
        standard(&find, go, &mut found)?;
    }
    if !ledger.debian.is_empty() {
        debian(&find, &folder, &ledger, &mut found)?;
    }
    for module in &ledger.modules {
        self::module(&find, &folder, module, &mut found)?;
    }
    tell(&ledger, &found)
}

fn parse(text: &str) -> Result<Ledger, String> {
    let mut ledger = Ledger::default();
    let mut current: Option<((String, String), Report)> = None;
    let mut list: Option<&str> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "[[report]]" {
            ledger.reports.extend(current.take());
            current = Some(Default::default());
            continue;
        }
        if let Some(name) = list {
            if line == "]" {
                list = None;
                continue;
            }
            let item = line.trim_end_matches(',').trim_matches('"').to_owned();
            match name {
                "debian" => ledger.debian.push(item),
                "paths" => ledger.paths.push(item),
                _ => ledger.modules.push(item),
            }
            continue;
        }
        let (key, value) = line
            .split_once(" = ")
            .ok_or_else(|| format!("line {number} is not understood"))?;
        if value == "[" && ["debian", "paths", "modules"].contains(&key) {
            list = Some(key);
            continue;
        }
        let value = value.trim_matches('"').to_owned();
        match (&mut current, key) {
            (None, "go") => ledger.go = Some(value),
            (Some(((package, _), _)), "package") => *package = value,
            (Some(((_, place), _)), "place") => *place = value,
            (Some((_, report)), "code") => report.code = value,
            (Some((_, report)), "verdict") => report.verdict = value,
            (Some((_, report)), "judged") => report.judged = value,
            (Some(_), "why") => {}
            _ => return Err(format!("line {number}: nothing is called {key} here")),
        }
    }
    ledger.reports.extend(current);
    Ok(ledger)
}

/// The standard library of the go command on the path.
fn standard(find: &Path, version: &str, found: &mut Found) -> Outcome {
    let go = |what: &str| {
        output(
            Command::new("go")
                .args(["env", what])
                .env("GOTOOLCHAIN", "local"),
        )
    };
    let has = go("GOVERSION")?;
    if has.trim() != format!("go{version}") {
        return Err(format!(
            "the ledger is of Go {version}, and go on the path is {}",
            has.trim()
        ));
    }
    let source = PathBuf::from(go("GOROOT")?.trim()).join("src");
    let mut command = Command::new(find);
    command.args(["-tests", "std"]).current_dir(&source);
    check(&mut command, "std", &source, found)
}

/// Packages of Go source as Debian has them, unpacked into a GOPATH.
fn debian(find: &Path, folder: &Path, ledger: &Ledger, found: &mut Found) -> Outcome {
    let packages = folder.join("packages");
    let tree = folder.join("debian");
    fs::create_dir_all(&packages).map_err(|error| error.to_string())?;
    for package in &ledger.debian {
        let (name, version) = package.split_once('=').unwrap_or((package, ""));
        let there = fs::read_dir(&packages).map_err(|error| error.to_string())?;
        let file = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        // A colon of the version is escaped in the file's name.
        let start = format!("{name}_{}", version.replace(':', "%3a"));
        if there
            .flatten()
            .any(|entry| file(&entry).starts_with(&start))
        {
            continue;
        }
        run(Command::new("apt-get")
            .args(["download", package])
            .current_dir(&packages))?;
    }
    for entry in fs::read_dir(&packages)
        .map_err(|error| error.to_string())?
        .flatten()
    {
        run(Command::new("dpkg-deb")
            .arg("-x")
            .args([entry.path(), tree.clone()]))?;
    }
    let path = tree.join("usr/share/gocode");
    for import in &ledger.paths {
        let source = path.join("src").join(import);
        let mut command = Command::new(find);
        command
            .args(["-tests", "./..."])
            .current_dir(&source)
            .env("GOPATH", &path)
            .env("GO111MODULE", "off");
        check(&mut command, import, &source, found)?;
    }
    Ok(())
}

/// A module with all that it requires.
fn module(find: &Path, folder: &Path, module: &str, found: &mut Found) -> Outcome {
    let (path, _) = module.split_once('@').unwrap_or((module, ""));
    let go = |arguments: &[&str]| {
        let mut command = Command::new("go");
        command
            .args(arguments)
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=mod")
            .env("GOWORK", "off");
        command
    };
    let told = output(go(&["mod", "download", "-json", module]).current_dir(folder))?;
    let start = "\"Dir\": \"";
    let source = told
        .split_once(start)
        .and_then(|(_, rest)| rest.split_once('"'));
    let source = PathBuf::from(
        source
            .ok_or_else(|| format!("{module}: no folder in {told}"))?
            .0,
    );
    // The module's own go.mod must not be touched.
    let copies = folder.join("requirements");
    fs::create_dir_all(&copies).map_err(|error| error.to_string())?;
    for name in ["go.mod", "go.sum"] {
        let text = fs::read(source.join(name)).unwrap_or_default();
        fs::write(copies.join(name), text).map_err(|error| format!("{name}: {error}"))?;
    }
    let copy = format!("-modfile={}", copies.join("go.mod").display());
    // What cannot be had, as what a replace in the module's own repository names, is not resolved, and suppresses.
    if let Err(error) = output(go(&["mod", "download", &copy]).current_dir(&source)) {
        eprintln!("{module}: not all that it requires: {error}");
    }
    let mut command = Command::new(find);
    command
        .args(["-tests", "./..."])
        .current_dir(&source)
        .env("GOWORK", "off");
    check(&mut command, path, &source, found)
}

fn check(command: &mut Command, package: &str, source: &Path, found: &mut Found) -> Outcome {
    let told = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let errors = String::from_utf8_lossy(&told.stderr);
    let lines = errors.lines().rev().find_map(|line| {
        let (lines, rest) = line.split_once(' ')?;
        rest.starts_with("lines in ")
            .then(|| lines.parse::<u64>().ok())?
    });
    let lines = lines.ok_or_else(|| format!("{package}: {errors}"))?;
    eprintln!("{package}: {lines} lines");
    found.lines += lines;
    let source = format!("{}/", source.display());
    for line in String::from_utf8_lossy(&told.stdout).lines() {
        // Related places are indented.
        let mut words = line.split(' ');
        let (Some(place), Some(code), Some(verdict)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if place.is_empty() {
            continue;
        }
        let place = place.strip_prefix(&source).unwrap_or(place).to_owned();
        let report = Report {
            code: code.to_owned(),
            verdict: verdict.to_owned(),
            judged: String::new(),
        };
        found.reports.insert((package.to_owned(), place), report);
    }
    Ok(())
}

/// Prints how often it was right; fails where the ledger does not have what is found.
fn tell(ledger: &Ledger, found: &Found) -> Outcome {
    let mut by_code: BTreeMap<&str, [u32; 3]> = BTreeMap::new();
    let mut leaks = [0_u32; 2];
    let mut wrong = Vec::new();
    for ((package, place), report) in &found.reports {
        let known = ledger.reports.get(&(package.clone(), place.clone()));
        let known =
            known.filter(|known| (&known.code, &known.verdict) == (&report.code, &report.verdict));
        let judged = known.map_or("", |known| known.judged.as_str());
        let Some(which) = ["true", "false", "unsure"]
            .iter()
            .position(|one| *one == judged)
        else {
            wrong.push(format!(
                "[[report]]\npackage = \"{package}\"\nplace = \"{place}\"\ncode = \"{}\"\nverdict = \"{}\"\njudged = \"\"\nwhy = \"\"\n",
                report.code, report.verdict
            ));
            continue;
        };
        by_code.entry(report.code.as_str()).or_default()[which] += 1;
        if report.verdict == "leak" {
            leaks[0] += 1;
            leaks[1] += u32::from(judged == "false");
        }
    }
    let gone = ledger
        .reports
        .keys()
        .filter(|key| !found.reports.contains_key(*key));
    let gone: Vec<String> = gone
        .map(|(package, place)| format!("{package} {place}"))
        .collect();
    println!("| code | true | false | unsure |\n|---|---|---|---|");
    let mut all = [0_u32; 3];
    for (code, counts) in &by_code {
        println!("| {code} | {} | {} | {} |", counts[0], counts[1], counts[2]);
        all.iter_mut()
            .zip(counts)
            .for_each(|(all, count)| *all += count);
    }
    let judged = f64::from(all[0] + all[1]).max(1.0);
    println!(
        "\n{} lines: {} true, {} false, {} unsure: {:.0} %; {} leaks, {} of them false",
        found.lines,
        all[0],
        all[1],
        all[2],
        f64::from(all[0]) * 100.0 / judged,
        leaks[0],
        leaks[1]
    );
    if wrong.is_empty() && gone.is_empty() {
        return Ok(());
    }
    Err(format!(
        "no longer found:\n{}\n\nnot judged, or not with this code and verdict:\n{}",
        gone.join("\n"),
        wrong.join("\n")
    ))
}
