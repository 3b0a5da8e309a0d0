//! Bringing what is in the outbox to the receivers, each message once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use super::{Alerting, Kind, Receiver, alertmanager, github, pagerduty, slack, webhook};
use crate::config::Credential;
use crate::http::{self, Client, Post, Reply, Unanswered};
use crate::ledger::{Ledger, LedgerError, Parcel, Settled};

/// Messages to one receiver in one go: the rest comes with the next.
const MAX_PARCELS: usize = 1_000;

/// What came of one go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Messages that arrived.
    pub sent: usize,
    /// What went wrong, each with its receiver.
    pub problems: Vec<String>,
    /// Another program delivers.
    pub elsewhere: bool,
}

/// Brings what is due. `now` is in seconds of Unix time; no further message is begun after `limit`.
///
/// # Errors
/// When the ledger cannot be read or written. What receivers do wrong is in the result.
pub async fn deliver(
    ledger: &Mutex<Ledger>,
    alerting: &Alerting,
    now: i64,
    limit: Duration,
) -> Result<Delivered, LedgerError> {
    let mut delivered = Delivered::default();
    let open = || ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let courier = open().courier()?;
    let Some(courier) = courier else {
        delivered.elsewhere = true;
        return Ok(delivered);
    };
    open().drop_others(&courier, &alerting.receivers, now)?;
    let start = Instant::now();
    for receiver in &alerting.receivers {
        let mut problem = |why: String| {
            delivered
                .problems
                .push(format!("receiver {}: {why}", receiver.name));
        };
        let client = match Client::new(&receiver.http) {
            Ok(client) => client,
            Err(error) => {
                problem(error.to_string());
                continue;
            }
        };
        let mut sent = 0;
        for _ in 0..MAX_PARCELS {
            if start.elapsed() >= limit {
                break;
            }
            let Some(parcel) = open().claim(&courier, &receiver.name, now)? else {
                break;
            };
            let settled = bring(receiver, &client, &parcel, alerting).await;
            open().settle(&receiver.name, &parcel, &settled, now)?;
            match settled {
                Settled::Sent { .. } => sent += 1,
                Settled::Dropped { .. } => {}
                Settled::Later { why, .. } => {
                    problem(format!("{why}; it is tried again later"));
                    break;
                }
                Settled::Unsure { why } => {
                    problem(format!("{why}; it may have arrived and is not sent again"));
                }
                Settled::Failed { why } => problem(why),
            }
        }
        delivered.sent += sent;
    }
    Ok(delivered)
}

pub(super) async fn bring(
    receiver: &Receiver,
    client: &Client,
    parcel: &Parcel,
    alerting: &Alerting,
) -> Settled {
    if let Kind::Github {
        api,
        repository,
        token,
        labels,
    } = &receiver.kind
    {
        let token = match http::read(token) {
            Ok(token) => token,
            Err(error) => return later(error.to_string()),
        };
        let place = github::Repository {
            client,
            api,
            name: repository,
            token: &token,
            labels,
            time: receiver.timeout,
        };
        return github::bring(&place, parcel, alerting.external_url.as_ref()).await;
    }
    let once = matches!(receiver.kind, Kind::Webhook { .. } | Kind::Slack { .. });
    if once && parcel.interrupted {
        return Settled::Unsure {
            why: "gorphan ended while it was being sent".to_owned(),
        };
    }
    let requests = match requests(receiver, parcel, alerting.external_url.as_ref()) {
        Ok(requests) => requests,
        Err(why) => return later(why),
    };
    for request in requests {
        let reply = client.send(request, receiver.timeout).await;
        let settled = judge(reply, once);
        if !matches!(settled, Settled::Sent { .. }) {
            return settled;
        }
    }
    Settled::Sent { mark: None }
}

