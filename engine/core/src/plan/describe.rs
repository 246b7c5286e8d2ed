//! Leaves in words, for `explain` and for the reasons of a check.

use super::pair::type_of;
use crate::column::Dictionary;
use crate::error::Result;
use crate::rule::bind::Binder;
use crate::rule::bind::condition::{ColumnKey, Leaf, PairSide, Part};
use crate::rule::bind::ranges;
use crate::schema::{ColumnType, ScalarType};
use crate::snapshot::{Column, Snapshot};
use crate::value::Value;

/// The value of a code.
pub(crate) fn value_of(dictionary: &Dictionary, ty: &ScalarType, code: u32) -> Result<Value> {
    Ok(match dictionary {
        Dictionary::None => Value::Null,
        Dictionary::Fixed8(keys) => Value::from_key8(ty, keys.get(code as usize)?),
        Dictionary::Fixed16(keys) => Value::from_key16(ty, keys.get(code as usize)?),
        Dictionary::Bytes { .. } => Value::from_bytes(dictionary.bytes(code)?.unwrap_or_default()),
    })
}

/// What a leaf selects, in the words of the rule language where it has some.
pub(super) fn describe(snapshot: &Snapshot, binder: &Binder<'_>, leaf: &Leaf) -> Result<String> {
    Ok(match leaf {
        Leaf::Codes { column, ranges } => {
            let (name, ty) = (name_of(snapshot, *column)?, type_of(snapshot, *column)?);
            let values = binder.value_column(*column)?;
            let dictionary = values.dictionary();
            let show = |code: u32| value_of(dictionary, &ty, code).map(|value| quoted(&value));
            match ranges[..] {
                [(from, to)] if to == from + 1 => format!("{name} = {}", show(from)?),
                [(from, to)] if to == dictionary.len() => format!("{name} from {} up", show(from)?),
                [(0, to)] => format!("{name} up to {}", show(to - 1)?),
                [(from, to)] => format!("{name} from {} to {}", show(from)?, show(to - 1)?),
                _ => {
                    let count = ranges::len(ranges);
                    format!("{name} in {count} of {} values", dictionary.len())
                }
            }
        }
        Leaf::Presence { column, present } => {
            format!("{} IS {}NULL", name_of(snapshot, *column)?, if *present { "NOT " } else { "" })
        }
        Leaf::Element { column, code, held } => {
            let name = &snapshot.schema().columns[*column as usize].name;
            let mut element = Value::Null;
            if let (Column::List(list), ColumnType::Array(ty)) =
                (snapshot.column(*column as usize)?, &snapshot.schema().columns[*column as usize].ty)
            {
                element = value_of(list.elements(), ty, *code)?;
            }
            format!("{}has({name}, {})", if *held { "" } else { "without " }, quoted(&element))
        }
        Leaf::Rows { rows, inside } => {
            format!("{}{} users", if *inside { "" } else { "all but " }, rows.len())
        }
        Leaf::Set { label, inside, .. } => {
            let label = Value::Text(label.clone());
            format!("{}label({})", if *inside { "" } else { "not " }, quoted(&label))
        }
        Leaf::UserIds { ranges } => {
            let shown: Vec<String> = ranges.iter().map(|(low, high)| format!("{low} to {high}")).collect();
            format!("{} from {}", snapshot.schema().user_id, shown.join(", "))
        }
        Leaf::Pair { left, op, right, truth } => {
            let side = |side: PairSide| match side {
                PairSide::UserId => Ok(snapshot.schema().user_id.clone()),
                PairSide::Column(key) => name_of(snapshot, key),
            };
            let not = if *truth { "" } else { "not " };
            format!("{not}{} {} {}", side(*left)?, op, side(*right)?)
        }
        Leaf::Bucket { low, high, inside, .. } => {
            let not = if *inside { "" } else { "not " };
            format!("{not}bucket from {} % to {} %", f64::from(*low) / 100.0, f64::from(*high) / 100.0)
        }
    })
}

fn name_of(snapshot: &Snapshot, key: ColumnKey) -> Result<String> {
    let name = snapshot.schema().columns.get(key.index as usize).map_or("?", |column| &column.name);
    Ok(match (key.part, snapshot.column(key.index as usize)?) {
        (Part::Length, _) => format!("length({name})"),
        (Part::Key(code), Column::Map(map)) => {
            format!("{name}[{}]", quoted(&value_of(map.keys(), &ScalarType::String, code)?))
        }
        _ => name.to_owned(),
    })
}

fn quoted(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("'{}'", text.escape_debug()),
        other => other.to_string(),
    }
}
