//! Chromium, driven over WebDriver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// Lines of chromedriver's greeting that are looked through for its port.
const MAX_GREETING: usize = 50;

/// A browser without windows, with a profile of its own that is empty.
pub(crate) struct Browser {
    driver: Child,
    client: reqwest::Client,
    session: String,
    _profile: tempfile::TempDir,
}

const MISSING: &str = "the pages are tested in Chromium: install it with `apt-get install chromium chromium-driver` \
                       (cargo xtask test does so where it may), or put `chromedriver` and `chromium` on the path";

impl Browser {
    pub(crate) async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect(MISSING);
        let port = port(&mut driver);
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .expect("a client");
        let profile = tempfile::tempdir().expect("a folder");
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let url = format!("http://127.0.0.1:{port}/session");
        let answer = client.post(&url).json_body(&wanted).send().await;
        let answer: Value = body(answer.expect("chromedriver answers")).await;
        let id = answer["value"]["sessionId"].as_str();
        let id = id.unwrap_or_else(|| panic!("no browser: {answer}. {MISSING}"));
        Self {
            driver,
            client,
            session: format!("{url}/{id}"),
            _profile: profile,
        }
    }

    async fn post(&self, what: &str, body_of: Value) -> Value {
        let url = format!("{}/{what}", self.session);
        let answer = self.client.post(url).json_body(&body_of).send().await;
        let answer = body(answer.expect("chromedriver answers")).await;
        assert!(answer["value"]["error"].is_null(), "{what}: {answer}");
        answer["value"].clone()
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn command(&self, name: &str, params: Value) -> Value {
        let command = json!({"cmd": name, "params": params});
        self.post("goog/cdp/execute", command).await
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// The value of an expression on the page.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression})");
        self.post("execute/sync", json!({"script": script, "args": []}))
            .await
    }

    /// Waits until an expression on the page is true; the page itself says when it looks again.
    pub(crate) async fn wait_for(&self, expression: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const end = performance.now() + 20000;\
             const look = () => {{ if ({expression}) done(true); else if (performance.now() > end) done(false);\
             else requestAnimationFrame(look); }}; look();"
        );
        let came = self
            .post("execute/async", json!({"script": script, "args": []}))
            .await;
        assert_eq!(came, Value::Bool(true), "never came: {expression}");
    }

    /// What the console said since it was asked last: errors, and what the content policy refused.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"})).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let bad = entries
            .into_iter()
            .filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        bad.map(|entry| entry["message"].to_string()).collect()
    }

    pub(crate) async fn size(&self, width: u32, height: u32, is_phone: bool) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.command("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    pub(crate) async fn scheme(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", media).await;
    }

    pub(crate) async fn scripts(&self, run: bool) {
        let disabled = json!({"value": !run});
        self.command("Emulation.setScriptExecutionDisabled", disabled)
            .await;
    }

    /// A picture of the whole page, as a PNG in base64.
    pub(crate) async fn picture(&self) -> String {
        let shot = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.command("Page.captureScreenshot", shot).await;
        shot["data"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn end(mut self) {
        let _ = self.client.delete(&self.session).send().await;
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn port(driver: &mut Child) -> u16 {
    let stdout = driver.stdout.take().expect("piped");
    let mut lines = BufReader::new(stdout).lines().take(MAX_GREETING);
    let started = "was started successfully on port ";
    let port = lines.find_map(|line| {
        let line = line.ok()?;
        let (_, rest) = line.split_once(started)?;
        rest.trim_end_matches('.').trim().parse().ok()
    });
    port.expect("chromedriver says its port")
}

async fn body(answer: reqwest::Response) -> Value {
    let text = answer.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

trait JsonBody {
    fn json_body(self, value: &Value) -> Self;
}

impl JsonBody for reqwest::RequestBuilder {
    fn json_body(self, value: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(value.to_string())
    }
}
