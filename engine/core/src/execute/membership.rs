//! Whether users are in the audience: one at a time, or many, whose waits for memory then overlap.

use super::{Audience, holds};
use crate::column::{GROUP, Ids};
use crate::error::Result;
use crate::format::records::NO_ROW;
use crate::plan::{NodeId, Op, Plan};

/// From this many on it is worth checking all bytes that lookups read rather than those of each one.
const PREPARED_MIN: usize = 256;

impl Audience {
    /// Whether a user is in the audience; `None` for an id that is not in the snapshot, or was erased.
    pub fn contains(&self, user_id: u64) -> Result<Option<bool>> {
        self.snapshot.row_of(user_id)?.map(|row| self.holds(row)).transpose()
    }

    /// The same, but who opted out is in no audience.
    pub fn targets(&self, user_id: u64) -> Result<Option<bool>> {
        let Some(row) = self.snapshot.ids().row(user_id)? else { return Ok(None) };
        match self.snapshot.targetable(row) {
            Some(true) => self.holds(row).map(Some),
            out_or_erased => Ok(out_or_erased),
        }
    }

    /// Whether a row is in the audience.
    pub fn contains_row(&self, row: u32) -> Result<bool> {
        Ok(!self.snapshot.is_erased(row) && self.holds(row)?)
    }

    fn holds(&self, row: u32) -> Result<bool> {
        self.check_bytes()?;
        Ok(holds(&self.plan, self.snapshot.ids(), self.plan.root(), row))
    }

    /// [`Audience::contains`] of many users, in their order: several times faster than one after the other.
    pub fn contains_many(&self, user_ids: &[u64]) -> Result<Vec<Option<bool>>> {
        self.answers(user_ids, false)
    }

    /// [`Audience::targets`] of many users, in their order.
    pub fn targets_many(&self, user_ids: &[u64]) -> Result<Vec<Option<bool>>> {
        self.answers(user_ids, true)
    }

    fn answers(&self, user_ids: &[u64], targets: bool) -> Result<Vec<Option<bool>>> {
        let ids = self.snapshot.ids();
        if user_ids.len() < PREPARED_MIN && !ids.is_prepared() {
            let answer = |&id| if targets { self.targets(id) } else { self.contains(id) };
            return user_ids.iter().map(answer).collect();
        }
        let masked = self.snapshot.masked();
        ids.prepare()?;
        self.check_bytes()?;
        let mut answers = Vec::with_capacity(user_ids.len());
        for wanted in user_ids.chunks(GROUP) {
            let mut rows = [NO_ROW; GROUP];
            ids.rows(wanted, &mut rows)?;
            let mut known = marks(&rows, |row| row != NO_ROW, u32::MAX);
            let mut asked = known;
            if let Some(masked) = &masked {
                known = marks(&rows, |row| !masked.erased.contains(row), known);
                asked = known;
                if targets {
                    asked = marks(&rows, |row| !masked.untargetable.contains(row), known);
                }
            }
            let inside = holding(&self.plan, ids, self.plan.root(), &rows, asked);
            let answer = |at: usize| (known >> at & 1 == 1).then_some(inside >> at & 1 == 1);
            answers.extend((0..wanted.len()).map(answer));
        }
        Ok(answers)
    }
}

/// A bit for each of the rows asked about (`among`) that passes.
fn marks(rows: &[u32; GROUP], passes: impl Fn(u32) -> bool, among: u32) -> u32 {
    let mut found = 0;
    for (at, &row) in rows.iter().enumerate() {
        if among >> at & 1 == 1 {
            found |= u32::from(passes(row)) << at;
        }
    }
    found
}

/// For which of some rows a node holds. Each stored bitmap is asked about all of them before the next.
fn holding(plan: &Plan, ids: &Ids, id: NodeId, rows: &[u32; GROUP], among: u32) -> u32 {
    match &plan.node(id).op {
        Op::Bitmap(leaf) => marks(rows, |row| leaf.contains(row), among),
        Op::NotBitmap(leaf) => marks(rows, |row| !leaf.contains(row), among),
        Op::And(terms) => terms.iter().fold(among, |left, &term| match left {
            0 => 0,
            left => holding(plan, ids, term, rows, left),
        }),
        Op::Or(terms) => terms.iter().fold(0, |found, &term| match among & !found {
            0 => found,
            left => found | holding(plan, ids, term, rows, left),
        }),
        _ => marks(rows, |row| holds(plan, ids, id, row), among),
    }
}
