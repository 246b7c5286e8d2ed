//! Figures of a number column over an audience: least, greatest, sum, mean, quantiles. Exact, from counts per distinct value.

use serde::Serialize;

use super::Audience;
use super::breakdown::not_a_number;
use crate::rule::ast::Operand;
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

impl Audience {
    /// Figures of a number or time column over the audience.
    pub fn stats(&self, of: &Operand, levels: &[f64]) -> Result<Stats, QueryError> {
        let counts = self.code_counts(of)?;
        let class = Class::of(&counts.ty);
        if !matches!(class, Class::Number | Class::Time) {
            return Err(not_a_number(of, &counts.ty).into());
        }
        let float = matches!(counts.ty, ScalarType::Float { .. });
        let (mut numbers, mut nan) = (Vec::new(), 0);
        for (code, count) in counts.occupied() {
            let is_nan = float && counts.column.dictionary().key8(code)? == Some(crate::key::NAN);
            if is_nan {
                nan += count;
            } else {
                numbers.push((code, count));
            }
        }
        let count: u64 = numbers.iter().map(|(_, count)| count).sum();
        let value_at = |position: u64| -> Result<Value, QueryError> {
            let mut below = 0;
            let code = numbers.iter().find(|(_, count)| {
                below += count;
                position < below
            });
            Ok(code.map_or(Ok(Value::Null), |&(code, _)| counts.value(code))?)
        };
        let mut quantiles = Vec::with_capacity(levels.len());
        for &level in levels.iter().filter(|_| count > 0) {
            let position = (level.clamp(0.0, 1.0) * count as f64) as u64;
            quantiles.push(Quantile { level, value: value_at(position.min(count - 1))? });
        }
        let sum = match class {
            Class::Number if count > 0 => Some(sum_of(&counts, &numbers)?),
            _ => None,
        };
        Ok(Stats {
            total: counts.total,
            count,
            null: counts.total - counts.present(),
            nan,
            min: if count > 0 { Some(value_at(0)?) } else { None },
            max: if count > 0 { Some(value_at(count - 1)?) } else { None },
            sum,
            mean: sum.map(|sum| sum / count as f64),
            quantiles,
        })
    }
}

fn sum_of(counts: &super::breakdown::CodeCounts, numbers: &[(u32, u64)]) -> Result<f64, QueryError> {
    let (mut whole, mut float) = (0_i128, 0.0);
    for &(code, count) in numbers {
        match (&counts.ty, counts.value(code)?) {
            (_, Value::Bool(value)) => whole += i128::from(value) * i128::from(count),
            (_, Value::Int(value)) if i64::try_from(value).is_ok() => whole += value * i128::from(count),
            (_, Value::UInt(value)) if u64::try_from(value).is_ok() => {
                whole += value as i128 * i128::from(count);
            }
            (_, Value::Text(text)) => float += text.parse::<f64>().unwrap_or(f64::NAN) * count as f64,
            (_, value) => float += value.as_f64().unwrap_or(f64::NAN) * count as f64,
        }
    }
    Ok(whole as f64 + float)
}
