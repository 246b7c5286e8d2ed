//! Two value columns of one type, compared user by user: codes with codes, no value is decoded.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::alignment::Alignment;
use super::dictionaries::Translation;
use super::ranked::Ranked;
use super::rows::{RowSet, each_row};
use crate::bitmap::{Container, Scratch, Set};
use crate::column::{Codes, Layout, ValueColumn};
use crate::error::Result;
use crate::format::records::NO_ROW;
use crate::format::{chunks_of, rows_in_chunk};

/// Columns with a value for fewer than one in so many users are sorted and merged: bits for all users would take longer.
pub(super) const FEW: u32 = 256;

/// How many users a comparison found to differ, of those in both generations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Users who have another value.
    pub changed: u64,
    /// Users who have a value and had none.
    pub got_value: u64,
    /// Users who had a value and have none.
    pub lost_value: u64,
}

impl Changes {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.changed + self.got_value + self.lost_value
    }
}

/// What became of a user's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is another one.
    Changed,
    /// There was none.
    GotValue,
    /// There is none any more.
    LostValue,
}

/// Hears of each row after that differs, from several threads.
pub(super) type Mark<'a> = &'a (dyn Fn(Change, u32) + Sync);

/// Tells whoever listens.
pub(super) fn tell(mark: Option<Mark<'_>>, change: Change, row: u32) {
    if let Some(mark) = mark {
        mark(change, row);
    }
}

/// Compares two columns. Rows are told to `mark` if somebody listens; without, counting who got a value is cheaper.
pub(super) fn compare(
    before: &ValueColumn,
    after: &ValueColumn,
    alignment: &Alignment,
    mark: Option<Mark<'_>>,
) -> Result<Changes> {
    before.check_codes()?;
    after.check_codes()?;
    let translation = Translation::new(before.dictionary(), after.dictionary())?;
    if before.present().max(after.present()) < after.table_rows() / FEW {
        return Ok(compare_few(before, after, alignment, &translation, mark.unwrap_or(&|_, _| ())));
    }
    Ok(compare_many(before, after, alignment, &translation, mark))
}

/// Few values: sorted by the row after, and merged.
fn compare_few(
    before: &ValueColumn,
    after: &ValueColumn,
    alignment: &Alignment,
    translation: &Translation,
    mark: Mark<'_>,
) -> Changes {
    let mut was = Vec::with_capacity(before.present() as usize);
    for_each_present(before, |row, code| {
        was.extend(alignment.after(row).map(|row| (row, translation.code(code))));
    });
    was.sort_unstable();
    let mut changes = Changes::default();
    let mut tell = |change, row| {
        match change {
            Change::Changed => changes.changed += 1,
            Change::GotValue => changes.got_value += 1,
            Change::LostValue => changes.lost_value += 1,
        }
        mark(change, row);
    };
    let mut was = was.into_iter().peekable();
    for_each_present(after, |row, code| {
        while let Some((lost, _)) = was.next_if(|&(old, _)| old < row) {
            tell(Change::LostValue, lost);
        }
        match was.next_if(|&(old, _)| old == row) {
            Some((_, old)) if old == code => {}
            Some(_) => tell(Change::Changed, row),
            None if alignment.known.contains(row) => tell(Change::GotValue, row),
            None => {}
        }
    });
    was.for_each(|(lost, _)| tell(Change::LostValue, lost));
    changes
}

/// Calls `f` with each row that has a value, ascending, and its code.
fn for_each_present(column: &ValueColumn, mut f: impl FnMut(u32, u32)) {
    each_row(column.presence(), column.table_rows(), |row| {
        if let Some(code) = column.code_of_present(row) {
            f(row, code);
        }
    });
}

/// Many values: each user who had one is looked up, chunk by chunk on all cores.
fn compare_many(
    before: &ValueColumn,
    after: &ValueColumn,
    alignment: &Alignment,
    translation: &Translation,
    mark: Option<Mark<'_>>,
) -> Changes {
    let rows = after.table_rows();
    let presence = after.presence().map(|leaf| RowSet::of_leaf(Some(leaf), rows));
    let could_get = presence.as_ref().map_or(alignment.both, |presence| presence.common(&alignment.known));
    let newly = mark.map(|_| {
        let newly = RowSet::of_leaf(after.presence(), rows);
        newly.keep(&alignment.known, true);
        newly
    });
    let lookup = Lookup::new(after, presence);
    let (changed, lost, kept) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    (0..chunks_of(before.table_rows())).into_par_iter().for_each_init(Work::default, |work, chunk| {
        work.take(before, chunk, alignment, translation);
        let (mut here_changed, mut here_lost) = (0, 0);
        lookup.compare(&work.rows, &work.codes, |change, row| {
            let count = if change == Change::LostValue { &mut here_lost } else { &mut here_changed };
            *count += 1;
            tell(mark, change, row);
        });
        if let Some(newly) = &newly {
            work.rows.iter().for_each(|&row| _ = newly.remove(row));
        }
        changed.fetch_add(here_changed, Ordering::Relaxed);
        lost.fetch_add(here_lost, Ordering::Relaxed);
        kept.fetch_add(work.rows.len() as u64 - here_lost, Ordering::Relaxed);
    });
    if let (Some(newly), Some(mark)) = (newly, mark) {
        newly.for_each(|row| mark(Change::GotValue, row));
    }
    let got_value = could_get.saturating_sub(kept.into_inner());
    Changes { changed: changed.into_inner(), got_value, lost_value: lost.into_inner() }
}

/// The users of a chunk before who had a value and are still there: their rows after, and the code after of the value they had.
#[derive(Default)]
struct Work {
    rows: Vec<u32>,
    codes: Vec<u32>,
    scratch: Scratch,
}

