//! Operands of comparisons: columns opened, constants evaluated, and the codes of a column that a comparison selects.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::condition::{ColumnKey, Condition, Leaf, PairSide, Part};
use super::datum::{Datum, Sought};
use super::number::Num;
use super::ranges::{self, Range};
use super::time::{Moment, Nanos, day_text};
use super::{Binder, Result, codes_or_complement};
use crate::column::{Dictionary, ListColumn, ValueColumn};
use crate::key;
use crate::rule::ast::{CompareOp, Literal, Number, Operand};
use crate::rule::error::RuleError;
use crate::schema::{ColumnType, ScalarType};

/// An operand, resolved.
#[derive(Debug)]
pub(super) enum Side {
    /// A value column; `None` is a map key that nobody has, so NULL for all.
    Column { key: ColumnKey, ty: ScalarType, column: Option<ValueColumn> },
    /// The user id.
    UserId,
    /// A constant.
    Const(Const),
}

/// A constant.
#[derive(Debug, Clone)]
pub(super) enum Const {
    Null,
    Bool(bool),
    Number(Num),
    Text(String),
    Time(Moment),
}

impl Const {
    pub(super) fn from_literal(literal: &Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Number(Number::Int(value)) => Self::Number(Num::Int(*value)),
            Literal::Number(Number::Float(value)) => Self::Number(Num::FloatLiteral(value.get())),
            Literal::Text(text) => Self::Text(text.clone()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Time(Moment::Day(_)) => "a date",
            Self::Time(Moment::Second(..)) => "a time",
        }
    }

