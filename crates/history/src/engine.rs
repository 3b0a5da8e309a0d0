//! DataFusion over the files of a manifest.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig};
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext, col};
use futures_util::StreamExt;

use crate::error::{Result, StoreError};
use crate::kind::{Form, Kind};
use crate::manifest::{Entry, Manifest};
use crate::place::Place;

/// What one of the engine's environments may take.
pub(crate) fn environment(memory_bytes: usize) -> Result<Arc<RuntimeEnv>> {
    // Nothing is spilled: a query that needs more memory is told so, and what gorphan itself asks goes in order.
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    RuntimeEnvBuilder::new()
        .with_memory_limit(memory_bytes, 1.0)
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(wrong)
}

/// What the engine said, without its own wrapping.
pub(crate) fn wrong(error: DataFusionError) -> StoreError {
    let root = error.find_root().strip_backtrace();
    StoreError::Query(root.lines().next().unwrap_or_default().to_owned())
}

/// A session of this process in which every kind is a table over the manifest's files that reach into `from..=to`.
pub(crate) fn session(
    place: &Place,
    manifest: &Manifest,
    environment: &Arc<RuntimeEnv>,
    from: i64,
    to: i64,
) -> Result<SessionContext> {
    let config = SessionConfig::new().with_information_schema(true);
    let context = SessionContext::new_with_config_rt(config, Arc::clone(environment));
    register_all(&context, place, manifest, from, to)?;
    Ok(context)
}

/// Makes every kind a table of a session, over the manifest's files that reach into `from..=to`.
pub(crate) fn register_all(
    context: &SessionContext,
    place: &Place,
    manifest: &Manifest,
    from: i64,
    to: i64,
) -> Result<()> {
    context.register_object_store(&place.root()?, Arc::clone(&place.store));
    for kind in Kind::ALL {
        let entries = manifest.of(kind);
        let entries: Vec<&Entry> = entries
            .filter(|entry| entry.from <= to && from <= entry.to)
            .collect();
        register(context, place, kind, &entries)?;
    }
    Ok(())
}

fn register(context: &SessionContext, place: &Place, kind: Kind, entries: &[&Entry]) -> Result<()> {
    let table = table(place, kind, entries, false)?;
    if kind != Kind::Captures {
        return context
            .register_table(kind.table(), table)
            .map(drop)
            .map_err(wrong);
    }
    // What was fetched is not for a terminal.
    let shown: Vec<_> = kind
        .columns()
        .iter()
        .filter(|(_, form)| *form != Form::Bytes)
        .map(|(name, _)| col(*name))
        .collect();
    let all = context.read_table(table).map_err(wrong)?;
    let view = all.clone().select(shown).map_err(wrong)?.into_view();
    context.register_table(kind.table(), view).map_err(wrong)?;
    context
        .register_table(CONTENTS, all.into_view())
        .map(drop)
        .map_err(wrong)
}

/// Captures with what was fetched.
pub(crate) const CONTENTS: &str = "capture_contents";

/// A table over files of one kind. With `sorted` the engine is told that they are, each in itself.
pub(crate) fn table(
    place: &Place,
    kind: Kind,
    entries: &[&Entry],
    sorted: bool,
) -> Result<Arc<dyn TableProvider>> {
    let schema = kind.schema();
    if entries.is_empty() {
        return Ok(Arc::new(EmptyTable::new(schema)));
    }
    let urls = entries.iter().map(|entry| place.url(&entry.name));
    let mut options = ListingOptions::new(Arc::new(ParquetFormat::default()));
    if sorted {
        let order = kind
            .sorted_by()
            .iter()
            .map(|name| col(*name).sort(true, false));
        options = options.with_file_sort_order(vec![order.collect()]);
    }
    let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config).map_err(wrong)?))
}

/// Runs a query of gorphan's own and gives its batches one after the other.
pub(crate) async fn each(
    context: &SessionContext,
    sql: &str,
    mut take: impl FnMut(&Batch) -> Result<()>,
) -> Result<()> {
    let frame = context.sql(sql).await.map_err(wrong)?;
    let mut stream = frame.execute_stream().await.map_err(wrong)?;
    while let Some(batch) = stream.next().await {
        take(&Batch::new(&batch.map_err(wrong)?)?)?;
    }
    Ok(())
}

/// A batch whose columns are read by place and form.
pub(crate) struct Batch {
    columns: Vec<Arc<dyn Array>>,
    rows: usize,
}

impl Batch {
    pub(crate) fn new(batch: &RecordBatch) -> Result<Self> {
        let columns = batch.columns().iter().map(|column| {
            // One type a form, whatever the engine chose.
            let to = match column.data_type() {
                DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(_, _) => {
                    DataType::Utf8
                }
                DataType::Timestamp(_, zone) => {
                    DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
                }
                DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
                _ => return Ok(Arc::clone(column)),
            };
            cast(column, &to).map_err(|error| StoreError::Query(error.to_string()))
        });
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
            rows: batch.num_rows(),
        })
    }

    pub(crate) fn rows(&self) -> std::ops::Range<usize> {
        0..self.rows
    }

    fn column(&self, column: usize) -> Option<&Arc<dyn Array>> {
        self.columns.get(column)
    }

    /// A text; empty if it is none.
    pub(crate) fn text(&self, column: usize, row: usize) -> &str {
        let texts = self.column(column).and_then(|it| it.as_string_opt::<i32>());
        texts
            .filter(|it| it.is_valid(row))
            .map_or("", |it| it.value(row))
    }

    /// A count; 0 if it is none.
    pub(crate) fn count(&self, column: usize, row: usize) -> u64 {
        let counts = self
            .column(column)
            .and_then(|it| it.as_primitive_opt::<UInt64Type>());
        counts
            .filter(|it| it.is_valid(row))
            .map_or(0, |it| it.value(row))
    }

    /// The same, at most what fits.
    pub(crate) fn small(&self, column: usize, row: usize) -> u32 {
        u32::try_from(self.count(column, row)).unwrap_or(u32::MAX)
    }

    pub(crate) fn number(&self, column: usize, row: usize) -> i64 {
        let numbers = self
            .column(column)
            .and_then(|it| it.as_primitive_opt::<Int64Type>());
        numbers
            .filter(|it| it.is_valid(row))
            .map_or(0, |it| it.value(row))
    }

    pub(crate) fn real(&self, column: usize, row: usize) -> f64 {
        let reals = self
            .column(column)
            .and_then(|it| it.as_primitive_opt::<Float64Type>());
        reals
            .filter(|it| it.is_valid(row))
            .map_or(0.0, |it| it.value(row))
    }

    /// Seconds of Unix time.
    pub(crate) fn time(&self, column: usize, row: usize) -> i64 {
        use datafusion::arrow::datatypes::TimestampMillisecondType as Millis;
        let times = self
            .column(column)
            .and_then(|it| it.as_primitive_opt::<Millis>());
        let millis = times
            .filter(|it| it.is_valid(row))
            .map_or(0, |it| it.value(row));
        millis.div_euclid(1000)
    }

    pub(crate) fn bytes(&self, column: usize, row: usize) -> &[u8] {
        let bytes = self.column(column).and_then(|it| it.as_binary_opt::<i32>());
        bytes
            .filter(|it| it.is_valid(row))
            .map_or(&[], |it| it.value(row))
    }
}

/// A text as a literal of SQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A moment as a literal of SQL; `at` is in seconds of Unix time.
pub(crate) fn moment(at: i64) -> String {
    format!(
        "arrow_cast({}, 'Timestamp(Millisecond, Some(\"UTC\"))')",
        at.saturating_mul(1000)
    )
}
