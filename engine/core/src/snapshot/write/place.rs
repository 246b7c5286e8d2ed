//! Where the rows of an input go: an input's rows are collected in the order they come, and numbered at the end.
//!
//! All that is read afterwards is read in the order it came and put where it belongs, so that it can be on disk.

use std::borrow::Cow;

use super::bits::{Ones, RowBits};
use super::spool::{Reader, Spool};
use crate::error::{Error, Result};

/// The place of a row that is left out.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The row of the table that each row of an input became.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// Rows of the table.
    table_rows: u32,
    /// By row of the input; `None` if each kept its number.
    by_row: Option<Vec<u32>>,
    /// Whether some are [`NOWHERE`].
    drops: bool,
}

impl Places {
    /// Each row keeps its number.
    pub(super) fn same(table_rows: u32) -> Self {
        Self { table_rows, by_row: None, drops: false }
    }

    /// The place of each row.
    pub(super) fn new(table_rows: u32, places: Vec<u32>) -> Self {
        let drops = places.contains(&NOWHERE);
        Self { table_rows, by_row: Some(places), drops }
    }

    /// After these, the table's rows are moved to `next`.
    pub(super) fn then(self, next: &[u32]) -> Self {
        let places = match self.by_row {
            None => next.to_vec(),
            Some(mut places) => {
                places.iter_mut().filter(|place| **place != NOWHERE).for_each(|p| *p = next[*p as usize]);
                places
            }
        };
        Self { by_row: Some(places), ..self }
    }

    pub(super) fn table_rows(&self) -> u32 {
        self.table_rows
    }

    /// Whether rows of the input are left out.
    pub(super) fn drops(&self) -> bool {
        self.drops
    }

    /// The places by row; `None` if each row keeps its number.
    pub(super) fn moved(&self) -> Option<&[u32]> {
        self.by_row.as_deref()
    }

    /// The place of a row.
    pub(super) fn of(&self, row: u32) -> u32 {
        self.by_row.as_ref().map_or(row, |places| places[row as usize])
    }

    /// Marks where they belong.
    pub(super) fn bits<'a>(&self, bits: &'a RowBits) -> Cow<'a, RowBits> {
        let Some(places) = &self.by_row else { return Cow::Borrowed(bits) };
        let mut moved = RowBits::none(self.table_rows as usize);
        for row in bits.iter() {
            let place = places[row as usize];
            if place != NOWHERE {
                moved.set(place);
            }
        }
        Cow::Owned(moved)
    }

    /// Values with the rows of the table that own them, in the order they came, a slice at a time.
    pub(super) fn each_owned(
        &self,
        owners: &Owners<'_>,
        values: &Spool,
        f: &mut dyn FnMut(&[u64], &[u32]),
    ) -> Result<()> {
        let (mut rows, mut kept, mut owned) = (Vec::new(), Vec::new(), 0);
        let mut reader = owners.reader();
        let mut failed = Ok(());
        values.each_slice(|values| {
            if failed.is_err() {
                return;
            }
            rows.clear();
            if let Err(error) = reader.fill(values.len(), &mut rows) {
                failed = Err(error);
                return;
            }
            owned += rows.len();
            if let Some(moved) = &self.by_row {
                for row in &mut rows {
                    *row = moved[*row as usize];
                }
            }
            if !self.drops {
                return f(values, &rows[..]);
            }
            kept.clear();
            kept.extend(
                values.iter().zip(&rows).filter(|(_, row)| **row != NOWHERE).map(|(value, _)| *value),
            );
            rows.retain(|&row| row != NOWHERE);
            f(&kept, &rows);
        })?;
        failed?;
        if owned == values.len() {
            return Ok(());
        }
        Err(Error::input(
            "values that were set aside on disk could not be read back; check the disk and build again",
        ))
    }
}

/// The rows of an input that own the values of a column, in the order of the values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owners<'a> {
    /// Each of these rows owns one.
    One(&'a RowBits),
    /// Each of these rows owns so many.
    Many(&'a RowBits, &'a Spool),
}

/// Owners, one after the other.
#[derive(Debug)]
pub(super) enum OwnersReader<'a> {
    One(Ones<'a>),
    Many {
        rows: Ones<'a>,
        counts: Reader<'a>,
        /// Rows that were begun.
        nth: usize,
        row: u32,
        /// Values of that row that are left.
        left: usize,
    },
}

impl<'a> Owners<'a> {
    pub(super) fn reader(&self) -> OwnersReader<'a> {
        match *self {
            Self::One(rows) => OwnersReader::One(rows.iter()),
            Self::Many(rows, counts) => {
                OwnersReader::Many { rows: rows.iter(), counts: counts.reader(), nth: 0, row: 0, left: 0 }
            }
        }
    }
}

impl OwnersReader<'_> {
    /// Appends the owners of the next values, as many as there are of so many.
    pub(super) fn fill(&mut self, count: usize, out: &mut Vec<u32>) -> Result<()> {
        match self {
            Self::One(rows) => rows.fill(count, out),
            Self::Many { rows, counts, nth, row, left } => {
                let end = out.len() + count;
                while out.len() < end {
                    if *left == 0 {
                        let Some(next) = rows.next() else { break };
                        *row = next;
                        *left = counts.get(*nth)? as usize;
                        *nth += 1;
                    }
                    let some = (*left).min(end - out.len());
                    out.extend(std::iter::repeat_n(*row, some));
                    *left -= some;
                }
            }
        }
        Ok(())
    }
}
