//! Array and map columns: per element or key, who has it, and for maps with which value.

use super::alignment::Alignment;
use super::dictionaries::{Found, merge};
use super::parts::Most;
use super::rows::{RowSet, each_row};
use super::values::{Change, Changes, FEW, Mark, compare, tell};
use crate::bitmap::Leaf;
use crate::column::{ListColumn, MapColumn, Postings, ValueColumn};
use crate::error::Result;

/// Rows after of users who differ.
struct Differing<'a> {
    alignment: &'a Alignment,
    /// In anything.
    any: RowSet,
    /// In whether they have a list or map at all.
    null: RowSet,
}

impl<'a> Differing<'a> {
    fn new(alignment: &'a Alignment, rows: u32) -> Self {
        Self { alignment, any: RowSet::empty(rows), null: RowSet::empty(rows) }
    }

    /// The counts, with `got` and `lost` known; tells who has changed.
    fn finish(self, nulls: Changes, mark: Option<Mark<'_>>) -> Changes {
        self.any.keep(&self.null, false);
        if let Some(mark) = mark {
            self.any.for_each(|row| mark(Change::Changed, row));
        }
        Changes { changed: self.any.len(), ..nulls }
    }
}

/// Compares two array columns: the set of elements, and the length.
pub(super) fn compare_lists(
    before: &ListColumn,
    after: &ListColumn,
    alignment: &Alignment,
    mark: Option<Mark<'_>>,
) -> Result<(Changes, Most)> {
    before.check()?;
    after.check()?;
    let differing = Differing::new(alignment, after.lengths().table_rows());
    let nulls = compare(
        before.lengths(),
        after.lengths(),
        alignment,
        Some(&|change, row| match change {
            Change::Changed => differing.any.insert(row),
            Change::GotValue | Change::LostValue => {
                differing.null.insert(row);
                tell(mark, change, row);
            }
        }),
    )?;
    let parts = merge(
        before.elements(),
        after.elements(),
        || (Most::default(), Vec::new()),
        |(most, rows), found| {
            let (was, is) = match found {
                Found::Both(was, is) => (Some(was), Some(is)),
                Found::Before(was) => (Some(was), None),
                Found::After(is) => (None, Some(is)),
            };
            let (before, after) = (Holders::new(before, was)?, Holders::new(after, is)?);
            most.add(differing.holders(&before, &after, rows), was, is);
            Ok(())
        },
    )?;
    let most = parts.into_iter().fold(Most::default(), |mut most, (part, _)| {
        most.append(part);
        most
    });
    Ok((differing.finish(nulls, mark), most))
}

/// The rows that hold an element.
enum Holders<'a> {
    Few(&'a [u32]),
    Many(Leaf, u32),
}

impl<'a> Holders<'a> {
    /// Of a list column that was checked; nobody of no element.
    fn new(list: &'a ListColumn, code: Option<u32>) -> Result<Self> {
        let Some(code) = code else { return Ok(Self::Few(&[])) };
        if let Some(rows) = list.checked_rows(code) {
            return Ok(Self::Few(rows));
        }
        match list.postings(code)? {
            Postings::Leaf(leaf) => {
                leaf.check()?;
                Ok(Self::Many(leaf, list.lengths().table_rows()))
            }
            // Damaged: neither few rows in their place nor a bitmap.
            Postings::Rows(_) => Ok(Self::Few(&[])),
        }
    }

    fn len(&self) -> u32 {
        match self {
            Self::Few(rows) => rows.len() as u32,
            Self::Many(leaf, _) => leaf.rows(),
        }
    }

    fn for_each(&self, f: impl FnMut(u32)) {
        match self {
            Self::Few(rows) => rows.iter().copied().for_each(f),
            Self::Many(leaf, rows) => each_row(Some(leaf), *rows, f),
        }
    }
}

