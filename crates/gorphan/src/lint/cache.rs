//! What is remembered of packages between runs: a file for each, named by what it depends on. Whatever cannot be read is as if it
//! were not there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gorphan_lint::session::{Kept, Key, Note, PackageReport, Store};
use gorphan_model::source::{Cause, Edit, Fix, Ledger, Related, Step};
use gorphan_model::{Evidence, Finding, Operation, Place, Verdict, code};
use serde::{Deserialize, Serialize};

/// Bytes of a remembered package; the largest known have a few hundred kilobytes.
const MAX_BYTES: u64 = 64 << 20;
/// What has not been asked for since so long is forgotten.
const KEEP: Duration = Duration::from_secs(14 * 86_400);
/// How often it is looked for what is to be forgotten, and how old a mark of use may be.
const TIDY_EVERY: Duration = Duration::from_secs(86_400);
/// The first bytes of a file, and its version.
const MAGIC: &[u8] = b"gorphan lint 1\n";

/// The folder of what is remembered.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// In the user's cache folder, or where GORPHAN_CACHE says; `None` where there is none, or it says `off`.
    pub(crate) fn open() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = match set("GORPHAN_CACHE") {
            Some(off) if off == "off" => return None,
            Some(folder) => PathBuf::from(folder),
            None => {
                let home = std::env::home_dir();
                let usual = if cfg!(windows) {
                    set("LOCALAPPDATA").map(PathBuf::from)
                } else if cfg!(target_os = "macos") {
                    home.map(|home| home.join("Library/Caches"))
                } else {
                    set("XDG_CACHE_HOME")
                        .map(PathBuf::from)
                        .or_else(|| Some(home?.join(".cache")))
                };
                usual?.join("gorphan")
            }
        };
        let folder = folder.join("lint");
        fs::create_dir_all(&folder).ok()?;
        let cache = Self { folder };
        cache.tidy();
        Some(cache)
    }

    fn path(&self, key: Key) -> PathBuf {
        let hex: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let (folder, name) = hex.split_at(2);
        self.folder.join(folder).join(name)
    }

    /// Forgets what is old, once in a while.
    fn tidy(&self) {
        let mark = self.folder.join("tidied");
        let now = SystemTime::now();
        if !is_older(&mark, now, TIDY_EVERY) {
            return;
        }
        if fs::write(&mark, b"").is_err() {
            return;
        }
        for folder in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                if is_older(&file.path(), now, KEEP) {
                    // Another run may have been faster.
                    let _ = fs::remove_file(file.path());
                }
            }
        }
    }

    fn read(&self, key: Key) -> Option<Kept> {
        let path = self.path(key);
        let metadata = fs::metadata(&path).ok()?;
        if metadata.len() > MAX_BYTES {
            return None;
        }
        let kept = decode(&fs::read(&path).ok()?)?;
        let now = SystemTime::now();
        if is_older(&path, now, TIDY_EVERY)
            && let Ok(file) = fs::File::options().append(true).open(&path)
        {
            let _ = file.set_modified(now);
        }
        Some(kept)
    }

    fn write(&self, key: Key, kept: &Kept) -> Option<()> {
        let path = self.path(key);
        let folder = path.parent()?;
        fs::create_dir_all(folder).ok()?;
        let mut file = tempfile::NamedTempFile::new_in(folder).ok()?;
        file.write_all(&encode(kept)?).ok()?;
        file.persist(&path).ok()?;
        Some(())
    }
}

/// Whether a file was last written or used so long ago, or is not there.
fn is_older(path: &Path, now: SystemTime, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.map_or(true, |modified| {
        now.duration_since(modified).is_ok_and(|since| since > age)
    })
}

impl Store for Cache {
    fn get(&self, key: Key) -> Option<Kept> {
        self.read(key)
    }

    fn put(&self, key: Key, kept: &Kept) {
        // A full disk costs time in the next run, and nothing else.
        let _ = self.write(key, kept);
    }
}

/// Magic, length of the report, report, facts, check sum.
fn encode(kept: &Kept) -> Option<Vec<u8>> {
    let report = serde_json::to_vec(&WireReport::of(&kept.report)).ok()?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(report.len()).ok()?.to_le_bytes());
    bytes.extend(report);
    bytes.extend(&kept.facts);
    let sum = check_sum(&bytes);
    bytes.extend(sum.to_le_bytes());
    Some(bytes)
}

