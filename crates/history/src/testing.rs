//! What several tests need: fleets made up by a rule, and stores that fail on demand.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::{FailureRecord, InstanceRecord, SiteCount, SiteRecord, StackRecord, SweepRecord};

/// Numbers that look random and are the same each time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // The multiplier of Knuth's MMIX; its high bits are good enough.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

/// A sweep over two services with some instances, versions, restarts, failures and sites that come and go.
pub(crate) fn sweep(at: i64, chance: &mut Chance) -> SweepRecord {
    let mut record = SweepRecord::new(at);
    // The order of sites differs from sweep to sweep.
    let shift = chance.below(4);
    for number in 0..6 {
        let number = (number + shift) % 6;
        record.sites.push(SiteRecord {
            operation: if number & 1 == 0 {
                "chan send"
            } else {
                "select"
            }
            .to_owned(),
            function: format!("example.com/shop.f{}", number / 2).into(),
            file: "/src/shop.go".into(),
            line: u32::try_from(number).expect("small"),
        });
    }
    for service in ["cart", "it's"] {
        for instance in 0..4 {
            if chance.below(8) == 0 {
                record.failures.push(FailureRecord {
                    job: "fleet".to_owned(),
                    instance: format!("{service}-{instance}"),
                    reason: "connection refused".to_owned(),
                    attempts: 3,
                });
                continue;
            }
            let mut sites = Vec::new();
            for site in 0..6 {
                if chance.below(3) > 0 {
                    sites.push(SiteCount(site, 1 + chance.below(50), chance.below(2)));
                }
            }
            record.instances.push(InstanceRecord {
                job: "fleet".to_owned(),
                service: service.into(),
                instance: format!("{service}-{instance}").into(),
                version: format!("v{}", (at / 36_000 + instance / 2) % 5).into(),
                start: format!("{}", at / (40_000 + instance * 1000)).into(),
                goroutines: 10 + sites.iter().map(|count| count.1).sum::<u64>(),
                sites,
            });
        }
    }
    let stack = gorphan_model::Stack {
        frames: gorphan_model::Frames::from(vec![
            gorphan_model::Frame::new("runtime.gopark", "/go/proc.go", 1),
            gorphan_model::Frame::new("example.com/shop.f0", "/src/shop.go", 0),
        ]),
        ..gorphan_model::Stack::default()
    };
    record.stacks.push(StackRecord {
        service: "cart".into(),
        instance: "cart-0".into(),
        site: u32::try_from((6 - shift) % 6).expect("small"),
        stack: Arc::new(stack),
    });
    record
}

/// How a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// At one operation, of which nothing is done.
    Once,
    /// At one operation, which is done all the same: the answer is lost.
    AnswerLost,
    /// From one operation on, as if the writer were dead.
    From,
    /// From one operation on until [`Faulty::heal`].
    Away,
}

/// A store in memory that fails at the operation of a number, counting those that change something.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    inner: Arc<InMemory>,
    failing: Failing,
    at: u64,
    done: Arc<AtomicU64>,
    healed: Arc<AtomicU64>,
}

impl Faulty {
    pub(crate) fn new(inner: &Arc<InMemory>, failing: Failing, at: u64) -> Self {
        Self {
            inner: Arc::clone(inner),
            failing,
            at,
            done: Arc::default(),
            healed: Arc::default(),
        }
    }

    pub(crate) fn heal(&self) {
        self.healed.store(1, Ordering::SeqCst);
    }

    /// Operations so far.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    fn error(&self) -> object_store::Error {
        object_store::Error::Generic {
            store: "test",
            source: Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull)),
        }
    }

    /// Whether the next operation fails.
    fn fails(&self) -> bool {
        let number = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        match self.failing {
            Failing::Once | Failing::AnswerLost => number == self.at,
            Failing::From => number >= self.at,
            Failing::Away => number >= self.at && self.healed.load(Ordering::SeqCst) == 0,
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that fails")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if !self.fails() {
            return self.inner.put_opts(location, payload, options).await;
        }
        if self.failing == Failing::AnswerLost {
            self.inner.put_opts(location, payload, options).await?;
        }
        Err(self.error())
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if self.fails() {
            return Err(self.error());
        }
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        if self.fails() {
            let error = self.error();
            return futures_util::stream::once(async { Err(error) }).boxed();
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
