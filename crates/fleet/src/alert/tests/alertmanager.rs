//! What Alertmanager gets.

use super::*;

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
