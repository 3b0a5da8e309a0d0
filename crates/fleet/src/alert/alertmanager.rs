//! Alertmanager, API version 2: the state of everything after each sweep.
//!
//! Labels are what an alert is: they stay the same while it lasts, so that counts and versions are annotations. An alert
//! ends by itself unless it is told again, so that a gorphan that died does not leave alerts behind.

use serde_json::{Value, json};
use url::Url;

use super::{link, words};
use crate::http::Post;
use crate::ledger::{Event, Notice, Parcel};

/// Alerts in one request: a megabyte or so.
const MAX_ALERTS: usize = 500;
/// The name of every alert; what tells them apart are the other labels.
const ALERT_NAME: &str = "GoroutineLeak";

pub(super) fn requests(
    parcel: &Parcel,
    urls: &[Url],
    lasts_seconds: i64,
    external: Option<&Url>,
) -> Vec<Post> {
    let alerts = parcel.notices.iter();
    let alerts: Vec<Value> = alerts
        .map(|notice| alert(notice, parcel.created, lasts_seconds, external))
        .collect();
    let mut requests = Vec::new();
    for url in urls {
        for some in alerts.chunks(MAX_ALERTS) {
            requests.push(super::deliver::json(url.clone(), &some));
        }
    }
    requests
}

fn alert(notice: &Notice, at: i64, lasts_seconds: i64, external: Option<&Url>) -> Value {
    let resolved = notice.event == Event::Resolved;
    let ends = if resolved {
        notice.at
    } else {
        at.saturating_add(lasts_seconds)
    };
    let mut labels = json!({
        "alertname": ALERT_NAME,
        "service": notice.service,
        "operation": notice.operation,
        "function": notice.function,
        "fingerprint": notice.fingerprint,
    });
    if let Some(owner) = &notice.owner {
        labels["owner"] = json!(owner);
    }
    let mut annotations = json!({
        "summary": words::title(notice),
        "description": notice.message,
        "help": notice.help,
        "code": notice.code,
        "verdict": notice.verdict,
        "version": notice.version,
    });
    for (name, text) in words::facts(notice) {
        let name = name.to_ascii_lowercase().replace(' ', "_");
        annotations[name] = json!(text);
    }
    let mut alert = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": words::rfc3339(notice.first_seen.min(ends)),
        "endsAt": words::rfc3339(ends),
    });
    if let Some(link) = link(external, notice) {
        alert["generatorURL"] = json!(link);
    }
    alert
}