    fn as_number(&self) -> Option<Num> {
        match self {
            Self::Bool(value) => Some(Num::Int((*value).into())),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// What values of a type are compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Number,
    Text,
    Time,
    Enum,
    Uuid,
    Ip,
}

impl Class {
    pub(crate) fn of(ty: &ScalarType) -> Self {
        match ty {
            ScalarType::Bool
            | ScalarType::Int { .. }
            | ScalarType::UInt { .. }
            | ScalarType::Float { .. }
            | ScalarType::Decimal { .. } => Self::Number,
            ScalarType::Date | ScalarType::DateTime { .. } | ScalarType::DateTime64 { .. } => Self::Time,
            ScalarType::String => Self::Text,
            ScalarType::Enum => Self::Enum,
            ScalarType::Uuid => Self::Uuid,
            ScalarType::Ipv4 | ScalarType::Ipv6 => Self::Ip,
        }
    }
}

/// The number under a key of up to 64 bits.
pub(crate) fn number8(ty: &ScalarType, key: u64) -> Num {
    match ty {
        ScalarType::Int { .. } => Num::Int(key::to_int(key).into()),
        ScalarType::Float { .. } => Num::Float(key::to_float(key)),
        ScalarType::Decimal { scale, .. } => Num::Decimal(key::to_int(key).into(), *scale),
        _ => Num::Int(key.into()),
    }
}

/// The number under a key of 128 bits.
pub(crate) fn number16(ty: &ScalarType, key: u128) -> Num {
    match ty {
        ScalarType::Int { .. } => Num::Int(key::to_wide_int(key)),
        ScalarType::Decimal { scale, .. } => Num::Decimal(key::to_wide_int(key), *scale),
        _ => Num::unsigned(key),
    }
}

/// The nanoseconds of an instant's key; a day needs the clock.
pub(crate) fn instant_nanos(ty: &ScalarType, key: u64) -> Nanos {
    let ticks = Nanos::from(key::to_int(key));
    match ty {
        ScalarType::DateTime64 { scale, .. } => ticks * 10_i128.pow(9 - u32::from((*scale).min(9))),
        _ => ticks * 1_000_000_000,
    }
}

impl Binder<'_> {
    pub(super) fn side(&self, operand: &Operand) -> Result<Side> {
        match operand {
            Operand::Column(name) => self.column_side(name),
            Operand::Literal(literal) => Ok(Side::Const(Const::from_literal(literal))),
            Operand::Time(expr) => Ok(Side::Const(Const::Time(self.clock.eval(expr)?))),
            Operand::Length(name) => {
                let (index, _, list) = self.list(name, "length")?;
                let key = ColumnKey { index, part: Part::Length };
                let ty = ScalarType::UInt { bits: 64 };
                Ok(Side::Column { key, ty, column: Some(list.lengths().clone()) })
            }
            Operand::MapValue { column, key } => {
                let (index, map, ty) = self.map(column)?;
                let code = map.keys().find_bytes(key.as_bytes())?;
                let key = ColumnKey { index, part: Part::Key(code.unwrap_or(u32::MAX)) };
                let column = code.map(|_| self.value_column(key)).transpose()?;
                Ok(Side::Column { key, ty, column })
            }
        }
    }

    pub(super) fn column_side(&self, name: &str) -> Result<Side> {
        let schema = self.snapshot.schema();
        if name == schema.user_id {
            return Ok(Side::UserId);
        }
        let (index, column) = schema.column(name).ok_or_else(|| self.unknown_column(name))?;
        let hint = match &column.ty {
            ColumnType::Scalar(ty) => {
                let key = ColumnKey { index: index as u32, part: Part::Whole };
                return Ok(Side::Column { key, ty: ty.clone(), column: Some(self.value_column(key)?) });
            }
            ColumnType::Array(_) => format!("use `has({name}, ...)` or `length({name})`"),
            ColumnType::Map(_) => {
                format!("use a key of it, as in `{name}['key']`, or `mapContains({name}, 'key')`")
            }
        };
        Err(RuleError::new(format!("`{name}` is {}, which cannot be compared", column.ty)).hint(hint).into())
    }

    /// The rows where a comparison is true, or where it is false.
    pub(super) fn bind_compare(
        &self,
        left: &Operand,
        op: CompareOp,
        right: &Operand,
        truth: bool,
    ) -> Result<Condition> {
        match (self.side(left)?, self.side(right)?) {
            (Side::Const(_), Side::Const(_)) => {
                Err(RuleError::new("both sides of a comparison are constants")
                    .hint("compare a column")
                    .into())
            }
            (Side::Const(value), side) => self.compare_const(right, side, op.mirrored(), &value, truth),
            (side, Side::Const(value)) => self.compare_const(left, side, op, &value, truth),
            (a, b) => Self::compare_columns((left, &a), op, (right, &b), truth),
        }
    }

    fn compare_const(
        &self,
        operand: &Operand,
        side: Side,
        op: CompareOp,
        value: &Const,
        truth: bool,
    ) -> Result<Condition> {
        match side {
            Side::Column { key, ty, column } => {
                let Some(column) = column else {
                    // NULL for all, but the comparison must make sense all the same.
                    self.bounds(operand, &ty, &Dictionary::None, value)?;
                    return Ok(Condition::None);
                };
                check_order(operand, &ty, op)?;
                let Some(bounds) = self.bounds(operand, &ty, column.dictionary(), value)? else {
                    return Ok(Condition::None);
                };
                Ok(codes_or_complement(key, &column, bounds.select(op), truth))
            }
            Side::UserId => self.compare_id(op, value, truth),
            Side::Const(_) => Ok(Condition::None),
        }
    }

    /// The codes that equal a list's item: NULL matches nothing, NaN is found by NaN.
    pub(super) fn codes_in_list(
        &self,
        operand: &Operand,
        ty: &ScalarType,
        column: &ValueColumn,
        item: &Const,
    ) -> Result<Vec<Range>> {
        let dictionary = column.dictionary();
        if let (ScalarType::Float { .. }, Const::Number(number)) = (ty, item)
            && number.is_nan()
        {
            return Ok(vec![(float_end(dictionary)?, dictionary.len())]);
        }
        Ok(self
            .bounds(operand, ty, dictionary, item)?
            .map_or(Vec::new(), |bounds| bounds.select(CompareOp::Eq)))
    }

    /// The code of an array's element, if any row holds it.
    pub(super) fn element_codes(
        &self,
        name: &str,
        ty: &ScalarType,
        list: &ListColumn,
        value: &Const,
    ) -> Result<Option<u32>> {
        let operand = Operand::Column(name.to_owned());
        let bounds = self.bounds(&operand, ty, list.elements(), value)?;
        Ok(bounds.and_then(|bounds| bounds.select(CompareOp::Eq).first().map(|range| range.0)))
    }

    /// Where a constant stands in a dictionary; `None` for NULL.
    fn bounds(
        &self,
        operand: &Operand,
        ty: &ScalarType,
        dictionary: &Dictionary,
        value: &Const,
    ) -> Result<Option<Bounds>> {
        let Some(sought) = self.sought(operand, ty, value)? else { return Ok(None) };
        let count = dictionary.len();
        let end = if matches!(ty, ScalarType::Float { .. }) { float_end(dictionary)? } else { count };
        if sought == Sought::Nan {
            return Ok(Some(Bounds { lower: None, end, count }));
        }
        let bounds = Bounds::search(dictionary, end, |code| {
            let own = Datum::of_code(dictionary, code)?;
            Ok(sought.order_of(own, ty, &self.clock).unwrap_or(Ordering::Greater))
        });
        bounds.map(Some)
    }

    /// A constant brought to the type of the column beside it; `None` for NULL.
    pub(super) fn sought(&self, operand: &Operand, ty: &ScalarType, value: &Const) -> Result<Option<Sought>> {
        let mismatch = || mismatch(operand, ty, value);
        Ok(Some(match (Class::of(ty), value) {
            (_, Const::Null) => return Ok(None),
            (Class::Number, Const::Bool(_) | Const::Number(_)) => {
                match value.as_number().unwrap_or(Num::Int(0)) {
                    number if number.is_nan() => Sought::Nan,
                    number => Sought::Number(number),
                }
            }
            (Class::Text | Class::Enum, Const::Text(text)) => Sought::Bytes(text.as_bytes().into()),
            (Class::Time, Const::Text(_) | Const::Time(_)) => self.sought_time(ty, value)?,
            (Class::Uuid, Const::Text(text)) => Sought::Key16(parse_uuid(text).ok_or_else(mismatch)?),
            (Class::Ip, Const::Text(text)) => match (ty, text.parse::<IpAddr>().map_err(|_| mismatch())?) {
                (ScalarType::Ipv4, IpAddr::V4(address)) => {
                    Sought::Key8(u64::from(Ipv4Addr::to_bits(address)))
                }
                (ScalarType::Ipv4, IpAddr::V6(_)) => return Err(mismatch().into()),
                (_, IpAddr::V4(address)) => Sought::Key16(Ipv6Addr::to_bits(address.to_ipv6_mapped())),
                (_, IpAddr::V6(address)) => Sought::Key16(Ipv6Addr::to_bits(address)),
            },
            _ => return Err(mismatch().into()),
        }))
    }

    fn sought_time(&self, ty: &ScalarType, value: &Const) -> Result<Sought> {
        let day = |day: i32| Sought::Key8(key::int(day.into()));
        Ok(match (ty, value) {
            (ScalarType::Date, Const::Text(text)) => day(day_text(text)?),
            (ScalarType::Date, Const::Time(Moment::Day(at))) => day(*at),
            (ScalarType::DateTime64 { scale, .. }, Const::Text(text)) => {
                Sought::Nanos(self.clock.instant_text(text, *scale)?)
            }
            (_, Const::Text(text)) => Sought::Nanos(self.clock.instant_text(text, 0)?),
            (_, Const::Time(moment)) => Sought::Nanos(self.clock.nanos(moment)),
            _ => Sought::Nanos(0),
        })
    }

    /// The id that a constant equals, if any can.
    pub(super) fn exact_id(&self, value: &Const) -> Result<Option<u64>> {
        let Some(number) = value.as_number() else {
            return if matches!(value, Const::Null) { Ok(None) } else { Err(self.id_mismatch(value).into()) };
        };
        let id = first_id(|id| Num::Int(id.into()).compare(number) != Some(Ordering::Less));
        Ok(id.filter(|&id| Num::Int(id.into()).compare(number) == Some(Ordering::Equal)))
    }

    fn compare_id(&self, op: CompareOp, value: &Const, truth: bool) -> Result<Condition> {
        let Some(number) = value.as_number() else {
            return if matches!(value, Const::Null) {
                Ok(Condition::None)
            } else {
                Err(self.id_mismatch(value).into())
            };
        };
        if matches!(op, CompareOp::Eq | CompareOp::NotEq) {
            let row = match self.exact_id(value)? {
                Some(id) => self.snapshot.ids().row(id)?,
                None => None,
            };
            let inside = (op == CompareOp::Eq) == truth;
            return Ok(Condition::Leaf(Leaf::Rows { rows: row.into_iter().collect(), inside }));
        }
        if number.is_nan() {
            return Ok(if truth { Condition::None } else { Condition::All });
        }
        let order = |id: u64| Num::Int(id.into()).compare(number).unwrap_or(Ordering::Less);
        // First id that is not below, and first that is above; the part from there on is what > and >= select.
        let from = match op {
            CompareOp::Less | CompareOp::GreaterEq => first_id(|id| order(id) != Ordering::Less),
            _ => first_id(|id| order(id) == Ordering::Greater),
        };
        let above = matches!(op, CompareOp::Greater | CompareOp::GreaterEq) == truth;
        let range = match (from, above) {
            (Some(from), true) => Some((from, u64::MAX)),
            (Some(0), false) | (None, true) => None,
            (Some(from), false) => Some((0, from - 1)),
            (None, false) => Some((0, u64::MAX)),
        };
        Ok(range.map_or(Condition::None, |range| Condition::Leaf(Leaf::UserIds { ranges: vec![range] })))
    }

    fn id_mismatch(&self, value: &Const) -> RuleError {
        let name = &self.snapshot.schema().user_id;
        RuleError::new(format!("`{name}` is UInt64 and cannot be compared with {}", value.kind()))
            .hint(format!("write a number, as in `{name} = 1000011`"))
    }

    fn compare_columns(
        (left, a): (&Operand, &Side),
        op: CompareOp,
        (right, b): (&Operand, &Side),
        truth: bool,
    ) -> Result<Condition> {
        let id_type = ScalarType::UInt { bits: 64 };
        let part = |side: &Side| match side {
            Side::Column { key, ty, column } => (ty.clone(), column.as_ref().map(|_| PairSide::Column(*key))),
            _ => (id_type.clone(), Some(PairSide::UserId)),
        };
        let ((left_ty, left_side), (right_ty, right_side)) = (part(a), part(b));
        let fits = Class::of(&left_ty) == Class::of(&right_ty)
            && (Class::of(&left_ty) != Class::Ip || left_ty == right_ty);
        if !fits {
            let message = format!(
                "{} is {left_ty} and {} is {right_ty}, which cannot be compared",
                name_of(left),
                name_of(right)
            );
            return Err(RuleError::new(message).hint("compare each with a constant").into());
        }
        check_order(left, &left_ty, op)?;
        let (Some(left), Some(right)) = (left_side, right_side) else { return Ok(Condition::None) };
        Ok(Condition::Leaf(Leaf::Pair { left, op, right, truth }))
    }
}

/// Where a constant stands among the codes of a dictionary.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// First code not below and first code above the constant; `None` for NaN.
    lower: Option<(u32, u32)>,
    /// Codes from here on are NaN.
    end: u32,
    count: u32,
}

