//! A column as a key that rows can be sorted by: few levels, ordered as the values are; no value is the lowest.

use super::spool::{Ranks, RowBits};

/// Levels of a column that has more distinct values than would each get a bitmap.
const BINS: usize = 16;
/// Lists longer than this count as this long.
const LENGTH_MAX: u32 = 254;

/// The key of one column.
#[derive(Debug)]
pub(super) struct SortKey<'a> {
    present: Ranks<'a>,
    values: Values<'a>,
    levels: u32,
    /// Levels of no value: one, or none if every row has one.
    absent: u32,
}

#[derive(Debug)]
enum Values<'a> {
    /// Whether there is one.
    Presence,
    Truths(&'a RowBits),
    /// Provisional codes, and the level of each.
    Codes16(&'a [u16], Vec<u32>),
    Codes32(&'a [u32], Vec<u32>),
    /// Keys, and the first key of each bin.
    Keys(&'a [u64], Vec<u64>),
    Lengths(&'a [u32]),
}

impl<'a> SortKey<'a> {
    fn new(present: &'a RowBits, values: Values<'a>, levels: u32) -> Self {
        let absent = u32::from(!present.all());
        Self { present: present.ranks(), values, levels: levels + absent, absent }
    }

    /// Whether there is a value.
    pub(super) fn presence(present: &'a RowBits) -> Self {
        Self::new(present, Values::Presence, 1)
    }

    /// False, then true.
    pub(super) fn truths(present: &'a RowBits, truths: &'a RowBits) -> Self {
        Self::new(present, Values::Truths(truths), 2)
    }

    /// By the final code of each provisional one.
    pub(super) fn codes16(present: &'a RowBits, codes: &'a [u16], finals: Vec<u32>) -> Self {
        let levels = finals.iter().max().map_or(0, |&last| last + 1);
        Self::new(present, Values::Codes16(codes, finals), levels)
    }

    /// The same for wider codes.
    pub(super) fn codes32(present: &'a RowBits, codes: &'a [u32], finals: Vec<u32>) -> Self {
        let levels = finals.iter().max().map_or(0, |&last| last + 1);
        Self::new(present, Values::Codes32(codes, finals), levels)
    }

    /// By quantiles, as far as a few of the keys tell them.
    pub(super) fn keys(present: &'a RowBits, keys: &'a [u64]) -> Self {
        let some = keys.iter().step_by((keys.len() / 65_536).max(1)).copied().collect();
        let bounds = quantiles(some);
        let levels = bounds.len() as u32 + 1;
        Self::new(present, Values::Keys(keys, bounds), levels)
    }

    /// By length.
    pub(super) fn lengths(present: &'a RowBits, lengths: &'a [u32]) -> Self {
        let longest = lengths.iter().max().map_or(0, |&length| length.min(LENGTH_MAX));
        Self::new(present, Values::Lengths(lengths), longest + 1)
    }

    /// How many levels there are, that of no value included.
    pub(super) fn levels(&self) -> u32 {
        self.levels
    }

    /// How many of them stand for no value: 1 or 0.
    pub(super) fn absent(&self) -> u32 {
        self.absent
    }

    /// The level of a row.
    pub(super) fn at(&self, row: u32) -> u32 {
        let Some(at) = self.present.rank(row).map(|at| at as usize) else { return 0 };
        self.absent
            + match &self.values {
                Values::Presence => 0,
                Values::Truths(truths) => truths.get(row).into(),
                Values::Codes16(codes, finals) => finals[codes[at] as usize],
                Values::Codes32(codes, finals) => finals[codes[at] as usize],
                Values::Keys(keys, bounds) => bounds.partition_point(|&bound| bound <= keys[at]) as u32,
                Values::Lengths(lengths) => lengths[at].min(LENGTH_MAX),
            }
    }
}

/// The level of each value of a sorted list, by quantiles of their counts.
pub(super) fn levels_of(counts: &[u32]) -> Vec<u32> {
    let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    let mut below = 0;
    let level = |&count: &u32| {
        let level = below * BINS as u64 / total.max(1);
        below += u64::from(count);
        level as u32
    };
    counts.iter().map(level).collect()
}

fn quantiles(mut keys: Vec<u64>) -> Vec<u64> {
    keys.sort_unstable();
    let mut bounds: Vec<u64> =
        (1..BINS).filter_map(|bin| keys.get(keys.len() * bin / BINS).copied()).collect();
    bounds.dedup();
    bounds
}
