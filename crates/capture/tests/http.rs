//! Endpoints that behave, and odd ones.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use gorphan_capture::{
    Auth, Capture, Client, Debug, Error, HttpOptions, HttpTarget, Profile, Secret, Timeouts,
};
use gorphan_decode::Options;
use gorphan_model::Format;
use gorphan_model::query::Filter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{any, header, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

const PROFILE: &str = "/debug/pprof/goroutine";
const DUMP: &str = "goroutine 7 [chan send, 3 minutes]:\nmain.f()\n\t/src/main.go:3 +0x1d\ncreated by main.main in \
                    goroutine 1\n\t/src/main.go:9 +0x25\n";

fn counted(goroutines: u64) -> String {
    format!(
        "goroutine profile: total {goroutines}\n{goroutines} @ 0x1\n#\t0x1\tmain.f+0x1\t/src/main.go:3\n\n"
    )
}

fn text(body: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.into(), "text/plain; charset=utf-8")
}

/// A server that gives `response` to whatever is asked.
async fn serving(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(response)
        .mount(&server)
        .await;
    server
}

async fn capture_with(
    url: &str,
    options: HttpOptions,
    adjust: impl FnOnce(&mut HttpTarget),
) -> Result<Capture, Error> {
    let mut target = HttpTarget::parse(url)?;
    adjust(&mut target);
    Client::new(&options)?
        .capture(&target, &Options::default())
        .await
}

/// Past the proxy of whoever runs the tests.
fn direct() -> HttpOptions {
    HttpOptions {
        proxy_from_environment: false,
        ..HttpOptions::default()
    }
}

async fn capture(url: &str) -> Result<Capture, Error> {
    capture_with(url, direct(), |_| {}).await
}

