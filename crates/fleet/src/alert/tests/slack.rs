//! What Slack gets.

use super::*;

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
