//! Booleans, numbers, UUIDs and addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use muster_engine::batch::Keys;
use muster_engine::key;
use muster_engine::schema::ScalarType;

use super::{outside, unfit};

/// Keys of a fixed-width type other than a time.
pub(super) fn keys(ty: &ScalarType, array: &ArrayRef) -> Result<Keys, String> {
    match ty {
        ScalarType::Bool => bools(ty, array),
        ScalarType::Int { bits: 128 } => Ok(Keys::Fixed16(wide(ty, array, key::wide_int)?)),
        ScalarType::UInt { bits: 128 } => Ok(Keys::Fixed16(wide(ty, array, |value| value as u128)?)),
        ScalarType::Int { bits } => {
            let (low, high) = (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
            integers(ty, array, low, high, |value| key::int(value as i64)).map(Keys::Fixed8)
        }
        ScalarType::UInt { bits } => {
            integers(ty, array, 0, (1_i128 << bits) - 1, |value| value as u64).map(Keys::Fixed8)
        }
        ScalarType::Float { bits } => floats(ty, *bits, array).map(Keys::Fixed8),
        ScalarType::Decimal { precision, scale } => decimals(ty, *precision, *scale, array),
        ScalarType::Uuid => sixteen_bytes(ty, array, uuid),
        ScalarType::Ipv6 => sixteen_bytes(ty, array, |text| text.parse::<Ipv6Addr>().ok().map(u128::from)),
        ScalarType::Ipv4 => ipv4(ty, array),
        _ => Err(unfit(ty, array)),
    }
}

fn bools(ty: &ScalarType, array: &ArrayRef) -> Result<Keys, String> {
    if *array.data_type() == DataType::Boolean {
        return Ok(Keys::Bool(array.as_boolean().values().iter().collect()));
    }
    let numbers = integers(ty, array, 0, 1, |value| value as u64)?;
    Ok(Keys::Bool(numbers.into_iter().map(|number| number == 1).collect()))
}

/// Reads every value; those at NULL positions are not checked.
fn each<T: ArrowPrimitiveType, U: Default + Copy>(
    array: &ArrayRef,
    read: impl Fn(T::Native) -> Result<U, String>,
) -> Result<Vec<U>, String> {
    let array = array.as_primitive::<T>();
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => array.values().iter().map(|&value| read(value)).collect(),
        Some(nulls) => array
            .values()
            .iter()
            .zip(nulls)
            .map(|(&value, present)| if present { read(value) } else { Ok(U::default()) })
            .collect(),
    }
}

/// Integers of any width that lie between `low` and `high`.
pub(super) fn integers(
    ty: &ScalarType,
    array: &ArrayRef,
    low: i128,
    high: i128,
    key_of: impl Fn(i128) -> u64 + Copy,
) -> Result<Vec<u64>, String> {
    fn read<T: ArrowPrimitiveType>(
        ty: &ScalarType,
        array: &ArrayRef,
        (low, high): (i128, i128),
        key_of: impl Fn(i128) -> u64,
    ) -> Result<Vec<u64>, String>
    where
        T::Native: Into<i128>,
    {
        each::<T, u64>(array, |value| {
            let value: i128 = value.into();
            if (low..=high).contains(&value) { Ok(key_of(value)) } else { Err(outside(ty, &value)) }
        })
    }
    let range = (low, high);
    match array.data_type() {
        DataType::Int8 => read::<Int8Type>(ty, array, range, key_of),
        DataType::Int16 => read::<Int16Type>(ty, array, range, key_of),
        DataType::Int32 => read::<Int32Type>(ty, array, range, key_of),
        DataType::Int64 => read::<Int64Type>(ty, array, range, key_of),
        DataType::UInt8 => read::<UInt8Type>(ty, array, range, key_of),
        DataType::UInt16 => read::<UInt16Type>(ty, array, range, key_of),
        DataType::UInt32 => read::<UInt32Type>(ty, array, range, key_of),
        DataType::UInt64 => read::<UInt64Type>(ty, array, range, key_of),
        _ => Err(unfit(ty, array)),
    }
}

/// 128-bit integers: the 16 little-endian bytes that ClickHouse writes into Parquet.
fn wide(ty: &ScalarType, array: &ArrayRef, key_of: impl Fn(i128) -> u128) -> Result<Vec<u128>, String> {
    let DataType::FixedSizeBinary(16) = array.data_type() else { return Err(unfit(ty, array)) };
    let values = array.as_fixed_size_binary();
    let read =
        |row: usize| values.value(row).first_chunk::<16>().map_or(0, |bytes| i128::from_le_bytes(*bytes));
    Ok((0..values.len()).map(|row| key_of(read(row))).collect())
}

