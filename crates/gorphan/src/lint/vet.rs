//! `go vet -vettool=$(which gorphan)`: one package at a time, as the go command asks for it.
//!
//! The go command runs the tool with `-V=full` (which build is it), with `-flags` (what does it take), and then with a file
//! `vet.cfg` for every package, imported ones first (cmd/go/internal/work, `vetConfig`, Go 1.19 to 1.27). What it keeps of a package for
//! importers (`vetx`) is here the list of its files, and of all that it imports, as types come from source; and what its functions do.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use gorphan_lint::load::{NEWEST_GO_MINOR, Unit, load_units};
use gorphan_lint::session::{self, PackageReport, Run, Store};
use gorphan_lint::syntax::Names;
use gorphan_model::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::disk::Disk;
use super::{fix, salt};
use crate::config::{self, Config};
use crate::error::{Failure, Result};

/// Bytes of a configuration of the go command.
const MAX_CONFIG_BYTES: u64 = 256 << 20;
/// Bytes of what is kept of a package, unpacked.
const MAX_FACTS_BYTES: u64 = 256 << 20;
/// The first bytes of what is kept.
const MAGIC: &[u8] = b"gorphan vetx 2\n";
/// The name under which findings stand in JSON.
const ANALYZER: &str = "gorphan";

/// What the go command takes for flags of the tool: name, whether it has no value, what it does.
const FLAGS: [(&str, bool, &str); 4] = [
    ("json", true, "emit JSON output"),
    ("fix", true, "apply all safe fixes"),
    (
        "diff",
        true,
        "with -fix, don't update the files, but print a unified diff",
    ),
    (
        "fail-on",
        false,
        "report what is at least this sure: suspect or leak (default leak)",
    ),
];

/// What was asked of the tool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `-V=full`.
    Version,
    /// `-flags`.
    Flags,
    /// A package.
    Package(Asked),
}

/// A package to look at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    config: PathBuf,
    json: bool,
    fix: bool,
    diff: bool,
    /// Print suspects. The go command fails for whatever a tool prints.
    suspects: bool,
}

impl Request {
    /// What the arguments ask for, if they are the go command's.
    pub(crate) fn of(arguments: &[OsString]) -> Option<Self> {
        let (last, flags) = arguments.split_last()?;
        let last = last.to_str()?;
        if flags.is_empty() && matches!(last, "-V=full" | "--V=full") {
            return Some(Self::Version);
        }
        if flags.is_empty() && matches!(last, "-flags" | "--flags") {
            return Some(Self::Flags);
        }
        if !last.ends_with(".cfg") {
            return None;
        }
        let mut asked = Asked {
            config: PathBuf::from(last),
            ..Asked::default()
        };
        for flag in flags {
            let flag = flag.to_str()?.trim_start_matches('-');
            match flag.strip_suffix("=true").unwrap_or(flag) {
                "json" => asked.json = true,
                "fix" => asked.fix = true,
                "diff" => asked.diff = true,
                "fail-on=suspect" => asked.suspects = true,
                "fail-on=leak" | "json=false" | "fix=false" | "diff=false" => {}
                _ => return None,
            }
        }
        Some(Self::Package(asked))
    }
}

/// The part of `vet.cfg` that is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct VetConfig {
    #[serde(rename = "ID")]
    id: String,
    dir: PathBuf,
    go_files: Vec<PathBuf>,
    import_map: Option<BTreeMap<String, String>>,
    package_vetx: Option<BTreeMap<String, PathBuf>>,
    vetx_only: bool,
    vetx_output: PathBuf,
    stdout: Option<PathBuf>,
    go_version: String,
}

/// What is kept of a package, by id: its own and of all that it imports.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    units: BTreeMap<String, KeptUnit>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptUnit {
    directory: PathBuf,
    /// Names in the directory, or whole paths elsewhere.
    files: Vec<PathBuf>,
    imports: BTreeMap<String, String>,
    go_minor: u32,
    standard: bool,
    /// What its functions do, in hexadecimal digits: only of the package itself, as only who imports it asks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    facts: String,
}

