//! Rows of labels that are rules, made before anybody asks: of those that live deliveries name and of those that are asked about most.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use muster_engine::snapshot::{RowSet, Snapshot};

/// The rows, by what a label means.
#[derive(Debug, Default)]
pub(crate) struct KnownRows(ArcSwap<Made>);

#[derive(Debug, Default)]
struct Made {
    /// What `now()` was.
    now: i64,
    rows: HashMap<u64, RowSet>,
}

impl KnownRows {
    /// Exchanges all rows: those of a generation, with its `now()`.
    pub(crate) fn set(&self, now: i64, rows: HashMap<u64, RowSet>) {
        self.0.store(Made { now, rows }.into());
    }

    /// The rows for which what this means is true, if they were made.
    pub(super) fn get(&self, meaning: u64, snapshot: &Snapshot, now: i64) -> Option<RowSet> {
        let made = self.0.load();
        if made.now != now {
            return None;
        }
        made.rows.get(&meaning).filter(|rows| rows.is_of(snapshot)).cloned()
    }

    /// How many labels, and the bytes of their rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        let made = self.0.load();
        (made.rows.len(), made.rows.values().map(RowSet::bytes).sum())
    }
}
