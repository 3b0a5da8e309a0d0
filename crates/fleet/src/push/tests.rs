use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;

use super::*;

fn captured(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captured");
    std::fs::read(folder.join(name)).expect(name)
}

fn profile() -> Vec<u8> {
    captured("go1.26.8/sites.pb.gz")
}

/// A protobuf field with bytes, written by hand: the definitions in use must not vouch for themselves.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut all = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        all.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    all.push(length as u8);
    all.extend_from_slice(bytes);
    all
}

fn series(labels: &[(&str, &str)], profiles: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, value) in labels {
        let pair = [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
        all.extend(field(1, &pair));
    }
    for profile in profiles {
        all.extend(field(2, &field(1, profile)));
    }
    field(1, &all)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("written")
}

/// The place, its address, and its clock.
struct Place {
    push: Push,
    url: String,
    client: reqwest::Client,
}

impl Place {
    async fn new() -> Self {
        let push = Push::new(|| 1_000);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = push.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self { push, url, client }
    }

    async fn ingest(&self, query: &str, kind: &str, body: Vec<u8>) -> (u16, String) {
        let request = self.client.post(format!("{}/ingest?{query}", self.url));
        answer(request.header("content-type", kind).body(body)).await
    }

    async fn connect(&self, kind: &str, encoding: Option<&str>, body: Vec<u8>) -> (u16, String) {
        let url = format!("{}/push.v1.PusherService/Push", self.url);
        let mut request = self.client.post(url).header("content-type", kind);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        answer(request.body(body)).await
    }

