//! Sets of rows over a whole table, a bit for each row. Several threads may add and remove rows at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::bitmap::{Container, Leaf, Set, WORDS};
use crate::error::Result;
use crate::format::{chunks_of, rows_in_chunk};
use crate::snapshot::Snapshot;

// Relaxed everywhere: threads are joined before anybody reads what they wrote, and bits do not depend on each other.
const ORDER: Ordering = Ordering::Relaxed;

/// Rows of one table.
#[derive(Debug)]
pub(super) struct RowSet {
    rows: u32,
    words: Box<[AtomicU64]>,
}

impl RowSet {
    /// None of so many rows.
    pub(super) fn empty(rows: u32) -> Self {
        Self { rows, words: (0..rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The rows of a stored bitmap; all rows if there is none. Its bytes must have been checked.
    pub(super) fn of_leaf(leaf: Option<&Leaf>, rows: u32) -> Self {
        let set = Self::empty(rows);
        (0..chunks_of(rows)).into_par_iter().for_each(|chunk| {
            let container = leaf.map_or(Container::Full, |leaf| leaf.container(chunk));
            set.put(chunk, &container.into());
        });
        set
    }

    /// The rows of all users who were not erased.
    pub(super) fn of_users(snapshot: &Snapshot) -> Self {
        let all = Self::of_leaf(None, snapshot.rows());
        if let Some(masked) = snapshot.masked() {
            masked.erased.rows().for_each(|row| _ = all.remove(row));
        }
        all
    }

    /// Puts the rows of one chunk, which nobody else changes meanwhile.
    pub(super) fn put(&self, chunk: u32, of: &Set<'_>) {
        let first = chunk as usize * WORDS;
        let words = self.words.get(first..).unwrap_or_default();
        let rows = rows_in_chunk(self.rows, chunk);
        match of.view() {
            Container::Bits(bits) => words.iter().zip(bits).for_each(|(word, &bits)| word.store(bits, ORDER)),
            Container::Full => {
                let full = words.iter().take((rows / 64) as usize);
                full.for_each(|word| word.store(u64::MAX, ORDER));
                if !rows.is_multiple_of(64)
                    && let Some(last) = words.get((rows / 64) as usize)
                {
                    last.store((1 << (rows % 64)) - 1, ORDER);
                }
            }
            _ => of.for_each(rows, |row| {
                if let Some(word) = words.get(usize::from(row / 64)) {
                    word.store(word.load(ORDER) | 1 << (row % 64), ORDER);
                }
            }),
        }
    }

    pub(super) fn insert(&self, row: u32) {
        if let Some(word) = self.words.get(row as usize / 64) {
            word.fetch_or(1 << (row % 64), ORDER);
        }
    }

    /// Takes a row away; whether it was there.
    pub(super) fn remove(&self, row: u32) -> bool {
        let bit = 1 << (row % 64);
        self.words.get(row as usize / 64).is_some_and(|word| word.fetch_and(!bit, ORDER) & bit != 0)
    }

    pub(super) fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word.load(ORDER) >> (row % 64) & 1 == 1)
    }

    /// How many rows.
    pub(super) fn len(&self) -> u64 {
        self.words.par_iter().with_min_len(WORDS).map(|word| u64::from(word.load(ORDER).count_ones())).sum()
    }

    /// Rows of the table.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// How many rows both have.
    pub(super) fn common(&self, other: &Self) -> u64 {
        let both = self.words.par_iter().zip(&*other.words).with_min_len(WORDS);
        both.map(|(a, b)| u64::from((a.load(ORDER) & b.load(ORDER)).count_ones())).sum()
    }

    /// Keeps the rows that the other set has too, or (`inside` is false) those that it has not.
    pub(super) fn keep(&self, other: &Self, inside: bool) {
        let turn = if inside { 0 } else { u64::MAX };
        for (word, other) in self.words.iter().zip(&*other.words) {
            word.store(word.load(ORDER) & (other.load(ORDER) ^ turn), ORDER);
        }
    }

    /// Calls `f` with each row, on all cores.
    pub(super) fn for_each(&self, f: impl Fn(u32) + Sync) {
        self.words.par_iter().enumerate().with_min_len(WORDS).for_each(|(at, word)| {
            bits_of(word.load(ORDER)).for_each(|bit| f(at as u32 * 64 + bit));
        });
    }

    /// The bits of 64 rows.
    pub(super) fn word(&self, at: usize) -> u64 {
        self.words.get(at).map_or(0, |word| word.load(ORDER))
    }

    /// How many words of 64 rows.
    pub(super) fn words(&self) -> usize {
        self.words.len()
    }
}

/// Calls `f` with each row of a stored bitmap, or with all rows if there is none, ascending. Its bytes must have been checked.
pub(super) fn each_row(leaf: Option<&Leaf>, rows: u32, mut f: impl FnMut(u32)) {
    let Some(leaf) = leaf else { return (0..rows).for_each(f) };
    for entry in leaf.entries() {
        let chunk = u32::from(entry.chunk);
        let set: Set<'_> = leaf.container_of(entry).into();
        set.for_each(rows_in_chunk(rows, chunk), |row| f(chunk << 16 | u32::from(row)));
    }
}

/// The set bits of a word, ascending.
fn bits_of(word: u64) -> impl Iterator<Item = u32> {
    let mut rest = word;
    std::iter::from_fn(move || {
        (rest != 0).then(|| {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            bit
        })
    })
}

/// Users of one generation, as batches of ids in the order of its rows.
#[derive(Debug)]
pub struct Users {
    snapshot: Arc<Snapshot>,
    rows: RowSet,
    next_chunk: u32,
    left: u64,
}

impl Users {
    pub(super) fn new(snapshot: &Arc<Snapshot>, rows: RowSet) -> Self {
        Self { snapshot: Arc::clone(snapshot), rows, next_chunk: 0, left: u64::MAX }
    }

    /// How many there are, whatever the limit.
    pub fn total(&self) -> u64 {
        self.rows.len()
    }

    /// Ends after so many ids.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.left = limit;
        self
    }

    fn chunk(&self, chunk: u32) -> Result<Vec<u64>> {
        let rows = rows_in_chunk(self.rows.rows, chunk);
        let ids = self.snapshot.ids().ids(chunk << 16, (chunk << 16) + rows)?;
        let words = (0..WORDS).map(|at| self.rows.word(chunk as usize * WORDS + at));
        let inside =
            words.enumerate().flat_map(|(at, word)| bits_of(word).map(move |bit| at * 64 + bit as usize));
        Ok(inside.filter_map(|row| ids.get(row).copied()).collect())
    }
}

impl Iterator for Users {
    type Item = Result<Vec<u64>>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 && self.next_chunk < chunks_of(self.rows.rows) {
            let chunk = self.next_chunk;
            self.next_chunk += 1;
            match self.chunk(chunk) {
                Ok(ids) if ids.is_empty() => {}
                Ok(mut ids) => {
                    ids.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.left -= ids.len() as u64;
                    return Some(Ok(ids));
                }
                Err(error) => {
                    self.left = 0;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
