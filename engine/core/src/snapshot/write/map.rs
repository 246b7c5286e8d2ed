//! Map columns on their way in: (row, key, value) entries, split at the end into a value column per key.

use std::path::Path;

use super::encode::{Present, Region, encode_values, put_record};
use super::intern::Interner;
use super::reorder::Order;
use super::scalar::{check_ends, check_values, code_of, sort_keys};
use super::sort_key::SortKey;
use super::spool::{RowBits, Spool};
use crate::batch::{Keys, Values};
use crate::bitmap::encode_leaf;
use crate::error::Result;
use crate::format::records::{ColumnRecord, MapRecord};

/// Collects one map column.
#[derive(Debug)]
pub(super) struct MapBuilder {
    present: RowBits,
    interner: Interner,
    /// Row and provisional key of each entry, in row order.
    entries: Spool<[u32; 2]>,
    values: Spool<u64>,
}

impl Default for MapBuilder {
    fn default() -> Self {
        Self {
            present: RowBits::default(),
            interner: Interner::bytes(),
            entries: Spool::default(),
            values: Spool::default(),
        }
    }
}

impl MapBuilder {
    pub(super) fn push(
        &mut self,
        first_row: u32,
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
        for (row, &end) in ends.iter().enumerate() {
            let here = present.is_none_or(|present| present[row]);
            self.present.push(here);
            let in_row = start as usize..end as usize;
            for index in in_row.clone() {
                let present = |index: usize| values.present.as_ref().is_none_or(|present| present[index]);
                // A NULL takes its key, as the first of several values does.
                let taken = || {
                    let same = |other: &usize| bytes_at(&keys.keys, *other) == bytes_at(&keys.keys, index);
                    (in_row.start..index).filter(|&other| !present(other)).any(|other| same(&other))
                };
                if here && present(index) && (values.present.is_none() || !taken()) {
                    let code =
                        code_of(&mut self.interner, &keys.keys, index).ok_or("its keys are not text")?;
                    self.entries.push([first_row + row as u32, code]);
                    self.values.push(numbers[index]);
                }
            }
            start = end;
        }
        Ok(())
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.entries.buffered_bytes() + self.values.buffered_bytes()
    }

    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        self.entries.spill(dir, &format!("{name}-entries"))?;
        self.values.spill(dir, &format!("{name}-values"))
    }

    pub(super) fn values(&self) -> usize {
        self.present.len() / 8 + self.entries.len()
    }

    /// Whether there is a map, as a key to sort rows by.
    pub(super) fn sort_key(&self) -> SortKey<'_> {
        SortKey::presence(&self.present)
    }

    /// Row and provisional key of each entry, by row.
    pub(super) fn entries(&self) -> &[[u32; 2]] {
        self.entries.as_slice()
    }

    /// Nothing comes any more: what was spilled can be read.
    pub(super) fn seal(&mut self) -> Result<()> {
        self.entries.seal()?;
        self.values.seal()
    }

    /// Encodes the column of a sealed builder, its rows in the given order.
    pub(super) fn finish(self, order: Order<'_>) -> Region {
        let table_rows = self.present.len() as u32;
        let mut out = vec![0; size_of::<MapRecord>()];
        let mut record = MapRecord { present: self.present.ones() as u32, ..MapRecord::default() };
        if !self.present.all() {
            record.presence_at = encode_leaf(table_rows, order.bits(&self.present).iter(), &mut out);
        }
        let (keys, finals) = self.interner.into_sorted();
        record.dictionary = keys.put(&mut out);
        drop(keys);
        let by_key = ByKey::new(&self.entries, &self.values, &finals, order);
        out.resize(out.len().next_multiple_of(64), 0);
        record.columns_at = out.len() as u64;
        let records_at = out.len();
        out.resize(records_at + finals.len() * size_of::<ColumnRecord>(), 0);
        for key in 0..finals.len() {
            let column = by_key.encode(key, table_rows, &mut out);
            put_record(&mut out, records_at + key * size_of::<ColumnRecord>(), &column);
        }
        put_record(&mut out, 0, &record);
        Region { bytes: out, distinct: finals.len() as u64, present: record.present.into() }
    }
}

fn bytes_at(keys: &Keys, index: usize) -> Option<&[u8]> {
    let Keys::Bytes { ends, bytes } = keys else { return None };
    let start = index.checked_sub(1).map_or(0, |before| ends[before]);
    bytes.get(start as usize..ends[index] as usize)
}

/// Entries grouped by key, rows ascending.
struct ByKey {
    starts: Vec<u32>,
    rows: Vec<u32>,
    values: Vec<u64>,
}

impl ByKey {
    fn new(entries: &Spool<[u32; 2]>, values: &Spool<u64>, finals: &[u32], order: Order<'_>) -> Self {
        let entries = entries.as_slice();
        let mut starts = vec![0_u32; finals.len() + 1];
        for [_, code] in entries {
            starts[finals[*code as usize] as usize + 1] += 1;
        }
        for key in 0..finals.len() {
            starts[key + 1] += starts[key];
        }
        let mut next = starts.clone();
        let (mut rows, mut sorted) = (vec![0; entries.len()], vec![0; entries.len()]);
        order.for_each_pair(entries, |row, index| {
            let at = &mut next[finals[entries[index][1] as usize] as usize];
            (rows[*at as usize], sorted[*at as usize]) = (row, values.as_slice()[index]);
            *at += 1;
        });
        Self { starts, rows, values: sorted }
    }

    fn encode(&self, key: usize, table_rows: u32, out: &mut Vec<u8>) -> ColumnRecord {
        let span = self.starts[key] as usize..self.starts[key + 1] as usize;
        let (mut rows, mut values) = (Vec::with_capacity(span.len()), Vec::with_capacity(span.len()));
        for (&row, &value) in self.rows[span.clone()].iter().zip(&self.values[span]) {
            // The first of a row's entries with this key counts.
            if rows.last() != Some(&row) {
                rows.push(row);
                values.push(value);
            }
        }
        let (distinct, codes) = sort_keys(&values);
        let dictionary = distinct.put(out);
        let present = if rows.len() == table_rows as usize { Present::All } else { Present::Rows(&rows) };
        encode_values(out, table_rows, present, &codes, dictionary)
    }
}
