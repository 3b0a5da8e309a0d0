//! What a webhook gets.

use super::*;

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
    let signature = crate::alert::webhook::sign("Jefe", &request.body);
    assert_eq!(header("gorphan-signature-256"), signature);
}
