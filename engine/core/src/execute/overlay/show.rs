//! What a user's features are under an overlay, for people.

use super::{Content, Held, Overlay};
use crate::error::Result;
use crate::execute::features::Feature;
use crate::rule::ast::Operand;
use crate::schema::{ColumnType, ScalarType};
use crate::snapshot::Snapshot;
use crate::value::Value;

impl Held {
    /// The value, as people write it.
    pub(in crate::execute) fn value(&self, ty: &ScalarType) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Key8(key) => Value::from_key8(ty, *key),
            Self::Key16(key) => Value::from_key16(ty, *key),
            Self::Bytes(bytes) => Value::from_bytes(bytes),
        }
    }
}

impl Content {
    /// The feature, as people write it.
    pub(in crate::execute) fn feature(&self, ty: &ColumnType) -> Feature {
        let (ColumnType::Scalar(ty) | ColumnType::Array(ty) | ColumnType::Map(ty)) = ty;
        match self {
            Self::Scalar(held) => Feature::Value(held.value(ty)),
            Self::List(Some(elements)) => Feature::List(elements.iter().map(|held| held.value(ty)).collect()),
            Self::Map(Some(entries)) => {
                let entry = |(key, held): &(Box<str>, Held)| (Value::Text(key.to_string()), held.value(ty));
                Feature::Map(entries.iter().map(entry).collect())
            }
            Self::List(None) | Self::Map(None) => Feature::Value(Value::Null),
        }
    }
}

impl Overlay {
    /// The feature that an operand names, of a row under this overlay; `None` for constants.
    pub(in crate::execute) fn feature(
        &self,
        snapshot: &Snapshot,
        operand: &Operand,
        row: u32,
    ) -> Result<Option<Feature>> {
        let schema = snapshot.schema();
        let (Operand::Column(name) | Operand::Length(name) | Operand::MapValue { column: name, .. }) =
            operand
        else {
            return Ok(None);
        };
        let Some((index, described)) = schema.column(name) else { return snapshot.feature(operand, row) };
        let index = index as u32;
        let (ColumnType::Scalar(ty) | ColumnType::Array(ty) | ColumnType::Map(ty)) = &described.ty;
        let overlaid = match operand {
            Operand::MapValue { key, .. } => self.key(index, key).map(|held| Feature::Value(held.value(ty))),
            Operand::Length(_) => {
                self.length(index).map(|held| Feature::Value(held.value(&ScalarType::UInt { bits: 64 })))
            }
            _ => self.column(index).map(|content| content.feature(&described.ty)),
        };
        if !matches!(operand, Operand::Column(_)) || self.keys_of(index).next().is_none() {
            return overlaid.map_or_else(|| snapshot.feature(operand, row), |feature| Ok(Some(feature)));
        }
        // A map of which some keys are overlaid.
        let whole = overlaid.map_or_else(|| snapshot.feature(operand, row), |feature| Ok(Some(feature)))?;
        let mut entries = match whole {
            Some(Feature::Map(entries)) => entries,
            _ if self.keys_of(index).all(|(_, held)| *held == Held::Null) => {
                return Ok(Some(Feature::Value(Value::Null)));
            }
            _ => Vec::new(),
        };
        for (key, held) in self.keys_of(index) {
            let key = Value::Text(key.to_owned());
            entries.retain(|(known, _)| *known != key);
            if *held != Held::Null {
                entries.push((key, held.value(ty)));
            }
        }
        Ok(Some(Feature::Map(entries)))
    }
}
