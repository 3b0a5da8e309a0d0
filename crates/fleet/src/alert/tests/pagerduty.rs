//! What PagerDuty gets.

use super::*;

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
