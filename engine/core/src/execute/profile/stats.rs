//! Figures of a number column over an audience: least, greatest, sum, mean, quantiles. Exact, from counts per distinct value.

use std::ops::Range;

use serde::Serialize;

use super::{ColumnCounts, not_a_number};
use crate::error::Error;
use crate::key;
use crate::rule::bind::QueryError;
use crate::rule::bind::operand::Class;
use crate::schema::ScalarType;
use crate::value::Value;

/// Figures of a column over an audience. NULL and NaN are counted apart and are in no other figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Members in all.
    pub total: u64,
    /// Members with a value that is a number.
    pub count: u64,
    /// Members without a value.
    pub null: u64,
    /// Members whose value is NaN.
    pub nan: u64,
    /// Least value.
    pub min: Option<Value>,
    /// Greatest value.
    pub max: Option<Value>,
    /// Sum; exact for integers of up to 64 bits until it is rounded to a float here. `None` for times.
    pub sum: Option<f64>,
    /// Sum divided by count.
    pub mean: Option<f64>,
    /// The quantiles asked for.
    pub quantiles: Vec<Quantile>,
}

/// The value below which a share of the members lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantile {
    /// The share, 0 to 1.
    pub level: f64,
    /// The value at position `floor(level * count)` in order, as ClickHouse's `quantileExact`.
    pub value: Value,
}

impl ColumnCounts<'_> {
    /// Figures of a number or time column.
    pub fn stats(&self, levels: &[f64]) -> Result<Stats, QueryError> {
        let class = Class::of(&self.ty);
        if !matches!(class, Class::Number | Class::Time) {
            return Err(not_a_number(&self.operand, &self.ty).into());
        }
        let codes = self.codes();
        let end = match self.ty {
            ScalarType::Float { .. } => self.dictionary().lower8(key::NAN)?,
            _ => codes.end,
        };
        let (count, nan) = (self.between(0..end)?, self.between(end..codes.end)?);
        let value_at = |place: u64| match self.code_at(place)? {
            Some(code) => self.value(code),
            None => Ok(Value::Null),
        };
        let mut quantiles = Vec::with_capacity(levels.len());
        for &level in levels.iter().filter(|_| count > 0) {
            let place = (level.clamp(0.0, 1.0) * count as f64) as u64;
            quantiles.push(Quantile { level, value: value_at(place.min(count - 1))? });
        }
        let sum = if class == Class::Number && count > 0 { Some(self.sum(0..end)?) } else { None };
        let total = self.profiler.total;
        Ok(Stats {
            total,
            count,
            null: total.saturating_sub(count + nan),
            nan,
            min: if count > 0 { Some(value_at(0)?) } else { None },
            max: if count > 0 { Some(value_at(count - 1)?) } else { None },
            sum,
            mean: sum.map(|sum| sum / count as f64),
            quantiles,
        })
    }

    /// The sum over these codes. Floats are added in the order of their values, so that it depends on nothing else.
    fn sum(&self, codes: Range<u32>) -> Result<f64, Error> {
        let dictionary = self.dictionary();
        dictionary.check()?;
        let key = |code| dictionary.checked_key8(code).unwrap_or_default();
        let (mut whole, mut float) = (0_i128, 0.0);
        match self.ty {
            ScalarType::Float { .. } => self.for_each(codes, |code, count| {
                float += key::to_float(key(code)) * f64::from(count);
            })?,
            ScalarType::Int { bits: ..=64 } => self.for_each(codes, |code, count| {
                whole += i128::from(key::to_int(key(code))) * i128::from(count);
            })?,
            ScalarType::Bool | ScalarType::UInt { bits: ..=64 } => self.for_each(codes, |code, count| {
                whole += i128::from(key(code)) * i128::from(count);
            })?,
            _ => self.for_each(codes, |code, count| {
                let number = self.number(code).ok().flatten().unwrap_or(f64::NAN);
                float += number * f64::from(count);
            })?,
        }
        Ok(whole as f64 + float)
    }
}
