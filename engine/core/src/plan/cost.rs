//! What operations cost, roughly: enough to tell a microsecond from a millisecond.

use super::Op;
use crate::bitmap::{Leaf as Bitmap, WORDS};
use crate::format::chunks_of;

/// A byte of a bitset that is combined with others.
const BYTE: f64 = 0.02;
/// A row of an array.
const ROW: f64 = 0.6;
/// An end of a range on one chunk: a search, a bitmap, some rows.
const RANGE_END: f64 = 700.0;
/// Hashing a user id or comparing it.
const ID: f64 = 0.8;
/// Comparing two columns on a row, by their codes' places and value by value.
const PLACES: f64 = 2.0;
const VALUES: f64 = 40.0;

/// Nanoseconds that an operation takes itself on one core, its terms not counted, in a table of so many rows.
pub(super) fn nanos_of(op: &Op, rows: u32) -> f64 {
    let (chunks, all) = (f64::from(chunks_of(rows)), f64::from(rows));
    let chunk_bytes = 8.0 * WORDS as f64;
    match op {
        Op::None | Op::All => 0.0,
        Op::Bitmap(leaf) | Op::NotBitmap(leaf) => bitmap(leaf, chunks * chunk_bytes),
        Op::Rows(listed) | Op::NotRows(listed) => listed.len() as f64 * 4.0,
        Op::Codes(codes) if codes.column.steps().is_none() && !codes.column.has_order() => all * ID,
        Op::Codes(codes) => codes.ranges.len() as f64 * 2.0 * chunks * RANGE_END,
        Op::UserIds(_) | Op::Bucket { .. } => all * ID,
        Op::Pair(pair) => all * if pair.aligned().is_some() { PLACES } else { VALUES },
        Op::And(of) | Op::Or(of) => of.len() as f64 * chunks * 20.0,
        Op::AtLeast(k, of) => of.len() as f64 * f64::from(*k) * chunks * chunk_bytes * BYTE,
    }
}

fn bitmap(leaf: &Bitmap, dense: f64) -> f64 {
    let bytes = leaf.bytes() as f64;
    if bytes > dense / 2.0 { bytes * BYTE } else { f64::from(leaf.rows()) * ROW }
}
