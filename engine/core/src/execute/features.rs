//! What a user's features are: the values behind a check, and a user's page.

use serde::Serialize;

use crate::error::Result;
use crate::plan::value_of;
use crate::rule::ast::{Operand, Rule};
use crate::schema::{ColumnType, ScalarType};
use crate::snapshot::{Column, Snapshot};
use crate::value::Value;

/// Lists and maps with more distinct elements or keys than this are not spelled out for one user: that would look at each.
pub(super) const ELEMENTS_MAX: u32 = 1 << 16;

/// A feature of one user.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Feature {
    /// One value.
    Value(Value),
    /// The elements of a list, in the dictionary's order; NULL elements and repetitions are not kept.
    List(Vec<Value>),
    /// The entries of a map, by key.
    Map(Vec<(Value, Value)>),
    /// A list of this length, of too many possible elements to look each up.
    Length(Value),
}

impl Snapshot {
    /// The feature of a row that an operand names; `None` for constants, and of a user who was erased.
    pub fn feature(&self, operand: &Operand, row: u32) -> Result<Option<Feature>> {
        if self.is_erased(row) {
            return Ok(None);
        }
        let value = match operand {
            Operand::Literal(_) | Operand::Time(_) => return Ok(None),
            Operand::Column(name) if *name == self.schema().user_id => {
                Value::UInt(self.ids().id(row)?.into())
            }
            Operand::Column(name) => return self.column_feature(name, row),
            Operand::Length(name) => match self.named(name)? {
                Some((Column::List(list), _)) => coded(list.lengths(), &ScalarType::UInt { bits: 64 }, row)?,
                _ => return Ok(None),
            },
            Operand::MapValue { column, key } => match self.named(column)? {
                Some((Column::Map(map), ColumnType::Map(ty))) => {
                    match map.keys().find_bytes(key.as_bytes())? {
                        Some(code) => coded(&map.column(code)?, ty, row)?,
                        None => Value::Null,
                    }
                }
                _ => return Ok(None),
            },
        };
        Ok(Some(Feature::Value(value)))
    }

    fn named(&self, name: &str) -> Result<Option<(&Column, &ColumnType)>> {
        self.schema().column(name).map(|(index, schema)| Ok((self.column(index)?, &schema.ty))).transpose()
    }

    fn column_feature(&self, name: &str, row: u32) -> Result<Option<Feature>> {
        Ok(match self.named(name)? {
            Some((Column::Value(column), ColumnType::Scalar(ty))) => {
                Some(Feature::Value(coded(column, ty, row)?))
            }
            Some((Column::List(list), ColumnType::Array(ty))) => {
                let length = coded(list.lengths(), &ScalarType::UInt { bits: 64 }, row)?;
                if length == Value::Null {
                    return Ok(Some(Feature::Value(Value::Null)));
                }
                if list.elements().len() > ELEMENTS_MAX {
                    return Ok(Some(Feature::Length(length)));
                }
                let mut elements = Vec::new();
                for code in 0..list.elements().len() {
                    if list.postings(code)?.contains(row)? {
                        elements.push(value_of(list.elements(), ty, code)?);
                    }
                }
                Some(Feature::List(elements))
            }
            Some((Column::Map(map), ColumnType::Map(ty))) => {
                if let Some(presence) = map.presence() {
                    presence.check()?;
                    if !presence.contains(row) {
                        return Ok(Some(Feature::Value(Value::Null)));
                    }
                }
                let mut entries = Vec::new();
                for code in 0..map.keys().len().min(ELEMENTS_MAX) {
                    let value = coded(&map.column(code)?, ty, row)?;
                    if value != Value::Null {
                        entries.push((value_of(map.keys(), &ScalarType::String, code)?, value));
                    }
                }
                Some(Feature::Map(entries))
            }
            _ => None,
        })
    }
}

fn coded(column: &crate::column::ValueColumn, ty: &ScalarType, row: u32) -> Result<Value> {
    if let Some(presence) = column.presence() {
        presence.check()?;
    }
    match column.code(row)? {
        Some(code) => value_of(column.dictionary(), ty, code),
        None => Ok(Value::Null),
    }
}

/// The operands of a condition that name features.
pub(super) fn operands_of(rule: &Rule) -> Vec<Operand> {
    let column = |name: &String| vec![Operand::Column(name.clone())];
    let mut operands = match rule {
        Rule::Column(name) | Rule::Empty { column: name, .. } | Rule::Has { column: name, .. } => {
            column(name)
        }
        Rule::Text { column: name, .. } => column(name),
        Rule::Compare { left, right, .. } => vec![left.clone(), right.clone()],
        Rule::Between { value, low, high, .. } => vec![value.clone(), low.clone(), high.clone()],
        Rule::In { value, .. } | Rule::IsNull { value, .. } => vec![value.clone()],
        Rule::MapContains { column, key } => {
            vec![Operand::MapValue { column: column.clone(), key: key.clone() }]
        }
        _ => Vec::new(),
    };
    operands.retain(|operand| !matches!(operand, Operand::Literal(_) | Operand::Time(_)));
    operands
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(Value::Text(text)) => write!(f, "'{text}'"),
            Self::Value(value) => write!(f, "{value}"),
            Self::List(elements) => {
                let shown: Vec<String> = elements.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", shown.join(", "))
            }
            Self::Map(entries) => {
                let shown: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                write!(f, "{{{}}}", shown.join(", "))
            }
            Self::Length(length) => write!(f, "a list of {length}"),
        }
    }
}
