//! The distinct parts of all rules: conditions, each asked to be true or to be false, and groups of parts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::execute::overlay::Leaf;
use crate::plan::Plan;
use crate::rule::ast::Rule;
use crate::rule::bind::condition::Condition;
use crate::rule::bind::time::Clock;
use crate::rule::bind::{Binder, QueryError};
use crate::snapshot::Snapshot;

/// Position of a part.
pub(super) type TermId = u32;

/// A part of rules. Negations are at the conditions, which know what truth they are asked for; only what a rule excepts is negated whole.
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// A condition.
    Leaf(Arc<LeafTerm>),
    /// All of these.
    All(Arc<[TermId]>),
    /// Any of these.
    Any(Arc<[TermId]>),
    /// At least so many of these.
    AtLeast(u32, Arc<[TermId]>),
    /// Not this, which holds or does not.
    Not(TermId),
}

/// A condition.
#[derive(Debug)]
pub(super) struct LeafTerm {
    /// For values of an overlay.
    pub(super) leaf: Leaf,
    /// Its rows in the snapshot.
    pub(super) condition: Condition,
    /// The same, to be asked of a row.
    pub(super) plan: Plan,
}

impl LeafTerm {
    /// Binds a condition and checks all bytes that asking it reads.
    pub(super) fn new(
        snapshot: &Snapshot,
        binder: &Binder<'_>,
        rule: &Rule,
        truth: bool,
    ) -> Result<Self, QueryError> {
        let (leaf, condition) = Leaf::new(snapshot, binder, rule, truth)?;
        let plan = Plan::new(snapshot, binder, condition.clone())?;
        plan.check(snapshot)?;
        Ok(Self { leaf, condition, plan })
    }

    /// The share of users for whom it holds, about.
    fn share(&self, snapshot: &Snapshot) -> f64 {
        self.plan.node(self.plan.root()).rows / f64::from(snapshot.rows()).max(1.0)
    }
}

/// All parts. Those of which a group is made come before it.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    terms: Vec<Term>,
    /// By what tells parts apart.
    known: HashMap<Arc<str>, TermId>,
    /// For how many users each holds, as a share of all, about.
    shares: Vec<f32>,
    leaves: usize,
    clock: Clock,
}

impl Terms {
    pub(super) fn new(snapshot: &Snapshot, now: i64) -> Result<Self, QueryError> {
        let clock = Clock::new(now, &snapshot.schema().time_zone)?;
        Ok(Self { terms: Vec::new(), known: HashMap::new(), shares: Vec::new(), leaves: 0, clock })
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn len(&self) -> usize {
        self.terms.len()
    }

    pub(super) fn leaves(&self) -> usize {
        self.leaves
    }

    pub(super) fn get(&self, id: TermId) -> &Term {
        &self.terms[id as usize]
    }

    pub(super) fn share(&self, id: TermId) -> f32 {
        self.shares[id as usize]
    }

    pub(super) fn known(&self, name: &str) -> Option<TermId> {
        self.known.get(name).copied()
    }

    pub(super) fn add_leaf(&mut self, snapshot: &Snapshot, name: &str, leaf: LeafTerm) -> TermId {
        self.leaves += 1;
        let share = leaf.share(snapshot) as f32;
        self.add(name, Term::Leaf(Arc::new(leaf)), share)
    }

    /// A group of at least two parts, all of which are here.
    pub(super) fn add_group(&mut self, group: Group, of: &[TermId]) -> TermId {
        let name = format!("{group:?}{of:?}");
        if let Some(id) = self.known(&name) {
            return id;
        }
        let shares = of.iter().map(|&id| self.share(id));
        let (term, share) = match group {
            Group::All => (Term::All(of.into()), shares.product()),
            Group::Any => (Term::Any(of.into()), 1.0 - shares.map(|share| 1.0 - share).product::<f32>()),
            Group::AtLeast(k) => {
                (Term::AtLeast(k, of.into()), shares.sum::<f32>() / of.len().max(1) as f32 / k as f32)
            }
        };
        self.add(&name, term, share)
    }

    /// What does not hold where a part does.
    pub(super) fn add_not(&mut self, id: TermId) -> TermId {
        let name = format!("Not{id}");
        let share = 1.0 - self.share(id);
        self.known(&name).unwrap_or_else(|| self.add(&name, Term::Not(id), share))
    }

    fn add(&mut self, name: &str, term: Term, share: f32) -> TermId {
        let id = self.terms.len() as TermId;
        self.terms.push(term);
        self.shares.push(share);
        self.known.insert(name.into(), id);
        id
    }
}

/// How a group joins its parts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Group {
    All,
    Any,
    AtLeast(u32),
}
