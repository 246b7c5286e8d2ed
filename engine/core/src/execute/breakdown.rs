//! An audience by a column: how many members have each value, or fall into each bin of a histogram.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde::Serialize;

use super::chunk::Without;
use super::halt::{apart, ended};
use super::{Audience, erased};
use crate::column::{ListColumn, ValueColumn};
use crate::error::Error;
use crate::plan::value_of;
use crate::rule::ast::Operand;
use crate::rule::bind::condition::{ColumnKey, Condition, Leaf, Part};
use crate::rule::bind::operand::Class;
use crate::rule::bind::{Binder, QueryError};
use crate::rule::error::{RuleError, did_you_mean};
use crate::schema::{ColumnType, ScalarType};
use crate::snapshot::Column;
use crate::value::Value;

/// Members by value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breakdown {
    /// Members in all.
    pub total: u64,
    /// The most frequent values, most members first; of an array, its elements.
    pub values: Vec<ValueCount>,
    /// Distinct values among the members.
    pub distinct: u64,
    /// Members whose value is not among `values`; of an array, occurrences of other elements.
    pub others: u64,
    /// Members without a value.
    pub null: u64,
}

/// A value and how many members have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueCount {
    /// The value.
    pub value: Value,
    /// Members.
    pub count: u64,
    /// Users in all who have it.
    pub population: u64,
}

/// Members by bins of equal width.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// Members in all.
    pub total: u64,
    /// Bins from the least to the greatest value among the members.
    pub bins: Vec<HistogramBin>,
    /// Members without a value.
    pub null: u64,
    /// Members whose value is not a finite number.
    pub not_finite: u64,
}

/// One bin: `low <= value < high`, the last one with its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistogramBin {
    /// Least value.
    pub low: f64,
    /// End.
    pub high: f64,
    /// Members.
    pub count: u64,
}

/// Members per code of a value column.
pub(super) struct CodeCounts {
    pub(super) column: ValueColumn,
    pub(super) ty: ScalarType,
    pub(super) counts: Vec<u32>,
    pub(super) total: u64,
}

impl CodeCounts {
    pub(super) fn present(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// Codes with members, ascending.
    pub(super) fn occupied(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        (0..).zip(&self.counts).filter(|(_, count)| **count > 0).map(|(code, &count)| (code, count.into()))
    }

    pub(super) fn value(&self, code: u32) -> Result<Value, Error> {
        value_of(self.column.dictionary(), &self.ty, code)
    }

    /// How many users in all have each of some codes: what the index tells, without those who were erased.
    fn population(&self, of: impl Iterator<Item = u32>, erased: &Without) -> Result<Vec<u64>, Error> {
        let mut gone: HashMap<u32, u64> = HashMap::new();
        for row in erased.iter().flat_map(|rows| rows.rows()) {
            if let Some(code) = self.column.code(row)? {
                *gone.entry(code).or_default() += 1;
            }
        }
        of.map(|code| {
            let rows = self.column.rows_between(code, code + 1)?;
            Ok(rows.saturating_sub(gone.get(&code).copied().unwrap_or(0)))
        })
        .collect()
    }
}

impl Audience {
    /// Members by the values of a column (or a map's key, or an array's length or elements), the `top` most frequent.
    pub fn breakdown(&self, by: &Operand, top: usize) -> Result<Breakdown, QueryError> {
        if let Operand::Column(name) = by
            && let Some((index, schema)) = self.snapshot.schema().column(name)
            && let (ColumnType::Array(ty), Column::List(list)) = (&schema.ty, self.snapshot.column(index)?)
        {
            return self.by_elements(index as u32, ty, list, top);
        }
        let counts = self.code_counts(by)?;
        let mut found: Vec<(u32, u64)> = counts.occupied().collect();
        let distinct = found.len() as u64;
        found.sort_by_key(|&(code, count)| (std::cmp::Reverse(count), code));
        let present = counts.present();
        found.truncate(top);
        let shown: u64 = found.iter().map(|(_, count)| count).sum();
        let erased = erased(&self.snapshot);
        let population = counts.population(found.iter().map(|(code, _)| *code), &erased)?;
        let value =
            |((code, count), population)| Ok(ValueCount { value: counts.value(code)?, count, population });
        let values = found.into_iter().zip(population).map(value).collect::<Result<_, Error>>()?;
        Ok(Breakdown {
            total: counts.total,
            values,
            distinct,
            others: present - shown,
            null: counts.total - present,
        })
    }

