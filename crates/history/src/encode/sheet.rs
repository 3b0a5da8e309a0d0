//! Rows put into columns, and columns into Parquet.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::{Result, StoreError};
use crate::kind::{Form, Kind};

/// Rows of a row group: some megabytes, which is what a reader skips or reads at a time.
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Rows of a page, the least that is read of a column.
const PAGE_ROWS: usize = 16 << 10;
/// Bytes of a column's dictionary: the names of fifty thousand instances have some two million.
const DICTIONARY_BYTES: usize = 8 << 20;
/// Bytes of the least and greatest text that are kept of a page: names of functions begin with the path of their module.
const STATISTICS_BYTES: usize = 256;
/// The level of compression. More gains a few percent and takes twice the time.
const ZSTD_LEVEL: i32 = 3;

/// A value of a row.
pub(crate) enum Cell<'a> {
    /// Seconds of Unix time.
    Time(i64),
    Text(&'a str),
    Count(u64),
    Number(i64),
    Real(f64),
    Bytes(&'a [u8]),
}

/// Rows of one kind. For kinds with few rows; observations have a form of their own.
pub(crate) struct Sheet {
    kind: Kind,
    columns: Vec<Column>,
    rows: usize,
}

enum Column {
    Time(Vec<i64>),
    Text(Vec<String>),
    Count(Vec<u64>),
    Number(Vec<i64>),
    Real(Vec<f64>),
    Bytes(Vec<Vec<u8>>),
}

impl Sheet {
    pub(crate) fn new(kind: Kind) -> Self {
        let columns = kind.columns().iter().map(|(_, form)| match form {
            Form::Time => Column::Time(Vec::new()),
            Form::Text => Column::Text(Vec::new()),
            Form::Count => Column::Count(Vec::new()),
            Form::Number => Column::Number(Vec::new()),
            Form::Real => Column::Real(Vec::new()),
            Form::Bytes => Column::Bytes(Vec::new()),
        });
        Self {
            kind,
            columns: columns.collect(),
            rows: 0,
        }
    }

    /// Adds a row, whose cells are in the order of the kind's columns.
    pub(crate) fn push(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        if cells.len() != self.columns.len() {
            return Err(self.wrong());
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match (column, cell) {
                (Column::Time(all), Cell::Time(at)) => all.push(millis(*at)),
                (Column::Text(all), Cell::Text(text)) => all.push((*text).to_owned()),
                (Column::Count(all), Cell::Count(count)) => all.push(*count),
                (Column::Number(all), Cell::Number(number)) => all.push(*number),
                (Column::Real(all), Cell::Real(real)) => all.push(*real),
                (Column::Bytes(all), Cell::Bytes(bytes)) => all.push(bytes.to_vec()),
                _ => return Err(self.wrong()),
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn wrong(&self) -> StoreError {
        StoreError::Encode(format!("a row is none of {}", self.kind.table()))
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows as a file.
    pub(crate) fn file(self) -> Result<Bytes> {
        let arrays: Vec<ArrayRef> = self
            .columns
            .into_iter()
            .map(|column| -> ArrayRef {
                match column {
                    Column::Time(all) => Arc::new(times(all)),
                    Column::Text(all) => Arc::new(StringArray::from(all)),
                    Column::Count(all) => Arc::new(UInt64Array::from(all)),
                    Column::Number(all) => Arc::new(Int64Array::from(all)),
                    Column::Real(all) => Arc::new(Float64Array::from(all)),
                    Column::Bytes(all) => {
                        Arc::new(BinaryArray::from_iter_values(all.iter().map(Vec::as_slice)))
                    }
                }
            })
            .collect();
        let schema = schema_of(self.kind, &arrays);
        let mut writer = writer(Arc::clone(&schema))?;
        let batch = RecordBatch::try_new(schema, arrays).map_err(failed)?;
        writer.write(&batch).map_err(failed)?;
        Ok(Bytes::from(writer.into_inner().map_err(failed)?))
    }
}

/// Milliseconds, as moments are stored.
pub(super) fn millis(at: i64) -> i64 {
    at.saturating_mul(1000)
}

pub(super) fn times(millis: Vec<i64>) -> TimestampMillisecondArray {
    TimestampMillisecondArray::from(millis).with_timezone("UTC")
}

/// The schema of a kind with the types of these arrays.
pub(super) fn schema_of(kind: Kind, arrays: &[ArrayRef]) -> SchemaRef {
    let fields = kind.columns().iter().zip(arrays);
    let fields =
        fields.map(|((name, _), array)| Field::new(*name, array.data_type().clone(), false));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(super) fn writer(schema: SchemaRef) -> Result<ArrowWriter<Vec<u8>>> {
    ArrowWriter::try_new_with_options(Vec::new(), schema, options()?).map_err(failed)
}

/// How all files are written. The types of Arrow are left out, so that every reader finds plain texts and numbers.
pub(crate) fn options() -> Result<ArrowWriterOptions> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(failed)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_column_index_truncate_length(Some(STATISTICS_BYTES))
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_created_by(concat!("gorphan ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    Ok(ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true))
}

pub(super) fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Encode(error.to_string())
}
