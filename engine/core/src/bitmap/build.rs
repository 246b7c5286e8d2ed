//! Writing leaves: ascending rows in, the smallest container for each chunk out.

use std::sync::OnceLock;

use super::kernel::rows_and_runs;
use super::{Bits, WORDS};
use crate::format::records::{
    CONTAINER_ARRAY, CONTAINER_BITS, CONTAINER_FULL, CONTAINER_RUNS, ChunkEntry, LeafHeader,
};
use crate::format::rows_in_chunk;

/// Containers back to back, each the smallest of its rows.
#[derive(Debug, Default)]
pub struct ContainerWriter {
    bytes: Vec<u8>,
}

/// Where a container went and what it is.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// One of the `CONTAINER_*`.
    pub kind: u8,
    /// Rows set.
    pub rows: u32,
    /// In units of 8 bytes from the writer's start.
    pub offset: u32,
}

impl ContainerWriter {
    /// Adds the rows of a chunk with `chunk_rows` rows, ascending and not none.
    pub fn push_rows(&mut self, rows: &[u16], chunk_rows: u32) -> Written {
        let runs = 1 + rows.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        let written = self.begin(rows.len(), runs, chunk_rows);
        match written.kind {
            CONTAINER_ARRAY => self.bytes.extend_from_slice(bytemuck::cast_slice(rows)),
            CONTAINER_BITS => {
                let mut bits: Bits = [0; WORDS];
                for &row in rows {
                    bits[row as usize / 64] |= 1 << (row % 64);
                }
                self.bytes.extend_from_slice(bytemuck::cast_slice(&bits));
            }
            CONTAINER_RUNS => self.push_runs(runs, rows.iter().copied()),
            _ => {}
        }
        self.pad(8);
        written
    }

    /// Adds the rows of a chunk given as bits; `None` if there are none.
    pub fn push_bits(&mut self, bits: &Bits, chunk_rows: u32) -> Option<Written> {
        let (rows, runs) = rows_and_runs(bits);
        let (count, runs) = (rows as usize, runs as usize);
        if count == 0 {
            return None;
        }
        let written = self.begin(count, runs, chunk_rows);
        match written.kind {
            CONTAINER_ARRAY => {
                for row in iterate(bits) {
                    self.bytes.extend_from_slice(&row.to_le_bytes());
                }
            }
            CONTAINER_BITS => self.bytes.extend_from_slice(bytemuck::cast_slice(bits)),
            CONTAINER_RUNS => self.push_runs(runs, iterate(bits)),
            _ => {}
        }
        self.pad(8);
        Some(written)
    }

    /// All containers.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn begin(&mut self, rows: usize, runs: usize, chunk_rows: u32) -> Written {
        let kind = kind_of(rows, runs, chunk_rows);
        if kind == CONTAINER_BITS {
            self.pad(64);
        }
        Written { kind, rows: rows as u32, offset: (self.bytes.len() / 8) as u32 }
    }

    fn push_runs(&mut self, count: usize, rows: impl Iterator<Item = u16>) {
        self.bytes.extend_from_slice(&(count as u64).to_le_bytes());
        let mut open: Option<(u16, u16)> = None;
        for row in rows {
            open = match open {
                Some((first, last)) if last + 1 == row => Some((first, row)),
                Some(run) => {
                    self.push_run(run);
                    Some((row, row))
                }
                None => Some((row, row)),
            };
        }
        if let Some(run) = open {
            self.push_run(run);
        }
    }

    fn push_run(&mut self, (first, last): (u16, u16)) {
        self.bytes.extend_from_slice(&first.to_le_bytes());
        self.bytes.extend_from_slice(&last.to_le_bytes());
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }
}

/// From so many rows on a bitset is combined faster than an array, though up to four times as long: half a nanosecond a row
/// against an eighth of a microsecond.
const DENSE_ROWS_MIN: usize = 1024;
/// Runs must be so many times smaller than a bitset to be worth their slower loops.
const RUNS_GAIN_MIN: usize = 16;

