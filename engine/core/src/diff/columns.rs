//! The columns of two generations side by side: which there are, and how many users' values differ.

use serde::Serialize;

use super::Diff;
use super::nested::{compare_lists, compare_maps};
use super::parts::{Most, PartChanges};
use super::rows::{RowSet, Users};
use super::values::{Change, Changes, Mark, compare};
use crate::column::Dictionary;
use crate::error::{Error, Result};
use crate::plan::value_of;
use crate::rule::error::did_you_mean;
use crate::schema::{ColumnSchema, ColumnType, ScalarType};
use crate::snapshot::Column;

/// What became of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDiff {
    /// Its name.
    pub name: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: ColumnOutcome,
}

/// What became of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ColumnOutcome {
    /// It is in both, and values were compared.
    Compared {
        /// How many users differ.
        #[serde(flatten)]
        changes: Changes,
        /// Of an array its elements, of a map its keys that moved most, most users first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        parts: Vec<PartChanges>,
        /// Its types before and after, where only their time zones differ.
        #[serde(skip_serializing_if = "Option::is_none")]
        types: Option<(String, String)>,
    },
    /// It is in both, but values of these types are not compared.
    TypeChanged {
        /// Its type before.
        before: String,
        /// Its type after.
        after: String,
    },
    /// It is new.
    Added {
        /// Its type.
        after: String,
    },
    /// It is gone.
    Removed {
        /// Its type.
        before: String,
    },
}

impl Diff {
    /// The names of all columns: those after in their order, then those that are gone.
    pub fn column_names(&self) -> Vec<&str> {
        let (before, after) = (self.before.schema(), self.after.schema());
        let gone = before.columns.iter().filter(|column| after.column(&column.name).is_none());
        after.columns.iter().chain(gone).map(|column| column.name.as_str()).collect()
    }

    /// What became of a column.
    pub fn column(&self, name: &str) -> Result<ColumnDiff> {
        let outcome = self.outcome(name, None)?;
        Ok(ColumnDiff { name: name.to_owned(), outcome })
    }

    /// The users whose value of a column has changed in this way, of those in both generations.
    pub fn column_users(&self, name: &str, which: Change) -> Result<Users> {
        let rows = RowSet::empty(self.after.rows());
        let mark = |change, row| {
            if change == which {
                rows.insert(row);
            }
        };
        match self.outcome(name, Some(&mark))? {
            ColumnOutcome::Compared { .. } => Ok(Users::new(&self.after, rows)),
            ColumnOutcome::TypeChanged { before, after } => Err(Error::input(format!(
                "column `{name}` was {before} and is {after}; values of different types are not compared"
            ))),
            ColumnOutcome::Added { .. } | ColumnOutcome::Removed { .. } => Err(Error::input(format!(
                "column `{name}` is in one of the generations only; there is nothing to compare its values with"
            ))),
        }
    }

    fn outcome(&self, name: &str, mark: Option<Mark<'_>>) -> Result<ColumnOutcome> {
        let text = |column: &ColumnSchema| column.ty.to_string();
        let ((at_before, before), (at_after, after)) =
            match (self.before.schema().column(name), self.after.schema().column(name)) {
                (Some(before), Some(after)) => (before, after),
                (None, Some((_, after))) => return Ok(ColumnOutcome::Added { after: text(after) }),
                (Some((_, before)), None) => return Ok(ColumnOutcome::Removed { before: text(before) }),
                (None, None) => return Err(self.no_column(name)),
            };
        let columns = (self.before.column(at_before)?, self.after.column(at_after)?);
        let compared = match (columns, comparable(&before.ty, &after.ty)) {
            ((Column::Value(before), Column::Value(after)), true) => {
                (compare(before, after, &self.alignment, mark)?, Vec::new())
            }
            ((Column::List(before), Column::List(list)), true) => {
                let (changes, most) = compare_lists(before, list, &self.alignment, mark)?;
                (changes, named(most, before.elements(), list.elements(), inner(&after.ty))?)
            }
            ((Column::Map(before), Column::Map(map)), true) => {
                let (changes, most) = compare_maps(before, map, &self.alignment, mark)?;
                (changes, named(most, before.keys(), map.keys(), &ScalarType::String)?)
            }
            _ => return Ok(ColumnOutcome::TypeChanged { before: text(before), after: text(after) }),
        };
        let types = (before.ty != after.ty).then(|| (text(before), text(after)));
        Ok(ColumnOutcome::Compared { changes: compared.0, parts: compared.1, types })
    }

    fn no_column(&self, name: &str) -> Error {
        let hint = did_you_mean(name, self.column_names()).map_or(String::new(), |hint| format!("; {hint}"));
        Error::input(format!("unknown column `{name}`{hint}"))
    }
}

/// Whether keys of the one mean what keys of the other mean: the same type, but for the zone that times are shown in.
fn comparable(before: &ColumnType, after: &ColumnType) -> bool {
    let same = |a: &ScalarType, b: &ScalarType| match (a, b) {
        (ScalarType::DateTime { .. }, ScalarType::DateTime { .. }) => true,
        (ScalarType::DateTime64 { scale: a, .. }, ScalarType::DateTime64 { scale: b, .. }) => a == b,
        (a, b) => a == b,
    };
    match (before, after) {
        (ColumnType::Scalar(a), ColumnType::Scalar(b))
        | (ColumnType::Array(a), ColumnType::Array(b))
        | (ColumnType::Map(a), ColumnType::Map(b)) => same(a, b),
        _ => false,
    }
}

fn inner(ty: &ColumnType) -> &ScalarType {
    match ty {
        ColumnType::Scalar(inner) | ColumnType::Array(inner) | ColumnType::Map(inner) => inner,
    }
}

/// Elements or keys by name instead of by code.
fn named(most: Most, before: &Dictionary, after: &Dictionary, ty: &ScalarType) -> Result<Vec<PartChanges>> {
    let name = |(changes, was, is)| {
        let part = match (was, is) {
            (_, Some(code)) => value_of(after, ty, code)?,
            (Some(code), None) => value_of(before, ty, code)?,
            (None, None) => crate::value::Value::Null,
        };
        Ok(PartChanges { part, changes })
    };
    most.into_vec().into_iter().map(name).collect()
}
