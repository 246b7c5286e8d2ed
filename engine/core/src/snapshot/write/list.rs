//! Array columns on their way in: elements by row, inverted at the end into rows by element.

use std::path::Path;

use super::bits::RowBits;
use super::dictionary::Scratch;
use super::encode::{Present, encode_numbers, leaf_of_bits};
use super::place::{Owners, Places};
use super::region::{Region, RegionOut};
use super::sort_key::SortKey;
use super::spool::Spool;
use super::values::{Sink, ValuesBuilder, Width, check_ends, check_values};
use crate::batch::Values;
use crate::bitmap::encode_leaf;
use crate::error::Result;
use crate::format::POSTING_ROWS_MAX;
use crate::format::records::{ColumnRecord, ListRecord};
use crate::schema::ScalarType;

/// Collects one array column.
#[derive(Debug)]
pub(super) struct ListBuilder {
    present: RowBits,
    /// `length(a)` of each row with a list, NULL elements counted.
    lengths: Spool,
    /// How many elements that are not NULL each row with a list has.
    counts: Spool,
    elements: ValuesBuilder,
}

impl ListBuilder {
    pub(super) fn new(ty: &ScalarType) -> Self {
        Self {
            present: RowBits::default(),
            lengths: Spool::default(),
            counts: Spool::default(),
            elements: ValuesBuilder::new(Width::of(ty)),
        }
    }

    pub(super) fn push(
        &mut self,
        first_row: u32,
        rows: usize,
        ends: &[u32],
        elements: &Values,
        present: Option<&[bool]>,
    ) -> Result<(), String> {
        check_values(elements, check_ends(ends, present, rows)?)?;
        self.present.extend(rows, present);
        let mut picked = Vec::with_capacity(ends.last().map_or(0, |&end| end as usize));
        let mut start = 0;
        for (row, &end) in ends.iter().enumerate() {
            if present.is_none_or(|present| present[row]) {
                let before = picked.len();
                let here = |index: &usize| elements.present.as_ref().is_none_or(|present| present[*index]);
                let indexes = (start as usize..end as usize).filter(here);
                picked.extend(indexes.map(|index| (first_row + row as u32, index)));
                self.lengths.push((end - start).into());
                self.counts.push((picked.len() - before) as u64);
            }
            start = end;
        }
        self.elements.push(&elements.keys, picked.into_iter())?;
        self.elements.settle(&Owners::Many(&self.present, &self.counts))
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.lengths.buffered_bytes() + self.counts.buffered_bytes() + self.elements.buffered_bytes()
    }

    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        self.lengths.spill(dir, &format!("{name}-lengths"))?;
        self.counts.spill(dir, &format!("{name}-counts"))?;
        self.elements.spill(dir, &format!("{name}-elements"))
    }

    pub(super) fn values(&self) -> usize {
        self.lengths.len() + self.elements.len()
    }

    /// The lengths as a key to sort rows by.
    pub(super) fn sort_key(&self) -> Result<SortKey<'_>> {
        SortKey::lengths(&self.present, &self.lengths)
    }

    /// The provisional codes of all elements, and their rows; nothing if there are too many kinds.
    pub(super) fn coded(&self) -> Option<(Owners<'_>, &Spool)> {
        let (_, codes) = self.elements.few()?;
        Some((Owners::Many(&self.present, &self.counts), codes))
    }

    /// Encodes the column, its rows where they belong.
    pub(super) fn finish(self, places: &Places, scratch: &Scratch) -> Result<Region> {
        let table_rows = places.table_rows();
        let presence = places.bits(&self.present);
        let mut out = RegionOut::default();
        let at = out.reserve(size_of::<ListRecord>());
        let lengths_at = out.reserve(size_of::<ColumnRecord>());
        let mut record = ListRecord { present: presence.ones() as u32, lengths_at, ..ListRecord::default() };
        if !presence.all() {
            record.presence_at = leaf_of_bits(&mut out, table_rows, &presence);
        }
        let column = self.encode_lengths(places, &presence, record.presence_at, &mut out)?;
        out.fill(lengths_at, &column);
        let owners = Owners::Many(&self.present, &self.counts);
        let mut postings = Postings::new(table_rows);
        let few = self.elements.few().is_some();
        record.dictionary = self.elements.finish(&owners, places, scratch, &mut out, &mut postings)?;
        if few {
            postings.push_collected();
        }
        postings.put(&mut out, &mut record);
        out.fill(at, &record);
        let (distinct, present) = (record.dictionary.count.into(), u64::from(record.present));
        Ok(Region { bytes: out, distinct, present })
    }

    fn encode_lengths(
        &self,
        places: &Places,
        presence: &RowBits,
        presence_at: u64,
        out: &mut RegionOut,
    ) -> Result<ColumnRecord> {
        let table_rows = places.table_rows();
        let mut lengths = vec![0_u64; table_rows as usize];
        places.each_owned(&Owners::One(&self.present), &self.lengths, &mut |values, rows| {
            for (&length, &row) in values.iter().zip(rows) {
                lengths[row as usize] = length;
            }
        })?;
        let rows: Vec<u32> = if presence.all() { Vec::new() } else { presence.iter().collect() };
        let present = if presence.all() { Present::All } else { Present::Rows(&rows) };
        Ok(encode_numbers(out, table_rows, present, presence_at, present.pick(lengths)))
    }
}

