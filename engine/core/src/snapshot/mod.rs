//! Snapshots: one generation, opened; the writer that makes one; the store that holds several.

mod bitmaps;
mod open;
mod store;
mod verify;
pub mod write;

pub use crate::format::data::Trust;
pub use bitmaps::Bitmaps;
pub use open::{Column, OpenOptions, Snapshot};
pub use store::{Staging, Store};
pub use verify::VerifyReport;
pub use write::{Progress, RowOrder, SnapshotWriter, WriteOptions, Written, WrittenColumn};
