//! What has changed between two generations: users, columns, audiences. Exact, although rows are numbered anew in each.
//!
//! Everything goes through an alignment of rows that is built once, by user id (see `docs/comparing.md`); after that codes are
//! compared with codes and rows with bits. Nothing here decodes values but a few to show, and nothing here may assume that
//! two generations have an order of rows or a dictionary in common.

mod alignment;
mod audiences;
mod columns;
mod dictionaries;
mod nested;
mod parts;
mod ranked;
mod rows;
mod values;

use std::sync::Arc;

use serde::Serialize;

use crate::error::Result;
use crate::snapshot::Snapshot;
use alignment::Alignment;

pub use audiences::{Audiences, Moved, Movement};
pub use columns::{ColumnDiff, ColumnOutcome};
pub use parts::PartChanges;
pub use rows::Users;
pub use values::{Change, Changes};

/// Two generations side by side.
#[derive(Debug)]
pub struct Diff {
    before: Arc<Snapshot>,
    after: Arc<Snapshot>,
    alignment: Alignment,
}

/// How many users there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UserCounts {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
    /// In both.
    pub both: u64,
    /// After, but not before.
    pub added: u64,
    /// Before, but not after.
    pub gone: u64,
}

impl Diff {
    /// Looks up every user of `before` in `after`. Takes four bytes a user as long as it lives.
    pub fn new(before: &Arc<Snapshot>, after: &Arc<Snapshot>) -> Result<Self> {
        let alignment = Alignment::new(before, after)?;
        Ok(Self { before: Arc::clone(before), after: Arc::clone(after), alignment })
    }

    /// The generation compared with.
    pub fn before(&self) -> &Arc<Snapshot> {
        &self.before
    }

    /// The generation compared.
    pub fn after(&self) -> &Arc<Snapshot> {
        &self.after
    }

    /// How many users came and went.
    pub fn user_counts(&self) -> UserCounts {
        let (before, after) = (self.before.users(), self.after.users());
        let both = self.alignment.both;
        UserCounts {
            before,
            after,
            both,
            added: after.saturating_sub(both),
            gone: before.saturating_sub(both),
        }
    }
}
