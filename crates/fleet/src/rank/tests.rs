//! Judgement of sweeps that are made by hand.

use std::sync::Arc;

use gorphan_decode::Options;
use gorphan_model::verdict::{IgnoreRule, Policy};

use super::*;
use crate::discover::{Address, Target};
use crate::history::{History, Memory, SweepRecord, record};
use crate::sweep::{Exemplars, Swept};

/// A sweep at a minute: instances as `SERVICE INSTANCE SENDERS LEAKED`; the senders are in `shop.f`, and a thousandth as many
/// goroutines wait in `shop.pump` for a timer.
fn sweep(minute: i64, instances: &[&str]) -> (SweepRecord, Exemplars) {
    let mut exemplars = Exemplars::default();
    let mut swept = Swept::default();
    for text in instances {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().expect("a number");
        let target = Arc::new(Target {
            labels: [
                ("service", words[0]),
                ("instance", words[1]),
                ("owner", "team-a"),
            ]
            .into_iter()
            .collect(),
            address: Address::Process(1),
            start: String::new(),
        });
        let decode = |text: String| {
            let decoded = gorphan_decode::read_bytes(text.as_bytes(), &Options::default());
            decoded.expect("goroutines").remove(0)
        };
        let (senders, leaked) = (number(2), number(3));
        let frame = "#\t0x1\truntime.chansend1+0x1\t/go/src/runtime/chan.go:1\n#\t0x2\texample.com/shop.f+0x1\t/src/shop.go:3\n";
        let pump = "#\t0x3\truntime.selectgo+0x1\t/go/src/runtime/select.go:1\n#\t0x4\texample.com/shop.pump+0x1\t/src/shop.go:9\n";
        let all = decode(format!(
            "goroutine profile: total {}\n{senders} @ 0x1 0x2\n{frame}\n{senders} @ 0x3 0x4\n{pump}\n",
            2 * senders
        ));
        let leaks = (leaked > 0).then(|| {
            decode(format!(
                "goroutineleak profile: total {leaked}\n{leaked} @ 0x1 0x2\n{frame}\n"
            ))
        });
        swept.looks.push(exemplars.add(target, all, leaks));
    }
    (record(&swept, minute * 60), exemplars)
}

const SOURCE: &str = "package shop; import \"time\"\nfunc f(c chan int) {\n\tc <- 1\n}\n\n\n\nfunc pump(c chan int) {\n\tselect {\n\tcase <-c:\n\tcase <-time.After(1):\n\t}\n}\n";

/// Findings as `VERDICT SERVICE FUNCTION max M rms R kinds`, then what was dismissed and why.
fn judged(instances: &[&str], policy: &Policy) -> String {
    let (record, exemplars) = sweep(0, instances);
    let mut history = Memory::default();
    let Ok(_) = history.append(&record);
    let source = |name: &str| name.ends_with("shop.go").then(|| SOURCE.to_owned());
    let judge = Judge {
        policy,
        source: &source,
    };
    let Ok(judgement) = judge.judge(&record, &exemplars, &history);
    let mut lines = Vec::new();
    for (finding, facts) in judgement.findings.iter().zip(&judgement.facts) {
        let kinds: Vec<&str> = finding.evidence.iter().map(|one| one.kind()).collect();
        lines.push(format!(
            "{} {} {} max {} rms {:.0} {}",
            finding.verdict.as_str(),
            facts.service,
            finding.place.function,
            facts.instances.max,
            facts.instances.rms,
            kinds.join("+")
        ));
    }
    for group in judgement.groups.iter().skip(judgement.findings.len()) {
        let reason = group.dismissed.as_ref().expect("a reason");
        lines.push(format!(
            "{}: {} {}",
            reason.by.as_str(),
            group.site.function,
            reason.reason
        ));
    }
    lines.join("\n")
}

#[test]
fn suspects_are_ranked_and_transient_waits_dismissed() {
    let text = judged(
        &[
            "cart a 3000 0",
            "cart b 12000 0",
            "shop a 10000 0",
            "shop b 10000 0",
            "calm a 9999 0",
        ],
        &Policy::default(),
    );
    assert_eq!(
        text,
        "suspect shop example.com/shop.f max 10000 rms 10000 threshold
suspect cart example.com/shop.f max 12000 rms 8746 threshold
ends by itself: example.com/shop.pump the wait ends with time.After (time.After(1))
ends by itself: example.com/shop.pump the wait ends with time.After (time.After(1))"
    );
}

#[test]
fn the_runtimes_own_word_is_a_leak_however_few() {
    let text = judged(&["shop a 40 2", "shop b 40 0"], &Policy::default());
    assert_eq!(
        text,
        "leak shop example.com/shop.f max 40 rms 40 runtime_reported"
    );
    assert_eq!(judged(&["shop a 40 0"], &Policy::default()), "");
}

#[test]
fn what_the_user_does_not_want_is_kept_with_his_reason() {
    let policy = Policy {
        threshold: Some(30),
        ignore: vec![IgnoreRule {
            function: Some("example.com/shop.f".to_owned()),
            reason: Some("meant".to_owned()),
            ..IgnoreRule::default()
        }],
        ..Policy::default()
    };
    let text = judged(&["shop a 40 0"], &policy);
    assert!(
        text.starts_with("ignored: example.com/shop.f meant\n"),
        "{text}"
    );
    let policy = Policy {
        threshold: Some(30),
        own: vec!["example.com/other".to_owned()],
        ..Policy::default()
    };
    let text = judged(&["shop a 40 0"], &policy);
    assert!(
        text.starts_with("not own code: example.com/shop.f"),
        "{text}"
    );
}

#[test]
fn growth_over_days_is_found_with_few_goroutines() {
    let mut history = Memory::default();
    let policy = Policy::default();
    let judge = Judge {
        policy: &policy,
        source: &|_| None,
    };
    let mut last = Vec::new();
    // Hourly sweeps, one goroutine a minute at one instance of cart; shop has always as many.
    for hour in 0..24 * 7 {
        let leaking = format!("cart a {} 0", 10 + 60 * hour);
        let (record, exemplars) = sweep(hour * 60, &[&leaking, "shop a 500 0"]);
        let Ok(_) = history.append(&record);
        if hour == 24 * 7 - 1 {
            let Ok(judgement) = judge.judge(&record, &exemplars, &history);
            last = judgement.facts;
        }
    }
    // Ten thousand and ninety: both ways of waiting grow alike, and nothing of shop does.
    assert_eq!(last.len(), 2, "{last:?}");
    for facts in &last {
        let rate = facts.rate.expect("growth");
        assert_eq!(facts.service, "cart");
        assert!((rate.per_hour - 60.0).abs() < 1.0, "{rate:?}");
        assert_eq!(facts.owner.as_deref(), Some("team-a"));
    }
}

#[test]
fn a_fingerprint_does_not_move_with_lines() {
    let site = |line| gorphan_model::group::Site {
        operation: gorphan_model::Operation::ChanSend,
        function: "f".into(),
        file: "a.go".into(),
        line,
    };
    assert_eq!(fingerprint("s", &site(3)), fingerprint("s", &site(9)));
    assert_ne!(fingerprint("s", &site(3)), fingerprint("t", &site(3)));
}
