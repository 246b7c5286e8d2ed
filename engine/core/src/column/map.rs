//! A map column: a sparse value column per key.

use crate::bitmap::Leaf;
use crate::column::{Dictionary, ValueColumn, open_presence};
use crate::error::Result;
use crate::format::data::Section;
use crate::format::records::{ColumnRecord, MapRecord};

/// A map column of a snapshot.
#[derive(Debug, Clone)]
pub struct MapColumn {
    region: Section,
    table_rows: u32,
    present: u32,
    presence: Option<Leaf>,
    keys: Dictionary,
    columns: Section,
}

impl MapColumn {
    /// Opens the column at the start of a region.
    pub fn open(region: &Section, table_rows: u32) -> Result<Self> {
        let record: MapRecord = region.record(0)?;
        let keys = Dictionary::open(region, &record.dictionary)?;
        let presence = open_presence(region, record.presence_at, record.present, table_rows)?;
        let columns =
            region.range(record.columns_at, u64::from(keys.len()) * size_of::<ColumnRecord>() as u64)?;
        // Records are found by offset from the region, checked when a key is opened.
        let region = region.clone();
        Ok(Self { region, table_rows, present: record.present, presence, keys, columns })
    }

    /// Rows with a map.
    pub fn present(&self) -> u32 {
        self.present
    }

    /// The rows with a map; `None` if all have one.
    pub fn presence(&self) -> Option<&Leaf> {
        self.presence.as_ref()
    }

    /// Rows of the table.
    pub fn table_rows(&self) -> u32 {
        self.table_rows
    }

    /// The distinct keys.
    pub fn keys(&self) -> &Dictionary {
        &self.keys
    }

    /// The column of a key's code.
    pub fn column(&self, code: u32) -> Result<ValueColumn> {
        let record = size_of::<ColumnRecord>() as u64;
        let at = self.columns.offset_in(&self.region) + u64::from(code) * record;
        ValueColumn::open(&self.region, at, self.table_rows)
    }
}
