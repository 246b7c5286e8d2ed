//! Which rows of an open snapshot are masked: of users who were erased, and of those who are counted but are no targets.
//!
//! The files of a generation never change; this is beside them, and is exchanged as a whole. What answers takes it once, when it
//! begins, so that an answer is of one state.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::open::Snapshot;
use super::store::Masks;
use crate::bitmap::{Bits, Container, Set, WORDS};
use crate::error::Result;
use crate::format::chunks_of;

/// Rows of a chunk up to which they are listed; more are bits.
const LISTED_MAX: usize = 4096;

/// Rows that are masked, by chunk.
#[derive(Debug, Default)]
pub struct MaskedRows {
    /// For each chunk of the table up to the last masked one, its place in `chunks` and 1, or 0 if it has none.
    places: Vec<u32>,
    chunks: Vec<MaskedChunk>,
    len: u32,
}

/// The masked rows of a chunk that has some.
#[derive(Debug)]
struct MaskedChunk {
    chunk: u32,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Listed(Vec<u16>),
    Bits(Box<Bits>),
}

impl MaskedRows {
    /// These rows, ascending.
    fn new(rows: &[u32]) -> Self {
        let mut masked = Self { len: rows.len() as u32, ..Self::default() };
        masked.places = vec![0; rows.last().map_or(0, |&last| chunks_of(last + 1)) as usize];
        for rows in rows.chunk_by(|a, b| a >> 16 == b >> 16) {
            let chunk = rows[0] >> 16;
            let held = if rows.len() <= LISTED_MAX {
                Held::Listed(rows.iter().map(|&row| row as u16).collect())
            } else {
                let mut bits = Box::new([0; WORDS]);
                for &row in rows {
                    bits[(row as u16 / 64) as usize] |= 1 << (row % 64);
                }
                Held::Bits(bits)
            };
            masked.chunks.push(MaskedChunk { chunk, held });
            masked.places[chunk as usize] = masked.chunks.len() as u32;
        }
        masked
    }

    /// How many.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a row is one.
    pub fn contains(&self, row: u32) -> bool {
        self.in_chunk(row >> 16).contains(row as u16)
    }

    /// Those of a chunk.
    pub fn in_chunk(&self, chunk: u32) -> Container<'_> {
        let place = self.places.get(chunk as usize).copied().unwrap_or(0).checked_sub(1);
        match place.and_then(|place| self.chunks.get(place as usize)).map(|chunk| &chunk.held) {
            Some(Held::Listed(rows)) => Container::Array(rows),
            Some(Held::Bits(bits)) => Container::Bits(bits),
            None => Container::Empty,
        }
    }

    /// All of them, ascending.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        let listed = |of: &MaskedChunk| {
            let (base, mut rows) = (of.chunk << 16, Vec::new());
            let set: Set<'_> = self.in_chunk(of.chunk).into();
            set.for_each(1 << 16, |row| rows.push(base | u32::from(row)));
            rows
        };
        self.chunks.iter().flat_map(listed)
    }

    /// How many chunks have some.
    pub fn chunks(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// The chunk at a place among those that have some.
    pub fn chunk_at(&self, at: u32) -> u32 {
        self.chunks[at as usize].chunk
    }
}

/// The masked rows of a snapshot.
#[derive(Debug, Default)]
pub struct Masked {
    /// Of users who were erased: in no answer.
    pub erased: Arc<MaskedRows>,
    /// The same, and those of users who opted out: no targets.
    pub untargetable: Arc<MaskedRows>,
    /// How far the store's file was read.
    read_bytes: u64,
}

/// The masked rows of a snapshot, which may be exchanged while others answer.
#[derive(Debug, Default)]
pub(super) struct MaskedNow {
    rows: ArcSwap<Masked>,
    /// Whether any row is masked. Set after the rows, so that who sees it finds them.
    any: AtomicBool,
    applying: Mutex<()>,
}

impl Snapshot {
    /// Masks the rows of these users. All audiences of this snapshot, those too that were made before, answer without those who are
    /// erased once this returns; what is under way may still end as it began.
    pub fn apply_masks(&self, masks: &Masks) -> Result<()> {
        let now = &self.masked_now;
        // Of two threads that apply, the one with the older state must not win.
        let _applying = now.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now.rows.load();
        if masks.read_bytes() < before.read_bytes {
            return Ok(());
        }
        let erased = self.rows_of(masks.erased())?;
        let untargetable = self.rows_of(masks.erased().chain(masks.opted_out()))?;
        let any = !untargetable.is_empty();
        let masked = Masked {
            erased: Arc::new(MaskedRows::new(&erased)),
            untargetable: Arc::new(MaskedRows::new(&untargetable)),
            read_bytes: masks.read_bytes(),
        };
        now.rows.store(Arc::new(masked));
        now.any.store(any, Ordering::Release);
        Ok(())
    }

    /// The rows of those who are in this snapshot, each once, ascending.
    fn rows_of(&self, users: impl Iterator<Item = u64>) -> Result<Vec<u32>> {
        let mut rows = Vec::new();
        for user in users {
            rows.extend(self.ids().row(user)?);
        }
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }

    /// The masked rows as they are now; `None` if there are none.
    pub fn masked(&self) -> Option<Arc<Masked>> {
        self.masked_now.any.load(Ordering::Acquire).then(|| self.masked_now.rows.load_full())
    }

    /// The same for one quick look.
    fn look<T>(&self, at: impl FnOnce(&Masked) -> T, none: T) -> T {
        if self.masked_now.any.load(Ordering::Acquire) { at(&self.masked_now.rows.load()) } else { none }
    }

    /// Which masks hold: an answer found under another number may be another now.
    pub fn masks_version(&self) -> u64 {
        self.look(|masked| masked.read_bytes, 0)
    }

    /// Whether the user of a row was erased.
    pub fn is_erased(&self, row: u32) -> bool {
        self.look(|masked| masked.erased.contains(row), false)
    }

    /// Whether the user of a row was erased, and else whether it may be a target; one state for both.
    pub fn targetable(&self, row: u32) -> Option<bool> {
        self.look(
            |masked| (!masked.erased.contains(row)).then(|| !masked.untargetable.contains(row)),
            Some(true),
        )
    }

    /// The users of every answer: all rows but those that are erased.
    pub fn users(&self) -> u64 {
        u64::from(self.rows()) - self.look(|masked| u64::from(masked.erased.len()), 0)
    }

    /// The row of a user who is in answers: known and not erased.
    pub fn row_of(&self, user_id: u64) -> Result<Option<u32>> {
        Ok(self.ids().row(user_id)?.filter(|&row| !self.is_erased(row)))
    }
}
