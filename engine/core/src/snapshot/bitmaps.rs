//! How large a snapshot's bitmaps are, and of which containers they are made.

use serde::Serialize;

use super::open::{Column, Snapshot};
use crate::bitmap::Leaf;
use crate::column::{ListColumn, Postings, ValueColumn};
use crate::error::Result;
use crate::format::records::{CONTAINER_ARRAY, CONTAINER_BITS, CONTAINER_RUNS};

/// Bitmaps of a column, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bitmaps {
    /// How many.
    pub bitmaps: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks kept as arrays of rows.
    pub arrays: u64,
    /// Chunks kept as bits.
    pub bits: u64,
    /// Chunks kept as runs.
    pub runs: u64,
    /// Chunks that are full.
    pub full: u64,
}

impl Bitmaps {
    /// Adds others.
    pub fn add(&mut self, others: &Self) {
        self.bitmaps += others.bitmaps;
        self.bytes += others.bytes;
        self.arrays += others.arrays;
        self.bits += others.bits;
        self.runs += others.runs;
        self.full += others.full;
    }

    fn leaf(&mut self, leaf: &Leaf) {
        self.bitmaps += 1;
        self.bytes += (leaf.bytes() as u64).next_multiple_of(64);
        for entry in leaf.entries() {
            match entry.kind {
                CONTAINER_ARRAY => self.arrays += 1,
                CONTAINER_BITS => self.bits += 1,
                CONTAINER_RUNS => self.runs += 1,
                _ => self.full += 1,
            }
        }
    }

    fn values(&mut self, column: &ValueColumn) -> Result<()> {
        column.presence().into_iter().for_each(|leaf| self.leaf(leaf));
        for code in 0..column.dictionary().len() {
            match column.leaf(code)? {
                Some(leaf) => self.leaf(&leaf),
                // Booleans have none of false, other columns of no value.
                None if code == 0 => {}
                None => break,
            }
        }
        Ok(())
    }

    fn list(&mut self, column: &ListColumn) -> Result<()> {
        column.presence().into_iter().for_each(|leaf| self.leaf(leaf));
        self.values(column.lengths())?;
        for code in column.heavy_elements()? {
            if let Postings::Leaf(leaf) = column.postings(*code)? {
                self.leaf(&leaf);
            }
        }
        Ok(())
    }
}

impl Snapshot {
    /// The bitmaps of a column; reads the heads of all of them.
    pub fn bitmaps(&self, index: usize) -> Result<Bitmaps> {
        let mut found = Bitmaps::default();
        match self.column(index)? {
            Column::Value(column) => found.values(column)?,
            Column::List(column) => found.list(column)?,
            Column::Map(column) => {
                column.presence().into_iter().for_each(|leaf| found.leaf(leaf));
                for key in 0..column.keys().len() {
                    found.values(&column.column(key)?)?;
                }
            }
        }
        Ok(found)
    }
}
