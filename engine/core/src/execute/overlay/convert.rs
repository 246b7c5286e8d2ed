//! From values as people and programs write them to what columns store: exactly, or not at all.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};

use super::super::features::Feature;
use super::{Content, Held};
use crate::key;
use crate::rule::bind::Num;
use crate::rule::bind::operand::parse_uuid;
use crate::rule::bind::time::{Clock, day_text, exact_instant};
use crate::rule::error::RuleError;
use crate::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};
use crate::value::Value;

/// Last second of ClickHouse's DateTime.
const SECOND_MAX: i128 = u32::MAX as i128;

/// What a column would hold.
pub(super) fn content(schema: &ColumnSchema, feature: &Feature, clock: &Clock) -> Result<Content, RuleError> {
    let name = schema.name.as_str();
    let misfit = || misfit(name, &schema.ty.to_string(), feature);
    Ok(match (&schema.ty, feature) {
        (ColumnType::Scalar(ty), Feature::Value(value)) => {
            Content::Scalar(held(name, ty, schema.held_as, value, clock)?)
        }
        (ColumnType::Array(_), Feature::Value(Value::Null)) => Content::List(None),
        (ColumnType::Array(ty), Feature::List(elements)) => {
            let held = elements.iter().map(|value| held(name, ty, schema.held_as, value, clock));
            Content::List(Some(held.collect::<Result<_, _>>()?))
        }
        (ColumnType::Map(_), Feature::Value(Value::Null)) => Content::Map(None),
        (ColumnType::Map(ty), Feature::Map(entries)) => {
            let mut kept: Vec<(Box<str>, Held)> = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let Value::Text(key) = key else { return Err(misfit()) };
                // As in the source, the first of equal keys counts.
                if kept.iter().all(|(known, _)| **known != **key) {
                    let value = held(&format!("{name}['{key}']"), ty, schema.held_as, value, clock)?;
                    kept.push((key.as_str().into(), value));
                }
            }
            kept.retain(|(_, value)| *value != Held::Null);
            Content::Map(Some(kept))
        }
        _ => return Err(misfit()),
    })
}

/// What a value is stored as in a column of a type.
pub(super) fn held(
    name: &str,
    ty: &ScalarType,
    held_as: HeldAs,
    value: &Value,
    clock: &Clock,
) -> Result<Held, RuleError> {
    let wrong = || misfit(name, &ty.to_string(), &Feature::Value(value.clone()));
    let found = match (ty, value) {
        (_, Value::Null) => Some(Held::Null),
        (ScalarType::Bool, Value::Bool(flag)) => Some(Held::Key8((*flag).into())),
        (ScalarType::Int { bits }, _) => number(value).and_then(whole).and_then(|number| int(*bits, number)),
        (ScalarType::UInt { bits }, _) => {
            number(value).and_then(whole).and_then(|number| uint(*bits, number))
        }
        (ScalarType::Float { bits }, _) => number(value).and_then(|number| float(*bits, number)),
        (ScalarType::Decimal { precision, scale }, _) => decimal(*precision, *scale, value),
        (ScalarType::Date, Value::Text(text)) => {
            Some(Held::Key8(key::int(day_text(text).map_err(|_| wrong())?.into())))
        }
        (ScalarType::DateTime { .. } | ScalarType::DateTime64 { .. }, Value::Text(text)) => {
            ticks(ty, exact_instant(text, clock).map_err(|_| wrong())?)
        }
        (ScalarType::String | ScalarType::Enum, Value::Text(text)) => {
            let padded = held_as == HeldAs::FixedString;
            let text = if padded { text.trim_end_matches('\0') } else { text };
            Some(Held::Bytes(text.as_bytes().into()))
        }
        (ScalarType::Uuid, Value::Text(text)) => parse_uuid(text).map(Held::Key16),
        (ScalarType::Ipv4, Value::Text(text)) => match text.parse() {
            Ok(IpAddr::V4(address)) => Some(Held::Key8(address.to_bits().into())),
            _ => None,
        },
        (ScalarType::Ipv6, Value::Text(text)) => text.parse().ok().map(|address| match address {
            IpAddr::V4(address) => Held::Key16(Ipv6Addr::to_bits(address.to_ipv6_mapped())),
            IpAddr::V6(address) => Held::Key16(address.to_bits()),
        }),
        _ => None,
    };
    found.ok_or_else(wrong)
}

