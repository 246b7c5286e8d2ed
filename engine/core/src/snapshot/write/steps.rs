//! Writing steps: prefixes of each chunk's order as bitmaps, at codes that are about as many rows apart.

use std::sync::OnceLock;

use super::region::RegionOut;
use crate::bitmap::{Bits, ContainerWriter, WORDS};
use crate::format::records::{StepEntry, StepsHeader};
use crate::format::{STEP_ROWS, chunks_of, rows_in_chunk};

/// Rows between two steps; `MUSTER_STEP_ROWS` makes it less, so that tests meet steps in small tables.
fn step_rows() -> usize {
    static ROWS: OnceLock<usize> = OnceLock::new();
    *ROWS.get_or_init(|| {
        let wanted = std::env::var("MUSTER_STEP_ROWS").ok().and_then(|rows| rows.parse().ok());
        wanted.unwrap_or(STEP_ROWS).clamp(1, STEP_ROWS)
    })
}

/// The steps of one chunk; offsets are from its own containers.
#[derive(Debug, Default)]
pub(super) struct ChunkSteps {
    entries: Vec<StepEntry>,
    containers: ContainerWriter,
}

impl ChunkSteps {
    /// Of the rows that have each code, codes ascending, rows in any order.
    pub(super) fn of<'r>(
        table_rows: u32,
        chunk: u32,
        groups: impl Iterator<Item = (u32, &'r [u16])>,
    ) -> Self {
        let chunk_rows = rows_in_chunk(table_rows, chunk);
        let mut steps = Self::default();
        let mut bits: Bits = [0; WORDS];
        // Rows in `bits`; those at the last step; whether a step must come before anything else is added.
        let (mut rows, mut stepped, mut due) = (0, 0, false);
        for (code, group) in groups.filter(|(_, group)| !group.is_empty()) {
            if rows > stepped && (due || rows + group.len() > stepped + step_rows()) {
                steps.add(&bits, code, chunk_rows);
                stepped = rows;
            }
            for &row in group {
                bits[row as usize / 64] |= 1 << (row % 64);
            }
            rows += group.len();
            due = group.len() > step_rows();
        }
        steps
    }

    fn add(&mut self, bits: &Bits, code: u32, chunk_rows: u32) {
        if let Some(written) = self.containers.push_bits(bits, chunk_rows) {
            let (rows, offset, kind) = (written.rows, written.offset, written.kind);
            self.entries.push(StepEntry { code, rows, offset, kind, zero: [0; 3] });
        }
    }
}

/// Collects steps chunk by chunk.
#[derive(Debug)]
pub(super) struct StepsBuilder {
    table_rows: u32,
    starts: Vec<u32>,
    entries: Vec<StepEntry>,
    containers: Vec<u8>,
}

impl StepsBuilder {
    pub(super) fn new(table_rows: u32) -> Self {
        Self { table_rows, starts: vec![0], entries: Vec::new(), containers: Vec::new() }
    }

    /// Adds the next chunk.
    pub(super) fn push(&mut self, mut chunk: ChunkSteps) {
        // Containers of bits are aligned among their own.
        self.containers.resize(self.containers.len().next_multiple_of(64), 0);
        let at = (self.containers.len() / 8) as u32;
        chunk.entries.iter_mut().for_each(|entry| entry.offset += at);
        self.entries.extend_from_slice(&chunk.entries);
        self.containers.extend_from_slice(chunk.containers.bytes());
        self.starts.push(self.entries.len() as u32);
    }

    /// Puts the steps into a region and returns where they are; 0 if there are none.
    pub(super) fn put(mut self, out: &mut RegionOut) -> u64 {
        if self.entries.is_empty() {
            return 0;
        }
        let entries_at = (size_of::<StepsHeader>() + self.starts.len() * 4).next_multiple_of(16);
        let body = (entries_at + self.entries.len() * size_of::<StepEntry>()).next_multiple_of(64);
        for entry in &mut self.entries {
            entry.offset += (body / 8) as u32;
        }
        let header = StepsHeader {
            steps: self.entries.len() as u32,
            chunks: chunks_of(self.table_rows),
            bytes: (body + self.containers.len()) as u64,
        };
        let mut head = Vec::with_capacity(body);
        head.extend_from_slice(bytemuck::bytes_of(&header));
        head.extend_from_slice(bytemuck::cast_slice(&self.starts));
        head.resize(entries_at, 0);
        head.extend_from_slice(bytemuck::cast_slice(&self.entries));
        head.resize(body, 0);
        let at = out.put(head);
        // The head ends at an aligned place, so this follows it at once.
        out.put(self.containers);
        at
    }
}
