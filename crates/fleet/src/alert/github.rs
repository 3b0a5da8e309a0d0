//! Issues of a repository at GitHub: one for each finding, found again by a mark that is not shown.
//!
//! Every comment carries the key of its message, so that after a crash it can be asked whether it arrived. Issues are
//! listed by their label and not searched for, as a search does not yet know what was made a moment ago.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::deliver::judge;
use super::{link, words};
use crate::http::{Client, Post, Unanswered};
use crate::ledger::{Event, Notice, Parcel, Settled};

/// The label of every issue of ours.
const LABEL: &str = "gorphan";
/// Issues on a page, which is the most that GitHub gives.
const PAGE: usize = 100;
/// Pages of issues, and of comments, that are looked through: the newest thousand.
const MAX_PAGES: usize = 10;
/// Characters of a title; GitHub takes 256.
const MAX_TITLE: usize = 200;
/// Characters of a body; GitHub takes 65536.
const MAX_BODY: usize = 60_000;

/// Where issues are.
pub(super) struct Repository<'a> {
    pub(super) client: &'a Client,
    pub(super) api: &'a Url,
    /// `owner/name`.
    pub(super) name: &'a str,
    pub(super) token: &'a str,
    pub(super) labels: &'a [String],
    pub(super) time: Duration,
}

/// An issue that is there.
struct Issue {
    number: u64,
    closed: bool,
    body: String,
}

type Step<T> = Result<T, Settled>;

/// Makes, comments, reopens or closes the issue of a finding.
pub(super) async fn bring(
    place: &Repository<'_>,
    parcel: &Parcel,
    external: Option<&Url>,
) -> Settled {
    let Some(notice) = parcel.notices.first() else {
        return Settled::Dropped {
            why: "there is nothing to tell".to_owned(),
        };
    };
    match tell(place, parcel, notice, external).await {
        Ok(settled) | Err(settled) => settled,
    }
}

async fn tell(
    place: &Repository<'_>,
    parcel: &Parcel,
    notice: &Notice,
    external: Option<&Url>,
) -> Step<Settled> {
    let issue = match parcel.mark.as_deref().and_then(|mark| mark.parse().ok()) {
        Some(number) => known(place, number, notice).await?,
        None => None,
    };
    let issue = match issue {
        Some(issue) => issue,
        None => match find(place, notice).await? {
            Some(issue) => issue,
            None if notice.event == Event::Resolved => {
                let why = "there is no issue to close".to_owned();
                return Ok(Settled::Dropped { why });
            }
            None => return create(place, parcel, notice, external).await,
        },
    };
    let key = delivery_mark(&parcel.key);
    let again = parcel.interrupted || parcel.attempts > 0;
    let said = issue.body.contains(&key) || again && commented(place, issue.number, &key).await?;
    if !said {
        let body = json!({"body": comment(parcel, notice, external)});
        let path = format!("issues/{}/comments", issue.number);
        place.ask(Method::POST, &path, &[], Some(&body)).await?;
    }
    let wanted = match notice.event {
        Event::Resolved if !issue.closed => {
            Some(json!({"state": "closed", "state_reason": "completed"}))
        }
        Event::New | Event::Reopened if issue.closed => {
            Some(json!({"state": "open", "state_reason": "reopened"}))
        }
        _ => None,
    };
    if let Some(body) = wanted {
        let path = format!("issues/{}", issue.number);
        place.ask(Method::PATCH, &path, &[], Some(&body)).await?;
    }
    Ok(Settled::Sent {
        mark: Some(issue.number.to_string()),
    })
}

async fn create(
    place: &Repository<'_>,
    parcel: &Parcel,
    notice: &Notice,
    external: Option<&Url>,
) -> Step<Settled> {
    let mut labels = vec![LABEL.to_owned()];
    labels.extend(place.labels.iter().cloned());
    let body = json!({
        "title": words::cut(&words::title(notice), MAX_TITLE),
        "body": description(parcel, notice, external),
        "labels": labels,
    });
    let made = place
        .ask(Method::POST, "issues", &[], Some(&body))
        .await?
        .ok_or_else(unreadable)?;
    let number = made.get("number").and_then(Value::as_u64);
    Ok(Settled::Sent {
        mark: number.map(|number| number.to_string()),
    })
}

/// The issue with a number, if it is still there and ours.
async fn known(place: &Repository<'_>, number: u64, notice: &Notice) -> Step<Option<Issue>> {
    let path = format!("issues/{number}");
    let found = place.ask(Method::GET, &path, &[], None).await?;
    let found = found.as_ref().and_then(issue);
    Ok(found.filter(|issue| issue.body.contains(&finding_mark(notice))))
}