/// Does what was asked.
pub(crate) fn run(request: &Request) -> Result<ExitCode> {
    match request {
        Request::Version => {
            let program = std::env::args().next().unwrap_or_default();
            let base = Path::new(&program)
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or("gorphan");
            // All of it is what the go command takes for the identity of the tool.
            println!(
                "{base} version {} build {}",
                env!("CARGO_PKG_VERSION"),
                salt().replace(' ', ".")
            );
            Ok(ExitCode::SUCCESS)
        }
        Request::Flags => {
            let flags: Vec<Value> = FLAGS
                .iter()
                .map(
                    |(name, is_bool, usage)| json!({"Name": name, "Bool": is_bool, "Usage": usage}),
                )
                .collect();
            println!("{}", Value::Array(flags));
            Ok(ExitCode::SUCCESS)
        }
        Request::Package(asked) => package(asked),
    }
}

fn package(asked: &Asked) -> Result<ExitCode> {
    let config = read_config(&asked.config)?;
    let mut kept = Kept::default();
    for (id, vetx) in config.package_vetx.iter().flatten() {
        // Without it nothing is known of the package, which suppresses.
        if let Some(one) = read_kept(vetx) {
            for (other, unit) in one.units {
                let is_it = other == *id;
                if is_it || !kept.units.contains_key(&other) {
                    kept.units.insert(other, unit);
                }
            }
        }
    }
    let own = config.unit();
    kept.units.insert(config.id.clone(), KeptUnit::of(&own));
    // Of the standard library importers do not ask for facts (gorphan_lint::session).
    let looked = match config.vetx_only && own.standard {
        true => Looked::default(),
        false => look(&kept, &config.id),
    };
    if !config.vetx_output.as_os_str().is_empty() {
        for (id, unit) in &mut kept.units {
            unit.facts = match *id == config.id {
                true => looked.facts.clone(),
                false => String::new(),
            };
        }
        write_kept(&config.vetx_output, &kept)?;
    }
    if config.vetx_only {
        return Ok(ExitCode::SUCCESS);
    }
    // Also a complaint about a comment is worth a line, and no failure.
    for problem in &looked.report.problems {
        eprintln!("{}:{}: {}", problem.file, problem.line, problem.message);
    }
    let mut findings = looked.report.findings;
    ignore(&config.dir, &mut findings)?;
    tell(asked, &config, &findings)
}

/// What came of a package.
#[derive(Debug, Default)]
struct Looked {
    report: PackageReport,
    facts: String,
}

/// Looks at one of some packages, with the facts of those that it imports.
fn look(kept: &Kept, id: &str) -> Looked {
    let units: Vec<Unit> = kept.units.iter().map(|(id, kept)| kept.unit(id)).collect();
    let loaded = load_units(&Disk::default(), &units, id);
    let keys = session::keys(&loaded, "");
    let known = keys
        .iter()
        .zip(&loaded.packages)
        .filter(|(_, package)| !package.root);
    let known = known.map(|(key, package)| {
        let unit = package.unit.as_ref().and_then(|id| kept.units.get(&**id));
        (
            *key,
            unit.map(|unit| bytes(&unit.facts)).unwrap_or_default(),
        )
    });
    let memory = Memory {
        known: known.collect(),
        own: Mutex::default(),
    };
    let names = Names::new();
    let run = Run {
        names: &names,
        store: &memory,
        threads: 1,
        salt: "",
    };
    let outcome = session::run(&loaded, run);
    let own = memory
        .own
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Looked {
        report: outcome
            .reports
            .into_iter()
            .next()
            .map(|(_, report)| report)
            .unwrap_or_default(),
        facts: digits(&own),
    }
}

/// The facts of imported packages, and room for those of the one at hand.
#[derive(Debug)]
struct Memory {
    known: HashMap<session::Key, Vec<u8>>,
    own: Mutex<Vec<u8>>,
}

impl Store for Memory {
    fn get(&self, key: session::Key) -> Option<session::Kept> {
        let facts = self.known.get(&key)?.clone();
        Some(session::Kept {
            facts,
            ..session::Kept::default()
        })
    }

