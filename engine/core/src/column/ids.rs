//! External ids: from a user's id to its row and back.

use crate::error::Result;
use crate::format::data::{Section, Values};
use crate::format::records::{IDS_ASCEND, IdsRecord};

/// The id region.
#[derive(Debug, Clone)]
pub struct Ids {
    ids: Values<u64>,
    /// Rows in id order; `None` if rows are in that order themselves.
    by_id: Option<Values<u32>>,
}

impl Ids {
    /// Opens the region; reads its record only.
    pub fn open(region: &Section, rows: u32) -> Result<Self> {
        let record: IdsRecord = region.record(0)?;
        if record.rows != u64::from(rows) {
            return Err(region.corrupt(format!("it has {} ids for {rows} rows", record.rows)));
        }
        let ids = region.values(record.ids_at, record.rows)?;
        let by_id = match record.flags & IDS_ASCEND {
            0 => Some(region.values(record.by_id_at, record.rows)?),
            _ => None,
        };
        Ok(Self { ids, by_id })
    }

    /// The id of a row.
    pub fn id(&self, row: u32) -> Result<u64> {
        self.ids.get(row as usize)
    }

    /// The ids of rows `from..to`.
    pub fn ids(&self, from: u32, to: u32) -> Result<&[u64]> {
        self.ids.slice(from as usize, to as usize)
    }

    /// The row of an id, if the user is known.
    pub fn row(&self, id: u64) -> Result<Option<u32>> {
        let rank = self.lower(id)?;
        if rank as usize >= self.ids.len() {
            return Ok(None);
        }
        let row = self.row_at(rank)?;
        Ok((self.ids.get(row as usize)? == id).then_some(row))
    }

    /// How many ids are below `id`.
    pub fn lower(&self, id: u64) -> Result<u32> {
        let (mut low, mut high) = (0, self.ids.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.ids.get(self.row_at(middle)? as usize)? < id {
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

    /// Whether ids are unique and agree with their order: for `verify`.
    pub fn check(&self) -> Result<bool> {
        let ids = self.ids.all()?;
        let Some(by_id) = &self.by_id else { return Ok(ids.is_sorted_by(|a, b| a < b)) };
        let mut last = None;
        for &row in by_id.all()? {
            let id = ids.get(row as usize);
            if id.is_none() || last >= id {
                return Ok(false);
            }
            last = id;
        }
        Ok(true)
    }
}
