//! Arrow columns into the engine's columns.
//!
//! [`plan`] decides once, from a field's type, its metadata and the configuration, what a source column becomes;
//! [`convert`] then turns arrays of it into [`ColumnData`]. A value never changes on the way: what does not fit the
//! column's type exactly is an error that names the column and says what to do.

mod declared;
mod fixed;
mod json;
mod nested;
mod plan;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod unwrap;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use muster_engine::batch::{ColumnData, Values};
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};

use crate::error::{LoadError, Result};

pub use declared::parse_type;
pub use json::{Example, JsonFindings};
pub use plan::{ColumnOptions, JsonKind, plan};

/// Arrow field metadata: how a String column holds JSON, `json_map` or `json_array`, as `as` in the config.
pub const AS_KEY: &str = "muster.as";
/// Arrow field metadata: the column's Muster type where Parquet has none for it, as `type` in the config.
pub const TYPE_KEY: &str = "muster.type";

/// Converts one batch's column to what [`plan`] said it is. `user_ids` name the rows in findings.
pub fn convert(
    column: &ColumnSchema,
    array: &ArrayRef,
    user_ids: &[u64],
) -> Result<(ColumnData, JsonFindings)> {
    convert_unnamed(column, array, user_ids).map_err(|message| LoadError::column(&column.name, message))
}

fn convert_unnamed(
    column: &ColumnSchema,
    array: &ArrayRef,
    user_ids: &[u64],
) -> Result<(ColumnData, JsonFindings), String> {
    let array = unwrap::unwrap(array)?;
    if !column.nullable && array.null_count() > 0 {
        return Err("a NULL in a column that the source declares without NULLs".to_owned());
    }
    let data = match (&column.ty, column.held_as) {
        (ty, HeldAs::JsonArray | HeldAs::JsonMap) => {
            debug_assert!(!matches!(ty, ColumnType::Scalar(_)));
            return text::parse_json(column.held_as, &array, user_ids);
        }
        (ColumnType::Scalar(ty), _) => ColumnData::Scalar(scalar(ty, &array)?),
        (ColumnType::Array(ty), _) => nested::list(ty, &array)?,
        (ColumnType::Map(ty), _) => nested::map(ty, &array)?,
    };
    Ok((data, JsonFindings::default()))
}

/// Values of any scalar type. `array` is unwrapped.
fn scalar(ty: &ScalarType, array: &ArrayRef) -> Result<Values, String> {
    let keys = match ty {
        ScalarType::String | ScalarType::Enum => text::keys(array)?,
        ScalarType::Date | ScalarType::DateTime { .. } | ScalarType::DateTime64 { .. } => {
            time::keys(ty, array)?
        }
        ScalarType::Bool
        | ScalarType::Int { .. }
        | ScalarType::UInt { .. }
        | ScalarType::Float { .. }
        | ScalarType::Decimal { .. }
        | ScalarType::Uuid
        | ScalarType::Ipv4
        | ScalarType::Ipv6 => fixed::keys(ty, array)?,
    };
    Ok(Values { keys, present: present(array.nulls()) })
}

/// The engine's form of a null mask: nothing where all are present.
fn present(nulls: Option<&NullBuffer>) -> Option<Vec<bool>> {
    nulls.filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.iter().collect())
}

/// The error for an array that can't become this type.
fn unfit(ty: &ScalarType, array: &dyn Array) -> String {
    format!(
        "the source's {} can't be read as {ty}; declare another `type`, or set `skip = true`",
        array.data_type()
    )
}

/// The error for a value that is outside its type.
fn outside(ty: &ScalarType, value: &dyn std::fmt::Display) -> String {
    format!("the value {value} does not fit {ty}; declare a wider `type`, or set `skip = true`")
}
