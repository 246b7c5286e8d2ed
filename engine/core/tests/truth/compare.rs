//! How two values compare, whatever their types: exactly where both are exact numbers, as floats where one is a float
//! column and the other a decimal, and never by rounding an integer.

use std::borrow::Cow;
use std::cmp::Ordering;

use muster_engine::rule::ast::CompareOp;

/// A value taken out of its column, with what its type says applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// Sign (true is negative) and magnitude.
    Int(bool, u128),
    Float(f64),
    /// Unscaled, and the digits after the point.
    Decimal(i128, u8),
    Text(Cow<'a, [u8]>),
    Uuid(u128),
    Ipv4(u32),
    Ipv6(u128),
    /// A day, and the nanosecond it starts at in the store's zone.
    Day(i64, i128),
    /// Nanoseconds since 1970.
    Instant(i128),
}

impl Value<'_> {
    pub fn int(value: i128) -> Self {
        Self::Int(value < 0, value.unsigned_abs())
    }
}

/// What a comparison finds. `None` in `Known` is NaN: neither less, equal nor greater.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    Unknown,
    Known(Option<Ordering>),
}

/// The comparison's three-valued result.
pub fn compare(left: &Value<'_>, op: CompareOp, right: &Value<'_>) -> Option<bool> {
    let Found::Known(found) = order(left, right) else { return None };
    Some(match op {
        CompareOp::Eq => found == Some(Ordering::Equal),
        CompareOp::NotEq => found != Some(Ordering::Equal),
        CompareOp::Less => found == Some(Ordering::Less),
        CompareOp::LessEq => matches!(found, Some(Ordering::Less | Ordering::Equal)),
        CompareOp::Greater => found == Some(Ordering::Greater),
        CompareOp::GreaterEq => matches!(found, Some(Ordering::Greater | Ordering::Equal)),
    })
}

fn order(left: &Value<'_>, right: &Value<'_>) -> Found {
    use Value::{Bool, Day, Decimal, Float, Instant, Int, Ipv4, Ipv6, Null, Text, Uuid};
    let found = match (left, right) {
        (Null, _) | (_, Null) => return Found::Unknown,
        (Bool(a), _) if !matches!(right, Bool(_)) => return order(&Int(false, u128::from(*a)), right),
        (_, Bool(b)) if !matches!(left, Bool(_)) => return order(left, &Int(false, u128::from(*b))),
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        (Int(a_negative, a), Int(b_negative, b)) => Some(signed(*a_negative, *a, *b_negative, *b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Int(negative, a), Float(b)) => int_to_float(*negative, *a, *b),
        (Float(a), Int(negative, b)) => int_to_float(*negative, *b, *a).map(Ordering::reverse),
        (Decimal(a, a_scale), Decimal(b, b_scale)) => Some(decimals(*a, *a_scale, *b, *b_scale)),
        (Decimal(a, scale), Int(negative, b)) => Some(decimal_to_int(*a, *scale, *negative, *b)),
        (Int(negative, a), Decimal(b, scale)) => Some(decimal_to_int(*b, *scale, *negative, *a).reverse()),
        (Decimal(a, scale), Float(b)) => decimal_as_float(*a, *scale).partial_cmp(b),
        (Float(a), Decimal(b, scale)) => a.partial_cmp(&decimal_as_float(*b, *scale)),
        (Text(a), Text(b)) => Some(a.cmp(b)),
        (Uuid(a), Uuid(b)) | (Ipv6(a), Ipv6(b)) => Some(a.cmp(b)),
        (Ipv4(a), Ipv4(b)) => Some(a.cmp(b)),
        (Day(a, _), Day(b, _)) => Some(a.cmp(b)),
        (Day(_, a) | Instant(a), Instant(b)) | (Instant(a), Day(_, b)) => Some(a.cmp(b)),
        _ => panic!("{left:?} and {right:?} do not compare: the rule is not valid for the table"),
    };
    Found::Known(found)
}

fn signed(a_negative: bool, a: u128, b_negative: bool, b: u128) -> Ordering {
    match (a_negative && a > 0, b_negative && b > 0) {
        (true, true) => b.cmp(&a),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(&b),
    }
}

/// By mathematical value: the float's whole part is an integer, and what is left of it decides a tie.
fn int_to_float(negative: bool, magnitude: u128, float: f64) -> Option<Ordering> {
    const BEYOND: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
    if float.is_nan() {
        return None;
    }
    if float.abs() >= BEYOND {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = signed(negative, magnitude, float < 0.0, float.trunc().abs() as u128);
    Some(whole.then_with(|| 0.0f64.total_cmp(&(float.fract() + 0.0))))
}

fn split(value: i128, scale: u8) -> (i128, i128) {
    let unit = 10i128.pow(u32::from(scale));
    (value.div_euclid(unit), value.rem_euclid(unit))
}

fn decimals(a: i128, a_scale: u8, b: i128, b_scale: u8) -> Ordering {
    let (a_whole, a_rest) = split(a, a_scale);
    let (b_whole, b_rest) = split(b, b_scale);
    let scale = a_scale.max(b_scale);
    let widen = |rest: i128, from: u8| rest * 10i128.pow(u32::from(scale - from));
    a_whole.cmp(&b_whole).then_with(|| widen(a_rest, a_scale).cmp(&widen(b_rest, b_scale)))
}

fn decimal_to_int(a: i128, scale: u8, negative: bool, magnitude: u128) -> Ordering {
    let (whole, rest) = split(a, scale);
    signed(whole < 0, whole.unsigned_abs(), negative, magnitude).then(rest.cmp(&0))
}

/// As the warehouse converts: both parts rounded to a float, then divided.
fn decimal_as_float(value: i128, scale: u8) -> f64 {
    value as f64 / 10i128.pow(u32::from(scale)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let big = Value::int(9_007_199_254_740_993);
        assert_eq!(compare(&big, CompareOp::Greater, &Value::Float(9_007_199_254_740_992.0)), Some(true));
        assert_eq!(compare(&Value::int(-1), CompareOp::Greater, &Value::Float(-1.5)), Some(true));
        assert_eq!(compare(&Value::int(0), CompareOp::Eq, &Value::Float(-0.0)), Some(true));
        assert_eq!(compare(&Value::int(0), CompareOp::NotEq, &Value::Float(f64::NAN)), Some(true));
        assert_eq!(
            compare(&Value::int(-3), CompareOp::Greater, &Value::Float(f64::NEG_INFINITY)),
            Some(true)
        );
        assert_eq!(compare(&Value::Decimal(-150, 2), CompareOp::Less, &Value::int(-1)), Some(true));
        assert_eq!(compare(&Value::Decimal(150, 2), CompareOp::Eq, &Value::Decimal(15, 1)), Some(true));
        assert_eq!(compare(&Value::Decimal(110, 2), CompareOp::Eq, &Value::Float(1.1)), Some(true));
        assert_eq!(compare(&Value::Null, CompareOp::NotEq, &Value::Null), None);
    }
}
