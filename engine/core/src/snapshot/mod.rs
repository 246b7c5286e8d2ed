//! Snapshots: one generation, opened; the writer that makes one; the store that holds several.

mod bitmaps;
mod masked;
mod open;
mod row_set;
mod store;
mod verify;
pub mod write;

pub use crate::format::data::Trust;
pub use bitmaps::Bitmaps;
pub use masked::{Masked, MaskedRows};
pub use open::{Column, OpenOptions, Snapshot};
pub(crate) use row_set::ChunkRows;
pub use row_set::RowSet;
pub use store::{
    Author, Collected, Event, EventKind, History, Keep, MaskChange, Masks, MasksStamp, Moved, Presence,
    Presences, Record, Staging, Store, Writer,
};
pub use verify::VerifyReport;
pub use write::{
    Encoded, Flag, InputCounts, Progress, RowOrder, Shape, SnapshotWriter, WriteOptions, Written,
    WrittenColumn,
};
