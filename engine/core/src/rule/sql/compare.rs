//! Comparisons: of a value with a constant, and of two values.

use std::cmp::Ordering;

use crate::rule::ast::{CompareOp, Literal, Number, Operand};
use crate::rule::bind::operand::Class;
use crate::rule::bind::time::Moment;
use crate::rule::error::RuleError;
use crate::rule::text::quote_text;
use crate::schema::ScalarType;

use super::list::within;
use super::number::{decimal_constant, members, number_constant};
use super::value::Value;
use super::{Renderer, known};

/// A constant, as far as it is known before the server sees it.
#[derive(Debug, Clone)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Moment(Moment),
    /// A time the server works out: its expression, and whether it is a day.
    Live(String, bool),
}

impl Constant {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Moment(Moment::Day(_)) | Self::Live(_, true) => "a date",
            Self::Moment(Moment::Second(..)) | Self::Live(_, false) => "a time",
        }
    }

    /// As a number: true is 1.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Bool(value) => Some(Number::Int((*value).into())),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// A float equal to zero or NaN, or not. The server makes a list of three or more equalities of one column, and lists
/// compare bits: there the two zeros differ and NaN is found.
fn float_equality(value: &Value, op: CompareOp, number: Number) -> Option<String> {
    let negated = match op {
        CompareOp::Eq => false,
        CompareOp::NotEq => true,
        _ => return None,
    };
    let special = match number {
        Number::Int(number) => number == 0,
        Number::Float(float) => float.get() == 0.0 || float.get().is_nan(),
    };
    if !special || !matches!(value.ty, ScalarType::Float { .. }) {
        return None;
    }
    Some(within(value, &value.sql, &members(&value.ty, &[number]).0, negated))
}

impl Renderer<'_> {
    pub(super) fn compare(
        &self,
        left: &Operand,
        op: CompareOp,
        right: &Operand,
    ) -> Result<String, RuleError> {
        match (self.value(left)?, self.value(right)?) {
            (Some(a), Some(b)) => self.compare_values(&a, op, &b),
            (Some(value), None) => self.compare_constant(&value, op, &self.constant(right)?),
            (None, Some(value)) => self.compare_constant(&value, op.mirrored(), &self.constant(left)?),
            (None, None) => {
                Err(RuleError::new("both sides of a comparison are constants").hint("compare a column"))
            }
        }
    }

    pub(super) fn between(
        &self,
        value: &Operand,
        low: &Operand,
        high: &Operand,
        negated: bool,
    ) -> Result<String, RuleError> {
        let (low_op, join, high_op) = if negated {
            (CompareOp::Less, "OR", CompareOp::Greater)
        } else {
            (CompareOp::GreaterEq, "AND", CompareOp::LessEq)
        };
        let (low, high) = (self.compare(value, low_op, low)?, self.compare(value, high_op, high)?);
        Ok(format!("({low} {join} {high})"))
    }

    /// A constant operand.
    pub(super) fn constant(&self, operand: &Operand) -> Result<Constant, RuleError> {
        Ok(match operand {
            Operand::Literal(Literal::Null) => Constant::Null,
            Operand::Literal(Literal::Bool(value)) => Constant::Bool(*value),
            Operand::Literal(Literal::Number(number)) => Constant::Number(*number),
            Operand::Literal(Literal::Text(text)) => Constant::Text(text.clone()),
            Operand::Time(time) => self.time_constant(time)?,
            Operand::Column(_) | Operand::MapValue { .. } | Operand::Length(_) => {
                return Err(RuleError::new("a list holds a column").hint("compare columns with = and OR"));
            }
        })
    }

    pub(super) fn compare_constant(
        &self,
        value: &Value,
        op: CompareOp,
        constant: &Constant,
    ) -> Result<String, RuleError> {
        check_order(value, op)?;
        let sql = &value.sql;
        let right = match (Class::of(&value.ty), constant) {
            (_, Constant::Null) => return Ok("NULL".to_owned()),
            (Class::Number, Constant::Bool(truth)) if value.ty == ScalarType::Bool => truth.to_string(),
            (Class::Number, Constant::Bool(_) | Constant::Number(_)) => {
                let number = constant.number().unwrap_or(Number::Int(0));
                if let Some(sql) = float_equality(value, op, number) {
                    return Ok(sql);
                }
                match value.ty {
                    ScalarType::Decimal { scale, .. } => decimal_constant(number, scale),
                    _ => number_constant(number),
                }
            }
            (Class::Text, Constant::Text(text)) => quote_text(text),
            // A name the type does not have is an error in the warehouse.
            (Class::Enum, Constant::Text(text)) => {
                return Ok(format!("toString({sql}) {op} {}", quote_text(text)));
            }
            (Class::Uuid, Constant::Text(text)) => uuid(text).ok_or_else(|| mismatch(value, constant))?,
            (Class::Ip, Constant::Text(text)) => address(value, constant, text)?,
            (Class::Time, Constant::Text(_) | Constant::Moment(_) | Constant::Live(..)) => {
                return self.compare_time(value, op, constant);
            }
            _ => return Err(mismatch(value, constant)),
        };
        Ok(format!("{sql} {op} {right}"))
    }

    fn compare_values(&self, a: &Value, op: CompareOp, b: &Value) -> Result<String, RuleError> {
        let class = Class::of(&a.ty);
        if class != Class::of(&b.ty) || (class == Class::Ip && a.ty != b.ty) {
            let message =
                format!("`{}` is {} and `{}` is {}, which cannot be compared", a.name, a.ty, b.name, b.ty);
            return Err(RuleError::new(message).hint("compare each with a constant"));
        }
        check_order(a, op)?;
        let (left, right) = match class {
            Class::Number => (widened(a, &b.ty), widened(b, &a.ty)),
            Class::Time => (self.time_beside(a, &b.ty), self.time_beside(b, &a.ty)),
            Class::Enum => (format!("toString({})", a.sql), format!("toString({})", b.sql)),
            Class::Text | Class::Uuid | Class::Ip => (a.sql.clone(), b.sql.clone()),
        };
        Ok(format!("{left} {op} {right}"))
    }
}