/// The issue of a finding among those with our label.
async fn find(place: &Repository<'_>, notice: &Notice) -> Step<Option<Issue>> {
    let mark = finding_mark(notice);
    for page in 1..=MAX_PAGES {
        let page = page.to_string();
        let parameters = [
            ("labels", LABEL),
            ("state", "all"),
            ("sort", "created"),
            ("direction", "desc"),
            ("per_page", "100"),
            ("page", &page),
        ];
        let listed = place.ask(Method::GET, "issues", &parameters, None).await?;
        let listed = listed.ok_or_else(unreadable)?;
        let listed = listed.as_array().ok_or_else(unreadable)?;
        let mut issues = listed.iter().filter_map(issue);
        if let Some(found) = issues.find(|issue| issue.body.contains(&mark)) {
            return Ok(Some(found));
        }
        if listed.len() < PAGE {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Whether a comment with this key is there.
async fn commented(place: &Repository<'_>, number: u64, key: &str) -> Step<bool> {
    let path = format!("issues/{number}/comments");
    for page in 1..=MAX_PAGES {
        let page = page.to_string();
        let parameters = [("per_page", "100"), ("page", page.as_str())];
        let listed = place.ask(Method::GET, &path, &parameters, None).await?;
        let listed = listed.ok_or_else(unreadable)?;
        let listed = listed.as_array().ok_or_else(unreadable)?;
        let mut bodies = listed.iter().filter_map(|it| it.get("body")?.as_str());
        if bodies.any(|body| body.contains(key)) {
            return Ok(true);
        }
        if listed.len() < PAGE {
            return Ok(false);
        }
    }
    Ok(false)
}

fn issue(value: &Value) -> Option<Issue> {
    // Pull requests are issues too.
    if value.get("pull_request").is_some() {
        return None;
    }
    Some(Issue {
        number: value.get("number")?.as_u64()?,
        closed: value.get("state")?.as_str()? == "closed",
        body: value.get("body")?.as_str()?.to_owned(),
    })
}

impl Repository<'_> {
    /// One request. `None` where there is no such thing. Every failure may pass: it can be asked what arrived.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Step<Option<Value>> {
        let mut url = self.api.clone();
        let parts = format!("repos/{}/{path}", self.name);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts.split('/'));
        }
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let headers = vec![
            ("accept", "application/vnd.github+json".to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
            ("content-type", "application/json".to_owned()),
            ("x-github-api-version", "2022-11-28".to_owned()),
        ];
        let body = body.map(Value::to_string).unwrap_or_default().into_bytes();
        let reading = method == Method::GET;
        let post = Post {
            method,
            url,
            headers,
            body,
        };
        let reply = self.client.send(post, self.time).await;
        if let Ok(reply) = &reply {
            if reading && matches!(reply.status, 404 | 410) && !path.ends_with("issues") {
                return Ok(None);
            }
            if (200..300).contains(&reply.status) {
                return Ok(serde_json::from_slice(&reply.body).ok());
            }
        }
        Err(match judge(reply, false) {
            Settled::Sent { .. } => unreadable(),
            other => other,
        })
    }
}

fn unreadable() -> Settled {
    judge(
        Err(Unanswered {
            why: "the answer is not what GitHub gives".to_owned(),
            may_have_arrived: true,
        }),
        false,
    )
}

fn finding_mark(notice: &Notice) -> String {
    format!("<!-- gorphan finding {} -->", notice.fingerprint)
}

fn delivery_mark(key: &str) -> String {
    format!("<!-- gorphan message {key} -->")
}

/// The body of a new issue.
fn description(parcel: &Parcel, notice: &Notice, external: Option<&Url>) -> String {
    let mut text = about(notice, external);
    text.push_str(&format!(
        "\n{}\n{}\n",
        finding_mark(notice),
        delivery_mark(&parcel.key)
    ));
    text
}

fn comment(parcel: &Parcel, notice: &Notice, external: Option<&Url>) -> String {
    let text = match notice.event {
        Event::Resolved => format!("**It is gone:** {}\n", code(&notice.remark)),
        _ => {
            let remark = match notice.remark.as_str() {
                "" => String::new(),
                remark => format!(": {}", code(remark)),
            };
            let what = notice.event.words();
            format!("**{what}**{remark}\n\n{}", about(notice, external))
        }
    };
    format!("{text}\n{}\n", delivery_mark(&parcel.key))
}

/// What comes from programs stands in code, where neither a tag nor a name of somebody nor a word like "closes" acts.
fn about(notice: &Notice, external: Option<&Url>) -> String {
    let mut text = format!("{}\n\n", code(&notice.message));
    for (name, fact) in words::facts(notice) {
        let fact = match name {
            "Owner" => mention(&fact),
            _ => code(&fact),
        };
        text.push_str(&format!("- {name}: {fact}\n"));
    }
    let stack = words::stack(notice);
    if !stack.is_empty() {
        let fence = "`".repeat(longest_run(&stack).max(2) + 1);
        text.push_str(&format!("\n{fence}\n{stack}{fence}\n"));
    }
    text.push_str(&format!("\nThe usual fix: {}\n", code(&notice.help)));
    text.push_str(&format!(
        "\n`gorphan explain {}` tells more.",
        notice.code.replace('`', "'")
    ));
    if let Some(link) = link(external, notice) {
        text.push_str(&format!(" [The finding in gorphan]({link})."));
    }
    text.push('\n');
    words::cut(&text, MAX_BODY)
}

/// As a span of code, whatever is in it.
fn code(text: &str) -> String {
    let line = text.replace(['\n', '\r'], " ");
    let line = line.trim();
    if line.is_empty() {
        return String::new();
    }
    let ticks = "`".repeat(longest_run(line) + 1);
    let space = if line.starts_with('`') || line.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{ticks}{space}{line}{space}{ticks}")
}

/// Owners of a CODEOWNERS file are told by name; anything else is text.
fn mention(owner: &str) -> String {
    let is_name = |name: &str| {
        name.strip_prefix('@').is_some_and(|name| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.'))
        })
    };
    if owner.split(' ').all(is_name) {
        owner.to_owned()
    } else {
        code(owner)
    }
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// What would be written, for people to read.
pub(super) fn rehearsed(parcel: &Parcel, external: Option<&Url>) -> String {
    let Some(notice) = parcel.notices.first() else {
        return String::new();
    };
    match notice.event {
        Event::New => format!(
            "{}\n\n{}",
            words::title(notice),
            description(parcel, notice, external)
        ),
        _ => comment(parcel, notice, external),
    }
}
