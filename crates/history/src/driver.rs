//! Threads of the history's own, so that whoever asks it need not know that stores and the engine are asynchronous.

use std::sync::Arc;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

use crate::error::{Result, StoreError};

/// Runs what is asynchronous. Clones share the threads.
#[derive(Clone)]
pub(crate) struct Driver(Arc<Inner>);

struct Inner(Option<Runtime>);

impl Driver {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("history")
            .enable_all()
            .build()
            .map_err(|source| StoreError::Folder {
                what: "start threads for",
                path: "the history".into(),
                source,
            })?;
        Ok(Self(Arc::new(Inner(Some(runtime)))))
    }

    /// Waits for a future on the calling thread, which may be one of another runtime.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let stopped = || StoreError::Stopped(what);
        let runtime = self.0.0.as_ref().ok_or_else(stopped)?;
        let (tell, told) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            // Nobody listens any more if the caller was ended.
            let _ = tell.send(future.await);
        });
        // A future that panics drops its end.
        told.recv().unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping it plainly is not allowed on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}
