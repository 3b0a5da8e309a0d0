//! What sweeps saw, kept: the one seam between judgement and storage, which is `gorphan_history`.

mod open;
mod record;

pub use gorphan_history::{
    Backlog, Capture, CaptureInfo, Engine, FailureRecord, History, InstanceRecord, InstanceSeries,
    KnownSite, Limits, Location, Memory, Moment, Options, Point, Reader, SiteCount, SiteKey,
    SiteRecord, StackRecord, Store, StoreError, SweepRecord, Table, Value, WARM_UP_SECONDS,
};

pub use open::open;
pub use record::record;

/// Where the history is kept unless it is configured, beside the configuration.
pub const FOLDER: &str = "history";
