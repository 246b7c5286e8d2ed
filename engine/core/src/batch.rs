//! What the snapshot writer takes: columns of one batch of rows, in the schema's order.
//!
//! Values arrive as order-preserving keys ([`crate::key`]) or bytes; a loader converts its source's types once.

/// Rows handed to the writer together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// External ids, one a row.
    pub user_ids: Vec<u64>,
    /// One entry per schema column, each as long as `user_ids`.
    pub columns: Vec<ColumnData>,
}

/// The values of one column in a batch.
#[derive(Debug, Clone)]
pub enum ColumnData {
    /// One value a row.
    Scalar(Values),
    /// A list a row: row `i` has the elements `ends[i - 1]..ends[i]` (from 0 for the first row).
    List {
        /// End of each row's elements.
        ends: Vec<u32>,
        /// All elements; `present` marks elements that are not NULL.
        elements: Values,
        /// Which rows are not NULL; `None` is all. A NULL row has no elements.
        present: Option<Vec<bool>>,
    },
    /// A map a row: row `i` has the entries `ends[i - 1]..ends[i]`. Of entries with the same key in one row
    /// the first counts; when its value is NULL, the key is as if absent.
    Map {
        /// End of each row's entries.
        ends: Vec<u32>,
        /// Keys, always [`Keys::Bytes`].
        keys: Values,
        /// Values, one a key.
        values: Values,
        /// Which rows are not NULL; `None` is all. A NULL row has no entries.
        present: Option<Vec<bool>>,
    },
}

/// Values with their presence.
#[derive(Debug, Clone)]
pub struct Values {
    /// The values; what stands at an absent position is ignored.
    pub keys: Keys,
    /// Which are not NULL; `None` is all.
    pub present: Option<Vec<bool>>,
}

/// Keys by width.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Bool as 0 and 1.
    Bool(Vec<bool>),
    /// Everything of up to 64 bits: integers, floats, decimals of up to 18 digits, dates, times, IPv4.
    /// Unsigned values are their own keys; for the rest see [`crate::key`].
    Fixed8(Vec<u64>),
    /// 128-bit integers, decimals of 19 to 38 digits, UUID and IPv6 (as big-endian numbers).
    Fixed16(Vec<u128>),
    /// String, FixedString (without trailing zeros) and Enum names.
    Bytes {
        /// End of each value in `bytes`.
        ends: Vec<u32>,
        /// All values, one after the other.
        bytes: Vec<u8>,
    },
}
