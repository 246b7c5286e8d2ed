//! Where feature tables come from.
//!
//! A source knows its columns and streams rows in an order that is the same every time: a build may read it twice, and
//! refers to rows by their position.

pub(crate) mod clickhouse;
mod parquet;
mod read_ahead;
#[cfg(test)]
mod tests;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::error::Result;

pub use clickhouse::{ClickHouseOptions, ClickHouseSource, Compression, Rows, WireFormat};
pub use parquet::ParquetSource;

/// A stream of record batches.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// A feature table to load.
pub trait Source: Send + Sync {
    /// The columns, the user id among them. A field's metadata may say what it holds (see [`crate::columns`]).
    fn schema(&self) -> SchemaRef;

    /// Streams all rows, of these columns (positions in [`Source::schema`]) in this order.
    fn batches(&self, columns: &[usize]) -> Result<Batches>;

    /// How many rows there are, where that is known beforehand.
    fn rows(&self) -> Option<u64>;

    /// What the source is, for messages and reports.
    fn description(&self) -> String;

    /// How fresh the source says it is.
    fn watermark(&self) -> Option<String> {
        None
    }
}
