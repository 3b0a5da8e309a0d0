//! Observations as a file: the one kind with millions of rows. Names are given once a service, and rows as numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, UInt64Array,
};
use datafusion::arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;

use super::File;
use super::sheet::{failed, millis, schema_of, times, writer};
use crate::error::Result;
use crate::kind::Kind;
use crate::{InstanceRecord, SiteRecord, SweepRecord};

/// Rows that are put into columns at a time.
const BATCH_ROWS: usize = 64 << 10;

/// A row of one service.
struct Row {
    /// The place of the site in the sweep's order.
    site: usize,
    /// The place of the instance in the service's order.
    instance: usize,
    goroutines: u64,
    leaked: u64,
}

/// The sites of a sweep in the order in which rows are sorted.
struct Sites<'a> {
    /// In order.
    records: Vec<&'a SiteRecord>,
    /// The place in `records` of each place of [`SweepRecord::sites`].
    ranks: Vec<usize>,
    operations: ArrayRef,
    functions: ArrayRef,
    files: ArrayRef,
}

/// The observations of a sweep; `None` if there are none.
pub(super) fn file(sweep: &SweepRecord) -> Result<Option<File>> {
    let sites = Sites::new(sweep);
    let mut services: BTreeMap<&Arc<str>, Vec<&InstanceRecord>> = BTreeMap::new();
    for instance in &sweep.instances {
        services
            .entry(&instance.service)
            .or_default()
            .push(instance);
    }
    let (mut out, mut count) = (None, 0);
    for (service, mut instances) in services {
        instances.sort_by(|a, b| a.instance.cmp(&b.instance));
        let rows = rows(&sites, &instances);
        count += rows.len() as u64;
        let names = Names::new(&sites, service, &instances);
        for some in rows.chunks(BATCH_ROWS) {
            let arrays = names.columns(sweep.at, some)?;
            write(&mut out, arrays)?;
        }
    }
    let Some(writer) = out else {
        return Ok(None);
    };
    Ok(Some(File {
        kind: Kind::Observations,
        rows: count,
        bytes: Bytes::from(writer.into_inner().map_err(failed)?),
    }))
}

fn write(out: &mut Option<ArrowWriter<Vec<u8>>>, arrays: Vec<ArrayRef>) -> Result<()> {
    let schema = schema_of(Kind::Observations, &arrays);
    let writer = match out {
        Some(writer) => writer,
        None => out.insert(writer(Arc::clone(&schema))?),
    };
    let batch = RecordBatch::try_new(schema, arrays).map_err(failed)?;
    writer.write(&batch).map_err(failed)
}

impl<'a> Sites<'a> {
    fn new(sweep: &'a SweepRecord) -> Self {
        let mut order: Vec<(usize, &SiteRecord)> = sweep.sites.iter().enumerate().collect();
        order.sort_by_key(|(_, site)| site.order());
        let mut ranks = vec![0; order.len()];
        for (rank, (place, _)) in order.iter().enumerate() {
            if let Some(slot) = ranks.get_mut(*place) {
                *slot = rank;
            }
        }
        let records: Vec<_> = order.into_iter().map(|(_, site)| site).collect();
        Self {
            operations: texts(records.iter().map(|site| site.operation.as_str())),
            functions: texts(records.iter().map(|site| &*site.function)),
            files: texts(records.iter().map(|site| &*site.file)),
            records,
            ranks,
        }
    }

    fn line(&self, rank: usize) -> u64 {
        self.records
            .get(rank)
            .map_or(0, |site| u64::from(site.line))
    }
}

fn texts<'t>(all: impl Iterator<Item = &'t str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(all))
}

fn rows(sites: &Sites<'_>, instances: &[&InstanceRecord]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (instance, record) in instances.iter().enumerate() {
        for count in &record.sites {
            if let Some(rank) = sites.ranks.get(count.0 as usize) {
                rows.push(Row {
                    site: *rank,
                    instance,
                    goroutines: count.1,
                    leaked: count.2,
                });
            }
        }
    }
    rows.sort_by_key(|row| (row.site, row.instance));
    rows
}

/// The texts of a service's rows.
struct Names<'a> {
    sites: &'a Sites<'a>,
    service: &'a Arc<str>,
    services: ArrayRef,
    instances: ArrayRef,
    versions: ArrayRef,
}

impl<'a> Names<'a> {
    fn new(sites: &'a Sites<'a>, service: &'a Arc<str>, instances: &[&InstanceRecord]) -> Self {
        Self {
            sites,
            service,
            services: texts(std::iter::once(&**service)),
            instances: texts(instances.iter().map(|one| &*one.instance)),
            versions: texts(instances.iter().map(|one| &*one.version)),
        }
    }

    /// The fingerprints of rows, which come by site, and the place of each row's.
    fn fingerprints(&self, rows: &[Row]) -> (Vec<i32>, ArrayRef) {
        let (mut places, mut prints) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut before = None;
        for row in rows {
            if before != Some(row.site) {
                before = Some(row.site);
                let site = self.sites.records.get(row.site);
                let print = site.map(|site| site.key(self.service).fingerprint());
                prints.push(print.unwrap_or_default());
            }
            // At most as many as rows of a batch.
            places.push(i32::try_from(prints.len() - 1).unwrap_or(0));
        }
        (places, Arc::new(StringArray::from(prints)))
    }

    /// Columns in the order of the kind.
    fn columns(&self, at: i64, rows: &[Row]) -> Result<Vec<ArrayRef>> {
        let number = |place: usize| i32::try_from(place).map_err(failed);
        let of_sites: Vec<i32> = rows
            .iter()
            .map(|row| number(row.site))
            .collect::<Result<_>>()?;
        let of_instances: Vec<i32> = rows
            .iter()
            .map(|row| number(row.instance))
            .collect::<Result<_>>()?;
        let of_sites = Int32Array::from(of_sites);
        let of_instances = Int32Array::from(of_instances);
        let (of_prints, prints) = self.fingerprints(rows);
        let of_prints = Int32Array::from(of_prints);
        let texts = |keys: &Int32Array, values: &ArrayRef| -> Result<ArrayRef> {
            let array = DictionaryArray::<Int32Type>::try_new(keys.clone(), Arc::clone(values));
            Ok(Arc::new(array.map_err(failed)?))
        };
        let counts = |of: &dyn Fn(&Row) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(of)))
        };
        let zeros = Int32Array::from(vec![0; rows.len()]);
        Ok(vec![
            Arc::new(times(vec![millis(at); rows.len()])),
            texts(&zeros, &self.services)?,
            texts(&of_instances, &self.instances)?,
            texts(&of_instances, &self.versions)?,
            texts(&of_prints, &prints)?,
            texts(&of_sites, &self.sites.operations)?,
            texts(&of_sites, &self.sites.functions)?,
            texts(&of_sites, &self.sites.files)?,
            counts(&|row| self.sites.line(row.site)),
            counts(&|row| row.goroutines),
            counts(&|row| row.leaked),
        ])
    }
}