/// An error that names the column, its type and the value.
pub(super) fn misfit(name: &str, ty: &impl Display, value: &Feature) -> RuleError {
    let shown = value.to_string();
    // Errors are read by people: a long value says enough by its start.
    let shown = match shown.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &shown[..end]),
        None => shown,
    };
    RuleError::new(format!("the overlay's `{name}` is {ty} and cannot be {shown}"))
        .hint("give a value that the column holds exactly, or NULL")
}

fn number(value: &Value) -> Option<Num> {
    match value {
        Value::Int(value) => Some(Num::Int(*value)),
        Value::UInt(value) => Some(Num::unsigned(*value)),
        Value::Float(value) => Some(Num::Float(*value)),
        Value::Null | Value::Bool(_) | Value::Text(_) => None,
    }
}

/// An integer, of a number that is one.
fn whole(number: Num) -> Option<Num> {
    const EXACT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0; // 2^127
    match number {
        Num::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => Some(Num::Int(value as i128)),
        Num::Float(_) => None,
        other => Some(other),
    }
}

fn int(bits: u8, number: Num) -> Option<Held> {
    let Num::Int(value) = number else { return None };
    let low = i128::MIN >> (128 - u32::from(bits));
    (low..=!low).contains(&value).then(|| int_key(bits > 64, value)).flatten()
}

fn int_key(wide: bool, value: i128) -> Option<Held> {
    if wide {
        Some(Held::Key16(key::wide_int(value)))
    } else {
        i64::try_from(value).ok().map(|v| Held::Key8(key::int(v)))
    }
}

fn uint(bits: u8, number: Num) -> Option<Held> {
    let value = match number {
        Num::Int(value) => u128::try_from(value).ok()?,
        Num::Big(value) => value,
        _ => return None,
    };
    match bits {
        128 => Some(Held::Key16(value)),
        _ => (value >> bits == 0).then_some(Held::Key8(value as u64)),
    }
}

fn float(bits: u8, number: Num) -> Option<Held> {
    let value = match number {
        Num::Float(value) => value,
        Num::Int(value) => value as f64,
        Num::Big(value) => value as f64,
        _ => return None,
    };
    let value = if bits == 32 && !value.is_nan() {
        let narrow = value as f32;
        // 0.1 is how a Float32 that holds the nearest to it is written.
        let written = narrow.to_string().parse::<f64>().ok();
        (f64::from(narrow) == value || written == Some(value)).then_some(f64::from(narrow))?
    } else {
        value
    };
    let exact = matches!(number, Num::Float(_))
        || number.compare(Num::Float(value)).is_some_and(std::cmp::Ordering::is_eq);
    exact.then(|| Held::Key8(key::float(value)))
}

