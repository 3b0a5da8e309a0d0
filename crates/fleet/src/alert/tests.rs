mod alertmanager;
mod configuration;
mod delivery;
mod github;
mod pagerduty;
mod slack;
mod webhook;

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
