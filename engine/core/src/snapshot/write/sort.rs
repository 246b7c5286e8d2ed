//! Sorting numbers with the rows they belong to: dealt out into parts that fit into a processor's cache, sorted there.

use rayon::prelude::*;

use crate::error::Result;

/// A number and a row.
pub(super) type Pair = (u64, u32);

/// Parts have about this many pairs: half a megabyte.
const PART_PAIRS: usize = 1 << 15;
/// The range of numbers is cut into at most this many cells; a part is some neighbouring cells.
const CELLS_LOG2: u32 = 16;

/// Calls its argument with all pairs, in any order, some at a time: numbers, and the row of each.
pub(super) type Each<'a> = &'a dyn Fn(&mut dyn FnMut(&[u64], &[u32])) -> Result<()>;

/// All pairs, sorted: none of the numbers is outside `low..=high`. `each` is called twice, and must say the same each time.
pub(super) fn sorted((low, high): (u64, u64), each: Each<'_>) -> Result<Vec<Pair>> {
    let cells = Cells::new(low, high);
    let (mut count, mut counts) = (0, vec![0_u32; 1 << CELLS_LOG2]);
    each(&mut |keys, _| {
        count += keys.len();
        for &key in keys {
            counts[cells.of(key)] += 1;
        }
    })?;
    let (part_of, starts) = parts(&counts);
    let mut next = starts.clone();
    let mut pairs = vec![(0, 0); count];
    each(&mut |keys, rows| {
        for (&key, &row) in keys.iter().zip(rows) {
            let at = &mut next[usize::from(part_of[cells.of(key)])];
            pairs[*at] = (key, row);
            *at += 1;
        }
    })?;
    split_at(&mut pairs, &starts).into_par_iter().for_each(sort_part);
    Ok(pairs)
}

/// Pairs that are in memory, sorted.
pub(super) fn sorted_of(keys: &[u64], rows: &[u32]) -> Vec<Pair> {
    if keys.len() <= PART_PAIRS {
        let mut pairs: Vec<Pair> = keys.iter().copied().zip(rows.iter().copied()).collect();
        sort_part(&mut pairs);
        return pairs;
    }
    let each = |f: &mut dyn FnMut(&[u64], &[u32])| {
        f(keys, rows);
        Ok(())
    };
    let (low, high) = keys.iter().fold((u64::MAX, 0), |(low, high), &key| (low.min(key), high.max(key)));
    // Nothing is read from disk, so nothing fails.
    sorted((low, high), &each).unwrap_or_default()
}

/// The range of numbers in equal cells.
struct Cells {
    low: u64,
    shift: u32,
}

impl Cells {
    fn new(low: u64, high: u64) -> Self {
        let bits = u64::BITS - (high - low).leading_zeros();
        Self { low, shift: bits.saturating_sub(CELLS_LOG2) }
    }

    fn of(&self, key: u64) -> usize {
        ((key - self.low) >> self.shift) as usize
    }
}

/// The part of each cell, and where each part starts.
fn parts(counts: &[u32]) -> (Vec<u16>, Vec<usize>) {
    let (mut part_of, mut starts) = (Vec::with_capacity(counts.len()), vec![0]);
    let (mut held, mut total) = (0, 0);
    for &count in counts {
        if held > 0 && held + count as usize > PART_PAIRS && starts.len() < usize::from(u16::MAX) {
            starts.push(total);
            held = 0;
        }
        part_of.push((starts.len() - 1) as u16);
        held += count as usize;
        total += count as usize;
    }
    (part_of, starts)
}

fn split_at<'a>(mut pairs: &'a mut [Pair], starts: &[usize]) -> Vec<&'a mut [Pair]> {
    let mut parts = Vec::with_capacity(starts.len());
    for bounds in starts.windows(2) {
        let (part, rest) = pairs.split_at_mut(bounds[1] - bounds[0]);
        parts.push(part);
        pairs = rest;
    }
    parts.push(pairs);
    parts
}

/// Numbers that are near each other are sorted together with their rows as one number.
fn sort_part(pairs: &mut [Pair]) {
    let low = pairs.iter().map(|pair| pair.0).min().unwrap_or(0);
    let high = pairs.iter().map(|pair| pair.0).max().unwrap_or(0);
    if high - low > u64::from(u32::MAX) {
        return pairs.sort_unstable();
    }
    let mut packed: Vec<u64> = pairs.iter().map(|&(key, row)| (key - low) << 32 | u64::from(row)).collect();
    packed.sort_unstable();
    for (pair, packed) in pairs.iter_mut().zip(packed) {
        *pair = (low + (packed >> 32), packed as u32);
    }
}

/// The rows of a chunk by code, and of equal codes ascending: `codes` and `rows` say which row has which, rows ascending.
/// Room for the work is reused.
#[derive(Debug, Default)]
pub(super) struct ChunkSorter {
    packed: Vec<u64>,
    other: Vec<u64>,
}

impl ChunkSorter {
    /// Code and row, packed as `code << 16 | row`.
    pub(super) fn sort(&mut self, codes: &[u32], rows: impl Iterator<Item = u16>, code_max: u32) -> &[u64] {
        self.packed.clear();
        self.packed.extend(codes.iter().zip(rows).map(|(&code, row)| u64::from(code) << 16 | u64::from(row)));
        self.other.resize(self.packed.len(), 0);
        // Least significant digits first, of the code only: rows ascend already.
        let digits = (u32::BITS - code_max.leading_zeros()).div_ceil(8);
        for digit in 0..digits {
            let shift = 16 + digit * 8;
            let of = |packed: u64| (packed >> shift) as usize & 0xff;
            let mut next = [0_u32; 256];
            self.packed.iter().for_each(|&packed| next[of(packed)] += 1);
            let mut below = 0;
            for next in &mut next {
                (*next, below) = (below, below + *next);
            }
            for &packed in &self.packed {
                let at = &mut next[of(packed)];
                self.other[*at as usize] = packed;
                *at += 1;
            }
            std::mem::swap(&mut self.packed, &mut self.other);
        }
        &self.packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) ^ state
        }
    }

    #[test]
    fn numbers_of_any_spread_are_sorted_with_their_rows() {
        let mut next = random(7);
        let spreads: [fn(u64) -> u64; 6] = [
            |x| x,
            |x| x % 3,
            |x| (1 << 63) | (x % 1_000_000),
            |x| 1 << (x % 64),
            |_| 5,
            |x| u64::MAX - x % 70_000,
        ];
        for spread in spreads {
            for count in [0, 1, 1000, 200_000] {
                let keys: Vec<u64> = (0..count).map(|_| spread(next())).collect();
                let rows: Vec<u32> = (0..count).rev().collect();
                let mut want: Vec<Pair> = keys.iter().copied().zip(rows.iter().copied()).collect();
                want.sort_unstable();
                assert!(sorted_of(&keys, &rows) == want);
            }
        }
    }

    #[test]
    fn rows_of_a_chunk_are_sorted_by_code() {
        let mut next = random(3);
        for code_max in [0_u32, 1, 255, 256, 70_000, u32::MAX] {
            let codes: Vec<u32> = (0..5000).map(|_| (next() % (u64::from(code_max) + 1)) as u32).collect();
            let mut want: Vec<u64> =
                codes.iter().zip(0..).map(|(&code, row): (_, u64)| u64::from(code) << 16 | row).collect();
            want.sort_unstable();
            assert_eq!(ChunkSorter::default().sort(&codes, 0..5000, code_max), want);
        }
    }
}
