//! Lists of scalars and maps from text to numbers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, OffsetSizeTrait};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use muster_engine::batch::{ColumnData, Keys};
use muster_engine::schema::ScalarType;

use super::unwrap::unwrap;
use super::{present, scalar};

/// Where each row's elements end, and the elements of all rows.
struct Rows {
    ends: Vec<u32>,
    elements: ArrayRef,
    present: Option<Vec<bool>>,
}

/// Any list array.
pub(super) fn list(ty: &ScalarType, array: &ArrayRef) -> Result<ColumnData, String> {
    let Rows { ends, elements, present } = rows(array)?;
    Ok(ColumnData::List { ends, elements: scalar(ty, &unwrap(&elements)?)?, present })
}

/// A map array, or a list of (key, value) structs.
pub(super) fn map(ty: &ScalarType, array: &ArrayRef) -> Result<ColumnData, String> {
    let Rows { ends, elements, present } = rows(array)?;
    let entries = elements.as_struct();
    if entries.null_count() > 0 {
        return Err("a map entry is NULL; repair the source, or set `skip = true`".to_owned());
    }
    let keys = scalar(&ScalarType::String, &unwrap(entries.column(0))?)?;
    if keys.present.is_some() {
        return Err("a map key is NULL; repair the source, or set `skip = true`".to_owned());
    }
    let mut values = scalar(ty, &unwrap(entries.column(1))?)?;
    if let Some(known) = &mut values.present {
        hide_later_copies(&ends, &keys.keys, known);
    }
    Ok(ColumnData::Map { ends, keys, values, present })
}

/// Of entries with the same key in one row the first counts, also where its value is NULL: those after it must not
/// take its place.
fn hide_later_copies(ends: &[u32], keys: &Keys, known: &mut [bool]) {
    let Keys::Bytes { ends: key_ends, bytes } = keys else { return };
    let text = |index: usize| {
        let start = if index == 0 { 0 } else { key_ends[index - 1] };
        &bytes[start as usize..key_ends[index] as usize]
    };
    let mut start = 0;
    for &end in ends {
        let row = start..end as usize;
        start = end as usize;
        if known[row.clone()].contains(&false) {
            let mut seen = std::collections::HashSet::new();
            for index in row {
                known[index] &= seen.insert(text(index));
            }
        }
    }
}

fn rows(array: &ArrayRef) -> Result<Rows, String> {
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            cut(list.value_offsets(), list.values(), list.nulls())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            cut(list.value_offsets(), list.values(), list.nulls())
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            cut(map.value_offsets(), &entries, map.nulls())
        }
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let offsets: Vec<i64> = (0..=list.len() as i64).map(|row| row * i64::from(*size)).collect();
            cut(&offsets, list.values(), list.nulls())
        }
        ty => Err(format!("the source's {ty} is no list; set `skip = true`")),
    }
}

/// The elements between the first and the last offset, without those that a NULL row may hide.
fn cut<O: OffsetSizeTrait>(
    offsets: &[O],
    values: &ArrayRef,
    nulls: Option<&NullBuffer>,
) -> Result<Rows, String> {
    let count = offsets.len() - 1;
    let (first, last) = (offsets[0].as_usize(), offsets[count].as_usize());
    if u32::try_from(last - first).is_err() {
        return Err(
            "more than 2^32 elements in one batch; write the source with smaller row groups".to_owned()
        );
    }
    let elements = values.slice(first, last - first);
    let length = |row: usize| offsets[row + 1].as_usize() - offsets[row].as_usize();
    let absent = |row: usize| nulls.is_some_and(|nulls| nulls.is_null(row));
    let present = present(nulls);
    if !(0..count).any(|row| absent(row) && length(row) > 0) {
        let ends = offsets[1..].iter().map(|end| (end.as_usize() - first) as u32).collect();
        return Ok(Rows { ends, elements, present });
    }
    let mut ends = Vec::with_capacity(count);
    let mut kept = Vec::with_capacity(elements.len());
    let mut end = 0;
    for row in 0..count {
        kept.extend(std::iter::repeat_n(!absent(row), length(row)));
        end += if absent(row) { 0 } else { length(row) as u32 };
        ends.push(end);
    }
    let elements = arrow_select::filter::filter(&elements, &BooleanArray::from(kept))
        .map_err(|error| error.to_string())?;
    Ok(Rows { ends, elements, present })
}
