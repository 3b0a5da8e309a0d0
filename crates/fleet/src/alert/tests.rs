use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::config::FleetConfig;
use crate::ledger::{DeliveryState, Ledger, Reach, Reached, Scope, Seen, Who, found};

const LIMIT: Duration = Duration::from_secs(60);
const SHOP: &str = "aaaa000000000001";

/// A ledger, and receivers as they are configured.
struct Scene {
    folder: tempfile::TempDir,
    alerting: Alerting,
}

impl Scene {
    fn new(yaml: &str) -> Self {
        let config = FleetConfig::parse(yaml, "gorphan.yaml", Path::new("/etc/gorphan"));
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            alerting: config.expect("a configuration").alerting,
        }
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.folder.path().join("ledger.sqlite")).expect("opened")
    }

    fn sweep(&self, minute: i64, seen: &[&str]) {
        let pairs: Vec<_> = seen.iter().map(|text| found(text)).collect();
        let seen: Vec<Seen<'_>> = pairs
            .iter()
            .map(|(finding, facts)| Seen {
                finding,
                facts,
                stack: &[],
            })
            .collect();
        let reach = Reach {
            reached: 3,
            ..Reach::default()
        };
        let reached = Reached([("shop".to_owned(), reach)].into());
        let mut ledger = self.open();
        let telling = self.alerting.telling();
        ledger
            .take_in(minute * 60, &seen, &reached, telling)
            .expect("taken in");
    }

    async fn deliver(&self, now: i64) -> Delivered {
        let ledger = Mutex::new(self.open());
        deliver(&ledger, &self.alerting, now, LIMIT)
            .await
            .expect("the ledger works")
    }

    fn states(&self) -> Vec<DeliveryState> {
        let all = self.open().deliveries(SHOP).expect("listed");
        all.into_iter().rev().map(|it| it.state).collect()
    }
}

async fn server() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    server
}

async fn bodies(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.expect("recorded");
    let bodies = requests.iter().map(|it| serde_json::from_slice(&it.body));
    bodies.collect::<Result<_, _>>().expect("JSON")
}

#[tokio::test]
async fn alertmanager_gets_the_state_with_labels_that_stay() {
    let server = server().await;
    let scene = Scene::new(&format!(
        "global: {{scrape_interval: 5m}}\nalerting:\n  external_url: https://gorphan.example.com/\n  alertmanagers:\n  \
         - path_prefix: /am\n    static_configs: [{{targets: ['{}']}}]\n",
        server.address()
    ));
    scene.sweep(0, &["shop 100 v1"]);
    assert_eq!(scene.deliver(0).await.sent, 1);
    scene.sweep(5, &["shop 130 v2"]);
    scene.deliver(300).await;
    for minute in [10, 15, 20] {
        scene.sweep(minute, &[]);
        scene.deliver(minute * 60).await;
    }
    let requests = server.received_requests().await.expect("recorded");
    assert!(
        requests
            .iter()
            .all(|it| it.url.path() == "/am/api/v2/alerts")
    );
    let bodies = bodies(&server).await;
    assert_eq!(bodies.len(), 5);
    let labels = json!({
        "alertname": "GoroutineLeak",
        "service": "shop",
        "operation": "chan send",
        "function": "main.f",
        "fingerprint": SHOP,
        "owner": "team-a",
    });
    for body in &bodies {
        assert_eq!(body[0]["labels"], labels, "identity must not change");
        assert_eq!(body[0]["startsAt"], "1970-01-01T00:00:00Z");
    }
    // Four intervals ahead, until it is resolved.
    let ends: Vec<&Value> = bodies.iter().map(|body| &body[0]["endsAt"]).collect();
    let expected = ["00:20:00", "00:25:00", "00:30:00", "00:35:00", "00:20:00"];
    assert_eq!(
        ends,
        expected
            .map(|it| json!(format!("1970-01-01T{it}Z")))
            .each_ref()
    );
    assert_eq!(bodies[1][0]["annotations"]["version"], "v2");
    let link = format!("https://gorphan.example.com/findings/{SHOP}");
    assert_eq!(bodies[0][0]["generatorURL"], link);
}