/// Holds that `result` failed, saying all of `words`, in the message or in the advice.
#[track_caller]
fn check(result: Result<Capture, Error>, words: &[&str]) {
    let error = result.expect_err("it should fail");
    let said = format!("{error}\n{}", error.advice().unwrap_or_default());
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

async fn asked(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.expect("recorded");
    let show = |url: &url::Url| match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    requests.iter().map(|request| show(&request.url)).collect()
}

/// A program with `goroutines`, whose debug=2 gives `dump`.
async fn program(goroutines: u64, dump: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path(PROFILE))
        .and(query_param_is_missing("debug"))
        .respond_with(text(counted(goroutines)))
        .mount(&server)
        .await;
    Mock::given(path(PROFILE))
        .and(query_param("debug", "2"))
        .respond_with(dump)
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn few_goroutines_are_asked_for_in_full() {
    let server = program(1_000, text(DUMP)).await;
    let captured = capture(&server.uri()).await.expect("captured");
    assert_eq!(captured.snapshots[0].format, Format::Dump);
    assert!(captured.info.taken_at_unix_nanos.is_some());
    assert_eq!(
        asked(&server).await,
        [PROFILE, "/debug/pprof/goroutine?debug=2"]
    );
}

#[tokio::test]
async fn many_goroutines_are_not_stopped_for() {
    let server = program(1_001, text(DUMP)).await;
    let captured = capture(&server.uri()).await.expect("captured");
    assert_eq!(captured.snapshots[0].goroutines(), 1_001);
    assert_eq!(asked(&server).await, [PROFILE]);
}

#[tokio::test]
async fn a_filter_does_not_make_many_goroutines_look_few() {
    let server = program(1_001, text(DUMP)).await;
    let target = HttpTarget::parse(&server.uri()).expect("a target");
    let options = Options {
        filter: Filter {
            min_wait_minutes: Some(5),
            ..Filter::default()
        },
        ..Options::default()
    };
    let client = Client::new(&direct()).expect("a client");
    let captured = client.capture(&target, &options).await.expect("captured");
    assert_eq!(asked(&server).await, [PROFILE]);
    assert_eq!(captured.snapshots[0].goroutines(), 1_001);
    let wanted = captured.filtered.expect("filtered");
    assert_eq!(wanted.iter().map(|one| one.goroutines()).sum::<u64>(), 0);
}

#[tokio::test]
async fn what_is_asked_for_alone_is_asked_for_alone() {
    let server = program(1_000_000, text(DUMP)).await;
    let only = |target: &mut HttpTarget| target.debug = Debug::Only(2);
    let captured = capture_with(&server.uri(), direct(), only).await;
    assert_eq!(
        captured.expect("captured").snapshots[0].format,
        Format::Dump
    );
    assert_eq!(asked(&server).await, ["/debug/pprof/goroutine?debug=2"]);
}

#[tokio::test]
async fn a_failing_dump_leaves_the_profile_and_a_problem() {
    let server = program(
        5,
        ResponseTemplate::new(500).set_body_string("out of memory"),
    )
    .await;
    let captured = capture(&server.uri()).await.expect("captured");
    assert_eq!(captured.snapshots[0].goroutines(), 5);
    let problem = &captured.problems[0].message;
    assert!(
        problem.contains("500") && problem.contains("out of memory"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_leak_profile_that_is_not_there_is_explained() {
    let server = serving(ResponseTemplate::new(404).set_body_string("Unknown profile\n")).await;
    let leaks = |target: &mut HttpTarget| target.profile = Profile::GoroutineLeak;
    let captured = capture_with(&server.uri(), direct(), leaks).await;
    check(
        captured,
        &[
            "no goroutineleak profile",
            "Go 1.27",
            "goroutineleakprofile",
        ],
    );
    assert_eq!(asked(&server).await, ["/debug/pprof/goroutineleak"]);
}

#[tokio::test]
async fn an_answer_packed_by_a_proxy_is_unpacked() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(DUMP.as_bytes()).expect("packed");
    let body = packed.finish().expect("packed");
    let response = ResponseTemplate::new(200)
        .set_body_raw(body, "text/plain")
        .insert_header("content-encoding", "gzip");
    let server = serving(response).await;
    let captured = capture(&format!("{}/dump", server.uri()))
        .await
        .expect("captured");
    assert_eq!(captured.snapshots[0].goroutines(), 1);
}

#[tokio::test]
async fn answers_that_are_no_profile_are_told_apart() {
    for (response, words) in [
        (
            ResponseTemplate::new(200)
                .set_body_raw("<!DOCTYPE html><title>Sign in</title>", "text/html"),
            &["web page", "Sign in", "--bearer-token-file"][..],
        ),
        (
            ResponseTemplate::new(200)
                .set_body_raw("<html><head><title>/debug/pprof/</title>", "text/html"),
            &["index of net/http/pprof"],
        ),
        (
            ResponseTemplate::new(200).set_body_raw("{\"status\":\"ok\"}", "application/json"),
            &[
                "not a goroutine profile",
                "application/json",
                "status",
                "/debug/pprof/goroutine",
            ],
        ),
        (text(""), &["empty"]),
        (ResponseTemplate::new(404), &["404", "net/http/pprof"]),
        (
            ResponseTemplate::new(503).set_body_string("upstream\x1b[2J down"),
            &["503", "upstream [2J down", "try again"],
        ),
        (ResponseTemplate::new(401), &["401", "give credentials"]),
    ] {
        let server = serving(response).await;
        check(capture(&format!("{}/x", server.uri())).await, words);
    }
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "Bearer s3cret-token"))
        .and(header("x-scope", "s3cret-scope"))
        .respond_with(text(DUMP))
        .mount(&server)
        .await;
    let options = |token: &str| HttpOptions {
        auth: Some(Auth::Bearer(Secret::new(token))),
        headers: vec![("X-Scope".into(), Secret::new("s3cret-scope"))],
        ..direct()
    };
    let url = format!("{}/x?key=s3cret-key", server.uri());
    capture_with(&url, options("s3cret-token"), |_| {})
        .await
        .expect("captured");

    // A server that repeats the request in its refusal.
    let echo = "no: Bearer s3cret-other, s3cret-scope, s3cret-key";
    let server = serving(ResponseTemplate::new(403).set_body_string(echo)).await;
    let url = format!("{}/x?key=s3cret-key", server.uri());
    let error = capture_with(&url, options("s3cret-other"), |_| {})
        .await
        .expect_err("refused");
    assert!(
        !format!("{error} {error:?} {:?}", error.advice()).contains("s3cret"),
        "{error:?}"
    );
    check(Err(error), &["403", "credentials were refused"]);
    assert!(!format!("{:?}", options("s3cret-token")).contains("s3cret"));
}

#[tokio::test]
async fn a_password_in_the_address_is_basic_auth() {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "Basic bWU6cEBzcw=="))
        .respond_with(text(DUMP))
        .mount(&server)
        .await;
    let url = server.uri().replace("http://", "http://me:p%40ss@");
    let captured = capture(&format!("{url}/x")).await.expect("captured");
    assert!(
        !captured.info.name.contains("p%40ss"),
        "{}",
        captured.info.name
    );
}

#[tokio::test]
async fn redirects_within_a_host_keep_credentials_and_others_lose_them() {
    let stranger = serving(ResponseTemplate::new(401)).await;
    let server = MockServer::start().await;
    for (from, to) in [
        ("/near", "/end".to_owned()),
        ("/far", format!("{}/x", stranger.uri())),
    ] {
        Mock::given(path(from))
            .respond_with(ResponseTemplate::new(302).insert_header("location", to))
            .mount(&server)
            .await;
    }
    Mock::given(path("/end"))
        .and(header("authorization", "Bearer tok-1234"))
        .respond_with(text(DUMP))
        .mount(&server)
        .await;
    let options = || HttpOptions {
        auth: Some(Auth::Bearer(Secret::new("tok-1234"))),
        headers: vec![("X-Key".into(), Secret::new("key-1234"))],
        ..direct()
    };
    let near = capture_with(&format!("{}/near", server.uri()), options(), |_| {}).await;
    near.expect("captured");
    let far = capture_with(&format!("{}/far", server.uri()), options(), |_| {}).await;
    check(far, &["401", "another host", "not given the credentials"]);
    let met = &stranger.received_requests().await.expect("recorded")[0];
    assert!(!met.headers.contains_key("authorization") && !met.headers.contains_key("x-key"));
}

