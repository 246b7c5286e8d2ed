//! From codes to a region's bytes: totals, codes, order, leaves and steps of a value column.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::bits::RowBits;
use super::dictionary::Distinct;
use super::region::RegionOut;
use super::sort::{ChunkSorter, sorted_of};
use super::steps::{ChunkSteps, StepsBuilder};
use super::values::{Sink, each_of_pairs};
use crate::bitmap::{Bits, LeafBuilder, WORDS, encode_leaf};
use crate::format::records::{
    ColumnRecord, DictionaryRecord, FLAG_EXTRAS, FLAG_ORDER, LAYOUT_BITS, LAYOUT_DENSE, LAYOUT_SPARSE,
};
use crate::format::{FENCE_STRIDE, LEAF_ROWS_MEAN_MIN, LEAF_VALUES_MAX, chunks_of};

/// Numbers within a range of this are counted rather than sorted.
const SMALL_RANGE: u64 = 1 << 16;
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

/// The rows that have a value, ascending.
#[derive(Debug, Clone, Copy)]
pub(super) enum Present<'a> {
    All,
    Rows(&'a [u32]),
}

impl Present<'_> {
    /// Index of the first value behind a chunk.
    fn end_of_chunk(self, chunk: u32, table_rows: u32) -> usize {
        let end = (u64::from(chunk) + 1) << 16;
        match self {
            Self::All => end.min(u64::from(table_rows)) as usize,
            Self::Rows(rows) => rows.partition_point(|&row| u64::from(row) < end),
        }
    }

    /// Where the values of each chunk are.
    fn chunks(self, table_rows: u32) -> Vec<std::ops::Range<usize>> {
        let mut from = 0;
        let mut span = |chunk| {
            let to = self.end_of_chunk(chunk, table_rows);
            let span = from..to;
            from = to;
            span
        };
        (0..chunks_of(table_rows)).map(&mut span).collect()
    }

    fn row(self, index: usize) -> u32 {
        match self {
            Self::All => index as u32,
            Self::Rows(rows) => rows[index],
        }
    }

    /// Of values by row, those of the rows that have one.
    pub(super) fn pick<T: Copy>(self, by_row: Vec<T>) -> Vec<T> {
        match self {
            Self::All => by_row,
            Self::Rows(rows) => rows.iter().map(|&row| by_row[row as usize]).collect(),
        }
    }
}

/// Codes by row, as they are found.
#[derive(Debug)]
pub(super) struct Codes {
    by_row: Vec<u32>,
    counts: Vec<u32>,
}

impl Codes {
    pub(super) fn new(table_rows: u32) -> Self {
        Self { by_row: vec![0; table_rows as usize], counts: Vec::new() }
    }

    /// The codes of the rows that have a value, in row order, and how many rows have a code below each code.
    pub(super) fn of(self, present: Present<'_>) -> (Vec<u32>, Vec<u32>) {
        (present.pick(self.by_row), totals_of(self.counts))
    }
}

impl Codes {
    /// The codes of numbers from a small range, without sorting them; the distinct ones.
    fn count(&mut self, numbers: &[u64], low: u64, levels: usize) -> Distinct {
        let mut counts = vec![0_u32; levels];
        for number in numbers {
            counts[(number - low) as usize] += 1;
        }
        let mut code_of = vec![0; levels];
        let mut keys = Vec::new();
        for (level, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            code_of[level] = keys.len() as u32;
            keys.push(low + level as u64);
            self.counts.push(count);
        }
        for (code, number) in self.by_row.iter_mut().zip(numbers) {
            *code = code_of[(number - low) as usize];
        }
        Distinct::Fixed8(keys)
    }
}

impl Sink for Codes {
    fn codes(&mut self, count: usize) {
        self.counts.resize(count, 0);
    }

    fn all(&mut self, code: u32, rows: &[u32]) {
        debug_assert_eq!(self.counts.len(), code as usize);
        self.counts.push(rows.len() as u32);
        for &row in rows {
            self.by_row[row as usize] = code;
        }
    }

    fn some(&mut self, provisional: &[u64], finals: &[u32], rows: &[u32]) {
        for (&code, &row) in provisional.iter().zip(rows) {
            let code = finals[code as usize];
            self.counts[code as usize] += 1;
            self.by_row[row as usize] = code;
        }
    }
}

/// Rows with a code below each code.
fn totals_of(mut counts: Vec<u32>) -> Vec<u32> {
    let mut below = 0;
    for count in &mut counts {
        (*count, below) = (below, below + *count);
    }
    counts.push(below);
    counts
}