/// The container for so many rows in so many runs.
fn kind_of(rows: usize, runs: usize, chunk_rows: u32) -> u8 {
    if let Some(kind) = forced() {
        return kind;
    }
    if rows as u32 == chunk_rows {
        return CONTAINER_FULL;
    }
    let (array, bits, runs) = (rows * 2, WORDS * 8, 8 + runs * 4);
    if runs < array && runs < bits / RUNS_GAIN_MIN {
        CONTAINER_RUNS
    } else if rows < DENSE_ROWS_MIN {
        CONTAINER_ARRAY
    } else {
        CONTAINER_BITS
    }
}

/// The one kind of container that `MUSTER_CONTAINERS=array|bits|runs` asks for, so that tests reach every combination.
fn forced() -> Option<u8> {
    static FORCED: OnceLock<Option<u8>> = OnceLock::new();
    *FORCED.get_or_init(|| match std::env::var("MUSTER_CONTAINERS").as_deref() {
        Ok("array") => Some(CONTAINER_ARRAY),
        Ok("bits") => Some(CONTAINER_BITS),
        Ok("runs") => Some(CONTAINER_RUNS),
        _ => None,
    })
}

/// Collects a leaf chunk by chunk, in ascending order.
#[derive(Debug)]
pub struct LeafBuilder {
    table_rows: u32,
    rows: u32,
    entries: Vec<ChunkEntry>,
    /// Offsets in `entries` are from the start of this until [`LeafBuilder::finish`].
    containers: ContainerWriter,
}

impl LeafBuilder {
    /// For a table with this many rows.
    pub fn new(table_rows: u32) -> Self {
        Self { table_rows, rows: 0, entries: Vec::new(), containers: ContainerWriter::default() }
    }

    /// Adds a chunk given as ascending rows.
    pub fn push_rows(&mut self, chunk: u32, rows: &[u16]) {
        if !rows.is_empty() {
            let written = self.containers.push_rows(rows, rows_in_chunk(self.table_rows, chunk));
            self.entry(chunk, written);
        }
    }

    /// Adds a chunk given as bits.
    pub fn push_bits(&mut self, chunk: u32, bits: &Bits) {
        if let Some(written) = self.containers.push_bits(bits, rows_in_chunk(self.table_rows, chunk)) {
            self.entry(chunk, written);
        }
    }

    fn entry(&mut self, chunk: u32, Written { kind, rows, offset }: Written) {
        self.entries.push(ChunkEntry { chunk: chunk as u16, kind, zero: 0, rows, rank: self.rows, offset });
        self.rows += rows;
    }

    /// Rows added so far.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Appends the leaf to `out`, aligned, and returns where it starts.
    pub fn finish(mut self, out: &mut Vec<u8>) -> u64 {
        out.resize(out.len().next_multiple_of(64), 0);
        let at = out.len() as u64;
        let head = size_of::<LeafHeader>() + self.entries.len() * size_of::<ChunkEntry>();
        let body = head.next_multiple_of(64);
        for entry in &mut self.entries {
            entry.offset += (body / 8) as u32;
        }
        let bytes = (body + self.containers.bytes().len()) as u64;
        let header = LeafHeader { rows: self.rows, chunks: self.entries.len() as u32, bytes };
        out.extend_from_slice(bytemuck::bytes_of(&header));
        out.extend_from_slice(bytemuck::cast_slice(&self.entries));
        out.resize(at as usize + body, 0);
        out.extend_from_slice(self.containers.bytes());
        at
    }
}

/// Encodes ascending rows as a leaf; returns where it starts in `out`.
pub fn encode_leaf(table_rows: u32, rows: impl Iterator<Item = u32>, out: &mut Vec<u8>) -> u64 {
    let mut builder = LeafBuilder::new(table_rows);
    let mut chunk_rows: Vec<u16> = Vec::new();
    let mut chunk = 0;
    for row in rows {
        if row >> 16 != chunk {
            builder.push_rows(chunk, &chunk_rows);
            chunk_rows.clear();
            chunk = row >> 16;
        }
        chunk_rows.push(row as u16);
    }
    builder.push_rows(chunk, &chunk_rows);
    builder.finish(out)
}

/// The set rows of a bitset, ascending.
pub(super) fn iterate(bits: &Bits) -> impl Iterator<Item = u16> {
    bits.iter().enumerate().flat_map(|(word, &bits)| {
        let mut rest = bits;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                (word as u32 * 64 + bit) as u16
            })
        })
    })
}
