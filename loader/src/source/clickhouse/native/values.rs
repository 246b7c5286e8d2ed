//! The values of one column of a Native block, as an Arrow array of the type that [`arrow_type`] names.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, FixedSizeBinaryArray, ListArray,
    MapArray, PrimitiveArray, StructArray, UInt64Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{ArrowError, DataType};
use arrow_select::take::{TakeOptions, take};

use super::super::columns::arrow_type;
use super::super::types::Type;
use super::{Reader, Stop};

/// Dictionaries of `LowCardinality` come in this version.
const DICTIONARY_VERSION: u64 = 1;
/// A dictionary of the block's own, and nothing shared between blocks.
const DICTIONARY_FLAGS: u64 = 0x600;

/// A column of so many rows.
pub(super) fn column(reader: &mut Reader<'_>, ty: &Type, rows: usize) -> Result<ArrayRef, Stop> {
    if rows > 0 {
        versions(reader, ty)?;
    }
    values(reader, ty, rows, None)
}

/// What stands before the values of all dictionaries in a column.
fn versions(reader: &mut Reader<'_>, ty: &Type) -> Result<(), Stop> {
    match ty {
        Type::LowCardinality(_) => match reader.u64()? {
            DICTIONARY_VERSION => Ok(()),
            other => Err(Stop::Wrong(format!("a dictionary has the version {other}"))),
        },
        Type::Array(inner) | Type::Nullable(inner) => versions(reader, inner),
        Type::Map(key, value) => {
            versions(reader, key)?;
            versions(reader, value)
        }
        _ => Ok(()),
    }
}

fn values(
    reader: &mut Reader<'_>,
    ty: &Type,
    count: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Stop> {
    let wrong = |error: ArrowError| Stop::Wrong(error.to_string());
    Ok(match ty {
        Type::Nullable(inner) => {
            let mask = reader.take(count, 1)?;
            let present = BooleanBuffer::collect_bool(count, |row| mask[row] == 0);
            values(reader, inner, count, Some(NullBuffer::new(present)))?
        }
        Type::Bool => {
            let bytes = reader.take(count, 1)?;
            Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(count, |row| bytes[row] != 0), nulls))
        }
        Type::Int { bits: 8 } => numbers::<Int8Type>(reader, count, nulls)?,
        Type::Int { bits: 16 } => numbers::<Int16Type>(reader, count, nulls)?,
        Type::Int { bits: 32 } => numbers::<Int32Type>(reader, count, nulls)?,
        Type::Int { bits: 64 } | Type::DateTime64 { .. } => numbers::<Int64Type>(reader, count, nulls)?,
        Type::UInt { bits: 8 } => numbers::<UInt8Type>(reader, count, nulls)?,
        Type::UInt { bits: 16 } | Type::Date => numbers::<UInt16Type>(reader, count, nulls)?,
        Type::UInt { bits: 32 } | Type::DateTime { .. } | Type::Ipv4 => {
            numbers::<UInt32Type>(reader, count, nulls)?
        }
        Type::UInt { bits: 64 } => numbers::<UInt64Type>(reader, count, nulls)?,
        Type::Float { bits: 32 } => numbers::<Float32Type>(reader, count, nulls)?,
        Type::Float { .. } => numbers::<Float64Type>(reader, count, nulls)?,
        Type::Date32 => numbers::<Date32Type>(reader, count, nulls)?,
        Type::Int { .. } | Type::UInt { .. } | Type::Ipv6 => blobs(reader.take(count, 16)?, 16, nulls)?,
        Type::FixedString(length) => blobs(reader.take(count, *length)?, *length, nulls)?,
        Type::Uuid => {
            // Two halves, each with its last byte first.
            let mut bytes = reader.take(count, 16)?.to_vec();
            bytes.chunks_exact_mut(8).for_each(<[u8]>::reverse);
            blobs(&bytes, 16, nulls)?
        }
        Type::Decimal { precision, scale } => decimals(reader, count, *precision, *scale, nulls)?,
        Type::String => strings(reader, count, nulls)?,
        Type::Enum { bits, names } => enums(reader, count, *bits, names, nulls)?,
        Type::LowCardinality(inner) => dictionary(reader, inner, count)?,
        Type::Array(inner) => {
            let (offsets, total) = offsets(reader, count)?;
            let elements = values(reader, inner, total, None)?;
            let DataType::List(field) = arrow_type(ty) else {
                return Err(Stop::Wrong("a list is none".into()));
            };
            Arc::new(ListArray::try_new(field, offsets, elements, nulls).map_err(wrong)?)
        }
        Type::Map(key, value) => {
            let (offsets, total) = offsets(reader, count)?;
            let parts = vec![values(reader, key, total, None)?, values(reader, value, total, None)?];
            let DataType::Map(field, _) = arrow_type(ty) else {
                return Err(Stop::Wrong("a map is none".into()));
            };
            let DataType::Struct(fields) = field.data_type().clone() else {
                return Err(Stop::Wrong("a map is none".into()));
            };
            let entries = StructArray::try_new(fields, parts, None).map_err(wrong)?;
            Arc::new(MapArray::try_new(field, offsets, entries, nulls, false).map_err(wrong)?)
        }
    })
}

