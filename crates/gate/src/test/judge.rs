//! From records to findings: what each test left, by blocked site, less what the user does not want to be told of.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gorphan_model::group::group;
use gorphan_model::proof::{Awaited, Step, Unreachable};
use gorphan_model::query::GroupBy;
use gorphan_model::verdict::{Policy, reconsider};
use gorphan_model::{
    Evidence, Finding, Format, GoroutineId, Group, Identities, Labels, Problem, ProfileKind, Proof,
    Sample, Snapshot, Stack, State, Verdict,
};

use super::record::{Frame, Left, Object, ProofRecord, Record, Unwatched};
use super::run::Outcome;

/// Everything that a run left.
#[derive(Debug)]
pub struct Judged {
    /// All goroutines that were left, of all packages.
    pub snapshot: Snapshot,
    /// By package, test and site; those that were dismissed have the reason.
    pub groups: Vec<Group>,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Test binaries whose goroutines are not known, and the like.
    pub problems: Vec<Problem>,
    /// Packages with the tests that were run, in order.
    pub packages: Vec<(String, Vec<String>)>,
    /// Test binaries whose goroutines were looked at.
    pub checked: u64,
    /// Test binaries that failed and therefore were not looked at.
    pub failed: u64,
    /// Tests, benchmarks and fuzz targets of those that were looked at.
    pub tests: u64,
}

/// Judges what a run left.
pub fn judge(outcome: &Outcome, policy: &Policy) -> Judged {
    let mut judged = Judged {
        snapshot: Snapshot::new(Format::Memory, ProfileKind::Goroutine),
        groups: Vec::new(),
        findings: Vec::new(),
        problems: outcome
            .problems
            .iter()
            .map(|it| Problem::new(it.as_str()))
            .collect(),
        packages: Vec::new(),
        checked: 0,
        failed: 0,
        tests: 0,
    };
    for record in &outcome.records {
        let package = package(record, &outcome.packages);
        judged.snapshot.go_version = record.go_version.clone().or(judged.snapshot.go_version);
        let problems = record.problems.iter();
        judged
            .problems
            .extend(problems.map(|it| Problem::new(format!("{package}: {it}"))));
        match &record.unwatched {
            None => {
                judged.checked += 1;
                judged.tests += record.tests.len() as u64;
            }
            Some(why) => match unknown(why) {
                None => judged.failed += 1,
                Some(why) => judged.problems.push(Problem::new(format!(
                    "the goroutines that {package} left are not known: {why}"
                ))),
            },
        }
        judged
            .packages
            .push((package.clone(), record.tests.clone()));
        let mut by_test: BTreeMap<(Option<&str>, bool), Vec<&Left>> = BTreeMap::new();
        for left in &record.left {
            let by = (left.test.as_deref(), left.hidden);
            by_test.entry(by).or_default().push(left);
        }
        for (by, left) in by_test {
            judged.add(&package, by, &left, record.grace_millis, policy);
        }
    }
    judged.findings.sort_by(|a, b| {
        (b.verdict, &a.package, &a.test, &a.place).cmp(&(a.verdict, &b.package, &b.test, &b.place))
    });
    judged
}

impl Judged {
    /// What one test left.
    fn add(
        &mut self,
        package: &str,
        (test, hidden): (Option<&str>, bool),
        left: &[&Left],
        grace: u64,
        policy: &Policy,
    ) {
        let mut snapshot = Snapshot::new(Format::Memory, ProfileKind::Goroutine);
        snapshot.samples = left.iter().map(|left| sample(left)).collect();
        let mut groups = group(&snapshot, GroupBy::Site);
        for group in &mut groups {
            group.evidence = vec![Evidence::Leftover {
                count: group.count,
                grace_millis: grace,
            }];
            let proven = group.proven.iter().map(|outcome| Evidence::Proof {
                count: outcome.count,
                proof: Arc::clone(&outcome.proof),
            });
            group.evidence.extend(proven);
        }
        let policy = policy.for_test(package, test);
        let wanted = groups.iter_mut().map(|group| (group, Verdict::Leak));
        let mut findings = reconsider(&snapshot, wanted, &policy);
        for finding in &mut findings {
            finding.package = Some(package.into());
            finding.test = test.map(Arc::from);
            let them = them(finding.count);
            let who = match test {
                Some(test) => format!("; {test} started {them}"),
                None if hidden => format!("; which test started {them} is not known"),
                None => format!("; no test started {them}"),
            };
            finding.message.push_str(&who);
        }
        self.findings.extend(findings);
        let before = self.snapshot.samples.len();
        for group in &mut groups {
            for sample in &mut group.samples {
                *sample += before;
            }
        }
        self.groups.extend(groups);
        self.snapshot.samples.extend(snapshot.samples);
    }
}

fn them(count: u64) -> &'static str {
    if count == 1 { "it" } else { "them" }
}

/// Why the goroutines of a test binary are not known, where that is not told by `go test` itself.
fn unknown(why: &Unwatched) -> Option<String> {
    match why {
        // Failing is what it is told of already.
        Unwatched::Crashed | Unwatched::TestsFailed => None,
        Unwatched::MidTest => Some("a test ended the process with os.Exit".into()),
        Unwatched::Replaced => Some("it became another program".into()),
        Unwatched::Failed(why) => Some(why.clone()),
    }
}

/// The import path of the package, else its folder.
fn package(record: &Record, known: &[(String, String)]) -> String {
    let same = |folder: &str| Path::new(folder) == Path::new(&record.folder);
    let found = known.iter().find(|(folder, _)| same(folder));
    found.map_or_else(|| record.folder.clone(), |(_, path)| path.clone())
}

fn sample(left: &Left) -> Sample {
    let frame = |frame: &Frame| {
        gorphan_model::Frame::new(frame.function.as_str(), frame.file.as_str(), frame.line)
    };
    let known: Vec<GoroutineId> = left.ids.iter().map(|id| GoroutineId(*id)).collect();
    Sample {
        stack: Arc::new(Stack {
            frames: left.stack.iter().map(frame).collect(),
            created_by: left.created_by.as_ref().map(frame),
            ..Stack::default()
        }),
        state: Some(State::parse(&left.state)),
        count: left.count,
        leaked: 0,
        durable: false,
        locked_to_thread: Some(0),
        labels: Labels::default(),
        waits: None,
        identities: identities(known, left.count),
        proof: left.proof.as_ref().map(|proof| Arc::new(proven(proof))),
    }
}

fn identities(known: Vec<GoroutineId>, count: u64) -> Identities {
    let elided = count.saturating_sub(known.len() as u64);
    let known = known
        .into_iter()
        .map(|id| gorphan_model::Identity { id, parent: None });
    Identities {
        known: known.collect(),
        elided,
    }
}

fn proven(proof: &ProofRecord) -> Proof {
    match proof {
        ProofRecord::Unreachable { objects } => Proof::Unreachable(Unreachable {
            objects: objects.iter().map(awaited).collect(),
            ..Unreachable::default()
        }),
        ProofRecord::Reachable { path } => Proof::Reachable(path.iter().map(step).collect()),
        ProofRecord::Inconclusive { why } => Proof::Inconclusive(why.clone()),
    }
}

fn step((description, address): &(String, u64)) -> Step {
    Step {
        description: description.clone(),
        address: *address,
    }
}

fn awaited(object: &Object) -> Awaited {
    Awaited {
        description: object.description.clone(),
        address: object.address,
        buffer: object.buffer,
        waiters: object.waiters,
    }
}
