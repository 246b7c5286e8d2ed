//! A column as a key that rows can be sorted by: few levels, ordered as the values are; no value is the lowest.

use super::bits::{Ranks, RowBits};
use super::place::{NOWHERE, Places};
use super::spool::{Reader, Spool};
use crate::error::Result;

/// Levels of a column that has more distinct values than would each get a bitmap.
const BINS: usize = 16;
/// Lists longer than this count as this long.
const LENGTH_MAX: u64 = 254;
/// Numbers that tell the quantiles of all.
const QUANTILES_FROM: usize = 1 << 16;

/// The key of one column, by row of its input.
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
    Codes(&'a Spool, Vec<u32>),
    /// Keys, and the first key of each bin.
    Keys(&'a Spool, Vec<u64>),
    Lengths(&'a Spool),
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

    /// By the level of each provisional code.
    pub(super) fn codes(present: &'a RowBits, codes: &'a Spool, levels_by_code: Vec<u32>) -> Self {
        let levels = levels_by_code.iter().max().map_or(0, |&last| last + 1);
        Self::new(present, Values::Codes(codes, levels_by_code), levels)
    }

    /// By quantiles, as far as a few of the keys tell them.
    pub(super) fn keys(present: &'a RowBits, keys: &'a Spool) -> Result<Self> {
        let mut reader = keys.reader();
        let some = (0..keys.len()).step_by((keys.len() / QUANTILES_FROM).max(1));
        let bounds = quantiles(some.map(|at| reader.get(at)).collect::<Result<_>>()?);
        let levels = bounds.len() as u32 + 1;
        Ok(Self::new(present, Values::Keys(keys, bounds), levels))
    }

    /// By length.
    pub(super) fn lengths(present: &'a RowBits, lengths: &'a Spool) -> Result<Self> {
        let mut longest = 0;
        lengths.each(|length| longest = longest.max(length.min(LENGTH_MAX)))?;
        Ok(Self::new(present, Values::Lengths(lengths), longest as u32 + 1))
    }

    /// How many levels there are, that of no value included.
    pub(super) fn levels(&self) -> u32 {
        self.levels
    }

    /// How many of them stand for no value: 1 or 0.
    pub(super) fn absent(&self) -> u32 {
        self.absent
    }

    /// The level of each of these rows; cheap if rows ascend.
    pub(super) fn levels_at(&self, rows: impl Iterator<Item = u32>, mut f: impl FnMut(u32)) -> Result<()> {
        let mut reader = match &self.values {
            Values::Codes(spool, _) | Values::Keys(spool, _) | Values::Lengths(spool) => Some(spool.reader()),
            Values::Presence | Values::Truths(_) => None,
        };
        for row in rows {
            let Some(at) = self.present.rank(row) else {
                f(0);
                continue;
            };
            let value = reader.as_mut().map_or(Ok(0), |reader: &mut Reader<'_>| reader.get(at as usize))?;
            f(self.absent + self.level(row, value));
        }
        Ok(())
    }

    fn level(&self, row: u32, value: u64) -> u32 {
        match &self.values {
            Values::Presence => 0,
            Values::Truths(truths) => truths.get(row).into(),
            Values::Codes(_, levels) => levels[value as usize],
            Values::Keys(_, bounds) => bounds.partition_point(|&bound| bound <= value) as u32,
            Values::Lengths(_) => value.min(LENGTH_MAX) as u32,
        }
    }
}

/// A key by row of the table.
#[derive(Debug)]
pub(super) enum Key<'a> {
    /// The input's rows are the table's.
    Same(SortKey<'a>),
    /// They are not: the level of each row of the table, rows that the input lacks as if without a value.
    Moved { levels_by_row: Vec<u16>, levels: u32, absent: u32 },
}

impl<'a> Key<'a> {
    pub(super) fn new(key: SortKey<'a>, places: &Places) -> Result<Self> {
        let Some(moved) = places.moved() else { return Ok(Self::Same(key)) };
        // No value must have a level, even if each row of the input has one.
        let more = 1 - key.absent();
        let mut levels_by_row = vec![0_u16; places.table_rows() as usize];
        let mut at = 0;
        key.levels_at(0..moved.len() as u32, |level| {
            if moved[at] != NOWHERE {
                levels_by_row[moved[at] as usize] = (level + more) as u16;
            }
            at += 1;
        })?;
        Ok(Self::Moved { levels_by_row, levels: key.levels() + more, absent: 1 })
    }

    pub(super) fn levels(&self) -> u32 {
        match self {
            Self::Same(key) => key.levels(),
            Self::Moved { levels, .. } => *levels,
        }
    }

    /// How many of the levels stand for no value.
    pub(super) fn absent(&self) -> u32 {
        match self {
            Self::Same(key) => key.absent(),
            Self::Moved { absent, .. } => *absent,
        }
    }

    /// The level of each of these rows of the table, ascending.
    pub(super) fn levels_at(&self, rows: impl Iterator<Item = u32>, mut f: impl FnMut(u32)) -> Result<()> {
        match self {
            Self::Same(key) => key.levels_at(rows, f),
            Self::Moved { levels_by_row, .. } => {
                rows.for_each(|row| f(levels_by_row[row as usize].into()));
                Ok(())
            }
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
