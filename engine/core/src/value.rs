//! One value, decoded from its key, for people and for the API's edge. Queries themselves work on keys and codes.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use crate::key;
use crate::schema::ScalarType;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// No value.
    Null,
    /// true or false
    Bool(bool),
    /// A signed integer.
    Int(i128),
    /// An unsigned integer.
    UInt(u128),
    /// A float.
    Float(f64),
    /// Anything else, as text: decimals, days, times, text, addresses.
    Text(String),
}

impl Value {
    /// Decodes a key of up to 64 bits.
    pub fn from_key8(ty: &ScalarType, key: u64) -> Self {
        match ty {
            ScalarType::Bool => Self::Bool(key == 1),
            ScalarType::Int { .. } => Self::Int(key::to_int(key).into()),
            ScalarType::Float { bits: 32 } => Self::Float(shortest(key::to_float(key) as f32)),
            ScalarType::Float { .. } => Self::Float(key::to_float(key)),
            ScalarType::Decimal { scale, .. } => Self::Text(decimal(key::to_int(key).into(), *scale)),
            ScalarType::Date => Self::Text(day(key::to_int(key))),
            ScalarType::DateTime { .. } => Self::Text(instant(key::to_int(key), 0)),
            ScalarType::DateTime64 { scale, .. } => Self::Text(instant(key::to_int(key), *scale)),
            ScalarType::Ipv4 => Self::Text(Ipv4Addr::from(key as u32).to_string()),
            _ => Self::UInt(key.into()),
        }
    }

    /// Decodes a key of 128 bits.
    pub fn from_key16(ty: &ScalarType, key: u128) -> Self {
        match ty {
            ScalarType::Int { .. } => Self::Int(key::to_wide_int(key)),
            ScalarType::Decimal { scale, .. } => Self::Text(decimal(key::to_wide_int(key), *scale)),
            ScalarType::Uuid => Self::Text(uuid(key)),
            ScalarType::Ipv6 => Self::Text(Ipv6Addr::from(key).to_string()),
            _ => Self::UInt(key),
        }
    }

    /// Decodes bytes; what is not UTF-8 shows as replacement characters.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::Text(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The value as a number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::UInt(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::UInt(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// The f64 that prints as the f32 does: 0.1 rather than 0.10000000149011612.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value.into())
}

fn decimal(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn day(days: i64) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    let span = jiff::Span::new().try_days(days);
    match span.and_then(|span| epoch.checked_add(span)) {
        Ok(date) => date.to_string(),
        Err(_) => format!("day {days}"),
    }
}

/// RFC 3339 in UTC, with as many digits after the second as the type has.
fn instant(ticks: i64, scale: u8) -> String {
    let per_second = 10_i64.pow(u32::from(scale.min(18)));
    let (seconds, rest) = (ticks.div_euclid(per_second), ticks.rem_euclid(per_second));
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) if scale == 0 => time.to_string(),
        Ok(time) => {
            let whole = time.to_string();
            format!("{}.{rest:0>width$}Z", whole.trim_end_matches('Z'), width = usize::from(scale))
        }
        Err(_) => format!("second {seconds}"),
    }
}

fn uuid(key: u128) -> String {
    let hex = format!("{key:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        let decimal = ScalarType::Decimal { precision: 9, scale: 2 };
        assert_eq!(Value::from_key8(&decimal, key::int(-5)).to_string(), "-0.05");
        assert_eq!(Value::from_key8(&ScalarType::Date, key::int(20_777)).to_string(), "2026-11-20");
        let time = ScalarType::DateTime64 { scale: 3, zone: None };
        assert_eq!(Value::from_key8(&time, key::int(-1)).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(
            Value::from_key8(&ScalarType::Float { bits: 32 }, key::float(0.1_f32.into())),
            Value::Float(0.1)
        );
        assert_eq!(
            Value::from_key16(&ScalarType::Uuid, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef).to_string(),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }
}
