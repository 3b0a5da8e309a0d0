//! A closer look at suspects: debug=2, which tells waits and creators but stops the program while it is written, and the
//! heap.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gorphan_model::Snapshot;
use url::Url;

use super::heap::{self, Heap};
use super::{Sweeper, fetch};
use crate::config::FleetConfig;
use crate::discover::{Address, Target};
use crate::http::Bounds;

/// Bytes of a dump; the runtime itself cuts one at 64 MiB.
const MAX_DUMP_BYTES: u64 = 64 << 20;
/// Bytes of a heap profile as text.
const MAX_HEAP_BYTES: u64 = 16 << 20;
/// Seconds from one debug=2 of a service to the next.
const DUMP_INTERVAL_SECONDS: i64 = 3600;
/// Suspects looked at in a sweep, worst first: each costs a program a pause.
const MAX_SUSPECTS: usize = 50;
/// A dump of twenty thousand goroutines takes about three seconds on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// When each service was last asked for debug=2, in seconds of Unix time.
pub type Dumps = HashMap<String, i64>;

/// An instance that is suspected.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// The instance.
    pub target: Arc<Target>,
    /// All its goroutines.
    pub goroutines: u64,
}

/// What the closer look told.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// debug=2, if it was asked for and came whole.
    pub dump: Option<Arc<Snapshot>>,
    /// The heap.
    pub heap: Option<Heap>,
    /// What went wrong.
    pub problems: Vec<String>,
}

impl Sweeper {
    /// Looks closer at suspects, one after the other; at most one a service. `dumps` is brought up to date.
    pub async fn look_closer(
        &mut self,
        config: &FleetConfig,
        suspects: &[Suspect],
        at: i64,
        dumps: &mut Dumps,
    ) -> HashMap<String, Context> {
        let mut told: HashMap<String, Context> = HashMap::new();
        for suspect in suspects {
            let service = suspect.target.service();
            if told.contains_key(service) || told.len() >= MAX_SUSPECTS {
                continue;
            }
            let mut context = Context::default();
            if let Address::Http(profiles) = &suspect.target.address {
                let last = dumps.get(service);
                let is_time =
                    last.is_none_or(|last| at.saturating_sub(*last) >= DUMP_INTERVAL_SECONDS);
                if is_time && suspect.goroutines <= config.sweep.dump_goroutines {
                    dumps.insert(service.to_owned(), at);
                    match self
                        .dump(config, &suspect.target, &profiles.goroutine)
                        .await
                    {
                        Ok(snapshot) => context.dump = Some(Arc::new(snapshot)),
                        Err(why) => context.problems.push(format!("debug=2: {why}")),
                    }
                }
                if let Some(url) = &profiles.heap {
                    match self.heap(config, &suspect.target, url).await {
                        Ok(heap) => context.heap = Some(heap),
                        Err(why) => context.problems.push(format!("heap: {why}")),
                    }
                }
            }
            told.insert(service.to_owned(), context);
        }
        told
    }

    async fn dump(
        &mut self,
        config: &FleetConfig,
        target: &Target,
        url: &Url,
    ) -> Result<Snapshot, String> {
        let way = self
            .way(config, target)
            .map_err(|error| error.to_string())?;
        let bounds = Bounds {
            bytes: MAX_DUMP_BYTES,
            time: TIMEOUT,
        };
        let answer = way.client.get(&with_debug(url, 2), bounds, None).await;
        let answer = answer.map_err(|error| error.to_string())?;
        fetch::decode(answer, MAX_DUMP_BYTES)
            .await
            .map_err(|error| error.to_string())
    }

    async fn heap(
        &mut self,
        config: &FleetConfig,
        target: &Target,
        url: &Url,
    ) -> Result<Heap, String> {
        let way = self
            .way(config, target)
            .map_err(|error| error.to_string())?;
        let bounds = Bounds {
            bytes: MAX_HEAP_BYTES,
            time: TIMEOUT,
        };
        let answer = way.client.get(&with_debug(url, 1), bounds, None).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&answer.body);
        heap::read(&text).ok_or_else(|| "the answer is no heap profile".to_owned())
    }
}

fn with_debug(url: &Url, level: u8) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut()
        .append_pair("debug", &level.to_string());
    url
}