#[tokio::test]
async fn a_webhook_gets_the_finding_signed() {
    let server = server().await;
    let scene = Scene::new(&format!(
        "alerting: {{webhooks: [{{url: '{}/hook', secret: Jefe}}]}}",
        server.uri()
    ));
    scene.sweep(0, &["shop 100 v1"]);
    assert_eq!(
        scene.deliver(0).await,
        Delivered {
            sent: 1,
            ..Delivered::default()
        }
    );
    assert_eq!(scene.deliver(0).await.sent, 0);
    let requests = server.received_requests().await.expect("recorded");
    let [request] = requests.as_slice() else {
        panic!("one request: {requests:?}");
    };
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!(
        (&body["version"], &body["digest"]),
        (&json!(1), &json!(false))
    );
    let event = &body["events"][0];
    assert_eq!(event["event"], "new");
    assert_eq!(
        event["title"],
        "New goroutine leak in shop: chan send at main.f (main.go:41)"
    );
    assert_eq!(event["finding"]["fingerprint"], SHOP);
    assert_eq!(event["finding"]["instances"]["max"], 100);
    let header = |name: &str| request.headers[name].to_str().expect("text").to_owned();
    assert_eq!(
        header("gorphan-delivery"),
        body["delivery"].as_str().expect("a key")
    );
    let signature = webhook::sign("Jefe", &request.body);
    assert_eq!(header("gorphan-signature-256"), signature);
}

#[tokio::test]
async fn slack_gets_blocks_in_which_nothing_acts() {
    let server = server().await;
    let scene = Scene::new(&format!(
        "alerting: {{slack: [{{api_url: '{}/services/T/B/x'}}]}}",
        server.uri()
    ));
    let (mut finding, facts) = found("shop 100 v1");
    finding.message = "<!channel> & <https://evil.example|click>".to_owned();
    let stack = [gorphan_model::Frame::new("main.```<@U1>", "a.go", 1)];
    let seen = [Seen {
        finding: &finding,
        facts: &facts,
        stack: &stack,
    }];
    let telling = scene.alerting.telling();
    scene
        .open()
        .take_in(60, &seen, &Reached::default(), telling)
        .expect("taken in");
    scene.deliver(60).await;
    let body = &bodies(&server).await[0];
    let text = body.to_string();
    for acting in ["<!channel>", "<https", "<@U1>", "main.```"] {
        assert!(!text.contains(acting), "{acting} in {text}");
    }
    assert!(text.contains("&lt;!channel&gt; &amp; "), "{text}");
    let kinds: Vec<&str> = body["blocks"]
        .as_array()
        .expect("blocks")
        .iter()
        .filter_map(|block| block["type"].as_str())
        .collect();
    assert_eq!(
        kinds,
        ["header", "section", "section", "section", "context"]
    );
    assert!(
        body["text"]
            .as_str()
            .is_some_and(|it| it.starts_with("New goroutine leak in shop"))
    );
}

#[tokio::test]
async fn pagerduty_keeps_one_incident_to_a_finding() {
    let server = server().await;
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), "R123\n").expect("written");
    let scene = Scene::new(&format!(
        "alerting: {{clean_sweeps: 1, pagerduty: [{{routing_key_file: '{}', url: '{}/v2/enqueue'}}]}}",
        key.path().display(),
        server.uri()
    ));
    scene.sweep(0, &["shop 100 v1"]);
    scene.sweep(5, &["shop 300 v1"]);
    let who = Who {
        name: "jane",
        at: 310,
    };
    scene
        .open()
        .acknowledge(SHOP, who, "", scene.alerting.telling())
        .expect("acknowledged");
    scene.sweep(10, &[]);
    assert_eq!(scene.deliver(600).await.sent, 4);
    let bodies = bodies(&server).await;
    let actions: Vec<&str> = bodies
        .iter()
        .filter_map(|it| it["event_action"].as_str())
        .collect();
    assert_eq!(actions, ["trigger", "trigger", "acknowledge", "resolve"]);
    for body in &bodies {
        assert_eq!(body["dedup_key"], format!("gorphan-{SHOP}"));
        assert_eq!(body["routing_key"], "R123");
    }
    let payload = &bodies[0]["payload"];
    assert_eq!(payload["severity"], "error");
    assert_eq!(payload["source"], "i-1");
    assert_eq!(payload["timestamp"], "1970-01-01T00:00:00Z");
    assert_eq!(bodies[3].get("payload"), None);
}

