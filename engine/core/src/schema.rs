//! What a feature table looks like: the user id, then named, typed columns.
//!
//! The types are the warehouse's (ClickHouse's) types, because a rule must mean here what it means there.

use serde::{Deserialize, Serialize};

/// The table's shape: its key and its feature columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Name of the key column, a `UInt64` (usually `user_id`).
    pub user_id: String,
    /// IANA name of the store's time zone: literals and dates without a zone are read in it.
    pub time_zone: String,
    /// The feature columns, in the source's order; the key is not among them.
    pub columns: Vec<ColumnSchema>,
}

/// One feature column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// Name, as in the source.
    pub name: String,
    /// Logical type, as rules see it.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// Whether a user may have no value (SQL NULL) here.
    pub nullable: bool,
    /// How the source table holds it; only rendering SQL depends on this.
    #[serde(default)]
    pub held_as: HeldAs,
}

/// How the source holds a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldAs {
    /// A column of the logical type itself.
    #[default]
    Native,
    /// A String holding a JSON array of strings; the logical type is `Array(String)`.
    JsonArray,
    /// A String holding a JSON object of numbers; the logical type is `Map(String, Float64)`.
    JsonMap,
    /// A FixedString, or an array of them: the zero bytes at the end are padding.
    FixedString,
}

impl HeldAs {
    /// Whether it is JSON in a String.
    pub fn is_json(self) -> bool {
        matches!(self, Self::JsonArray | Self::JsonMap)
    }
}

/// A column's logical type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// One value a user.
    Scalar(ScalarType),
    /// A list of values a user. NULL elements count towards `length` and match nothing.
    Array(ScalarType),
    /// String key to number. Each key is a sparse numeric column; an absent key is NULL.
    Map(ScalarType),
}

/// The type of one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalarType {
    /// true or false
    Bool,
    /// Signed integer of 8, 16, 32, 64 or 128 bits.
    Int {
        /// 8, 16, 32, 64 or 128
        bits: u8,
    },
    /// Unsigned integer of 8, 16, 32, 64 or 128 bits.
    UInt {
        /// 8, 16, 32, 64 or 128
        bits: u8,
    },
    /// Float32 or Float64.
    Float {
        /// 32 or 64
        bits: u8,
    },
    /// Decimal of at most 38 digits.
    Decimal {
        /// Total digits, at most 38.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// Day, without time (Date and Date32).
    Date,
    /// Second on the time line; the zone is for display and calendar arithmetic, `None` is the store's.
    DateTime {
        /// IANA zone of the column, if it names one.
        zone: Option<String>,
    },
    /// Instant with `scale` digits of sub-second precision (0 to 9).
    DateTime64 {
        /// Digits after the second.
        scale: u8,
        /// IANA zone of the column, if it names one.
        zone: Option<String>,
    },
    /// Bytes, usually UTF-8. Ordered by bytes. FixedString is this, without its trailing zero bytes.
    String,
    /// A named value. Equality only: the warehouse orders these by an ordinal that is not kept here.
    Enum,
    /// Equality only.
    Uuid,
    /// Address, compared as a number.
    Ipv4,
    /// Address, compared by its 16 bytes.
    Ipv6,
}

impl Schema {
    /// The column of this name and its position.
    pub fn column(&self, name: &str) -> Option<(usize, &ColumnSchema)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name == name)
    }
}

impl ScalarType {
    /// Whether it has sums and means.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int { .. } | Self::UInt { .. } | Self::Float { .. } | Self::Decimal { .. })
    }

    /// Whether it is on the time line.
    pub fn is_time(&self) -> bool {
        matches!(self, Self::Date | Self::DateTime { .. } | Self::DateTime64 { .. })
    }
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scalar(ty) => write!(f, "{ty}"),
            Self::Array(ty) => write!(f, "Array({ty})"),
            Self::Map(ty) => write!(f, "Map(String, {ty})"),
        }
    }
}

impl std::fmt::Display for ScalarType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => f.write_str("Bool"),
            Self::Int { bits } => write!(f, "Int{bits}"),
            Self::UInt { bits } => write!(f, "UInt{bits}"),
            Self::Float { bits } => write!(f, "Float{bits}"),
            Self::Decimal { precision, scale } => write!(f, "Decimal({precision}, {scale})"),
            Self::Date => f.write_str("Date"),
            Self::DateTime { zone: None } => f.write_str("DateTime"),
            Self::DateTime { zone: Some(zone) } => write!(f, "DateTime('{zone}')"),
            Self::DateTime64 { scale, zone: None } => write!(f, "DateTime64({scale})"),
            Self::DateTime64 { scale, zone: Some(zone) } => write!(f, "DateTime64({scale}, '{zone}')"),
            Self::String => f.write_str("String"),
            Self::Enum => f.write_str("Enum"),
            Self::Uuid => f.write_str("UUID"),
            Self::Ipv4 => f.write_str("IPv4"),
            Self::Ipv6 => f.write_str("IPv6"),
        }
    }
}
