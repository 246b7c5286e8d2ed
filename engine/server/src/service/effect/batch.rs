//! Many rules, each with the labels as they are and as they would be, counted in one pass.

use std::sync::Arc;

use muster_catalog::delivery::Body;
use muster_catalog::label::{LabelChange, LabelRule};
use muster_engine::execute::count_many;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::error::RuleError;
use muster_engine::rule::labels::{Labels, expand};
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::Snapshot;

use super::super::side_by_side;
use super::Reckoned;
use super::view::Changed;
use crate::catalog::{Book, meant};
use crate::fault::{Fault, Result};

/// Rules that are to be counted.
pub(super) struct Reckoning<'a> {
    views: [&'a Changed<'a>; 2],
    book: &'a Book,
    limits: &'a Limits,
    rules: Vec<Rule>,
}

/// What was asked to be counted, before and after.
pub(super) type Asked = [One; 2];

/// Where a count will be.
pub(super) enum One {
    /// That of a rule.
    Of(usize),
    /// That of a rule without those of another.
    Without(usize, usize),
    /// Nowhere.
    Failed(String),
}

/// The counts.
pub(super) struct Counts(Vec<Reckoned>);

impl<'a> Reckoning<'a> {
    /// Nothing yet.
    pub(super) fn new(views: [&'a Changed<'a>; 2], book: &'a Book, limits: &'a Limits) -> Self {
        Self { views, book, limits, rules: Vec::new() }
    }

    /// The label itself: its rule as it is and as a change makes it. A list stays the same.
    pub(super) fn label(&mut self, label: &LabelRule, change: &LabelChange) -> Asked {
        let Some(rule) = &label.rule else {
            let list = || Rule::Label(label.name.clone());
            return [self.keep(list()), self.keep(list())];
        };
        let [before, after] = self.views;
        [self.one(before, rule, &[]), self.one(after, change.rule.as_ref().unwrap_or(rule), &[])]
    }

    /// Another label.
    pub(super) fn rule_of(&mut self, label: &LabelRule) -> Asked {
        let rule = label.rule.clone().unwrap_or_else(|| Rule::Label(label.name.clone()));
        self.views.map(|view| self.one(view, &rule, &[]))
    }

    /// Whom a delivery reaches.
    pub(super) fn delivery(&mut self, body: &Body) -> Asked {
        match meant(body, self.book, self.limits) {
            Ok((rule, except)) => self.views.map(|view| self.one(view, &rule, &except)),
            Err(error) => [One::Failed(error.to_string()), One::Failed(error.to_string())],
        }
    }

    /// A rule without those for whom one of others is true. That is a difference: for whom it is unknown is not left out, so `NOT` would
    /// say something else.
    fn one(&mut self, labels: &dyn Labels, rule: &Rule, except: &[Rule]) -> One {
        let expanded = |rule: &Rule| expand(rule, labels, self.limits);
        let both = expanded(rule)
            .and_then(|rule| Ok((rule, except.iter().map(expanded).collect::<Result<Vec<_>, RuleError>>()?)));
        match both {
            Err(error) => One::Failed(error.to_string()),
            Ok((rule, except)) if except.is_empty() => self.keep(rule),
            Ok((rule, except)) => {
                self.rules.push(rule.clone());
                self.rules.push(Rule::all(vec![rule, Rule::any(except)]));
                One::Without(self.rules.len() - 2, self.rules.len() - 1)
            }
        }
    }

    fn keep(&mut self, rule: Rule) -> One {
        self.rules.push(rule);
        One::Of(self.rules.len() - 1)
    }

    /// Counts all of it.
    pub(super) fn count(self, snapshot: &Arc<Snapshot>, lists: &dyn Labels, now: i64) -> Result<Counts> {
        let limits = side_by_side(self.limits);
        let scope = Scope { now, labels: lists, limits: &limits };
        let counts =
            count_many(snapshot, &self.rules, &scope).map_err(|error| Fault::of_query(error, "label"))?;
        Ok(Counts(counts.into_iter().map(|count| count.map_err(|error| error.to_string())).collect()))
    }
}

impl Counts {
    /// What was asked for.
    pub(super) fn of(&self, asked: Asked) -> [Reckoned; 2] {
        asked.map(|one| match one {
            One::Of(at) => self.at(at),
            One::Without(rule, except) => Ok(self.at(rule)?.saturating_sub(self.at(except)?)),
            One::Failed(why) => Err(why),
        })
    }

    fn at(&self, at: usize) -> Reckoned {
        self.0.get(at).cloned().unwrap_or_else(|| Err("it was not counted".to_owned()))
    }
}