    fn put(&self, _key: session::Key, kept: &session::Kept) {
        self.own
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&kept.facts);
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// None where they are no digits.
fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let read = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs
        .map(read)
        .collect::<Option<Vec<u8>>>()
        .unwrap_or_default()
}

/// Takes out what the configuration of the project ignores.
fn ignore(directory: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    let today = Some(config::date(jiff::Zoned::now().date()));
    let rules = Config::load(None, directory)?.ignore;
    findings.retain(|finding| {
        !rules
            .iter()
            .any(|rule| rule.applies(today, false) && rule.matches_source(finding))
    });
    Ok(())
}

fn tell(asked: &Asked, config: &VetConfig, findings: &[Finding]) -> Result<ExitCode> {
    if asked.fix {
        let asked_for: Vec<Finding> = findings
            .iter()
            .filter(|finding| asked.suspects || finding.verdict == Verdict::Leak)
            .cloned()
            .collect();
        let changes = fix::plan(&asked_for)?;
        for refused in &changes.refused {
            eprintln!("{refused}");
        }
        let mut diffs = String::new();
        for change in &changes.files {
            if asked.diff {
                diffs.push_str(&change.diff(None));
            } else {
                change.write()?;
            }
        }
        if asked.diff {
            config.print(&diffs)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    // From Go 1.26 on the go command asks for JSON, prints it as text, and fails for whatever it says.
    let shown: Vec<&Finding> = findings
        .iter()
        .filter(|finding| asked.suspects || finding.verdict == Verdict::Leak)
        .collect();
    if asked.json {
        let list: Vec<Value> = shown.iter().map(|finding| diagnostic(finding)).collect();
        let tree = if list.is_empty() {
            json!({})
        } else {
            json!({ config.id.as_str(): { ANALYZER: list } })
        };
        let text =
            serde_json::to_string_pretty(&tree).map_err(|error| Failure::new(error.to_string()))?;
        config.print(&format!("{text}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    for finding in &shown {
        eprintln!(
            "{}: {} [{}]",
            position(finding),
            said(finding),
            finding.code
        );
    }
    Ok(if shown.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(crate::FINDINGS)
    })
}

/// The message; of what is not certain it says so.
fn said(finding: &Finding) -> String {
    match finding.verdict {
        Verdict::Leak => finding.message.clone(),
        _ => format!("{}: {}", finding.verdict.as_str(), finding.message),
    }
}

fn position(finding: &Finding) -> String {
    let place = &finding.place;
    format!(
        "{}:{}:{}",
        place.file,
        place.line,
        place.column.unwrap_or(1)
    )
}

/// In the shape of golang.org/x/tools/go/analysis (`JSONDiagnostic`).
fn diagnostic(finding: &Finding) -> Value {
    let mut value = json!({
        "category": finding.code,
        "posn": position(finding),
        "message": format!("{} [{}]", said(finding), finding.code),
    });
    let Some(cause) = &finding.cause else {
        return value;
    };
    if let Some((line, column)) = cause.end {
        value["end"] = json!(format!("{}:{line}:{column}", finding.place.file));
    }
    let related = cause.related.iter().map(|related| {
        let place = &related.place;
        json!({"posn": format!("{}:{}:{}", place.file, place.line, place.column.unwrap_or(1)), "message": related.label})
    });
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        value["related"] = Value::Array(related);
    }
    if let Some(fix) = &cause.fix {
        let edits = fix.edits.iter();
        let edits = edits.map(|edit| json!({"filename": &*edit.file, "start": edit.start, "end": edit.end, "new": edit.text}));
        value["suggested_fixes"] =
            json!([{"message": fix.title, "edits": edits.collect::<Vec<_>>()}]);
    }
    value
}

impl VetConfig {
    fn unit(&self) -> Unit {
        Unit {
            id: self.id.clone(),
            directory: self.dir.clone(),
            files: self.go_files.clone(),
            imports: self.import_map.clone().unwrap_or_default(),
            go_minor: minor(&self.go_version),
            // The go command says it of imported packages alone.
            standard: self
                .dir
                .ancestors()
                .any(|folder| folder.ends_with("src") && folder.join("runtime/proc.go").is_file()),
        }
    }

    /// To where the go command wants standard output.
    fn print(&self, text: &str) -> Result<()> {
        let failed =
            |error: std::io::Error| Failure::new(format!("cannot write the findings: {error}"));
        match &self.stdout {
            Some(path) if !path.as_os_str().is_empty() => fs::write(path, text).map_err(failed),
            _ => std::io::stdout().write_all(text.as_bytes()).map_err(failed),
        }
    }
}

fn minor(version: &str) -> u32 {
    let digits = version
        .trim_start_matches("go")
        .strip_prefix("1.")
        .unwrap_or_default();
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits
        .get(..end)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(NEWEST_GO_MINOR)
}

impl KeptUnit {
    fn of(unit: &Unit) -> Self {
        let name = |file: &PathBuf| match file.strip_prefix(&unit.directory) {
            Ok(name) => name.to_path_buf(),
            Err(_) => file.clone(),
        };
        Self {
            directory: unit.directory.clone(),
            files: unit.files.iter().map(name).collect(),
            imports: unit.imports.clone(),
            go_minor: unit.go_minor,
            standard: unit.standard,
            facts: String::new(),
        }
    }

    fn unit(&self, id: &str) -> Unit {
        Unit {
            id: id.to_owned(),
            files: self
                .files
                .iter()
                .map(|file| self.directory.join(file))
                .collect(),
            directory: self.directory.clone(),
            imports: self.imports.clone(),
            go_minor: self.go_minor,
            standard: self.standard,
        }
    }
}

fn read_config(path: &Path) -> Result<VetConfig> {
    let failed = |why: String| {
        Failure::new(format!("cannot read {}: {why}", path.display())).advise(
            "files of this kind are the go command's: run go vet -vettool=$(which gorphan) ./...",
        )
    };
    let file = fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_CONFIG_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))
}

