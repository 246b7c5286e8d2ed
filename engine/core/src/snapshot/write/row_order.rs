//! In which order rows are numbered: as they came, by columns, or by columns chosen from the data.
//!
//! Bitmaps of rows that are alike are short where those rows are neighbours. Ids ascend among rows that are equal in all
//! columns of the order. `docs/row-order.md` says how the choice is made and what it is worth.

use rayon::prelude::*;

use super::Builder;
use super::choose::{Sample, choose};
use super::sort_key::SortKey;
use crate::error::{Error, Result};
use crate::schema::Schema;

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
    /// The rows as they came, in their new order.
    pub(super) rows: Vec<u32>,
}

/// The rows in the wanted order; `None` if that is the one they came in.
pub(super) fn sorted(
    wanted: &RowOrder,
    schema: &Schema,
    columns: &[Builder],
    ids: &[u64],
) -> Result<Option<Sorted>> {
    let sample = Sample::of(ids.len() as u32);
    let keys: Vec<(usize, SortKey<'_>)> = match wanted {
        RowOrder::Given => return Ok(None),
        RowOrder::Auto => choose(columns, &sample),
        RowOrder::Columns(names) => names
            .iter()
            .map(|name| {
                let at = schema.columns.iter().position(|column| column.name == *name);
                let at = at.ok_or_else(|| Error::input(format!("row order: there is no column {name}")))?;
                let key = columns[at].sort_key();
                let text = || Error::input(format!("row order: column {name} has too many different texts"));
                Ok((at, key.ok_or_else(text)?))
            })
            .collect::<Result<_>>()?,
    };
    let (columns, keys): (Vec<usize>, Vec<SortKey<'_>>) = packable(keys).into_iter().unzip();
    let rows = permutation(&keys, ids);
    if rows.is_sorted() {
        return Ok(None);
    }
    let by = columns.into_iter().map(|at| schema.columns[at].name.clone()).collect();
    Ok(Some(Sorted { by, rows }))
}

/// As many of the keys as fit into 64 bits together; no table has rows enough for the others to matter.
fn packable(keys: Vec<(usize, SortKey<'_>)>) -> Vec<(usize, SortKey<'_>)> {
    let mut product = 1_u64;
    let fits = |(_, key): &(usize, SortKey<'_>)| {
        let more = product.checked_mul(key.levels().into());
        product = more.unwrap_or(product);
        more.is_some()
    };
    keys.into_iter().take_while(fits).collect()
}

fn permutation(keys: &[SortKey<'_>], ids: &[u64]) -> Vec<u32> {
    let rows = 0..ids.len() as u32;
    let pack = |row: u32| {
        keys.iter().fold(0_u64, |packed, key| packed * u64::from(key.levels()) + u64::from(key.at(row)))
    };
    if ids.is_sorted() {
        let mut packed: Vec<(u64, u32)> = rows.into_par_iter().map(|row| (pack(row), row)).collect();
        packed.par_sort_unstable();
        return packed.into_iter().map(|(_, row)| row).collect();
    }
    let mut packed: Vec<(u64, u64, u32)> =
        rows.into_par_iter().map(|row| (pack(row), ids[row as usize], row)).collect();
    packed.par_sort_unstable();
    packed.into_iter().map(|(_, _, row)| row).collect()
}