/// Encodes booleans.
pub(super) fn encode_bits(
    out: &mut RegionOut,
    table_rows: u32,
    presence: &RowBits,
    truths: &RowBits,
) -> ColumnRecord {
    let present = presence.ones() as u32;
    let mut record = ColumnRecord { layout: LAYOUT_BITS, present, ..ColumnRecord::default() };
    if !presence.all() {
        record.presence_at = leaf_of_bits(out, table_rows, presence);
    }
    let leaf = leaf_of_bits(out, table_rows, truths);
    record.dictionary = Distinct::Fixed8(vec![0, 1]).put(out);
    record.totals_at = out.put(vec![0, present - truths.ones() as u32, present]);
    record.leaves = 2;
    record.leaves_at = out.put(vec![0, leaf]);
    record
}

/// A leaf of marked rows.
pub(super) fn leaf_of_bits(out: &mut RegionOut, table_rows: u32, marks: &RowBits) -> u64 {
    let mut leaf = LeafBuilder::new(table_rows);
    let mut bits: Bits = [0; WORDS];
    for (chunk, words) in (0..).zip(marks.words().chunks(WORDS)) {
        bits[..words.len()].copy_from_slice(words);
        bits[words.len()..].fill(0);
        leaf.push_bits(chunk, &bits);
    }
    out.write(|bytes| leaf.finish(bytes))
}

/// The least of numbers that are near each other, and how many there could be from it on.
fn small_range(numbers: &[u64]) -> Option<(u64, usize)> {
    let (low, high) = (*numbers.iter().min()?, *numbers.iter().max()?);
    (high - low < SMALL_RANGE).then(|| (low, (high - low) as usize + 1))
}

/// Encodes a column of numbers: one for each present row, in row order.
pub(super) fn encode_numbers(
    out: &mut RegionOut,
    table_rows: u32,
    present: Present<'_>,
    presence_at: u64,
    numbers: Vec<u64>,
) -> ColumnRecord {
    let mut codes = Codes::new(numbers.len() as u32);
    let distinct = if let Some((low, levels)) = small_range(&numbers) {
        codes.count(&numbers, low, levels)
    } else {
        let places: Vec<u32> = (0..numbers.len() as u32).collect();
        let pairs = sorted_of(&numbers, &places);
        drop((numbers, places));
        each_of_pairs(&pairs, &mut codes)
    };
    let dictionary = distinct.put(out);
    let (codes, totals) = codes.of(Present::All);
    encode_values(out, table_rows, present, presence_at, codes, totals, dictionary)
}

/// Encodes a value column of codes by row; the region has the dictionary already.
pub(super) fn encode_codes(
    out: &mut RegionOut,
    table_rows: u32,
    presence: &RowBits,
    codes: Codes,
    dictionary: DictionaryRecord,
) -> ColumnRecord {
    let (mut rows, mut present, mut presence_at) = (Vec::new(), Present::All, 0);
    if !presence.all() {
        presence_at = leaf_of_bits(out, table_rows, presence);
        presence.iter().fill(presence.ones(), &mut rows);
        present = Present::Rows(&rows);
    }
    let (codes, totals) = codes.of(present);
    encode_values(out, table_rows, present, presence_at, codes, totals, dictionary)
}

/// Encodes a value column: a code for each present row, in row order, how many rows have a code below each code, and the
/// dictionary, which the region has already.
pub(super) fn encode_values(
    out: &mut RegionOut,
    table_rows: u32,
    present: Present<'_>,
    presence_at: u64,
    codes: Vec<u32>,
    totals: Vec<u32>,
    dictionary: DictionaryRecord,
) -> ColumnRecord {
    let mut record = ColumnRecord { dictionary, presence_at, ..ColumnRecord::default() };
    record.present = codes.len() as u32;
    if let (Present::Rows(rows), 0) = (present, presence_at) {
        record.presence_at = out.write(|bytes| encode_leaf(table_rows, rows.iter().copied(), bytes));
    }
    let distinct = dictionary.count as usize;
    // Half as many further rows as values, or fewer: their codes take less room than a total for each value.
    if codes.len() - distinct <= distinct / 2 {
        record.flags |= FLAG_EXTRAS;
        record.totals_at = out.put(extras_of(&totals));
        drop(totals);
    } else {
        record.totals_at = out.put(totals);
    }
    let sparse = matches!(present, Present::Rows(rows) if rows.len() as u64 * 4 < u64::from(table_rows));
    record.layout = if sparse { LAYOUT_SPARSE } else { LAYOUT_DENSE };
    if has_leaves(distinct, codes.len()) {
        let mut steps = (distinct > STEPLESS_VALUES_MAX).then(|| StepsBuilder::new(table_rows));
        let leaves = put_leaves(out, table_rows, present, &codes, distinct, steps.as_mut());
        record.leaves = distinct as u32;
        record.leaves_at = out.put(leaves);
        record.steps_at = steps.map_or(0, |steps| steps.put(out));
    } else {
        record.flags |= FLAG_ORDER;
        put_order(out, table_rows, present, &codes, &mut record);
    }
    put_codes(out, table_rows, present, codes, &mut record);
    record
}