impl Bounds {
    /// Searches the first `end` codes; `order` says how a code's value stands to the constant.
    fn search(
        dictionary: &Dictionary,
        end: u32,
        order: impl Fn(u32) -> crate::error::Result<Ordering>,
    ) -> Result<Self> {
        let first = |above: &dyn Fn(Ordering) -> bool| {
            dictionary.search(|code| Ok(code < end && !above(order(code)?)))
        };
        let lower = first(&|order| order != Ordering::Less)?;
        let upper = first(&|order| order == Ordering::Greater)?;
        Ok(Self { lower: Some((lower, upper)), end, count: dictionary.len() })
    }

    fn select(self, op: CompareOp) -> Vec<Range> {
        let Some((lower, upper)) = self.lower else {
            return if op == CompareOp::NotEq { vec![(0, self.count)] } else { Vec::new() };
        };
        ranges::normalise(match op {
            CompareOp::Eq => vec![(lower, upper)],
            CompareOp::NotEq => vec![(0, lower), (upper, self.count)],
            CompareOp::Less => vec![(0, lower)],
            CompareOp::LessEq => vec![(0, upper)],
            CompareOp::Greater => vec![(upper, self.end)],
            CompareOp::GreaterEq => vec![(lower, self.end)],
        })
    }
}

/// The code of NaN, or the number of codes.
fn float_end(dictionary: &Dictionary) -> Result<u32> {
    Ok(dictionary.lower8(key::NAN)?)
}

