//! PagerDuty's events, version 2. The fingerprint is the incident's key: whatever is sent again joins what is there.

use gorphan_model::Verdict;
use serde_json::{Value, json};
use url::Url;

use super::{link, words};
use crate::http::Post;
use crate::ledger::{Event, Notice};

/// Characters of a summary; PagerDuty takes 1024.
const MAX_SUMMARY: usize = 1000;

pub(super) fn request(notice: &Notice, url: Url, key: &str, external: Option<&Url>) -> Post {
    let action = match notice.event {
        Event::Resolved => "resolve",
        Event::Acknowledged => "acknowledge",
        Event::New | Event::Reopened | Event::Grown | Event::NewVersion | Event::State => "trigger",
    };
    let mut body = json!({
        "routing_key": key,
        "event_action": action,
        "dedup_key": format!("gorphan-{}", notice.fingerprint),
    });
    if action == "trigger" {
        body["client"] = json!("gorphan");
        body["payload"] = payload(notice);
        if let Some(link) = link(external, notice) {
            body["client_url"] = json!(link);
            body["links"] = json!([{"href": link, "text": "The finding in gorphan"}]);
        }
    }
    super::deliver::json(url, &body)
}

fn payload(notice: &Notice) -> Value {
    let mut details = json!({
        "message": notice.message,
        "help": notice.help,
        "remark": notice.remark,
        "stack": words::stack(notice),
        "code": notice.code,
    });
    for (name, text) in words::facts(notice) {
        details[name.to_ascii_lowercase().replace(' ', "_")] = json!(text);
    }
    json!({
        "summary": words::cut(&words::title(notice), MAX_SUMMARY),
        "source": if notice.worst.is_empty() { &notice.service } else { &notice.worst },
        "severity": match notice.verdict() {
            Verdict::Leak => "error",
            Verdict::Growing | Verdict::Suspect | Verdict::Normal => "warning",
        },
        "timestamp": words::rfc3339(notice.at),
        "component": notice.function,
        "group": notice.service,
        "class": notice.operation,
        "custom_details": details,
    })
}
