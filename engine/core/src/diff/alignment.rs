//! Which row of the newer generation is the same user as a row of the older one. Built once; everything else is about rows.

use rayon::prelude::*;

use super::rows::RowSet;
use crate::column::{GROUP, Ids};
use crate::error::Result;
use crate::format::records::NO_ROW;
use crate::snapshot::Snapshot;

/// Rows that one thread looks up at a time.
const TOGETHER: usize = 1 << 14;
/// How far behind the user before a user is looked for: the ids in about one cache line.
const NEAR: usize = 6;

/// The users that two generations have in common.
#[derive(Debug)]
pub(super) struct Alignment {
    /// For each row before, the user's row after, or `NO_ROW`.
    to_after: Vec<u32>,
    /// The rows after whose users were there before.
    pub(super) known: RowSet,
    /// How many those are.
    pub(super) both: u64,
}

impl Alignment {
    pub(super) fn new(before: &Snapshot, after: &Snapshot) -> Result<Self> {
        let ids = after.ids();
        ids.prepare()?;
        // Who was erased is in neither generation.
        let masked = after.masked();
        let mut to_after = vec![NO_ROW; before.rows() as usize];
        let known = RowSet::empty(after.rows());
        let all_after = ids.ids(0, after.rows())?;
        to_after.par_chunks_mut(TOGETHER).enumerate().try_for_each(|(part, rows)| {
            let first = (part * TOGETHER) as u32;
            let wanted = before.ids().ids(first, first + rows.len() as u32)?;
            find(wanted, rows, ids, all_after)?;
            if let Some(masked) = &masked {
                let gone = rows.iter_mut().filter(|row| masked.erased.contains(**row));
                gone.for_each(|row| *row = NO_ROW);
            }
            rows.iter().filter(|&&row| row != NO_ROW).for_each(|&row| known.insert(row));
            Ok::<_, crate::error::Error>(())
        })?;
        let both = known.len();
        Ok(Self { to_after, known, both })
    }

    /// The row after of a row before, if the user is still there.
    pub(super) fn after(&self, row: u32) -> Option<u32> {
        self.to_after.get(row as usize).copied().filter(|&row| row != NO_ROW)
    }

    /// The same of rows `from..to`, with `NO_ROW` for those who are gone.
    pub(super) fn slice(&self, from: u32, to: u32) -> &[u32] {
        self.to_after.get(from as usize..to as usize).unwrap_or_default()
    }
}

/// The rows of some users. Rows keep much of their order from one night to the next, so a user is first looked for right behind the
/// one before; those who are not there are looked up in groups, so that their cache misses overlap.
fn find(wanted: &[u64], rows: &mut [u32], ids: &Ids, all_after: &[u64]) -> Result<()> {
    let mut missing = ([0_usize; GROUP], [0_u64; GROUP], 0);
    let mut expected = all_after.len();
    for (at, &id) in wanted.iter().enumerate() {
        let near = all_after.get(expected..).unwrap_or_default();
        if let Some(ahead) = near.iter().take(NEAR).position(|&other| other == id) {
            rows[at] = (expected + ahead) as u32;
            expected += ahead + 1;
            continue;
        }
        let (places, group, len) = &mut missing;
        (places[*len], group[*len]) = (at, id);
        *len += 1;
        if *len == GROUP {
            look_up(&missing, rows, ids)?;
            missing.2 = 0;
            expected = if rows[at] == NO_ROW { expected } else { rows[at] as usize + 1 };
        }
    }
    look_up(&missing, rows, ids)
}

fn look_up(
    (places, group, len): &([usize; GROUP], [u64; GROUP], usize),
    rows: &mut [u32],
    ids: &Ids,
) -> Result<()> {
    let mut found = [NO_ROW; GROUP];
    ids.rows(&group[..*len], &mut found)?;
    for (&place, found) in places[..*len].iter().zip(found) {
        rows[place] = found;
    }
    Ok(())
}
