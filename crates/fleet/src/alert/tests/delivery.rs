//! What becomes of a message, whoever it is for.

use super::github::hub;
use super::*;

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
