//! Simplification: the same rows, computed from less. Constants go, duplicates and absorbed terms go, leaves of one column
//! become one leaf.

use std::collections::{HashMap, HashSet};

use crate::rule::bind::condition::{ColumnKey, Condition, Leaf, Part};
use crate::rule::bind::ranges;

/// What simplification wants to know of columns.
pub(super) trait Facts {
    /// How many codes a value column has.
    fn codes(&self, column: ColumnKey) -> u32;
    /// Whether every row has a value (a list, a map) there.
    fn all_present(&self, column: ColumnKey) -> bool;
}

/// A condition for the same rows.
pub(super) fn simplify(condition: Condition, facts: &dyn Facts) -> Condition {
    match condition {
        Condition::None | Condition::All => condition,
        Condition::Leaf(leaf) => simplify_leaf(leaf, facts),
        Condition::And(of) => combine(of, facts, true),
        Condition::Or(of) => combine(of, facts, false),
        Condition::AtLeast(k, of) => at_least(k, of, facts),
    }
}

fn simplify_leaf(leaf: Leaf, facts: &dyn Facts) -> Condition {
    let constant = |all: bool| if all { Condition::All } else { Condition::None };
    match leaf {
        Leaf::Codes { ranges, .. } if ranges.is_empty() => Condition::None,
        Leaf::Codes { column, ranges } if ranges[..] == [(0, facts.codes(column))] => {
            simplify_leaf(Leaf::Presence { column, present: true }, facts)
        }
        Leaf::Presence { column, present } if facts.all_present(column) => constant(present),
        Leaf::Rows { rows, inside } if rows.is_empty() => constant(!inside),
        Leaf::Set { set, inside, .. } if set.is_empty() => constant(!inside),
        Leaf::UserIds { ranges } if ranges.is_empty() => Condition::None,
        Leaf::UserIds { ranges } if ranges[..] == [(0, u64::MAX)] => Condition::All,
        Leaf::Bucket { low, high, inside, .. } if low >= high => constant(!inside),
        Leaf::Bucket { low: 0, high: 10_000.., inside, .. } => constant(inside),
        leaf => Condition::Leaf(leaf),
    }
}

fn at_least(k: u32, of: Vec<Condition>, facts: &dyn Facts) -> Condition {
    let mut needed = k;
    let mut open = Vec::with_capacity(of.len());
    for condition in of {
        match simplify(condition, facts) {
            Condition::All => needed = needed.saturating_sub(1),
            Condition::None => {}
            other => open.push(other),
        }
    }
    match needed as usize {
        0 => Condition::All,
        needed if needed > open.len() => Condition::None,
        1 => combine(open, facts, false),
        needed if needed == open.len() => combine(open, facts, true),
        _ => {
            // Order does not matter, repetition does.
            open.sort_unstable();
            Condition::AtLeast(needed, open)
        }
    }
}

/// AND if `conjunction`, else OR. The two are mirror images: what ends one (`zero`) is neutral to the other.
fn combine(of: Vec<Condition>, facts: &dyn Facts, conjunction: bool) -> Condition {
    let (zero, neutral) =
        if conjunction { (Condition::None, Condition::All) } else { (Condition::All, Condition::None) };
    let mut flat = Vec::with_capacity(of.len());
    for condition in of {
        match (simplify(condition, facts), conjunction) {
            (Condition::And(inner), true) | (Condition::Or(inner), false) => flat.extend(inner),
            (other, _) if other == zero => return zero,
            (other, _) if other == neutral => {}
            (other, _) => flat.push(other),
        }
    }
    let Some(merged) = merge_leaves(flat, facts, conjunction) else { return zero };
    let mut unique: Vec<Condition> = merged.into_iter().filter(|condition| *condition != neutral).collect();
    unique.sort_unstable();
    unique.dedup();
    if unique.contains(&zero) || contradicts(&unique, facts, conjunction) {
        return zero;
    }
    absorb(&mut unique, conjunction);
    match unique.len() {
        0 => neutral,
        1 => unique.swap_remove(0),
        _ if conjunction => Condition::And(unique),
        _ => Condition::Or(unique),
    }
}

