//! A leaf: one stored bitmap, opened by reading its directory and used in place.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::{Bits, WORDS};
use crate::error::Result;
use crate::format::data::{Section, Values};
use crate::format::records::{
    CONTAINER_ARRAY, CONTAINER_BITS, CONTAINER_FULL, CONTAINER_RUNS, ChunkEntry, LeafHeader,
};
use crate::format::{chunks_of, rows_in_chunk};

/// A bitmap in fewer than one chunk of so many is searched for a chunk, rather than a table made for it.
const SPARSE_CHUNKS: usize = 64;

/// A stored bitmap. Its directory was validated, so any chunk's container can be taken without failing.
#[derive(Debug, Clone)]
pub struct Leaf {
    section: Section,
    entries: Values<ChunkEntry>,
    /// For each chunk, one more than the place of its entry, or 0; `None` if entries are where their chunks' numbers say.
    places: Option<Arc<[u16]>>,
    /// How many entries.
    stored_chunks: u32,
    rows: u32,
}

/// Rows from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Run {
    /// First row.
    pub first: u16,
    /// Last row.
    pub last: u16,
}

/// One chunk of a leaf, borrowed from the mapping.
#[derive(Debug, Clone, Copy)]
pub enum Container<'a> {
    /// No rows.
    Empty,
    /// All rows of the chunk.
    Full,
    /// These rows, ascending.
    Array(&'a [u16]),
    /// A bit per row.
    Bits(&'a Bits),
    /// These runs of rows, ascending.
    Runs(&'a [Run]),
}

impl Leaf {
    /// Opens the leaf at an offset of a region, of a table with `table_rows` rows. Reads and checks its directory.
    pub fn open(region: &Section, at: u64, table_rows: u32) -> Result<Self> {
        let header: LeafHeader = region.record(at)?;
        let section = region.range(at, header.bytes)?;
        let entries = section.values::<ChunkEntry>(size_of::<LeafHeader>() as u64, header.chunks.into())?;
        let mut leaf =
            Self { section, entries, places: None, stored_chunks: header.chunks, rows: header.rows };
        leaf.check_directory(table_rows)?;
        leaf.places = leaf.places(table_rows);
        Ok(leaf)
    }

    /// Where entries are, if not where their chunks' numbers say.
    fn places(&self, table_rows: u32) -> Option<Arc<[u16]>> {
        let (entries, chunks) = (self.entries(), chunks_of(table_rows) as usize);
        if entries.len() == chunks || entries.len() * SPARSE_CHUNKS < chunks {
            return None;
        }
        let mut places = vec![0; chunks];
        for (place, entry) in (1..).zip(entries) {
            if let Some(slot) = places.get_mut(entry.chunk as usize) {
                *slot = place;
            }
        }
        Some(places.into())
    }

    fn check_directory(&self, table_rows: u32) -> Result<()> {
        let entries = self.entries.all()?;
        let (mut next_chunk, mut rank) = (0_u32, 0_u32);
        for entry in entries {
            let chunk = u32::from(entry.chunk);
            let chunk_rows = rows_in_chunk(table_rows, chunk);
            let fits = chunk >= next_chunk
                && chunk < chunks_of(table_rows)
                && entry.rank == rank
                && (1..=chunk_rows).contains(&entry.rows)
                && container_fits(&self.section, entry.kind, entry.offset, entry.rows, chunk_rows);
            if !fits {
                return Err(self
                    .section
                    .corrupt(format!("the bitmap's entry for chunk {chunk} is impossible")));
            }
            next_chunk = chunk + 1;
            rank += entry.rows;
        }
        if rank == self.rows { Ok(()) } else { Err(self.section.corrupt("a bitmap's cardinality is wrong")) }
    }

    /// Rows set.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Bytes of the whole leaf.
    pub fn bytes(&self) -> usize {
        self.section.len()
    }

    /// Checks the checksums of all its bytes; to be called once before containers are used.
    pub fn check(&self) -> Result<()> {
        self.section.check()
    }

    /// The directory: one entry per chunk with rows.
    pub fn entries(&self) -> &[ChunkEntry] {
        self.entries.unchecked()
    }

    /// The entry of a chunk, if it has rows.
    pub fn entry(&self, chunk: u32) -> Option<&ChunkEntry> {
        let entries = self.entries();
        // Most leaves have rows in every chunk: then the entry is where its number says.
        if let Some(entry) = entries.get(chunk as usize)
            && u32::from(entry.chunk) == chunk
        {
            return Some(entry);
        }
        if let Some(places) = &self.places {
            let place = *places.get(chunk as usize)?;
            return entries.get(usize::from(place).checked_sub(1)?);
        }
        let at = entries.binary_search_by_key(&chunk, |entry| entry.chunk.into()).ok()?;
        entries.get(at)
    }

    /// Rows set below a chunk.
    pub fn rank_of_chunk(&self, chunk: u32) -> u32 {
        let entries = self.entries();
        let at = entries.partition_point(|entry| u32::from(entry.chunk) < chunk);
        entries.get(at).map_or(self.rows, |entry| entry.rank)
    }

    /// The container of a chunk.
    pub fn container(&self, chunk: u32) -> Container<'_> {
        self.entry(chunk).map_or(Container::Empty, |entry| self.container_of(entry))
    }

    /// The container of an entry of this leaf.
    pub fn container_of(&self, entry: &ChunkEntry) -> Container<'_> {
        container_at(&self.section, entry.kind, entry.offset, entry.rows)
    }

    /// Whether a row is set.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        let chunk = row >> 16;
        let bytes = self.section.bytes();
        // Most leaves have rows in every chunk, in bits where it matters: then one word is all there is to read.
        let at = size_of::<LeafHeader>() + chunk as usize * size_of::<ChunkEntry>();
        if let Some(entry) = bytes.get(at..at + size_of::<ChunkEntry>())
            && chunk < self.stored_chunks
        {
            let entry: ChunkEntry = bytemuck::pod_read_unaligned(entry);
            if entry.kind == CONTAINER_BITS && u32::from(entry.chunk) == chunk {
                let word = entry.offset as usize * 8 + (row as u16 / 64) as usize * 8;
                let word = bytes.get(word..).and_then(|bytes| bytes.first_chunk::<8>());
                return word.is_some_and(|word| u64::from_le_bytes(*word) >> (row % 64) & 1 == 1);
            }
        }
        self.contains_other(row)
    }

    fn contains_other(&self, row: u32) -> bool {
        self.container(row >> 16).contains(row as u16)
    }

    /// How many rows below `row` are set, if `row` itself is.
    pub fn rank(&self, row: u32) -> Option<u32> {
        let entry = self.entry(row >> 16)?;
        self.container_of(entry).rank(row as u16).map(|rank| entry.rank + rank)
    }
}

