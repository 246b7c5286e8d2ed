//! Which columns to order rows by, so that bitmaps are small.
//!
//! A sample of the rows stands for the table: its bitmaps are measured under an order as they would be stored. Columns are
//! added one after the other, each time the one that saves most bytes for each bit of entropy it uses up: a table of n rows can be split
//! log2(n) times, and then all rows are alone with their values. So flags and counts with few values come first, which is also
//! what makes whole chunks empty or full, and those with many values follow while they still have rows to split.

use std::collections::HashMap;

use rayon::prelude::*;

use super::bits::RowBits;
use super::builder::Builder;
use super::place::{Owners, Places};
use super::sort_key::Key;
use super::spool::Spool;
use crate::bitmap::kernel::rows_and_runs;
use crate::error::Result;
use crate::format::CHUNK_ROWS;

/// Rows of the sample. Two chunks: enough to see what each one turns into.
const SAMPLE_ROWS: u32 = 1 << 17;
/// Neighbours that are taken together: entries of lists and maps are then found by one search.
const BLOCK_ROWS: u32 = 64;
/// A column that saves a smaller share of all bytes is not worth a place.
const SAVED_MIN: f64 = 0.001;
/// Added to the bits that a column uses up: flags that few users have use up next to nothing, and save next to nothing.
const BITS_MORE: f64 = 0.25;
/// Columns tried in each round, best of the last round first.
const TRIED: usize = 8;
/// List elements and map keys that fewer rows of the sample hold are not looked at: they are short anyway.
const HELD_MIN: usize = 1024;
/// What another order than that of ids costs: the rows in id order.
const BYTES_PER_ROW: f64 = 4.0;

/// Some of the rows, ascending.
#[derive(Debug)]
pub(super) struct Sample {
    rows: Vec<u32>,
}

impl Sample {
    /// Of a table with so many rows: all, or blocks that are spread evenly.
    pub(super) fn of(rows: u32) -> Self {
        if rows <= SAMPLE_ROWS {
            return Self { rows: (0..rows).collect() };
        }
        let blocks = SAMPLE_ROWS / BLOCK_ROWS;
        let start = |block: u32| (u64::from(block) * u64::from(rows - BLOCK_ROWS) / u64::from(blocks)) as u32;
        Self { rows: (0..blocks).flat_map(|block| start(block)..start(block) + BLOCK_ROWS).collect() }
    }

    /// The rows.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The positions in the sample of the rows that hold each thing, of things that enough of them hold. `owners` are the
    /// rows of the things.
    pub(super) fn holders(
        &self,
        owners: &Owners<'_>,
        things: &Spool,
        places: &Places,
    ) -> Result<Vec<Vec<u32>>> {
        let mut sampled = RowBits::none(places.table_rows() as usize);
        for &row in &self.rows {
            sampled.set(row);
        }
        let positions = sampled.ranks();
        let mut held: HashMap<u64, Vec<u32>> = HashMap::new();
        places.each_owned(owners, things, &mut |things, rows| {
            for (&thing, &row) in things.iter().zip(rows) {
                if let Some(position) = positions.rank(row) {
                    held.entry(thing).or_default().push(position);
                }
            }
        })?;
        let mut held: Vec<(u64, Vec<u32>)> = held.into_iter().collect();
        held.retain(|(_, rows)| rows.len() >= HELD_MIN.min(self.rows.len() / 64));
        held.sort_unstable_by_key(|(thing, _)| *thing);
        Ok(held.into_iter().map(|(_, rows)| rows).collect())
    }
}

/// A column that rows could be ordered by.
struct Candidate<'a> {
    column: usize,
    key: Key<'a>,
    /// Its level in each row of the sample.
    levels: Vec<u32>,
    /// Bytes saved when it was last tried.
    saves: f64,
    /// The same for each bit.
    worth: f64,
}

/// The sample in an order: positions sorted by group, and each one's group.
#[derive(Clone)]
struct Grouped {
    positions: Vec<u32>,
    groups: Vec<u32>,
    bits: f64,
}

impl Grouped {
    fn new(rows: usize) -> Self {
        Self { positions: (0..rows as u32).collect(), groups: vec![0; rows], bits: 0.0 }
    }

