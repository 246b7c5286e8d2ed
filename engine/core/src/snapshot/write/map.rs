//! Map columns on their way in: entries by row, split at the end into a value column per key.

use std::path::Path;

use super::bits::RowBits;
use super::encode::{Codes, Present, encode_codes, encode_numbers, leaf_of_bits};
use super::intern::{Interner, text_of};
use super::place::{NOWHERE, Owners, Places};
use super::region::{Region, RegionOut};
use super::sort::sorted_of;
use super::sort_key::SortKey;
use super::spool::Spool;
use super::values::{check_ends, check_values, each_of_pairs};
use crate::batch::{Keys, Values};
use crate::error::Result;
use crate::format::records::{ColumnRecord, MapRecord};

/// Where a key has a value in fewer than one row of so many, its rows are sorted; else each value goes straight to its row.
const SPREAD_ROWS: usize = 32;

/// Collects one map column.
#[derive(Debug)]
pub(super) struct MapBuilder {
    present: RowBits,
    /// How many entries each row with a map has.
    counts: Spool,
    interner: Interner,
    /// Provisional key of each entry.
    keys: Spool,
    values: Spool,
}

impl Default for MapBuilder {
    fn default() -> Self {
        Self {
            present: RowBits::default(),
            counts: Spool::default(),
            interner: Interner::bytes(),
            keys: Spool::default(),
            values: Spool::default(),
        }
    }
}

impl MapBuilder {
    pub(super) fn push(
        &mut self,
        rows: usize,
        ends: &[u32],
        keys: &Values,
        values: &Values,
        present: Option<&[bool]>,
    ) -> Result<(), String> {
        let entries = check_ends(ends, present, rows)?;
        check_values(keys, entries)?;
        check_values(values, entries)?;
        let Keys::Fixed8(numbers) = &values.keys else {
            return Err("a map's values must be numbers of at most 64 bits".to_owned());
        };
        let mut start = 0;
        self.present.extend(rows, present);
        for (row, &end) in ends.iter().enumerate() {
            let in_row = start as usize..end as usize;
            start = end;
            if !present.is_none_or(|present| present[row]) {
                continue;
            }
            let before = self.keys.len();
            for index in in_row.clone() {
                let present = |index: usize| values.present.as_ref().is_none_or(|present| present[index]);
                // A NULL takes its key, as the first of several values does.
                let taken = || {
                    let same = |other: &usize| text_of(&keys.keys, *other) == text_of(&keys.keys, index);
                    (in_row.start..index).filter(|&other| !present(other)).any(|other| same(&other))
                };
                if present(index) && (values.present.is_none() || !taken()) {
                    let code = self.interner.code_of(&keys.keys, index).ok_or("its keys are not text")?;
                    self.keys.push(code.into());
                    self.values.push(numbers[index]);
                }
            }
            self.counts.push((self.keys.len() - before) as u64);
        }
        Ok(())
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.counts.buffered_bytes() + self.keys.buffered_bytes() + self.values.buffered_bytes()
    }

    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        self.counts.spill(dir, &format!("{name}-counts"))?;
        self.keys.spill(dir, &format!("{name}-keys"))?;
        self.values.spill(dir, &format!("{name}-values"))
    }

    pub(super) fn values(&self) -> usize {
        self.present.len() / 8 + self.keys.len()
    }

    /// Whether there is a map, as a key to sort rows by.
    pub(super) fn sort_key(&self) -> SortKey<'_> {
        SortKey::presence(&self.present)
    }

    /// The provisional keys of all entries, and their rows.
    pub(super) fn coded(&self) -> (Owners<'_>, &Spool) {
        (Owners::Many(&self.present, &self.counts), &self.keys)
    }

    /// Encodes the column, its rows where they belong.
    pub(super) fn finish(self, places: &Places) -> Result<Region> {
        let table_rows = places.table_rows();
        let presence = places.bits(&self.present);
        let mut out = RegionOut::default();
        let at = out.reserve(size_of::<MapRecord>());
        let mut record = MapRecord { present: presence.ones() as u32, ..MapRecord::default() };
        if !presence.all() {
            record.presence_at = leaf_of_bits(&mut out, table_rows, &presence);
        }
        let counts = self.count_keys(places)?;
        let (keys, finals) = self.interner.sorted(|code| counts[code as usize] > 0);
        let distinct = keys.len();
        record.dictionary = keys.put(&mut out);
        out.align();
        record.columns_at = out.reserve(distinct * size_of::<ColumnRecord>());
        let mut entries = self.by_key(places, &counts, &finals)?;
        for (key, entries) in entries.iter_mut().enumerate() {
            let column = entries.encode(table_rows, &mut out);
            out.fill(record.columns_at + (key * size_of::<ColumnRecord>()) as u64, &column);
        }
        out.fill(at, &record);
        Ok(Region { bytes: out, distinct: distinct as u64, present: record.present.into() })
    }

    /// How many entries of rows of the table have each provisional key.
    fn count_keys(&self, places: &Places) -> Result<Vec<u32>> {
        let mut counts = vec![0; self.interner.len()];
        let (owners, keys) = self.coded();
        places.each_owned(&owners, keys, &mut |keys, _| {
            for &key in keys {
                counts[key as usize] += 1;
            }
        })?;
        Ok(counts)
    }

    fn by_key(&self, places: &Places, counts: &[u32], finals: &[u32]) -> Result<Vec<Entries>> {
        let mut held: Vec<(u32, u32)> =
            finals.iter().copied().zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect();
        held.sort_unstable();
        let mut entries: Vec<Entries> = held.iter().map(|(_, count)| Entries::with_room(*count)).collect();
        let mut values = self.values.reader();
        let (owners, mut nth, mut failed) = (self.coded().0.reader(), 0, Ok(()));
        let (mut owners, mut rows) = (owners, Vec::new());
        self.keys.each_slice(|keys| {
            rows.clear();
            let mut add = || -> Result<()> {
                owners.fill(keys.len(), &mut rows)?;
                for (&key, &row) in keys.iter().zip(&rows) {
                    let (row, value) = (places.of(row), values.get(nth)?);
                    nth += 1;
                    if row != NOWHERE {
                        entries[finals[key as usize] as usize].push(row, value);
                    }
                }
                Ok(())
            };
            if failed.is_ok() {
                failed = add();
            }
        })?;
        failed?;
        Ok(entries)
    }
}

