//! Muster's side: one snapshot, asked in process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use muster_engine::execute::{Audience, Batch};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::expand;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{SqlOptions, render};
use muster_engine::snapshot::{Snapshot, Store};
use rayon::prelude::*;

use crate::peers::Question;
use crate::sets::SetRule;
use crate::workload::Kind;

/// What tables call it.
pub(crate) const NAME: &str = "muster";

/// A snapshot and what rules are read with. `now()` is when the data was read.
pub(crate) struct Muster {
    snapshot: Arc<Snapshot>,
    labels: HashMap<String, Rule>,
    limits: Limits,
}

impl Muster {
    /// Opens the generation of a store that is in service.
    pub(crate) fn open(store: &Path, labels: HashMap<String, Rule>) -> Result<Self> {
        let snapshot = Store::open(store)?.current()?;
        Ok(Self::new(snapshot, labels))
    }

    /// Over a snapshot that is open.
    pub(crate) fn new(snapshot: Arc<Snapshot>, labels: HashMap<String, Rule>) -> Self {
        Self { snapshot, labels, limits: Limits::default() }
    }

    /// The snapshot.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// How many users it has.
    pub(crate) fn users(&self) -> u64 {
        u64::from(self.snapshot.rows())
    }

    /// The instant that rules are asked at.
    fn now(&self) -> i64 {
        self.snapshot.as_of()
    }

    /// A rule, read.
    fn rule(&self, text: &str) -> Result<Rule> {
        Rule::parse(text, &self.limits).with_context(|| text.to_owned())
    }

    /// A rule, read, bound and planned.
    pub(crate) fn audience(&self, text: &str) -> Result<Audience> {
        let scope = Scope { now: self.now(), labels: &self.labels, limits: &self.limits };
        let rule = self.rule(text)?;
        Audience::new(&self.snapshot, &rule, &scope).with_context(|| text.to_owned())
    }

    /// The whole request: from the text to the count.
    pub(crate) fn count(&self, text: &str) -> Result<u64> {
        Ok(self.audience(text)?.count())
    }

    /// Many rules in one pass over the data, from their texts.
    pub(crate) fn counts(&self, texts: &[String]) -> Result<Vec<u64>> {
        let scope = Scope { now: self.now(), labels: &self.labels, limits: &self.limits };
        let rules: Vec<Rule> = texts.par_iter().map(|text| self.rule(text)).collect::<Result<_>>()?;
        let batch = Batch::new(&self.snapshot, &rules, &scope)?;
        let counts = batch.counts().into_iter();
        counts.map(|count| count.map_err(|error| anyhow::anyhow!("{error}"))).collect()
    }

    /// The rule as peers want it.
    pub(crate) fn question(&self, text: &str, kind: Kind) -> Result<Question> {
        let rule = expand(&self.rule(text)?, &self.labels, &self.limits)?;
        let options = SqlOptions { now: Some(self.now()), labels: &self.labels, limits: &self.limits };
        let sql = render(&rule, self.snapshot.schema(), &options)?;
        let sets = kind.is_pure().then(|| SetRule::new(&rule, self.snapshot.schema())).transpose()?;
        Ok(Question { sql, sets })
    }

    /// The SQL of the condition a text says.
    pub(crate) fn sql(&self, text: &str) -> Result<String> {
        Ok(self.question(text, Kind::Mixed)?.sql)
    }
}
