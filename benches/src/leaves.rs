//! The stored bitmaps of a snapshot, exported for others: rows as portable Roaring bytes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use roaring::RoaringBitmap;

use crate::muster::Muster;

/// Exports leaves, each once.
pub(crate) struct Leaves {
    muster: Rc<Muster>,
    /// All user ids in the order of rows.
    ids: Vec<u64>,
    /// The position of each row's id among all ids, if rows are not in that order anyway.
    ranks: Option<Vec<u32>>,
    exported: RefCell<HashMap<String, Exported>>,
}

/// A leaf, exported.
#[derive(Clone)]
struct Exported {
    portable: Rc<Vec<u8>>,
    /// Bytes of the same bitmap, had the rows been in the order of ids.
    bytes_by_id: u64,
}

impl Leaves {
    /// Of this snapshot.
    pub(crate) fn new(muster: &Rc<Muster>) -> Result<Self> {
        let everybody = muster.audience("true")?;
        let mut ids = Vec::with_capacity(muster.users() as usize);
        for batch in everybody.members(None)? {
            ids.extend(batch?);
        }
        let ranks = (!ids.is_sorted()).then(|| ranks(&ids));
        Ok(Self { muster: Rc::clone(muster), ids, ranks, exported: RefCell::default() })
    }

    /// All user ids in the order of rows.
    pub(crate) fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The rows of everybody.
    pub(crate) fn everybody(&self) -> Result<Rc<Vec<u8>>> {
        self.portable("true")
    }

    /// The rows for which a leaf is true, run-optimised.
    pub(crate) fn portable(&self, leaf: &str) -> Result<Rc<Vec<u8>>> {
        Ok(self.exported(leaf)?.portable)
    }

    /// Bytes of all leaves exported so far: in the order of rows, and in the order of ids.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        let exported = self.exported.borrow();
        let leaves = exported.iter().filter(|(leaf, _)| *leaf != "true").map(|(_, exported)| exported);
        leaves.fold((0, 0), |(rows, ids), leaf| (rows + leaf.portable.len() as u64, ids + leaf.bytes_by_id))
    }

    fn exported(&self, leaf: &str) -> Result<Exported> {
        if let Some(exported) = self.exported.borrow().get(leaf) {
            return Ok(exported.clone());
        }
        let rows = self.rows(leaf)?;
        let portable = portable(rows.iter().copied())?;
        let bytes_by_id = match &self.ranks {
            None => portable.len() as u64,
            Some(ranks) => {
                let mut by_id: Vec<u32> = rows.iter().map(|&row| ranks[row as usize]).collect();
                by_id.sort_unstable();
                self::portable(by_id.into_iter())?.len() as u64
            }
        };
        let exported = Exported { portable: Rc::new(portable), bytes_by_id };
        self.exported.borrow_mut().insert(leaf.to_owned(), exported.clone());
        Ok(exported)
    }

    /// Members come in the order of rows, so one walk over all ids finds where they stand.
    fn rows(&self, leaf: &str) -> Result<Vec<u32>> {
        let audience = self.muster.audience(leaf)?;
        let mut rows = Vec::with_capacity(audience.count() as usize);
        let mut at = 0;
        for batch in audience.members(None)? {
            for id in batch? {
                let ahead = self.ids[at..].iter().position(|&candidate| candidate == id);
                at += ahead.with_context(|| format!("members of {leaf} are not in the order of rows"))?;
                rows.push(at as u32);
            }
        }
        ensure!(rows.len() as u64 == audience.count(), "{leaf} has other members than it counts");
        Ok(rows)
    }
}

fn ranks(ids: &[u64]) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..ids.len() as u32).collect();
    rows.sort_unstable_by_key(|&row| ids[row as usize]);
    let mut ranks = vec![0; ids.len()];
    for (rank, row) in rows.into_iter().enumerate() {
        ranks[row as usize] = rank as u32;
    }
    ranks
}

fn portable(rows: impl Iterator<Item = u32>) -> Result<Vec<u8>> {
    let mut bitmap = RoaringBitmap::from_sorted_iter(rows)?;
    bitmap.optimize();
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes)?;
    Ok(bytes)
}
