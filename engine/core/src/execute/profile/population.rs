//! How many users in all have each value of a column: what the index tells, without those who were erased.

use std::ops::Range;

use super::held::Held;
use super::tally;
use crate::column::ValueColumn;
use crate::error::Result;

/// All users by the codes of a column.
#[derive(Debug)]
pub(super) struct Population {
    column: ValueColumn,
    /// Codes of erased users, ascending, and how many of them have each.
    gone: Vec<(u32, u32)>,
}

impl Population {
    /// Of a column; `erased` are no users.
    pub(super) fn new(column: ValueColumn, erased: &Held) -> Result<Self> {
        let gone = if erased.len() > 0 {
            column.check_codes()?;
            tally::gathered(&column, erased)
        } else {
            Vec::new()
        };
        Ok(Self { column, gone })
    }

    /// The column.
    pub(super) fn column(&self) -> &ValueColumn {
        &self.column
    }

    fn gone(&self, codes: &Range<u32>) -> &[(u32, u32)] {
        tally::within(&self.gone, codes)
    }

    /// How many users have one of these codes.
    pub(super) fn between(&self, codes: Range<u32>) -> Result<u64> {
        let rows = self.column.rows_between(codes.start, codes.end)?;
        let gone = self.gone(&codes).iter().map(|&(_, count)| u64::from(count)).sum();
        Ok(rows.saturating_sub(gone))
    }

    /// The code of the user at a place when all are in the order of their codes.
    pub(super) fn code_at(&self, place: u64) -> Result<u32> {
        self.column.dictionary().search(|code| Ok(self.between(0..code + 1)? <= place))
    }

    /// Calls `f` with each of these codes that some user has, ascending, and how many do. The column's totals must have
    /// been checked.
    pub(super) fn for_each(&self, codes: Range<u32>, mut f: impl FnMut(u32, u32)) {
        let mut gone = self.gone(&codes);
        self.column.for_each_total(codes, |code, mut rows| {
            if let [(next, count), rest @ ..] = gone
                && *next == code
            {
                rows = rows.saturating_sub(*count);
                gone = rest;
            }
            if rows > 0 {
                f(code, rows);
            }
        });
    }
}