fn numbers<T: ArrowPrimitiveType>(
    reader: &mut Reader<'_>,
    count: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Stop> {
    let bytes = reader.take(count, size_of::<T::Native>())?;
    // Copied to where such numbers may stand.
    Ok(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::new(Buffer::from(bytes), 0, count), nulls)))
}

fn blobs(bytes: &[u8], width: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Stop> {
    let width = i32::try_from(width).map_err(|_| Stop::Wrong(format!("a text is {width} bytes long")))?;
    let array = FixedSizeBinaryArray::try_new(width, Buffer::from(bytes), nulls);
    Ok(Arc::new(array.map_err(|error| Stop::Wrong(error.to_string()))?))
}

/// Values of this many bytes, one after the other.
fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

fn decimals(
    reader: &mut Reader<'_>,
    count: usize,
    precision: u8,
    scale: u8,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Stop> {
    let unscaled: Vec<i128> = match precision {
        0..=9 => each(reader.take(count, 4)?, |bytes| i32::from_le_bytes(bytes).into()),
        10..=18 => each(reader.take(count, 8)?, |bytes| i64::from_le_bytes(bytes).into()),
        19..=38 => each(reader.take(count, 16)?, i128::from_le_bytes),
        _ => {
            let values: Vec<i256> = each(reader.take(count, 32)?, i256::from_le_bytes);
            let array =
                Decimal256Array::new(values.into(), nulls).with_precision_and_scale(precision, scale as i8);
            return Ok(Arc::new(array.map_err(|error| Stop::Wrong(error.to_string()))?));
        }
    };
    let array = Decimal128Array::new(unscaled.into(), nulls).with_precision_and_scale(precision, scale as i8);
    Ok(Arc::new(array.map_err(|error| Stop::Wrong(error.to_string()))?))
}

/// Each with its length in front.
fn strings(reader: &mut Reader<'_>, count: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Stop> {
    // A length takes a byte at least.
    at_least(reader, count)?;
    let mut ends = Vec::with_capacity(count + 1);
    let mut bytes = Vec::new();
    ends.push(0);
    for _ in 0..count {
        let length = reader.varint()?;
        bytes.extend_from_slice(reader.take(length, 1)?);
        ends.push(bytes.len() as i32);
    }
    texts(ends, bytes, nulls)
}

fn at_least(reader: &Reader<'_>, bytes: usize) -> Result<(), Stop> {
    let end = reader.at + bytes;
    if end > reader.bytes.len() { Err(Stop::Short(end)) } else { Ok(()) }
}

fn texts(ends: Vec<i32>, bytes: Vec<u8>, nulls: Option<NullBuffer>) -> Result<ArrayRef, Stop> {
    // A block is shorter than that; offsets are checked nevertheless.
    if i32::try_from(bytes.len()).is_err() {
        return Err(Stop::Wrong("a block has more than 2 GiB of text in one column".to_owned()));
    }
    let array = BinaryArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(bytes), nulls);
    Ok(Arc::new(array.map_err(|error| Stop::Wrong(error.to_string()))?))
}

/// Names instead of numbers.
fn enums(
    reader: &mut Reader<'_>,
    count: usize,
    bits: u16,
    names: &HashMap<i16, String>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Stop> {
    let numbers: Vec<i16> = match bits {
        8 => reader.take(count, 1)?.iter().map(|&byte| i16::from(byte.cast_signed())).collect(),
        _ => each(reader.take(count, 2)?, i16::from_le_bytes),
    };
    let mut ends = Vec::with_capacity(count + 1);
    let mut bytes = Vec::new();
    ends.push(0);
    for (row, number) in numbers.iter().enumerate() {
        let absent = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        match names.get(number) {
            _ if absent => {}
            Some(name) => bytes.extend_from_slice(name.as_bytes()),
            None => return Err(Stop::Wrong(format!("an enum has the number {number}, which has no name"))),
        }
        if i32::try_from(bytes.len()).is_err() {
            break;
        }
        ends.push(bytes.len() as i32);
    }
    texts(ends, bytes, nulls)
}

/// Where each row's elements end.
fn offsets(reader: &mut Reader<'_>, count: usize) -> Result<(OffsetBuffer<i32>, usize), Stop> {
    at_least(reader, count.saturating_mul(8))?;
    let mut ends = Vec::with_capacity(count + 1);
    ends.push(0);
    let mut last = 0;
    for _ in 0..count {
        let end = reader.count()?;
        if end < last {
            return Err(Stop::Wrong("a list ends before it begins".to_owned()));
        }
        last = end;
        ends.push(end as i32);
    }
    Ok((OffsetBuffer::new(ends.into()), last))
}

/// A dictionary of the block's own, and for each row where in it its value is.
fn dictionary(reader: &mut Reader<'_>, inner: &Type, count: usize) -> Result<ArrayRef, Stop> {
    // The first entry stands for NULL where there are NULLs, so the dictionary itself has none.
    let (entry, nullable) = match inner {
        Type::Nullable(inner) => (inner.as_ref(), true),
        inner => (inner, false),
    };
    if count == 0 {
        return values(reader, entry, 0, None);
    }
    let flags = reader.u64()?;
    if flags & !0xFF != DICTIONARY_FLAGS {
        return Err(Stop::Wrong(format!("a dictionary has the flags {flags:#x}")));
    }
    let length = reader.count()?;
    let entries = values(reader, entry, length, None)?;
    if reader.count()? != count {
        return Err(Stop::Wrong("a dictionary column has another number of rows than its block".to_owned()));
    }
    let keys = match flags & 0xFF {
        0 => reader.take(count, 1)?.iter().map(|&byte| byte.into()).collect(),
        1 => each(reader.take(count, 2)?, |bytes| u16::from_le_bytes(bytes).into()),
        2 => each(reader.take(count, 4)?, |bytes| u32::from_le_bytes(bytes).into()),
        3 => each(reader.take(count, 8)?, u64::from_le_bytes),
        other => return Err(Stop::Wrong(format!("a dictionary has keys of kind {other}"))),
    };
    if keys.iter().any(|&key| key >= length as u64) {
        return Err(Stop::Wrong("a dictionary has no such entry".to_owned()));
    }
    let nulls = nullable.then(|| NullBuffer::new(BooleanBuffer::collect_bool(count, |row| keys[row] != 0)));
    let keys = UInt64Array::new(keys.into(), nulls);
    take(&entries, &keys, Some(TakeOptions { check_bounds: true }))
        .map_err(|error| Stop::Wrong(error.to_string()))
}
