//! Sweeps over servers that behave, and odd ones, on loopback.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{any, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::discover::{Discovery, Surroundings};

const GOROUTINES: &str = "/debug/pprof/goroutine";
const LEAKS: &str = "/debug/pprof/goroutineleak";

/// The counted text of a program: `count` senders in main.f, one receiver in main.g.
fn counted(count: u64) -> String {
    format!(
        "goroutine profile: total {}\n{count} @ 0x1 0x2\n#\t0x1\truntime.chansend1+0x1\t/go/src/runtime/chan.go:1\n#\t0x2\tmain.f+0x1\t/src/main.go:3\n\n1 @ 0x3\n#\t0x3\tmain.g+0x1\t/src/main.go:9\n\n",
        count + 1
    )
}

fn text(body: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.into(), "text/plain; charset=utf-8")
}

/// A fleet of these targets; the timeout is short, as nothing on loopback needs longer.
fn fleet(targets: &[String], further: &str) -> FleetConfig {
    let list = targets.join("', '");
    let yaml = format!(
        "global: {{scrape_timeout: 400ms}}\n{further}\nscrape_configs:\n  - job_name: j\n    static_configs: [{{targets: ['{list}'], labels: {{service: shop}}}}]\n"
    );
    FleetConfig::parse(&yaml, "gorphan.yaml", Path::new("")).expect("a configuration")
}

/// Waits nobody has to wait for, on record.
fn recorded() -> (Effects, Arc<Mutex<Vec<Duration>>>) {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&waits);
    let sleep = move |time| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        kept.lock().expect("waits").push(time);
        Box::pin(std::future::ready(()))
    };
    (Effects::of(sleep, || 0.5, || Duration::ZERO), waits)
}

async fn sweep_with(sweeper: &mut Sweeper, config: &FleetConfig) -> Swept {
    let found = Discovery::new(Surroundings::default())
        .find(config, Duration::ZERO)
        .await;
    assert!(found.troubles.is_empty(), "{:?}", found.troubles);
    sweeper.sweep(config, found.targets).await
}

async fn sweep(targets: &[String]) -> Swept {
    sweep_with(&mut Sweeper::new(recorded().0), &fleet(targets, "")).await
}

/// Holds that the one target failed, saying this.
#[track_caller]
fn check_failed(swept: &Swept, words: &str, attempts: u32) {
    let reasons: Vec<&str> = swept
        .failures
        .iter()
        .map(|one| one.reason.as_str())
        .collect();
    assert!(swept.looks.is_empty() && reasons.len() == 1, "{reasons:?}");
    assert!(
        reasons[0].contains(words),
        "{words:?} is not in {reasons:?}"
    );
    assert_eq!(swept.failures[0].attempts, attempts, "{reasons:?}");
}

async fn serving(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path(GOROUTINES))
        .respond_with(response)
        .mount(&server)
        .await;
    server
}

fn address(server: &MockServer) -> String {
    server.address().to_string()
}