/// Digits with a point, exactly; a float means its shortest decimal text, as in rules.
fn decimal(precision: u8, scale: u8, value: &Value) -> Option<Held> {
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::Float(value) if value.is_finite() => value.to_string(),
        _ => return None,
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !numeric(whole) || !numeric(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > usize::from(scale) {
        return None;
    }
    let width = usize::from(scale);
    let unscaled: i128 = format!("{whole}{fraction:0<width$}").parse().ok()?;
    let fits = unscaled < 10_i128.checked_pow(u32::from(precision))?;
    fits.then(|| int_key(precision > 18, if negative { -unscaled } else { unscaled })).flatten()
}

fn ticks(ty: &ScalarType, nanos: i128) -> Option<Held> {
    let scale = match ty {
        ScalarType::DateTime64 { scale, .. } => *scale,
        _ => 0,
    };
    let unit = 10_i128.pow(9 - u32::from(scale.min(9)));
    let ticks = nanos.div_euclid(unit);
    let in_range =
        scale > 0 || matches!(ty, ScalarType::DateTime64 { .. }) || (0..=SECOND_MAX).contains(&ticks);
    (nanos.rem_euclid(unit) == 0 && in_range).then(|| int_key(false, ticks)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::new(0, "Asia/Tokyo").unwrap()
    }

    fn held_as(ty: &ScalarType, value: impl Into<Value>) -> Option<Held> {
        held("x", ty, HeldAs::Native, &value.into(), &clock()).ok()
    }

    impl From<&str> for Value {
        fn from(text: &str) -> Self {
            Self::Text(text.to_owned())
        }
    }

    impl From<f64> for Value {
        fn from(value: f64) -> Self {
            Self::Float(value)
        }
    }

    impl From<i128> for Value {
        fn from(value: i128) -> Self {
            Self::Int(value)
        }
    }

    #[test]
    fn values_are_held_exactly_or_not_at_all() {
        let int8 = ScalarType::Int { bits: 8 };
        assert_eq!(held_as(&int8, -128_i128), Some(Held::Key8(key::int(-128))));
        assert_eq!(held_as(&int8, 5.0), Some(Held::Key8(key::int(5))));
        assert_eq!((held_as(&int8, 128_i128), held_as(&int8, 5.5), held_as(&int8, "5")), (None, None, None));
        let uint = ScalarType::UInt { bits: 64 };
        assert_eq!(held_as(&uint, i128::from(u64::MAX)), Some(Held::Key8(u64::MAX)));
        assert_eq!((held_as(&uint, -1_i128), held_as(&uint, 1_i128 << 64)), (None, None));
        let float = ScalarType::Float { bits: 64 };
        assert_eq!(held_as(&float, 1_i128 << 53), Some(Held::Key8(key::float(9_007_199_254_740_992.0))));
        assert_eq!(held_as(&float, (1_i128 << 53) + 1), None);
        let narrow = ScalarType::Float { bits: 32 };
        assert_eq!(held_as(&narrow, 0.1), Some(Held::Key8(key::float(0.1_f32.into()))));
        assert_eq!(held_as(&narrow, 0.123_456_789_01), None);
        let decimal = ScalarType::Decimal { precision: 4, scale: 2 };
        assert_eq!(held_as(&decimal, "-1.150"), Some(Held::Key8(key::int(-115))));
        assert_eq!(held_as(&decimal, 1.15), Some(Held::Key8(key::int(115))));
        for bad in ["1.155", "100", "1e2", "", ".5", "+1", "1_0"] {
            assert_eq!(held_as(&decimal, bad), None, "{bad}");
        }
        let time = ScalarType::DateTime { zone: None };
        assert_eq!(held_as(&time, "1970-01-01 09:00:01"), Some(Held::Key8(key::int(1))));
        assert_eq!(held_as(&time, "1970-01-01T00:00:01Z"), Some(Held::Key8(key::int(1))));
        assert_eq!(
            (held_as(&time, "1970-01-01T00:00:01.5Z"), held_as(&time, "1969-12-31T00:00:00Z")),
            (None, None)
        );
        let millis = ScalarType::DateTime64 { scale: 3, zone: None };
        assert_eq!(held_as(&millis, "1970-01-01T00:00:01.5Z"), Some(Held::Key8(key::int(1500))));
        assert_eq!(held_as(&ScalarType::Date, "1970-01-02"), Some(Held::Key8(key::int(1))));
        assert_eq!(held_as(&ScalarType::Date, "1970-01-02 00:00:00"), None);
        assert_eq!(held_as(&ScalarType::Ipv4, "::1"), None);
        assert_eq!(held_as(&ScalarType::Bool, 1_i128), None);
    }

    #[test]
    fn what_does_not_fit_is_named_with_column_and_type() {
        let error = held("wallets", &ScalarType::UInt { bits: 8 }, HeldAs::Native, &Value::Int(-5), &clock());
        assert_eq!(
            error.unwrap_err().to_string(),
            "the overlay's `wallets` is UInt8 and cannot be -5; give a value that the column holds exactly, or NULL"
        );
    }
}
