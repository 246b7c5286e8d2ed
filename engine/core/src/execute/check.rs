//! Why a user is in an audience or not: the outcome of every condition of the rule, with the values behind it.

use serde::Serialize;

use super::Audience;
use super::features::{Feature, operands_of};
use super::overlay::{Overlay, Program, View};
use crate::rule::ast::Rule;
use crate::rule::bind::{Binder, QueryError};

/// One of SQL's three values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The condition holds.
    True,
    /// It does not.
    False,
    /// It cannot be told, because a value is NULL: not in the audience.
    Unknown,
}

/// A condition's outcome for one user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The condition as text.
    pub rule: String,
    /// What it comes to.
    pub outcome: Outcome,
    /// The features it looks at: name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<(String, Feature)>,
    /// The conditions inside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Verdict>,
}

impl Audience {
    /// Every condition's outcome for a user; `None` for an id that is not in the snapshot, or was erased.
    pub fn check(&self, user_id: u64) -> Result<Option<Verdict>, QueryError> {
        let Some(row) = self.snapshot.row_of(user_id)? else { return Ok(None) };
        self.verdict_with(row, &Overlay::default()).map(Some)
    }

    /// Every condition's outcome for a row under an overlay.
    pub(super) fn verdict_with(&self, row: u32, overlay: &Overlay) -> Result<Verdict, QueryError> {
        let binder = self.binder()?;
        self.verdict(&binder, &self.rule, &View::new(&self.snapshot, row, overlay))
    }

    fn verdict(&self, binder: &Binder<'_>, rule: &Rule, view: &View<'_>) -> Result<Verdict, QueryError> {
        let terms: Vec<&Rule> = match rule {
            Rule::And(of) | Rule::Or(of) | Rule::AtLeast { of, .. } => of.iter().collect(),
            Rule::Not(inner) => vec![inner],
            _ => Vec::new(),
        };
        let terms: Vec<Verdict> =
            terms.into_iter().map(|term| self.verdict(binder, term, view)).collect::<Result<_, _>>()?;
        let outcome = match rule {
            // Combined from the terms, so that a deep rule is not bound again at every level.
            Rule::Not(_) => negated(terms[0].outcome),
            Rule::And(_) => at_least(terms.len() as u32, &terms),
            Rule::Or(_) => at_least(1, &terms),
            Rule::AtLeast { k, .. } => at_least(*k, &terms),
            leaf => self.leaf_outcome(binder, leaf, view)?,
        };
        let mut features = Vec::new();
        for operand in operands_of(rule) {
            if let Some(feature) = view.feature(&operand)? {
                features.push((operand.to_string(), feature));
            }
        }
        Ok(Verdict { rule: rule.to_string(), outcome, features, terms })
    }

    fn leaf_outcome(&self, binder: &Binder<'_>, rule: &Rule, view: &View<'_>) -> Result<Outcome, QueryError> {
        for (truth, outcome) in [(true, Outcome::True), (false, Outcome::False)] {
            if Program::bound(&self.snapshot, binder, rule, truth)?.holds(view)? {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Unknown)
    }
}

fn negated(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::True => Outcome::False,
        Outcome::False => Outcome::True,
        Outcome::Unknown => Outcome::Unknown,
    }
}

fn at_least(k: u32, terms: &[Verdict]) -> Outcome {
    let count = |outcome| terms.iter().filter(|term| term.outcome == outcome).count() as u32;
    let (yes, open) = (count(Outcome::True), count(Outcome::Unknown));
    if yes >= k {
        Outcome::True
    } else if yes + open < k {
        Outcome::False
    } else {
        Outcome::Unknown
    }
}