impl Differing<'_> {
    /// Marks who holds an element in one of the generations only. `sorted` is a buffer.
    fn holders(&self, before: &Holders<'_>, after: &Holders<'_>, sorted: &mut Vec<u32>) -> Changes {
        let most = before.len().max(after.len());
        let (lost_value, got_value) = if most > 1 && most >= self.any.rows() / FEW {
            self.many_holders(before, after)
        } else {
            self.few_holders(before, after, sorted)
        };
        Changes { changed: 0, got_value, lost_value }
    }

    /// With a bit for everybody who holds it after, cleared as they are found to have held it before.
    fn many_holders(&self, before: &Holders<'_>, after: &Holders<'_>) -> (u64, u64) {
        let holding = RowSet::empty(self.any.rows());
        after.for_each(|row| holding.insert(row));
        holding.keep(&self.alignment.known, true);
        let mut lost = 0;
        before.for_each(|row| {
            if let Some(row) = self.alignment.after(row).filter(|&row| !holding.remove(row)) {
                lost += 1;
                self.any.insert(row);
            }
        });
        holding.for_each(|row| self.any.insert(row));
        (lost, holding.len())
    }

    /// Sorted and merged.
    fn few_holders(&self, before: &Holders<'_>, after: &Holders<'_>, sorted: &mut Vec<u32>) -> (u64, u64) {
        sorted.clear();
        before.for_each(|row| sorted.extend(self.alignment.after(row)));
        sorted.sort_unstable();
        let (mut lost, mut got) = (0, 0);
        let mut was = sorted.iter().copied().peekable();
        after.for_each(|row| {
            while let Some(old) = was.next_if(|&old| old < row) {
                lost += 1;
                self.any.insert(old);
            }
            if was.next_if_eq(&row).is_none() && self.alignment.known.contains(row) {
                got += 1;
                self.any.insert(row);
            }
        });
        was.for_each(|old| {
            lost += 1;
            self.any.insert(old);
        });
        (lost, got)
    }
}

/// Compares two map columns: the keys, and the value under each.
pub(super) fn compare_maps(
    before: &MapColumn,
    after: &MapColumn,
    alignment: &Alignment,
    mark: Option<Mark<'_>>,
) -> Result<(Changes, Most)> {
    let differing = Differing::new(alignment, after.table_rows());
    let nulls = differing.presences(before, after, mark)?;
    let tell = |_, row| differing.any.insert(row);
    let parts = merge(before.keys(), after.keys(), Most::default, |most, found| {
        match found {
            Found::Both(was, is) => {
                let (before, after) = (before.column(was)?, after.column(is)?);
                most.add(compare(&before, &after, alignment, Some(&tell))?, Some(was), Some(is));
            }
            Found::Before(was) => {
                let lost_value = differing.all(&before.column(was)?, |row| alignment.after(row))?;
                most.add(Changes { lost_value, ..Changes::default() }, Some(was), None);
            }
            Found::After(is) => {
                let known = |row| Some(row).filter(|&row| alignment.known.contains(row));
                let got_value = differing.all(&after.column(is)?, known)?;
                most.add(Changes { got_value, ..Changes::default() }, None, Some(is));
            }
        }
        Ok(())
    })?;
    let most = parts.into_iter().fold(Most::default(), |mut most, part| {
        most.append(part);
        most
    });
    Ok((differing.finish(nulls, mark), most))
}

impl Differing<'_> {
    /// Marks everybody who has a value in a column, as far as they are in both generations. Tells how many.
    fn all(&self, column: &ValueColumn, row_after: impl Fn(u32) -> Option<u32>) -> Result<u64> {
        column.presence().map_or(Ok(()), Leaf::check)?;
        let mut count = 0;
        each_row(column.presence(), column.table_rows(), |row| {
            if let Some(row) = row_after(row) {
                count += 1;
                self.any.insert(row);
            }
        });
        Ok(count)
    }

    /// Who has a map in one of the generations only.
    fn presences(&self, before: &MapColumn, after: &MapColumn, mark: Option<Mark<'_>>) -> Result<Changes> {
        before.presence().map_or(Ok(()), Leaf::check)?;
        after.presence().map_or(Ok(()), Leaf::check)?;
        let mut changes = Changes::default();
        if before.presence().is_none() && after.presence().is_none() {
            return Ok(changes);
        }
        let (rows_before, rows) = (before.table_rows(), after.table_rows());
        let was = RowSet::empty(rows);
        RowSet::of_leaf(before.presence(), rows_before).for_each(|row| {
            if let Some(row) = self.alignment.after(row) {
                was.insert(row);
            }
        });
        let is = RowSet::of_leaf(after.presence(), rows);
        is.keep(&self.alignment.known, true);
        let both = was.common(&is);
        (changes.lost_value, changes.got_value) = (was.len() - both, is.len() - both);
        for (here, there, change) in [(&was, &is, Change::LostValue), (&is, &was, Change::GotValue)] {
            here.for_each(|row| {
                if !there.contains(row) {
                    self.null.insert(row);
                    tell(mark, change, row);
                }
            });
        }
        Ok(changes)
    }
}