impl Work {
    fn take(&mut self, column: &ValueColumn, chunk: u32, alignment: &Alignment, translation: &Translation) {
        self.rows.clear();
        self.codes.clear();
        let (base, len) = (chunk << 16, rows_in_chunk(column.table_rows(), chunk));
        let container = column.presence().map_or(Container::Full, |leaf| leaf.container(chunk));
        let to_after = alignment.slice(base, base + len);
        let Self { rows, codes, scratch } = self;
        let push = |row: u16, code: u32| {
            if let Some(&row) = to_after.get(usize::from(row)).filter(|&&row| row != NO_ROW) {
                rows.push(row);
                codes.push(translation.code(code));
            }
        };
        let set: Set<'_> = container.into();
        // Codes of sparse columns are side by side, those of the others are where their rows are.
        let sparse = column.layout() == Layout::Sparse;
        let first = match column.presence() {
            Some(leaf) if sparse => leaf.entry(chunk).map_or(0, |entry| entry.rank),
            _ => base,
        };
        match column.codes() {
            Codes::U8(codes) => each(&set, len, (sparse, first), at(codes.unchecked()), push),
            Codes::U16(codes) => each(&set, len, (sparse, first), at(codes.unchecked()), push),
            Codes::U32(codes) => each(&set, len, (sparse, first), at(codes.unchecked()), push),
            Codes::None => {
                let truths = column.truths().map_or(Container::Empty, |leaf| leaf.container(chunk));
                let truths: Set<'_> = truths.into();
                let bits = truths.into_bits(len, scratch);
                let bit = |row: u32| Some((bits[(row & 0xffff) as usize / 64] >> (row % 64) & 1) as u32);
                each(&set, len, (sparse, first), bit, push);
                scratch.give(Set::OwnBits(bits));
            }
        }
    }
}

/// Calls `f` with each of a chunk's rows and its code, which is found by rank in a sparse column and else by row, from `first` on.
fn each(
    set: &Set<'_>,
    len: u32,
    (sparse, first): (bool, u32),
    code: impl Fn(u32) -> Option<u32>,
    mut f: impl FnMut(u16, u32),
) {
    let mut rank = 0;
    set.for_each(len, |row| {
        let at = first.saturating_add(if sparse { rank } else { u32::from(row) });
        rank += 1;
        if let Some(code) = code(at) {
            f(row, code);
        }
    });
}

/// A column prepared for finding the codes of rows in any order.
enum Lookup<'a> {
    Dense(&'a Codes, Option<RowSet>),
    Sparse(&'a Codes, Ranked),
    Bits(RowSet, Option<RowSet>),
}

impl<'a> Lookup<'a> {
    fn new(column: &'a ValueColumn, presence: Option<RowSet>) -> Self {
        match (column.layout(), presence) {
            (Layout::Bits, presence) => {
                Self::Bits(RowSet::of_leaf(column.truths(), column.table_rows()), presence)
            }
            (Layout::Sparse, Some(presence)) => Self::Sparse(column.codes(), Ranked::new(presence)),
            (_, presence) => Self::Dense(column.codes(), presence),
        }
    }

    /// Tells the rows whose code is not the one given, or who have none.
    fn compare(&self, rows: &[u32], codes: &[u32], tell: impl FnMut(Change, u32)) {
        use Codes::{U8, U16, U32};
        let with = (rows, codes);
        match self {
            Self::Dense(U8(of), None) => differing(with, at(of.unchecked()), tell),
            Self::Dense(U16(of), None) => differing(with, at(of.unchecked()), tell),
            Self::Dense(U32(of), None) => differing(with, at(of.unchecked()), tell),
            Self::Dense(U8(of), Some(some)) => differing(with, among(at(of.unchecked()), some), tell),
            Self::Dense(U16(of), Some(some)) => differing(with, among(at(of.unchecked()), some), tell),
            Self::Dense(U32(of), Some(some)) => differing(with, among(at(of.unchecked()), some), tell),
            Self::Sparse(U8(of), some) => differing(with, ranked(at(of.unchecked()), some), tell),
            Self::Sparse(U16(of), some) => differing(with, ranked(at(of.unchecked()), some), tell),
            Self::Sparse(U32(of), some) => differing(with, ranked(at(of.unchecked()), some), tell),
            Self::Bits(truths, None) => differing(with, bit(truths), tell),
            Self::Bits(truths, Some(some)) => differing(with, among(bit(truths), some), tell),
            // Codes are missing in layout bits only.
            Self::Dense(Codes::None, _) | Self::Sparse(Codes::None, _) => {}
        }
    }
}

fn bit(truths: &RowSet) -> impl Fn(u32) -> Option<u32> {
    |row| Some(truths.contains(row).into())
}

fn at<T: Copy + Into<u32>>(codes: &[T]) -> impl Fn(u32) -> Option<u32> {
    |at| codes.get(at as usize).map(|&code| code.into())
}

fn among(code: impl Fn(u32) -> Option<u32>, present: &RowSet) -> impl Fn(u32) -> Option<u32> {
    move |row| if present.contains(row) { code(row) } else { None }
}

fn ranked(code: impl Fn(u32) -> Option<u32>, present: &Ranked) -> impl Fn(u32) -> Option<u32> {
    move |row| code(present.rank(row)?)
}

fn differing(
    (rows, codes): (&[u32], &[u32]),
    code_of: impl Fn(u32) -> Option<u32>,
    mut tell: impl FnMut(Change, u32),
) {
    for (&row, &old) in rows.iter().zip(codes) {
        match code_of(row) {
            Some(code) if code == old => {}
            Some(_) => tell(Change::Changed, row),
            None => tell(Change::LostValue, row),
        }
    }
}
