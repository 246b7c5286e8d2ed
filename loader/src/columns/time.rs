//! Dates and times. Instants are exact: a fraction that the column's type can't hold is an error, never cut.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use muster_engine::batch::Keys;
use muster_engine::key;
use muster_engine::schema::ScalarType;

use super::fixed::integers;
use super::{outside, unfit};

const DAY_MS: i64 = 86_400_000;

/// Keys of days, seconds or ticks.
pub(super) fn keys(ty: &ScalarType, array: &ArrayRef) -> Result<Keys, String> {
    let keys = match ty {
        ScalarType::Date => days(ty, array)?,
        ScalarType::DateTime { .. } => instants(ty, array, 0, 0, i64::from(u32::MAX))?,
        ScalarType::DateTime64 { scale, .. } => instants(ty, array, *scale, i64::MIN, i64::MAX)?,
        _ => return Err(unfit(ty, array)),
    };
    Ok(Keys::Fixed8(keys))
}

/// Date32, whole days of Date64, or the day numbers ClickHouse writes for Date.
fn days(ty: &ScalarType, array: &ArrayRef) -> Result<Vec<u64>, String> {
    match array.data_type() {
        DataType::Date32 => Ok(array
            .as_primitive::<Date32Type>()
            .values()
            .iter()
            .map(|&day| key::int(i64::from(day)))
            .collect()),
        DataType::Date64 => {
            let array = array.as_primitive::<Date64Type>();
            let read = |(row, &ms): (usize, &i64)| {
                if array.is_valid(row) && ms % DAY_MS != 0 {
                    return Err(outside(ty, &format_args!("{ms} ms, which is not a whole day,")));
                }
                Ok(key::int(ms.div_euclid(DAY_MS)))
            };
            array.values().iter().enumerate().map(read).collect()
        }
        DataType::UInt16 | DataType::Int32 => {
            integers(ty, array, i128::from(i32::MIN), i128::from(i32::MAX), |day| key::int(day as i64))
        }
        _ => Err(unfit(ty, array)),
    }
}

/// Timestamps of any unit at `scale` digits after the second; integers are taken to be at that scale already.
fn instants(ty: &ScalarType, array: &ArrayRef, scale: u8, low: i64, high: i64) -> Result<Vec<u64>, String> {
    let (values, digits): (&[i64], u8) = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => (array.as_primitive::<TimestampSecondType>().values(), 0),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().values(), 3)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            (array.as_primitive::<TimestampMicrosecondType>().values(), 6)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            (array.as_primitive::<TimestampNanosecondType>().values(), 9)
        }
        DataType::UInt32 | DataType::Int32 | DataType::Int64 => {
            return integers(ty, array, i128::from(low), i128::from(high), |tick| key::int(tick as i64));
        }
        _ => return Err(unfit(ty, array)),
    };
    let multiply = 10_i64.pow(u32::from(scale.saturating_sub(digits)));
    let divide = 10_i64.pow(u32::from(digits.saturating_sub(scale)));
    let read = |value: i64| {
        let tick =
            value.checked_mul(multiply).filter(|value| value % divide == 0).map(|value| value / divide);
        tick.filter(|tick| (low..=high).contains(tick)).map(key::int)
    };
    let nulls = array.nulls();
    let absent = |row: usize| nulls.is_some_and(|nulls| nulls.is_null(row));
    let mut keys = Vec::with_capacity(values.len());
    for (row, &value) in values.iter().enumerate() {
        match read(value) {
            Some(key) => keys.push(key),
            None if absent(row) => keys.push(0),
            None => return Err(outside(ty, &format_args!("{value} (10^-{digits} s)"))),
        }
    }
    Ok(keys)
}