/// The codes of all rows but the first of each code, ascending.
fn extras_of(totals: &[u32]) -> Vec<u32> {
    let rows = totals.windows(2).zip(0..);
    rows.flat_map(|(pair, code)| std::iter::repeat_n(code, (pair[1] - pair[0]).saturating_sub(1) as usize))
        .collect()
}

fn put_codes(
    out: &mut RegionOut,
    table_rows: u32,
    present: Present<'_>,
    codes: Vec<u32>,
    record: &mut ColumnRecord,
) {
    let stored = match (present, record.layout) {
        (Present::Rows(rows), LAYOUT_DENSE) => {
            let mut all = vec![0; table_rows as usize];
            for (&row, &code) in rows.iter().zip(&codes) {
                all[row as usize] = code;
            }
            all
        }
        _ => codes,
    };
    (record.code_width, record.codes_at) = match record.dictionary.count as usize {
        0..=0x100 => (1, out.put(stored.iter().map(|&code| code as u8).collect::<Vec<u8>>())),
        0x101..=0x1_0000 => (2, out.put(stored.iter().map(|&code| code as u16).collect::<Vec<u16>>())),
        _ => (4, out.put(stored)),
    };
}

/// One leaf per code; returns where they are.
fn put_leaves(
    out: &mut RegionOut,
    table_rows: u32,
    present: Present<'_>,
    codes: &[u32],
    distinct: usize,
    mut steps: Option<&mut StepsBuilder>,
) -> Vec<u64> {
    let mut builders: Vec<LeafBuilder> = (0..distinct).map(|_| LeafBuilder::new(table_rows)).collect();
    let mut buckets: Vec<Vec<u16>> = vec![Vec::new(); distinct];
    for (chunk, span) in (0..).zip(present.chunks(table_rows)) {
        for index in span {
            buckets[codes[index] as usize].push(present.row(index) as u16);
        }
        if let Some(steps) = &mut steps {
            let groups = (0..).zip(&buckets).map(|(code, bucket)| (code, &bucket[..]));
            steps.push(ChunkSteps::of(table_rows, chunk, groups));
        }
        for (builder, bucket) in builders.iter_mut().zip(&mut buckets) {
            builder.push_rows(chunk, bucket);
            bucket.clear();
        }
    }
    builders.into_iter().map(|builder| out.write(|bytes| builder.finish(bytes))).collect()
}

/// A chunk's rows by (code, row), the codes at every [`FENCE_STRIDE`]th place, and its steps.
struct ChunkOrder {
    order: Vec<u16>,
    fences: Vec<u32>,
    steps: ChunkSteps,
}

/// Puts the order, its fences and the steps of a column.
fn put_order(
    out: &mut RegionOut,
    table_rows: u32,
    present: Present<'_>,
    codes: &[u32],
    record: &mut ColumnRecord,
) {
    let code_max = record.dictionary.count.saturating_sub(1);
    let spans = present.chunks(table_rows);
    let of_chunk = |sorter: &mut ChunkSorter, (chunk, span): (usize, std::ops::Range<usize>)| {
        let rows = span.clone().map(|index| present.row(index) as u16);
        let sorted = sorter.sort(&codes[span.clone()], rows, code_max);
        let order: Vec<u16> = sorted.iter().map(|&packed| packed as u16).collect();
        let first = span.start.next_multiple_of(FENCE_STRIDE) - span.start;
        let fences =
            sorted.iter().skip(first).step_by(FENCE_STRIDE).map(|packed| (packed >> 16) as u32).collect();
        let mut ends = 0;
        let groups = sorted.chunk_by(|a, b| a >> 16 == b >> 16).map(|group| {
            ends += group.len();
            ((group[0] >> 16) as u32, &order[ends - group.len()..ends])
        });
        let steps = ChunkSteps::of(table_rows, chunk as u32, groups);
        ChunkOrder { order, fences, steps }
    };
    let mut steps = StepsBuilder::new(table_rows);
    let (mut order, mut fences) = (Vec::with_capacity(codes.len()), Vec::new());
    // Some chunks at a time, so that what they say does not lie about twice.
    let spans: Vec<(usize, std::ops::Range<usize>)> = spans.into_iter().enumerate().collect();
    for some in spans.chunks(64) {
        let done: Vec<ChunkOrder> =
            some.par_iter().cloned().map_init(ChunkSorter::default, of_chunk).collect();
        for chunk in done {
            order.extend_from_slice(&chunk.order);
            fences.extend_from_slice(&chunk.fences);
            steps.push(chunk.steps);
        }
    }
    record.order_at = out.put(order);
    out.put(fences);
    record.steps_at = steps.put(out);
}
