//! An audience by columns: how many members have each value, or fall into each bin of a histogram, and figures.
//!
//! A [`Profiler`] finds the members once and asks any number of columns about them. What is told of everybody comes from the
//! index, whoever the members are; if they are everybody, nothing is looked at row by row.

mod counts;
mod edges;
mod held;
mod histogram;
mod nested;
mod population;
mod stats;
mod tally;
mod times;
mod top;

use serde::Serialize;

use super::{Audience, erased};
use crate::column::ValueColumn;
use crate::plan::Op;
use crate::rule::ast::Operand;
use crate::rule::bind::condition::{ColumnKey, Part};
use crate::rule::bind::{Binder, QueryError};
use crate::rule::error::{RuleError, did_you_mean};
use crate::schema::{ColumnType, ScalarType};
use crate::snapshot::Column;
use crate::value::Value;

pub use counts::ColumnCounts;
pub use edges::Scale;
pub use histogram::{Histogram, HistogramBin};
pub use stats::{Quantile, Stats};

use held::Held;

/// Members by value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breakdown {
    /// Members in all.
    pub total: u64,
    /// The most frequent values, most members first; of an array, its elements, of a map, its keys.
    pub values: Vec<ValueCount>,
    /// Distinct values among the members.
    pub distinct: u64,
    /// Members whose value is not among `values`; of an array or a map, occurrences of other elements or keys.
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

/// The members of an audience, found once for whatever is asked of columns.
#[derive(Debug)]
pub struct Profiler<'a> {
    audience: &'a Audience,
    /// `None` is everybody.
    members: Option<Held>,
    /// Users who are not there any more.
    erased: Held,
    total: u64,
}

impl<'a> Profiler<'a> {
    fn new(audience: &'a Audience) -> Result<Self, QueryError> {
        let snapshot = &audience.snapshot;
        let without = erased(snapshot);
        let erased =
            without.as_ref().map(|masked| Held::of_masked(masked, snapshot.rows())).unwrap_or_default();
        let everybody = matches!(audience.plan.node(audience.plan.root()).op, Op::All);
        let members = if everybody { None } else { Some(Held::of_audience(audience, &without)?) };
        let users = u64::from(snapshot.rows()).saturating_sub(erased.len());
        let total = members.as_ref().map_or(users, Held::len);
        Ok(Self { audience, members, erased, total })
    }

    /// How many members there are.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Members by the values of a column, of an array its elements, of a map its keys; the `top` most frequent.
    pub fn breakdown(&self, by: &Operand, top: usize) -> Result<Breakdown, QueryError> {
        if let Operand::Column(name) = by
            && let Some((index, schema)) = self.audience.snapshot.schema().column(name)
        {
            match (&schema.ty, self.audience.snapshot.column(index)?) {
                (ColumnType::Array(ty), Column::List(list)) => return self.by_elements(ty, list, top),
                (ColumnType::Map(_), Column::Map(map)) => return self.by_keys(map, top),
                _ => {}
            }
        }
        self.column(by)?.breakdown(top)
    }

    /// Members per value of a scalar column, of an array's length, or under a map's key.
    pub fn column(&self, of: &Operand) -> Result<ColumnCounts<'_>, QueryError> {
        let Some((column, ty)) = self.value_column(of)? else {
            let ty = ScalarType::Float { bits: 64 };
            return Err(RuleError::new(format!("`{of}` has no value for any user ({ty})")).into());
        };
        ColumnCounts::new(self, of, column, ty)
    }

    /// The value column an operand names; `None` for a map key that nobody has.
    fn value_column(&self, operand: &Operand) -> Result<Option<(ValueColumn, ScalarType)>, QueryError> {
        let snapshot = &self.audience.snapshot;
        let schema = snapshot.schema();
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
        let (part, ty) = match (operand, &column.ty, snapshot.column(index)?) {
            (Operand::Column(_), ColumnType::Scalar(ty), _) => (Part::Whole, ty.clone()),
            (Operand::Length(_), ColumnType::Array(_), _) => (Part::Length, ScalarType::UInt { bits: 64 }),
            (Operand::MapValue { key: wanted, .. }, ColumnType::Map(ty), Column::Map(map)) => {
                match map.keys().find_bytes(wanted.as_bytes())? {
                    Some(code) => (Part::Key(code), ty.clone()),
                    None => return Ok(None),
                }
            }
            (_, ty, _) => {
                return Err(RuleError::new(format!("`{operand}` does not fit `{name}`, which is {ty}"))
                    .hint("name a scalar column, `length(array)`, or a key as in `map['key']`")
                    .into());
            }
        };
        let binder = Binder::new(snapshot, self.audience.now)?;
        let column = binder.value_column(ColumnKey { index: index as u32, part })?;
        Ok(Some((column, ty)))
    }
}

impl Audience {
    /// Finds the members, for asking several columns about them.
    pub fn profiler(&self) -> Result<Profiler<'_>, QueryError> {
        Profiler::new(self)
    }

    /// Members by the values of a column: see [`Profiler::breakdown`].
    pub fn breakdown(&self, by: &Operand, top: usize) -> Result<Breakdown, QueryError> {
        self.profiler()?.breakdown(by, top)
    }

    /// Members by bins of a number or time column: see [`ColumnCounts::histogram`].
    pub fn histogram(&self, of: &Operand, bins: usize, scale: Scale) -> Result<Histogram, QueryError> {
        self.profiler()?.column(of)?.histogram(bins, scale)
    }

    /// Figures of a number or time column: see [`ColumnCounts::stats`].
    pub fn stats(&self, of: &Operand, levels: &[f64]) -> Result<Stats, QueryError> {
        self.profiler()?.column(of)?.stats(levels)
    }
}

fn not_a_number(operand: &Operand, ty: &ScalarType) -> RuleError {
    RuleError::new(format!("`{operand}` is {ty}, which has no numbers"))
        .hint("break it down by value instead")
}
