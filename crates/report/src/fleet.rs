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
