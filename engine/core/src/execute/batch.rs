//! Many rules at once: one plan in which equal parts of any rules are one node, evaluated in one pass over the chunks.
//!
//! While a chunk is in work its containers stay in the caches, and what several rules share is computed once.

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::chunk::{Evaluator, Without};
use super::drive::{over, over_chunks};
use super::erased;
use super::halt::apart;
use crate::error::Result;
use crate::plan::{NodeId, Plan, simplified};
use crate::rule::ast::Rule;
use crate::rule::bind::condition::Condition;
use crate::rule::bind::{Binder, Expanded, QueryError, Scope};
use crate::snapshot::{ChunkRows, RowSet, Snapshot};

/// What looking at the masked rows of a chunk takes for one bitmap, about.
const MASKED_NANOS: f64 = 1_000.0;
/// Rules that one thread binds at a time.
const BOUND_TOGETHER: usize = 256;

/// The counts of many rules in one pass over a snapshot, or for each rule why it has none.
pub fn count_many(
    snapshot: &Arc<Snapshot>,
    rules: &[Rule],
    scope: &Scope<'_>,
) -> Result<Vec<Result<u64, QueryError>>, QueryError> {
    let batch = Batch::new(snapshot, rules, scope)?;
    let counts: Vec<u64> = batch.counts().into_iter().map(Result::unwrap_or_default).collect();
    Ok(batch.roots.into_iter().zip(counts).map(|(root, count)| root.map(|_| count)).collect())
}

/// Rules bound to one snapshot and planned together: for those who count them more than once.
#[derive(Debug)]
pub struct Batch {
    snapshot: Arc<Snapshot>,
    plan: Plan,
    /// For each rule its node, or why it has none.
    roots: Vec<Result<NodeId, QueryError>>,
    /// Nodes that have to be evaluated, each once however many rules it answers.
    open: Vec<NodeId>,
    /// Set once all bytes that the plan reads were checked.
    checked: OnceLock<()>,
}

impl Batch {
    /// Binds and plans rules. One that cannot be bound has its error and does not stop the others; only damage to the
    /// snapshot does.
    pub fn new(snapshot: &Arc<Snapshot>, rules: &[Rule], scope: &Scope<'_>) -> Result<Self, QueryError> {
        let binder = Binder::new(snapshot, scope.now)?;
        let bound: Vec<Result<Condition, QueryError>> = apart(|_| {
            let parts = rules.par_chunks(BOUND_TOGETHER);
            parts.flat_map_iter(|rules| bind_all(snapshot, rules, scope)).collect()
        });
        // Rules without a condition stand for nothing in the plan; their errors are put back below.
        let (conditions, errors): (Vec<Condition>, Vec<Option<QueryError>>) = bound
            .into_iter()
            .map(|bound| bound.map_or_else(|e| (Condition::None, Some(e)), |c| (c, None)))
            .unzip();
        let (plan, roots) = Plan::many(snapshot, &binder, &conditions);
        let roots: Vec<_> =
            errors.into_iter().zip(roots).map(|(error, root)| error.map_or(root, Err)).collect();
        let mut open: Vec<NodeId> =
            roots.iter().flatten().copied().filter(|&id| plan.known_count_of(id).is_none()).collect();
        open.sort_unstable();
        open.dedup();
        let batch = Self { snapshot: Arc::clone(snapshot), plan, roots, open, checked: OnceLock::new() };
        if !batch.open.is_empty() || snapshot.masked().is_some() {
            batch.check_bytes()?;
        }
        Ok(batch)
    }

    /// How many users each rule has, or why it could not be planned.
    pub fn counts(&self) -> Vec<Result<u64, &QueryError>> {
        let without = erased(&self.snapshot);
        let nanos = self.open.iter().map(|&id| self.plan.nanos(id)).sum();
        let counts = over_chunks(
            &self.plan,
            &self.snapshot,
            &without,
            None,
            nanos,
            |evaluator, chunk| {
                evaluator.enter(chunk);
                self.open.iter().map(|&id| u64::from(evaluator.count(id))).collect::<Vec<u64>>()
            },
            added,
        )
        .unwrap_or_default();
        let (known, masked) = self.masked_of_known(&without);
        let at = |ids: &[NodeId], counts: &[u64], id: NodeId| {
            ids.binary_search(&id).ok().and_then(|at| counts.get(at)).copied().unwrap_or(0)
        };
        let count = |id: NodeId| match self.plan.known_count_of(id) {
            Some(count) => count.saturating_sub(at(&known, &masked, id)),
            None => at(&self.open, &counts, id),
        };
        self.roots.iter().map(|root| root.as_ref().map(|&id| count(id))).collect()
    }