    /// Splits each group by level.
    fn split(&self, levels: &[u32], level_count: u32) -> Self {
        // Two counting sorts, least significant first.
        let by_level = counting_sort(&self.positions, levels, level_count);
        let groups = self.groups.iter().max().map_or(0, |last| last + 1);
        let positions = counting_sort(&by_level, &self.groups, groups);
        let mut split = vec![0; positions.len()];
        let (mut group, mut held, mut bits, mut last) = (0, 0.0_f64, 0.0, None);
        let total = positions.len() as f64;
        for &position in &positions {
            let here = Some((self.groups[position as usize], levels[position as usize]));
            if here != last && held > 0.0 {
                group += 1;
                bits += held / total * (total / held).log2();
                held = 0.0;
            }
            (last, held) = (here, held + 1.0);
            split[position as usize] = group;
        }
        if held > 0.0 {
            bits += held / total * (total / held).log2();
        }
        Self { positions, groups: split, bits }
    }
}

fn counting_sort(positions: &[u32], keys: &[u32], key_count: u32) -> Vec<u32> {
    let mut next = vec![0_u32; key_count as usize + 1];
    for &position in positions {
        next[keys[position as usize] as usize + 1] += 1;
    }
    for key in 0..key_count as usize {
        next[key + 1] += next[key];
    }
    let mut sorted = vec![0; positions.len()];
    for &position in positions {
        let at = &mut next[keys[position as usize] as usize];
        sorted[*at as usize] = position;
        *at += 1;
    }
    sorted
}

/// The columns to order by, with their keys; none if no order saves more than it costs.
pub(super) fn choose<'a>(
    columns: &'a [Builder],
    places: &(dyn Fn(usize) -> &'a Places + Sync),
    sample: &Sample,
) -> Result<Vec<(usize, Key<'a>)>> {
    let sampled = |column: usize| -> Result<Option<Candidate<'a>>> {
        let Some(key) = columns[column].sort_key()? else { return Ok(None) };
        let key = Key::new(key, places(column))?;
        let mut levels = Vec::with_capacity(sample.rows().len());
        key.levels_at(sample.rows().iter().copied(), |level| levels.push(level))?;
        let candidate = Candidate { column, key, levels, saves: 0.0, worth: 0.0 };
        Ok(Some(candidate).filter(|candidate| candidate.key.levels() > 1))
    };
    let tried: Vec<Option<Candidate<'a>>> =
        (0..columns.len()).into_par_iter().map(sampled).collect::<Result<_>>()?;
    let mut left: Vec<Candidate<'a>> = tried.into_iter().flatten().collect();
    let leaves = leaves_of(columns, places, sample, &left)?;
    let mut order = Grouped::new(sample.rows().len());
    let as_given = bytes_of(&leaves, &order) as f64;
    let (mut bytes, mut chosen) = (as_given, Vec::new());
    loop {
        // What a column was worth before others were chosen is a good guess of what it is worth now.
        let tried = if chosen.is_empty() { left.len() } else { TRIED.min(left.len()) };
        let splits: Vec<(Grouped, f64)> = left[..tried]
            .par_iter()
            .map(|candidate| {
                let split = order.split(&candidate.levels, candidate.key.levels());
                let bytes = bytes_of(&leaves, &split) as f64;
                (split, bytes)
            })
            .collect();
        for (candidate, (split, after)) in left.iter_mut().zip(&splits) {
            candidate.saves = bytes - after;
            candidate.worth = candidate.saves / (split.bits - order.bits + BITS_MORE);
        }
        let best = (0..tried).max_by(|&a, &b| left[a].worth.total_cmp(&left[b].worth));
        let Some(best) = best.filter(|&best| left[best].saves > as_given * SAVED_MIN) else { break };
        (order, bytes) = splits.into_iter().nth(best).unwrap_or((order, bytes));
        chosen.push(left.remove(best));
        left.sort_by(|a, b| b.worth.total_cmp(&a.worth));
    }
    if as_given - bytes <= BYTES_PER_ROW * sample.rows().len() as f64 {
        return Ok(Vec::new());
    }
    // The table has more rows than the sample, and so more to split: by what was worth most when last tried.
    chosen.extend(left.into_iter().filter(|candidate| candidate.saves > as_given * SAVED_MIN));
    Ok(chosen.into_iter().map(|candidate| (candidate.column, candidate.key)).collect())
}

