//! Verification: every checksum, and the invariants that `docs/snapshot-format.md` lists.

use rayon::prelude::*;
use serde::Serialize;

use super::open::{Column, Snapshot};
use crate::bitmap::{Container, Leaf};
use crate::column::{Codes, Layout, ListColumn, Postings, ValueColumn};
use crate::error::{Error, Result};
use crate::format::{chunks_of, rows_in_chunk};

/// What was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Bytes whose checksums match.
    pub bytes: u64,
    /// Columns whose invariants hold.
    pub columns: usize,
    /// Bitmaps looked through.
    pub leaves: u64,
}

impl Snapshot {
    /// Reads everything once: checksums first, then invariants, column by column on all cores. `progress` hears
    /// of bytes as they are done, of [`DataEntry::checksums_at`](crate::format::manifest::DataEntry) in all.
    pub fn verify(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<VerifyReport> {
        let bytes = self.file().verify(&|at| self.owner_of(at as u64), progress)?;
        if !self.ids().check()? {
            return Err(damaged("ids", "ids are not unique or not in their order"));
        }
        let columns = self.schema().columns.len();
        let leaves =
            (0..columns).into_par_iter().map(|index| self.verify_column(index)).sum::<Result<u64>>()?;
        Ok(VerifyReport { bytes, columns, leaves })
    }

    fn verify_column(&self, index: usize) -> Result<u64> {
        let name = format!("column {}", self.schema().columns[index].name);
        let mut leaves = 0;
        match self.column(index)? {
            Column::Value(column) => check_values(column, &name, &mut leaves)?,
            Column::List(column) => check_list(column, self.rows(), &name, &mut leaves)?,
            Column::Map(column) => {
                check_presence(column.presence(), self.rows(), &name, &mut leaves)?;
                ascends(column.keys().check_ascends()?, &name)?;
                for key in 0..column.keys().len() {
                    check_values(&column.column(key)?, &name, &mut leaves)?;
                }
            }
        }
        Ok(leaves)
    }

    /// The column that a byte of the data file belongs to, for messages.
    fn owner_of(&self, at: u64) -> String {
        let columns = self.manifest().columns.iter().zip(&self.schema().columns);
        let owner = columns.filter(|(entry, _)| entry.at <= at).max_by_key(|(entry, _)| entry.at);
        owner.map_or_else(
            || "ids".to_owned(),
            |(_, schema)| format!("column {} or its neighbour", schema.name),
        )
    }
}

fn damaged(section: &str, what: &str) -> Error {
    Error::Corrupt { file: crate::format::DATA_FILE, section: section.to_owned(), what: what.to_owned() }
}

fn ascends(yes: bool, name: &str) -> Result<()> {
    if yes { Ok(()) } else { Err(damaged(name, "its dictionary does not ascend")) }
}

fn check_presence(presence: Option<&Leaf>, rows: u32, name: &str, leaves: &mut u64) -> Result<()> {
    presence.map_or(Ok(()), |leaf| check_leaf(leaf, rows, name, leaves))
}

/// Containers ascend, agree with their counts and stay inside their chunks.
fn check_leaf(leaf: &Leaf, rows: u32, name: &str, leaves: &mut u64) -> Result<()> {
    *leaves += 1;
    leaf.check()?;
    for entry in leaf.entries() {
        let chunk_rows = rows_in_chunk(rows, entry.chunk.into());
        check_container(leaf.container_of(entry), entry.rows, chunk_rows, name)?;
    }
    Ok(())
}

/// A container's rows ascend within the chunk, and are as many as its entry says.
fn check_container(container: Container<'_>, rows: u32, chunk_rows: u32, name: &str) -> Result<()> {
    let (ascends, last) = match container {
        Container::Array(rows) => (rows.is_sorted_by(|a, b| a < b), rows.last().copied()),
        Container::Runs(runs) => (
            runs.iter().all(|run| run.first <= run.last)
                && runs.windows(2).all(|pair| pair[0].last < pair[1].first),
            runs.last().map(|run| run.last),
        ),
        Container::Bits(bits) => {
            let word = bits.iter().rposition(|&word| word != 0);
            (true, word.map(|word| (word as u32 * 64 + 63 - bits[word].leading_zeros()) as u16))
        }
        Container::Empty | Container::Full => (true, None),
    };
    if !ascends || last.is_some_and(|last| u32::from(last) >= chunk_rows) {
        return Err(damaged(name, "a bitmap's rows do not ascend within their chunk"));
    }
    if container.count(chunk_rows) != rows {
        return Err(damaged(name, "a bitmap's cardinality is wrong"));
    }
    Ok(())
}

fn check_values(column: &ValueColumn, name: &str, leaves: &mut u64) -> Result<()> {
    let rows = column.table_rows();
    check_presence(column.presence(), rows, name, leaves)?;
    ascends(column.dictionary().check_ascends()?, name)?;
    column.check()?;
    let distinct = column.dictionary().len();
    let mut counts = vec![0_u64; distinct as usize];
    if column.layout() == Layout::Bits {
        let truths = column.leaf(1)?.map_or(0, |leaf| leaf.rows());
        counts.clone_from(&vec![u64::from(column.present() - truths.min(column.present())), truths.into()]);
    } else {
        let mut count = |row: u32, at: usize| {
            if column.layout() == Layout::Sparse || column.presence().is_none_or(|leaf| leaf.contains(row)) {
                let code = match column.codes() {
                    Codes::None => return true,
                    Codes::U8(codes) => codes.unchecked()[at].into(),
                    Codes::U16(codes) => codes.unchecked()[at].into(),
                    Codes::U32(codes) => codes.unchecked()[at],
                };
                return counts.get_mut(code as usize).map(|count| *count += 1).is_some();
            }
            true
        };
        let stored = if column.layout() == Layout::Sparse { column.present() } else { rows };
        if !(0..stored).all(|at| count(at, at as usize)) {
            return Err(damaged(name, "a code is outside its dictionary"));
        }
    }
    for code in 0..distinct {
        if counts.get(code as usize).copied() != Some(column.rows_between(code, code + 1)?) {
            return Err(damaged(name, "its totals do not agree with its codes"));
        }
    }
    let mut in_leaves = 0;
    for code in 0..distinct {
        let Some(leaf) = column.leaf(code)? else { continue };
        check_leaf(&leaf, rows, name, leaves)?;
        in_leaves += u64::from(leaf.rows());
        if u64::from(leaf.rows()) != column.rows_between(code, code + 1)? {
            return Err(damaged(name, "a value's bitmap does not agree with its total"));
        }
    }
    let has_leaves = !column.has_order() && column.layout() != Layout::Bits;
    if has_leaves && in_leaves != u64::from(column.present()) {
        return Err(damaged(name, "its bitmaps do not cover its rows"));
    }
    check_order(column, name)?;
    check_steps(column, name, leaves)
}

/// Each step has exactly the rows with a value whose code is below its own.
fn check_steps(column: &ValueColumn, name: &str, leaves: &mut u64) -> Result<()> {
    let Some(steps) = column.steps() else { return Ok(()) };
    let mut codes = Vec::new();
    for chunk in 0..chunks_of(column.table_rows()) {
        let chunk_rows = rows_in_chunk(column.table_rows(), chunk);
        let code = |row: u32| {
            column.presence().is_none_or(|leaf| leaf.contains(row)).then(|| column.code_of_present(row))
        };
        codes.clear();
        codes.extend((0..chunk_rows).map(|row| code(chunk << 16 | row).flatten().unwrap_or(u32::MAX)));
        for step in steps.of_chunk(chunk) {
            *leaves += 1;
            let container = steps.container(step);
            check_container(container, step.rows, chunk_rows, name)?;
            let below = codes.iter().zip(0..).map(|(&code, row): (&u32, u32)| (code < step.code, row));
            if below.clone().any(|(below, row)| container.contains(row as u16) != below) {
                return Err(damaged(name, "a step does not agree with the codes"));
            }
        }
    }
    Ok(())
}

fn check_order(column: &ValueColumn, name: &str) -> Result<()> {
    if !column.has_order() {
        return Ok(());
    }
    for chunk in 0..chunks_of(column.table_rows()) {
        let Some((rows, present)) = column.ordered_rows(chunk, 0, column.dictionary().len()) else {
            continue;
        };
        let mut last = None;
        for &row in rows {
            let here = (column.code(chunk << 16 | u32::from(row))?, row);
            if here.0.is_none() || last >= Some(here) {
                return Err(damaged(name, "its order does not ascend"));
            }
            last = Some(here);
        }
        if rows.len() != present {
            return Err(damaged(name, "its order misses rows"));
        }
    }
    Ok(())
}

fn check_list(column: &ListColumn, rows: u32, name: &str, leaves: &mut u64) -> Result<()> {
    check_presence(column.presence(), rows, name, leaves)?;
    ascends(column.elements().check_ascends()?, name)?;
    check_values(column.lengths(), name, leaves)?;
    for code in 0..column.elements().len() {
        let inside = match column.postings(code)? {
            Postings::Leaf(leaf) => {
                check_leaf(&leaf, rows, name, leaves)?;
                true
            }
            Postings::Rows(held) => {
                held.iter().all(|&row| column.presence().is_none_or(|leaf| leaf.contains(row)))
            }
        };
        if !inside {
            return Err(damaged(name, "a row without a list holds an element"));
        }
    }
    Ok(())
}
