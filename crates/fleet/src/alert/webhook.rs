//! Any program that takes JSON. The body can be signed, so that the program knows whom it is from.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{link, words};
use crate::http::Post;
use crate::ledger::{Notice, Parcel};

/// The version of the body. Additions do not change it.
const VERSION: u32 = 1;
/// Bytes of a block of SHA-256, which HMAC is made of.
const BLOCK_BYTES: usize = 64;

pub(super) fn request(
    parcel: &Parcel,
    url: Url,
    secret: Option<&str>,
    external: Option<&Url>,
) -> Post {
    let notices = parcel.notices.iter();
    let notices: Vec<Value> = notices.map(|it| notice(it, external)).collect();
    let body = json!({
        "version": VERSION,
        "tool": {"name": "gorphan", "version": env!("CARGO_PKG_VERSION")},
        "delivery": parcel.key,
        "digest": parcel.digest,
        "events": notices,
    });
    let mut post = super::deliver::json(url, &body);
    post.headers.push(("gorphan-delivery", parcel.key.clone()));
    if let Some(secret) = secret {
        let signature = sign(secret, &post.body);
        post.headers.push(("gorphan-signature-256", signature));
    }
    post
}

fn notice(notice: &Notice, external: Option<&Url>) -> Value {
    let stack: Vec<Value> = notice
        .stack
        .iter()
        .map(|frame| json!({"function": frame.function, "file": frame.file, "line": frame.line}))
        .collect();
    json!({
        "event": notice.event.as_str(),
        "at": words::rfc3339(notice.at),
        "title": words::title(notice),
        "remark": notice.remark,
        "link": link(external, notice),
        "finding": notice.finding,
        "stack": stack,
    })
}

/// `sha256=` and the HMAC of the body in hexadecimal, as GitHub signs its webhooks.
pub(super) fn sign(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex(&hmac(secret.as_bytes(), body)))
}

/// HMAC of RFC 2104 with SHA-256.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK_BYTES];
    let hashed = Sha256::digest(key);
    let key = if key.len() > BLOCK_BYTES {
        hashed.as_slice()
    } else {
        key
    };
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let pass = |pad: u8, text: &[u8]| {
        let mut hash = Sha256::new();
        hash.update(block.map(|byte| byte ^ pad));
        hash.update(text);
        hash.finalize()
    };
    pass(0x5c, &pass(0x36, text)).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        for (key, text, expected) in [
            (
                vec![0x0b; 20],
                b"Hi There".to_vec(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&hmac(&key, &text)), expected);
        }
    }
}
