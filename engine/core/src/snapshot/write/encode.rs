//! From codes to a region's bytes: dictionaries, totals, codes, order and leaves of a value column.

use std::sync::OnceLock;

use super::spool::RowBits;
use super::steps::StepsBuilder;
use crate::bitmap::{LeafBuilder, encode_leaf};
use crate::format::records::{
    ColumnRecord, DICTIONARY_4, DICTIONARY_8, DICTIONARY_16, DICTIONARY_BYTES, DICTIONARY_NONE,
    DictionaryRecord, FLAG_EXTRAS, FLAG_ORDER, LAYOUT_BITS, LAYOUT_DENSE, LAYOUT_SPARSE,
};
use crate::format::{FENCE_STRIDE, LEAF_ROWS_MEAN_MIN, LEAF_VALUES_MAX, chunks_of};

/// Columns with fewer values than this answer a range by the bitmaps of its values.
const STEPLESS_VALUES_MAX: usize = 8;

/// Whether each value has a bitmap. `MUSTER_LEAF_VALUES` says up to how many values, so that tests meet both ways in small
/// tables.
fn has_leaves(distinct: usize, rows: usize) -> bool {
    static WANTED: OnceLock<Option<usize>> = OnceLock::new();
    let wanted = WANTED
        .get_or_init(|| std::env::var("MUSTER_LEAF_VALUES").ok().and_then(|values| values.parse().ok()));
    match wanted {
        Some(values) => distinct <= (*values).min(LEAF_VALUES_MAX),
        None => distinct <= LEAF_VALUES_MAX && distinct * LEAF_ROWS_MEAN_MIN <= rows,
    }
}

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
                if let Some(distances) = near(keys) {
                    record.kind = DICTIONARY_4;
                    record.keys_at = put(out, &distances);
                    record.bytes_at = keys[0];
                } else {
                    record.kind = DICTIONARY_8;
                    record.keys_at = put(out, keys);
                }
            }
            Self::Fixed16(keys) => {
                record.kind = DICTIONARY_16;
                record.keys_at = put(out, keys);
            }
            Self::Bytes { ends, bytes } => {
                record.kind = DICTIONARY_BYTES;
                if even(ends) {
                    record.bytes_at = put(out, bytes);
                    record.bytes_len = bytes.len() as u64;
                    return record;
                }
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

/// The keys as distances from the first, if they are near enough.
fn near(keys: &[u64]) -> Option<Vec<u32>> {
    let first = *keys.first()?;
    u32::try_from(keys.last()? - first).ok()?;
    Some(keys.iter().map(|key| (key - first) as u32).collect())
}

/// Whether all values have as many bytes.
fn even(ends: &[u64]) -> bool {
    let Some(&width) = ends.first() else { return false };
    ends.windows(2).all(|pair| pair[1] - pair[0] == width)
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

    /// Index of the first value behind a chunk.
    fn end_of_chunk(self, chunk: u32, table_rows: u32) -> usize {
        let end = (u64::from(chunk) + 1) << 16;
        match self {
            Self::All => end.min(u64::from(table_rows)) as usize,
            Self::Rows(rows) => rows.partition_point(|&row| u64::from(row) < end),
        }
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
    // Half as many further rows as values, or fewer: their codes take less room than a total for each value.
    if codes.len() - distinct <= distinct / 2 {
        record.flags |= FLAG_EXTRAS;
        record.totals_at = put(out, &extras_of(&totals));
    } else {
        record.totals_at = put(out, &totals);
    }
    let sparse = matches!(present, Present::Rows(rows) if rows.len() as u64 * 4 < u64::from(table_rows));
    record.layout = if sparse { LAYOUT_SPARSE } else { LAYOUT_DENSE };
    put_codes(out, table_rows, present, codes, &mut record);
    if has_leaves(distinct, codes.len()) {
        let mut steps = (distinct > STEPLESS_VALUES_MAX).then(|| StepsBuilder::new(table_rows));
        let leaves = put_leaves(out, table_rows, present, codes, distinct, steps.as_mut());
        record.leaves = distinct as u32;
        record.leaves_at = put(out, &leaves);
        record.steps_at = steps.map_or(0, |steps| steps.finish(out));
    } else {
        record.flags |= FLAG_ORDER;
        let (order, fences) = order_of(table_rows, present, codes, &totals);
        record.order_at = put(out, &order);
        out.resize(out.len().next_multiple_of(8), 0);
        out.extend_from_slice(bytemuck::cast_slice(&fences));
        drop(fences);
        record.steps_at = steps_of(table_rows, present, codes, &order).finish(out);
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

/// The codes of all rows but the first of each code, ascending.
fn extras_of(totals: &[u32]) -> Vec<u32> {
    let rows = totals.windows(2).zip(0..);
    rows.flat_map(|(pair, code)| std::iter::repeat_n(code, (pair[1] - pair[0]).saturating_sub(1) as usize))
        .collect()
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
    mut steps: Option<&mut StepsBuilder>,
) -> Vec<u64> {
    let mut builders: Vec<LeafBuilder> = (0..distinct).map(|_| LeafBuilder::new(table_rows)).collect();
    let mut buckets: Vec<Vec<u16>> = vec![Vec::new(); distinct];
    let mut from = 0;
    for chunk in 0..chunks_of(table_rows) {
        let to = present.end_of_chunk(chunk, table_rows);
        for index in from..to {
            buckets[codes[index] as usize].push(present.row(index) as u16);
        }
        from = to;
        if let Some(steps) = &mut steps {
            steps.push_chunk((0..).zip(&buckets).map(|(code, bucket)| (code, &bucket[..])));
        }
        for (builder, bucket) in builders.iter_mut().zip(&mut buckets) {
            builder.push_rows(chunk, bucket);
            bucket.clear();
        }
    }
    builders.into_iter().map(|builder| builder.finish(out)).collect()
}

/// Steps of a column with an order.
fn steps_of(table_rows: u32, present: Present<'_>, codes: &[u32], order: &[u16]) -> StepsBuilder {
    let mut steps = StepsBuilder::new(table_rows);
    let mut code_of_row = vec![0_u32; 1 << 16];
    let mut from = 0;
    for chunk in 0..chunks_of(table_rows) {
        let to = present.end_of_chunk(chunk, table_rows);
        for index in from..to {
            code_of_row[present.row(index) as u16 as usize] = codes[index];
        }
        let same_code = |a: &u16, b: &u16| code_of_row[*a as usize] == code_of_row[*b as usize];
        let groups = order[from..to].chunk_by(same_code);
        steps.push_chunk(groups.map(|group| (code_of_row[group[0] as usize], group)));
        from = to;
    }
    steps
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