/// One leaf per column and kind; `None` if the whole is decided (`zero`).
fn merge_leaves(of: Vec<Condition>, facts: &dyn Facts, conjunction: bool) -> Option<Vec<Condition>> {
    let mut codes: HashMap<ColumnKey, Vec<ranges::Range>> = HashMap::new();
    let mut rest = Vec::with_capacity(of.len());
    for condition in of {
        match condition {
            Condition::Leaf(Leaf::Codes { column, ranges }) => {
                codes
                    .entry(column)
                    .and_modify(|known| {
                        if conjunction {
                            *known = ranges::intersect(known, &ranges);
                        } else {
                            // Put in order once, below: an OR of many values would be quadratic here.
                            known.extend_from_slice(&ranges);
                        }
                    })
                    .or_insert(ranges);
            }
            other => rest.push(other),
        }
    }
    for (column, found) in codes {
        let ranges = ranges::normalise(found);
        match simplify_leaf(Leaf::Codes { column, ranges }, facts) {
            Condition::None if conjunction => return None,
            Condition::All if !conjunction => return None,
            other => rest.push(other),
        }
    }
    drop_implied(&mut rest, conjunction);
    Some(rest)
}

/// Removes presence that another term implies (AND), or terms that a presence contains (OR).
fn drop_implied(of: &mut Vec<Condition>, conjunction: bool) {
    let presence = |condition: &Condition| match condition {
        Condition::Leaf(Leaf::Presence { column, present: true }) => Some(*column),
        _ => None,
    };
    if conjunction {
        let implied: HashSet<ColumnKey> = of.iter().flat_map(implied_presence).collect();
        of.retain(|condition| presence(condition).is_none_or(|column| !implied.contains(&column)));
    } else {
        let present: HashSet<ColumnKey> = of.iter().filter_map(presence).collect();
        of.retain(|condition| !implied_presence(condition).iter().any(|column| present.contains(column)));
    }
}

/// Columns that must have a value wherever this leaf holds, the leaf's own presence aside.
fn implied_presence(condition: &Condition) -> Vec<ColumnKey> {
    let whole = |index| ColumnKey { index, part: Part::Whole };
    match condition {
        Condition::Leaf(Leaf::Codes { column, .. }) => match column.part {
            Part::Whole => vec![*column],
            Part::Length | Part::Key(_) => vec![*column, whole(column.index)],
        },
        Condition::Leaf(Leaf::Presence { column, present: true }) if column.part != Part::Whole => {
            vec![whole(column.index)]
        }
        Condition::Leaf(Leaf::Element { column, held: true, .. }) => vec![whole(*column)],
        _ => Vec::new(),
    }
}

/// Whether two terms exclude each other (AND), or leave no row out (OR).
fn contradicts(of: &[Condition], facts: &dyn Facts, conjunction: bool) -> bool {
    let terms: HashSet<&Condition> = of.iter().collect();
    let absent: HashSet<ColumnKey> = of
        .iter()
        .filter_map(|condition| match condition {
            Condition::Leaf(Leaf::Presence { column, present: false }) => Some(*column),
            _ => None,
        })
        .collect();
    of.iter().any(|condition| {
        if let Condition::Leaf(leaf) = condition
            && let Some(other) = opposite(leaf)
            && terms.contains(&simplify_leaf(other, facts))
        {
            return true;
        }
        conjunction && implied_presence(condition).iter().any(|column| absent.contains(column))
    })
}

/// The leaf with exactly the other rows, where there is one.
fn opposite(leaf: &Leaf) -> Option<Leaf> {
    Some(match leaf.clone() {
        Leaf::Presence { column, present } => Leaf::Presence { column, present: !present },
        Leaf::Element { column, code, held } => Leaf::Element { column, code, held: !held },
        Leaf::Rows { rows, inside } => Leaf::Rows { rows, inside: !inside },
        Leaf::Set { set, label, inside } => Leaf::Set { set, label, inside: !inside },
        Leaf::Bucket { seed, low, high, inside } => Leaf::Bucket { seed, low, high, inside: !inside },
        Leaf::Codes { .. } | Leaf::UserIds { .. } | Leaf::Pair { .. } => return None,
    })
}

/// `a AND (a OR b)` is `a`; `a OR (a AND b)` is `a`.
fn absorb(of: &mut Vec<Condition>, conjunction: bool) {
    let terms: HashSet<Condition> = of.iter().cloned().collect();
    of.retain(|condition| match (condition, conjunction) {
        (Condition::Or(inner), true) | (Condition::And(inner), false) => {
            !inner.iter().any(|term| terms.contains(term))
        }
        _ => true,
    });
}