/// The sample's bitmaps: values of columns that have a bitmap for each, presences, elements, map keys.
fn leaves_of<'a>(
    columns: &'a [Builder],
    places: &(dyn Fn(usize) -> &'a Places + Sync),
    sample: &Sample,
    candidates: &[Candidate<'_>],
) -> Result<Vec<Vec<u32>>> {
    let each = columns.par_iter().enumerate();
    let held: Vec<Vec<Vec<u32>>> =
        each.map(|(column, builder)| builder.holders(sample, places(column))).collect::<Result<_>>()?;
    let values = candidates.par_iter().flat_map_iter(|candidate| {
        let mut by_level = vec![Vec::new(); candidate.key.levels() as usize];
        for (position, &level) in (0..).zip(&candidate.levels) {
            by_level[level as usize].push(position);
        }
        // The rows without a value are stored as those with one, which takes about as many bytes.
        let stored =
            if columns[candidate.column].has_leaves() { usize::MAX } else { candidate.key.absent() as usize };
        by_level.into_iter().take(stored)
    });
    let leaves = held.into_par_iter().flatten_iter().chain(values);
    Ok(leaves.filter(|rows| !rows.is_empty()).collect())
}

/// Bytes of the leaves under an order, each chunk's in the smallest container.
fn bytes_of(leaves: &[Vec<u32>], order: &Grouped) -> u64 {
    let mut place = vec![0; order.positions.len()];
    for (at, &position) in (0_u32..).zip(&order.positions) {
        place[position as usize] = at;
    }
    let words = place.len().div_ceil(64);
    leaves
        .par_iter()
        .map_init(
            || vec![0_u64; words],
            |bits, rows| {
                bits.fill(0);
                for &row in rows {
                    let at = place[row as usize];
                    bits[at as usize / 64] |= 1 << (at % 64);
                }
                bits.chunks(CHUNK_ROWS as usize / 64).map(container_bytes).sum::<u64>()
            },
        )
        .sum()
}

/// What one chunk's container takes at least: an array, bits or runs.
fn container_bytes(bits: &[u64]) -> u64 {
    let (rows, runs) = rows_and_runs(bits);
    (u64::from(rows) * 2).min(8 * bits.len() as u64).min(u64::from(runs) * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_sorts_by_group_and_level() {
        let order = Grouped::new(6).split(&[1, 0, 1, 0, 1, 0], 2);
        assert_eq!((order.positions.as_slice(), order.bits), (&[1, 3, 5, 0, 2, 4][..], 1.0));
        let order = order.split(&[0, 2, 1, 1, 0, 0], 3);
        assert_eq!(order.positions, [5, 3, 1, 0, 4, 2]);
        assert_eq!(order.groups, [3, 2, 4, 1, 3, 0]);
    }

    #[test]
    fn a_sample_is_spread_over_the_table() {
        assert_eq!(Sample::of(5).rows(), [0, 1, 2, 3, 4]);
        let sample = Sample::of(10_000_000);
        assert_eq!(sample.rows().len() as u32, SAMPLE_ROWS);
        assert!(sample.rows().is_sorted_by(|a, b| a < b) && sample.rows().last() > Some(&9_990_000));
        let mut things = Spool::default();
        things.extend((0..10_000_000).step_by(2).map(|row| row % 4));
        let mut owning = RowBits::default();
        owning.extend_by(10_000_000, |row| row % 2 == 0);
        let owners = Owners::One(&owning);
        let held = sample.holders(&owners, &things, &Places::same(10_000_000)).unwrap();
        let places = Places::new(10_000_000, (0..10_000_000).collect());
        assert!(held == sample.holders(&owners, &things, &places).unwrap());
        assert_eq!((held.len(), held[0].len() + held[1].len()), (2, SAMPLE_ROWS as usize / 2));
    }

    #[test]
    fn containers_take_what_is_smallest() {
        let mut bits = vec![0; 1024];
        assert_eq!(container_bytes(&bits), 0);
        (bits[3], bits[9]) = (0b1010, 1 << 63);
        assert_eq!(container_bytes(&bits), 6);
        bits.fill(u64::MAX);
        assert_eq!(container_bytes(&bits), 4);
        bits.fill(0x5555_5555_5555_5555);
        assert_eq!(container_bytes(&bits), 8192);
    }
}
