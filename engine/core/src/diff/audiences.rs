//! One rule in two generations: who entered its audience, who left, who stayed.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::Diff;
use super::rows::{RowSet, Users};
use crate::error::{Error, Result};
use crate::execute::Audience;

/// How an audience came from what it was to what it is. `before - left_gone - left_changed` is `stayed`, and
/// `stayed + entered_added + entered_changed` is `after`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Movement {
    /// Users before.
    pub before: u64,
    /// Users after.
    pub after: u64,
    /// Users before and after.
    pub stayed: u64,
    /// Users who entered: all of them.
    pub entered: u64,
    /// Users who entered and are new in the table.
    pub entered_added: u64,
    /// Users who entered and were in the table, but not in the audience.
    pub entered_changed: u64,
    /// Users who left: all of them.
    pub left: u64,
    /// Users who left and are not in the table any more.
    pub left_gone: u64,
    /// Users who left and are still in the table.
    pub left_changed: u64,
}

/// Some of the users that a difference is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// In the audience now, and new in the table.
    Added,
    /// In the audience before, and no longer in the table.
    Gone,
    /// In the audience now, and not before.
    Entered,
    /// The same, without those who are new in the table.
    EnteredChanged,
    /// In the audience before, and not now.
    Left,
    /// The same, without those who are no longer in the table.
    LeftChanged,
    /// In the audience before and now.
    Stayed,
}

/// A rule's audience before and its audience after.
pub type Audiences<'a> = (&'a Audience, &'a Audience);

impl Diff {
    /// How a rule's audience has moved.
    pub fn movement(&self, of: Audiences<'_>) -> Result<Movement> {
        self.check_generations(of)?;
        let now = self.rows_of(of.1)?;
        let (before, stayed, gone) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        // All of them from one pass, so that they belong together though somebody is erased meanwhile.
        if of.0.plan().known_count() != Some(0) {
            of.0.for_each_chunk(|chunk, set, rows| {
                let base = chunk << 16;
                let to_after = self.alignment.slice(base, base + rows);
                let (mut here_stayed, mut here_found) = (0, 0);
                set.for_each(rows, |row| {
                    // `NO_ROW` is a row of no table, so it is in no set.
                    let row = to_after.get(usize::from(row)).copied().unwrap_or(u32::MAX);
                    here_stayed += u64::from(now.contains(row));
                    here_found += u64::from(row != u32::MAX);
                });
                before.fetch_add(set.count(rows).into(), Ordering::Relaxed);
                stayed.fetch_add(here_stayed, Ordering::Relaxed);
                gone.fetch_add(u64::from(set.count(rows)) - here_found, Ordering::Relaxed);
            })?;
        }
        let (before, after) = (before.into_inner(), now.len());
        let (stayed, left_gone) = (stayed.into_inner(), gone.into_inner());
        let known_now = now.common(&self.alignment.known);
        // Saturating, because damaged bytes may count what they do not have.
        Ok(Movement {
            before,
            after,
            stayed,
            entered: after.saturating_sub(stayed),
            entered_added: after.saturating_sub(known_now),
            entered_changed: known_now.saturating_sub(stayed),
            left: before.saturating_sub(stayed),
            left_gone,
            left_changed: before.saturating_sub(stayed + left_gone),
        })
    }

    /// Some of the users who moved, of one rule; without a rule, of the whole table, where nobody but the added and the gone does.
    pub fn users(&self, which: Moved, of: Option<Audiences<'_>>) -> Result<Users> {
        if let Some(of) = of {
            self.check_generations(of)?;
        }
        let now = match of {
            Some((_, after)) => self.rows_of(after)?,
            None => RowSet::of_users(&self.after),
        };
        match which {
            Moved::Added => {
                now.keep(&self.alignment.known, false);
                Ok(Users::new(&self.after, now))
            }
            Moved::Entered | Moved::EnteredChanged => {
                self.for_each_before(of, |_, after| {
                    if let Some(row) = after {
                        now.remove(row);
                    }
                })?;
                if which == Moved::EnteredChanged {
                    now.keep(&self.alignment.known, true);
                }
                Ok(Users::new(&self.after, now))
            }
            Moved::Stayed => {
                let stayed = RowSet::empty(self.after.rows());
                self.for_each_before(of, |_, after| {
                    if let Some(row) = after.filter(|&row| now.contains(row)) {
                        stayed.insert(row);
                    }
                })?;
                Ok(Users::new(&self.after, stayed))
            }
            Moved::Gone | Moved::Left | Moved::LeftChanged => {
                let left = RowSet::empty(self.before.rows());
                self.for_each_before(of, |row, after| {
                    let moved = match after {
                        None => which != Moved::LeftChanged,
                        Some(after) => which != Moved::Gone && !now.contains(after),
                    };
                    if moved {
                        left.insert(row);
                    }
                })?;
                Ok(Users::new(&self.before, left))
            }
        }
    }

    /// Calls `f` with each member before, by the row before, and the row after if the user is still there.
    fn for_each_before(&self, of: Option<Audiences<'_>>, f: impl Fn(u32, Option<u32>) + Sync) -> Result<()> {
        let Some((before, _)) = of else {
            RowSet::of_users(&self.before).for_each(|row| f(row, self.alignment.after(row)));
            return Ok(());
        };
        before.for_each_chunk(|chunk, set, rows| {
            set.for_each(rows, |row| {
                let row = chunk << 16 | u32::from(row);
                f(row, self.alignment.after(row));
            });
        })
    }

    fn rows_of(&self, audience: &Audience) -> Result<RowSet> {
        let rows = RowSet::empty(self.after.rows());
        audience.for_each_chunk(|chunk, set, _| rows.put(chunk, set))?;
        Ok(rows)
    }

    fn check_generations(&self, (before, after): Audiences<'_>) -> Result<()> {
        let ours = (self.before.generation(), self.after.generation());
        let theirs = (before.snapshot().generation(), after.snapshot().generation());
        if ours == theirs {
            return Ok(());
        }
        Err(Error::input(format!(
            "audiences of generations {} and {} cannot be compared in a difference of {} and {}",
            theirs.0, theirs.1, ours.0, ours.1
        )))
    }
}