    /// Members by bins of a number or time column. Times are in Unix seconds.
    pub fn histogram(&self, of: &Operand, bins: usize) -> Result<Histogram, QueryError> {
        let counts = self.code_counts(of)?;
        let mut numbers = Vec::new();
        let mut not_finite = 0;
        for (code, count) in counts.occupied() {
            match number_of(&counts, code)? {
                Some(number) if number.is_finite() => numbers.push((number, count)),
                Some(_) => not_finite += count,
                None => return Err(not_a_number(of, &counts.ty).into()),
            }
        }
        let null = counts.total - counts.present();
        let (Some(&(low, _)), Some(&(high, _))) = (numbers.first(), numbers.last()) else {
            return Ok(Histogram { total: counts.total, bins: Vec::new(), null, not_finite });
        };
        let bins = if low == high { 1 } else { bins.clamp(1, 10_000) };
        let width = (high - low) / bins as f64;
        let edge = |bin: usize| if bin == bins { high } else { low + width * bin as f64 };
        let mut out: Vec<HistogramBin> =
            (0..bins).map(|bin| HistogramBin { low: edge(bin), high: edge(bin + 1), count: 0 }).collect();
        for (number, count) in numbers {
            let bin = if width > 0.0 { ((number - low) / width) as usize } else { 0 };
            out[bin.min(bins - 1)].count += count;
        }
        Ok(Histogram { total: counts.total, bins: out, null, not_finite })
    }