/// The entries of one key.
#[derive(Debug)]
struct Entries {
    rows: Vec<u32>,
    values: Vec<u64>,
}

impl Entries {
    fn with_room(count: u32) -> Self {
        Self { rows: Vec::with_capacity(count as usize), values: Vec::with_capacity(count as usize) }
    }

    fn push(&mut self, row: u32, value: u64) {
        // Of a row's entries with this key, which follow each other, the first counts.
        if self.rows.last() != Some(&row) {
            self.rows.push(row);
            self.values.push(value);
        }
    }

    /// Encodes a value column; the entries are given up.
    fn encode(&mut self, table_rows: u32, out: &mut RegionOut) -> ColumnRecord {
        let (rows, values) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.values));
        if rows.len() < table_rows as usize / SPREAD_ROWS {
            let (rows, values) = in_row_order(rows, values);
            return encode_numbers(out, table_rows, Present::Rows(&rows), 0, values);
        }
        let mut presence = RowBits::none(table_rows as usize);
        for &row in &rows {
            presence.set(row);
        }
        let pairs = sorted_of(&values, &rows);
        drop((rows, values));
        let mut codes = Codes::new(table_rows);
        let dictionary = each_of_pairs(&pairs, &mut codes).put(out);
        drop(pairs);
        encode_codes(out, table_rows, &presence, codes, dictionary)
    }
}

/// Rows and their values, rows ascending.
fn in_row_order(rows: Vec<u32>, values: Vec<u64>) -> (Vec<u32>, Vec<u64>) {
    if rows.is_sorted() {
        return (rows, values);
    }
    let numbers: Vec<u64> = rows.iter().map(|&row| row.into()).collect();
    let places: Vec<u32> = (0..rows.len() as u32).collect();
    let sorted = sorted_of(&numbers, &places);
    sorted.into_iter().map(|(row, at)| (row as u32, values[at as usize])).unzip()
}