fn decode(bytes: &[u8]) -> Option<Kept> {
    let (bytes, sum) = bytes.split_last_chunk::<8>()?;
    if check_sum(bytes) != u64::from_le_bytes(*sum) {
        return None;
    }
    let (length, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (report, facts) = rest.split_at_checked(length)?;
    let report: WireReport<'_> = serde_json::from_slice(report).ok()?;
    Some(Kept {
        report: report.into_report()?,
        facts: facts.to_vec(),
    })
}

/// FNV-1a over words of eight bytes: against damage, not against malice.
fn check_sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(8)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, chunk| {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            (hash ^ u64::from_le_bytes(word))
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(23)
        })
}

#[derive(Serialize, Deserialize)]
struct WireReport<'a> {
    #[serde(borrow)]
    findings: Vec<WireFinding<'a>>,
    suppressed: u64,
    problems: Vec<WireNote>,
    unused: Vec<WireNote>,
    counts: [u64; 6],
    unknown: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
struct WireNote {
    file: String,
    line: u32,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct WirePlace {
    function: String,
    file: String,
    line: u32,
    column: Option<u32>,
}

/// File, start, end, text.
type WireEdit = (String, u32, u32, String);

#[derive(Serialize, Deserialize)]
struct WireFinding<'a> {
    code: Cow<'a, str>,
    leak: bool,
    operation: Cow<'a, str>,
    rule: String,
    place: WirePlace,
    message: String,
    help: String,
    related: Vec<(WirePlace, String)>,
    witness: Vec<(String, WirePlace, String)>,
    fix: Option<(String, Vec<WireEdit>)>,
    end: Option<(u32, u32)>,
    fingerprint: String,
}

impl WirePlace {
    fn of(place: &Place) -> Self {
        Self {
            function: place.function.to_string(),
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
        }
    }

    fn into_place(self) -> Place {
        Place {
            function: self.function.into(),
            file: self.file.into(),
            line: self.line,
            column: self.column,
        }
    }
}

impl WireNote {
    fn of(note: &Note) -> Self {
        Self {
            file: note.file.to_string(),
            line: note.line,
            message: note.message.clone(),
        }
    }

    fn into_note(self) -> Note {
        Note {
            file: self.file.into(),
            line: self.line,
            message: self.message,
        }
    }
}

impl<'a> WireFinding<'a> {
    fn of(finding: &'a Finding) -> Self {
        let empty = Cause::default();
        let cause = finding.cause.as_deref().unwrap_or(&empty);
        let rule = finding.evidence.iter().find_map(|evidence| match evidence {
            Evidence::Source { rule } => Some(rule.to_string()),
            _ => None,
        });
        let related = cause
            .related
            .iter()
            .map(|one| (WirePlace::of(&one.place), one.label.clone()));
        let witness = cause.witness.iter();
        let witness = witness.map(|step| {
            (
                step.goroutine.clone(),
                WirePlace::of(&step.place),
                step.action.clone(),
            )
        });
        let fix = cause.fix.as_ref().map(|fix| {
            let edits = fix.edits.iter();
            let edits = edits.map(|edit| {
                (
                    edit.file.to_string(),
                    edit.start,
                    edit.end,
                    edit.text.clone(),
                )
            });
            (fix.title.clone(), edits.collect())
        });
        Self {
            code: Cow::Borrowed(finding.code),
            leak: finding.verdict == Verdict::Leak,
            operation: Cow::Borrowed(finding.operation.as_str()),
            rule: rule.unwrap_or_default(),
            place: WirePlace::of(&finding.place),
            message: finding.message.clone(),
            help: finding.help.clone(),
            related: related.collect(),
            witness: witness.collect(),
            fix,
            end: cause.end,
            fingerprint: cause.fingerprint.clone(),
        }
    }

    fn into_finding(self) -> Option<Finding> {
        let related = self.related.into_iter().map(|(place, label)| Related {
            place: place.into_place(),
            label,
        });
        let witness = self
            .witness
            .into_iter()
            .map(|(goroutine, place, action)| Step {
                goroutine,
                place: place.into_place(),
                action,
            });
        let fix = self.fix.map(|(title, edits)| Fix {
            title,
            edits: edits
                .into_iter()
                .map(|(file, start, end, text)| Edit {
                    file: file.into(),
                    start,
                    end,
                    text,
                })
                .collect(),
        });
        Some(Finding {
            code: code::find(&self.code)?.id,
            verdict: if self.leak {
                Verdict::Leak
            } else {
                Verdict::Suspect
            },
            operation: Operation::parse(&self.operation)?,
            place: self.place.into_place(),
            count: 0,
            retained_bytes: None,
            message: self.message,
            help: self.help,
            evidence: vec![Evidence::Source {
                rule: Cow::Owned(self.rule),
            }],
            pattern: None,
            package: None,
            test: None,
            cause: Some(Arc::new(Cause {
                related: related.collect(),
                witness: witness.collect(),
                fix,
                end: self.end,
                fingerprint: self.fingerprint,
            })),
        })
    }
}