/// A server that answers every connection with these bytes, piece by piece with a pause between, then closes.
async fn raw(pieces: Vec<Vec<u8>>, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let pieces = pieces.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                for piece in pieces {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn instances_are_merged_by_site() {
    let (one, two) = (
        serving(text(counted(5))).await,
        serving(text(counted(7))).await,
    );
    let swept = sweep(&[address(&one), address(&two)]).await;
    assert!(swept.failures.is_empty(), "{:?}", swept.failures);
    let mut totals: Vec<u64> = swept.looks.iter().map(|look| look.goroutines).collect();
    totals.sort_unstable();
    assert_eq!(totals, [6, 8]);
    let exemplars: Vec<String> = swept
        .exemplars
        .iter()
        .map(|(service, site, one)| format!("{service} {} {}", site.function, one.group.count))
        .collect();
    assert_eq!(exemplars, ["shop main.f 7", "shop main.g 1"]);
    assert!(swept.looks.iter().all(|look| look.leaked.is_none()));
}

#[tokio::test]
async fn what_the_runtime_reports_is_taken_where_it_reports() {
    let server = serving(text(counted(5))).await;
    let leaks = "goroutineleak profile: total 2\n2 @ 0x1\n#\t0x1\tmain.f+0x1\t/src/main.go:3\n\n";
    Mock::given(path(LEAKS))
        .respond_with(text(leaks))
        .mount(&server)
        .await;
    let swept = sweep(&[address(&server)]).await;
    let leaked = swept.looks[0].leaked.as_ref().expect("a leak profile");
    assert_eq!((leaked[0].0.function.as_ref(), leaked[0].1), ("main.f", 2));
}

#[tokio::test]
async fn a_target_without_a_leak_profile_is_not_asked_again() {
    let server = serving(text(counted(5))).await;
    let config = fleet(&[address(&server)], "");
    let mut sweeper = Sweeper::new(recorded().0);
    for _ in 0..3 {
        assert_eq!(sweep_with(&mut sweeper, &config).await.looks.len(), 1);
    }
    let requests = server.received_requests().await.expect("recorded");
    let leaks = requests
        .iter()
        .filter(|request| request.url.path() == LEAKS)
        .count();
    assert_eq!((requests.len(), leaks), (4, 1));
}

#[tokio::test]
async fn an_overloaded_target_is_asked_again_with_jitter() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(2)
        .mount(&server)
        .await;
    Mock::given(path(GOROUTINES))
        .respond_with(text(counted(1)))
        .mount(&server)
        .await;
    let (effects, waits) = recorded();
    let config = fleet(&[address(&server)], "");
    let swept = sweep_with(&mut Sweeper::new(effects), &config).await;
    assert_eq!(swept.looks.len(), 1);
    let waits: Vec<u128> = waits
        .lock()
        .expect("waits")
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(waits, [625, 1250]);
}

#[tokio::test]
async fn what_stays_wrong_is_not_asked_again() {
    let down = serving(ResponseTemplate::new(500).set_body_string("boom\nhere")).await;
    check_failed(
        &sweep(&[address(&down)]).await,
        "answered 500: \"boom here\"",
        3,
    );
    let lacking = serving(ResponseTemplate::new(404)).await;
    check_failed(&sweep(&[address(&lacking)]).await, "answered 404", 1);
    let page = ResponseTemplate::new(200).set_body_raw("<html><title>Sign in</title>", "text/html");
    check_failed(
        &sweep(&[address(&serving(page).await)]).await,
        "a web page",
        1,
    );
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = closed.local_addr().expect("an address").to_string();
    drop(closed);
    check_failed(&sweep(&[nobody]).await, "cannot connect", 3);
    check_failed(
        &sweep(&["no-such-host.invalid:1".to_owned()]).await,
        "cannot connect",
        3,
    );
}

#[tokio::test]
async fn a_target_that_fails_again_and_again_is_left_alone() {
    let server = serving(ResponseTemplate::new(404)).await;
    let config = fleet(&[address(&server)], "");
    let mut sweeper = Sweeper::new(recorded().0);
    let mut asked = Vec::new();
    for _ in 0..6 {
        asked.push(sweep_with(&mut sweeper, &config).await.failures[0].attempts);
    }
    assert_eq!(asked, [1, 1, 1, 0, 1, 0]);
    let last = sweep_with(&mut sweeper, &config).await;
    assert!(
        last.failures[0]
            .reason
            .contains("left alone after 4 failed sweeps"),
        "{last:?}"
    );
}

#[tokio::test]
async fn redirects_are_followed_within_the_host_alone() {
    let elsewhere = serving(text(counted(9))).await;
    let to = format!("{}{GOROUTINES}?token=s3cret", elsewhere.uri());
    let away = serving(ResponseTemplate::new(302).insert_header("location", to)).await;
    let swept = sweep(&[address(&away)]).await;
    check_failed(&swept, "which is not followed", 1);
    assert!(!swept.failures[0].reason.contains("s3cret"), "{swept:?}");
    assert_eq!(
        elsewhere.received_requests().await.expect("recorded").len(),
        0
    );

    let server = serving(ResponseTemplate::new(301).insert_header("location", "/moved")).await;
    Mock::given(path("/moved"))
        .respond_with(text(counted(4)))
        .mount(&server)
        .await;
    assert_eq!(sweep(&[address(&server)]).await.looks[0].goroutines, 5);

    let round = serving(ResponseTemplate::new(302).insert_header("location", GOROUTINES)).await;
    check_failed(&sweep(&[address(&round)]).await, "which is not followed", 1);
}

#[tokio::test]
async fn bombs_are_not_unpacked() {
    // A goroutine profile with one name of 66 MiB, packed to a few hundred kilobytes.
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let start =
        b"\x0a\x04\x08\x01\x10\x02\x32\x00\x32\x09goroutine\x32\x05count\x32\x80\x80\x80\x21";
    packed.write_all(start).expect("packed");
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..66 {
        packed.write_all(&megabyte).expect("packed");
    }
    let bomb = packed.finish().expect("packed");
    assert!(bomb.len() < 2 << 20);
    let server = serving(ResponseTemplate::new(200).set_body_bytes(bomb)).await;
    check_failed(&sweep(&[address(&server)]).await, "cut short", 1);
    let large =
        serving(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; (16 << 20) + 1])).await;
    check_failed(
        &sweep(&[address(&large)]).await,
        "more than 16777216 bytes",
        1,
    );
}

