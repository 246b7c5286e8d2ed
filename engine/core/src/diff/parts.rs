//! The elements of a list or keys of a map that moved most.

use std::cmp::Reverse;

use serde::Serialize;

use super::values::Changes;
use crate::value::Value;

/// How many of a column are told.
pub(super) const TOLD: usize = 10;

/// One element of an array column, or one key of a map column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartChanges {
    /// The element or the key.
    pub part: Value,
    /// How many users got it, lost it, or (of a key) have another number under it.
    #[serde(flatten)]
    pub changes: Changes,
}

/// Those that moved most, of equal ones the first; their codes before and after stand for them.
#[derive(Debug, Default)]
pub(super) struct Most {
    found: Vec<(Changes, Option<u32>, Option<u32>)>,
}

impl Most {
    /// One more, behind all others in the order of values.
    pub(super) fn add(&mut self, changes: Changes, before: Option<u32>, after: Option<u32>) {
        if changes.total() > 0 {
            self.found.push((changes, before, after));
            if self.found.len() >= 2 * TOLD {
                self.cut();
            }
        }
    }

    /// Others, behind all of these.
    pub(super) fn append(&mut self, mut others: Self) {
        self.found.append(&mut others.found);
        self.cut();
    }

    fn cut(&mut self) {
        // A stable sort, so that of equal ones the first stay first.
        self.found.sort_by_key(|(changes, ..)| Reverse(changes.total()));
        self.found.truncate(TOLD);
    }

    pub(super) fn into_vec(mut self) -> Vec<(Changes, Option<u32>, Option<u32>)> {
        self.cut();
        self.found
    }
}
