//! What becomes of issues at GitHub.

use super::*;

/// As much of GitHub as is needed, with what was done to it.
#[derive(Default)]
pub(super) struct Hub {
    pub(super) issues: Mutex<Vec<Value>>,
    pub(super) comments: Mutex<Vec<(u64, String)>>,
    /// Answer 500 to the next so many requests that change something, after doing it.
    pub(super) failing: Mutex<usize>,
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

    pub(super) fn state(&self) -> Vec<String> {
        let issues = self.issues.lock().expect("whole");
        issues
            .iter()
            .map(|it| it["state"].as_str().expect("a state").to_owned())
            .collect()
    }

    pub(super) fn comments(&self) -> usize {
        self.comments.lock().expect("whole").len()
    }
}

struct Act(std::sync::Arc<Hub>);

impl Respond for Act {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.0.act(request)
    }
}

pub(super) async fn hub() -> (MockServer, std::sync::Arc<Hub>, Scene) {
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