    /// The rows of each rule, masked ones too, as [`Audience::row_set`](super::Audience::row_set) tells them: equal rules have one set.
    pub fn row_sets(&self) -> Result<Vec<Result<RowSet, &QueryError>>> {
        self.check_bytes()?;
        let mut nodes: Vec<NodeId> = self.roots.iter().flatten().copied().collect();
        nodes.sort_unstable();
        nodes.dedup();
        let chunks = over_chunks(
            &self.plan,
            &self.snapshot,
            &None,
            None,
            nodes.iter().map(|&id| self.plan.nanos(id)).sum(),
            |evaluator, chunk| {
                evaluator.enter(chunk);
                vec![(chunk, nodes.iter().map(|&id| evaluator.chunk_rows_of(id)).collect::<Vec<_>>())]
            },
            |mut a, mut b| {
                a.append(&mut b);
                a
            },
        );
        let mut by_node: Vec<Vec<(u32, ChunkRows)>> = nodes.iter().map(|_| Vec::new()).collect();
        for (chunk, rows) in chunks.unwrap_or_default() {
            by_node.iter_mut().zip(rows).for_each(|(of, rows)| of.push((chunk, rows)));
        }
        let sets = apart(|_| {
            let sets = by_node.into_par_iter().map(|rows| RowSet::of_chunks(&self.snapshot, rows));
            sets.collect::<Result<Vec<RowSet>>>()
        })?;
        let of = |id: NodeId| sets[nodes.partition_point(|&node| node < id)].clone();
        Ok(self.roots.iter().map(|root| root.as_ref().map(|&id| of(id))).collect())
    }

    /// The nodes whose counts the index knows, and how many masked rows each has.
    fn masked_of_known(&self, without: &Without) -> (Vec<NodeId>, Vec<u64>) {
        // As for one audience: bytes that are damaged, and were not needed when this was made, leave the index's counts.
        let Some(masked) = without.as_ref().filter(|_| self.check_bytes().is_ok()) else {
            return (Vec::new(), Vec::new());
        };
        let is_known = |id: &NodeId| self.plan.known_count_of(*id).is_some();
        let mut known: Vec<NodeId> = self.roots.iter().flatten().copied().filter(is_known).collect();
        known.sort_unstable();
        known.dedup();
        let counts = over(
            masked.chunks(),
            known.len() as f64 * MASKED_NANOS,
            || Evaluator::new(&self.plan, &self.snapshot, without),
            |evaluator, at| {
                evaluator.enter(masked.chunk_at(at));
                known.iter().map(|&id| u64::from(evaluator.count_masked(id))).collect::<Vec<u64>>()
            },
            added,
        );
        (known, counts.unwrap_or_default())
    }

    fn check_bytes(&self) -> Result<()> {
        if self.checked.get().is_none() {
            apart(|_| self.plan.check(&self.snapshot))?;
            self.checked.get_or_init(|| ());
        }
        Ok(())
    }

    /// Operations in the plan, shared ones counted once: how much the rules have in common.
    pub fn operations(&self) -> usize {
        self.plan.len()
    }
}

// What drives chunks gives both away.
#[allow(clippy::needless_pass_by_value)]
fn added(mut a: Vec<u64>, b: Vec<u64>) -> Vec<u64> {
    a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
    a
}

fn bind_all(snapshot: &Snapshot, rules: &[Rule], scope: &Scope<'_>) -> Vec<Result<Condition, QueryError>> {
    let Ok(binder) = Binder::new(snapshot, scope.now) else {
        // Errors cannot be shared, so each rule gets its own.
        return rules.iter().map(|_| Binder::new(snapshot, scope.now).map(|_| Condition::None)).collect();
    };
    let bind = |rule: &Rule| {
        let bound = Expanded::new(rule, snapshot, scope)?.bind(&binder, true)?;
        Ok(simplified(snapshot, &binder, bound))
    };
    rules.iter().map(bind).collect()
}
