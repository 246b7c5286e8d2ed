//! Conditions on values: a condition of a rule as a test of single values, wherever these come from.
//!
//! [`Binder::bind`] turns a condition into codes of the snapshot's dictionaries. A value that a request brings along has no
//! code, so here the same condition, with its constants converted in the same place, is asked of values themselves.

use super::condition::{ColumnKey, Part};
use super::datum::{Datum, Sought, SoughtList, holds};
use super::operand::{Const, Side};
use super::text::Matcher;
use super::time::Clock;
use super::{Binder, Result};
use crate::column::ValueColumn;
use crate::error;
use crate::rule::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule};
use crate::schema::{ColumnType, ScalarType};

/// One value of a user.
#[derive(Debug)]
pub(crate) struct Source {
    /// Which.
    pub(crate) of: Of,
    /// Its type.
    pub(crate) ty: ScalarType,
    /// Where the snapshot has it; `None` for the user id and for a map key that nobody has.
    pub(crate) column: Option<ValueColumn>,
}

/// What a value is the value of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Of {
    /// The user id.
    UserId,
    /// A scalar column, by its position in the schema.
    Column(u32),
    /// The length of an array column.
    Length(u32),
    /// A map column's key.
    Key(u32, Box<str>),
}

/// A condition, asked of values.
#[derive(Debug)]
pub(crate) enum Test {
    /// Depends on nothing but who the user is.
    Identity,
    /// A value beside a constant; `None` is NULL.
    Compare(Source, CompareOp, Option<Sought>),
    /// A value beside another.
    Pair(Source, CompareOp, Source),
    /// A value in a list.
    In(Source, SoughtList, bool),
    /// A value that is NULL.
    IsNull(Source, bool),
    /// An array or map column that is NULL.
    ColumnIsNull(u32, bool),
    /// A text that passes a test.
    Text(Source, Matcher, bool),
    /// An array that holds values; the list has them all.
    Has { column: u32, ty: ScalarType, test: HasTest, each: Vec<Option<Sought>>, list: SoughtList },
    /// A map that has a key.
    MapContains(Source),
}

/// What tests ask about a user.
pub(crate) trait Values {
    /// A value; `None` for NULL.
    fn value<'a>(&'a self, source: &'a Source) -> error::Result<Option<Datum<'a>>>;
    /// Whether an array or map column is not NULL.
    fn present(&self, column: u32) -> error::Result<bool>;
    /// Whether an array has an element that passes; only asked of arrays that are not NULL.
    fn any_element(&self, column: u32, passes: &dyn Fn(Datum<'_>) -> bool) -> error::Result<bool>;
}

impl Test {
    /// The condition's value, `None` for unknown.
    pub(crate) fn eval(&self, values: &impl Values, clock: &Clock) -> error::Result<Option<bool>> {
        Ok(match self {
            // Whoever asks knows these from the snapshot.
            Self::Identity => None,
            Self::Compare(source, op, sought) => match (values.value(source)?, sought) {
                (Some(own), Some(sought)) => Some(holds(*op, sought.order_of(own, &source.ty, clock))),
                _ => None,
            },
            Self::Pair(left, op, right) => match (values.value(left)?, values.value(right)?) {
                (Some(a), Some(b)) => Some(holds(*op, a.order(&left.ty, b, &right.ty, clock))),
                _ => None,
            },
            Self::In(source, list, negated) => values.value(source)?.map(|own| {
                let nan = list.has_nan() && own.is_nan(&source.ty);
                (nan || list.has(own, &source.ty, clock)) != *negated
            }),
            Self::IsNull(source, negated) => Some(values.value(source)?.is_none() != *negated),
            Self::ColumnIsNull(column, negated) => Some(values.present(*column)? == *negated),
            Self::Text(source, matcher, negated) => values.value(source)?.map(|own| match own {
                Datum::Bytes(text) => matcher.matches(text) != *negated,
                _ => *negated,
            }),
            Self::Has { column, .. } if !values.present(*column)? => None,
            Self::Has { column, ty, test: HasTest::All, each, .. } => {
                for sought in each {
                    let equal = |own: Datum<'_>| {
                        let order = sought.as_ref().and_then(|sought| sought.order_of(own, ty, clock));
                        order.is_some_and(std::cmp::Ordering::is_eq)
                    };
                    if !values.any_element(*column, &equal)? {
                        return Ok(Some(false));
                    }
                }
                Some(true)
            }
            Self::Has { column, ty, list, .. } => {
                Some(values.any_element(*column, &|own| list.has(own, ty, clock))?)
            }
            Self::MapContains(source) => match source.of {
                Of::Key(column, _) if values.present(column)? => Some(values.value(source)?.is_some()),
                _ => None,
            },
        })
    }

    /// The values it looks at.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        let (first, second) = match self {
            Self::Identity | Self::ColumnIsNull(..) | Self::Has { .. } => (None, None),
            Self::Compare(source, ..)
            | Self::In(source, ..)
            | Self::IsNull(source, _)
            | Self::Text(source, ..)
            | Self::MapContains(source) => (Some(source), None),
            Self::Pair(left, _, right) => (Some(left), Some(right)),
        };
        first.into_iter().chain(second)
    }

    /// The positions of the columns it looks at.
    pub(crate) fn columns(&self) -> impl Iterator<Item = u32> {
        let whole = match self {
            Self::ColumnIsNull(column, _) | Self::Has { column, .. } => Some(*column),
            _ => None,
        };
        whole.into_iter().chain(self.sources().filter_map(|source| source.of.column()))
    }
}

