//! What a sweep needs of the outer world besides the network: waiting and chance. Tests bring their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Waiting and chance.
#[derive(Clone)]
pub struct Effects {
    /// Waits for so long.
    sleep: Arc<dyn Fn(Duration) -> Waiting + Send + Sync>,
    /// Any number from 0 to 1.
    random: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// The time since the start.
    elapsed: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Effects {
    /// The real ones. `seed` makes retries of several gorphans differ.
    pub fn real(seed: u64) -> Self {
        let start = Instant::now();
        let state = AtomicU64::new(seed);
        Self {
            sleep: Arc::new(|time| Box::pin(tokio::time::sleep(time))),
            random: Arc::new(move || {
                let next = state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
                // 53 bits are what a float holds.
                (mix(next) >> 11) as f64 / (1_u64 << 53) as f64
            }),
            elapsed: Arc::new(move || start.elapsed()),
        }
    }

    /// Others, for tests and simulations.
    pub fn of(
        sleep: impl Fn(Duration) -> Waiting + Send + Sync + 'static,
        random: impl Fn() -> f64 + Send + Sync + 'static,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self {
            sleep: Arc::new(sleep),
            random: Arc::new(random),
            elapsed: Arc::new(elapsed),
        }
    }

    pub(super) async fn sleep(&self, time: Duration) {
        if !time.is_zero() {
            (self.sleep)(time).await;
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        (self.elapsed)()
    }

    pub(super) async fn sleep_until(&self, moment: Duration) {
        self.sleep(moment.saturating_sub((self.elapsed)())).await;
    }

    pub(super) fn random(&self) -> f64 {
        (self.random)().clamp(0.0, 1.0)
    }
}

/// A number in which every bit depends on every bit of the given one (the finaliser of SplitMix64).
pub(super) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
