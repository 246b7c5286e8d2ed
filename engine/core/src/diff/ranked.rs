//! Rows with a value, and how many of them are below a row: where a sparse column has a row's code.

use super::rows::RowSet;

/// Words of 64 rows between two running counts.
const STRIDE: usize = 8;

/// A set of rows that tells ranks in constant time.
#[derive(Debug)]
pub(super) struct Ranked {
    rows: RowSet,
    /// Rows before each eighth word.
    below: Vec<u32>,
}

impl Ranked {
    pub(super) fn new(rows: RowSet) -> Self {
        let mut below = Vec::with_capacity(rows.words().div_ceil(STRIDE));
        let mut sum = 0;
        for at in 0..rows.words() {
            if at % STRIDE == 0 {
                below.push(sum);
            }
            sum += rows.word(at).count_ones();
        }
        Self { rows, below }
    }

    /// How many rows are below a row, if it is one of them itself.
    pub(super) fn rank(&self, row: u32) -> Option<u32> {
        let at = row as usize / 64;
        let word = self.rows.word(at);
        if word >> (row % 64) & 1 == 0 {
            return None;
        }
        let between: u32 = (at / STRIDE * STRIDE..at).map(|at| self.rows.word(at).count_ones()).sum();
        let inside = (word & ((1 << (row % 64)) - 1)).count_ones();
        self.below.get(at / STRIDE).map(|below| below + between + inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_counts() {
        let rows = RowSet::empty(5_000);
        let inside: Vec<u32> = (0..5_000).filter(|row| row % 7 == 3 || (600..700).contains(row)).collect();
        for &row in &inside {
            rows.insert(row);
        }
        let ranked = Ranked::new(rows);
        for row in 0..5_100 {
            assert_eq!(ranked.rank(row), inside.binary_search(&row).ok().map(|at| at as u32), "{row}");
        }
    }
}
