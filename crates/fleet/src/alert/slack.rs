//! An incoming webhook of Slack.
//!
//! Names come from programs and may hold anything: the three characters that mean something to Slack are replaced, and
//! what is meant literally stands in plain text or between backquotes that it cannot close.

use serde_json::{Value, json};
use url::Url;

use super::{link, words};
use crate::http::Post;
use crate::ledger::{Event, Notice, Parcel};

/// Characters of a header.
const MAX_HEADER: usize = 150;
/// Characters of a section; Slack takes 3000.
const MAX_SECTION: usize = 2900;
/// Characters of one field; Slack takes 2000.
const MAX_FIELD: usize = 1000;
/// Findings of a digest with a section of their own; Slack takes 50 blocks.
const MAX_SECTIONS: usize = 40;

pub(super) fn request(parcel: &Parcel, url: Url, external: Option<&Url>) -> Post {
    let body = match parcel.notices.as_slice() {
        [notice] if !parcel.digest => single(notice, external),
        _ => digest(parcel, external),
    };
    super::deliver::json(url, &body)
}

fn single(notice: &Notice, external: Option<&Url>) -> Value {
    let title = words::title(notice);
    let mut blocks = vec![header(&title)];
    let mut about = vec![notice.remark.clone(), notice.message.clone()];
    if notice.event != Event::Resolved {
        about.push(notice.help.clone());
    }
    about.retain(|line| !line.is_empty());
    blocks.push(json!({
        "type": "section",
        "text": {"type": "mrkdwn", "text": words::cut(&escape(&about.join("\n")), MAX_SECTION), "verbatim": true},
    }));
    let fields: Vec<Value> = words::facts(notice)
        .into_iter()
        .map(|(name, text)| {
            let text = format!("{name}\n{text}");
            json!({"type": "plain_text", "text": words::cut(&text, MAX_FIELD), "emoji": false})
        })
        .collect();
    blocks.push(json!({"type": "section", "fields": fields}));
    let stack = words::stack(notice);
    if !stack.is_empty() && notice.event != Event::Resolved {
        let code = words::cut(&escape(&stack).replace('`', "'"), MAX_SECTION);
        blocks.push(json!({
            "type": "section",
            "text": {"type": "mrkdwn", "text": format!("```{code}```"), "verbatim": true},
        }));
    }
    blocks.push(foot(notice, external));
    json!({"text": escape(&words::cut(&title, MAX_SECTION)), "blocks": blocks})
}

fn digest(parcel: &Parcel, external: Option<&Url>) -> Value {
    let title = words::digest_title(parcel);
    let mut blocks = vec![header(&title)];
    for notice in parcel.notices.iter().take(MAX_SECTIONS) {
        let line = match link(external, notice) {
            Some(link) => format!(
                "<{link}|{}>",
                escape(&words::title(notice)).replace('|', "/")
            ),
            None => escape(&words::title(notice)),
        };
        let about = escape(&words::cut(&notice.message, MAX_FIELD));
        blocks.push(json!({
            "type": "section",
            "text": {"type": "mrkdwn", "text": words::cut(&format!("{line}\n{about}"), MAX_SECTION), "verbatim": true},
        }));
    }
    let more = parcel.notices.len().saturating_sub(MAX_SECTIONS);
    if more > 0 {
        blocks.push(json!({
            "type": "context",
            "elements": [{"type": "plain_text", "text": format!("and {more} more"), "emoji": false}],
        }));
    }
    json!({"text": escape(&title), "blocks": blocks})
}

fn header(title: &str) -> Value {
    json!({
        "type": "header",
        "text": {"type": "plain_text", "text": words::cut(title, MAX_HEADER), "emoji": false},
    })
}

fn foot(notice: &Notice, external: Option<&Url>) -> Value {
    let code = format!("{} {}", notice.code, notice.fingerprint);
    let text = match link(external, notice) {
        Some(link) => format!("{} <{link}|all of it>", escape(&code)),
        None => escape(&code),
    };
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": true}]})
}

/// Slack's own rule: these three and no others.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