#[tokio::test]
async fn redirects_end() {
    let server = serving(ResponseTemplate::new(302).insert_header("location", "/again")).await;
    check(
        capture(&server.uri()).await,
        &["more than 5 times", "/again"],
    );
    assert_eq!(asked(&server).await.len(), 6);
    let server =
        serving(ResponseTemplate::new(302).insert_header("location", "file:///etc/passwd")).await;
    check(
        capture(&server.uri()).await,
        &["cannot be followed", "file"],
    );
}

#[tokio::test]
async fn a_body_is_bounded_as_sent_and_as_unpacked() {
    let options = || HttpOptions {
        max_body_bytes: 1_000,
        ..direct()
    };
    let server = serving(text(counted(1).repeat(100))).await;
    let url = format!("{}/x", server.uri());
    check(
        capture_with(&url, options(), |_| {}).await,
        &["more than 1000 bytes", "--max-bytes"],
    );
    // Nothing says how long this one is going to be.
    let url = raw_server(
        "HTTP/1.1 200 OK\r\n\r\n",
        counted(1).repeat(100),
        After::Close,
    )
    .await;
    check(
        capture_with(&url, options(), |_| {}).await,
        &["more than 1000 bytes"],
    );

    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        bomb.write_all(&counted(1).repeat(10_000).into_bytes())
            .expect("packed");
    }
    let bomb = bomb.finish().expect("packed");
    assert!(bomb.len() < 500_000, "{} bytes are no bomb", bomb.len());
    let limited = HttpOptions {
        max_unpacked_bytes: 1 << 20,
        ..direct()
    };
    for encoding in [None, Some("gzip")] {
        let mut response =
            ResponseTemplate::new(200).set_body_raw(bomb.clone(), "application/octet-stream");
        if let Some(encoding) = encoding {
            response = response.insert_header("content-encoding", encoding);
        }
        let server = serving(response).await;
        let captured = capture_with(&format!("{}/x", server.uri()), limited.clone(), |_| {}).await;
        // The decoder may keep what came before the limit, and then says that there was more.
        match captured {
            Err(error) => assert!(error.to_string().contains("1048576"), "{error}"),
            Ok(captured) => {
                let last = captured.snapshots.last().expect("a snapshot");
                assert!(last.truncated, "{encoding:?}: the limit is not told");
                let read: u64 = captured.snapshots.iter().map(|one| one.bytes_read).sum();
                assert!(read <= (1 << 20) + 1, "{encoding:?}: {read} bytes");
            }
        }
    }
}

/// What a raw server does after its body.
#[derive(Clone, Copy)]
enum After {
    Close,
    Hang,
}

/// A server that writes what it is told, once for each connection; gives its address.
async fn raw_server(head: &'static str, body: String, after: After) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body.as_bytes()).await;
            if matches!(after, After::Hang) {
                open.push(stream);
            }
        }
    });
    format!("http://{address}/x")
}

fn hasty(timeouts: Timeouts) -> HttpOptions {
    HttpOptions {
        timeouts,
        ..direct()
    }
}

#[tokio::test]
async fn servers_that_hang_are_given_up() {
    let short = Duration::from_millis(100);
    let long = Duration::from_secs(60);
    let silent = raw_server("", String::new(), After::Hang).await;
    let stuck = raw_server(
        "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n",
        DUMP.into(),
        After::Hang,
    )
    .await;
    for url in [&silent, &stuck] {
        let by_read = Timeouts {
            connect: long,
            read: short,
            total: long,
        };
        check(
            capture_with(url, hasty(by_read), |_| {}).await,
            &["waiting for data", "0.1 s", "--timeout"],
        );
        let by_total = Timeouts {
            connect: long,
            read: long,
            total: short,
        };
        check(
            capture_with(url, hasty(by_total), |_| {}).await,
            &["the capture took more than 0.1 s"],
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_capture() {
    let url = raw_server(
        "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n",
        DUMP.into(),
        After::Close,
    )
    .await;
    check(capture(&url).await, &["broke off after", "try again"]);
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    check(
        capture(&format!("http://{address}")).await,
        &["cannot connect", "refused", ":6060"],
    );
    check(
        capture("http://gorphan.invalid/").await,
        &["cannot connect", "host's name"],
    );
}
