//! External ids: from a user's id to its row and back.
//!
//! One id is found through the hash index, or where there is none by binary search; ranges of ids always by the latter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::id_index::{IdIndex, Place, Slots};
use crate::error::Result;
use crate::format::data::{Section, Values};
use crate::format::records::{IDS_ASCEND, IdsRecord, NO_ROW};

/// Lookups that check their own blocks; then all blocks are checked, and no lookup has to any more.
const LOOKUPS_CHECKED: u32 = 1024;
/// Ids looked up side by side: about as many cache misses as a core has under way.
pub const GROUP: usize = 16;

/// The id region.
#[derive(Debug, Clone)]
pub struct Ids {
    by_row: Values<u64>,
    /// Rows in id order; `None` if rows are in that order themselves.
    by_id: Option<Values<u32>>,
    index: Option<IdIndex>,
    checks: Arc<Checks>,
}

/// How far the bytes that lookups read were checked.
#[derive(Debug, Default)]
struct Checks {
    whole: AtomicBool,
    lookups: AtomicU32,
}

impl Ids {
    /// Opens the region; reads its record only.
    pub fn open(region: &Section, rows: u32) -> Result<Self> {
        let record: IdsRecord = region.record(0)?;
        if record.rows != u64::from(rows) {
            return Err(region.corrupt(format!("it has {} ids for {rows} rows", record.rows)));
        }
        let by_row = region.values(record.ids_at, record.rows)?;
        let by_id = match record.flags & IDS_ASCEND {
            0 => Some(region.values(record.by_id_at, record.rows)?),
            _ => None,
        };
        let index = IdIndex::open(region, &record)?;
        Ok(Self { by_row, by_id, index, checks: Arc::default() })
    }

    /// The id of a row.
    pub fn id(&self, row: u32) -> Result<u64> {
        self.by_row.get(row as usize)
    }

    /// The id of a row, of a region whose ids were checked.
    pub(crate) fn checked_id(&self, row: u32) -> Option<u64> {
        self.by_row.unchecked().get(row as usize).copied()
    }

    /// The ids of rows `from..to`.
    pub fn ids(&self, from: u32, to: u32) -> Result<&[u64]> {
        self.by_row.slice(from as usize, to as usize)
    }

    /// The row of an id, if the user is known.
    pub fn row(&self, id: u64) -> Result<Option<u32>> {
        let Some(index) = &self.index else { return self.search(id) };
        let place = index.place(id);
        if !self.is_prepared() {
            return self.row_checking(index, place, id);
        }
        let ids = self.by_row.unchecked();
        Ok(index.candidates(place).find(|&row| ids.get(row as usize) == Some(&id)))
    }

    /// The same, checking the blocks it reads; when it has been asked often enough, all of them at once.
    #[cold]
    fn row_checking(&self, index: &IdIndex, place: Place, id: u64) -> Result<Option<u32>> {
        if self.checks.lookups.fetch_add(1, Ordering::Relaxed) >= LOOKUPS_CHECKED {
            self.prepare()?;
        }
        index.check(place)?;
        for row in index.candidates(place) {
            if (row as usize) < self.by_row.len() && self.by_row.get(row as usize)? == id {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Whether [`Ids::prepare`] succeeded before.
    pub fn is_prepared(&self) -> bool {
        self.checks.whole.load(Ordering::Relaxed)
    }

    /// Checks all bytes that lookups read, now rather than in the course of many lookups.
    pub fn prepare(&self) -> Result<()> {
        if !self.is_prepared() {
            self.by_row.section().check()?;
            self.by_id.as_ref().map_or(Ok(()), |rows| rows.section().check())?;
            self.index.as_ref().map_or(Ok(()), |index| index.section().check())?;
            // Relaxed is enough: the bytes never change, seen late it only repeats the check.
            self.checks.whole.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The rows of up to [`GROUP`] ids, `NO_ROW` for users who are not known. [`Ids::prepare`] must have succeeded. All
    /// buckets are asked for before the first is looked at further, and so are the ids of the rows found: the waits overlap.
    pub(crate) fn rows(&self, wanted: &[u64], rows: &mut [u32; GROUP]) -> Result<()> {
        let Some(index) = &self.index else {
            for (&id, row) in wanted.iter().zip(rows) {
                *row = self.search(id)?.unwrap_or(NO_ROW);
            }
            return Ok(());
        };
        let mut places = [Place::default(); GROUP];
        for ((place, row), &id) in places.iter_mut().zip(rows.iter_mut()).zip(wanted) {
            *place = index.place(id);
            let found = index.bucket(*place).and_then(|bucket| Slots::of(bucket, place.tag).first(bucket));
            *row = found.unwrap_or(NO_ROW);
        }
        let ids = self.by_row.unchecked();
        let mut sure = [false; GROUP];
        for ((sure, &row), id) in sure.iter_mut().zip(rows.iter()).zip(wanted) {
            *sure = ids.get(row as usize) == Some(id);
        }
        for (((row, sure), place), id) in rows.iter_mut().zip(sure).zip(places).zip(wanted) {
            if !sure {
                let found = index.candidates(place).find(|&row| ids.get(row as usize) == Some(id));
                *row = found.unwrap_or(NO_ROW);
            }
        }
        Ok(())
    }

    /// The row of an id by binary search.
    fn search(&self, id: u64) -> Result<Option<u32>> {
        let rank = self.lower(id)?;
        if rank as usize >= self.by_row.len() {
            return Ok(None);
        }
        let row = self.row_at(rank)?;
        Ok((self.by_row.get(row as usize)? == id).then_some(row))
    }

    /// How many ids are below `id`.
    pub fn lower(&self, id: u64) -> Result<u32> {
        let (mut low, mut high) = (0, self.by_row.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.by_row.get(self.row_at(middle)? as usize)? < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The row with the `rank`th smallest id.
    pub fn row_at(&self, rank: u32) -> Result<u32> {
        self.by_id.as_ref().map_or(Ok(rank), |rows| rows.get(rank as usize))
    }

    /// Whether rows are in id order.
    pub fn ascend(&self) -> bool {
        self.by_id.is_none()
    }

    /// Whether ids are unique, agree with their order, and are found by the index: for `verify`.
    pub fn check(&self) -> Result<bool> {
        let ids = self.by_row.all()?;
        let sorted = match &self.by_id {
            None => ids.is_sorted_by(|a, b| a < b),
            Some(by_id) => {
                let by_id = by_id.all()?.iter().map(|&row| ids.get(row as usize));
                by_id.clone().all(|id| id.is_some()) && by_id.is_sorted_by(|a, b| a < b)
            }
        };
        if !sorted {
            return Ok(false);
        }
        let Some(index) = &self.index else { return Ok(true) };
        let held = index.all()?.iter().flat_map(|bucket| bucket.rows).filter(|&row| row != NO_ROW).count();
        self.prepare()?;
        let finds = |(group, wanted): (usize, &[u64])| {
            let mut rows = [NO_ROW; GROUP];
            let right = (group * GROUP) as u32..;
            self.rows(wanted, &mut rows).is_ok()
                && rows[..wanted.len()].iter().zip(right).all(|(&row, right)| row == right)
        };
        Ok(held == ids.len() && ids.chunks(GROUP).enumerate().all(finds))
    }
}
