//! A plan on one row: only what the row's answer needs is looked at.

use crate::bitmap::Leaf as Bitmap;
use crate::column::Ids;
use crate::key::bucket_of;
use crate::plan::{NodeId, Op, Plan};

/// Whether an id is in one of the ranges, ends included.
pub(super) fn in_ranges(ranges: &[(u64, u64)], id: u64) -> bool {
    let after = ranges.partition_point(|range| range.0 <= id);
    after > 0 && id <= ranges[after - 1].1
}

/// Whether a node holds for one row. Touches only what it needs.
pub(in crate::execute) fn holds(plan: &Plan, ids: &Ids, id: NodeId, row: u32) -> bool {
    let any_id = |test: &dyn Fn(u64) -> bool| ids.id(row).is_ok_and(test);
    let set = |leaf: &Bitmap| leaf.contains(row);
    match &plan.node(id).op {
        Op::None => false,
        Op::All => true,
        Op::Bitmap(leaf) => set(leaf),
        Op::NotBitmap(leaf) => !set(leaf),
        Op::Rows(rows) => rows.binary_search(&row).is_ok(),
        Op::NotRows(rows) => rows.binary_search(&row).is_err(),
        Op::Codes(codes) => codes.column.checked_code(row).is_some_and(|code| codes.contains(code)),
        Op::UserIds(ranges) => any_id(&|id| in_ranges(ranges, id)),
        Op::Bucket { seed, low, high, inside } => {
            any_id(&|id| (*low..*high).contains(&bucket_of(*seed, id)) == *inside)
        }
        Op::Pair(pair) => pair.matches(row),
        Op::And(terms) => terms.iter().all(|&term| holds(plan, ids, term, row)),
        Op::Or(terms) => terms.iter().any(|&term| holds(plan, ids, term, row)),
        Op::AtLeast(k, terms) => {
            let mut needed = *k;
            needed == 0
                || terms.iter().any(|&term| {
                    needed -= u32::from(holds(plan, ids, term, row));
                    needed == 0
                })
        }
    }
}
