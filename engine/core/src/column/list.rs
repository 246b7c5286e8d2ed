//! A list column: which rows hold an element, and how long each row's list is.

use std::ops::Range;

use crate::bitmap::Leaf;
use crate::column::{Dictionary, ValueColumn, open_presence};
use crate::error::Result;
use crate::format::data::{Section, Values};
use crate::format::records::ListRecord;

/// An array column of a snapshot.
#[derive(Debug, Clone)]
pub struct ListColumn {
    region: Section,
    table_rows: u32,
    present: u32,
    presence: Option<Leaf>,
    elements: Dictionary,
    lengths: ValueColumn,
    starts: Values<u32>,
    rows: Values<u32>,
    heavy_codes: Values<u32>,
    heavy_leaves: Values<u64>,
}

/// The rows that hold an element.
#[derive(Debug, Clone)]
pub enum Postings {
    /// Few rows, ascending.
    Rows(Vec<u32>),
    /// A bitmap.
    Leaf(Leaf),
}

impl Postings {
    /// Whether a row is among them.
    pub fn contains(&self, row: u32) -> Result<bool> {
        match self {
            Self::Rows(rows) => Ok(rows.binary_search(&row).is_ok()),
            Self::Leaf(leaf) => {
                leaf.check()?;
                Ok(leaf.contains(row))
            }
        }
    }

    /// How many rows.
    pub fn rows(&self) -> u32 {
        match self {
            Self::Rows(rows) => rows.len() as u32,
            Self::Leaf(leaf) => leaf.rows(),
        }
    }
}

impl ListColumn {
    /// Opens the column at the start of a region.
    pub fn open(region: &Section, table_rows: u32) -> Result<Self> {
        let record: ListRecord = region.record(0)?;
        let elements = Dictionary::open(region, &record.dictionary)?;
        let presence = open_presence(region, record.presence_at, record.present, table_rows)?;
        let starts: Values<u32> = region.values(record.starts_at, u64::from(elements.len()) + 1)?;
        let light = starts.get(elements.len() as usize)?;
        Ok(Self {
            lengths: ValueColumn::open(region, record.lengths_at, table_rows)?,
            rows: region.values(record.rows_at, light.into())?,
            heavy_codes: region.values(record.heavy_codes_at, record.heavy.into())?,
            heavy_leaves: region.values(record.heavy_leaves_at, record.heavy.into())?,
            region: region.clone(),
            table_rows,
            present: record.present,
            presence,
            elements,
            starts,
        })
    }

    /// Rows with a list.
    pub fn present(&self) -> u32 {
        self.present
    }

    /// The rows with a list; `None` if all have one.
    pub fn presence(&self) -> Option<&Leaf> {
        self.presence.as_ref()
    }

    /// The distinct elements.
    pub fn elements(&self) -> &Dictionary {
        &self.elements
    }

    /// `length(a)` of each row.
    pub fn lengths(&self) -> &ValueColumn {
        &self.lengths
    }

    /// How many elements have a bitmap of their own.
    pub fn heavy(&self) -> usize {
        self.heavy_codes.len()
    }

    /// The codes of elements that have one.
    pub fn heavy_elements(&self) -> Result<&[u32]> {
        self.heavy_codes.all()
    }

    /// How many rows hold an element.
    pub fn posting_rows(&self, code: u32) -> Result<u32> {
        self.postings(code).map(|postings| postings.rows())
    }

    /// Checks everything that looking through elements and lengths reads, so that [`ListColumn::checked_rows`] may be used.
    pub fn check(&self) -> Result<()> {
        self.elements.check()?;
        self.lengths.check_codes()?;
        self.starts.section().check()?;
        self.rows.section().check()?;
        self.heavy_codes.section().check()?;
        self.heavy_leaves.section().check()
    }

    /// Checks everything that [`ListColumn::for_each_light`] reads: no element itself.
    pub fn check_postings(&self) -> Result<()> {
        self.starts.section().check()?;
        self.rows.section().check()?;
        self.heavy_codes.section().check()
    }

    /// Calls `f` with each of these elements that has no bitmap of its own, ascending, and the rows that hold it.
    /// [`ListColumn::check_postings`] must have succeeded.
    pub fn for_each_light(&self, codes: Range<u32>, mut f: impl FnMut(u32, &[u32])) {
        let rows = self.rows.unchecked();
        let starts = self.starts.unchecked().get(codes.start as usize..).unwrap_or_default();
        // Those with a bitmap have no rows here.
        for (code, ends) in codes.zip(starts.windows(2)) {
            let held = rows.get(ends[0] as usize..ends[1] as usize).unwrap_or_default();
            if !held.is_empty() {
                f(code, held);
            }
        }
    }

    /// The few rows that hold an element, borrowed; `None` if it has a bitmap. [`ListColumn::check`] must have succeeded.
    pub fn checked_rows(&self, code: u32) -> Option<&[u32]> {
        if self.heavy_codes.unchecked().binary_search(&code).is_ok() {
            return None;
        }
        let starts = self.starts.unchecked();
        let (from, to) = (starts.get(code as usize)?, starts.get(code as usize + 1)?);
        self.rows.unchecked().get(*from as usize..*to as usize)
    }

    /// The rows that hold an element.
    pub fn postings(&self, code: u32) -> Result<Postings> {
        if let Ok(at) = self.heavy_codes.all()?.binary_search(&code) {
            return Ok(Postings::Leaf(Leaf::open(
                &self.region,
                self.heavy_leaves.get(at)?,
                self.table_rows,
            )?));
        }
        let (from, to) = (self.starts.get(code as usize)?, self.starts.get(code as usize + 1)?);
        let rows = self.rows.slice(from as usize, to as usize)?;
        if rows.iter().any(|&row| row >= self.table_rows) || !rows.is_sorted_by(|a, b| a < b) {
            return Err(self.region.corrupt("an element's rows do not ascend within the table"));
        }
        Ok(Postings::Rows(rows.to_vec()))
    }
}
