//! Steps: in every chunk, the rows below some codes as bitmaps, so that a range of codes starts from the nearest one.
//!
//! A range is the difference of two prefixes of the chunk's order. Between two steps lie at most
//! [`STEP_ROWS`](crate::format::STEP_ROWS) rows, unless they all have one value, so a prefix is a step and at most half as
//! many rows more or less.

use crate::bitmap::{Container, container_at, container_fits};
use crate::error::Result;
use crate::format::data::{Section, Values};
use crate::format::records::{StepEntry, StepsHeader};
use crate::format::{chunks_of, rows_in_chunk};

/// The steps of a column. The directory was validated, so any container can be taken without failing.
#[derive(Debug, Clone)]
pub struct Steps {
    section: Section,
    /// Where each chunk's steps start in `entries`.
    starts: Values<u32>,
    entries: Values<StepEntry>,
}

impl Steps {
    /// Opens the steps at an offset of a region, of a table with `table_rows` rows. Reads and checks the directory.
    pub fn open(region: &Section, at: u64, table_rows: u32) -> Result<Self> {
        let header: StepsHeader = region.record(at)?;
        let section = region.range(at, header.bytes)?;
        if header.chunks != chunks_of(table_rows) {
            return Err(section.corrupt("its steps are of another table"));
        }
        let starts_at = size_of::<StepsHeader>() as u64;
        let starts = section.values(starts_at, u64::from(header.chunks) + 1)?;
        let entries_at = (starts_at + (u64::from(header.chunks) + 1) * 4).next_multiple_of(16);
        let entries = section.values(entries_at, header.steps.into())?;
        let steps = Self { section, starts, entries };
        steps.check_directory(table_rows)?;
        Ok(steps)
    }

    fn check_directory(&self, table_rows: u32) -> Result<()> {
        let (starts, entries) = (self.starts.all()?, self.entries.all()?);
        if starts.first() != Some(&0)
            || starts.last().is_none_or(|&end| end as usize != entries.len())
            || !starts.is_sorted()
        {
            return Err(self.section.corrupt("its steps are out of order"));
        }
        for chunk in 0..chunks_of(table_rows) {
            let chunk_rows = rows_in_chunk(table_rows, chunk);
            let steps = self.of_chunk(chunk);
            let ascend = steps.windows(2).all(|two| two[0].code < two[1].code && two[0].rows < two[1].rows);
            let fit = steps.iter().all(|step| {
                (1..=chunk_rows).contains(&step.rows)
                    && container_fits(&self.section, step.kind, step.offset, step.rows, chunk_rows)
            });
            if !ascend || !fit {
                return Err(self.section.corrupt(format!("the steps of chunk {chunk} are impossible")));
            }
        }
        Ok(())
    }

    /// The steps of a chunk, ascending by code.
    pub fn of_chunk(&self, chunk: u32) -> &[StepEntry] {
        let starts = self.starts.unchecked();
        let span = starts.get(chunk as usize).zip(starts.get(chunk as usize + 1));
        span.and_then(|(&from, &to)| self.entries.unchecked().get(from as usize..to as usize))
            .unwrap_or_default()
    }

    /// The rows below a step's code.
    pub fn container(&self, step: &StepEntry) -> Container<'_> {
        container_at(&self.section, step.kind, step.offset, step.rows)
    }

    /// Checks the checksums of all its bytes; to be called once before containers are used.
    pub fn check(&self) -> Result<()> {
        self.section.check()
    }

    /// Bytes of all steps.
    pub fn bytes(&self) -> usize {
        self.section.len()
    }
}