impl<'a> WireReport<'a> {
    fn of(report: &'a PackageReport) -> Self {
        let ledger = &report.ledger;
        Self {
            findings: report.findings.iter().map(WireFinding::of).collect(),
            suppressed: report.suppressed,
            problems: report.problems.iter().map(WireNote::of).collect(),
            unused: report.unused.iter().map(WireNote::of).collect(),
            counts: [
                ledger.packages,
                ledger.files,
                ledger.lines,
                ledger.files_unparsed,
                ledger.scopes_proved,
                ledger.scopes_leaking,
            ],
            unknown: ledger
                .unknown
                .iter()
                .map(|(reason, count)| (reason.to_string(), *count))
                .collect(),
        }
    }

    fn into_report(self) -> Option<PackageReport> {
        let findings: Option<Vec<Finding>> = self
            .findings
            .into_iter()
            .map(WireFinding::into_finding)
            .collect();
        let [
            packages,
            files,
            lines,
            files_unparsed,
            scopes_proved,
            scopes_leaking,
        ] = self.counts;
        Some(PackageReport {
            findings: findings?,
            suppressed: self.suppressed,
            problems: self.problems.into_iter().map(WireNote::into_note).collect(),
            unused: self.unused.into_iter().map(WireNote::into_note).collect(),
            ledger: Ledger {
                packages,
                files,
                lines,
                files_unparsed,
                scopes_proved,
                scopes_leaking,
                unknown: self
                    .unknown
                    .into_iter()
                    .map(|(reason, count)| (Cow::Owned(reason), count))
                    .collect(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Kept {
        let place = |line| Place {
            function: "p.f".into(),
            file: "/src/p.go".into(),
            line,
            column: Some(2),
        };
        let finding = Finding {
            code: "GR1001",
            verdict: Verdict::Leak,
            operation: Operation::ChanSend,
            place: place(3),
            count: 0,
            retained_bytes: None,
            message: "m".into(),
            help: "h".into(),
            evidence: vec![Evidence::Source { rule: "r".into() }],
            pattern: None,
            package: None,
            test: None,
            cause: Some(Arc::new(Cause {
                related: vec![Related {
                    place: place(1),
                    label: "l".into(),
                }],
                witness: vec![Step {
                    goroutine: "g".into(),
                    place: place(2),
                    action: "a".into(),
                }],
                fix: Some(Fix {
                    title: "t".into(),
                    edits: vec![Edit {
                        file: "/src/p.go".into(),
                        start: 1,
                        end: 2,
                        text: "x".into(),
                    }],
                }),
                end: Some((3, 9)),
                fingerprint: "00ff".into(),
            })),
        };
        let note = Note {
            file: "/src/p.go".into(),
            line: 4,
            message: "n".into(),
        };
        let mut ledger = Ledger {
            packages: 1,
            files: 2,
            lines: 3,
            files_unparsed: 1,
            scopes_proved: 5,
            scopes_leaking: 6,
            ..Ledger::default()
        };
        ledger.undecided("why");
        Kept {
            report: PackageReport {
                findings: vec![finding],
                suppressed: 2,
                problems: vec![note.clone()],
                unused: vec![note],
                ledger,
            },
            facts: vec![1, 2, 3],
        }
    }

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache {
            folder: folder.path().to_path_buf(),
        };
        let (key, kept) = (Key([7; 32]), sample());
        assert_eq!(cache.get(key), None);
        cache.put(key, &kept);
        assert_eq!(cache.get(key), Some(kept));
        assert_eq!(cache.get(Key([8; 32])), None);
    }

    #[test]
    fn damage_is_as_if_nothing_were_kept() {
        let bytes = encode(&sample()).unwrap();
        assert!(decode(&bytes).is_some());
        for length in 0..bytes.len() {
            assert_eq!(
                decode(bytes.get(..length).unwrap()),
                None,
                "cut to {length}"
            );
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(decode(&damaged), None, "damaged at {at}");
        }
    }
}
