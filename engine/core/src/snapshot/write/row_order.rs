//! In which order rows are numbered: as they came, by columns, or by columns chosen from the data.
//!
//! Bitmaps of rows that are alike are short where those rows are neighbours. Ids ascend among rows that are equal in all
//! columns of the order. `docs/row-order.md` says how the choice is made and what it is worth.

use rayon::prelude::*;

use super::builder::Builder;
use super::choose::{Sample, choose};
use super::place::Places;
use super::sort::sorted_of;
use super::sort_key::Key;
use crate::error::{Error, Result};
use crate::schema::Schema;

/// Rows whose keys one thread makes at a time.
const STRETCH_ROWS: usize = 1 << 18;

/// In which order rows are numbered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RowOrder {
    /// As they come.
    #[default]
    Given,
    /// By whatever columns make the bitmaps smallest, if that saves more than it costs.
    Auto,
    /// By these columns, the first one first: numbers and times of many values by their quantiles, lists by length, maps by
    /// whether there is one.
    Columns(Vec<String>),
}

impl RowOrder {
    /// From what people write: `auto`, `none`, or names of columns with commas between.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "auto" => Self::Auto,
            "none" | "" => Self::Given,
            names => Self::Columns(names.split(',').map(|name| name.trim().to_owned()).collect()),
        }
    }
}

/// Rows in a new order.
#[derive(Debug)]
pub(super) struct Sorted {
    /// Names of the columns.
    pub(super) by: Vec<String>,
    /// The new number of each row.
    pub(super) places: Vec<u32>,
}

/// The rows in the wanted order; `None` if that is the one they have. `ids` are by row, and `places` by column say which row
/// of the table each row of its input is.
pub(super) fn sorted<'a>(
    wanted: &RowOrder,
    schema: &Schema,
    columns: &'a [Builder],
    places: &(dyn Fn(usize) -> &'a Places + Sync),
    ids: &[u64],
) -> Result<Option<Sorted>> {
    let sample = Sample::of(ids.len() as u32);
    let keys: Vec<(usize, Key<'a>)> = match wanted {
        RowOrder::Given => return Ok(None),
        RowOrder::Auto => choose(columns, places, &sample)?,
        RowOrder::Columns(names) => names
            .iter()
            .map(|name| {
                let at = schema.columns.iter().position(|column| column.name == *name);
                let at = at.ok_or_else(|| Error::input(format!("row order: there is no column {name}")))?;
                let wide = || {
                    Error::input(format!(
                        "row order: column {name} has too many different texts or wide numbers; order by another column"
                    ))
                };
                let key = columns[at].sort_key()?.ok_or_else(wide)?;
                Ok((at, Key::new(key, places(at))?))
            })
            .collect::<Result<_>>()?,
    };
    let (columns, keys): (Vec<usize>, Vec<Key<'_>>) = packable(keys).into_iter().unzip();
    let Some(places) = permutation(&keys, ids)? else { return Ok(None) };
    let by = columns.into_iter().map(|at| schema.columns[at].name.clone()).collect();
    Ok(Some(Sorted { by, places }))
}

/// As many of the keys as fit into 64 bits together; no table has rows enough for the others to matter.
fn packable(keys: Vec<(usize, Key<'_>)>) -> Vec<(usize, Key<'_>)> {
    let mut product = 1_u64;
    let fits = |(_, key): &(usize, Key<'_>)| {
        let more = product.checked_mul(key.levels().into());
        product = more.unwrap_or(product);
        more.is_some()
    };
    keys.into_iter().take_while(fits).collect()
}

/// The new number of each row; `None` if each keeps its own.
fn permutation(keys: &[Key<'_>], ids: &[u64]) -> Result<Option<Vec<u32>>> {
    let rows = ids.len() as u32;
    let mut packed = vec![0_u64; ids.len()];
    packed.par_chunks_mut(STRETCH_ROWS).enumerate().try_for_each(|(stretch, packed)| {
        let first = (stretch * STRETCH_ROWS) as u32;
        for key in keys {
            let mut at = packed.iter_mut();
            let levels = u64::from(key.levels());
            key.levels_at(first..(first + STRETCH_ROWS as u32).min(rows), |level| {
                if let Some(packed) = at.next() {
                    *packed = *packed * levels + u64::from(level);
                }
            })?;
        }
        Ok::<(), Error>(())
    })?;
    let numbers: Vec<u32> = (0..rows).collect();
    let mut sorted = sorted_of(&packed, &numbers);
    drop((packed, numbers));
    if !ids.is_sorted() {
        // Equal rows are in the order they came: bring them into that of their ids.
        let equal = sorted.chunk_by_mut(|a, b| a.0 == b.0);
        equal.for_each(|rows| rows.sort_unstable_by_key(|&(_, row)| ids[row as usize]));
    }
    if sorted.is_sorted_by_key(|pair| pair.1) {
        return Ok(None);
    }
    let mut places = vec![0; ids.len()];
    for (place, (_, row)) in (0..).zip(sorted) {
        places[row as usize] = place;
    }
    Ok(Some(places))
}