fn floats(ty: &ScalarType, bits: u8, array: &ArrayRef) -> Result<Vec<u64>, String> {
    match array.data_type() {
        DataType::Float16 => each::<Float16Type, _>(array, |value| Ok(key::float(value.to_f64()))),
        DataType::Float32 => each::<Float32Type, _>(array, |value| Ok(key::float(f64::from(value)))),
        DataType::Float64 if bits == 64 => each::<Float64Type, _>(array, |value| Ok(key::float(value))),
        _ => Err(unfit(ty, array)),
    }
}

/// Decimals keep their scale; only the digits of 256-bit ones are checked.
fn decimals(ty: &ScalarType, precision: u8, scale: u8, array: &ArrayRef) -> Result<Keys, String> {
    let same_scale = match array.data_type() {
        DataType::Decimal32(_, found)
        | DataType::Decimal64(_, found)
        | DataType::Decimal128(_, found)
        | DataType::Decimal256(_, found) => *found == scale as i8,
        _ => false,
    };
    if !same_scale {
        return Err(unfit(ty, array));
    }
    let limit = 10_i128.pow(u32::from(precision));
    let checked = |value: i128| -> Result<i128, String> {
        let fits = -limit < value && value < limit;
        if fits { Ok(value) } else { Err(outside(ty, &format_args!("{value}e-{scale}"))) }
    };
    let unscaled: Vec<i128> = match array.data_type() {
        DataType::Decimal32(..) => each::<Decimal32Type, _>(array, |value| checked(value.into()))?,
        DataType::Decimal64(..) => each::<Decimal64Type, _>(array, |value| checked(value.into()))?,
        DataType::Decimal128(..) => each::<Decimal128Type, _>(array, checked)?,
        _ => each::<Decimal256Type, _>(array, |value| {
            value.to_i128().ok_or_else(|| outside(ty, &value)).and_then(checked)
        })?,
    };
    Ok(if precision <= 18 {
        Keys::Fixed8(unscaled.into_iter().map(|value| key::int(value as i64)).collect())
    } else {
        Keys::Fixed16(unscaled.into_iter().map(key::wide_int).collect())
    })
}

/// UUID and IPv6: 16 big-endian bytes, or text.
fn sixteen_bytes(
    ty: &ScalarType,
    array: &ArrayRef,
    parse: impl Fn(&str) -> Option<u128>,
) -> Result<Keys, String> {
    if let DataType::FixedSizeBinary(16) = array.data_type() {
        let values = array.as_fixed_size_binary();
        let read =
            |row: usize| values.value(row).first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes));
        return Ok(Keys::Fixed16((0..values.len()).map(read).collect()));
    }
    parsed(ty, array, parse).map(Keys::Fixed16)
}

fn ipv4(ty: &ScalarType, array: &ArrayRef) -> Result<Keys, String> {
    let keys = if array.data_type().is_integer() {
        integers(ty, array, 0, i128::from(u32::MAX), |value| value as u64)?
    } else {
        parsed(ty, array, |text| text.parse::<Ipv4Addr>().ok().map(|address| u64::from(u32::from(address))))?
    };
    Ok(Keys::Fixed8(keys))
}

/// Values written as text.
fn parsed<T: Default>(
    ty: &ScalarType,
    array: &ArrayRef,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let read = |text: Option<&str>| match text {
        None => Ok(T::default()),
        Some(text) => parse(text).ok_or_else(|| outside(ty, &format_args!("{text:?}"))),
    };
    // Bytes that are no text are no such value either.
    let read_bytes = |bytes: Option<&[u8]>| match bytes.map(std::str::from_utf8) {
        Some(Err(_)) => Err(outside(ty, &"(not text)")),
        Some(Ok(text)) => read(Some(text)),
        None => read(None),
    };
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().map(read).collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().map(read).collect(),
        DataType::Binary => array.as_binary::<i32>().iter().map(read_bytes).collect(),
        DataType::LargeBinary => array.as_binary::<i64>().iter().map(read_bytes).collect(),
        _ => Err(unfit(ty, array)),
    }
}

/// 8-4-4-4-12 hexadecimal digits.
fn uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut value = 0_u128;
    for (position, &byte) in bytes.iter().enumerate() {
        if matches!(position, 8 | 13 | 18 | 23) {
            (byte == b'-').then_some(())?;
        } else {
            value = value << 4 | u128::from((byte as char).to_digit(16)?);
        }
    }
    Some(value)
}
