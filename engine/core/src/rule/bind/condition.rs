//! What binding makes of a rule: plain set algebra over rows, in codes of this snapshot.
//!
//! A rule has three values, but its audience is the rows where it is true. Binding asks for the rows where a part is
//! true, or, below a NOT, for those where it is false; both are sets, so nothing above has to know of unknown.

use super::ranges::Range;
use crate::rule::ast::CompareOp;
use crate::snapshot::RowSet;

/// A set of rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// No rows.
    None,
    /// All rows.
    All,
    /// A leaf.
    Leaf(Leaf),
    /// Rows in all of these.
    And(Vec<Condition>),
    /// Rows in any of these.
    Or(Vec<Condition>),
    /// Rows in at least so many of these.
    AtLeast(u32, Vec<Condition>),
}

/// A set of rows that the snapshot answers directly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leaf {
    /// Rows whose value has one of these codes.
    Codes {
        /// Of which column.
        column: ColumnKey,
        /// Normal form, not empty.
        ranges: Vec<Range>,
    },
    /// Rows that have a value, a list or a map here, or those that have none.
    Presence {
        /// Of which column.
        column: ColumnKey,
        /// Which of the two.
        present: bool,
    },
    /// Rows whose list holds an element, or all others, NULL lists included.
    Element {
        /// Position of the list column in the schema.
        column: u32,
        /// The element's code.
        code: u32,
        /// Which of the two.
        held: bool,
    },
    /// These rows, or all others.
    Rows {
        /// Ascending.
        rows: Vec<u32>,
        /// Which of the two.
        inside: bool,
    },
    /// The rows of a set that was made, or all others.
    Set {
        /// The set.
        set: RowSet,
        /// The label that it is of.
        label: String,
        /// Which of the two.
        inside: bool,
    },
    /// Rows whose user id is in one of these ranges, ends included.
    UserIds {
        /// Ascending, disjoint.
        ranges: Vec<(u64, u64)>,
    },
    /// Rows where both sides have a value and the comparison is true, or where it is false.
    Pair {
        /// Left side.
        left: PairSide,
        /// Operator.
        op: CompareOp,
        /// Right side.
        right: PairSide,
        /// Which of the two.
        truth: bool,
    },
    /// Rows whose user falls into a bucket, or all others.
    Bucket {
        /// Hash of the salt.
        seed: u64,
        /// First hundredth of a percent.
        low: u32,
        /// First one after.
        high: u32,
        /// Which of the two.
        inside: bool,
    },
}

/// Names a value column of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnKey {
    /// Position in the schema.
    pub index: u32,
    /// Which part of it.
    pub part: Part,
}

/// Part of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The column itself.
    Whole,
    /// The lengths of a list column.
    Length,
    /// The values under a map's key, by the key's code.
    Key(u32),
}

/// One side of a comparison of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PairSide {
    /// A value column.
    Column(ColumnKey),
    /// The user id.
    UserId,
}

/// The hash of a bucket's salt: ClickHouse's `xxHash64(salt)`.
pub fn bucket_seed(salt: &str) -> u64 {
    xxhash_rust::xxh64::xxh64(salt.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::bucket_of;

    #[test]
    fn buckets_are_those_of_clickhouse() {
        // Measured on ClickHouse 26.9.
        assert_eq!(bucket_seed("exp-42"), 3_543_983_154_976_488_073);
        assert_eq!(bucket_seed(""), 17_241_709_254_077_376_921);
        assert_eq!(bucket_of(0, 0), (4_761_183_170_873_013_810_u64 % 10_000) as u32);
        assert_eq!(bucket_of(0, u64::MAX), (14_600_443_904_207_254_319_u64 % 10_000) as u32);
        assert_eq!(bucket_of(bucket_seed("exp-42"), 1_000_011), 9190);
    }
}
