//! One value of a table, in the plainest form.

/// A value as the source holds it. Which variant a column uses follows from its type alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    /// Every integer that fits; what does not (UInt128 above 2^127) is `Big`.
    Int(i128),
    Big(u128),
    Float(f64),
    /// Unscaled; the scale is the column's.
    Decimal(i128),
    /// Days since 1970.
    Date(i32),
    /// Seconds since 1970.
    DateTime(i64),
    /// Ticks since 1970; the scale is the column's.
    DateTime64(i64),
    /// String, FixedString or the name of an Enum.
    Text(Vec<u8>),
    Uuid(u128),
    Ipv4(u32),
    Ipv6(u128),
    Array(Vec<Cell>),
    /// Of equal keys the first counts; an entry with a NULL value is as if absent.
    Map(Vec<(String, Cell)>),
}

impl Cell {
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }
}
