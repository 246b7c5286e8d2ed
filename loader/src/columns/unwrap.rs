//! Arrow's encodings of a value (dictionaries, views, large offsets) taken off, so that conversions see few types.

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// The same values in their plain type. Plain arrays, the usual case, are only cloned by reference.
pub(super) fn unwrap(array: &ArrayRef) -> Result<ArrayRef, String> {
    let plain = match array.data_type() {
        DataType::Dictionary(_, value) => plain(value).unwrap_or_else(|| value.as_ref().clone()),
        ty => match plain(ty) {
            Some(plain) => plain,
            None => return Ok(array.clone()),
        },
    };
    arrow_cast::cast(array, &plain).map_err(|error| error.to_string())
}

fn plain(ty: &DataType) -> Option<DataType> {
    match ty {
        DataType::Utf8View => Some(DataType::LargeUtf8),
        DataType::BinaryView => Some(DataType::LargeBinary),
        _ => None,
    }
}
