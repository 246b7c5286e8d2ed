//! The columns of what is read: what the server says of them, what is asked for, and what may arrive.

use arrow_schema::{DataType, Field, Fields, Metadata, TimeUnit};
use std::sync::Arc;

use super::options::quoted;
use super::types::Type;
use crate::columns::TYPE_KEY;
use crate::error::{LoadError, Result};

/// A column as the server describes it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type as the server prints it.
    pub(super) described: String,
    /// The type, if it is one that can be read.
    ty: Option<Type>,
}

impl Column {
    pub(super) fn new(name: String, described: String) -> Self {
        let ty = Type::parse(&described).filter(|ty| ty.declared().is_some());
        Self { name, described, ty }
    }

    /// The column for those who plan: its type is told by the metadata.
    pub(super) fn field(&self) -> Field {
        let (declared, nullable, arrow) = match &self.ty {
            Some(ty) => (ty.declared().unwrap_or_default(), ty.bare().1, arrow_type(ty)),
            None => (self.described.clone(), true, DataType::Null),
        };
        let metadata: Metadata = [(TYPE_KEY.to_owned(), declared)].into_iter().collect();
        Field::new(&self.name, arrow, nullable).with_metadata(metadata)
    }

    /// The type, which a column that is pulled must have.
    pub(super) fn readable(&self) -> Result<&Type> {
        self.ty.as_ref().ok_or_else(|| {
            let message = format!("the type {} is not supported; set `skip = true`", self.described);
            LoadError::column(&self.name, message)
        })
    }

    /// Whether it holds whole numbers by which a table can be cut into ranges.
    pub(super) fn is_integer(&self) -> bool {
        self.ty
            .as_ref()
            .is_some_and(|ty| matches!(ty.bare().0, Type::Int { bits } | Type::UInt { bits } if *bits <= 64))
    }

    /// Whether a value may be NULL.
    pub(super) fn is_nullable(&self) -> bool {
        self.ty.as_ref().is_some_and(|ty| ty.bare().1)
    }
}

/// A column that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What it is called in the source, for messages.
    pub(super) name: String,
    /// The type that arrives.
    pub(super) ty: Type,
    /// What it is called in the answer.
    pub(super) label: String,
    /// What stands in the list of a `SELECT`.
    pub(super) expression: String,
}

impl Wanted {
    /// Asks for a column as it is, or, where Arrow has no type for it, as something from which it can be told.
    pub(super) fn new(column: &Column, place: usize, in_arrow: bool) -> Result<Self> {
        let (name, ty) = (&column.name, column.readable()?.clone());
        let plain = quoted(name);
        let cast = match ty.in_arrow().filter(|_| in_arrow) {
            Some(target) => Some(format!("CAST({plain} AS {target})")),
            None if in_arrow && ty.has_odd_ticks() => Some(match ty.bare().0 {
                Type::Array(_) => format!("arrayMap(tick -> reinterpretAsInt64(tick), {plain})"),
                _ => format!("reinterpretAsInt64({plain})"),
            }),
            None => None,
        };
        Ok(match cast {
            // Under its own name the column would be hidden from conditions.
            Some(expression) => {
                let label = format!("muster_{place}");
                Self { name: name.clone(), ty, expression: format!("{expression} AS {label}"), label }
            }
            None => Self { name: name.clone(), ty, expression: plain, label: name.clone() },
        })
    }

    /// Whether an array of this Arrow type can hold the column's values as they are.
    pub(super) fn may_arrive_as(&self, found: &DataType) -> bool {
        fits(&self.ty, found)
    }
}

/// What a column of this type is in memory, once it is here.
pub(super) fn arrow_type(ty: &Type) -> DataType {
    let element = |ty: &Type| Arc::new(Field::new("item", arrow_type(ty), true));
    match ty {
        Type::Nullable(inner) | Type::LowCardinality(inner) => arrow_type(inner),
        Type::Bool => DataType::Boolean,
        Type::Int { bits: 8 } => DataType::Int8,
        Type::Int { bits: 16 } => DataType::Int16,
        Type::Int { bits: 32 } => DataType::Int32,
        Type::Int { bits: 64 } | Type::DateTime64 { .. } => DataType::Int64,
        Type::UInt { bits: 8 } => DataType::UInt8,
        Type::UInt { bits: 16 } | Type::Date => DataType::UInt16,
        Type::UInt { bits: 32 } | Type::DateTime { .. } | Type::Ipv4 => DataType::UInt32,
        Type::UInt { bits: 64 } => DataType::UInt64,
        Type::Int { .. } | Type::UInt { .. } | Type::Uuid | Type::Ipv6 => DataType::FixedSizeBinary(16),
        Type::Float { bits: 32 } => DataType::Float32,
        Type::Float { .. } => DataType::Float64,
        Type::Decimal { precision, scale } if *precision <= 38 => {
            DataType::Decimal128(*precision, *scale as i8)
        }
        Type::Decimal { precision, scale } => DataType::Decimal256(*precision, *scale as i8),
        Type::Date32 => DataType::Date32,
        Type::String | Type::Enum { .. } => DataType::Binary,
        Type::FixedString(length) => DataType::FixedSizeBinary(i32::try_from(*length).unwrap_or(i32::MAX)),
        Type::Array(inner) => DataType::List(element(inner)),
        Type::Map(key, value) => {
            let entry: Fields =
                vec![Field::new("key", arrow_type(key), false), Field::new("value", arrow_type(value), true)]
                    .into();
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false)
        }
    }
}

/// Whether ClickHouse writes such a type as this Arrow type, under whatever settings the user has.
fn fits(ty: &Type, found: &DataType) -> bool {
    let text = |found: &DataType| {
        matches!(found, DataType::Binary | DataType::LargeBinary | DataType::Utf8 | DataType::LargeUtf8)
    };
    match (ty, found) {
        (Type::Nullable(inner) | Type::LowCardinality(inner), _) => fits(inner, found),
        (_, DataType::Dictionary(_, value)) => fits(ty, value),
        (Type::String | Type::Enum { .. }, _) => text(found),
        (Type::Date, _) => matches!(found, DataType::UInt16 | DataType::Date32),
        (Type::DateTime { .. }, _) => {
            matches!(found, DataType::UInt32 | DataType::Timestamp(TimeUnit::Second, _))
        }
        (Type::DateTime64 { scale, .. }, DataType::Timestamp(unit, _)) => {
            let digits = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            *scale == digits
        }
        (Type::Decimal { precision, scale }, _) => match found {
            DataType::Decimal32(p, s)
            | DataType::Decimal64(p, s)
            | DataType::Decimal128(p, s)
            | DataType::Decimal256(p, s) => *s == *scale as i8 && *p >= *precision,
            _ => false,
        },
        (Type::Array(inner), DataType::List(item) | DataType::LargeList(item)) => {
            fits(inner, item.data_type())
        }
        (Type::Map(key, value), DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(parts) if parts.len() == 2 => {
                fits(key, parts[0].data_type()) && fits(value, parts[1].data_type())
            }
            _ => false,
        },
        (Type::Array(_) | Type::Map(..), _) => false,
        (ty, found) => arrow_type(ty) == *found,
    }
}
