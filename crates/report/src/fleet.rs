//! The words about a finding in a fleet.

use gorphan_model::fleet::FleetFacts;

use crate::words;

/// `first seen in version 1.10 on 2026-01-02`, name and text.
pub(crate) fn facts(facts: &FleetFacts) -> Vec<(&'static str, String)> {
    let instances = &facts.instances;
    let version = match facts.version.as_str() {
        "" => String::new(),
        version => format!(", version {version}"),
    };
    let mut told = vec![
        ("service", format!("{}{version}", facts.service)),
        (
            "instances",
            format!(
                "{} of {} have it, {} goroutines in all; the worst is {} with {}; root mean square {:.0}",
                instances.count,
                instances.all,
                instances.total,
                instances.worst,
                instances.max,
                instances.rms
            ),
        ),
    ];
    if let Some(rate) = &facts.rate {
        let text = format!(
            "{:.1} an instance and hour, since {}; a healthy site looks like this once in {:.0} days",
            rate.per_hour,
            day(rate.since),
            rate.days_to_false_alarm
        );
        told.push(("growth", text));
    }
    let since = format!(
        "{}, first seen {}",
        facts.status.as_str(),
        day(facts.first_seen)
    );
    let since = match &facts.first_version {
        Some(version) => format!("{since}; the first version known to have it is {version}"),
        None => since,
    };
    told.push(("status", since));
    if let Some(owner) = &facts.owner {
        told.push(("owner", owner.clone()));
    }
    told.extend(cost(facts).map(|text| ("cost", text)));
    told
}

fn cost(facts: &FleetFacts) -> Option<String> {
    let cost = &facts.cost;
    let mut parts = Vec::new();
    parts.extend(
        cost.stack_bytes
            .map(|bytes| format!("about {} of stacks", words::bytes(bytes))),
    );
    parts.extend(cost.heap_bytes.map(|bytes| {
        let top = cost.heap_top.first();
        let top =
            top.map(|(function, bytes)| format!(", most by {function} ({})", words::bytes(*bytes)));
        format!(
            "live heap {}{}",
            words::bytes(bytes),
            top.unwrap_or_default()
        )
    }));
    parts.extend(cost.hours_to_limit.map(|hours| match hours {
        hours if hours >= 48.0 => format!("{:.0} days to the memory limit", hours / 24.0),
        hours => format!("{hours:.0} hours to the memory limit"),
    }));
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn day(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or("?".to_owned(), |time| {
        time.strftime("%Y-%m-%d %H:%M UTC").to_string()
    })
}

#[cfg(test)]
mod tests {
    use gorphan_model::fleet::{Cost, FleetFacts, Instances, Rate, Status};
    use serde_json::Value;

    use crate::testing::{HOSTILE, check, sample_report};
    use crate::{Document, FleetReport, Format, Style, TargetInfo};

    fn facts(service: &str) -> FleetFacts {
        FleetFacts {
            service: service.to_owned(),
            version: "1.10".to_owned(),
            instances: Instances {
                count: 2,
                all: 3,
                max: 300,
                total: 350,
                rms: 176.0,
                worst: service.to_owned(),
            },
            owner: Some(service.to_owned()),
            status: Status::New,
            first_seen: 1_767_225_600,
            first_version: Some(service.to_owned()),
            fingerprint: "0123456789abcdef".to_owned(),
            rate: Some(Rate {
                per_hour: 60.0,
                since: 1_767_139_200,
                days_to_false_alarm: 1e8,
            }),
            cost: Cost {
                stack_bytes: Some(4096),
                heap_bytes: Some(1 << 20),
                heap_top: vec![(service.to_owned(), 1024)],
                hours_to_limit: Some(72.0),
            },
        }
    }

    /// The sample's findings as those of a fleet, in every format that a sweep has, without anything that acts.
    fn shown(format: Format, service: &str) -> String {
        let sample = sample_report();
        let facts: Vec<FleetFacts> = sample.findings.iter().map(|_| facts(service)).collect();
        let document = Document::Fleet(FleetReport {
            target: TargetInfo {
                kind: "fleet",
                name: service.to_owned(),
                go_version: None,
                taken_at_unix_nanos: None,
                pause_seconds: None,
                method: None,
                bytes_read: None,
            },
            findings: &sample.findings,
            facts: &facts,
            groups: &sample.groups,
            targets: 3,
            targets_failed: 1,
            goroutines: 1338,
            problems: sample.problems.clone(),
        });
        check(&document, format, &Style::default())
    }

    #[test]
    fn every_format_of_a_sweep_is_harmless() {
        for format in [
            Format::Terminal,
            Format::Json,
            Format::Sarif,
            Format::Github,
            Format::Markdown,
        ] {
            assert!(!shown(format, HOSTILE).is_empty());
        }
        // Between backquotes a tag is text: every other piece.
        let markdown = shown(Format::Markdown, HOSTILE);
        let mut pieces = markdown.split("``").step_by(2);
        assert!(
            pieces.all(|piece| !piece.contains("<script>")),
            "{markdown}"
        );
    }

    #[test]
    fn what_is_known_of_a_service_is_told() {
        let terminal = shown(Format::Terminal, "shop");
        for told in [
            "2 of 3 targets reached",
            "service: shop, version 1.10",
            "2 of 3 have it, 350 goroutines in all; the worst is shop with 300; root mean square 176",
            "growth: 60.0 an instance and hour, since 2025-12-31 00:00 UTC",
            "status: new, first seen 2026-01-01 00:00 UTC",
            "about 4.0 KiB of stacks; live heap 1.0 MiB, most by shop (1.0 KiB); 3 days to the memory limit",
        ] {
            assert!(terminal.contains(told), "{told:?} is not in {terminal}");
        }
        let json: Value = serde_json::from_str(&shown(Format::Json, "shop")).expect("JSON");
        assert_eq!(json["summary"]["targets_failed"], 1);
        let finding = &json["findings"][0];
        assert_eq!(finding["instances"]["rms"], 176.0);
        assert_eq!(finding["first_seen"], "2026-01-01T00:00:00Z");
        assert_eq!(finding["rate"]["per_hour"], 60.0);
    }
}
