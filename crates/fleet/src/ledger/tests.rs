mod delivering;
mod file;
mod lasting;
mod people;

use std::collections::BTreeSet;

use gorphan_model::fleet::{Cost, FleetFacts, Instances, Status};
use gorphan_model::{Evidence, Finding, Frame, Operation, Place, Verdict};

use super::*;
use crate::alert::{Kind, TimeOfDay};
use crate::config::{Credential, HttpConfig, Secret};
use crate::sweep::Breaker;

struct Scene {
    folder: tempfile::TempDir,
    receivers: Vec<Receiver>,
}

impl Scene {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            receivers: vec![receiver("hook")],
        }
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.folder.path().join(FILE)).expect("opened")
    }

    fn telling(&self) -> Telling<'_> {
        Telling {
            receivers: &self.receivers,
            clean_sweeps: 3,
        }
    }

    /// Takes in a sweep in which each of `seen` is `SERVICE MAX VERSION`, opening the ledger anew as a timer would.
    fn sweep(&self, minute: i64, seen: &[&str]) -> Vec<String> {
        self.sweep_reaching(
            minute,
            seen,
            &reached(&[("shop", 3, &[]), ("cart", 3, &[])]),
        )
    }

    fn sweep_reaching(&self, minute: i64, seen: &[&str], reached: &Reached) -> Vec<String> {
        let pairs: Vec<(Finding, FleetFacts)> = seen.iter().map(|text| found(text)).collect();
        let seen: Vec<Seen<'_>> = pairs
            .iter()
            .map(|(finding, facts)| Seen {
                finding,
                facts,
                stack: &[],
            })
            .collect();
        let mut ledger = self.open();
        let changed = ledger
            .take_in(minute * 60, &seen, reached, self.telling())
            .expect("taken in");
        changed.iter().map(shown).collect()
    }

    /// What waits in the outbox of the receiver, and takes it out.
    fn outbox(&self, receiver: &str, now: i64) -> Vec<String> {
        let mut ledger = self.open();
        let courier = ledger
            .courier()
            .expect("asked")
            .expect("nobody else delivers");
        let mut all = Vec::new();
        while let Some(parcel) = ledger.claim(&courier, receiver, now).expect("claimed") {
            let notices: Vec<String> = parcel
                .notices
                .iter()
                .map(|it| {
                    format!("{} {} {}", it.event.as_str(), it.service, it.remark)
                        .trim()
                        .to_owned()
                })
                .collect();
            all.push(notices.join(", "));
            let sent = Settled::Sent { mark: None };
            ledger
                .settle(receiver, &parcel, &sent, now)
                .expect("settled");
        }
        all
    }
}

fn receiver(name: &str) -> Receiver {
    Receiver {
        name: name.to_owned(),
        owners: Vec::new(),
        services: Vec::new(),
        verdict: Verdict::Suspect,
        digest: None,
        http: HttpConfig::default(),
        timeout: std::time::Duration::from_secs(1),
        kind: Kind::Webhook {
            url: Credential::Inline(Secret::new("http://127.0.0.1:1/")),
            secret: None,
        },
    }
}

fn reached(services: &[(&str, u64, &[&str])]) -> Reached {
    let reach = services.iter().map(|(service, reached, missed)| {
        let missed: BTreeSet<String> = missed.iter().map(|it| (*it).to_owned()).collect();
        let reach = Reach {
            reached: *reached,
            missed,
        };
        ((*service).to_owned(), reach)
    });
    Reached(reach.collect())
}

pub(crate) fn found(text: &str) -> (Finding, FleetFacts) {
    let words: Vec<&str> = text.split(' ').collect();
    let [service, max, version] = words.as_slice() else {
        panic!("three words: {text}");
    };
    let max = max.parse().expect("a number");
    let finding = Finding {
        code: "GR1001",
        verdict: Verdict::Leak,
        operation: Operation::ChanSend,
        place: Place {
            function: "main.f".into(),
            file: "/src/main.go".into(),
            line: 41,
            column: None,
        },
        count: max,
        retained_bytes: None,
        message: format!("{service}: {max} goroutines wait"),
        help: "Receive.".to_owned(),
        evidence: vec![Evidence::RuntimeReported { count: max }],
        pattern: None,
        package: None,
        test: None,
        cause: None,
    };
    let fingerprint = match *service {
        "shop" => "aaaa000000000001",
        "cart" => "aaaa000000000002",
        _ => "bbbb000000000003",
    };
    let facts = FleetFacts {
        service: (*service).to_owned(),
        version: (*version).to_owned(),
        instances: Instances {
            count: 1,
            all: 3,
            max,
            total: max,
            rms: 1.0,
            worst: "i-1".to_owned(),
        },
        owner: Some("team-a".to_owned()),
        status: Status::New,
        first_seen: 0,
        first_version: None,
        fingerprint: fingerprint.to_owned(),
        rate: None,
        cost: Cost::default(),
    };
    (finding, facts)
}

fn shown(changed: &Changed) -> String {
    let change = match &changed.change {
        Change::New => "new".to_owned(),
        Change::Reopened => "reopened".to_owned(),
        Change::Grown { from } => format!("grown from {from}"),
        Change::NewVersion => "new version".to_owned(),
        Change::Resolved { why } => format!("resolved: {why}"),
        Change::Ongoing => "-".to_owned(),
    };
    format!("{change} ({})", changed.status.as_str())
}