/// What is sent for a parcel; that to GitHub depends on what is there.
fn requests(
    receiver: &Receiver,
    parcel: &Parcel,
    external: Option<&Url>,
) -> Result<Vec<Post>, String> {
    let one = |request: Post| Ok(vec![request]);
    match &receiver.kind {
        Kind::Alertmanager {
            urls,
            lasts_seconds,
        } => {
            let mut parcel = parcel.clone();
            parcel.notices.retain(|notice| receiver.fits(notice));
            Ok(alertmanager::requests(
                &parcel,
                urls,
                *lasts_seconds,
                external,
            ))
        }
        Kind::Webhook { url, secret } => {
            let secret = secret.as_ref().map(text).transpose()?;
            one(webhook::request(
                parcel,
                address(url)?,
                secret.as_deref(),
                external,
            ))
        }
        Kind::Slack { url } => one(slack::request(parcel, address(url)?, external)),
        Kind::PagerDuty { url, key } => match parcel.notices.first() {
            Some(notice) => one(pagerduty::request(
                notice,
                url.clone(),
                &text(key)?,
                external,
            )),
            None => Ok(Vec::new()),
        },
        Kind::Github { .. } => Ok(Vec::new()),
    }
}

/// What a receiver would get for a parcel, for people to read: nothing is sent, and nothing secret is in it.
pub fn rehearsed(receiver: &Receiver, parcel: &Parcel, external: Option<&Url>) -> String {
    let head = format!("to {} ({})", receiver.name, receiver.kind.as_str());
    if let Kind::Github { repository, .. } = &receiver.kind {
        let text = github::rehearsed(parcel, external);
        return format!("{head}, in an issue of {repository}:\n{text}");
    }
    // The addresses and keys are not needed, and their files may not be there yet.
    let mut shown = receiver.clone();
    let hidden = || Credential::Inline(crate::config::Secret::new("http://hidden.invalid/"));
    match &mut shown.kind {
        Kind::Webhook { url, secret } => {
            *url = hidden();
            *secret = None;
        }
        Kind::Slack { url } => *url = hidden(),
        Kind::PagerDuty { key, .. } => *key = Credential::Inline(crate::config::Secret::new("***")),
        Kind::Alertmanager { .. } | Kind::Github { .. } => {}
    }
    let requests = requests(&shown, parcel, external).unwrap_or_default();
    let bodies = requests.iter().map(|request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        serde_json::to_string_pretty(&body).unwrap_or_default()
    });
    let bodies: Vec<String> = bodies.collect();
    format!("{head}:\n{}", bodies.join("\n"))
}

fn text(credential: &Credential) -> Result<String, String> {
    http::read(credential).map_err(|error| error.to_string())
}

fn address(credential: &Credential) -> Result<Url, String> {
    let url = Url::parse(&text(credential)?);
    let url = url.map_err(|error| format!("the address of the receiver is no URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("the address of the receiver is neither http nor https".to_owned()),
    }
}

fn later(why: String) -> Settled {
    Settled::Later {
        why,
        after_seconds: None,
    }
}

/// What an answer means. With `once` a second message would be seen as a second one.
pub(super) fn judge(reply: Result<Reply, Unanswered>, once: bool) -> Settled {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) if error.may_have_arrived && once => {
            return Settled::Unsure { why: error.why };
        }
        Err(error) => return later(error.why),
    };
    let why = match http::excerpt(&reply.body).as_str() {
        "" => format!("answered {}", reply.status),
        excerpt => format!("answered {}: {excerpt:?}", reply.status),
    };
    match reply.status {
        200..=299 => Settled::Sent { mark: None },
        // What stands between answers so, of a request that may have been taken.
        502 | 504 if once => Settled::Unsure { why },
        // The message itself is wrong, and stays so.
        400 | 405 | 410 | 411 | 413 | 414 | 415 | 422 => Settled::Failed { why },
        // Overload passes, and people mend addresses, keys and redirects.
        _ => Settled::Later {
            why,
            after_seconds: reply.retry_after_seconds,
        },
    }
}

/// A POST of JSON.
pub(super) fn json(url: Url, body: &impl Serialize) -> Post {
    Post {
        method: Method::POST,
        url,
        headers: vec![("content-type", "application/json".to_owned())],
        // Values and texts: nothing that JSON cannot hold.
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
}
