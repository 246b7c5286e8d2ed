//! Writing steps: prefixes of each chunk's order as bitmaps, at codes that are about as many rows apart.

use std::sync::OnceLock;

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

/// Collects steps chunk by chunk.
#[derive(Debug)]
pub(super) struct StepsBuilder {
    table_rows: u32,
    starts: Vec<u32>,
    entries: Vec<StepEntry>,
    containers: ContainerWriter,
}

impl StepsBuilder {
    pub(super) fn new(table_rows: u32) -> Self {
        Self { table_rows, starts: vec![0], entries: Vec::new(), containers: ContainerWriter::default() }
    }

    /// Adds the next chunk: the rows that have each code, codes ascending, rows in any order.
    pub(super) fn push_chunk<'r>(&mut self, groups: impl Iterator<Item = (u32, &'r [u16])>) {
        let chunk_rows = rows_in_chunk(self.table_rows, self.starts.len() as u32 - 1);
        let mut bits: Bits = [0; WORDS];
        // Rows in `bits`; those at the last step; whether a step must come before anything else is added.
        let (mut rows, mut stepped, mut due) = (0, 0, false);
        for (code, group) in groups.filter(|(_, group)| !group.is_empty()) {
            if rows > stepped && (due || rows + group.len() > stepped + step_rows()) {
                self.step(&bits, code, chunk_rows);
                stepped = rows;
            }
            for &row in group {
                bits[row as usize / 64] |= 1 << (row % 64);
            }
            rows += group.len();
            due = group.len() > step_rows();
        }
        self.starts.push(self.entries.len() as u32);
    }

    fn step(&mut self, bits: &Bits, code: u32, chunk_rows: u32) {
        if let Some(written) = self.containers.push_bits(bits, chunk_rows) {
            let (rows, offset, kind) = (written.rows, written.offset, written.kind);
            self.entries.push(StepEntry { code, rows, offset, kind, zero: [0; 3] });
        }
    }

    /// Appends the steps, aligned, and returns where they are; 0 if there are none.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> u64 {
        if self.entries.is_empty() {
            return 0;
        }
        out.resize(out.len().next_multiple_of(64), 0);
        let at = out.len();
        let entries_at = (size_of::<StepsHeader>() + self.starts.len() * 4).next_multiple_of(16);
        let body = (entries_at + self.entries.len() * size_of::<StepEntry>()).next_multiple_of(64);
        for entry in &mut self.entries {
            entry.offset += (body / 8) as u32;
        }
        let header = StepsHeader {
            steps: self.entries.len() as u32,
            chunks: chunks_of(self.table_rows),
            bytes: (body + self.containers.bytes().len()) as u64,
        };
        out.extend_from_slice(bytemuck::bytes_of(&header));
        out.extend_from_slice(bytemuck::cast_slice(&self.starts));
        out.resize(at + entries_at, 0);
        out.extend_from_slice(bytemuck::cast_slice(&self.entries));
        out.resize(at + body, 0);
        out.extend_from_slice(self.containers.bytes());
        at as u64
    }
}