    /// Each as `SERVICE INSTANCE VERSION START: GOROUTINES`.
    async fn drained(&self) -> Vec<String> {
        let pushed = self.push.drain(1_000, 60).await;
        let line = |(target, snapshot, leaks): &Pushed| {
            let (service, instance) = (target.service(), target.instance());
            let leaks = leaks
                .as_ref()
                .map(|it| format!(", {} leaked", it.goroutines()));
            let (version, start, leaks) =
                (target.version(), &target.start, leaks.unwrap_or_default());
            format!(
                "{service} {instance} {version} {start}: {}{leaks}",
                snapshot.goroutines()
            )
        };
        pushed.iter().map(line).collect()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.expect("an answer");
    (
        response.status().as_u16(),
        response.text().await.unwrap_or_default(),
    )
}

fn form(name: &str, body: &[u8]) -> Vec<u8> {
    let mut all = format!(
        "--XX\r\ncontent-disposition: form-data; name=\"sample_type_config\"; filename=\"c.json\"\r\n\r\n{{}}\r\n--XX\r\n\
         content-disposition: form-data; name=\"{name}\"; filename=\"profile.pprof\"\r\ncontent-type: \
         application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    all.extend_from_slice(body);
    all.extend_from_slice(b"\r\n--XX--\r\n");
    all
}

const FORM: &str = "multipart/form-data; boundary=XX";
const PROTO: &str = "application/proto";

#[tokio::test]
async fn what_a_client_sends_is_kept_until_a_sweep() {
    let place = Place::new().await;
    let goroutines = gorphan_decode::read_bytes(&profile(), &Options::default());
    let goroutines = goroutines.expect("a profile")[0].goroutines();
    let name = "name=shop%7B__session_id__%3Ds1%2Chostname%3Dh1%2Cversion%3D1.10%7D&from=1&until=2&spyName=gospy";
    assert_eq!(
        place
            .ingest(name, FORM, form("profile", &profile()))
            .await
            .0,
        200
    );
    // The latest counts; the whole body will do as well.
    assert_eq!(
        place.ingest(name, "binary/octet-stream", profile()).await.0,
        200
    );
    let other = "name=cart&format=pprof";
    assert_eq!(place.ingest(other, "", profile()).await.0, 200);
    assert_eq!(
        place.drained().await,
        [
            format!("shop h1 1.10 s1: {goroutines}"),
            format!("cart unknown  : {goroutines}"),
        ]
    );
    assert_eq!(place.drained().await, [""; 0]);
    let counts = place.push.counts();
    assert_eq!((counts.kept, counts.replaced, counts.refused), (3, 1, 0));
}

#[tokio::test]
async fn what_alloy_sends_is_kept() {
    let place = Place::new().await;
    let labels = |instance| {
        [
            ("__name__", "goroutine"),
            ("instance", instance),
            ("job", "pods"),
            ("service_name", "shop/cart"),
        ]
    };
    let profile = profile();
    let leaks = captured("go1.27.3/leaked.pb.gz");
    let body = [
        series(&labels("a"), &[&profile]),
        series(&labels("a"), &[&leaks]),
        series(&labels("b"), &[&profile]),
    ]
    .concat();
    assert_eq!(
        place.connect(PROTO, None, body.clone()).await,
        (200, String::new())
    );
    let drained = place.drained().await;
    assert_eq!(drained.len(), 2, "{drained:?}");
    assert!(
        drained[0].starts_with("shop/cart a ") && drained[0].ends_with(" leaked"),
        "{drained:?}"
    );
    assert_eq!(
        place.connect(PROTO, Some("gzip"), packed(&body)).await.0,
        200
    );
    assert_eq!(place.drained().await, drained);
    // A program of which the leaks alone are known is not known.
    let alone = series(&labels("c"), &[&leaks]);
    assert_eq!(place.connect(PROTO, None, alone).await.0, 200);
    assert_eq!(place.drained().await, [""; 0]);
}

#[tokio::test]
async fn profiles_of_anything_else_are_taken_and_counted() {
    let place = Place::new().await;
    let heap = heap();
    assert_eq!(
        place
            .ingest("name=shop", FORM, form("profile", &heap))
            .await
            .0,
        200
    );
    assert_eq!(
        place
            .ingest("name=shop&format=trie", "", b"a;b 1".to_vec())
            .await
            .0,
        200
    );
    let body = series(&[("service_name", "shop")], &[&heap]);
    assert_eq!(place.connect(PROTO, None, body).await.0, 200);
    assert_eq!(place.push.counts().ignored, 3);
    assert_eq!(place.drained().await, [""; 0]);
}

/// As little of a heap profile as there can be: a sample type, and its words.
fn heap() -> Vec<u8> {
    let kind = [vec![0x08, 1], vec![0x10, 2]].concat();
    let strings = ["", "inuse_space", "bytes"].map(|text| field(6, text.as_bytes()));
    [field(1, &kind), strings.concat()].concat()
}

#[tokio::test]
async fn what_waits_too_long_is_thrown_away() {
    let place = Place::new().await;
    place.ingest("name=shop", "", profile()).await;
    assert_eq!(place.push.drain(1_061, 60).await.len(), 0);
    assert_eq!(place.push.counts().expired, 1);
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_said() {
    let place = Place::new().await;
    let long = format!("name=shop%7Ba%3D{}%7D", "x".repeat(3_000));
    let many: Vec<String> = (0..80).map(|number| format!("l{number}%3D1")).collect();
    let many = format!("name=shop%7B{}%7D", many.join("%2C"));
    for (query, kind, body, word) in [
        ("name=", "", profile(), "names no service"),
        ("name=a%7Bb%3Dc", "", profile(), "without its"),
        ("name=a%7Bb%7D", "", profile(), "has no \"=\""),
        (long.as_str(), "", profile(), "too long"),
        (many.as_str(), "", profile(), "more than 64 labels"),
        (
            "name=a%7Bb%3D%1b%5B31m%7D",
            "",
            profile(),
            "control characters",
        ),
        ("name=a", "", Vec::new(), "cannot be read"),
        ("name=a", "", b"<html></html>".to_vec(), "web page"),
        ("name=a", "", profile()[..200].to_vec(), "cannot be read"),
        (
            "name=a",
            FORM,
            form("other", &profile()),
            "no field \"profile\"",
        ),
        (
            "name=a",
            FORM,
            b"--XX\r\nrubbish".to_vec(),
            "the form cannot be read",
        ),
        (
            "name=a",
            "multipart/form-data",
            form("profile", &profile()),
            "the form cannot be read",
        ),
    ] {
        let (status, said) = place.ingest(query, kind, body).await;
        assert_eq!(status, 400, "{query} {said}");
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
    let good = series(&[("service_name", "a")], &[&profile()]);
    let bad = series(&[("service_name", "a")], &[b"rubbish"]);
    for (kind, encoding, body, status, word) in [
        ("application/json", None, good.clone(), 415, ""),
        (PROTO, Some("br"), good.clone(), 501, "unimplemented"),
        (PROTO, Some("gzip"), good.clone(), 400, "cannot be unpacked"),
        (
            PROTO,
            None,
            b"\x0a\xff\xff".to_vec(),
            400,
            "invalid_argument",
        ),
        (
            PROTO,
            None,
            series(&[], &[&profile()]),
            400,
            "names no service",
        ),
        (PROTO, None, bad.clone(), 400, "cannot be read"),
        (
            PROTO,
            None,
            series(&[("a", "b\n")], &[]),
            400,
            "control characters",
        ),
    ] {
        let (code, said) = place.connect(kind, encoding, body).await;
        assert_eq!(code, status, "{said}");
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
    assert_eq!(place.drained().await, [""; 0]);
    // What is good in a call is kept all the same.
    assert_eq!(
        place.connect(PROTO, None, [bad, good].concat()).await.0,
        400
    );
    assert_eq!(place.drained().await.len(), 1);
    assert!(place.push.counts().refused > 15);
}

#[tokio::test]
async fn bombs_and_floods_are_refused() {
    let place = Place::new().await;
    let bomb = packed(&vec![0; (MAX_UNPACKED_BYTES + 1) as usize]);
    assert!(bomb.len() < 1 << 20);
    let (status, said) = place.connect(PROTO, Some("gzip"), bomb.clone()).await;
    assert_eq!(status, 413, "{said}");
    assert!(said.contains("resource_exhausted"), "{said}");
    assert_eq!(place.ingest("name=a", "", bomb).await.0, 400);
    // Told or not, a body that is too long is not read to its end.
    let headers = HeaderMap::from_iter([(
        axum::http::header::CONTENT_LENGTH,
        (MAX_BODY_BYTES + 1).into(),
    )]);
    let told = bounded(&place.push, &headers, Body::empty()).await;
    assert!(matches!(told, Err(Refused::TooLarge(_))));
    let untold = Body::from(vec![0; MAX_BODY_BYTES + 1]);
    let untold = bounded(&place.push, &HeaderMap::new(), untold).await;
    assert!(matches!(untold, Err(Refused::TooLarge(_))));
    let large = place
        .push
        .take(LabelSet::default(), vec![0; MAX_PROFILE_BYTES + 1])
        .await;
    assert!(matches!(large, Err(Refused::TooLarge(_))));
    let series = series(&[("service_name", "a")], &[]).repeat(1_001);
    assert_eq!(place.connect(PROTO, None, series).await.0, 400);
    // The place still works.
    assert_eq!(place.ingest("name=a", "", profile()).await.0, 200);
}

#[test]
fn a_buffer_has_its_bounds() {
    let buffer = Buffer::default();
    let target = |instance: usize| {
        let labels: LabelSet = [
            ("service", "a".to_owned()),
            ("instance", instance.to_string()),
        ]
        .into_iter()
        .collect();
        Arc::new(target(labels).expect("a target"))
    };
    let large: Arc<[u8]> = vec![0; 100 << 20].into();
    let put = |instance, bytes: &Arc<[u8]>| {
        buffer.put(
            0,
            target(instance),
            ProfileKind::Goroutine,
            Arc::clone(bytes),
        )
    };
    assert!(put(0, &large).is_ok() && put(1, &large).is_ok());
    assert!(put(2, &large).is_err());
    // In place of its own there is room.
    assert!(put(1, &large).is_ok());
    assert_eq!(buffer.drain(0).len(), 2);
    assert!(put(2, &large).is_ok());
}

#[test]
fn a_pushed_profile_is_a_look_unless_it_was_fetched() {
    let decoded = gorphan_decode::read_bytes(&profile(), &Options::default());
    let snapshot = decoded.expect("a profile").pop().expect("one");
    let of = |instance: &str| {
        let labels: LabelSet = [("service_name", "shop"), ("instance", instance)]
            .into_iter()
            .collect();
        Arc::new(target(labels).expect("a target"))
    };
    let mut swept = crate::sweep::Swept::default();
    swept.add_pushed(vec![(of("a"), snapshot.clone(), None)]);
    swept.add_pushed(vec![
        (of("a"), snapshot.clone(), None),
        (of("b"), snapshot.clone(), Some(snapshot)),
    ]);
    assert_eq!(swept.looks.len(), 2);
    assert!(swept.looks[1].leaked.is_some());
    assert!(swept.exemplars.iter().count() > 0);
}
