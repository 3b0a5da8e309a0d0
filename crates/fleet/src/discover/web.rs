//! Targets listed by a web service, as Prometheus' `http_sd_configs` has them.

use std::time::Duration;

use super::{Group, SourceError};
use crate::config::HttpSource;
use crate::config::groups as parse;
use crate::config::yaml::Source;
use crate::http::{Bounds, Client, shown};

/// Bounds of the list.
const BOUNDS: Bounds = Bounds {
    bytes: 64 << 20,
    time: Duration::from_secs(30),
};

/// Asks the service.
pub(super) async fn groups(
    source: &HttpSource,
    client: &Client,
) -> Result<Vec<Group>, SourceError> {
    let name = shown(&source.url);
    let headers = [(
        "x-prometheus-refresh-interval-seconds",
        source.refresh.as_secs_f64().to_string(),
    )];
    let answer = client.get_with(&source.url, &headers, BOUNDS, None).await;
    let answer = answer.map_err(|error| SourceError::Fetch {
        url: name.clone(),
        error,
    })?;
    let kind = answer.content_type.to_ascii_lowercase();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        let why = format!("the content type is {kind:?} and not application/json");
        return Err(SourceError::content(name, why));
    }
    let text = String::from_utf8(answer.body);
    let text = text.map_err(|_| SourceError::content(&name, "the list is not UTF-8"))?;
    let yaml = Source { file: &name };
    let groups = yaml.parse(&text).and_then(|root| parse(yaml, &root, &name));
    let mut groups = groups.map_err(|error| {
        let place = format!("{}:{}:{}", error.file, error.line, error.column);
        SourceError::content(place, error.message)
    })?;
    for group in &mut groups {
        group.labels.set("__meta_url", &*name);
    }
    Ok(groups)
}
