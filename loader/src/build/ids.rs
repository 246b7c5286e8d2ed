//! The key column: any integer type, never NULL, never negative.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};

use crate::error::{LoadError, Result};

/// The ids of a batch.
pub(super) fn user_ids(field: &Field, array: &ArrayRef) -> Result<Vec<u64>> {
    let error = |message: String| LoadError::column(field.name(), message);
    if array.null_count() > 0 {
        return Err(error("a user id is NULL; every row needs one".to_owned()));
    }
    match array.data_type() {
        DataType::UInt64 => Ok(array.as_primitive::<UInt64Type>().values().to_vec()),
        DataType::UInt32 => widen::<UInt32Type>(array).map_err(error),
        DataType::UInt16 => widen::<UInt16Type>(array).map_err(error),
        DataType::UInt8 => widen::<UInt8Type>(array).map_err(error),
        DataType::Int64 => widen::<Int64Type>(array).map_err(error),
        DataType::Int32 => widen::<Int32Type>(array).map_err(error),
        DataType::Int16 => widen::<Int16Type>(array).map_err(error),
        DataType::Int8 => widen::<Int8Type>(array).map_err(error),
        other => {
            Err(error(format!("user ids must be integers, not {other}; name another column as `user_id`")))
        }
    }
}

fn widen<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<Vec<u64>, String>
where
    T::Native: TryInto<u64> + std::fmt::Display,
{
    let read = |&value: &T::Native| {
        value.try_into().map_err(|_| format!("the user id {value} is negative; ids must be 0 or more"))
    };
    array.as_primitive::<T>().values().iter().map(read).collect()
}
