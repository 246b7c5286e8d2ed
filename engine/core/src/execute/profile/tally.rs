//! How many of some rows have each code of a column.
//!
//! Where a column has few values, they are counted in an array. Where it may have as many as there are users, an array would be
//! mostly empty and each step in it a wait for memory: codes are gathered and sorted instead, which costs what there are rows.

use std::ops::Range;

use rayon::slice::ParallelSliceMut;

use super::held::Held;
use crate::bitmap::Scratch;
use crate::column::{Layout, ValueColumn};
use crate::error::Result;
use crate::execute::drive::over;
use crate::execute::halt::{apart, ended};

/// Up to so many codes are counted in an array.
const ARRAY_MAX: u32 = 1 << 16;
/// Arrays that are made at most for one column, each for some of the chunks.
const ARRAYS_MAX: u32 = 16;
/// What finding the code of a row takes, about.
const CODE_NANOS: f64 = 2.0;

/// Rows by code.
#[derive(Debug)]
pub(super) enum Tally {
    /// For each code.
    Each(Vec<u32>),
    /// Those codes that some row has, ascending.
    Found(Vec<(u32, u32)>),
}

impl Tally {
    /// Counts rows by their codes.
    pub(super) fn new(column: &ValueColumn, rows: &Held) -> Result<Self> {
        let codes = column.dictionary().len();
        if column.layout() == Layout::Bits {
            return truths(column, rows);
        }
        column.check_codes()?;
        // Few rows of a column with many values are sooner sorted.
        if codes <= ARRAY_MAX && rows.len() * 4 >= codes.into() {
            return Ok(Self::Each(counted(column, rows)));
        }
        Ok(Self::Found(gathered(column, rows)))
    }

    /// Calls `f` with each of these codes that some row has, ascending, and how many do.
    pub(super) fn for_each(&self, codes: Range<u32>, mut f: impl FnMut(u32, u32)) {
        match self {
            Self::Each(counts) => {
                let span = codes.start as usize..(codes.end as usize).min(counts.len());
                for (code, &count) in (codes.start..).zip(counts.get(span).unwrap_or_default()) {
                    if count > 0 {
                        f(code, count);
                    }
                }
            }
            Self::Found(found) => within(found, &codes).iter().for_each(|&(code, count)| f(code, count)),
        }
    }
}

/// Those of ascending codes that are in a range.
pub(super) fn within<'a>(found: &'a [(u32, u32)], codes: &Range<u32>) -> &'a [(u32, u32)] {
    let from = found.partition_point(|&(code, _)| code < codes.start);
    let to = found.partition_point(|&(code, _)| code < codes.end);
    found.get(from..to).unwrap_or_default()
}

/// Of booleans, both counts are those of bitmaps.
fn truths(column: &ValueColumn, rows: &Held) -> Result<Tally> {
    let mut scratch = Scratch::default();
    let present = rows.common(column.presence(), &mut scratch)?;
    let truths = match column.truths() {
        Some(truths) => rows.common(Some(truths), &mut scratch)?,
        None => 0,
    };
    Ok(Tally::Each(vec![present.saturating_sub(truths) as u32, truths as u32]))
}

/// How many of some rows have each code. The column's codes must have been checked.
fn counted(column: &ValueColumn, rows: &Held) -> Vec<u32> {
    let codes = column.dictionary().len() as usize;
    let chunks = rows.chunk_count();
    let arrays = ARRAYS_MAX.min(chunks).max(1);
    let nanos = CODE_NANOS * rows.len() as f64 / f64::from(arrays);
    let count = |scratch: &mut Scratch, at: u32| {
        let mut counts = vec![0_u32; codes];
        let bound = |at: u32| (u64::from(chunks) * u64::from(at) / u64::from(arrays)) as u32;
        for chunk in bound(at)..bound(at + 1) {
            let Some(bits) = rows.chunk(chunk) else { continue };
            column.for_each_code(chunk, bits, scratch, |code| {
                if let Some(count) = counts.get_mut(code as usize) {
                    *count += 1;
                }
            });
        }
        counts
    };
    let sum = |mut a: Vec<u32>, b: Vec<u32>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    over(arrays, nanos, Scratch::default, count, sum).unwrap_or_default()
}

/// The codes that some rows have, ascending, and how many have each. The column's codes must have been checked.
pub(super) fn gathered(column: &ValueColumn, rows: &Held) -> Vec<(u32, u32)> {
    let gather = |scratch: &mut Scratch, chunk, bits: &_| {
        let mut codes = Vec::new();
        column.for_each_code(chunk, bits, scratch, |code| codes.push(code));
        codes
    };
    let append = |mut a: Vec<u32>, mut b: Vec<u32>| {
        if a.len() < b.len() {
            std::mem::swap(&mut a, &mut b);
        }
        a.append(&mut b);
        a
    };
    let mut codes = rows.fold(CODE_NANOS, gather, append).unwrap_or_default();
    if ended() {
        return Vec::new();
    }
    // Rows are in an order of their own, in which their codes came in.
    apart(|_| codes.par_sort_unstable());
    codes.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}
