//! `POST /ingest`: what Pyroscope's clients send. The profile is the field `profile` of a form, or the whole body.

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request};
use serde::Deserialize;

use super::{Push, Refused, labels, with_body};

/// Parts of a form: a profile, the one before it, and what its types mean.
const MAX_PARTS: usize = 16;

/// The parameters that are read; the others say how a profile is to be shown.
#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    #[serde(default)]
    name: String,
    #[serde(default)]
    format: String,
}

pub(super) async fn take(
    push: State<Push>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<(), Refused> {
    with_body(push, &headers, body, |push, bytes| {
        let headers = headers.clone();
        async move {
            // Lines of counted stacks, and traces of other languages.
            if !matches!(parameters.format.as_str(), "" | "pprof") {
                push.buffer.count(|counts| counts.ignored += 1);
                return Ok(());
            }
            let taken = async {
                let labels = labels::of_name(&parameters.name)?;
                Ok((labels, profile(&headers, bytes).await?))
            };
            match taken.await {
                Ok((labels, profile)) => push.take(labels, profile).await,
                Err(refused) => {
                    push.buffer.count(|counts| counts.refused += 1);
                    Err(refused)
                }
            }
        }
    })
    .await
}

async fn profile(headers: &HeaderMap, bytes: Vec<u8>) -> Result<Vec<u8>, Refused> {
    let header = headers.get(CONTENT_TYPE);
    let kind = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("multipart/form-data") {
        return Ok(bytes);
    }
    let wrong = |why: String| Refused::Wrong(format!("the form cannot be read: {why}"));
    let request = Request::builder()
        .method("POST")
        .header(CONTENT_TYPE, kind)
        .body(Body::from(bytes))
        .map_err(|error| wrong(error.to_string()))?;
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| wrong(error.body_text()))?;
    for _ in 0..MAX_PARTS {
        let field = form.next_field().await;
        let Some(field) = field.map_err(|error| wrong(error.body_text()))? else {
            break;
        };
        if field.name() == Some("profile") {
            let bytes = field.bytes().await;
            return Ok(bytes.map_err(|error| wrong(error.body_text()))?.to_vec());
        }
    }
    Err(wrong("it has no field \"profile\"".to_owned()))
}
