//! `POST /push.v1.PusherService/Push`: one call of the Connect protocol, as protobuf, packed with gzip or not.

use std::io::Read;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::read::MultiGzDecoder;
use prost::Message;
use serde_json::json;

use super::{MAX_UNPACKED_BYTES, Push, Refused, labels, with_body};
use crate::labels::LabelSet;

/// Series of one call.
const MAX_SERIES: usize = 1_000;
/// Profiles of one series.
const MAX_SAMPLES: usize = 100;

/// `push.v1.PushRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) series: Vec<Series>,
}

/// `push.v1.RawProfileSeries`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Series {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
}

/// `types.v1.LabelPair`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// `push.v1.RawSample`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) raw_profile: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(super) id: String,
}

pub(super) async fn take(push: State<Push>, headers: HeaderMap, body: Body) -> Response {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/proto") {
        // What the protocol demands of a server that does not know a codec.
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let packed = match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"" | b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => {
            let why = "the body is packed in a way that is not known here; gzip and identity are";
            return answer(StatusCode::NOT_IMPLEMENTED, "unimplemented", why);
        }
    };
    let taken = with_body(push, &headers, body, |push, bytes| async move {
        let request = match read(bytes, packed).await {
            Ok(request) => request,
            Err(refused) => {
                push.buffer.count(|counts| counts.refused += 1);
                return Err(refused);
            }
        };
        take_all(&push, request).await
    });
    match taken.await {
        Ok(()) => ([(CONTENT_TYPE, "application/proto")], Body::empty()).into_response(),
        Err(refused) => {
            let code = match &refused {
                Refused::Wrong(_) => "invalid_argument",
                Refused::TooLarge(_) | Refused::Full(_) => "resource_exhausted",
            };
            let (status, why) = refused.parts();
            answer(status, code, &why)
        }
    }
}

/// Everything that can be taken is taken; the first thing that cannot is told.
async fn take_all(push: &Push, request: PushRequest) -> Result<(), Refused> {
    let mut first = Ok(());
    for series in request.series {
        let labels = match labels_of(&series.labels) {
            Ok(labels) if series.samples.len() <= MAX_SAMPLES => labels,
            Ok(_) => {
                let why = format!("a series has more than {MAX_SAMPLES} profiles");
                first = first.and(Err(Refused::Wrong(why)));
                continue;
            }
            Err(refused) => {
                push.buffer.count(|counts| counts.refused += 1);
                first = first.and(Err(refused));
                continue;
            }
        };
        for sample in series.samples {
            first = first.and(push.take(labels.clone(), sample.raw_profile).await);
        }
    }
    first
}

fn labels_of(pairs: &[Label]) -> Result<LabelSet, Refused> {
    let mut labels = LabelSet::default();
    for pair in pairs {
        labels::add(&mut labels, &pair.name, &pair.value)?;
    }
    Ok(labels)
}

async fn read(bytes: Vec<u8>, packed: bool) -> Result<PushRequest, Refused> {
    let read = tokio::task::spawn_blocking(move || {
        let bytes = if packed { unpack(&bytes)? } else { bytes };
        let request = PushRequest::decode(bytes.as_slice())
            .map_err(|error| Refused::Wrong(format!("the message cannot be read: {error}")))?;
        if request.series.len() > MAX_SERIES {
            let why = format!("there are more than {MAX_SERIES} series");
            return Err(Refused::Wrong(why));
        }
        Ok(request)
    });
    read.await
        .map_err(|_| Refused::Wrong("reading the message stopped".to_owned()))?
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(MAX_UNPACKED_BYTES + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| Refused::Wrong(format!("the body cannot be unpacked: {error}")))?;
    if unpacked.len() as u64 > MAX_UNPACKED_BYTES {
        let why = format!("the body unpacks to more than {MAX_UNPACKED_BYTES} bytes");
        return Err(Refused::TooLarge(why));
    }
    Ok(unpacked)
}

/// An error as Connect has it.
fn answer(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"code": code, "message": message}))).into_response()
}
