//! One user against many rules: which live deliveries, or which labels, a user meets.
//!
//! A [`RuleIndex`] takes the rules apart into conditions, each once however many rules have it, and knows for each feature which
//! rules every value of it rules out. A question reads the user's features once, each leaves over a part of the rules, as bits in the order
//! of their priority, and only rules that no feature ruled out are looked at, in that order and until there are enough.
//! What a rule has besides conditions on features that many rules look at is asked then, each distinct part once a question.
//!
//! Nothing here is faster for one rule than [`Audience::targets`](super::Audience::targets), and nothing answers otherwise.

mod ask;
mod compile;
mod facets;
mod reader;
mod tables;
mod terms;

use std::collections::HashMap;
use std::sync::Arc;

use super::halt::apart;
use crate::rule::ast::Rule;
use crate::rule::bind::{QueryError, Scope};
use crate::rule::labels::Labels;
use crate::rule::limits::Limits;
use crate::snapshot::Snapshot;

use compile::{Compiled, compile};
use tables::Tables;
use terms::Terms;

/// A rule to be indexed, and what it is told by.
#[derive(Debug, Clone)]
pub struct IndexedRule {
    /// The caller's name for it, different for each rule.
    pub key: u64,
    /// Greater ones are told first; of equal ones the smaller key.
    pub priority: i32,
    /// The rule.
    pub rule: Rule,
    /// Whose users do not meet it. Who only may be a user of one of these, because something is not known, meets the rule.
    pub except: Vec<Rule>,
}

/// Who a question about a user was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody that is in the snapshot, or somebody who was erased: meets no rule.
    Unknown,
    /// Somebody who opted out: is no target of any rule.
    OptedOut,
    /// A user whose features were looked at.
    Known,
}

/// Rules bound to one snapshot, to be asked which of them a user meets. `now()` is fixed when it is made.
#[derive(Debug)]
pub struct RuleIndex {
    snapshot: Arc<Snapshot>,
    now: i64,
    terms: Terms,
    /// By key.
    rules: HashMap<u64, Arc<Compiled>>,
    tables: Tables,
}

/// Rules that could not be indexed, by key, and why.
pub type Refused = Vec<(u64, QueryError)>;

impl RuleIndex {
    /// Indexes rules. One that cannot be bound is told with its error and does not stop the others; only damage to the snapshot
    /// does. Of several with the same key the last counts.
    pub fn new(
        snapshot: &Arc<Snapshot>,
        rules: Vec<IndexedRule>,
        scope: &Scope<'_>,
    ) -> Result<(Self, Refused), QueryError> {
        let terms = Terms::new(snapshot, scope.now)?;
        Self::made(snapshot, scope, terms, HashMap::new(), rules)
    }

    /// The index with some rules put in, in the place of those of the same key, and some removed. What conditions the rules have in
    /// common with those before is not bound again, so this takes milliseconds where [`RuleIndex::new`] may take a second. A rule
    /// whose label has changed has to be put in again.
    pub fn changed(
        &self,
        put: Vec<IndexedRule>,
        removed: &[u64],
        labels: &dyn Labels,
        limits: &Limits,
    ) -> Result<(Self, Refused), QueryError> {
        let mut rules = self.rules.clone();
        for key in removed.iter().chain(put.iter().map(|rule| &rule.key)) {
            rules.remove(key);
        }
        let scope = Scope { now: self.now, labels, limits };
        Self::made(&self.snapshot, &scope, self.terms.clone(), rules, put)
    }

    fn made(
        snapshot: &Arc<Snapshot>,
        scope: &Scope<'_>,
        mut terms: Terms,
        mut rules: HashMap<u64, Arc<Compiled>>,
        put: Vec<IndexedRule>,
    ) -> Result<(Self, Refused), QueryError> {
        let (compiled, refused) = apart(|_| compile(snapshot, scope, &mut terms, put))?;
        rules.extend(compiled.into_iter().map(|rule| (rule.key, Arc::new(rule))));
        let tables = Tables::new(snapshot, &terms, rules.values())?;
        Ok((Self { snapshot: Arc::clone(snapshot), now: scope.now, terms, rules, tables }, refused))
    }

    /// The snapshot whose users it is asked about; it stays open as long as this does.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The instant that `now()` was, in Unix seconds.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// How many rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether it has no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many distinct conditions the rules have. Those of rules that were removed stay until the next [`RuleIndex::new`].
    pub fn conditions(&self) -> usize {
        self.terms.leaves()
    }

    /// Features that have a table, and the bytes of all tables.
    pub fn tables(&self) -> (usize, usize) {
        (self.tables.facets(), self.tables.bytes())
    }
}
