//! How many of some rows have each code of a column.
//!
//! Where a column has few values, they are counted in an array. Where it may have as many as there are users, an array would be
//! mostly empty and each step in it a wait for memory: codes are gathered and brought in order instead, part by part.

use std::ops::Range;

use super::held::Held;
use crate::bitmap::Scratch;
use crate::column::{Layout, ValueColumn};
use crate::error::Result;
use crate::execute::drive::over;

/// Up to so many codes are counted in an array.
const ARRAY_MAX: u32 = 1 << 16;
/// Arrays that are made at most for one column, each for some of the chunks.
const ARRAYS_MAX: u32 = 16;
/// Codes are dealt into so many parts, as a power of two.
const PART_BITS: u32 = 8;
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
        vec![codes]
    };
    let found = rows.fold(CODE_NANOS, gather, append).unwrap_or_default();
    runs(&found, column.dictionary().len())
}

/// Distinct codes, ascending, and how often each is there. They are dealt into parts by their leading bits first, so that each part
/// is sorted or counted within a processor's own cache.
fn runs(found: &[Vec<u32>], codes: u32) -> Vec<(u32, u32)> {
    let shift = (u32::BITS - codes.saturating_sub(1).leading_zeros()).saturating_sub(PART_BITS);
    let part_of = |code: u32| (code >> shift).min((1 << PART_BITS) - 1) as usize;
    let mut ends = vec![0; 1 << PART_BITS];
    for &code in found.iter().flatten() {
        ends[part_of(code)] += 1;
    }
    let mut parts: Vec<Vec<u32>> = ends.into_iter().map(Vec::with_capacity).collect();
    for &code in found.iter().flatten() {
        parts[part_of(code)].push(code);
    }
    let nanos = CODE_NANOS * found.iter().map(Vec::len).sum::<usize>() as f64 / parts.len() as f64;
    let runs = |counts: &mut Vec<u32>, at: u32| {
        let part = parts.get(at as usize).map(Vec::as_slice).unwrap_or_default();
        vec![(at, runs_of_part(part, at << shift, 1 << shift, counts))]
    };
    let runs = over(parts.len() as u32, nanos, Vec::new, runs, append);
    let mut runs = runs.unwrap_or_default();
    runs.sort_unstable_by_key(|(at, _)| *at);
    runs.into_iter().flat_map(|(_, runs)| runs).collect()
}

/// The same of codes of which there may be so many from a first one on.
fn runs_of_part(part: &[u32], first: u32, codes: usize, counts: &mut Vec<u32>) -> Vec<(u32, u32)> {
    if part.len() < codes / 8 {
        let mut sorted = part.to_vec();
        sorted.sort_unstable();
        return sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect();
    }
    counts.clear();
    counts.resize(codes, 0);
    for &code in part {
        if let Some(count) = counts.get_mut(code.wrapping_sub(first) as usize) {
            *count += 1;
        }
    }
    (first..)
        .zip(counts.iter())
        .filter(|(_, count)| **count > 0)
        .map(|(code, &count)| (code, count))
        .collect()
}

fn append<T>(mut a: Vec<T>, mut b: Vec<T>) -> Vec<T> {
    a.append(&mut b);
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_those_of_a_sort() {
        for (codes, step, len) in [
            (1_u32, 1_u64, 3_usize),
            (7, 3, 20),
            (300, 7, 1000),
            (100_000, 977, 70_000),
            (4_000_000_000, 2_654_435_761, 5_000),
        ] {
            let all: Vec<u32> = (0..len as u64).map(|i| (i * step % u64::from(codes)) as u32).collect();
            let mut sorted = all.clone();
            sorted.sort_unstable();
            let expected: Vec<(u32, u32)> =
                sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect();
            let found: Vec<Vec<u32>> = all.chunks(999).map(<[u32]>::to_vec).collect();
            assert_eq!(runs(&found, codes), expected, "{codes} codes");
        }
    }
}
