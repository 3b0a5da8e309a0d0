//! The server over real HTTP, with names in it that nobody should have let in.

use std::collections::{BTreeMap, HashMap};

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;

use super::captures::Captures;
use super::view::*;
use super::*;

const NOW: i64 = 1_767_225_600;
/// What is not to be on any page as it is.
const HOSTILE: &str = "<script>alert('x')</script>\"&";
const FINGERPRINT: &str = "0123456789abcdef";

struct Server {
    url: String,
    client: Client,
    app: Arc<App>,
}

impl Server {
    async fn start(guard: Guard) -> Self {
        Self::with_people(guard, None).await
    }

    async fn with_people(guard: Guard, people: Option<People>) -> Self {
        let outside = Outside {
            source: Box::new(|name| {
                name.contains("main.go")
                    .then(|| format!("a\n{HOSTILE}\nb\n"))
            }),
            clock: || NOW,
            guard,
            people,
            history: None,
        };
        let app = App::new(HOSTILE, 600, outside);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve(listener, router(&app, None), std::future::pending()));
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Self {
            url: format!("http://{address}"),
            client: client.expect("a client"),
            app,
        }
    }

    async fn open() -> Self {
        let server = Self::start(Guard::new(None, Vec::new(), [3; 32])).await;
        server.app.show(board());
        server
    }

    async fn get(&self, path: &str) -> Response {
        self.with(path, &[]).await
    }

    async fn with(&self, path: &str, headers: &[(&'static str, &str)]) -> Response {
        self.ask(Method::GET, path, headers, "").await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let url = format!("{}{path}", self.url);
        let request = self.client.request(method, url).headers(map).body(body);
        request.send().await.expect("an answer")
    }
}

async fn text(answer: Response) -> String {
    answer.text().await.expect("a body")
}

fn frame(line: u32) -> Frame {
    Frame {
        function: format!("main.{HOSTILE}"),
        file: Some(format!("/{HOSTILE}/main.go")),
        line: Some(line),
    }
}

fn finding() -> Finding {
    Finding {
        fingerprint: FINGERPRINT.to_owned(),
        code: "GR1001",
        verdict: "growing",
        status: "new".to_owned(),
        service: HOSTILE.to_owned(),
        version: Some(HOSTILE.to_owned()),
        first_version: Some(HOSTILE.to_owned()),
        first_seen: words::rfc3339(NOW - 86_400),
        operation: "chan send",
        function: format!("main.{HOSTILE}"),
        file: Some(format!("/{HOSTILE}/main.go")),
        line: Some(2),
        goroutines: 12_345,
        instances: Instances {
            count: 2,
            all: 3,
            max: 9_000,
            rms: 7_000.5,
            worst: HOSTILE.to_owned(),
        },
        rate: Some(Rate {
            per_hour: 61.5,
            since: words::rfc3339(NOW - 4 * 86_400),
            days_to_false_alarm: 1e8,
        }),
        cost: Cost {
            bytes: 25_000_000,
            measured: true,
            stack_bytes: Some(18_000_000),
            heap_bytes: Some(40_000_000),
            heap_top: vec![Allocation {
                function: HOSTILE.to_owned(),
                bytes: 5,
            }],
            hours_to_limit: Some(30.0),
        },
        owner: Some(HOSTILE.to_owned()),
        pattern: Some(Pattern {
            name: "n-cast",
            sentence: "several senders of which only some answers were taken",
        }),
        message: HOSTILE.to_owned(),
        help: HOSTILE.to_owned(),
        evidence: vec![Evidence {
            kind: "growth",
            text: HOSTILE.to_owned(),
        }],
        waits: Some("2 h".to_owned()),
        stack: vec![frame(2), frame(9)],
        created_by: Some(frame(1)),
    }
}

fn board() -> Board {
    let snapshot = {
        let name = HOSTILE.replace(['\n', '\t', ' '], "");
        let text = format!(
            "goroutine profile: total 3\n3 @ 0x1 0x2\n#\t0x1\tmain.{name}+0x1\t/{name}.go:1\n\n"
        );
        let read = gorphan_decode::read_bytes(text.as_bytes(), &Default::default());
        read.expect("goroutines").remove(0)
    };
    let point = |at, max| Point {
        at,
        max,
        mean: max as f64,
        instances: 3,
    };
    let series = Series {
        lines: vec![Line {
            version: Some(HOSTILE.to_owned()),
            points: vec![point(NOW - 86_400, 5), point(NOW, 50)],
        }],
        deploys: vec![Deploy {
            at: NOW - 3_600,
            version: HOSTILE.to_owned(),
        }],
    };
    let target = |instance: &str, state, error: Option<&str>| Target {
        job: HOSTILE.to_owned(),
        service: HOSTILE.to_owned(),
        instance: instance.to_owned(),
        version: None,
        address: format!("http://{HOSTILE}/"),
        state,
        asked: Some(words::rfc3339(NOW)),
        answered: None,
        error: error.map(str::to_owned),
        goroutines: error.is_none().then_some(77),
        leak_profile: error.is_none().then_some(false),
        labels: vec![(HOSTILE.to_owned(), HOSTILE.to_owned())],
    };
    Board {
        at: Some(NOW - 60),
        findings: vec![finding()],
        dismissed: vec![Dismissed {
            operation: "select",
            function: HOSTILE.to_owned(),
            goroutines: 5,
            reason: HOSTILE.to_owned(),
        }],
        services: vec![Service {
            service: HOSTILE.to_owned(),
            owner: Some(HOSTILE.to_owned()),
            versions: vec![Version {
                version: Some(HOSTILE.to_owned()),
                instances: 1,
            }],
            instances: 1,
            failed: 1,
            goroutines: 77,
            findings: 1,
            verdict: "growing",
            cost_bytes: 25_000_000,
        }],
        sites: BTreeMap::from([(
            HOSTILE.to_owned(),
            vec![Site {
                operation: "chan send",
                function: HOSTILE.to_owned(),
                file: Some(HOSTILE.to_owned()),
                line: None,
                goroutines: 5,
                max: 3,
                instances: 2,
                fingerprint: Some(FINGERPRINT.to_owned()),
            }],
        )]),
        targets: vec![target("a", "up", None), target("b", "down", Some(HOSTILE))],
        sweeps: vec![Sweep {
            at: words::rfc3339(NOW - 60),
            at_seconds: NOW - 60,
            seconds: Some(1.5),
            up: 1,
            down: 1,
            goroutines: 77,
            requests: 4,
            bytes: 1_000,
            findings: 1,
            new: 1,
        }],
        series: HashMap::from([(FINGERPRINT.to_owned(), series)]),
        captures: Captures::default()
            .with(HOSTILE, &snapshot, NOW - 7_200)
            .with(HOSTILE, &snapshot, NOW),
        troubles: vec![HOSTILE.to_owned()],
        history: Backlog::default(),
    }
}

fn captures(app: &App) -> Vec<String> {
    let board = app.board();
    let all = board.captures.newest_first();
    all.map(|it| it.view.id.clone()).collect()
}

fn pages(app: &App) -> Vec<String> {
    let ids = captures(app);
    let name: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let name = name.replace('+', "%20");
    vec![
        "/".to_owned(),
        format!("/?q={name}&show=growing"),
        format!("/?q=x{name}"),
        format!("/findings/{FINGERPRINT}"),
        "/services".to_owned(),
        format!("/services/{name}"),
        "/targets".to_owned(),
        "/sweeps".to_owned(),
        "/captures".to_owned(),
        format!("/captures?service={name}"),
        format!("/captures/{}", ids[0]),
        format!("/captures/{}?focus=1", ids[0]),
        format!("/compare?before={}&after={}", ids[1], ids[0]),
        "/state".to_owned(),
    ]
}

#[tokio::test]
async fn what_is_from_outside_is_text_on_every_page() {
    let server = Server::open().await;
    for path in pages(&server.app) {
        let answer = server.get(&path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let page = text(answer).await;
        for raw in ["<script>alert", "alert('x')"] {
            assert!(!page.contains(raw), "{path}: {page}");
        }
        // Nothing that the policy would refuse.
        for inline in [" style=", " onclick=", "javascript:", "<style"] {
            assert!(!page.contains(inline), "{path} has {inline}");
        }
    }
    for path in ["/findings/none", "/services/none", "/captures/none", "/no"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(text(answer).await.contains("<!doctype html>"), "{path}");
    }
}

#[tokio::test]
async fn every_answer_has_a_strict_policy() {
    let server = Server::open().await;
    let refused = server.with("/", &[("host", "evil.example")]).await;
    assert_eq!(refused.status(), StatusCode::MISDIRECTED_REQUEST);
    for answer in [
        server.get("/").await,
        server.get("/api/v1/findings").await,
        server.get("/no").await,
        server.get("/assets/app.css").await,
        refused,
    ] {
        let header = |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok());
        let policy = header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert_eq!(header("x-frame-options"), Some("DENY"));
    }
}

#[tokio::test]
async fn without_the_token_there_is_nothing_to_see() {
    let guard = Guard::new(Some("a-long-enough-token".to_owned()), Vec::new(), [3; 32]);
    let server = Server::start(guard).await;
    server.app.show(board());
    for path in ["/metrics", "/api/v1/findings", "/targets"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(!text(answer).await.contains("GR1001"));
    }
    let page = server.with("/", &[("accept", "text/html")]).await;
    assert_eq!(page.status(), StatusCode::SEE_OTHER);
    for path in ["/healthz", "/readyz", "/login", "/assets/app.css"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let bearer = [("authorization", "Bearer a-long-enough-token")];
    let answer = server.with("/api/v1/findings", &bearer).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn logging_in_takes_the_token_and_our_own_form() {
    let guard = Guard::new(Some("a-long-enough-token".to_owned()), Vec::new(), [3; 32]);
    let server = Server::start(guard).await;
    let form = server.app.guard.form();
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let log_in = async |body: String, origin: &str| {
        let body: &'static str = Box::leak(body.into_boxed_str());
        let headers = [kind, ("origin", origin)];
        server.ask(Method::POST, "/login", &headers, body).await
    };
    let right = format!("form={form}&token=a-long-enough-token");
    let wrong = log_in(format!("form={form}&token=guess"), &server.url).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let no_form = log_in("form=x&token=a-long-enough-token".to_owned(), &server.url).await;
    assert_eq!(no_form.status(), StatusCode::UNAUTHORIZED);
    let foreign = log_in(right.clone(), "http://evil.example").await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let done = log_in(right, &server.url).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let cookie = done
        .headers()
        .get("set-cookie")
        .and_then(|it| it.to_str().ok());
    let cookie = cookie.expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let pair = cookie.split(';').next().unwrap_or_default();
    let page = server.with("/targets", &[("cookie", pair)]).await;
    assert_eq!(page.status(), StatusCode::OK);
}

#[tokio::test]
async fn readiness_waits_for_the_first_sweep_and_ends_with_the_last() {
    let server = Server::start(Guard::new(None, Vec::new(), [3; 32])).await;
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    let ready = server.get("/readyz").await.status();
    assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE);
    let first = text(server.get("/").await).await;
    assert!(first.contains("The first sweep is running"), "{first}");
    server.app.show(board());
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
    server.app.fail("the disk is <full>".to_owned());
    let told = text(server.get("/state").await).await;
    assert!(told.contains("the disk is &#60;full&#62;"), "{told}");
    server.app.stop();
    let ready = server.get("/readyz").await.status();
    assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn metrics_tell_findings_sweeps_and_targets() {
    let server = Server::open().await;
    let metrics = text(server.get("/metrics").await).await;
    for line in [
        "verdict=\"growing\"} 1",
        "state=\"up\"} 1",
        "state=\"down\"} 1",
        "gorphan_sweeps_total 1",
        "gorphan_received_bytes_total 1000",
        "gorphan_sweep_duration_seconds_count 1",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let before = metrics.lines().count();
    server.app.show(board());
    let after = text(server.get("/metrics").await).await;
    assert_eq!(after.lines().count(), before, "nothing is there twice");
    assert!(after.contains("gorphan_sweeps_total 2"), "{after}");
}

/// The description has the paths and methods that there are, and every answer is as described.
#[tokio::test]
async fn the_api_is_as_its_description_says() {
    let server = Server::open().await;
    let described: Value =
        serde_json::from_str(&text(server.get("/api/v1/openapi.json").await).await).expect("JSON");
    let paths = described["paths"].as_object().expect("paths");
    let served: BTreeMap<&str, Vec<&str>> = api::table()
        .into_iter()
        .map(|(path, methods, _)| (path, methods.to_vec()))
        .collect();
    let said: BTreeMap<&str, Vec<&str>> = paths
        .iter()
        .map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            (path.as_str(), methods.keys().map(String::as_str).collect())
        })
        .collect();
    assert_eq!(said, served);
    let name: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let id = captures(&server.app).remove(0);
    for (path, methods) in paths {
        let asked = path
            .replace("{fingerprint}", FINGERPRINT)
            .replace("{service}", &name.replace('+', "%20"))
            .replace("{id}", &id);
        if methods.get("get").is_none() {
            continue;
        }
        let answer = server.get(&asked).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let content = &methods["get"]["responses"]["200"]["content"];
        if content.get("application/json").is_none() {
            continue;
        }
        let value: Value = serde_json::from_str(&text(answer).await).expect("JSON");
        let schema = &content["application/json"]["schema"];
        conforms(schema, &described, &value, path);
    }
    for unknown in [
        "/api/v1/findings/none",
        "/api/v1/services/none/sites",
        "/api/v1/none",
    ] {
        let answer = server.get(unknown).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        let value: Value = serde_json::from_str(&text(answer).await).expect("JSON");
        let schema = serde_json::json!({"$ref": "#/components/schemas/Error"});
        conforms(&schema, &described, &value, unknown);
    }
}

/// What people do is kept in the ledger and seen at once; without our own form, or from elsewhere, nothing is done.
#[tokio::test]
async fn findings_are_acknowledged_and_silenced() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ledger = Ledger::open(&folder.path().join("ledger.sqlite")).expect("a ledger");
    let (found, facts) = crate::ledger::found("shop 50 v1");
    let seen = crate::ledger::Seen {
        finding: &found,
        facts: &facts,
        stack: &[],
    };
    let reached = crate::ledger::Reached::of(&crate::sweep::Swept::default());
    let nobody = crate::ledger::Telling::NOBODY;
    let taken = ledger.take_in(NOW - 600, &[seen], &reached, nobody);
    taken.expect("taken in");
    let fingerprint = facts.fingerprint.clone();
    let people = People {
        ledger: Arc::new(Mutex::new(ledger)),
        alerting: Alerting::default(),
    };
    let guard = Guard::new(None, Vec::new(), [3; 32]);
    let server = Server::with_people(guard, Some(people)).await;
    let mut shown = board();
    shown.findings[0].fingerprint = fingerprint.clone();
    server.app.show(shown);
    let json = ("content-type", "application/json");
    let act = async |action: &str, headers: &[(&'static str, &str)], body: &'static str| {
        let path = format!("/api/v1/findings/{fingerprint}/{action}");
        server.ask(Method::POST, &path, headers, body).await
    };
    let foreign = ("origin", "http://evil.example");
    let refused = act("acknowledge", &[json, foreign], "{\"by\":\"a\"}").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let refused = act("acknowledge", &[form], "by=a").await;
    assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let nobody = act("acknowledge", &[json], "{}").await;
    assert_eq!(nobody.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let description: Value = serde_json::from_str(include_str!("api/openapi.json")).expect("JSON");
    let schema = serde_json::json!({"$ref": "#/components/schemas/Stands"});
    for (action, body, status) in [
        (
            "acknowledge",
            "{\"by\":\"ann\",\"reason\":\"<b>mine</b>\"}",
            "acknowledged",
        ),
        (
            "silence",
            "{\"by\":\"ann\",\"reason\":\"vacation\",\"days\":3}",
            "silenced",
        ),
        ("unsilence", "{\"by\":\"ann\"}", "acknowledged"),
    ] {
        let done = act(action, &[json], body).await;
        assert_eq!(done.status(), StatusCode::OK, "{action}");
        let value: Value = serde_json::from_str(&text(done).await).expect("JSON");
        conforms(&schema, &description, &value, action);
        assert_eq!(value["status"], status);
        let page = text(server.get(&format!("/findings/{fingerprint}")).await).await;
        assert!(page.contains(&format!("badge {status}")), "{action}");
        assert!(!page.contains("<b>mine"), "{page}");
    }
    let unknown = act("delete", &[json], "{\"by\":\"ann\"}").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    // The form of the page: with its secret, and not without.
    let path = format!("/findings/{fingerprint}/unacknowledge");
    let forged = server
        .ask(Method::POST, &path, &[form], "by=ann&form=x")
        .await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    let body = format!("by=ann&form={}", server.app.guard.form());
    let body: &'static str = Box::leak(body.into_boxed_str());
    let done = server.ask(Method::POST, &path, &[form], body).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let status = &server.app.board().findings[0].status;
    assert!(matches!(status.as_str(), "new" | "ongoing"), "{status}");
}

fn conforms(schema: &Value, description: &Value, value: &Value, path: &str) {
    let mut whole = schema.clone();
    whole["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&whole).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{path}");
}

#[tokio::test]
async fn findings_are_narrowed_down() {
    let server = Server::open().await;
    for (query, expected) in [
        ("?verdict=growing", Some(1)),
        ("?verdict=leak", Some(0)),
        ("?service=other", Some(0)),
        ("?verdit=leak", None),
    ] {
        let answer = server.get(&format!("/api/v1/findings{query}")).await;
        let Some(expected) = expected else {
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
            continue;
        };
        let value: Value = serde_json::from_str(&text(answer).await).expect("JSON");
        let found = value["findings"].as_array().map(Vec::len);
        assert_eq!(found, Some(expected), "{query}");
    }
}
