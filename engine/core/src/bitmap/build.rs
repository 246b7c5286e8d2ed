//! Writing leaves: ascending rows in, the smallest container for each chunk out.

use super::{Bits, WORDS};
use crate::format::records::{
    CONTAINER_ARRAY, CONTAINER_BITS, CONTAINER_FULL, CONTAINER_RUNS, ChunkEntry, LeafHeader,
};
use crate::format::rows_in_chunk;

/// Collects a leaf chunk by chunk, in ascending order.
#[derive(Debug)]
pub struct LeafBuilder {
    table_rows: u32,
    rows: u32,
    entries: Vec<ChunkEntry>,
    /// Containers; offsets in `entries` are from the start of this until [`LeafBuilder::finish`].
    containers: Vec<u8>,
}

impl LeafBuilder {
    /// For a table with this many rows.
    pub fn new(table_rows: u32) -> Self {
        Self { table_rows, rows: 0, entries: Vec::new(), containers: Vec::new() }
    }

    /// Adds a chunk given as ascending rows.
    pub fn push_rows(&mut self, chunk: u32, rows: &[u16]) {
        if rows.is_empty() {
            return;
        }
        let runs = 1 + rows.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        let kind = self.smallest(chunk, rows.len(), runs);
        self.entry(chunk, kind, rows.len());
        match kind {
            CONTAINER_ARRAY => self.containers.extend_from_slice(bytemuck::cast_slice(rows)),
            CONTAINER_BITS => {
                let mut bits: Bits = [0; WORDS];
                for &row in rows {
                    bits[row as usize / 64] |= 1 << (row % 64);
                }
                self.containers.extend_from_slice(bytemuck::cast_slice(&bits));
            }
            CONTAINER_RUNS => self.push_runs(runs, rows.iter().copied()),
            _ => {}
        }
        self.pad(8);
    }

    /// Adds a chunk given as bits.
    pub fn push_bits(&mut self, chunk: u32, bits: &Bits) {
        let (mut count, mut runs, mut carry) = (0_usize, 0_usize, 0_u64);
        for &word in bits {
            count += word.count_ones() as usize;
            // A run starts at each set bit whose lower neighbour is clear.
            runs += (word & !(word << 1 | carry)).count_ones() as usize;
            carry = word >> 63;
        }
        if count == 0 {
            return;
        }
        let kind = self.smallest(chunk, count, runs);
        self.entry(chunk, kind, count);
        match kind {
            CONTAINER_ARRAY => {
                for row in iterate(bits) {
                    self.containers.extend_from_slice(&row.to_le_bytes());
                }
            }
            CONTAINER_BITS => self.containers.extend_from_slice(bytemuck::cast_slice(bits)),
            CONTAINER_RUNS => self.push_runs(runs, iterate(bits)),
            _ => {}
        }
        self.pad(8);
    }

    fn smallest(&self, chunk: u32, rows: usize, runs: usize) -> u8 {
        if rows as u32 == rows_in_chunk(self.table_rows, chunk) {
            return CONTAINER_FULL;
        }
        let (array, bits, runs) = (rows * 2, WORDS * 8, 8 + runs * 4);
        if runs < array && runs < bits {
            CONTAINER_RUNS
        } else if array <= bits {
            CONTAINER_ARRAY
        } else {
            CONTAINER_BITS
        }
    }

    fn entry(&mut self, chunk: u32, kind: u8, rows: usize) {
        if kind == CONTAINER_BITS {
            self.pad(64);
        }
        let offset = (self.containers.len() / 8) as u32;
        let (rank, rows) = (self.rows, rows as u32);
        self.entries.push(ChunkEntry { chunk: chunk as u16, kind, zero: 0, rows, rank, offset });
        self.rows += rows;
    }

    fn push_runs(&mut self, count: usize, rows: impl Iterator<Item = u16>) {
        self.containers.extend_from_slice(&(count as u64).to_le_bytes());
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
        self.containers.extend_from_slice(&first.to_le_bytes());
        self.containers.extend_from_slice(&last.to_le_bytes());
    }

    fn pad(&mut self, to: usize) {
        self.containers.resize(self.containers.len().next_multiple_of(to), 0);
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
        let bytes = (body + self.containers.len()) as u64;
        let header = LeafHeader { rows: self.rows, chunks: self.entries.len() as u32, bytes };
        out.extend_from_slice(bytemuck::bytes_of(&header));
        out.extend_from_slice(bytemuck::cast_slice(&self.entries));
        out.resize(at as usize + body, 0);
        out.extend_from_slice(&self.containers);
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
