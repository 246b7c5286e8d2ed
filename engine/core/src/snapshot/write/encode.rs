//! From codes to a region's bytes: dictionaries, totals, codes, order and leaves of a value column.

use super::spool::RowBits;
use crate::bitmap::{LeafBuilder, encode_leaf};
use crate::format::records::{
    ColumnRecord, DICTIONARY_8, DICTIONARY_16, DICTIONARY_BYTES, DICTIONARY_NONE, DictionaryRecord,
    FLAG_DISTINCT, FLAG_ORDER, LAYOUT_BITS, LAYOUT_DENSE, LAYOUT_SPARSE,
};
use crate::format::{FENCE_STRIDE, LEAF_ROWS_MEAN_MIN, LEAF_VALUES_MAX, chunks_of};

/// The encoded bytes of one column.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) bytes: Vec<u8>,
    pub(super) distinct: u64,
    pub(super) present: u64,
}

/// Distinct values.
#[derive(Debug)]
pub(super) enum Distinct {
    None,
    Fixed8(Vec<u64>),
    Fixed16(Vec<u128>),
    Bytes { ends: Vec<u64>, bytes: Vec<u8> },
}

impl Distinct {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Fixed8(keys) => keys.len(),
            Self::Fixed16(keys) => keys.len(),
            Self::Bytes { ends, .. } => ends.len(),
        }
    }

    /// Appends the values; `self` is sorted.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> DictionaryRecord {
        let mut record = DictionaryRecord { count: self.len() as u32, ..DictionaryRecord::default() };
        match self {
            Self::None => record.kind = DICTIONARY_NONE,
            Self::Fixed8(keys) => {
                record.kind = DICTIONARY_8;
                record.keys_at = put(out, keys);
            }
            Self::Fixed16(keys) => {
                record.kind = DICTIONARY_16;
                record.keys_at = put(out, keys);
            }
            Self::Bytes { ends, bytes } => {
                record.kind = DICTIONARY_BYTES;
                let starts = std::iter::once(0).chain(ends.iter().copied());
                if u32::try_from(bytes.len()).is_ok() {
                    record.offset_width = 4;
                    record.keys_at = put(out, &starts.map(|start| start as u32).collect::<Vec<u32>>());
                } else {
                    record.offset_width = 8;
                    record.keys_at = put(out, &starts.collect::<Vec<u64>>());
                }
                record.bytes_at = put(out, bytes);
                record.bytes_len = bytes.len() as u64;
            }
        }
        record
    }
}

/// Appends values at an aligned place and returns where.
pub(super) fn put<T: bytemuck::NoUninit>(out: &mut Vec<u8>, values: &[T]) -> u64 {
    out.resize(out.len().next_multiple_of(64), 0);
    let at = out.len() as u64;
    out.extend_from_slice(bytemuck::cast_slice(values));
    at
}

/// Writes a record over bytes that were kept free for it.
pub(super) fn put_record<T: bytemuck::NoUninit>(out: &mut [u8], at: usize, record: &T) {
    out[at..at + size_of::<T>()].copy_from_slice(bytemuck::bytes_of(record));
}

/// The rows that have a value, ascending.
#[derive(Debug, Clone, Copy)]
pub(super) enum Present<'a> {
    All,
    Rows(&'a [u32]),
}

impl<'a> Present<'a> {
    /// From marks by row; `rows` is room for their list.
    pub(super) fn new(marks: &RowBits, rows: &'a mut Vec<u32>) -> Self {
        if marks.all() {
            return Self::All;
        }
        rows.extend(marks.iter());
        Self::Rows(rows)
    }

    fn row(self, index: usize) -> u32 {
        match self {
            Self::All => index as u32,
            Self::Rows(rows) => rows[index],
        }
    }
}

/// Encodes booleans: `truths` are the rows that are true, ascending.
pub(super) fn encode_bits(
    out: &mut Vec<u8>,
    table_rows: u32,
    present: Present<'_>,
    truths: impl Iterator<Item = u32>,
) -> ColumnRecord {
    let mut record = ColumnRecord { layout: LAYOUT_BITS, ..ColumnRecord::default() };
    put_presence(out, table_rows, present, &mut record);
    let mut count = 0;
    let leaf = encode_leaf(table_rows, truths.inspect(|_| count += 1), out);
    record.dictionary = Distinct::Fixed8(vec![0, 1]).put(out);
    record.totals_at = put(out, &[0, record.present - count, record.present]);
    record.leaves = 2;
    record.leaves_at = put(out, &[0, leaf]);
    record
}