/// The smallest id for which a monotone test holds.
fn first_id(holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(u64::MAX) {
        return None;
    }
    let (mut low, mut high) = (0_u64, u64::MAX);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// Enum and UUID have an order in the warehouse that is not kept here.
fn check_order(operand: &Operand, ty: &ScalarType, op: CompareOp) -> Result<()> {
    let unordered = matches!(Class::of(ty), Class::Enum | Class::Uuid);
    if !unordered || matches!(op, CompareOp::Eq | CompareOp::NotEq) {
        return Ok(());
    }
    let message = format!("{} is {ty}, which has no order", name_of(operand));
    Err(RuleError::new(message).hint("use =, != or IN").into())
}

fn name_of(operand: &Operand) -> String {
    match operand {
        Operand::Column(name) => format!("`{name}`"),
        Operand::MapValue { column, key } => format!("`{column}['{key}']`"),
        Operand::Length(name) => format!("`length({name})`"),
        Operand::Literal(_) | Operand::Time(_) => "the constant".to_owned(),
    }
}

fn mismatch(operand: &Operand, ty: &ScalarType, value: &Const) -> RuleError {
    let error =
        RuleError::new(format!("{} is {ty} and cannot be compared with {}", name_of(operand), value.kind()));
    error.hint(match Class::of(ty) {
        Class::Number => "write a number without quotes",
        Class::Text | Class::Enum => "write text in single quotes",
        Class::Time if matches!(ty, ScalarType::Date) => {
            "write toDate('2026-11-01') or today() - INTERVAL 7 DAY"
        }
        Class::Time => "write toDateTime('2026-11-01 00:00:00') or now() - INTERVAL 7 DAY",
        Class::Uuid => "write a UUID in single quotes, as '61f0c404-5cb3-11e7-907b-a6006ad3dba0'",
        Class::Ip => "write an address in single quotes, as '192.0.2.1'",
    })
}

pub(crate) fn parse_uuid(text: &str) -> Option<u128> {
    let hex: String = text.chars().filter(|&c| c != '-').collect();
    let dashes_fit = text.len() == 32
        || (text.len() == 36 && [8, 13, 18, 23].iter().all(|&at| text.as_bytes()[at] == b'-'));
    (hex.len() == 32 && dashes_fit && !hex.starts_with('+'))
        .then(|| u128::from_str_radix(&hex, 16).ok())
        .flatten()
}
