//! Literals read as the type they are compared with, and values printed as such literals.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use muster_engine::rule::ast::{Literal, Number};
use muster_engine::schema::ScalarType;

use super::cell::Cell;
use super::compare::Value;
use super::time::{self, Clock, NANOS};

/// The cell of a column of this type as a comparable value. A day starts in the store's `zone`.
pub fn cell_value<'a>(cell: &'a Cell, ty: &ScalarType, zone: &TimeZone) -> Value<'a> {
    match (cell, ty) {
        (Cell::Null, _) => Value::Null,
        (Cell::Bool(value), _) => Value::Bool(*value),
        (Cell::Int(value), _) => Value::int(*value),
        (Cell::Big(value), _) => Value::Int(false, *value),
        (Cell::Float(value), _) => Value::Float(*value),
        (Cell::Decimal(value), ScalarType::Decimal { scale, .. }) => Value::Decimal(*value, *scale),
        (Cell::Date(days), _) => time::day(time::date(*days), zone),
        (Cell::DateTime(seconds), _) => Value::Instant(i128::from(*seconds) * NANOS),
        (Cell::DateTime64(ticks), ScalarType::DateTime64 { scale, .. }) => {
            Value::Instant(i128::from(*ticks) * 10i128.pow(9 - u32::from(*scale)))
        }
        (Cell::Text(text), _) => Value::Text(Cow::Borrowed(text)),
        (Cell::Uuid(value), _) => Value::Uuid(*value),
        (Cell::Ipv4(value), _) => Value::Ipv4(*value),
        (Cell::Ipv6(value), _) => Value::Ipv6(*value),
        _ => panic!("{cell:?} in a column of {ty}"),
    }
}

/// A literal compared with something of type `ty`.
pub fn literal_value(literal: &Literal, ty: &ScalarType, clock: &Clock) -> Value<'static> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Number(Number::Int(value)) => Value::int(*value),
        Literal::Number(Number::Float(bits)) => match ty {
            ScalarType::Decimal { .. } => decimal(bits.get()).unwrap_or(Value::Float(bits.get())),
            _ => Value::Float(bits.get()),
        },
        Literal::Text(text) => match ty {
            ScalarType::Date => time::day(text.parse().unwrap(), &clock.zone),
            ScalarType::DateTime { .. } => instant(text, 0, clock),
            ScalarType::DateTime64 { scale, .. } => instant(text, *scale, clock),
            ScalarType::Uuid => {
                let digits: String = text.chars().filter(|&c| c != '-').collect();
                Value::Uuid(u128::from_str_radix(&digits, 16).unwrap())
            }
            ScalarType::Ipv4 => Value::Ipv4(u32::from(text.parse::<std::net::Ipv4Addr>().unwrap())),
            ScalarType::Ipv6 => Value::Ipv6(u128::from(text.parse::<std::net::Ipv6Addr>().unwrap())),
            _ => Value::Text(Cow::Owned(text.as_bytes().to_vec())),
        },
    }
}

/// Read in the store's zone, whatever the column's; digits the column has no room for are cut off.
fn instant(text: &str, scale: u8, clock: &Clock) -> Value<'static> {
    let unit = 10i128.pow(9 - u32::from(scale));
    let nanos = time::instant(time::local(text), &clock.zone);
    Value::Instant(nanos.div_euclid(unit) * unit)
}

/// What a float literal means beside a decimal: its shortest decimal text, exactly.
fn decimal(float: f64) -> Option<Value<'static>> {
    if !float.is_finite() || float.abs() >= 1e38 {
        return None;
    }
    let text = float.to_string();
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    assert!(rest.len() <= 38, "the tests do not write {float} beside a decimal");
    Some(Value::Decimal(format!("{whole}{rest}").parse().unwrap(), rest.len() as u8))
}

/// A literal that equals this cell, where one can be written.
pub fn literal_of(cell: &Cell, ty: &ScalarType, clock: &Clock) -> Option<Literal> {
    let text = match (cell, ty) {
        (Cell::Bool(value), _) => return Some(Literal::Bool(*value)),
        (Cell::Int(value), _) => return Some(Literal::Number(Number::Int(*value))),
        (Cell::Float(value), _) => return Some(Literal::Number(Number::float(*value))),
        (Cell::Decimal(value), ScalarType::Decimal { scale, .. }) => {
            let unit = 10i128.pow(u32::from(*scale));
            let whole = value % unit == 0;
            let number =
                if whole { Number::Int(value / unit) } else { Number::float(*value as f64 / unit as f64) };
            return Some(Literal::Number(number));
        }
        (Cell::Date(days), _) => time::date(*days).to_string(),
        (Cell::DateTime(seconds), _) => time::print_ticks(*seconds, 0, &clock.zone),
        (Cell::DateTime64(ticks), ScalarType::DateTime64 { scale, .. }) => {
            time::print_ticks(*ticks, *scale, &clock.zone)
        }
        (Cell::Text(text), _) => String::from_utf8(text.clone()).ok()?,
        (Cell::Uuid(value), _) => uuid(*value),
        (Cell::Ipv4(value), _) => std::net::Ipv4Addr::from(*value).to_string(),
        (Cell::Ipv6(value), _) => std::net::Ipv6Addr::from(*value).to_string(),
        _ => return None,
    };
    Some(Literal::Text(text))
}

pub fn uuid(value: u128) -> String {
    let digits = format!("{value:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}