/// As much of GitHub as is needed, with what was done to it.
#[derive(Default)]
struct Hub {
    issues: Mutex<Vec<Value>>,
    comments: Mutex<Vec<(u64, String)>>,
    /// Answer 500 to the next so many requests that change something, after doing it.
    failing: Mutex<usize>,
}

impl Hub {
    fn act(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let mut issues = self.issues.lock().expect("whole");
        let mut comments = self.comments.lock().expect("whole");
        let parts: Vec<&str> = request.url.path().split('/').skip(5).collect();
        assert!(
            request
                .url
                .path()
                .starts_with("/api/repos/acme/shop/issues"),
            "{}",
            request.url
        );
        assert_eq!(request.headers["authorization"], "Bearer t0ken");
        let changes = request.method.as_str() != "GET";
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let at = |number: u64| usize::try_from(number).expect("small") - 1;
        let answer = match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["issues"]) => json!(issues.iter().rev().collect::<Vec<_>>()),
            ("POST", ["issues"]) => {
                let number = issues.len() as u64 + 1;
                issues.push(
                    json!({"number": number, "state": "open", "title": body["title"],
                    "body": body["body"], "labels": body["labels"]}),
                );
                issues[issues.len() - 1].clone()
            }
            ("GET", ["issues", one]) => issues[at(number(one))].clone(),
            ("PATCH", ["issues", one]) => {
                issues[at(number(one))]["state"] = body["state"].clone();
                json!({})
            }
            ("GET", ["issues", one, "comments"]) => {
                let of = comments.iter().filter(|(issue, _)| *issue == number(one));
                json!(
                    of.map(|(_, text)| json!({"body": text}))
                        .collect::<Vec<_>>()
                )
            }
            ("POST", ["issues", one, "comments"]) => {
                let text = body["body"].as_str().expect("a body").to_owned();
                comments.push((number(one), text));
                json!({})
            }
            other => panic!("unexpected {other:?}"),
        };
        let mut failing = self.failing.lock().expect("whole");
        if changes && *failing > 0 {
            *failing -= 1;
            return ResponseTemplate::new(500);
        }
        ResponseTemplate::new(200).set_body_json(answer)
    }

    fn state(&self) -> Vec<String> {
        let issues = self.issues.lock().expect("whole");
        issues
            .iter()
            .map(|it| it["state"].as_str().expect("a state").to_owned())
            .collect()
    }

    fn comments(&self) -> usize {
        self.comments.lock().expect("whole").len()
    }
}

struct Act(std::sync::Arc<Hub>);

impl Respond for Act {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.0.act(request)
    }
}

async fn hub() -> (MockServer, std::sync::Arc<Hub>, Scene) {
    let server = MockServer::start().await;
    let hub = std::sync::Arc::new(Hub::default());
    Mock::given(wiremock::matchers::any())
        .respond_with(Act(std::sync::Arc::clone(&hub)))
        .mount(&server)
        .await;
    let scene = Scene::new(&format!(
        "alerting: {{clean_sweeps: 1, github: [{{repository: acme/shop, token: t0ken, api_url: '{}/api', labels: [bug]}}]}}",
        server.uri()
    ));
    (server, hub, scene)
}

#[tokio::test]
async fn an_issue_is_made_commented_closed_and_reopened() {
    let (_server, hub, scene) = hub().await;
    scene.sweep(0, &["shop 100 v1"]);
    scene.deliver(0).await;
    let issue = hub.issues.lock().expect("whole")[0].clone();
    assert_eq!(issue["labels"], json!(["gorphan", "bug"]));
    assert_eq!(
        issue["title"],
        "New goroutine leak in shop: chan send at main.f (main.go:41)"
    );
    let body = issue["body"].as_str().expect("a body");
    assert!(
        body.contains(&format!("<!-- gorphan finding {SHOP} -->")),
        "{body}"
    );
    scene.sweep(5, &["shop 300 v1"]);
    scene.deliver(300).await;
    assert_eq!((hub.state(), hub.comments()), (vec!["open".to_owned()], 1));
    scene.sweep(10, &[]);
    scene.deliver(600).await;
    assert_eq!(
        (hub.state(), hub.comments()),
        (vec!["closed".to_owned()], 2)
    );
    scene.sweep(15, &["shop 5 v1"]);
    scene.deliver(900).await;
    assert_eq!((hub.state(), hub.comments()), (vec!["open".to_owned()], 3));
}