fn read_kept(path: &Path) -> Option<Kept> {
    let mut file = fs::File::open(path).ok()?;
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic).ok()?;
    if magic != MAGIC {
        return None;
    }
    let unpacked = ZlibDecoder::new(file).take(MAX_FACTS_BYTES);
    serde_json::from_reader(std::io::BufReader::new(unpacked)).ok()
}

fn write_kept(path: &Path, kept: &Kept) -> Result<()> {
    let failed = |why: String| Failure::new(format!("cannot write {}: {why}", path.display()));
    let mut bytes = MAGIC.to_vec();
    let mut packer = ZlibEncoder::new(&mut bytes, Compression::fast());
    serde_json::to_writer(&mut packer, kept).map_err(|error| failed(error.to_string()))?;
    packer.finish().map_err(|error| failed(error.to_string()))?;
    fs::write(path, bytes).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], expected: Option<Request>) {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        assert_eq!(Request::of(&arguments), expected);
    }

    #[test]
    fn the_go_command_is_told_from_people() {
        let asked = |asked: Asked| {
            Some(Request::Package(Asked {
                config: PathBuf::from("/w/vet.cfg"),
                ..asked
            }))
        };
        check(&["-V=full"], Some(Request::Version));
        check(&["-flags"], Some(Request::Flags));
        check(&["/w/vet.cfg"], asked(Asked::default()));
        check(
            &["-json", "/w/vet.cfg"],
            asked(Asked {
                json: true,
                ..Asked::default()
            }),
        );
        check(
            &["-fail-on=suspect", "-json=true", "/w/vet.cfg"],
            asked(Asked {
                json: true,
                suspects: true,
                ..Asked::default()
            }),
        );
        check(&["-V"], None);
        check(&["lint", "vet.cfg"], None);
        check(&["lint", "./..."], None);
        check(&[], None);
    }

    #[test]
    fn versions_of_go() {
        assert_eq!(
            (minor("go1.21"), minor("go1.23.4"), minor("")),
            (21, 23, NEWEST_GO_MINOR)
        );
    }
}