/// Whether a container lies within its section and may have its kind.
pub(crate) fn container_fits(section: &Section, kind: u8, offset: u32, rows: u32, chunk_rows: u32) -> bool {
    let at = u64::from(offset) * 8;
    let bytes = match kind {
        CONTAINER_ARRAY => u64::from(rows) * 2,
        CONTAINER_BITS => 8 * WORDS as u64,
        CONTAINER_RUNS => match section.record::<u32>(at) {
            Ok(runs) => 8 + 4 * u64::from(runs),
            Err(_) => return false,
        },
        CONTAINER_FULL => return rows == chunk_rows,
        _ => return false,
    };
    at + bytes <= section.len() as u64
}

/// The container at an offset of a section, of which [`container_fits`] is true.
pub(crate) fn container_at(section: &Section, kind: u8, offset: u32, rows: u32) -> Container<'_> {
    let bytes = section.bytes().get(offset as usize * 8..).unwrap_or_default();
    let container = match kind {
        CONTAINER_ARRAY => bytes
            .get(..rows as usize * 2)
            .and_then(|bytes| bytemuck::try_cast_slice(bytes).ok())
            .map(Container::Array),
        CONTAINER_BITS => bytes
            .get(..8 * WORDS)
            .and_then(|bytes| bytemuck::try_cast_slice::<u8, u64>(bytes).ok())
            .and_then(|words| words.try_into().ok())
            .map(Container::Bits),
        CONTAINER_RUNS => bytes
            .split_at_checked(8)
            .and_then(|(head, runs)| {
                let count = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
                bytemuck::try_cast_slice(runs.get(..count.checked_mul(4)?)?).ok()
            })
            .map(Container::Runs),
        _ => Some(Container::Full),
    };
    // The directory check saw that it is there; if not, the bytes changed under us and no answer is right.
    container.unwrap_or(Container::Empty)
}

impl Container<'_> {
    /// Whether a row of the chunk is set.
    pub fn contains(&self, row: u16) -> bool {
        match self {
            Self::Empty => false,
            Self::Full => true,
            Self::Array(rows) => rows.binary_search(&row).is_ok(),
            Self::Bits(words) => words[row as usize / 64] >> (row % 64) & 1 == 1,
            Self::Runs(runs) => find_run(runs, row).is_some_and(|run| row <= run.last),
        }
    }

    /// Stored bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Empty | Self::Full => 0,
            Self::Array(rows) => size_of_val(*rows),
            Self::Bits(words) => size_of_val(*words),
            Self::Runs(runs) => size_of_val(*runs),
        }
    }

    /// How many rows below are set, if this one is.
    pub fn rank(&self, row: u16) -> Option<u32> {
        match self {
            Self::Empty => None,
            Self::Full => Some(row.into()),
            Self::Array(rows) => rows.binary_search(&row).ok().map(|at| at as u32),
            Self::Bits(words) => {
                let (word, bit) = (row as usize / 64, row % 64);
                if words[word] >> bit & 1 == 0 {
                    return None;
                }
                let below: u32 = words[..word].iter().map(|w| w.count_ones()).sum();
                Some(below + (words[word] & ((1 << bit) - 1)).count_ones())
            }
            Self::Runs(runs) => {
                let at = runs.partition_point(|run| run.last < row);
                let run = runs.get(at).filter(|run| run.first <= row)?;
                let before: u32 = runs[..at].iter().map(Run::len).sum();
                Some(before + u32::from(row - run.first))
            }
        }
    }

    /// How many rows are set, of a chunk with `chunk_rows` rows.
    pub fn count(&self, chunk_rows: u32) -> u32 {
        match self {
            Self::Empty => 0,
            Self::Full => chunk_rows,
            Self::Array(rows) => rows.len() as u32,
            Self::Bits(words) => words.iter().map(|w| w.count_ones()).sum(),
            Self::Runs(runs) => runs.iter().map(Run::len).sum(),
        }
    }
}

impl Run {
    /// Rows in the run.
    pub fn len(&self) -> u32 {
        (u32::from(self.last) + 1).saturating_sub(self.first.into())
    }

    /// Whether the run has no rows, which no writer produces.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn find_run(runs: &[Run], row: u16) -> Option<&Run> {
    let after = runs.partition_point(|run| run.first <= row);
    runs.get(after.checked_sub(1)?)
}
