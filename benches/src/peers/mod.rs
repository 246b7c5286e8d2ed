//! Peers: whatever else can count the users of a rule on the same data.

pub(crate) mod bits;
pub(crate) mod clickhouse;
pub(crate) mod duckdb;
pub(crate) mod group_bitmap;
pub(crate) mod python;
pub(crate) mod server;

use anyhow::Result;

use crate::sets::SetRule;

/// A rule, in every form that a peer may want.
#[derive(Debug)]
pub(crate) struct Question {
    /// The condition that Muster renders for ClickHouse.
    pub(crate) sql: String,
    /// Set algebra, if all leaves are stored bitmaps.
    pub(crate) sets: Option<SetRule>,
}

/// What a peer says to a rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// How many users, and how long it took by the peer's own clock, in nanoseconds.
    Counted {
        /// Users.
        count: u64,
        /// Nanoseconds.
        nanos: f64,
    },
    /// It can't be asked that, and why.
    NotAsked(String),
}

/// Something that counts.
pub(crate) trait Peer {
    /// What tables call it.
    fn name(&self) -> &'static str;
    /// How many threads it counts on.
    fn threads(&self) -> usize;
    /// Makes ready what the rule needs and is not part of a count, such as the bitmaps of its leaves.
    fn prepare(&mut self, _question: &Question) -> Result<()> {
        Ok(())
    }
    /// Counts once.
    fn ask(&mut self, question: &Question) -> Result<Reply>;
}
