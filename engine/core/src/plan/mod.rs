//! Plans: a condition, simplified, as a graph of operations on stored bytes, cheapest and most selective first.
//!
//! [`Plan::check`] checks every byte that running the plan can read, so that running it cannot fail.

mod cost;
mod describe;
mod lower;
mod pair;
mod simplify;

use crate::bitmap::Leaf as Bitmap;
use crate::column::ValueColumn;
use crate::error::Error;
use crate::rule::bind::condition::Condition;
use crate::rule::bind::ranges::Range;
use crate::rule::bind::{Binder, QueryError};
use crate::snapshot::Snapshot;

pub(crate) use describe::value_of;
pub use pair::Pair;

/// Position of a node in a plan.
pub type NodeId = usize;

/// A graph of operations; equal parts of a rule are one node.
#[derive(Debug)]
pub struct Plan {
    nodes: Vec<Node>,
    root: NodeId,
    memo_slots: usize,
}

/// One operation.
#[derive(Debug)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// Rows it yields: exact where `exact`, else estimated as if terms were independent.
    pub rows: f64,
    /// Whether `rows` is exact.
    pub exact: bool,
    /// Bytes of the snapshot it reads itself, its terms not counted, if every chunk is evaluated.
    pub bytes: u64,
    /// Nanoseconds that it takes itself on one core, about: what decides whether other cores are asked to help.
    pub nanos: f64,
    /// Whether it, or something below it, looks at rows one by one.
    pub row_wise: bool,
    /// In words, for `explain`.
    pub label: String,
    /// Where its result is kept for its other uses, if it has any and is worth it.
    pub memo: Option<usize>,
}

/// Operations. Sets are of rows.
#[derive(Debug)]
pub enum Op {
    /// No rows.
    None,
    /// All rows.
    All,
    /// A stored bitmap.
    Bitmap(Bitmap),
    /// All rows that a stored bitmap does not have.
    NotBitmap(Bitmap),
    /// These rows.
    Rows(Vec<u32>),
    /// All rows but these.
    NotRows(Vec<u32>),
    /// Rows whose code is in the ranges.
    Codes(Codes),
    /// Rows whose user id is in one of the ranges, ends included.
    UserIds(Vec<(u64, u64)>),
    /// Rows where two columns compare so.
    Pair(Pair),
    /// Rows whose user falls into a bucket, or all others.
    Bucket {
        /// Hash of the salt.
        seed: u64,
        /// First bucket.
        low: u32,
        /// First bucket after.
        high: u32,
        /// Which of the two.
        inside: bool,
    },
    /// Rows in all of these.
    And(Vec<NodeId>),
    /// Rows in any of these.
    Or(Vec<NodeId>),
    /// Rows in at least so many of these.
    AtLeast(u32, Vec<NodeId>),
}

/// A choice of codes of a value column.
#[derive(Debug)]
pub struct Codes {
    /// The column.
    pub column: ValueColumn,
    /// The codes.
    pub ranges: Vec<Range>,
    /// The same as a bit per code, if there is more than one range.
    pub bits: Vec<u64>,
}

impl Codes {
    fn new(column: ValueColumn, ranges: Vec<Range>) -> Self {
        let mut bits = Vec::new();
        if ranges.len() > 1 {
            bits = vec![0_u64; column.dictionary().len().div_ceil(64) as usize];
            for &(from, to) in &ranges {
                for code in from..to {
                    if let Some(word) = bits.get_mut(code as usize / 64) {
                        *word |= 1 << (code % 64);
                    }
                }
            }
        }
        Self { column, ranges, bits }
    }

    /// Whether a code is chosen.
    pub fn contains(&self, code: u32) -> bool {
        match self.ranges[..] {
            [(from, to)] => code.wrapping_sub(from) < to - from,
            _ => self.bits.get(code as usize / 64).is_some_and(|word| word >> (code % 64) & 1 == 1),
        }
    }
}

/// A condition for the same rows, computed from less.
pub fn simplified(snapshot: &Snapshot, binder: &Binder<'_>, condition: Condition) -> Condition {
    simplify::simplify(condition, &lower::ColumnFacts { snapshot, binder })
}

impl Plan {
    /// Plans a condition.
    pub fn new(snapshot: &Snapshot, binder: &Binder<'_>, condition: Condition) -> Result<Self, QueryError> {
        let (mut plan, mut roots) =
            lower::lower(snapshot, binder, &[simplified(snapshot, binder, condition)]);
        plan.root = roots.pop().transpose()?.unwrap_or_default();
        Ok(plan)
    }

    /// One plan for many simplified conditions; equal parts of any of them are one node. A root for each.
    pub fn many(
        snapshot: &Snapshot,
        binder: &Binder<'_>,
        conditions: &[Condition],
    ) -> (Self, Vec<Result<NodeId, QueryError>>) {
        lower::lower(snapshot, binder, conditions)
    }

    /// Checks all bytes that evaluating the plan reads; to be called once before that. Reading a known count needs none.
    pub fn check(&self, snapshot: &Snapshot) -> Result<(), Error> {
        self.nodes.iter().try_for_each(|node| match &node.op {
            Op::Bitmap(leaf) | Op::NotBitmap(leaf) => leaf.check(),
            Op::Codes(codes) => {
                codes.column.check()?;
                if codes.column.has_order() { Ok(()) } else { codes.column.check_leaves() }
            }
            Op::UserIds(_) | Op::Bucket { .. } => snapshot.ids().ids(0, snapshot.rows()).map(|_| ()),
            Op::Pair(pair) => pair.check(snapshot),
            Op::None | Op::All | Op::Rows(_) | Op::NotRows(_) | Op::And(_) | Op::Or(_) | Op::AtLeast(..) => {
                Ok(())
            }
        })
    }

    /// The operation that yields the answer.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// How many nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: a plan has at least its root.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Nanoseconds that evaluating a node takes on one core, about; shared nodes once for each use.
    pub fn nanos(&self, id: NodeId) -> f64 {
        let node = &self.nodes[id];
        node.op.terms().iter().fold(node.nanos, |sum, &term| sum + self.nanos(term))
    }

    /// The bitmap of a node that is one, and whether its complement is meant.
    pub fn stored(&self, id: NodeId) -> Option<(&Bitmap, bool)> {
        match &self.nodes[id].op {
            Op::Bitmap(leaf) => Some((leaf, false)),
            Op::NotBitmap(leaf) => Some((leaf, true)),
            _ => None,
        }
    }

    /// A stored bitmap without whose rows a node has none, the one in the fewest chunks.
    pub fn narrowest(&self, id: NodeId) -> Option<&Bitmap> {
        match &self.nodes[id].op {
            Op::Bitmap(leaf) => Some(leaf),
            Op::And(of) => {
                of.iter().filter_map(|&term| self.narrowest(term)).min_by_key(|leaf| leaf.entries().len())
            }
            _ => None,
        }
    }

    /// How many results are kept for reuse within a chunk.
    pub fn memo_slots(&self) -> usize {
        self.memo_slots
    }

    /// The count, if it is known without evaluating anything.
    pub fn known_count(&self) -> Option<u64> {
        self.known_count_of(self.root)
    }

    /// The count of a node, if it is known without evaluating anything.
    pub fn known_count_of(&self, id: NodeId) -> Option<u64> {
        let node = &self.nodes[id];
        node.exact.then_some(node.rows as u64)
    }
}

impl Op {
    /// The terms of an operation.
    pub fn terms(&self) -> &[NodeId] {
        match self {
            Self::And(of) | Self::Or(of) | Self::AtLeast(_, of) => of,
            _ => &[],
        }
    }
}
