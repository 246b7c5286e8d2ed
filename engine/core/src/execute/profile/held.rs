//! Rows that are held in memory while several questions are asked of them, so that they are found once.

use crate::bitmap::{Bits, Container, Scratch, Set, common};
use crate::column::Postings;
use crate::error::Result;
use crate::execute::chunk::Evaluator;
use crate::execute::drive::over;
use crate::execute::{Audience, Without};
use crate::format::{chunks_of, rows_in_chunk};
use crate::snapshot::MaskedRows;

/// Rows of a snapshot: bits for each chunk that has some.
#[derive(Debug, Default)]
pub(super) struct Held {
    chunks: Vec<Option<Box<Bits>>>,
    table_rows: u32,
    len: u64,
}

impl Held {
    /// The rows of an audience, without the masked ones.
    pub(super) fn of_audience(audience: &Audience, without: &Without) -> Result<Self> {
        audience.check_bytes()?;
        let root = audience.plan.root();
        let work = |evaluator: &mut Evaluator<'_>, chunk| {
            evaluator.enter(chunk);
            let bits = evaluator.bits(root);
            let len: u32 = bits.iter().map(|word| word.count_ones()).sum();
            if len == 0 { Vec::new() } else { vec![(chunk, bits, len)] }
        };
        let nanos = audience.plan.nanos(root);
        let found = audience.fold_chunks(root, without, nanos, work, |mut a, mut b| {
            a.append(&mut b);
            a
        });
        let mut held = Self::none(audience.snapshot.rows());
        for (chunk, bits, len) in found.unwrap_or_default() {
            held.put(chunk, bits, len);
        }
        Ok(held)
    }

    /// Masked rows.
    pub(super) fn of_masked(masked: &MaskedRows, table_rows: u32) -> Self {
        let (mut held, mut scratch) = (Self::none(table_rows), Scratch::default());
        for chunk in (0..masked.chunks()).map(|at| masked.chunk_at(at)) {
            let chunk_rows = rows_in_chunk(table_rows, chunk);
            let bits = Set::from(masked.in_chunk(chunk)).into_bits(chunk_rows, &mut scratch);
            let len = bits.iter().map(|word| word.count_ones()).sum();
            held.put(chunk, bits, len);
        }
        held
    }

    fn none(table_rows: u32) -> Self {
        let chunks = (0..chunks_of(table_rows)).map(|_| None).collect();
        Self { chunks, table_rows, len: 0 }
    }

    fn put(&mut self, chunk: u32, bits: Box<Bits>, len: u32) {
        self.chunks[chunk as usize] = Some(bits);
        self.len += u64::from(len);
    }

    /// How many.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// How many chunks the table has.
    pub(super) fn chunk_count(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// The rows of a chunk, if it has some.
    pub(super) fn chunk(&self, chunk: u32) -> Option<&Bits> {
        self.chunks.get(chunk as usize)?.as_deref()
    }

    /// Whether a row is one of them.
    pub(super) fn contains(&self, row: u32) -> bool {
        let word = (row as u16 / 64) as usize;
        self.chunk(row >> 16).is_some_and(|bits| bits[word] >> (row % 64) & 1 == 1)
    }

    /// How many of them a bitmap has; without one, all rows are meant.
    pub(super) fn common(&self, leaf: Option<&crate::bitmap::Leaf>, scratch: &mut Scratch) -> Result<u64> {
        let Some(leaf) = leaf else { return Ok(self.len) };
        leaf.check()?;
        let mut count = 0;
        for entry in leaf.entries() {
            let chunk = u32::from(entry.chunk);
            if let Some(bits) = self.chunk(chunk) {
                let chunk_rows = rows_in_chunk(self.table_rows, chunk);
                let rows = common(leaf.container_of(entry), Container::Bits(bits), chunk_rows, scratch);
                count += u64::from(rows);
            }
        }
        Ok(count)
    }

    /// How many of them are among the rows of an element.
    pub(super) fn common_postings(&self, postings: &Postings, scratch: &mut Scratch) -> Result<u64> {
        match postings {
            Postings::Rows(rows) => Ok(self.among(rows)),
            Postings::Leaf(leaf) => self.common(Some(leaf), scratch),
        }
    }

    /// How many of them are among some rows.
    pub(super) fn among(&self, rows: &[u32]) -> u64 {
        rows.iter().map(|&row| u64::from(self.contains(row))).sum()
    }

    /// Does something with each chunk that has rows, on all cores, and joins the results, in any order; `nanos` is what a row
    /// takes, about.
    pub(super) fn fold<T: Send>(
        &self,
        nanos: f64,
        work: impl Fn(&mut Scratch, u32, &Bits) -> T + Sync,
        join: impl Fn(T, T) -> T + Sync,
    ) -> Option<T> {
        let nanos = nanos * self.len as f64 / f64::from(self.chunk_count().max(1));
        let one = |scratch: &mut Scratch, chunk| self.chunk(chunk).map(|bits| work(scratch, chunk, bits));
        let either = |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(join(a, b)),
            (a, b) => a.or(b),
        };
        over(self.chunk_count(), nanos, Scratch::default, one, either).flatten()
    }
}
