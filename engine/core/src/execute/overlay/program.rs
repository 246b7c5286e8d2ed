//! A rule prepared for one row with values of its own: NOT down at the leaves, each leaf as a part of a plan for what the snapshot
//! says and as a test for what an overlay says.

use super::super::holds;
use super::{Overlay, View, mask_of};
use crate::plan::{NodeId, Plan, simplified};
use crate::rule::ast::{CompareOp, Operand, Rule};
use crate::rule::bind::condition::Condition;
use crate::rule::bind::row::{Of, Test};
use crate::rule::bind::time::Clock;
use crate::rule::bind::{Binder, QueryError};
use crate::snapshot::Snapshot;

/// A rule, ready to be asked of a row and an overlay.
#[derive(Debug)]
pub(in crate::execute) struct Program {
    root: Node,
    leaves: Vec<Leaf>,
    /// Every leaf's rows in the snapshot.
    plan: Plan,
    clock: Clock,
    mask: u64,
}

/// An operation. Nothing negates: each leaf knows which truth it is asked for.
#[derive(Debug)]
pub(in crate::execute) enum Node {
    /// Always, or never.
    Const(bool),
    /// A leaf, by its position.
    Leaf(usize),
    /// All of these.
    All(Vec<Node>),
    /// Any of these.
    Any(Vec<Node>),
    /// At least so many of these.
    AtLeast(u32, Vec<Node>),
}

/// A condition.
#[derive(Debug)]
pub(in crate::execute) struct Leaf {
    /// Whether it is asked to be true, or to be false: unknown is neither.
    truth: bool,
    pub(in crate::execute) test: Test,
    node: NodeId,
    mask: u64,
}

impl Program {
    /// A program for the rows where a rule is true, or for those where it is false.
    pub(in crate::execute) fn bound(
        snapshot: &Snapshot,
        binder: &Binder<'_>,
        rule: &Rule,
        truth: bool,
    ) -> Result<Self, QueryError> {
        let mut compiler = Compiler { snapshot, binder, leaves: Vec::new(), conditions: Vec::new() };
        let root = compiler.node(rule, truth)?;
        let (plan, nodes) = Plan::many(snapshot, binder, &compiler.conditions);
        let mut leaves = compiler.leaves;
        for (leaf, node) in leaves.iter_mut().zip(nodes) {
            leaf.node = node?;
        }
        plan.check(snapshot)?;
        let mask = leaves.iter().fold(0, |mask, leaf| mask | leaf.mask);
        Ok(Self { root, leaves, plan, clock: binder.clock().clone(), mask })
    }

    /// Whether an overlay may have anything that the rule looks at.
    pub(in crate::execute) fn touched_by(&self, overlay: &Overlay) -> bool {
        !overlay.misses(self.mask)
    }

    pub(in crate::execute) fn root(&self) -> &Node {
        &self.root
    }

    pub(in crate::execute) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    pub(in crate::execute) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether the rule holds.
    pub(in crate::execute) fn holds(&self, view: &View<'_>) -> Result<bool, QueryError> {
        Ok(self.root.eval(&mut |leaf| self.leaf_holds(leaf, view))?)
    }

    /// Whether a leaf is what it is asked to be.
    pub(in crate::execute) fn leaf_holds(&self, at: usize, view: &View<'_>) -> crate::error::Result<bool> {
        let leaf = &self.leaves[at];
        if leaf.touched_by(view.overlay) {
            return leaf.holds_in(view, &self.clock);
        }
        Ok(holds(&self.plan, view.snapshot.ids(), leaf.node, view.row))
    }
}

impl Leaf {
    /// A condition that is asked to be true or to be false, and its rows in the snapshot.
    pub(in crate::execute) fn new(
        snapshot: &Snapshot,
        binder: &Binder<'_>,
        rule: &Rule,
        truth: bool,
    ) -> Result<(Self, Condition), QueryError> {
        let condition = simplified(snapshot, binder, binder.bind(rule, truth)?);
        let test = binder.test(rule)?;
        // These may look at the snapshot for one value and at the overlay for another.
        if matches!(test, Test::Pair(..) | Test::MapContains(_)) {
            test.sources()
                .filter_map(|source| source.column.as_ref())
                .try_for_each(crate::column::ValueColumn::check_codes)?;
        }
        let mask = test.columns().fold(0, |mask, column| mask | mask_of(column));
        Ok((Self { truth, test, node: 0, mask }, condition))
    }

