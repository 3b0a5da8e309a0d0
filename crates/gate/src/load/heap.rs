//! The live heap of a program that serves `net/http/pprof`.

use std::time::Duration;

use reqwest::{Client, Url};

/// How long a collection and the answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the answer; its summary is at the end of a few hundred kilobytes.
const MAX_BYTES: usize = 64 << 20;

/// Where a program tells its live heap.
#[derive(Debug, Clone)]
pub struct Heap {
    profile: Option<Url>,
}

impl Heap {
    /// That of the program behind a pprof endpoint, or its base.
    pub fn of(target: Option<Url>) -> Self {
        let profile = target.map(|mut url| {
            let path = url.path().split("/debug/pprof").next().unwrap_or_default();
            let path = format!("{}/debug/pprof/heap", path.trim_end_matches('/'));
            url.set_path(&path);
            url.set_query(Some("gc=1&debug=1"));
            url
        });
        Self { profile }
    }

    /// Bytes of the live heap, after a collection; `None` where the program does not tell.
    pub fn bytes(&self) -> Option<u64> {
        let url = self.profile.clone()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.ok()?.block_on(fetch(url))
    }
}

async fn fetch(url: Url) -> Option<u64> {
    let client = Client::builder().timeout(PATIENCE).build().ok()?;
    let mut response = client.get(url).send().await.ok()?.error_for_status().ok()?;
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if text.len() + chunk.len() > MAX_BYTES {
            return None;
        }
        text.extend_from_slice(&chunk);
    }
    told(&String::from_utf8_lossy(&text))
}

/// The line `# HeapAlloc = 1234` (`writeHeapInternal` in `runtime/pprof/pprof.go`, Go 1.10 to 1.27).
fn told(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("# HeapAlloc = "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_the_profile_tells_the_heap() {
        let text = "heap profile: 1: 2 [3: 4] @ heap/1048576\n\n# runtime.MemStats\n# Alloc = 7\n# HeapAlloc = 388160\n# HeapSys = 1\n";
        assert_eq!(told(text), Some(388_160));
        assert_eq!(told("<html>"), None);
    }

    #[test]
    fn the_profile_is_beside_the_goroutines() {
        for (target, expected) in [
            (
                "http://x:6060",
                "http://x:6060/debug/pprof/heap?gc=1&debug=1",
            ),
            (
                "http://x/a/debug/pprof/goroutine?debug=2",
                "http://x/a/debug/pprof/heap?gc=1&debug=1",
            ),
        ] {
            let heap = Heap::of(Url::parse(target).ok());
            assert_eq!(heap.profile.map(String::from).as_deref(), Some(expected));
        }
        assert_eq!(Heap::of(None).bytes(), None);
    }
}
