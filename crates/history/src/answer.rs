//! An answer to a question in SQL, as plain values.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int64Type, Schema, TimeUnit, TimestampMillisecondType, UInt64Type,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Result, StoreError};
use crate::reader::Limits;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// Rows of as many values.
    pub rows: Vec<Vec<Value>>,
    /// There were more rows than may be.
    pub truncated: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A whole number from 0.
    Count(u64),
    /// A number with a fraction.
    Real(f64),
    /// A moment, in milliseconds since 1970, UTC.
    Time(i64),
    /// A text; also what is none of the others, as the engine writes it.
    Text(String),
}

/// An answer that is being put together.
pub(crate) struct Answer {
    table: Table,
    bytes: usize,
}

impl Answer {
    pub(crate) fn new(schema: &Schema) -> Self {
        let names = schema.fields().iter().map(|field| field.name().clone());
        Self {
            table: Table {
                columns: names.collect(),
                rows: Vec::new(),
                truncated: false,
            },
            bytes: 0,
        }
    }

    /// Takes in a batch; `false` when it is enough.
    pub(crate) fn take(&mut self, batch: &RecordBatch, limits: Limits) -> Result<bool> {
        let left = limits.rows - self.table.rows.len();
        let rows = batch.num_rows().min(left);
        self.table.truncated |= rows < batch.num_rows();
        let batch = batch.slice(0, rows);
        let columns = batch.columns().iter().map(|column| values(column.as_ref()));
        let columns: Vec<Vec<Value>> = columns.collect::<Result<_>>()?;
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        for _ in 0..rows {
            let row: Vec<Value> = columns.iter_mut().filter_map(Iterator::next).collect();
            self.bytes += row.iter().map(Value::size).sum::<usize>();
            if self.bytes > limits.bytes {
                return Err(StoreError::Query(format!(
                    "its answer has more than {} bytes",
                    limits.bytes
                )));
            }
            self.table.rows.push(row);
        }
        Ok(!self.table.truncated)
    }

    pub(crate) fn table(self) -> Table {
        self.table
    }
}

impl Value {
    fn size(&self) -> usize {
        let text = match self {
            Self::Text(text) => text.len(),
            _ => 0,
        };
        size_of::<Self>() + text
    }
}

fn values(column: &dyn Array) -> Result<Vec<Value>> {
    let wrong = |error: datafusion::arrow::error::ArrowError| StoreError::Query(error.to_string());
    let to = |to: &DataType| cast(column, to).map_err(wrong);
    let rows = 0..column.len();
    let valid = |row: usize, value: Value| {
        if column.is_valid(row) {
            value
        } else {
            Value::Null
        }
    };
    Ok(match column.data_type() {
        DataType::Null => rows.map(|_| Value::Null).collect(),
        DataType::Boolean => {
            let flags = column.as_boolean();
            rows.map(|row| valid(row, Value::Flag(flags.value(row))))
                .collect()
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let all = to(&DataType::Int64)?;
            let all = all.as_primitive::<Int64Type>();
            rows.map(|row| valid(row, Value::Number(all.value(row))))
                .collect()
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            let all = to(&DataType::UInt64)?;
            let all = all.as_primitive::<UInt64Type>();
            rows.map(|row| valid(row, Value::Count(all.value(row))))
                .collect()
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let all = to(&DataType::Float64)?;
            let all = all.as_primitive::<Float64Type>();
            rows.map(|row| valid(row, Value::Real(all.value(row))))
                .collect()
        }
        DataType::Timestamp(_, zone) => {
            let all = to(&DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
            let all = all.as_primitive::<TimestampMillisecondType>();
            rows.map(|row| valid(row, Value::Time(all.value(row))))
                .collect()
        }
        _ => {
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(column, &options).map_err(wrong)?;
            let text = |row| {
                let text = shown.value(row).try_to_string().map_err(wrong)?;
                Ok(valid(row, Value::Text(text)))
            };
            rows.map(text).collect::<Result<_>>()?
        }
    })
}