    /// Whether it is as it is asked to be, by an overlay that [touches](Leaf::touched_by) it.
    pub(in crate::execute) fn holds_in(&self, view: &View<'_>, clock: &Clock) -> crate::error::Result<bool> {
        Ok(self.test.eval(view, clock)? == Some(self.truth))
    }

    /// Whether an overlay has anything that the condition looks at.
    pub(in crate::execute) fn touched_by(&self, overlay: &Overlay) -> bool {
        if overlay.misses(self.mask) {
            return false;
        }
        match &self.test {
            // Whether a map has a key depends on whether there is a map, and so on its other keys.
            Test::MapContains(_) | Test::ColumnIsNull(..) | Test::Has { .. } => {
                self.test.columns().any(|column| overlay.has_column(column))
            }
            test => test.sources().any(|source| match &source.of {
                Of::UserId => false,
                Of::Column(column) | Of::Length(column) => overlay.column(*column).is_some(),
                Of::Key(column, key) => overlay.key(*column, key).is_some(),
            }),
        }
    }
}

impl Node {
    /// Whether it holds, by what its leaves are; asks about no more of them than it needs.
    pub(in crate::execute) fn eval<E>(
        &self,
        leaf: &mut impl FnMut(usize) -> Result<bool, E>,
    ) -> Result<bool, E> {
        match self {
            Self::Const(value) => Ok(*value),
            Self::Leaf(at) => leaf(*at),
            Self::All(of) => {
                for node in of {
                    if !node.eval(leaf)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(of) => {
                for node in of {
                    if node.eval(leaf)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::AtLeast(k, of) => {
                let (mut needed, mut left) = (*k as usize, of.len());
                for node in of {
                    if needed == 0 || needed > left {
                        break;
                    }
                    needed -= usize::from(node.eval(leaf)?);
                    left -= 1;
                }
                Ok(needed == 0)
            }
        }
    }
}

struct Compiler<'a> {
    snapshot: &'a Snapshot,
    binder: &'a Binder<'a>,
    leaves: Vec<Leaf>,
    conditions: Vec<Condition>,
}

impl Compiler<'_> {
    /// The rows for which a rule is true, or those for which it is false: what [`Binder::bind`] does, leaf by leaf.
    fn node(&mut self, rule: &Rule, truth: bool) -> Result<Node, QueryError> {
        let mut nodes =
            |of: &[Rule]| of.iter().map(|rule| self.node(rule, truth)).collect::<Result<Vec<_>, _>>();
        Ok(match rule {
            Rule::Const(value) => Node::Const(*value == truth),
            Rule::Not(rule) => self.node(rule, !truth)?,
            Rule::And(of) => joined(truth, nodes(of)?),
            Rule::Or(of) => joined(!truth, nodes(of)?),
            Rule::AtLeast { k, of } => {
                let needed = if truth { *k } else { (of.len() as u32 + 1).saturating_sub(*k) };
                Node::AtLeast(needed, nodes(of)?)
            }
            Rule::Between { value, low, high, negated } => {
                use CompareOp::{Greater, GreaterEq, Less, LessEq};
                let (low_op, high_op) = if *negated { (Less, Greater) } else { (GreaterEq, LessEq) };
                let end = |op, end: &Operand| Rule::Compare { left: value.clone(), op, right: end.clone() };
                let ends = nodes(&[end(low_op, low), end(high_op, high)])?;
                joined(*negated != truth, ends)
            }
            leaf => self.leaf(leaf, truth)?,
        })
    }

    fn leaf(&mut self, rule: &Rule, truth: bool) -> Result<Node, QueryError> {
        let (leaf, condition) = Leaf::new(self.snapshot, self.binder, rule, truth)?;
        self.conditions.push(condition);
        self.leaves.push(leaf);
        Ok(Node::Leaf(self.leaves.len() - 1))
    }
}

fn joined(conjunction: bool, of: Vec<Node>) -> Node {
    if conjunction { Node::All(of) } else { Node::Any(of) }
}