/// Rows in order. A bitmap sorts many rows faster than comparing them does.
fn ascending(mut rows: Vec<u32>, table_rows: u32) -> Vec<u32> {
    if rows.is_sorted() {
        return rows;
    }
    if rows.len() < table_rows as usize / 128 {
        rows.sort_unstable();
        return rows;
    }
    let mut bits = RowBits::none(table_rows as usize);
    for &row in &rows {
        if !bits.get(row) {
            bits.set(row);
        }
    }
    rows.clear();
    rows.extend(bits.iter());
    rows
}

/// The rows of each element on their way into a region.
struct Postings {
    table_rows: u32,
    /// Rows by code, where they do not come code by code.
    by_code: Vec<Vec<u32>>,
    starts: Vec<u32>,
    light: Vec<u32>,
    heavy_codes: Vec<u32>,
    /// In `leaves`, which waits for the dictionary that goes before it.
    heavy_leaves: Vec<u64>,
    leaves: RegionOut,
    room: Vec<u32>,
}

impl Postings {
    fn new(table_rows: u32) -> Self {
        let (by_code, starts, light, heavy_codes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (heavy_leaves, leaves, room) = (Vec::new(), RegionOut::default(), Vec::new());
        Self { table_rows, by_code, starts, light, heavy_codes, heavy_leaves, leaves, room }
    }

    /// Brings the rows that did not come code by code in order.
    fn push_collected(&mut self) {
        for (code, rows) in (0..).zip(std::mem::take(&mut self.by_code)) {
            self.all(code, &ascending(rows, self.table_rows));
        }
    }

    fn put(mut self, out: &mut RegionOut, record: &mut ListRecord) {
        let leaves_at = out.put_region(self.leaves);
        self.heavy_leaves.iter_mut().for_each(|at| *at += leaves_at);
        self.starts.push(self.light.len() as u32);
        record.starts_at = out.put(self.starts);
        record.rows_at = out.put(self.light);
        record.heavy = self.heavy_codes.len() as u32;
        record.heavy_codes_at = out.put(self.heavy_codes);
        record.heavy_leaves_at = out.put(self.heavy_leaves);
    }
}

impl Sink for Postings {
    fn codes(&mut self, count: usize) {
        self.by_code = vec![Vec::new(); count];
    }

    fn all(&mut self, code: u32, rows: &[u32]) {
        self.room.clear();
        self.room.extend_from_slice(rows);
        self.room.dedup();
        self.starts.push(self.light.len() as u32);
        if self.room.len() > POSTING_ROWS_MAX {
            self.heavy_codes.push(code);
            let (table_rows, rows) = (self.table_rows, self.room.iter().copied());
            self.heavy_leaves.push(self.leaves.write(|bytes| encode_leaf(table_rows, rows, bytes)));
        } else {
            self.light.extend_from_slice(&self.room);
        }
    }

    fn some(&mut self, provisional: &[u64], finals: &[u32], rows: &[u32]) {
        for (&code, &row) in provisional.iter().zip(rows) {
            self.by_code[finals[code as usize] as usize].push(row);
        }
    }
}
