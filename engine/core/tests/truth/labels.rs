//! Labels as the engine takes them. The naive evaluator knows a list as the `IN` that it amounts to; the engine gets it as a list,
//! and now and then the rows of a label besides.

use std::collections::HashMap;
use std::sync::Arc;

use muster_engine::execute::Audience;
use muster_engine::rule::ast::{Literal, Number, Operand, Rule};
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::Labels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{RowSet, Snapshot};

use super::naive::LabelRules;
use super::rng::Rng;

/// What names of lists begin with.
const LIST: &str = "list ";

/// Labels by name.
#[derive(Debug, Clone, Default)]
pub struct Known {
    rules: LabelRules,
    now: i64,
    /// Where a label is false or true.
    rows: HashMap<(String, bool), RowSet>,
}

impl Known {
    pub fn new(rules: &LabelRules) -> Self {
        Self { rules: rules.clone(), ..Self::default() }
    }

    /// The same with the rows of some labels made in advance.
    pub fn prepared(mut self, snapshot: &Arc<Snapshot>, now: i64, rng: &mut Rng) -> Self {
        self.now = now;
        for (name, rule) in self.rules.clone() {
            if let Some(mut users) = self.users(&name) {
                if rng.one_in(2) {
                    users.extend(users.clone());
                    rng.shuffle(&mut users);
                    self.rows.insert((name, true), RowSet::of_users(snapshot, &users).unwrap());
                }
                continue;
            }
            for truth in [false, true] {
                let limits = Limits::default();
                let scope = Scope { now, labels: &self, limits: &limits };
                let rule = if truth { rule.clone() } else { Rule::Not(Box::new(rule.clone())) };
                // One that is too large once its own labels are replaced is no label of any rule.
                let audience = rng.one_in(3).then(|| Audience::new(snapshot, &rule, &scope).ok()).flatten();
                if let Some(rows) = audience.map(|audience| audience.row_set().unwrap()) {
                    self.rows.insert((name.clone(), truth), rows);
                }
            }
        }
        self
    }
}

/// A list's name and what it comes to.
pub fn list(at: usize, user_id: &str, users: Vec<u64>) -> (String, Rule) {
    let id = |user: u64| Operand::Literal(Literal::Number(Number::Int(user.into())));
    let list = users.into_iter().map(id).collect();
    let value = Operand::Column(user_id.to_owned());
    (format!("{LIST}{at}"), Rule::In { value, list, negated: false })
}

impl Labels for Known {
    fn rule(&self, name: &str) -> Option<Rule> {
        self.rules.get(name).filter(|_| !name.starts_with(LIST)).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.rules.keys().cloned().collect()
    }

    fn list(&self, name: &str) -> Option<u64> {
        self.users(name).map(|users| users.len() as u64)
    }

    fn users(&self, name: &str) -> Option<Vec<u64>> {
        let Some(Rule::In { list, .. }) = self.rules.get(name).filter(|_| name.starts_with(LIST)) else {
            return None;
        };
        let id = |item: &Operand| match item {
            Operand::Literal(Literal::Number(Number::Int(id))) => u64::try_from(*id).unwrap(),
            other => panic!("{other:?} is no user"),
        };
        Some(list.iter().map(id).collect())
    }

    fn rows(&self, name: &str, truth: bool, _snapshot: &Snapshot, now: i64) -> Option<RowSet> {
        if now != self.now && !name.starts_with(LIST) {
            return None;
        }
        self.rows.get(&(name.to_owned(), truth)).cloned()
    }
}