/// Decimals beside exact numbers are brought to a type that holds both; the server's own would overflow.
fn widened(value: &Value, beside: &ScalarType) -> String {
    let sql = &value.sql;
    let decimal = |ty: &ScalarType| matches!(ty, ScalarType::Decimal { .. });
    match &value.ty {
        ScalarType::Decimal { scale, .. } if !matches!(beside, ScalarType::Float { .. }) => {
            format!("toDecimal256({sql}, {scale})")
        }
        ScalarType::Float { .. } => sql.clone(),
        _ if decimal(beside) && !decimal(&value.ty) => format!("toDecimal256({sql}, 0)"),
        _ => sql.clone(),
    }
}

/// What comparing with a constant gives if the constant is beyond all values: `order` is how values stand to it.
pub(super) fn beyond(value: &Value, op: CompareOp, order: Ordering) -> String {
    let truth = match op {
        CompareOp::Eq => false,
        CompareOp::NotEq => true,
        CompareOp::Less | CompareOp::LessEq => order == Ordering::Less,
        CompareOp::Greater | CompareOp::GreaterEq => order == Ordering::Greater,
    };
    known(value, truth)
}

/// Enum and UUID have an order in the warehouse that means nothing.
fn check_order(value: &Value, op: CompareOp) -> Result<(), RuleError> {
    let unordered = matches!(Class::of(&value.ty), Class::Enum | Class::Uuid);
    if !unordered || matches!(op, CompareOp::Eq | CompareOp::NotEq) {
        return Ok(());
    }
    Err(RuleError::new(format!("`{}` is {}, which has no order", value.name, value.ty))
        .hint("use =, != or IN"))
}

pub(super) fn mismatch(value: &Value, constant: &Constant) -> RuleError {
    let message = format!("`{}` is {} and cannot be compared with {}", value.name, value.ty, constant.kind());
    RuleError::new(message).hint(match Class::of(&value.ty) {
        Class::Number => "write a number without quotes",
        Class::Text | Class::Enum => "write text in single quotes",
        Class::Time => "write toDateTime('2026-11-01 00:00:00') or now() - INTERVAL 7 DAY",
        Class::Uuid => "write a UUID in single quotes, as '61f0c404-5cb3-11e7-907b-a6006ad3dba0'",
        Class::Ip => "write an address in single quotes, as '192.0.2.1'",
    })
}

/// A UUID written with or without its dashes.
pub(super) fn uuid(text: &str) -> Option<String> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    let dashed = text.len() == 36 && [8, 13, 18, 23].iter().all(|&at| text.as_bytes()[at] == b'-');
    if hex.len() != 32 || !(dashed || text.len() == 32) || !hex.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return None;
    }
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    Some(format!("toUUID('{}')", parts.join("-")))
}

/// An address of the value's type.
pub(super) fn address(value: &Value, constant: &Constant, text: &str) -> Result<String, RuleError> {
    use std::net::IpAddr::{V4, V6};
    match (&value.ty, text.parse()) {
        (ScalarType::Ipv4, Ok(V4(address))) => Ok(format!("toIPv4('{address}')")),
        (ScalarType::Ipv6, Ok(V4(address))) => Ok(format!("toIPv6('{}')", address.to_ipv6_mapped())),
        (ScalarType::Ipv6, Ok(V6(address))) => Ok(format!("toIPv6('{address}')")),
        _ => Err(mismatch(value, constant)),
    }
}
