//! What a plan does and what it costs: estimates beside what running each node gave.

use std::fmt;
use std::fmt::Write as _;
use std::time::Instant;

use serde::Serialize;

use super::chunk::Without;
use super::{Audience, erased};
use crate::error::Result;
use crate::plan::{NodeId, Op};

/// A plan with its costs.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The rule, canonical.
    pub rule: String,
    /// Whether the count is known from the index alone, without evaluating anything.
    pub known: bool,
    /// The plan's root.
    pub root: ExplainedNode,
}

/// One operation of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedNode {
    /// What it is: "and", "bitmap", "range" and so on.
    pub operation: &'static str,
    /// What it selects, in words.
    pub selects: String,
    /// Rows expected; those of users who were erased are not taken off.
    pub estimated_rows: u64,
    /// Rows found.
    pub actual_rows: u64,
    /// Bytes of the snapshot that evaluating it alone was expected to use, terms included.
    pub estimated_bytes: u64,
    /// Bytes of bitmaps, orders, codes and ids that it did use: chunks that need no looking at are left out.
    pub actual_bytes: u64,
    /// Microseconds that counting it alone took.
    pub micros: f64,
    /// Whether its result is used more than once.
    pub shared: bool,
    /// The operations below, in the order they are taken.
    pub terms: Vec<ExplainedNode>,
}

impl Audience {
    /// Runs every node of the plan by itself and reports what it expected, found and cost.
    pub fn explain(&self) -> Result<Explanation> {
        self.check_bytes()?;
        Ok(Explanation {
            rule: self.rule.to_string(),
            known: self.plan.known_count().is_some(),
            root: self.explain_node(self.plan.root(), &erased(&self.snapshot)),
        })
    }

    fn explain_node(&self, id: NodeId, without: &Without) -> ExplainedNode {
        let node = self.plan.node(id);
        let terms: Vec<ExplainedNode> =
            node.op.terms().iter().map(|&term| self.explain_node(term, without)).collect();
        let started = Instant::now();
        let (actual_rows, actual_bytes) = self.count_node(id, without);
        let micros = started.elapsed().as_secs_f64() * 1e6;
        ExplainedNode {
            operation: name_of(&node.op),
            selects: node.label.clone(),
            estimated_rows: node.rows.round() as u64,
            actual_rows,
            estimated_bytes: node.bytes + terms.iter().map(|term| term.estimated_bytes).sum::<u64>(),
            actual_bytes,
            micros,
            shared: node.memo.is_some(),
            terms,
        }
    }

    /// The plan with what it expects, in one line; nothing is run. Tells no more than so many operations, and no ids of users.
    pub fn plan_in_words(&self, operations_max: usize) -> String {
        let (mut text, mut left) = (String::new(), operations_max);
        self.add_words(self.plan.root(), &mut left, &mut text);
        text
    }

    fn add_words(&self, id: NodeId, left: &mut usize, text: &mut String) {
        let Some(rest) = left.checked_sub(1) else {
            // Once, at the first that is left out.
            if !text.ends_with("...") {
                text.push_str("...");
            }
            return;
        };
        *left = rest;
        let node = self.plan.node(id);
        let selects = if matches!(node.op, Op::UserIds(_)) { "users by id" } else { &*node.label };
        let exact = if node.exact { "" } else { "about " };
        let (name, rows) = (name_of(&node.op), node.rows.round());
        text.push_str(name);
        if selects != name {
            text.push_str(": ");
            text.push_str(selects);
        }
        // Writing to a String does not fail.
        let _ = write!(text, " [{exact}{rows} rows, {}]", bytes(node.bytes));
        let terms = node.op.terms();
        for (at, &term) in terms.iter().enumerate() {
            text.push_str(if at == 0 { " (" } else { ", " });
            self.add_words(term, left, text);
        }
        if !terms.is_empty() {
            text.push(')');
        }
    }
}

fn name_of(op: &Op) -> &'static str {
    match op {
        Op::None => "nothing",
        Op::All => "everything",
        Op::Bitmap(_) => "bitmap",
        Op::NotBitmap(_) => "bitmap complement",
        Op::Rows(_) => "rows",
        Op::NotRows(_) => "rows complement",
        Op::Codes(codes) if codes.column.has_order() => "range",
        Op::Codes(_) => "scan",
        Op::UserIds(_) => "id range",
        Op::Pair(_) => "compare columns",
        Op::Bucket { .. } => "bucket",
        Op::And(_) => "and",
        Op::Or(_) => "or",
        Op::AtLeast(..) => "at least",
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.rule)?;
        if self.known {
            writeln!(f, "The count is read from the index; nothing is evaluated.")?;
        }
        let heads = ["rows", "estimated", "bytes", "estimated", "time"];
        writeln!(f, "{:>12} {:>12} {:>11} {:>11} {:>10}", heads[0], heads[1], heads[2], heads[3], heads[4])?;
        self.root.write(f, 0)
    }
}

impl ExplainedNode {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let (rows, estimated) = (self.actual_rows, self.estimated_rows);
        let shared = if self.shared { " (shared)" } else { "" };
        let indent = depth * 2;
        writeln!(
            f,
            "{rows:>12} {estimated:>12} {:>11} {:>11} {:>7.0} us  {:indent$}{}: {}{shared}",
            bytes(self.actual_bytes),
            bytes(self.estimated_bytes),
            self.micros,
            "",
            self.operation,
            self.selects,
        )?;
        self.terms.iter().try_for_each(|term| term.write(f, depth + 1))
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