impl Of {
    /// The position of its column in the schema.
    pub(crate) fn column(&self) -> Option<u32> {
        match self {
            Self::UserId => None,
            Self::Column(column) | Self::Length(column) | Self::Key(column, _) => Some(*column),
        }
    }
}

impl Binder<'_> {
    /// A condition as a test of values. For conditions that [`Binder::bind`] took; groups, negations and BETWEEN have none.
    pub(crate) fn test(&self, rule: &Rule) -> Result<Test> {
        Ok(match rule {
            Rule::Column(name) => {
                let operand = Operand::Column(name.clone());
                self.compare_test(&operand, CompareOp::Eq, &Operand::Literal(Literal::Bool(true)))?
            }
            Rule::Compare { left, op, right } => self.compare_test(left, *op, right)?,
            Rule::In { value, list, negated } => self.in_test(value, list, *negated)?,
            Rule::IsNull { value, negated } => {
                if let Operand::Column(name) = value
                    && let Some((index, schema)) = self.snapshot.schema().column(name)
                    && !matches!(schema.ty, ColumnType::Scalar(_))
                {
                    return Ok(Test::ColumnIsNull(index as u32, *negated));
                }
                self.source(value)?.map_or(Test::Identity, |source| Test::IsNull(source, *negated))
            }
            Rule::Text { test, column, pattern, negated } => {
                match self.source(&Operand::Column(column.clone()))? {
                    Some(source) => Test::Text(source, Matcher::new(*test, pattern)?, *negated),
                    None => Test::Identity,
                }
            }
            Rule::Has { test, column, values } => {
                let (index, ty, _) = self.list(column, "has")?;
                let operand = Operand::Column(column.clone());
                let each = values
                    .iter()
                    .map(|value| self.sought(&operand, &ty, &Const::from_literal(value)))
                    .collect::<Result<Vec<_>>>()?;
                // Unlike IN, has does not find NaN.
                let list = SoughtList::new(each.iter().cloned());
                Test::Has { column: index, ty, test: *test, each, list }
            }
            Rule::Empty { column, negated } => {
                let (operand, empty) = match &self.schema_of(column)?.ty {
                    ColumnType::Array(_) => {
                        (Operand::Length(column.clone()), Literal::Number(Number::Int(0)))
                    }
                    _ => (Operand::Column(column.clone()), Literal::Text(String::new())),
                };
                self.in_test(&operand, &[Operand::Literal(empty)], *negated)?
            }
            Rule::MapContains { column, key } => {
                let operand = Operand::MapValue { column: column.clone(), key: key.clone() };
                self.source(&operand)?.map_or(Test::Identity, Test::MapContains)
            }
            _ => Test::Identity,
        })
    }

    fn compare_test(&self, left: &Operand, op: CompareOp, right: &Operand) -> Result<Test> {
        let (left, op, right) =
            if left.is_constant() { (right, op.mirrored(), left) } else { (left, op, right) };
        let Some(source) = self.source(left)? else { return Ok(Test::Identity) };
        if let Side::Const(value) = self.side(right)? {
            if source.of == Of::UserId {
                return Ok(Test::Identity);
            }
            let sought = self.sought(left, &source.ty, &value)?;
            return Ok(Test::Compare(source, op, sought));
        }
        Ok(self.source(right)?.map_or(Test::Identity, |right| Test::Pair(source, op, right)))
    }

    fn in_test(&self, value: &Operand, list: &[Operand], negated: bool) -> Result<Test> {
        let Some(source) = self.source(value)? else { return Ok(Test::Identity) };
        if source.of == Of::UserId {
            return Ok(Test::Identity);
        }
        let sought = list.iter().map(|item| match self.side(item)? {
            Side::Const(item) => self.sought(value, &source.ty, &item),
            _ => Ok(None),
        });
        let list = SoughtList::new(sought.collect::<Result<Vec<_>>>()?);
        Ok(Test::In(source, list, negated))
    }

    /// What an operand names; `None` for a constant.
    pub(crate) fn source(&self, operand: &Operand) -> Result<Option<Source>> {
        let id = || Source { of: Of::UserId, ty: ScalarType::UInt { bits: 64 }, column: None };
        Ok(match self.side(operand)? {
            Side::Const(_) => None,
            Side::UserId => Some(id()),
            Side::Column { key: ColumnKey { index, part }, ty, column } => {
                let of = match (operand, part) {
                    (Operand::MapValue { key, .. }, _) => Of::Key(index, key.as_str().into()),
                    (_, Part::Length) => Of::Length(index),
                    _ => Of::Column(index),
                };
                Some(Source { of, ty, column })
            }
        })
    }
}
