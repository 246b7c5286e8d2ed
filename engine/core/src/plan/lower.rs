//! From conditions to operations: which stored bytes answer a leaf, in which order terms are taken, what is shared.

use std::collections::HashMap;

use super::cost;
use super::describe::describe;
use super::pair::Pair;
use super::simplify::Facts;
use super::{Codes, Node, NodeId, Op, Plan};
use crate::bitmap::{Leaf as Bitmap, WORDS};
use crate::column::{Layout, Postings, ValueColumn};
use crate::error::Result;
use crate::format::chunks_of;
use crate::rule::bind::condition::{ColumnKey, Condition, Leaf, Part};
use crate::rule::bind::ranges::{self, Range};
use crate::rule::bind::{Binder, QueryError};
use crate::snapshot::{Column, Snapshot};

/// Facts about the snapshot's columns. A column that cannot be opened gives none; lowering meets the error.
pub(super) struct ColumnFacts<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) binder: &'a Binder<'a>,
}

impl Facts for ColumnFacts<'_> {
    fn codes(&self, column: ColumnKey) -> u32 {
        self.binder.value_column(column).map_or(u32::MAX, |column| column.dictionary().len())
    }

    fn all_present(&self, column: ColumnKey) -> bool {
        matches!(presence(self.snapshot, self.binder, column), Ok(None))
    }
}

/// The leaf of the rows with a value; `None` if all have one.
fn presence(snapshot: &Snapshot, binder: &Binder<'_>, key: ColumnKey) -> Result<Option<Bitmap>> {
    Ok(match (snapshot.column(key.index as usize)?, key.part) {
        (Column::List(list), Part::Whole) => list.presence().cloned(),
        (Column::Map(map), Part::Whole) => map.presence().cloned(),
        _ => binder.value_column(key)?.presence().cloned(),
    })
}

/// Below this many nanoseconds a chunk, computing a shared part again is as fast as keeping it.
const MEMO_NANOS_MIN: f64 = 200.0;

/// Builds one plan for simplified conditions, with a root for each that could be planned.
pub(super) fn lower(
    snapshot: &Snapshot,
    binder: &Binder<'_>,
    conditions: &[Condition],
) -> (Plan, Vec<Result<NodeId, QueryError>>) {
    let mut lowering =
        Lowering { snapshot, binder, nodes: Vec::new(), uses: Vec::new(), known: HashMap::new() };
    let roots = conditions.iter().map(|condition| lowering.condition(condition)).collect();
    let (nodes, uses) = (lowering.nodes, lowering.uses);
    let mut plan = Plan { nodes, root: 0, memo_slots: 0 };
    let chunks = f64::from(chunks_of(snapshot.rows())).max(1.0);
    let mut nanos: Vec<f64> = Vec::with_capacity(plan.nodes.len());
    for (id, uses) in uses.into_iter().enumerate() {
        // Terms come before what they are terms of.
        let node = &mut plan.nodes[id];
        nanos.push(node.op.terms().iter().fold(node.nanos, |sum, &term| sum + nanos[term]));
        // A stored bitmap is its own memo.
        let computed = !matches!(node.op, Op::None | Op::All | Op::Bitmap(_) | Op::NotBitmap(_));
        if uses > 1 && computed && nanos[id] / chunks > MEMO_NANOS_MIN {
            node.memo = Some(plan.memo_slots);
            plan.memo_slots += 1;
        }
    }
    (plan, roots)
}

struct Lowering<'a, 'c> {
    snapshot: &'a Snapshot,
    binder: &'a Binder<'a>,
    nodes: Vec<Node>,
    uses: Vec<u32>,
    known: HashMap<&'c Condition, NodeId>,
}