/// Encodes a value column: a code for each present row, in row order, and its dictionary, already appended.
pub(super) fn encode_values(
    out: &mut Vec<u8>,
    table_rows: u32,
    present: Present<'_>,
    codes: &[u32],
    dictionary: DictionaryRecord,
) -> ColumnRecord {
    let mut record = ColumnRecord { dictionary, ..ColumnRecord::default() };
    put_presence(out, table_rows, present, &mut record);
    let distinct = dictionary.count as usize;
    let totals = totals_of(codes, distinct);
    if distinct == codes.len() {
        record.flags |= FLAG_DISTINCT;
    } else {
        record.totals_at = put(out, &totals);
    }
    let sparse = matches!(present, Present::Rows(rows) if rows.len() as u64 * 4 < u64::from(table_rows));
    record.layout = if sparse { LAYOUT_SPARSE } else { LAYOUT_DENSE };
    put_codes(out, table_rows, present, codes, &mut record);
    if distinct <= LEAF_VALUES_MAX && distinct * LEAF_ROWS_MEAN_MIN <= codes.len() {
        let leaves = put_leaves(out, table_rows, present, codes, distinct);
        record.leaves = distinct as u32;
        record.leaves_at = put(out, &leaves);
    } else {
        record.flags |= FLAG_ORDER;
        let (order, fences) = order_of(table_rows, present, codes, &totals);
        record.order_at = put(out, &order);
        out.resize(out.len().next_multiple_of(8), 0);
        out.extend_from_slice(bytemuck::cast_slice(&fences));
    }
    record
}

fn put_presence(out: &mut Vec<u8>, table_rows: u32, present: Present<'_>, record: &mut ColumnRecord) {
    record.present = table_rows;
    if let Present::Rows(rows) = present {
        record.present = rows.len() as u32;
        record.presence_at = encode_leaf(table_rows, rows.iter().copied(), out);
    }
}

/// Rows with a code below each code.
fn totals_of(codes: &[u32], distinct: usize) -> Vec<u32> {
    let mut totals = vec![0_u32; distinct + 1];
    for &code in codes {
        totals[code as usize + 1] += 1;
    }
    for code in 0..distinct {
        totals[code + 1] += totals[code];
    }
    totals
}

fn put_codes(
    out: &mut Vec<u8>,
    table_rows: u32,
    present: Present<'_>,
    codes: &[u32],
    record: &mut ColumnRecord,
) {
    let by_row;
    let stored: &[u32] = match (present, record.layout) {
        (Present::Rows(rows), LAYOUT_DENSE) => {
            let mut all = vec![0; table_rows as usize];
            for (&row, &code) in rows.iter().zip(codes) {
                all[row as usize] = code;
            }
            by_row = all;
            &by_row
        }
        _ => codes,
    };
    (record.code_width, record.codes_at) = match record.dictionary.count as usize {
        0..=0x100 => (1, put(out, &stored.iter().map(|&code| code as u8).collect::<Vec<u8>>())),
        0x101..=0x1_0000 => (2, put(out, &stored.iter().map(|&code| code as u16).collect::<Vec<u16>>())),
        _ => (4, put(out, stored)),
    };
}

/// One leaf per code; returns where they are.
fn put_leaves(
    out: &mut Vec<u8>,
    table_rows: u32,
    present: Present<'_>,
    codes: &[u32],
    distinct: usize,
) -> Vec<u64> {
    let mut builders: Vec<LeafBuilder> = (0..distinct).map(|_| LeafBuilder::new(table_rows)).collect();
    let mut buckets: Vec<Vec<u16>> = vec![Vec::new(); distinct];
    let mut flush = |chunk: u32, buckets: &mut [Vec<u16>]| {
        for (builder, bucket) in builders.iter_mut().zip(buckets) {
            builder.push_rows(chunk, bucket);
            bucket.clear();
        }
    };
    let mut chunk = 0;
    for (index, &code) in codes.iter().enumerate() {
        let row = present.row(index);
        if row >> 16 != chunk {
            flush(chunk, &mut buckets);
            chunk = row >> 16;
        }
        buckets[code as usize].push(row as u16);
    }
    flush(chunk, &mut buckets);
    builders.into_iter().map(|builder| builder.finish(out)).collect()
}

/// Per chunk the rows by (code, row), and the code at every [`FENCE_STRIDE`]th position.
fn order_of(table_rows: u32, present: Present<'_>, codes: &[u32], totals: &[u32]) -> (Vec<u16>, Vec<u32>) {
    // A counting sort by code keeps rows ascending within a code; dealing that out by chunk keeps both orders.
    let mut next = totals.to_vec();
    let mut by_code = vec![0_u32; codes.len()];
    for (index, &code) in codes.iter().enumerate() {
        let at = &mut next[code as usize];
        by_code[*at as usize] = index as u32;
        *at += 1;
    }
    drop(next);
    let mut cursors = vec![0_usize; chunks_of(table_rows) as usize + 1];
    for index in 0..codes.len() {
        cursors[(present.row(index) >> 16) as usize + 1] += 1;
    }
    for chunk in 1..cursors.len() {
        cursors[chunk] += cursors[chunk - 1];
    }
    let mut order = vec![0_u16; codes.len()];
    let mut fences = vec![0_u32; codes.len().div_ceil(FENCE_STRIDE)];
    for index in by_code {
        let row = present.row(index as usize);
        let at = &mut cursors[(row >> 16) as usize];
        order[*at] = row as u16;
        if at.is_multiple_of(FENCE_STRIDE) {
            fences[*at / FENCE_STRIDE] = codes[index as usize];
        }
        *at += 1;
    }
    (order, fences)
}
