//! Live deliveries at one moment: those that are shown or will be.

use std::collections::HashMap;
use std::sync::Arc;

use muster_catalog::delivery::{Body, Delivery, LabelRef, Live as Read, Status, Target};
use muster_engine::execute::IndexedRule;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::error::RuleError;
use muster_engine::rule::labels::names_in;
use muster_engine::rule::limits::Limits;

use super::Book;
use crate::caller::Caller;

/// Live deliveries.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Which change of the catalog it has, at least; none before the first reading.
    change: Option<u64>,
    /// How often deliveries were read.
    edition: u64,
    by_id: HashMap<u64, Arc<Delivery>>,
}

impl Live {
    /// Whether it has everything up to a change of the catalog.
    pub(super) fn is_of(&self, change: u64) -> bool {
        self.change.is_some_and(|known| known >= change)
    }

    /// Whether it was read after these were.
    pub(super) fn is_newer_than(&self, read: &Read) -> bool {
        self.change.is_some_and(|known| known > read.change)
    }

    /// What comes after this. Deliveries that did not change stay the same ones.
    pub(super) fn next(&self, read: &Read) -> Self {
        let same = |delivery: &Delivery| {
            let known = self.by_id.get(&delivery.id).filter(|known| ***known == *delivery);
            known.map_or_else(|| Arc::new(delivery.clone()), Arc::clone)
        };
        Self {
            change: Some(read.change),
            edition: self.edition + 1,
            by_id: read.deliveries.iter().map(|delivery| (delivery.id, same(delivery))).collect(),
        }
    }

    /// How often deliveries were read.
    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    /// A delivery.
    pub(crate) fn get(&self, id: u64) -> Option<&Arc<Delivery>> {
        self.by_id.get(&id)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Delivery>> {
        self.by_id.values()
    }

    /// Those that are shown at an instant, the greatest priority first.
    pub(crate) fn ongoing(&self, now_us: i64) -> Vec<&Arc<Delivery>> {
        let shown = self.by_id.values().filter(|delivery| delivery.status_at(now_us) == Status::Ongoing);
        let mut shown: Vec<_> = shown.collect();
        shown.sort_unstable_by_key(|delivery| (std::cmp::Reverse(delivery.body.priority), delivery.id));
        shown
    }

    /// The names of the labels that they name, directly.
    pub(crate) fn labels(&self, book: &Book, limits: &Limits) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for delivery in self.by_id.values() {
            if let Ok(rule) = indexed(delivery, book, limits) {
                let rules = std::iter::once(&rule.rule).chain(&rule.except);
                names.extend(rules.flat_map(names_in).map(ToOwned::to_owned));
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A delivery as a rule that users meet or not.
pub(crate) fn indexed(delivery: &Delivery, book: &Book, limits: &Limits) -> Result<IndexedRule, RuleError> {
    let (rule, except) = meant(&delivery.body, book, limits)?;
    Ok(IndexedRule { key: delivery.id, priority: delivery.body.priority, rule, except })
}

/// Whom a delivery means: its target without its holdout, and the labels whose users it leaves out.
pub(crate) fn meant(body: &Body, book: &Book, limits: &Limits) -> Result<(Rule, Vec<Rule>), RuleError> {
    // Who may use which label was asked when the delivery named it.
    let server = Caller::server();
    // A label's name of today: it may have been renamed since.
    let label = |named: &LabelRef| {
        let name = book.by_id(named.id, &server).map_or(&named.name, |entry| &entry.label.name);
        Rule::Label(name.clone())
    };
    let target = match &body.target {
        Target::Label(named) => label(named),
        Target::Rule(text) => Rule::parse(text, limits)?,
    };
    let rule = match &body.holdout {
        None => target,
        Some(holdout) => {
            let (salt, low, high) = (holdout.salt.clone(), holdout.low, holdout.high);
            Rule::all(vec![target, Rule::Not(Box::new(Rule::Bucket { salt, low, high }))])
        }
    };
    Ok((rule, body.exclude.iter().map(label).collect()))
}
