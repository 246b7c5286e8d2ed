//! One row per user: which rows of a source are older copies.
//!
//! A first pass reads only the ids. Where they ascend strictly, as in a table ordered by user, that is all. Otherwise
//! the ids are sorted in memory (8 bytes a row) to find those that come more than once, and a further pass over ids
//! and versions finds each one's newest row. Memory for those: about 64 bytes per user that has copies.

use std::collections::{HashMap, HashSet};

use muster_engine::batch::{ColumnData, Keys, Values};
use muster_engine::schema::ColumnSchema;
use rayon::prelude::*;

use super::ids::user_ids;
use crate::columns::convert;
use crate::error::{LoadError, Result};
use crate::source::Source;

/// Ids named in an error.
const NAMED_MAX: usize = 5;

/// Which rows to leave out.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    /// Rows of the source.
    pub(super) source_rows: u64,
    /// For each user that has several rows, the position of the row that counts.
    winners: HashMap<u64, u64>,
}

impl Duplicates {
    /// Which of these rows, the first of them at `position`, count; `None` if all do.
    pub(super) fn keep(&self, ids: &[u64], position: u64) -> Option<Vec<bool>> {
        if self.winners.is_empty() {
            return None;
        }
        let counts = |(row, id): (usize, &u64)| {
            self.winners.get(id).is_none_or(|&winner| winner == position + row as u64)
        };
        let kept: Vec<bool> = ids.iter().enumerate().map(counts).collect();
        kept.contains(&false).then_some(kept)
    }
}

/// The column that says which of several rows is the newest.
pub(super) struct Version {
    /// Position in the source's schema.
    pub(super) index: usize,
    /// What it holds.
    pub(super) column: ColumnSchema,
}

/// Finds the rows to leave out. `id_index` is the position of the id column in the source's schema.
pub(super) fn find(source: &dyn Source, id_index: usize, version: Option<&Version>) -> Result<Duplicates> {
    let (source_rows, repeated) = repeated_ids(source, id_index)?;
    if repeated.is_empty() {
        return Ok(Duplicates { source_rows, winners: HashMap::new() });
    }
    let Some(version) = version else {
        let mut ids: Vec<u64> = repeated.iter().copied().collect();
        ids.sort_unstable();
        let named: Vec<String> = ids.iter().take(NAMED_MAX).map(u64::to_string).collect();
        return Err(LoadError::Source(format!(
            "{} users have more than one row, among them {}: deduplicate the source, or name the column that \
             tells the newest row as `version` in [source].",
            ids.len(),
            named.join(", ")
        )));
    };
    Ok(Duplicates { source_rows, winners: newest(source, id_index, version, &repeated)? })
}

/// How many rows there are, and the ids that more than one of them has.
fn repeated_ids(source: &dyn Source, id_index: usize) -> Result<(u64, HashSet<u64>)> {
    let mut rows = 0;
    let mut repeated = HashSet::new();
    let mut last = None;
    let mut ascends = true;
    for batch in source.batches(&[id_index])? {
        let ids = user_ids(&source.schema().fields()[id_index], batch?.column(0))?;
        rows += ids.len() as u64;
        for &id in &ids {
            match last {
                Some(before) if id < before => ascends = false,
                Some(before) if id == before => _ = repeated.insert(id),
                _ => {}
            }
            last = Some(id);
        }
        if !ascends {
            break;
        }
    }
    if ascends {
        return Ok((rows, repeated));
    }
    let mut all = Vec::with_capacity(source.rows().unwrap_or(0) as usize);
    for batch in source.batches(&[id_index])? {
        all.extend(user_ids(&source.schema().fields()[id_index], batch?.column(0))?);
    }
    all.par_sort_unstable();
    let repeated = all.par_windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    Ok((all.len() as u64, repeated))
}

/// The position of each repeated user's newest row: the highest version, and of equal ones the last row, as the
/// warehouse's ReplacingMergeTree decides. NULL is older than any version.
fn newest(
    source: &dyn Source,
    id_index: usize,
    version: &Version,
    repeated: &HashSet<u64>,
) -> Result<HashMap<u64, u64>> {
    let mut best: HashMap<u64, (Option<u128>, u64)> = HashMap::with_capacity(repeated.len());
    let mut position = 0;
    for batch in source.batches(&[id_index, version.index])? {
        let batch = batch?;
        let ids = user_ids(&source.schema().fields()[id_index], batch.column(0))?;
        let (data, _) = convert(&version.column, batch.column(1), &ids)?;
        let ColumnData::Scalar(values) = data else { return Err(unordered(version)) };
        for (row, id) in ids.iter().enumerate() {
            if repeated.contains(id) {
                let found = version_at(&values, row).map_err(|Unordered| unordered(version))?;
                let entry = best.entry(*id).or_insert((found, position));
                if found >= entry.0 {
                    *entry = (found, position);
                }
            }
            position += 1;
        }
    }
    Ok(best.into_iter().map(|(id, (_, position))| (id, position)).collect())
}

/// The column holds text.
struct Unordered;

/// The version of a row, if it is not NULL.
fn version_at(values: &Values, row: usize) -> Result<Option<u128>, Unordered> {
    let present = values.present.as_ref().is_none_or(|present| present[row]);
    let key = match &values.keys {
        Keys::Bool(keys) => u128::from(keys[row]),
        Keys::Fixed8(keys) => u128::from(keys[row]),
        Keys::Fixed16(keys) => keys[row],
        Keys::Bytes { .. } => return Err(Unordered),
    };
    Ok(present.then_some(key))
}

fn unordered(version: &Version) -> LoadError {
    let message =
        format!("a {} can't tell the newest row; name a number or a time as `version`", version.column.ty);
    LoadError::column(&version.column.name, message)
}