#[tokio::test]
async fn an_issue_is_looked_for_before_it_is_made() {
    let (_server, hub, scene) = hub().await;
    // Another ledger made it; somebody closed it. Beside it one that only looks like it.
    let issue = |number: u64, print: &str| json!({"number": number, "state": "closed", "body": format!("<!-- gorphan finding {print} -->")});
    *hub.issues.lock().expect("whole") = vec![issue(1, SHOP), issue(2, "aaaa0000000000019")];
    scene.sweep(0, &["shop 100 v1"]);
    scene.deliver(0).await;
    assert_eq!(
        (hub.state(), hub.comments()),
        (vec!["open".to_owned(), "closed".to_owned()], 1)
    );
}

#[tokio::test]
async fn what_github_did_before_it_failed_is_not_done_twice() {
    let (_server, hub, scene) = hub().await;
    scene.sweep(0, &["shop 100 v1"]);
    *hub.failing.lock().expect("whole") = 1;
    let delivered = scene.deliver(0).await;
    assert_eq!((delivered.sent, delivered.problems.len()), (0, 1));
    scene.deliver(60).await;
    assert_eq!(
        (hub.state().len(), hub.comments()),
        (1, 0),
        "the issue itself says it"
    );
    scene.sweep(5, &["shop 300 v1"]);
    *hub.failing.lock().expect("whole") = 1;
    scene.deliver(300).await;
    scene.deliver(400).await;
    assert_eq!(hub.comments(), 1);
    scene.sweep(10, &[]);
    // The comment, then the closing.
    *hub.failing.lock().expect("whole") = 2;
    for now in [600, 700, 1000] {
        scene.deliver(now).await;
    }
    assert_eq!(
        (hub.state(), hub.comments()),
        (vec!["closed".to_owned()], 2)
    );
    assert_eq!(scene.states(), [DeliveryState::Sent; 3]);
}

/// Takes the first message for a receiver out and sends it, and ends before it is noted: what a kill leaves behind.
async fn cut_off(scene: &Scene, server: &MockServer) {
    let mut ledger = scene.open();
    let courier = ledger.courier().expect("asked").expect("free");
    let receiver = &scene.alerting.receivers[0];
    let parcel = ledger
        .claim(&courier, &receiver.name, 0)
        .expect("claimed")
        .expect("due");
    let client = crate::http::Client::new(&receiver.http).expect("a client");
    let how = deliver::bring(receiver, &client, &parcel, &scene.alerting).await;
    assert!(
        matches!(how, crate::ledger::Settled::Sent { .. }),
        "{how:?}"
    );
    assert!(
        !server
            .received_requests()
            .await
            .expect("recorded")
            .is_empty()
    );
}

