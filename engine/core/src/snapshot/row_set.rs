//! Sets of rows that were made rather than stored: the users of a static list, or those for whom a label's rule holds.
//!
//! A set is a leaf like those of the files, in memory of its own, so whatever reads stored bitmaps reads it just as fast. It
//! belongs to the snapshot that it was made of, whose rows it numbers; masks do not change it, answers leave masked rows out
//! as they do everywhere.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::open::Snapshot;
use crate::bitmap::{Bits, Leaf, LeafBuilder, encode_leaf};
use crate::column::GROUP;
use crate::error::Result;
use crate::format::data::{DataFile, Section};
use crate::format::records::NO_ROW;

/// Rows of one snapshot. Cheap to clone; two sets of the same rows are equal.
#[derive(Debug, Clone)]
pub struct RowSet(Arc<Made>);

#[derive(Debug)]
struct Made {
    leaf: Leaf,
    /// Which snapshot's rows these are.
    snapshot: u64,
    /// A digest of the rows.
    digest: u128,
}

/// The rows of a chunk, as they are made.
#[derive(Debug)]
pub(crate) enum ChunkRows {
    /// Few, ascending.
    Listed(Vec<u16>),
    /// Any number.
    Bits(Box<Bits>),
}

impl RowSet {
    /// The rows of these users, given in any order and any number of times; who is not in the snapshot has none.
    pub fn of_users(snapshot: &Snapshot, user_ids: &[u64]) -> Result<Self> {
        let ids = snapshot.ids();
        if user_ids.len() >= GROUP {
            ids.prepare()?;
        }
        let mut rows = Vec::with_capacity(user_ids.len());
        for wanted in user_ids.chunks(GROUP) {
            if ids.is_prepared() {
                let mut found = [NO_ROW; GROUP];
                ids.rows(wanted, &mut found)?;
                rows.extend(found[..wanted.len()].iter().copied().filter(|&row| row != NO_ROW));
            } else {
                for &id in wanted {
                    rows.extend(ids.row(id)?);
                }
            }
        }
        rows.sort_unstable();
        rows.dedup();
        let mut bytes = Vec::new();
        let at = encode_leaf(snapshot.rows(), rows.into_iter(), &mut bytes);
        Self::new(snapshot, &bytes, at)
    }

    /// Rows by chunk, in any order of the chunks, each once.
    pub(crate) fn of_chunks(snapshot: &Snapshot, mut chunks: Vec<(u32, ChunkRows)>) -> Result<Self> {
        chunks.sort_unstable_by_key(|(chunk, _)| *chunk);
        let mut builder = LeafBuilder::new(snapshot.rows());
        for (chunk, rows) in &chunks {
            match rows {
                ChunkRows::Listed(rows) => builder.push_rows(*chunk, rows),
                ChunkRows::Bits(bits) => builder.push_bits(*chunk, bits),
            }
        }
        let mut bytes = Vec::new();
        let at = builder.finish(&mut bytes);
        Self::new(snapshot, &bytes, at)
    }

    fn new(snapshot: &Snapshot, bytes: &[u8], at: u64) -> Result<Self> {
        let file = DataFile::made(bytes);
        let region = Section::new(&file, "a set of rows", 0, bytes.len() as u64)?;
        let leaf = Leaf::open(&region, at, snapshot.rows())?;
        Ok(Self(Arc::new(Made { leaf, snapshot: snapshot.content(), digest: xxh3_128(bytes) })))
    }

    /// How many rows, masked ones too.
    pub fn len(&self) -> u32 {
        self.0.leaf.rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        self.0.leaf.bytes()
    }

    /// Whether a row is one of them.
    pub fn contains(&self, row: u32) -> bool {
        self.0.leaf.contains(row)
    }

    /// Whether it was made of this snapshot; of another one its rows are of other users.
    pub fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.0.snapshot == snapshot.content()
    }

    /// A digest of the rows: sets of one snapshot with the same rows have the same.
    pub fn digest(&self) -> u128 {
        self.0.digest
    }

    /// The bitmap.
    pub fn leaf(&self) -> &Leaf {
        &self.0.leaf
    }

    fn key(&self) -> (u64, u128) {
        (self.0.snapshot, self.0.digest)
    }
}

impl PartialEq for RowSet {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for RowSet {}

impl Hash for RowSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for RowSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RowSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