#[tokio::test]
async fn slow_and_lying_targets_cost_their_timeout_and_no_more() {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\n".to_vec();
    let trickle: Vec<Vec<u8>> = std::iter::once(head.clone())
        .chain(vec![b"g".to_vec(); 1000])
        .collect();
    let trickles = raw(trickle, Duration::from_millis(20)).await;
    check_failed(
        &sweep(&[trickles]).await,
        "no complete answer within 400ms",
        1,
    );
    let hangs = raw(vec![Vec::new()], Duration::from_secs(600)).await;
    check_failed(&sweep(&[hangs]).await, "no complete answer within 400ms", 1);
    let lies = raw(vec![head, counted(3).into_bytes()], Duration::ZERO).await;
    check_failed(&sweep(&[lies]).await, "broke off", 3);
    let gibberish = raw(
        vec![b"\x16\x03\x01 not http\r\n\r\n".to_vec()],
        Duration::ZERO,
    )
    .await;
    check_failed(&sweep(&[gibberish]).await, "cannot connect", 3);
}

#[tokio::test]
async fn odd_targets_do_not_stop_the_sweep_of_the_others() {
    let mut targets = Vec::new();
    let mut servers = Vec::new();
    for count in 0..20 {
        let server = serving(text(counted(count))).await;
        targets.push(address(&server));
        servers.push(server);
    }
    targets.push(raw(vec![Vec::new()], Duration::from_secs(600)).await);
    targets.push(raw(vec![b"nonsense".to_vec()], Duration::ZERO).await);
    let swept = sweep(&targets).await;
    assert_eq!((swept.looks.len(), swept.failures.len()), (20, 2));
}

#[tokio::test]
async fn a_host_is_asked_one_thing_at_a_time_and_all_together_not_too_many() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut targets = Vec::new();
    for _ in 0..12 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        targets.push(listener.local_addr().expect("an address").to_string());
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let busy = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(busy, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let body = counted(2);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                now.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }
    let config = fleet(&targets, "sweep: {max_requests: 3}");
    let swept = sweep_with(&mut Sweeper::new(recorded().0), &config).await;
    assert_eq!(swept.looks.len(), 12, "{:?}", swept.failures);
    assert!(most.load(Ordering::SeqCst) <= 3, "{most:?}");
}

#[tokio::test]
async fn bytes_on_their_way_are_bounded() {
    let server = serving(text(counted(2))).await;
    let config = fleet(&[address(&server)], "sweep: {max_bytes: 1}");
    // One kilobyte of room holds one small answer, and a larger one is refused.
    assert_eq!(
        sweep_with(&mut Sweeper::new(recorded().0), &config)
            .await
            .looks
            .len(),
        1
    );
    let chunked =
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2000\r\n"
            .to_vec();
    let large = raw(
        vec![chunked, vec![b'x'; 0x2000], b"\r\n0\r\n\r\n".to_vec()],
        Duration::from_millis(20),
    )
    .await;
    let swept = sweep_with(
        &mut Sweeper::new(recorded().0),
        &fleet(&[large], "sweep: {max_bytes: 1}"),
    )
    .await;
    check_failed(&swept, "sweep.max_bytes", 3);
}

#[tokio::test]
async fn a_closer_look_is_rare_and_bounded() {
    let server = serving(text(counted(5))).await;
    let dump = "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1d\n";
    Mock::given(path(GOROUTINES))
        .and(query_param("debug", "2"))
        .respond_with(text(dump))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(path("/debug/pprof/heap"))
        .and(query_param("debug", "1"))
        .respond_with(text(
            "heap profile: 0: 0 [0: 0] @ heap/1048576\n\n# HeapAlloc = 1024\n",
        ))
        .mount(&server)
        .await;
    let config = fleet(&[address(&server)], "sweep: {dump_goroutines: 100}");
    let mut sweeper = Sweeper::new(recorded().0);
    let swept = sweep_with(&mut sweeper, &config).await;
    let mut suspect = Suspect {
        target: Arc::clone(&swept.looks[0].target),
        goroutines: 6,
    };
    let mut dumps = Dumps::new();
    let mut told = Vec::new();
    for at in [0, 3599, 3600] {
        let context = sweeper
            .look_closer(&config, std::slice::from_ref(&suspect), at, &mut dumps)
            .await;
        let context = &context["shop"];
        assert!(context.problems.is_empty(), "{context:?}");
        assert_eq!(
            context.heap.as_ref().and_then(|heap| heap.in_use_bytes),
            Some(1024)
        );
        told.push(context.dump.is_some());
    }
    assert_eq!(told, [true, false, true]);
    suspect.goroutines = 101;
    let context = sweeper
        .look_closer(&config, &[suspect], 99_999, &mut dumps)
        .await;
    assert!(
        context["shop"].dump.is_none(),
        "too many goroutines to stop for"
    );
}