#[tokio::test]
async fn what_was_cut_off_is_not_sent_twice() {
    for receiver in ["webhooks: [{url: 'URL'}]", "slack: [{api_url: 'URL'}]"] {
        let server = server().await;
        let yaml = format!("alerting: {{{receiver}}}").replace("URL", &server.uri());
        let scene = Scene::new(&yaml);
        scene.sweep(0, &["shop 100 v1"]);
        scene.sweep(5, &["shop 300 v1"]);
        cut_off(&scene, &server).await;
        let delivered = scene.deliver(600).await;
        assert_eq!(
            (delivered.sent, delivered.problems.len()),
            (1, 1),
            "{receiver}"
        );
        assert_eq!(scene.states(), [DeliveryState::Unsure, DeliveryState::Sent]);
        assert_eq!(bodies(&server).await.len(), 2, "{receiver}");
    }
    let (server, hub, scene) = hub().await;
    scene.sweep(0, &["shop 100 v1"]);
    cut_off(&scene, &server).await;
    assert_eq!(scene.deliver(600).await.sent, 1);
    assert_eq!((hub.state().len(), hub.comments()), (1, 0));
    // PagerDuty joins what has the same key: it is sent again, with the same key.
    let server = self::server().await;
    let yaml = format!(
        "alerting: {{pagerduty: [{{routing_key: k, url: '{}'}}]}}",
        server.uri()
    );
    let scene = Scene::new(&yaml);
    scene.sweep(0, &["shop 100 v1"]);
    cut_off(&scene, &server).await;
    assert_eq!(scene.deliver(600).await.sent, 1);
    let bodies = bodies(&server).await;
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn what_a_receiver_answers_decides_what_becomes_of_a_message() {
    use DeliveryState::{Failed, Sent, Unsure, Waiting};
    for (status, retry, expected, later) in [
        (204, None, Sent, None),
        (400, None, Failed, None),
        (410, None, Failed, None),
        (401, None, Waiting, Some(30)),
        (500, None, Waiting, Some(30)),
        (429, Some("120"), Waiting, Some(120)),
        (302, None, Waiting, Some(30)),
        // Something in between gave up; the receiver may not have.
        (504, None, Unsure, None),
    ] {
        let server = MockServer::start().await;
        let mut answer =
            ResponseTemplate::new(status).insert_header("location", "http://127.0.0.1:1/");
        if let Some(seconds) = retry {
            answer = answer.insert_header("retry-after", seconds);
        }
        Mock::given(path("/"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let scene = Scene::new(&format!(
            "alerting: {{webhooks: [{{url: '{}'}}]}}",
            server.uri()
        ));
        scene.sweep(0, &["shop 100 v1"]);
        scene.deliver(0).await;
        assert_eq!(scene.states(), [expected], "{status}");
        if let Some(seconds) = later {
            let requests = async || server.received_requests().await.expect("recorded").len();
            scene.deliver(seconds - 1).await;
            assert_eq!(requests().await, 1, "{status}");
            scene.deliver(seconds).await;
            assert_eq!(requests().await, 2, "{status}");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_does_not_hold_up_the_others() {
    let server = server().await;
    let scene = Scene::new(&format!(
        "alerting: {{webhooks: [{{url: 'http://127.0.0.1:1/'}}, {{url: '{}'}}]}}",
        server.uri()
    ));
    scene.sweep(0, &["shop 100 v1"]);
    let delivered = scene.deliver(0).await;
    assert_eq!(delivered.sent, 1);
    assert!(
        delivered.problems[0].contains("it is tried again later"),
        "{delivered:?}"
    );
    assert_eq!(
        scene.states(),
        [DeliveryState::Waiting, DeliveryState::Sent]
    );
}

#[tokio::test]
async fn a_digest_is_one_message() {
    let server = server().await;
    let scene = Scene::new(&format!(
        "alerting: {{slack: [{{api_url: '{}', digest: '00:30'}}]}}",
        server.uri()
    ));
    scene.sweep(0, &["shop 100 v1"]);
    scene.sweep(5, &["shop 300 v1", "cart 5 v1"]);
    assert_eq!(scene.deliver(600).await.sent, 0);
    assert_eq!(scene.deliver(1800).await.sent, 1);
    let bodies = bodies(&server).await;
    assert_eq!(
        bodies[0]["text"],
        "Goroutine leaks of the day: 2 new, 1 grown"
    );
    assert_eq!(bodies[0]["blocks"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn receivers_that_are_configured_no_more_get_nothing() {
    let server = server().await;
    let mut scene = Scene::new(&format!(
        "alerting: {{webhooks: [{{url: '{}'}}]}}",
        server.uri()
    ));
    scene.sweep(0, &["shop 100 v1"]);
    scene.alerting.receivers.clear();
    assert_eq!(scene.deliver(0).await, Delivered::default());
    assert_eq!(scene.states(), [DeliveryState::Dropped]);
}

#[test]
fn a_rehearsal_shows_messages_without_secrets() {
    let scene = Scene::new(
        "alerting:\n  slack: [{api_url: 'http://h/SECRET'}]\n  pagerduty: [{routing_key: SECRET}]\n  github: [{repository: a/b, \
         token_file: missing}]\n  webhooks: [{url: 'http://h/SECRET', secret_file: missing}]\n  alertmanagers: \
         [{static_configs: [{targets: ['a:1']}]}]\n",
    );
    let (finding, facts) = found("shop 100 v1");
    let seen = [Seen {
        finding: &finding,
        facts: &facts,
        stack: &[],
    }];
    let telling = scene.alerting.telling();
    let rehearsal = scene
        .open()
        .rehearse(60, &seen, &Reached::default(), telling);
    let (_, parcels) = rehearsal.expect("rehearsed");
    assert_eq!(parcels.len(), 5);
    for (name, parcel) in &parcels {
        let mut receivers = scene.alerting.receivers.iter();
        let receiver = receivers.find(|it| it.name == *name).expect("configured");
        let shown = rehearsed(receiver, parcel, None);
        assert!(
            shown.contains("main.f") && !shown.contains("SECRET"),
            "{shown}"
        );
    }
}

#[test]
fn a_day_has_its_times() {
    let nine = TimeOfDay::parse("09:00").expect("a time");
    for (at, next) in [
        (0, 32_400),
        (32_399, 32_400),
        (32_400, 118_800),
        (-1, 32_400),
    ] {
        assert_eq!(nine.next(at), next, "{at}");
    }
    for wrong in ["9:00", "24:00", "09:60", "0900", "", "09:0x", "+9:00"] {
        assert_eq!(TimeOfDay::parse(wrong), None, "{wrong}");
    }
}

fn check_error(yaml: &str, expected: &str) {
    let error = FleetConfig::parse(yaml, "g.yaml", Path::new("")).expect_err(yaml);
    let advice = error.advice.clone().unwrap_or_default();
    let text = format!("{error} {advice}");
    assert!(text.contains(expected), "{yaml}: {text}");
}

#[test]
fn mistakes_in_the_configuration_name_their_place() {
    for (yaml, expected) in [
        (
            "alerting:\n  webhoks: []",
            "g.yaml:2:3: unknown key \"webhoks\" did you mean \"webhooks\"?",
        ),
        (
            "alerting:\n  webhooks:\n  - {url: 'ftp://a'}",
            "g.yaml:3:11: url must be an http or https URL",
        ),
        (
            "alerting:\n  webhooks:\n  - {}",
            "g.yaml:3:5: it needs url or url_file",
        ),
        (
            "alerting:\n  webhooks:\n  - {url: 'http://a', url_file: b}",
            "there are both url and url_file",
        ),
        (
            "alerting:\n  slack:\n  - {api_url_file: a, digest: noon}",
            "g.yaml:3:31: digest must be a time of the day",
        ),
        (
            "alerting:\n  slack:\n  - {api_url_file: a, verdict: bad}",
            "verdict must be suspect, growing or leak",
        ),
        (
            "alerting:\n  pagerduty:\n  - {}",
            "PagerDuty needs routing_key_file",
        ),
        (
            "alerting:\n  pagerduty:\n  - {routing_key_file: a, digest: '09:00'}",
            "unknown key \"digest\"",
        ),
        (
            "alerting:\n  github:\n  - {repository: shop}",
            "g.yaml:3:18: repository must be OWNER/NAME",
        ),
        (
            "alerting:\n  github:\n  - {repository: '../..', token: t, api_url: x}",
            "api_url must be an http or https URL",
        ),
        (
            "alerting:\n  alertmanagers:\n  - {}",
            "an Alertmanager needs static_configs with targets",
        ),
        (
            "alerting:\n  alertmanagers:\n  - {api_version: v1}",
            "api_version must be v2",
        ),
        (
            "alerting:\n  alertmanagers:\n  - static_configs: [{targets: ['a/b']}]",
            "\"a/b\" is no host and port",
        ),
        (
            "alerting:\n  webhooks:\n  - {url: 'http://a'}\n  - {url: 'http://a'}",
            "g.yaml:4:5: there are two receivers webhook-",
        ),
        (
            "alerting: {clean_sweeps: 0}",
            "clean_sweeps must be at least 1",
        ),
        ("owners: {codeowner: a}", "did you mean \"codeowners\"?"),
    ] {
        check_error(yaml, expected);
    }
}

#[test]
fn a_silence_keeps_the_state_quiet() {
    let scene = Scene::new("alerting: {alertmanagers: [{static_configs: [{targets: ['a:1']}]}]}");
    let who = Who {
        name: "jane",
        at: 0,
    };
    let scope = Scope::Service("shop".to_owned());
    scene
        .open()
        .silence(scope, 3600, "known", who)
        .expect("silenced");
    scene.sweep(5, &["shop 100 v1", "cart 5 v1"]);
    let mut ledger = scene.open();
    let courier = ledger.courier().expect("asked").expect("free");
    let name = &scene.alerting.receivers[0].name;
    let parcel = ledger
        .claim(&courier, name, 300)
        .expect("claimed")
        .expect("due");
    let services: Vec<&str> = parcel
        .notices
        .iter()
        .map(|it| it.service.as_str())
        .collect();
    assert_eq!(services, ["cart"]);
}