impl<'c> Lowering<'_, 'c> {
    fn condition(&mut self, condition: &'c Condition) -> Result<NodeId, QueryError> {
        if let Some(&id) = self.known.get(condition) {
            self.uses[id] += 1;
            return Ok(id);
        }
        let id = match condition {
            Condition::None => self.push(Op::None, 0.0, true, 0, "no users".to_owned()),
            Condition::All => {
                let rows = f64::from(self.snapshot.rows());
                self.push(Op::All, rows, true, 0, "all users".to_owned())
            }
            Condition::Leaf(leaf) => self.leaf(leaf)?,
            Condition::And(of) => {
                let terms = self.terms(of)?;
                self.and(terms)
            }
            Condition::Or(of) => {
                let terms = self.terms(of)?;
                self.or(terms)
            }
            Condition::AtLeast(k, of) => {
                let terms = self.terms(of)?;
                // Rough: the mean of the terms, damped by how many are needed.
                let mean =
                    terms.iter().map(|&id| self.nodes[id].rows).sum::<f64>() / terms.len().max(1) as f64;
                let label = format!("at least {k} of {}", terms.len());
                self.push(Op::AtLeast(*k, terms), mean / f64::from(*k).max(1.0), false, 0, label)
            }
        };
        self.known.insert(condition, id);
        Ok(id)
    }

    fn terms(&mut self, of: &'c [Condition]) -> Result<Vec<NodeId>, QueryError> {
        of.iter().map(|condition| self.condition(condition)).collect()
    }

    fn push(&mut self, op: Op, rows: f64, exact: bool, bytes: u64, label: String) -> NodeId {
        let row_wise = matches!(op, Op::Pair(_) | Op::Bucket { .. } | Op::UserIds(_))
            || op.terms().iter().any(|&term| self.nodes[term].row_wise);
        let nanos = cost::nanos_of(&op, self.snapshot.rows());
        self.nodes.push(Node { op, rows, exact, bytes, nanos, row_wise, label, memo: None });
        self.uses.push(1);
        self.nodes.len() - 1
    }

    fn total(&self) -> f64 {
        f64::from(self.snapshot.rows()).max(1.0)
    }

    fn and(&mut self, mut terms: Vec<NodeId>) -> NodeId {
        // Stored sets before those computed row by row, and the smallest first: what it leaves out, nobody looks at.
        terms.sort_by(|&a, &b| {
            let key = |id: NodeId| (self.nodes[id].row_wise, self.nodes[id].rows);
            let ((a_slow, a_rows), (b_slow, b_rows)) = (key(a), key(b));
            a_slow.cmp(&b_slow).then(a_rows.total_cmp(&b_rows))
        });
        let total = self.total();
        let share: f64 = terms.iter().map(|&id| self.nodes[id].rows / total).product();
        let label = format!("all of {}", terms.len());
        self.push(Op::And(terms), share * total, false, 0, label)
    }

    fn or(&mut self, mut terms: Vec<NodeId>) -> NodeId {
        // Largest first: a full chunk ends the union.
        terms.sort_by(|&a, &b| {
            let key = |id: NodeId| (self.nodes[id].row_wise, -self.nodes[id].rows);
            let ((a_slow, a_rows), (b_slow, b_rows)) = (key(a), key(b));
            a_slow.cmp(&b_slow).then(a_rows.total_cmp(&b_rows))
        });
        let total = self.total();
        let missed: f64 = terms.iter().map(|&id| 1.0 - self.nodes[id].rows / total).product();
        let label = format!("any of {}", terms.len());
        self.push(Op::Or(terms), (1.0 - missed) * total, false, 0, label)
    }

    fn leaf(&mut self, leaf: &Leaf) -> Result<NodeId, QueryError> {
        let label = describe(self.snapshot, self.binder, leaf)?;
        let rows = f64::from(self.snapshot.rows());
        Ok(match leaf {
            Leaf::Codes { column, ranges } => self.codes(*column, ranges, label)?,
            Leaf::Presence { column, present } => match presence(self.snapshot, self.binder, *column)? {
                Some(bitmap) => self.bitmap(bitmap, !present, label),
                None if *present => self.push(Op::All, rows, true, 0, label),
                None => self.push(Op::None, 0.0, true, 0, label),
            },
            Leaf::Element { column, code, held } => {
                let Column::List(list) = self.snapshot.column(*column as usize)? else {
                    return Err(crate::error::Error::input("a list column changed its kind").into());
                };
                match list.postings(*code)? {
                    Postings::Leaf(bitmap) => self.bitmap(bitmap, !held, label),
                    Postings::Rows(held_by) => self.rows(held_by, *held, label),
                }
            }
            Leaf::Rows { rows, inside } => self.rows(rows.clone(), *inside, label),
            Leaf::Set { set, inside, .. } => self.bitmap(set.leaf().clone(), !inside, label),
            Leaf::UserIds { ranges } => {
                let ids = self.snapshot.ids();
                let mut found = 0;
                for &(low, high) in ranges {
                    let end = high.checked_add(1).map_or(Ok(self.snapshot.rows()), |next| ids.lower(next))?;
                    found += u64::from(end.saturating_sub(ids.lower(low)?));
                }
                let bytes = u64::from(self.snapshot.rows()) * 8;
                self.push(Op::UserIds(ranges.clone()), found as f64, true, bytes, label)
            }
            Leaf::Pair { left, op, right, truth } => {
                let pair = Pair::new(self.snapshot, self.binder, *left, *op, *right, *truth)?;
                let bytes = pair.bytes();
                self.push(Op::Pair(pair), rows / 3.0, false, bytes, label)
            }
            Leaf::Bucket { seed, low, high, inside } => {
                let share = f64::from(high - low) / 10_000.0;
                let op = Op::Bucket { seed: *seed, low: *low, high: *high, inside: *inside };
                let share = if *inside { share } else { 1.0 - share };
                self.push(op, rows * share, false, u64::from(self.snapshot.rows()) * 8, label)
            }
        })
    }

    fn bitmap(&mut self, bitmap: Bitmap, negated: bool, label: String) -> NodeId {
        let (bytes, set) = (bitmap.bytes() as u64, f64::from(bitmap.rows()));
        if negated {
            let rows = f64::from(self.snapshot.rows()) - set;
            self.push(Op::NotBitmap(bitmap), rows, true, bytes, label)
        } else {
            self.push(Op::Bitmap(bitmap), set, true, bytes, label)
        }
    }

    fn rows(&mut self, rows: Vec<u32>, inside: bool, label: String) -> NodeId {
        let (set, bytes) = (rows.len() as f64, rows.len() as u64 * 4);
        if inside {
            self.push(Op::Rows(rows), set, true, bytes, label)
        } else {
            let others = f64::from(self.snapshot.rows()) - set;
            self.push(Op::NotRows(rows), others, true, bytes, label)
        }
    }

    /// Codes by bitmaps, either of the chosen codes or of the others, or by order and scan: whatever reads least.
    fn codes(&mut self, key: ColumnKey, ranges: &[Range], label: String) -> Result<NodeId, QueryError> {
        let column = self.binder.value_column(key)?;
        let mut rows = 0;
        for &(from, to) in ranges {
            rows += column.rows_between(from, to)?;
        }
        let others = ranges::complement(ranges, column.dictionary().len());
        let id = if column.layout() == Layout::Bits {
            let truth = column.leaf(1)?.ok_or_else(|| column.region().corrupt("it has no bitmap of true"))?;
            if ranges::contains(ranges, 1) {
                self.bitmap(truth, false, label)
            } else {
                self.without(&column, vec![truth], label)
            }
        } else if column.has_order() {
            self.scan(column, ranges, label)
        } else {
            // Bitmaps of the chosen values or of the others, whichever are fewer; steps or a scan if these are larger.
            let inside = ranges::len(ranges) <= ranges::len(&others);
            let bitmaps = leaves(&column, if inside { ranges } else { &others })?;
            let size: u64 = bitmaps.iter().map(|leaf| leaf.bytes() as u64).sum();
            if size > self.bytes_of_codes(&column, ranges) {
                self.scan(column, ranges, label)
            } else if inside {
                self.any_bitmap(bitmaps, label)
            } else {
                self.without(&column, bitmaps, label)
            }
        };
        (self.nodes[id].rows, self.nodes[id].exact) = (rows as f64, true);
        Ok(id)
    }

    fn scan(&mut self, column: ValueColumn, ranges: &[Range], label: String) -> NodeId {
        let bytes = self.bytes_of_codes(&column, ranges);
        self.push(Op::Codes(Codes::new(column, ranges.to_vec())), 0.0, true, bytes, label)
    }

    /// Bytes that ranges of codes read: about two bitmaps for every end of a range, or all codes.
    fn bytes_of_codes(&self, column: &ValueColumn, ranges: &[Range]) -> u64 {
        let all = u64::from(self.snapshot.rows()) * column.code_width() as u64;
        let ends: u64 = ranges
            .iter()
            .map(|&(from, to)| u64::from(from > 0) + u64::from(to < column.dictionary().len()))
            .sum();
        match column.steps() {
            Some(_) => all.min(ends * u64::from(chunks_of(self.snapshot.rows())) * 2 * 8 * WORDS as u64),
            None if column.has_order() => all.min(u64::from(column.present()) * 2),
            None => all,
        }
    }

    fn any_bitmap(&mut self, mut leaves: Vec<Bitmap>, label: String) -> NodeId {
        if leaves.len() == 1 {
            return self.bitmap(leaves.swap_remove(0), false, label);
        }
        let terms = self.bitmaps(leaves, false, &label);
        let id = self.or(terms);
        self.nodes[id].label = label;
        id
    }

    /// Rows with a value, without those of these bitmaps.
    fn without(&mut self, column: &ValueColumn, leaves: Vec<Bitmap>, label: String) -> NodeId {
        let mut terms = Vec::with_capacity(leaves.len() + 1);
        if let Some(presence) = column.presence() {
            terms.push(self.bitmap(presence.clone(), false, format!("{label}: has a value")));
        }
        terms.extend(self.bitmaps(leaves, true, &label));
        if terms.len() == 1 {
            self.nodes[terms[0]].label = label;
            return terms[0];
        }
        let id = self.and(terms);
        self.nodes[id].label = label;
        id
    }

    fn bitmaps(&mut self, leaves: Vec<Bitmap>, negated: bool, label: &str) -> Vec<NodeId> {
        let kind = if negated { "without a value's bitmap" } else { "a value's bitmap" };
        leaves.into_iter().map(|leaf| self.bitmap(leaf, negated, format!("{label}: {kind}"))).collect()
    }
}

fn leaves(column: &ValueColumn, ranges: &[Range]) -> Result<Vec<Bitmap>> {
    let mut leaves = Vec::with_capacity(ranges::len(ranges) as usize);
    for &(from, to) in ranges {
        for code in from..to {
            leaves.push(column.leaf(code)?.ok_or_else(|| column.region().corrupt("a value has no bitmap"))?);
        }
    }
    Ok(leaves)
}
