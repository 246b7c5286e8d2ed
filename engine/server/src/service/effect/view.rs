//! Labels as they would be after a change of one of them.

use muster_catalog::label::{LabelChange, LabelRule};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::labels::Labels;
use muster_engine::snapshot::{RowSet, Snapshot};

use crate::catalog::Seen;

/// All labels, one of them as it is said here.
pub(super) struct Changed<'a> {
    others: Seen<'a>,
    name: &'a str,
    rule: Option<&'a Rule>,
    enabled: bool,
}

impl<'a> Changed<'a> {
    /// A label as it is.
    pub(super) fn not(others: Seen<'a>, label: &'a LabelRule) -> Self {
        Self { others, name: &label.name, rule: label.rule.as_ref(), enabled: label.enabled }
    }

    /// A label as a change makes it.
    pub(super) fn to(others: Seen<'a>, label: &'a LabelRule, change: &'a LabelChange) -> Self {
        let rule = change.rule.as_ref().or(label.rule.as_ref());
        Self { rule, enabled: change.enabled.unwrap_or(label.enabled), ..Self::not(others, label) }
    }

    /// Whether a label is the one that is said here.
    fn is_it(&self, name: &str) -> bool {
        name == self.name
    }
}

impl Labels for Changed<'_> {
    fn rule(&self, name: &str) -> Option<Rule> {
        if self.is_it(name) { self.rule.filter(|_| self.enabled).cloned() } else { self.others.rule(name) }
    }

    fn names(&self) -> Vec<String> {
        self.others.names()
    }

    fn obstacle(&self, name: &str) -> Option<String> {
        if !self.is_it(name) {
            return self.others.obstacle(name);
        }
        (!self.enabled).then(|| "is disabled; enable it, or use another".to_owned())
    }

    fn list(&self, name: &str) -> Option<u64> {
        if self.is_it(name) {
            // How many users are on it is of no interest: the list stays in the rule.
            return (self.rule.is_none() && self.enabled).then_some(0);
        }
        self.others.list(name)
    }

    fn rows(&self, _: &str, _: bool, _: &Snapshot, _: i64) -> Option<RowSet> {
        // Nothing is bound with it.
        None
    }
}
