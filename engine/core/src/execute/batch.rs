//! Many rules at once: one plan in which equal parts of any rules are one node, evaluated in one pass over the chunks.
//!
//! While a chunk is in work its containers stay in the caches, and what several rules share is computed once.

use std::sync::Arc;

use rayon::prelude::*;

use super::drive::over_chunks;
use super::halt::apart;
use crate::error::Result;
use crate::plan::{NodeId, Plan, simplified};
use crate::rule::ast::Rule;
use crate::rule::bind::condition::Condition;
use crate::rule::bind::{Binder, QueryError, Scope, expanded};
use crate::snapshot::Snapshot;

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
        if !open.is_empty() {
            apart(|_| plan.check(snapshot))?;
        }
        Ok(Self { snapshot: Arc::clone(snapshot), plan, roots, open })
    }

    /// How many users each rule has, or why it could not be planned.
    pub fn counts(&self) -> Vec<Result<u64, &QueryError>> {
        let nanos = self.open.iter().map(|&id| self.plan.nanos(id)).sum();
        let counts = over_chunks(
            &self.plan,
            &self.snapshot,
            None,
            nanos,
            |evaluator, chunk| {
                evaluator.enter(chunk);
                self.open.iter().map(|&id| u64::from(evaluator.count(id))).collect::<Vec<u64>>()
            },
            |mut a, b| {
                a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
                a
            },
        )
        .unwrap_or_default();
        let count = |id: NodeId| match self.plan.known_count_of(id) {
            Some(count) => count,
            None => self.open.binary_search(&id).ok().and_then(|at| counts.get(at)).copied().unwrap_or(0),
        };
        self.roots.iter().map(|root| root.as_ref().map(|&id| count(id))).collect()
    }

    /// Operations in the plan, shared ones counted once: how much the rules have in common.
    pub fn operations(&self) -> usize {
        self.plan.len()
    }
}

fn bind_all(snapshot: &Snapshot, rules: &[Rule], scope: &Scope<'_>) -> Vec<Result<Condition, QueryError>> {
    let Ok(binder) = Binder::new(snapshot, scope.now) else {
        // Errors cannot be shared, so each rule gets its own.
        return rules.iter().map(|_| Binder::new(snapshot, scope.now).map(|_| Condition::None)).collect();
    };
    let bind = |rule: &Rule| {
        let bound = binder.bind(&expanded(rule, scope)?, true)?;
        Ok(simplified(snapshot, &binder, bound))
    };
    rules.iter().map(bind).collect()
}
