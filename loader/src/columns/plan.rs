//! What a source column becomes.

use arrow_schema::{DataType, Field, TimeUnit};
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};
use serde::Deserialize;

use super::{AS_KEY, TYPE_KEY, parse_type};
use crate::error::{LoadError, Result};

/// How a String column holds JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonKind {
    /// An object: key to number.
    JsonMap,
    /// An array of strings.
    JsonArray,
}

/// What the configuration says of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnOptions {
    /// How a String column holds JSON.
    #[serde(rename = "as")]
    pub json: Option<JsonKind>,
    /// Whether the column is left out.
    pub skip: bool,
    /// The column's type where the source can't say it: `DateTime`, `UUID`, `IPv4`, `Enum`, ...
    #[serde(rename = "type")]
    pub ty: Option<String>,
}

/// Decides what `field` becomes; nothing if it is skipped. The configuration wins over the field's metadata.
pub fn plan(field: &Field, options: &ColumnOptions) -> Result<Option<ColumnSchema>> {
    if options.skip {
        return Ok(None);
    }
    let error = |message: String| LoadError::column(field.name(), message);
    let json = match options.json {
        Some(json) => Some(json),
        // A type in the configuration overrides what the field says of itself altogether.
        None if options.ty.is_some() => None,
        None => metadata_json(field).map_err(error)?,
    };
    let declared = options.ty.as_deref().or_else(|| field.metadata().get(TYPE_KEY).map(String::as_str));
    let (ty, held_as) = match (json, declared) {
        (Some(_), Some(_)) if options.ty.is_some() => {
            return Err(error(
                "both `as` and `type` are set; JSON columns have a type already, remove `type`".into(),
            ));
        }
        (Some(json), _) => json_type(field.data_type(), json).map_err(error)?,
        (None, Some(text)) => {
            let unknown = |message: String| match options.ty {
                Some(_) => message,
                // Not what a person wrote, but what the source has.
                None => format!("{message}; or set `skip = true`"),
            };
            let ty = parse_type(text).map_err(|message| error(unknown(message)))?;
            (ty, padded(text.contains("FixedString(")))
        }
        (None, None) => (column_type(field.data_type()).map_err(error)?, padded(is_fixed(field.data_type()))),
    };
    // JSON can be malformed, which is NULL, whatever the source says of the text.
    let nullable = field.is_nullable() || held_as.is_json();
    Ok(Some(ColumnSchema { name: field.name().clone(), ty, nullable, held_as }))
}

fn padded(fixed: bool) -> HeldAs {
    if fixed { HeldAs::FixedString } else { HeldAs::Native }
}

/// Whether texts of this type are padded to one length.
fn is_fixed(source: &DataType) -> bool {
    match source {
        DataType::FixedSizeBinary(_) => true,
        DataType::Dictionary(_, value) => is_fixed(value),
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            is_fixed(element.data_type())
        }
        _ => false,
    }
}

fn metadata_json(field: &Field) -> Result<Option<JsonKind>, String> {
    match field.metadata().get(AS_KEY).map(String::as_str) {
        None => Ok(None),
        Some("json_map") => Ok(Some(JsonKind::JsonMap)),
        Some("json_array") => Ok(Some(JsonKind::JsonArray)),
        Some(other) => {
            Err(format!("its `{AS_KEY}` metadata is {other:?}; it must be \"json_map\" or \"json_array\""))
        }
    }
}

fn json_type(source: &DataType, json: JsonKind) -> Result<(ColumnType, HeldAs), String> {
    if column_type(source) != Ok(ColumnType::Scalar(ScalarType::String)) {
        return Err(format!("only text can hold JSON, not the source's {source}; remove its `as`"));
    }
    Ok(match json {
        JsonKind::JsonMap => (ColumnType::Map(ScalarType::Float { bits: 64 }), HeldAs::JsonMap),
        JsonKind::JsonArray => (ColumnType::Array(ScalarType::String), HeldAs::JsonArray),
    })
}

/// The type that ClickHouse, too, gives such a column of a Parquet file.
fn column_type(source: &DataType) -> Result<ColumnType, String> {
    match source {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            match element.data_type() {
                DataType::Struct(fields)
                    if fields.len() == 2 && is_key_value(fields[0].name(), fields[1].name()) =>
                {
                    map_type(fields[0].data_type(), fields[1].data_type())
                }
                element => scalar_type(element)
                    .map(ColumnType::Array)
                    .map_err(|_| format!("arrays of {element} are not supported; set `skip = true`")),
            }
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                map_type(fields[0].data_type(), fields[1].data_type())
            }
            other => Err(format!("map entries of type {other} are not supported; set `skip = true`")),
        },
        other => scalar_type(other).map(ColumnType::Scalar),
    }
}

fn is_key_value(first: &str, second: &str) -> bool {
    matches!((first, second), ("key" | "keys", "value" | "values"))
}

fn map_type(key: &DataType, value: &DataType) -> Result<ColumnType, String> {
    let value_type = scalar_type(value).ok().filter(|ty| match ty {
        ScalarType::Int { bits } | ScalarType::UInt { bits } => *bits <= 64,
        ScalarType::Float { .. } => true,
        ScalarType::Decimal { precision, .. } => *precision <= 18,
        _ => false,
    });
    match (scalar_type(key), value_type) {
        (Ok(ScalarType::String), Some(value)) => Ok(ColumnType::Map(value)),
        _ => Err(format!(
            "a map from {key} to {value} is not supported, only from text to numbers of at most 64 bits; set `skip = true`"
        )),
    }
}

fn scalar_type(source: &DataType) -> Result<ScalarType, String> {
    Ok(match source {
        DataType::Boolean => ScalarType::Bool,
        DataType::Int8 => ScalarType::Int { bits: 8 },
        DataType::Int16 => ScalarType::Int { bits: 16 },
        DataType::Int32 => ScalarType::Int { bits: 32 },
        DataType::Int64 => ScalarType::Int { bits: 64 },
        DataType::UInt8 => ScalarType::UInt { bits: 8 },
        DataType::UInt16 => ScalarType::UInt { bits: 16 },
        DataType::UInt32 => ScalarType::UInt { bits: 32 },
        DataType::UInt64 => ScalarType::UInt { bits: 64 },
        DataType::Float16 | DataType::Float32 => ScalarType::Float { bits: 32 },
        DataType::Float64 => ScalarType::Float { bits: 64 },
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            // Wider declarations are common; what counts is that the values fit, which conversion checks.
            let precision = (*precision).min(38);
            let scale = u8::try_from(*scale)
                .ok()
                .filter(|scale| *scale <= precision)
                .ok_or_else(|| format!("decimals of scale {scale} are not supported; set `skip = true`"))?;
            ScalarType::Decimal { precision, scale }
        }
        DataType::Date32 | DataType::Date64 => ScalarType::Date,
        DataType::Timestamp(unit, _) => {
            let scale = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            // As ClickHouse has it, whatever zone the file names for display: text compared with such a column is read
            // in UTC. That is right for times without a zone too, which are stored as if they were in UTC.
            ScalarType::DateTime64 { scale, zone: Some("UTC".to_owned()) }
        }
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => ScalarType::String,
        DataType::Dictionary(_, value) => return scalar_type(value),
        DataType::Null => {
            return Err("it has no type, only NULLs; give it a type, or set `skip = true`".to_owned());
        }
        other => return Err(format!("the type {other} is not supported; set `skip = true`")),
    })
}
