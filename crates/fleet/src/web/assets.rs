//! Style sheets, scripts and the icon, as they stand in the program.

use std::sync::OnceLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// Bytes of the hash that addresses carry.
const VERSION_BYTES: usize = 6;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const ASSETS: [Asset; 6] = [
    Asset {
        name: "app.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("assets/app.css"),
    },
    Asset {
        name: "app.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("assets/app.js"),
    },
    Asset {
        name: "icon.svg",
        kind: "image/svg+xml",
        bytes: include_bytes!("assets/icon.svg"),
    },
    Asset {
        name: "htmx.min.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("vendor/htmx.min.js"),
    },
    Asset {
        name: "uPlot.iife.min.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("vendor/uPlot.iife.min.js"),
    },
    Asset {
        name: "uPlot.min.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("vendor/uPlot.min.css"),
    },
];

/// What changes with any of them; addresses carry it, so that browsers may keep them for good.
pub(crate) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut sum = Sha256::new();
        for asset in &ASSETS {
            sum.update(asset.bytes);
        }
        let sum = sum.finalize();
        let shown = sum.iter().take(VERSION_BYTES);
        shown.map(|byte| format!("{byte:02x}")).collect()
    })
}

pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_as_they_published_it() {
        let sums = include_str!("vendor/SHA256SUMS");
        let mut checked = 0;
        for line in sums.lines() {
            let (sum, name) = line.split_once("  ").expect("a sum and a name");
            let asset = ASSETS.iter().find(|asset| asset.name == name);
            let found = Sha256::digest(asset.expect("it is served").bytes);
            let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, sum, "{name}");
            checked += 1;
        }
        assert_eq!(checked, 3);
    }
}
