//! Other ways to keep which user meets which rule: the rows of each rule's members, or the rules of each row. Both are made from all
//! members of all rules, and again when a rule changes.

use anyhow::{Result, anyhow};
use muster_engine::bitmap::Set;
use muster_engine::execute::Batch;
use muster_engine::format::{chunks_of, rows_in_chunk};
use muster_engine::snapshot::RowSet;

/// The rows of each rule's members, rules in the order of their priority.
pub(crate) struct ByRule(Vec<RowSet>);

impl ByRule {
    /// The members of all rules.
    pub(crate) fn new(batch: &Batch) -> Result<Self> {
        let sets = batch.row_sets()?.into_iter();
        Ok(Self(sets.map(|set| set.map_err(|error| anyhow!("{error}"))).collect::<Result<_>>()?))
    }

    /// Asks one after the other.
    pub(crate) fn matches(&self, row: u32, limit: usize, keys: &mut Vec<u64>) {
        keys.clear();
        let met = (0..).zip(&self.0).filter(|(_, set)| set.contains(row)).map(|(key, _)| key);
        keys.extend(met.take(limit));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(RowSet::bytes).sum()
    }
}

/// The rules of each row, ascending, all in one list.
pub(crate) struct ByRow {
    starts: Vec<u32>,
    rules: Vec<u16>,
}

impl ByRow {
    /// Turns the members around.
    pub(crate) fn new(by_rule: &ByRule, rows: u32) -> Self {
        let mut starts = vec![0_u32; rows as usize + 1];
        let each = |f: &mut dyn FnMut(u32, u16)| {
            for (rule, set) in (0..).zip(&by_rule.0) {
                for chunk in 0..chunks_of(rows) {
                    let held: Set<'_> = set.leaf().container(chunk).into();
                    held.for_each(rows_in_chunk(rows, chunk), |row| f(chunk << 16 | u32::from(row), rule));
                }
            }
        };
        each(&mut |row, _| starts[row as usize + 1] += 1);
        for row in 0..rows as usize {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut rules = vec![0; starts[rows as usize] as usize];
        each(&mut |row, rule| {
            rules[next[row as usize] as usize] = rule;
            next[row as usize] += 1;
        });
        Self { starts, rules }
    }

    /// Copies a row's list.
    pub(crate) fn matches(&self, row: u32, keys: &mut Vec<u64>) {
        let (from, to) = (self.starts[row as usize], self.starts[row as usize + 1]);
        keys.clear();
        keys.extend(self.rules[from as usize..to as usize].iter().map(|&rule| u64::from(rule)));
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.starts[..]) + size_of_val(&self.rules[..])
    }
}
