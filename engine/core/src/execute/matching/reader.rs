//! Reading a facet's value of one row.

use std::sync::Arc;

use super::facets::Facet;
use super::terms::{LeafTerm, Term, TermId, Terms};
use crate::bitmap::{Container, Leaf as Bitmap};
use crate::column::{Layout, ValueColumn};
use crate::error::Result;
use crate::execute::chunk::holds;
use crate::key::bucket_of;
use crate::rule::bind::open_value;
use crate::snapshot::Snapshot;

/// The value of a row that has none.
pub(super) const ABSENT: u32 = u32::MAX;

/// Where a facet's values are.
#[derive(Debug, Clone)]
pub(super) enum Reader {
    /// In a column.
    Column(ValueColumn),
    /// In a column that has codes for rows with a value only.
    Sparse(ValueColumn, Arc<Ranks>),
    /// In the hash of the user's id.
    Bucket(u64),
    /// In a bitmap, or the rows that it does not have.
    Bitmap(Bitmap, bool),
    /// In what a condition comes to.
    Leaf(Arc<LeafTerm>),
    /// In what a group of parts comes to; who asks keeps the parts' answers.
    Group(TermId),
}

impl Reader {
    pub(super) fn new(snapshot: &Snapshot, terms: &Terms, facet: Facet) -> Result<Self> {
        Ok(match facet {
            Facet::Column(key) => {
                let column = open_value(snapshot, key)?;
                column.check_codes()?;
                match (column.presence(), column.layout()) {
                    (Some(presence), Layout::Sparse) => {
                        let ranks = Arc::new(Ranks::new(presence, snapshot.rows()));
                        Self::Sparse(column, ranks)
                    }
                    _ => Self::Column(column),
                }
            }
            Facet::Bucket(seed) => {
                snapshot.ids().ids(0, snapshot.rows())?;
                Self::Bucket(seed)
            }
            Facet::Term(id) => match terms.get(id) {
                Term::Leaf(leaf) => match leaf.plan.stored(leaf.plan.root()) {
                    Some((bitmap, not)) => Self::Bitmap(bitmap.clone(), not),
                    None => Self::Leaf(Arc::clone(leaf)),
                },
                _ => Self::Group(id),
            },
        })
    }

    /// The value of a row.
    #[inline]
    pub(super) fn read(&self, snapshot: &Snapshot, row: u32, group: impl FnOnce(TermId) -> bool) -> u32 {
        match self {
            Self::Column(column) => column.checked_code(row).unwrap_or(ABSENT),
            Self::Sparse(column, ranks) => {
                let rank = column.presence().and_then(|presence| ranks.rank(presence, row));
                rank.and_then(|rank| column.code_at(rank)).unwrap_or(ABSENT)
            }
            Self::Bucket(seed) => {
                let id = snapshot.ids().checked_id(row).unwrap_or_default();
                bucket_of(*seed, id)
            }
            Self::Bitmap(bitmap, not) => u32::from(bitmap.contains(row) != *not),
            Self::Leaf(leaf) => u32::from(holds(&leaf.plan, snapshot.ids(), leaf.plan.root(), row)),
            Self::Group(id) => u32::from(group(*id)),
        }
    }
}

/// Rows with a value before every 512th row, so that a row's place among them is a few words away.
#[derive(Debug)]
pub(super) struct Ranks {
    before: Vec<u32>,
}

const WORDS_BETWEEN: usize = 8;

impl Ranks {
    fn new(presence: &Bitmap, rows: u32) -> Self {
        let mut before = vec![0; (rows as usize).div_ceil(64 * WORDS_BETWEEN)];
        for entry in presence.entries() {
            let Container::Bits(words) = presence.container_of(entry) else { continue };
            let first = (usize::from(entry.chunk) << 16) / (64 * WORDS_BETWEEN);
            let mut rank = entry.rank;
            for (slot, words) in before.iter_mut().skip(first).zip(words.chunks(WORDS_BETWEEN)) {
                *slot = rank;
                rank += words.iter().map(|word| word.count_ones()).sum::<u32>();
            }
        }
        Self { before }
    }

    /// How many rows with a value come before a row, if it has one.
    fn rank(&self, presence: &Bitmap, row: u32) -> Option<u32> {
        let entry = presence.entry(row >> 16)?;
        let Container::Bits(words) = presence.container_of(entry) else { return presence.rank(row) };
        let (word, bit) = (usize::from(row as u16) / 64, row % 64);
        if words[word] >> bit & 1 == 0 {
            return None;
        }
        let first = word / WORDS_BETWEEN * WORDS_BETWEEN;
        let full: u32 = words[first..word].iter().map(|word| word.count_ones()).sum();
        let before = *self.before.get(row as usize / (64 * WORDS_BETWEEN))?;
        Some(before + full + (words[word] & ((1 << bit) - 1)).count_ones())
    }
}