    /// Members per code of the value column that an operand names.
    pub(super) fn code_counts(&self, operand: &Operand) -> Result<CodeCounts, QueryError> {
        let binder = Binder::new(&self.snapshot, self.now)?;
        let Some((key, ty)) = self.value_operand(operand)? else {
            let ty = ScalarType::Float { bits: 64 };
            return Err(RuleError::new(format!("`{operand}` has no value for any user ({ty})")).into());
        };
        let column = binder.value_column(key)?;
        column.check()?;
        let counts: Vec<AtomicU32> = (0..column.dictionary().len()).map(|_| AtomicU32::new(0)).collect();
        let total = AtomicU64::new(0);
        self.for_each_chunk(|chunk, set, rows| {
            total.fetch_add(set.count(rows).into(), Ordering::Relaxed);
            set.for_each(rows, |row| {
                if let Ok(Some(code)) = column.code(chunk << 16 | u32::from(row))
                    && let Some(count) = counts.get(code as usize)
                {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        })?;
        let counts = counts.into_iter().map(AtomicU32::into_inner).collect();
        Ok(CodeCounts { column, ty, counts, total: total.into_inner() })
    }

    /// The value column an operand names; `None` for a map key that nobody has.
    fn value_operand(&self, operand: &Operand) -> Result<Option<(ColumnKey, ScalarType)>, QueryError> {
        let schema = self.snapshot.schema();
        let name = match operand {
            Operand::Column(name) | Operand::Length(name) | Operand::MapValue { column: name, .. } => name,
            Operand::Literal(_) | Operand::Time(_) => {
                return Err(RuleError::new(format!("{operand} is not a column")).into());
            }
        };
        let Some((index, column)) = schema.column(name) else {
            let error = RuleError::new(format!("there is no column `{name}` to break down by"));
            let hint = did_you_mean(name, schema.columns.iter().map(|column| column.name.as_str()));
            return Err(hint.map_or(error.clone(), |hint| error.hint(hint)).into());
        };
        let key = |part| ColumnKey { index: index as u32, part };
        match (operand, &column.ty, self.snapshot.column(index)?) {
            (Operand::Column(_), ColumnType::Scalar(ty), _) => Ok(Some((key(Part::Whole), ty.clone()))),
            (Operand::Length(_), ColumnType::Array(_), _) => {
                Ok(Some((key(Part::Length), ScalarType::UInt { bits: 64 })))
            }
            (Operand::MapValue { key: wanted, .. }, ColumnType::Map(ty), Column::Map(map)) => {
                let code = map.keys().find_bytes(wanted.as_bytes())?;
                Ok(code.map(|code| (key(Part::Key(code)), ty.clone())))
            }
            (_, ty, _) => Err(RuleError::new(format!("`{operand}` does not fit `{name}`, which is {ty}"))
                .hint("name a scalar column, `length(array)`, or a key as in `map['key']`")
                .into()),
        }
    }

    /// An array's elements: each one's rows against the audience.
    fn by_elements(
        &self,
        index: u32,
        ty: &ScalarType,
        list: &ListColumn,
        top: usize,
    ) -> Result<Breakdown, QueryError> {
        let without = erased(&self.snapshot);
        let total = self.count_without(&without);
        let whole = ColumnKey { index, part: Part::Whole };
        let present = self.count_with(Leaf::Presence { column: whole, present: true }, &without)?;
        // Few rows hold a light element, so its count is bounded; heavy ones are looked at first.
        let mut codes: Vec<(u32, u32)> = Vec::with_capacity(list.elements().len() as usize);
        for code in 0..list.elements().len() {
            codes.push((list.posting_rows(code)?, code));
        }
        codes.sort_unstable_by(|a, b| b.cmp(a));
        let (mut found, mut distinct, mut all): (Vec<(u64, u32)>, _, _) = (Vec::new(), 0, 0);
        for (_, code) in codes {
            if ended() {
                break;
            }
            let count = self.count_with(Leaf::Element { column: index, code, held: true }, &without)?;
            distinct += u64::from(count > 0);
            all += count;
            if count > 0 {
                found.push((count, code));
            }
        }
        found.sort_by_key(|&(count, code)| (std::cmp::Reverse(count), code));
        found.truncate(top);
        let shown: u64 = found.iter().map(|(count, _)| count).sum();
        let value = |(count, code)| {
            let population = population_of_element(list, code, &without)?;
            Ok(ValueCount { value: value_of(list.elements(), ty, code)?, count, population })
        };
        let values = found.into_iter().map(value).collect::<Result<_, Error>>()?;
        // Halted, one count may be cut and the other not.
        let null = total.saturating_sub(present);
        Ok(Breakdown { total, values, distinct, others: all - shown, null })
    }

    /// Members that are also in a leaf.
    fn count_with(&self, leaf: Leaf, without: &Without) -> Result<u64, QueryError> {
        let audience = apart(|_| {
            let binder = self.binder()?;
            let own = binder.bind(&self.rule, true)?;
            let condition = Condition::And(vec![own, Condition::Leaf(leaf)]);
            let rule = (self.rule.clone(), self.lists.clone());
            Self::of_condition(&self.snapshot, rule, &binder, condition)
        })?;
        Ok(audience.count_without(without))
    }
}

/// How many users in all have an element, without those who were erased.
fn population_of_element(list: &ListColumn, code: u32, erased: &Without) -> Result<u64, Error> {
    let mut rows = u64::from(list.posting_rows(code)?);
    if let Some(erased) = erased {
        let postings = list.postings(code)?;
        for row in erased.rows() {
            rows = rows.saturating_sub(u64::from(postings.contains(row)?));
        }
    }
    Ok(rows)
}

/// The number of a code; seconds for times, days as their first second in UTC.
fn number_of(counts: &CodeCounts, code: u32) -> Result<Option<f64>, Error> {
    Ok(match Class::of(&counts.ty) {
        Class::Number => match (&counts.ty, counts.value(code)?) {
            (ScalarType::Decimal { .. }, Value::Text(text)) => text.parse().ok(),
            (_, Value::Bool(value)) => Some(f64::from(u8::from(value))),
            (_, value) => value.as_f64(),
        },
        Class::Time => {
            let key = counts.column.dictionary().key8(code)?.unwrap_or_default();
            let ticks = crate::key::to_int(key) as f64;
            Some(match counts.ty {
                ScalarType::Date => ticks * 86_400.0,
                ScalarType::DateTime64 { scale, .. } => ticks / 10_f64.powi(scale.into()),
                _ => ticks,
            })
        }
        _ => None,
    })
}

pub(super) fn not_a_number(operand: &Operand, ty: &ScalarType) -> RuleError {
    RuleError::new(format!("`{operand}` is {ty}, which has no numbers"))
        .hint("break it down by value instead")
}
