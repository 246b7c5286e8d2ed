//! Array columns on their way in: (row, element) pairs, inverted at the end into rows by element.

use std::path::Path;

use super::encode::{Present, Region, encode_values, put, put_record};
use super::intern::Interner;
use super::reorder::Order;
use super::scalar::{Width, check_ends, check_values, code_of, sort_keys};
use super::sort_key::SortKey;
use super::spool::{RowBits, Spool};
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
    lengths: Spool<u32>,
    interner: Interner,
    /// Row and provisional code of each element that is not NULL, in row order.
    elements: Spool<[u32; 2]>,
}

impl ListBuilder {
    pub(super) fn new(ty: &ScalarType) -> Self {
        let interner = match Width::of(ty) {
            Width::Bool | Width::Eight => Interner::fixed8(),
            Width::Sixteen => Interner::fixed16(),
            Width::Bytes => Interner::bytes(),
        };
        Self { present: RowBits::default(), lengths: Spool::default(), interner, elements: Spool::default() }
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
        let mut start = 0;
        for (row, &end) in ends.iter().enumerate() {
            let here = present.is_none_or(|present| present[row]);
            self.present.push(here);
            if here {
                self.lengths.push(end - start);
                for index in start as usize..end as usize {
                    if elements.present.as_ref().is_none_or(|present| present[index]) {
                        let code = code_of(&mut self.interner, &elements.keys, index);
                        let code = code.ok_or("its elements are not of its type's width")?;
                        self.elements.push([first_row + row as u32, code]);
                    }
                }
            }
            start = end;
        }
        Ok(())
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.lengths.buffered_bytes() + self.elements.buffered_bytes()
    }

    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        self.lengths.spill(dir, &format!("{name}-lengths"))?;
        self.elements.spill(dir, &format!("{name}-elements"))
    }

    pub(super) fn values(&self) -> usize {
        self.lengths.len() + self.elements.len()
    }

    /// The lengths as a key to sort rows by.
    pub(super) fn sort_key(&self) -> SortKey<'_> {
        SortKey::lengths(&self.present, self.lengths.as_slice())
    }

    /// Row and provisional code of each element, by row.
    pub(super) fn elements(&self) -> &[[u32; 2]] {
        self.elements.as_slice()
    }

    /// Nothing comes any more: what was spilled can be read.
    pub(super) fn seal(&mut self) -> Result<()> {
        self.lengths.seal()?;
        self.elements.seal()
    }

    /// Encodes the column of a sealed builder, its rows in the given order.
    pub(super) fn finish(self, order: Order<'_>) -> Region {
        let table_rows = self.present.len() as u32;
        let presence = order.bits(&self.present);
        let mut rows = Vec::new();
        let present = Present::new(&presence, &mut rows);
        let mut out = vec![0; size_of::<ListRecord>() + size_of::<ColumnRecord>()];
        let mut record = ListRecord { present: self.present.ones() as u32, ..ListRecord::default() };
        if let Present::Rows(rows) = present {
            record.presence_at = encode_leaf(table_rows, rows.iter().copied(), &mut out);
        }
        record.lengths_at = size_of::<ListRecord>() as u64;
        let lengths = order.values(&self.present).map(self.lengths.as_slice(), u64::from);
        let (distinct, codes) = sort_keys(&lengths);
        drop(lengths);
        let dictionary = distinct.put(&mut out);
        let column = encode_values(&mut out, table_rows, present, &codes, dictionary);
        put_record(&mut out, size_of::<ListRecord>(), &column);
        let (elements, finals) = self.interner.into_sorted();
        record.dictionary = elements.put(&mut out);
        drop(elements);
        let pairs = order.pairs(self.elements.as_slice());
        put_postings(&mut out, table_rows, &pairs, &finals, &mut record);
        put_record(&mut out, 0, &record);
        let present = u64::from(record.present);
        Region { bytes: out, distinct: record.dictionary.count.into(), present }
    }
}

/// Appends the rows of each element.
fn put_postings(
    out: &mut Vec<u8>,
    table_rows: u32,
    pairs: &[[u32; 2]],
    finals: &[u32],
    record: &mut ListRecord,
) {
    // A counting sort by element: pairs come in row order, so each element's rows ascend.
    let mut starts = vec![0_u32; finals.len() + 1];
    for [_, code] in pairs {
        starts[finals[*code as usize] as usize + 1] += 1;
    }
    for code in 0..finals.len() {
        starts[code + 1] += starts[code];
    }
    let mut next = starts.clone();
    let mut rows = vec![0_u32; pairs.len()];
    for [row, code] in pairs {
        let at = &mut next[finals[*code as usize] as usize];
        rows[*at as usize] = *row;
        *at += 1;
    }
    drop(next);
    let (mut light_starts, mut light) = (Vec::with_capacity(starts.len()), Vec::new());
    let (mut heavy_codes, mut heavy_leaves) = (Vec::new(), Vec::new());
    let mut distinct_rows: Vec<u32> = Vec::new();
    for (code, span) in starts.windows(2).enumerate() {
        light_starts.push(light.len() as u32);
        distinct_rows.clear();
        distinct_rows.extend_from_slice(&rows[span[0] as usize..span[1] as usize]);
        distinct_rows.dedup();
        if distinct_rows.len() > POSTING_ROWS_MAX {
            heavy_codes.push(code as u32);
            heavy_leaves.push(encode_leaf(table_rows, distinct_rows.iter().copied(), out));
        } else {
            light.extend_from_slice(&distinct_rows);
        }
    }
    light_starts.push(light.len() as u32);
    record.starts_at = put(out, &light_starts);
    record.rows_at = put(out, &light);
    record.heavy = heavy_codes.len() as u32;
    record.heavy_codes_at = put(out, &heavy_codes);
    record.heavy_leaves_at = put(out, &heavy_leaves);
}
