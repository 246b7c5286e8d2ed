//! Strings and bytes.

use arrow_array::cast::AsArray;
use arrow_array::types::ByteArrayType;
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, GenericByteArray, OffsetSizeTrait};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;
use muster_engine::batch::{ColumnData, Keys};
use muster_engine::schema::{HeldAs, ScalarType};

use super::json::{self, JsonFindings};
use super::unfit;

/// Bytes of any text or binary array.
pub(super) fn keys(array: &ArrayRef) -> Result<Keys, String> {
    match array.data_type() {
        DataType::Utf8 => copied(array.as_string::<i32>()),
        DataType::LargeUtf8 => copied(array.as_string::<i64>()),
        DataType::Binary => copied(array.as_binary::<i32>()),
        DataType::LargeBinary => copied(array.as_binary::<i64>()),
        DataType::FixedSizeBinary(_) => trimmed(array.as_fixed_size_binary()),
        _ => Err(unfit(&ScalarType::String, array)),
    }
}

fn too_long() -> String {
    "more than 4 GiB of text in one batch; write the source with smaller row groups".to_owned()
}

/// The values stand one after the other already: one copy of all bytes.
fn copied<T: ByteArrayType>(array: &GenericByteArray<T>) -> Result<Keys, String>
where
    T::Offset: OffsetSizeTrait,
{
    let offsets = array.value_offsets();
    let (first, last) = (offsets[0].as_usize(), offsets[array.len()].as_usize());
    if u32::try_from(last - first).is_err() {
        return Err(too_long());
    }
    let bytes = array.value_data()[first..last].to_vec();
    let ends = offsets[1..].iter().map(|end| (end.as_usize() - first) as u32).collect();
    Ok(Keys::Bytes { ends, bytes })
}

/// Fixed-size text is padded with zeros, which don't belong to it.
fn trimmed(array: &FixedSizeBinaryArray) -> Result<Keys, String> {
    let mut bytes = Vec::new();
    let mut ends = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        let value = array.value(row);
        let len = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes.extend_from_slice(&value[..len]);
        ends.push(u32::try_from(bytes.len()).map_err(|_| too_long())?);
    }
    Ok(Keys::Bytes { ends, bytes })
}

/// Text that holds JSON.
pub(super) fn parse_json(
    held_as: HeldAs,
    array: &ArrayRef,
    user_ids: &[u64],
) -> Result<(ColumnData, JsonFindings), String> {
    fn text<O: OffsetSizeTrait>(array: &ArrayRef) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        array.as_string::<O>().iter().map(|text| text.map(str::as_bytes))
    }
    Ok(match array.data_type() {
        DataType::Utf8 => json::parse(held_as, text::<i32>(array), true, user_ids),
        DataType::LargeUtf8 => json::parse(held_as, text::<i64>(array), true, user_ids),
        DataType::Binary => json::parse(held_as, array.as_binary::<i32>().iter(), false, user_ids),
        DataType::LargeBinary => json::parse(held_as, array.as_binary::<i64>().iter(), false, user_ids),
        ty => return Err(format!("only text can hold JSON, not the source's {ty}; remove its `as`")),
    })
}
