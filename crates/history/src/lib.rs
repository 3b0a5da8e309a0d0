//! Stored sweeps of a fleet: Parquet in an object store, asked in SQL.

#![forbid(unsafe_code)]
