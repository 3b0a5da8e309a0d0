//! The built-in generator: a number of requests, so many at once, at most so many a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, Request, Url};
use tokio::time::{Instant, sleep_until};

/// An HTTP method, as `POST`.
pub type Method = reqwest::Method;

/// Bytes read of one answer; the rest is not waited for.
const MAX_BODY_BYTES: usize = 64 << 20;

/// Requests to make, in turn.
#[derive(Debug, Clone)]
pub struct HttpLoad {
    /// Where to; several are taken in turn.
    pub urls: Vec<Url>,
    /// How.
    pub method: Method,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: Vec<u8>,
    /// Requests at the same time, at least 1.
    pub concurrency: usize,
    /// Requests a second at most; `None` is as fast as they are answered.
    pub rate: Option<f64>,
    /// How long one may take.
    pub timeout: Duration,
}

/// What a round of requests came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Made {
    pub(super) requests: u64,
    /// No answer, or a status of 500 and above.
    pub(super) failed: u64,
    /// No answer.
    pub(super) unanswered: u64,
}

impl HttpLoad {
    /// Makes `requests` requests. The connections are closed at the end, so that the target can come to rest.
    pub(super) fn make(&self, requests: u64) -> Result<Made, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(self.all(requests))
    }

    async fn all(&self, requests: u64) -> Result<Made, String> {
        let client = Client::builder().timeout(self.timeout).build();
        let client = client.map_err(|error| error.to_string())?;
        let shared = Arc::new((self.clone(), client, AtomicU64::new(0), Instant::now()));
        let workers = (0..self.concurrency.max(1)).map(|_| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let (load, client, next, since) = &*shared;
                let mut made = Made::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return made;
                    }
                    load.await_turn(number, *since).await;
                    made.requests += 1;
                    match load.one(client, number).await {
                        Some(true) => {}
                        Some(false) => made.failed += 1,
                        None => {
                            made.failed += 1;
                            made.unanswered += 1;
                        }
                    }
                }
            })
        });
        let mut all = Made::default();
        for worker in workers.collect::<Vec<_>>() {
            let made = worker.await.map_err(|error| error.to_string())?;
            all.requests += made.requests;
            all.failed += made.failed;
            all.unanswered += made.unanswered;
        }
        Ok(all)
    }

    async fn await_turn(&self, number: u64, since: Instant) {
        if let Some(rate) = self.rate.filter(|rate| *rate > 0.0) {
            let seconds = number as f64 / rate;
            if let Ok(after) = Duration::try_from_secs_f64(seconds) {
                sleep_until(since + after).await;
            }
        }
    }

    /// Whether a request was answered with a status below 500; `None` if it was not answered.
    async fn one(&self, client: &Client, number: u64) -> Option<bool> {
        let count = self.urls.len().max(1) as u64;
        let index = usize::try_from(number % count).unwrap_or_default();
        let request = self.request(self.urls.get(index)?)?;
        let mut response = client.execute(request).await.ok()?;
        let fine = !response.status().is_server_error();
        let mut bytes = 0_usize;
        while let Some(chunk) = response.chunk().await.ok()? {
            bytes = bytes.saturating_add(chunk.len());
            if bytes > MAX_BODY_BYTES {
                break;
            }
        }
        Some(fine)
    }

    fn request(&self, url: &Url) -> Option<Request> {
        let mut request = Request::new(self.method.clone(), url.clone());
        for (name, value) in &self.headers {
            let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).ok()?;
            let value = reqwest::header::HeaderValue::from_str(value).ok()?;
            request.headers_mut().append(name, value);
        }
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        }
        Some(request)
    }

    /// What is wrong with the headers; `None` if nothing is.
    pub fn invalid(&self) -> Option<String> {
        let url = self.urls.first()?;
        self.request(url)
            .is_none()
            .then(|| "a header has a name or value that HTTP does not allow".to_owned())
    }
}
